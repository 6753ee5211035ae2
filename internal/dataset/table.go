package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxRecord bounds one record of a CSV file, so that a quote that is never closed cannot take the file into memory.
const maxRecord = 1 << 20

// tabular is a table of samples.
type tabular interface {
	// has tells whether a column may be there.
	has(column string) bool
	// had tells whether a column was there in what was read.
	had(column string) bool
	// next reads one record, which is valid until the next; io.EOF follows the last. After a *lineError the next record
	// can be read.
	next() (cells, error)
	// offset is where what follows the last record begins, in bytes.
	offset() int64
}

// cells is one record of a table.
type cells interface {
	// text returns a cell without surrounding space, or "" where there is none.
	text(column string) string
	// labels returns those in a column.
	labels(column string, sets labelSets) []string
	// line is where the record begins in the file.
	line() int
	// blank tells whether nothing stands in it, in whatever column.
	blank() bool
	// invalid makes an error that says where a cell is.
	invalid(column, format string, args ...any) error
}

// lineError is what is wrong with one record alone.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

// openTable reads a table of the known columns: JSON Lines where the name says so, else CSV.
func openTable(name string, r io.Reader, known ...string) (tabular, error) {
	text := bufio.NewReader(r)
	if start, _ := text.Peek(2); bytes.Equal(start, []byte("\xff\xfe")) || bytes.Equal(start, []byte("\xfe\xff")) { // reading says what is wrong
		return nil, invalid("%s is in UTF-16: save it in UTF-8", name)
	}
	if start, _ := text.Peek(len(gzipMagic)); string(start) == gzipMagic {
		return nil, invalid("%s is compressed with gzip: unpack it", name)
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".jsonl", ".ndjson", ".json":
		return newJSONLines(name, text), nil
	}
	return newTable(name, text, known...)
}

// score returns the number in a column, NaN where there is none.
func score(c cells, column string) (float64, error) {
	if column == "" {
		return math.NaN(), nil
	}
	x, err := parseScore(c.text(column))
	if err != nil {
		return math.NaN(), c.invalid(column, "%w", err)
	}
	return x, nil
}

// table reads a CSV file (RFC 4180) whose first record names the columns. Names are matched without regard to case and
// surrounding space; columns that nobody asks for are ignored.
type table struct {
	name    string // for messages
	text    *recordText
	csv     *csv.Reader
	columns map[string]int
	began   int   // the line of the last record
	lines   int   // before what csv reads
	bytes   int64 // the same
	read    int64 // of these, by records that are done
	endless int   // the records that were longer than they may be
}

// maxEndless is how many records may be longer than they may be, each of which is read in vain.
const maxEndless = 16

// newTable reads the header. The known columns may be absent, but none may be there twice.
func newTable(name string, r io.Reader, known ...string) (*table, error) {
	known = slices.DeleteFunc(slices.Clone(known), func(column string) bool { return column == "" })
	for i := range known {
		known[i] = strings.ToLower(known[i])
	}
	t := &table{name: name, text: &recordText{r: WithoutBOM(r)}, columns: map[string]int{}}
	t.csv = csv.NewReader(t.text)
	t.csv.ReuseRecord = true
	header, err := t.record()
	if errors.Is(err, io.EOF) {
		return nil, invalid("%s is empty: its first line must name the columns", name)
	}
	if err != nil {
		if errors.As(err, new(*lineError)) {
			err = &InvalidError{err}
		}
		return nil, err
	}
	for i, column := range header {
		if strings.Contains(column, "\r") {
			return nil, invalid("%s: its lines end with CR alone, as old systems wrote them: save it with LF", name)
		}
		column = strings.ToLower(strings.TrimSpace(column))
		if !slices.Contains(known, column) {
			continue
		}
		if _, ok := t.columns[column]; ok {
			return nil, invalid("%s line 1: column %s is there twice", name, column)
		}
		t.columns[column] = i
	}
	if len(t.columns) == 0 {
		hint := ""
		if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
			hint = "; columns are separated by commas"
		}
		return nil, invalid("%s line 1: none of the columns %s is among these: %q%s", name, strings.Join(known, ", "), slices.Clone(header), hint)
	}
	return t, nil
}

// has tells whether the header names a column.
func (t *table) has(column string) bool {
	_, ok := t.columns[strings.ToLower(column)]
	return ok
}

func (t *table) had(column string) bool { return t.has(column) }

func (t *table) offset() int64 { return t.bytes + t.csv.InputOffset() }

func (t *table) next() (cells, error) {
	fields, err := t.record()
	if err != nil {
		return nil, err
	}
	r := record{t, fields}
	for column, i := range t.columns {
		if !utf8.ValidString(fields[i]) {
			return nil, &lineError{t.began, r.invalid(column, "is not text in UTF-8")}
		}
	}
	return r, nil
}

func (t *table) record() ([]string, error) {
	t.text.begin(int(t.offset() - t.read))
	t.read = t.offset()
	fields, err := t.csv.Read()
	var syntax *csv.ParseError
	switch {
	case errors.As(err, &syntax):
		t.began = t.text.line()
		err = &lineError{t.began, fmt.Errorf("%s line %d: %w", t.name, t.began, syntax.Err)}
	case errors.Is(err, errRecordLimit):
		t.began = t.text.line()
		t.endless++
		err = &lineError{t.began, fmt.Errorf("%s line %d: the record that begins here is longer than %d bytes: is a quote left open?", t.name, t.began, maxRecord)}
	case err == nil:
		t.began = t.text.line()
		return fields, nil
	default:
		return nil, err
	}
	if t.endless > maxEndless || !t.resume() {
		return nil, &InvalidError{err}
	}
	return nil, err
}

// resume goes on behind the first line of a record that is wrong: a quote that is left open there has taken the next
// ones with it.
func (t *table) resume() bool {
	skipped, ok := t.text.skipLine()
	if !ok {
		return false
	}
	width := t.csv.FieldsPerRecord
	t.lines, t.bytes = t.began, t.read+int64(skipped)
	t.read = t.bytes
	t.csv = csv.NewReader(t.text)
	t.csv.ReuseRecord, t.csv.FieldsPerRecord = true, width
	return true
}

// record is one line of a table, or several where a quoted field has line breaks.
type record struct {
	table  *table
	fields []string
}

func (r record) line() int { return r.table.began }

func (r record) text(column string) string {
	i, ok := r.table.columns[strings.ToLower(column)]
	if !ok {
		return ""
	}
	return strings.TrimSpace(r.fields[i])
}

func (r record) blank() bool {
	return !slices.ContainsFunc(r.fields, func(field string) bool { return strings.TrimSpace(field) != "" })
}

func (r record) labels(column string, sets labelSets) []string { return sets.parse(r.text(column)) }

func (r record) invalid(column, format string, args ...any) error {
	line, pos := r.table.csv.FieldPos(r.table.columns[strings.ToLower(column)])
	return invalid("%s line %d, column %d: %s %w", r.table.name, r.table.lines+line, pos, column, fmt.Errorf(format, args...))
}

var errRecordLimit = errors.New("record too long")

// recordText is what a CSV reader reads, and remembers it from the beginning of a record on, so that a part of it can
// be read once more. The reader reads ahead by one small buffer, and only when a record needs it, so this bounds a
// record.
type recordText struct {
	r    io.Reader
	kept []byte
	from int // in kept, where the record begins
	next int // in kept, what is read next
	done int // the lines before from
}

// begin says how much of what was read belongs to records that are done.
func (t *recordText) begin(done int) {
	t.done += bytes.Count(t.kept[t.from:t.from+done], []byte("\n"))
	t.from += done
	if t.from > maxRecord/16 { // not at each record
		t.kept = append(t.kept[:0], t.kept[t.from:]...)
		t.from, t.next = 0, t.next-t.from
	}
}

// line is where the record begins, from 1, behind empty lines.
func (t *recordText) line() int {
	text := t.kept[t.from:t.next]
	empty := text[:len(text)-len(bytes.TrimLeft(text, "\r\n"))]
	return t.done + 1 + bytes.Count(empty, []byte("\n"))
}

func (t *recordText) Read(p []byte) (int, error) {
	if t.next-t.from > maxRecord {
		return 0, errRecordLimit
	}
	if t.next < len(t.kept) {
		n := copy(p, t.kept[t.next:])
		t.next += n
		return n, nil
	}
	n, err := t.r.Read(p)
	t.kept = append(t.kept, p[:n]...)
	t.next += n
	return n, err
}

// skipLine goes back to the first line of the record that is not empty, and behind it. It returns how many bytes that
// is, false if the
// line does not end.
func (t *recordText) skipLine() (int, bool) {
	text := t.kept[t.from:t.next]
	start := len(text) - len(bytes.TrimLeft(text, "\r\n"))
	end := bytes.IndexByte(text[start:], '\n')
	if end < 0 {
		return len(text), len(text) <= maxRecord // the last line may have no end
	}
	skipped := start + end + 1
	t.done += bytes.Count(text[:skipped], []byte("\n"))
	t.from += skipped
	t.next = t.from
	return skipped, true
}

// WithoutBOM drops the byte order mark that spreadsheets put before UTF-8, all of them where a file has passed through
// several.
func WithoutBOM(r io.Reader) io.Reader {
	mark := []byte("\ufeff")
	start := make([]byte, len(mark))
	n, err := io.ReadFull(r, start)
	for err == nil && bytes.Equal(start, mark) {
		n, err = io.ReadFull(r, start)
	}
	start = start[:n]
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return io.MultiReader(bytes.NewReader(start), failing{err})
	}
	return io.MultiReader(bytes.NewReader(start), r)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// labelSets hands out one shared slice for every distinct set of labels.
type labelSets map[string][]string

// one is the set of a single label, nil where it is empty.
func (s labelSets) one(label string) []string {
	if label == "" {
		return nil
	}
	if set, ok := s[label]; ok {
		return set
	}
	label = strings.Clone(label)
	s[label] = []string{label}
	return s[label]
}

// parse reads a cell of labels separated by '|'. Space around a label and repetitions are dropped.
func (s labelSets) parse(cell string) []string {
	if !strings.Contains(cell, "|") {
		return s.one(cell)
	}
	if set, ok := s[cell]; ok {
		return set
	}
	cell = strings.Clone(cell)
	s[cell] = distinct(strings.Split(cell, "|"))
	return s[cell]
}

// list is the set of several labels.
func (s labelSets) list(labels []string) []string {
	switch len(labels) {
	case 0:
		return nil
	case 1:
		return s.one(strings.TrimSpace(labels[0]))
	}
	key := strings.Join(labels, "\x00")
	if _, ok := s[key]; !ok {
		s[key] = distinct(labels)
	}
	return s[key]
}

// distinct sorts labels and drops repetitions, space around them and empty ones.
func distinct(labels []string) []string {
	var set []string
	for _, label := range labels {
		if label = strings.TrimSpace(label); label != "" {
			set = append(set, strings.Clone(label))
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

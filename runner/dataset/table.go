package dataset

import (
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
	// next reads one record, which is valid until the next; io.EOF follows the last.
	next() (cells, error)
	// offset is where what follows the last record begins, in bytes.
	offset() int64
}

// cells is one record of a table.
type cells interface {
	// text returns a cell without surrounding space, or "" where there is none.
	text(column string) string
	labels(sets labelSets) []string
	// line is where the record begins in the file.
	line() int
	// invalid makes an error that says where a cell is.
	invalid(column, format string, args ...any) error
}

// openTable reads a table of the known columns: JSON Lines where the name says so, else CSV.
func openTable(name string, r io.Reader, known ...string) (tabular, error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".jsonl", ".ndjson":
		return newJSONLines(name, r), nil
	}
	return newTable(name, r, known...)
}

// score returns the number in a column, NaN where there is none.
func score(c cells, column string) (float64, error) {
	if column == "" {
		return math.NaN(), nil
	}
	x, err := parseScore(c.text(column))
	if err != nil {
		return 0, c.invalid(column, "%w", err)
	}
	return x, nil
}

// table reads a CSV file (RFC 4180) whose first record names the columns. Names are matched without regard to case and
// surrounding space; columns that nobody asks for are ignored.
type table struct {
	name    string // for messages
	csv     *csv.Reader
	limit   *recordLimit
	columns map[string]int
	began   int // the line of the last record
}

// newTable reads the header. The known columns may be absent, but none may be there twice.
func newTable(name string, r io.Reader, known ...string) (*table, error) {
	limit := &recordLimit{r: WithoutBOM(r)}
	known = slices.DeleteFunc(slices.Clone(known), func(column string) bool { return column == "" })
	for i := range known {
		known[i] = strings.ToLower(known[i])
	}
	t := &table{name: name, csv: csv.NewReader(limit), limit: limit, columns: map[string]int{}}
	t.csv.ReuseRecord = true
	header, err := t.read()
	if errors.Is(err, io.EOF) {
		return nil, invalid("%s is empty: its first line must name the columns", name)
	}
	if err != nil {
		return nil, err
	}
	for i, column := range header {
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
	_, ok := t.columns[column]
	return ok
}

func (t *table) offset() int64 { return t.csv.InputOffset() }

func (t *table) next() (cells, error) {
	fields, err := t.read()
	if err != nil {
		return nil, err
	}
	r := record{t, fields}
	for column, i := range t.columns {
		if !utf8.ValidString(fields[i]) {
			return nil, r.invalid(column, "is not text in UTF-8")
		}
	}
	return r, nil
}

func (t *table) read() ([]string, error) {
	t.limit.left = maxRecord
	fields, err := t.csv.Read()
	var syntax *csv.ParseError
	switch {
	case errors.Is(err, errRecordLimit):
		return nil, invalid("%s: the record after that of line %d is longer than %d bytes: is a quote left open?", t.name, t.began, maxRecord)
	case errors.As(err, &syntax):
		return nil, invalid("%s line %d, column %d: %w", t.name, syntax.Line, syntax.Column, syntax.Err)
	}
	if err == nil {
		t.began, _ = t.csv.FieldPos(0)
	}
	return fields, err
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

func (r record) labels(sets labelSets) []string { return sets.parse(r.text("label")) }

func (r record) invalid(column, format string, args ...any) error {
	line, pos := r.table.csv.FieldPos(r.table.columns[strings.ToLower(column)])
	return invalid("%s line %d, column %d: %s %w", r.table.name, line, pos, column, fmt.Errorf(format, args...))
}

var errRecordLimit = errors.New("record too long")

// recordLimit bounds what is read between two settings of left. The CSV reader above it reads ahead by one small buffer,
// and only when a record needs it, so this bounds a record.
type recordLimit struct {
	r    io.Reader
	left int
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRecordLimit
	}
	n, err := l.r.Read(p)
	l.left -= n
	return n, err
}

// WithoutBOM drops the byte order mark that spreadsheets put before UTF-8, all of them where a file has passed through several.
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

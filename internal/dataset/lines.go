package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// jsonLines reads JSON Lines (https://jsonlines.org): an object a line, its fields named as a table's columns. Empty
// lines are skipped, and fields that nobody asks for ignored.
type jsonLines struct {
	name    string // for messages
	scanner *bufio.Scanner
	began   int
	fields  map[string]bool // that some line had
	end     int64           // of the last line
}

func newJSONLines(name string, r io.Reader) *jsonLines {
	scanner := bufio.NewScanner(WithoutBOM(r))
	scanner.Buffer(make([]byte, 0, 1<<16), maxRecord)
	l := &jsonLines{name: name, scanner: scanner, fields: map[string]bool{}}
	scanner.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		n, token, err := bufio.ScanLines(data, atEOF)
		l.end += int64(n)
		return n, token, err
	})
	return l
}

func (l *jsonLines) offset() int64 { return l.end }

// maxFields bounds the names that are remembered: a file whose names are data has no columns.
const maxFields = 1 << 10

func (l *jsonLines) had(column string) bool { return l.fields[column] || len(l.fields) >= maxFields }

// has is true: what fields there are, each line says for itself.
func (l *jsonLines) has(string) bool { return true }

func (l *jsonLines) next() (cells, error) {
	for l.scanner.Scan() {
		l.began++
		text := bytes.TrimSpace(l.scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		if text[0] == '[' && l.began == 1 {
			return nil, invalid("%s is an array: JSON Lines are wanted, an object a line", l.name)
		}
		object, err := newJSONRecord(text)
		if err != nil {
			return nil, &lineError{l.began, fmt.Errorf("%s line %d: %w", l.name, l.began, err)}
		}
		for name := range object {
			if len(l.fields) < maxFields && !l.fields[name] {
				l.fields[name] = true
			}
		}
		return linesRecord{object, l}, nil
	}
	err := l.scanner.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return nil, invalid("%s: line %d is longer than %d bytes", l.name, l.began+1, maxRecord)
	}
	if err == nil {
		err = io.EOF
	}
	return nil, err
}

// linesRecord is one line of a file.
type linesRecord struct {
	jsonRecord
	lines *jsonLines
}

func (r linesRecord) line() int { return r.lines.began }

func (r linesRecord) blank() bool { return len(r.jsonRecord) == 0 }

func (r linesRecord) invalid(column, format string, args ...any) error {
	return invalid("%s line %d: %s %w", r.lines.name, r.lines.began, column, fmt.Errorf(format, args...))
}

// jsonRecord is a JSON object whose fields describe a sample.
type jsonRecord map[string]any

// newJSONRecord reads an object. As Python's json writes them, NaN and the infinities are known, and mean nothing; a
// byte order mark before it is dropped.
func newJSONRecord(text []byte) (jsonRecord, error) {
	text = withoutNaN(bytes.TrimPrefix(text, []byte("\ufeff")))
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object jsonRecord
	if err := decoder.Decode(&object); err != nil {
		if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = fmt.Errorf("it is of type %s", typed.Value)
		}
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return object, nil
}

// text returns a field that is a text or a number, else "".
func (r jsonRecord) text(column string) string {
	return strings.TrimSpace(scalar(r[column]))
}

// withoutNaN puts null where a number is NaN or infinite.
func withoutNaN(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	var out []byte
	quoted, escaped := false, false
	for len(text) > 0 {
		if !quoted {
			if n := numberless(text); n > 0 {
				out, text = append(out, "null"...), text[n:]
				continue
			}
		}
		switch c := text[0]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		}
		out, text = append(out, text[0]), text[1:]
	}
	return out
}

// numberless is the length of the word for what is not a number that text begins with, 0 if it begins with none.
func numberless(text []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity", "-NaN"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return len(word)
		}
	}
	return 0
}

// labels returns a field: a text, a number, a boolean or a list of them.
func (r jsonRecord) labels(column string, sets labelSets) []string {
	list, ok := r[column].([]any)
	if !ok {
		return sets.one(r.text(column))
	}
	labels := make([]string, len(list))
	for i, label := range list {
		labels[i] = scalar(label)
	}
	return sets.list(labels)
}

// scalar is a JSON value as a text; lists, objects and null are empty.
func scalar(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return fmt.Sprint(value)
	}
	return ""
}

package netpbm

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type coding int

const (
	plain  coding = iota // decimal numbers
	digits               // a digit for each bit, with or without space between them
	packed               // a bit each, rows padded to bytes
	raw                  // one byte each, or two if the maximum needs them
	float                // four bytes each, the bottom row first
)

// A header is what stands before the raster.
type header struct {
	width, height int
	depth         int // samples of a pixel: gray; gray and alpha; RGB; RGB and alpha
	coding        coding
	max           int  // the sample of white, or of black in a PBM file; unused for floats
	littleEndian  bool // of floats
}

// maxSide bounds width and height so that their products do not overflow.
const maxSide = 1 << 28

// parse returns the header and the raster, which is what follows it.
func parse(data []byte) (*header, []byte, error) {
	if len(data) < 2 || data[0] != 'P' {
		return nil, nil, errors.New("no magic number")
	}
	s := &scanner{rest: data[2:]}
	h, err := parseHeader(data[1], s)
	if err == nil {
		err = s.err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if h.width < 1 || h.height < 1 || h.width > maxSide || h.height > maxSide {
		return nil, nil, fmt.Errorf("%d×%d pixels", h.width, h.height)
	}
	if h.max < 1 || h.max > 65535 {
		return nil, nil, fmt.Errorf("a maximum of %d", h.max)
	}
	return h, s.rest, nil
}

var codings = map[byte]coding{'1': digits, '2': plain, '3': plain, '4': packed, '5': raw, '6': raw}

func parseHeader(magic byte, s *scanner) (*header, error) {
	switch magic {
	case '7':
		return parsePAM(s)
	case 'f':
		return parsePFM(1, s)
	case 'F':
		return parsePFM(3, s)
	}
	coding, ok := codings[magic]
	if !ok {
		return nil, fmt.Errorf("the magic number P%c", magic)
	}
	h := &header{depth: 1, coding: coding, max: 1}
	if magic == '3' || magic == '6' {
		h.depth = 3
	}
	h.width = s.number()
	h.height = s.number()
	if coding == plain || coding == raw {
		h.max = s.number()
	}
	if coding == packed || coding == raw {
		s.separator()
	}
	return h, nil
}

func parsePFM(depth int, s *scanner) (*header, error) {
	h := &header{depth: depth, coding: float, max: 1}
	h.width = s.number()
	h.height = s.number()
	word := s.word()
	scale, err := strconv.ParseFloat(word, 64)
	if err != nil || scale == 0 {
		return nil, fmt.Errorf("a scale of %q", word)
	}
	h.littleEndian = scale < 0
	s.separator()
	return h, nil
}

// parsePAM reads lines of a name and a value up to ENDHDR.
func parsePAM(s *scanner) (*header, error) {
	h := &header{coding: raw}
	kind := ""
	for {
		name, value, _ := strings.Cut(strings.TrimSpace(s.line()), " ")
		value = strings.TrimSpace(value)
		var err error
		switch {
		case s.err != nil:
			return nil, s.err
		case name == "" || strings.HasPrefix(name, "#"):
		case name == "ENDHDR":
			err = h.checkTuple(kind)
			return h, err
		case name == "TUPLTYPE":
			kind = value
		case name == "WIDTH":
			h.width, err = strconv.Atoi(value)
		case name == "HEIGHT":
			h.height, err = strconv.Atoi(value)
		case name == "DEPTH":
			h.depth, err = strconv.Atoi(value)
		case name == "MAXVAL":
			h.max, err = strconv.Atoi(value)
		default:
			return nil, fmt.Errorf("a line that starts with %q", name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q", name, value)
		}
	}
}

// checkTuple holds the depth against the tuple type. A file may name no type.
func (h *header) checkTuple(kind string) error {
	want, ok := map[string]int{
		"": h.depth, "BLACKANDWHITE": 1, "GRAYSCALE": 1, "RGB": 3,
		"BLACKANDWHITE_ALPHA": 2, "GRAYSCALE_ALPHA": 2, "RGB_ALPHA": 4,
	}[kind]
	if !ok || kind == "" && h.depth > 4 {
		return fmt.Errorf("%w: tuples of type %q and depth %d", ErrUnsupported, kind, h.depth)
	}
	if h.depth != want || h.depth < 1 {
		return fmt.Errorf("tuples of type %q and depth %d", kind, h.depth)
	}
	return nil
}

// A scanner splits a header, or the raster of a plain file. After an error it returns zero values.
type scanner struct {
	rest []byte
	err  error
}

func isSpace(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }

// skip passes white space, and comments, which end with their line.
func (s *scanner) skip() {
	for len(s.rest) > 0 && (isSpace(s.rest[0]) || s.rest[0] == '#') {
		if s.rest[0] == '#' {
			s.line()
			continue
		}
		s.rest = s.rest[1:]
	}
}

// line returns what is left of the line, without its end.
func (s *scanner) line() string {
	line, rest, ok := bytes.Cut(s.rest, []byte("\n"))
	if !ok && s.err == nil {
		s.err = errTruncated
	}
	s.rest = rest
	return string(line)
}

// word returns what stands before the next white space.
func (s *scanner) word() string {
	s.skip()
	n := 0
	for n < len(s.rest) && !isSpace(s.rest[n]) {
		n++
	}
	word := string(s.rest[:n])
	s.rest = s.rest[n:]
	return word
}

// number returns a decimal number, or one beyond maxSide for any beyond it.
func (s *scanner) number() int {
	s.skip()
	value, n := 0, 0
	for n < len(s.rest) && '0' <= s.rest[n] && s.rest[n] <= '9' {
		value = min(10*value+int(s.rest[n]-'0'), maxSide+1)
		n++
	}
	switch {
	case s.err != nil:
		return 0
	case len(s.rest) == 0:
		s.err = errTruncated
	case n == 0:
		s.err = fmt.Errorf("%q where a number should be", s.rest[0])
	}
	s.rest = s.rest[n:]
	return value
}

// digit returns the next 0 or 1.
func (s *scanner) digit() int {
	s.skip()
	switch {
	case s.err != nil:
		return 0
	case len(s.rest) == 0:
		s.err = errTruncated
		return 0
	case s.rest[0] != '0' && s.rest[0] != '1':
		s.err = fmt.Errorf("%q where a bit should be", s.rest[0])
		return 0
	}
	bit := int(s.rest[0] - '0')
	s.rest = s.rest[1:]
	return bit
}

// separator passes the one character of white space before a binary raster; a comment may stand before it.
func (s *scanner) separator() {
	switch {
	case s.err != nil:
	case len(s.rest) == 0:
		s.err = errTruncated
	case s.rest[0] == '#':
		s.line()
	case isSpace(s.rest[0]):
		s.rest = s.rest[1:]
	default:
		s.err = fmt.Errorf("%q where white space should be", s.rest[0])
	}
}

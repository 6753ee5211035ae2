package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// npyHeader describes an array of NumPy's .npy format, versions 1 to 3
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
type npyHeader struct {
	rows, columns int64
	item          npyItem
	fortran       bool  // columns are stored one after the other, not rows
	start         int64 // offset of the first value
}

func (h npyHeader) layout() layout {
	if h.fortran {
		return layout{start: h.start, pieces: h.columns, count: h.rows}
	}
	return layout{start: h.start, stride: h.rowSize(), pieces: 1}
}

// rowSize is the bytes of one row.
func (h npyHeader) rowSize() int64 { return h.columns * int64(h.item.size) }

// npyItem is an array's type of values.
type npyItem struct {
	name   string
	size   int
	decode func([]byte) float64
}

var npyItems = map[string]npyItem{
	"<f2": {"little-endian float16", 2, func(b []byte) float64 { return float16(binary.LittleEndian.Uint16(b)) }},
	">f2": {"big-endian float16", 2, func(b []byte) float64 { return float16(binary.BigEndian.Uint16(b)) }},
	"<f4": {"little-endian float32", 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	">f4": {"big-endian float32", 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.BigEndian.Uint32(b))) }},
	"<f8": {"little-endian float64", 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	">f8": {"big-endian float64", 8, func(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }},
}

const (
	npyMagic = "\x93NUMPY"
	// maxNPYHeader bounds the header's text; NumPy itself refuses above 10,000 bytes.
	maxNPYHeader = 64 << 10
	// maxNPYColumns bounds a row, so that one fits into memory many times.
	maxNPYColumns = 1 << 20
)

// readNPYHeader reads the header of a matrix N×D of floating-point numbers. Its errors say what else was found.
func readNPYHeader(r io.Reader) (npyHeader, error) {
	var h npyHeader
	var start [12]byte
	if err := readPart(r, start[:8]); err != nil {
		return h, err
	}
	if string(start[:6]) != npyMagic {
		return h, errors.New("not an .npy file: it does not begin with NumPy's magic bytes")
	}
	lengthSize := 4
	switch major := start[6]; major {
	case 1:
		lengthSize = 2
	case 2, 3:
	default:
		return h, fmt.Errorf("version %d of the .npy format is not known: 1, 2 and 3 are", major)
	}
	if err := readPart(r, start[8:8+lengthSize]); err != nil {
		return h, err
	}
	length := int64(binary.LittleEndian.Uint32(start[8:])) // the upper half is zero for version 1
	if length > maxNPYHeader {
		return h, fmt.Errorf("the header claims %d bytes, more than %d", length, maxNPYHeader)
	}
	text := make([]byte, length)
	if err := readPart(r, text); err != nil {
		return h, err
	}
	h.start = int64(8+lengthSize) + length

	dict, err := parseNPYDict(string(text))
	if err != nil {
		return h, fmt.Errorf("the header cannot be read: %w", err)
	}
	item, ok := npyItems[dict.descr]
	if !ok {
		return h, fmt.Errorf("values of type %q: float16, float32 and float64 can be read; save array.astype('float32')", dict.descr)
	}
	if len(dict.shape) != 2 {
		return h, fmt.Errorf("shape %s: a matrix N×D is wanted, a row for each sample", npyShape(dict.shape))
	}
	h.rows, h.columns, h.item, h.fortran = dict.shape[0], dict.shape[1], item, dict.fortran
	if h.columns < 1 || h.columns > maxNPYColumns {
		return h, fmt.Errorf("shape %s: rows must have 1 to %d values", npyShape(dict.shape), maxNPYColumns)
	}
	return h, nil
}

func readPart(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the file ends within its header")
	}
	return err
}

// npyShape writes a shape as NumPy does.
func npyShape(shape []int64) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = strconv.FormatInt(n, 10)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// npyDict is what a header's text says.
type npyDict struct {
	descr   string
	fortran bool
	shape   []int64
}

// parseNPYDict reads the literal of a Python dictionary with the keys descr (a string), fortran_order (a boolean) and
// shape (a tuple of integers), each once and in any order.
func parseNPYDict(text string) (npyDict, error) {
	var d npyDict
	p := literal{rest: text}
	p.expect("{")
	seen := map[string]bool{}
	for p.err == nil && !p.take("}") {
		key := p.quoted()
		p.expect(":")
		if seen[key] {
			p.fail("the key %q is there twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			d.descr = p.quoted()
		case "fortran_order":
			d.fortran = p.boolean()
		case "shape":
			d.shape = p.tuple()
		default:
			p.fail("unknown key %q", key)
		}
		if !p.take(",") {
			p.expect("}")
			break
		}
	}
	if p.err == nil && strings.TrimSpace(p.rest) != "" {
		p.fail("text follows the dictionary")
	}
	if p.err == nil && len(seen) != 3 {
		p.fail("it must have the keys descr, fortran_order and shape")
	}
	return d, p.err
}

// literal takes apart a Python literal from its front. After the first error every step does nothing.
type literal struct {
	rest string
	err  error
}

func (p *literal) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// take drops a token if it comes next.
func (p *literal) take(token string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " \t\r\n"), token)
	if p.err != nil || !ok {
		return false
	}
	p.rest = rest
	return true
}

func (p *literal) expect(token string) {
	if !p.take(token) {
		p.fail("%q is wanted before %.40q", token, p.rest)
	}
}

// quoted takes a string without escapes.
func (p *literal) quoted() string {
	for _, quote := range []string{"'", `"`} {
		if !p.take(quote) {
			continue
		}
		s, rest, ok := strings.Cut(p.rest, quote)
		if !ok {
			p.fail("a string does not end")
		}
		p.rest = rest
		return s
	}
	if p.take("[") {
		p.fail("records with named fields: a plain matrix of floating-point numbers is wanted")
	}
	p.fail("a string is wanted before %.40q", p.rest)
	return ""
}

func (p *literal) boolean() bool {
	if p.take("True") {
		return true
	}
	p.expect("False")
	return false
}

func (p *literal) tuple() []int64 {
	p.expect("(")
	var values []int64
	for p.err == nil && !p.take(")") {
		p.rest = strings.TrimLeft(p.rest, " \t\r\n")
		digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		n, err := strconv.ParseInt(p.rest[:digits], 10, 64)
		if err != nil {
			p.fail("an array's length is wanted before %.40q", p.rest)
			break
		}
		values, p.rest = append(values, n), p.rest[digits:]
		p.take("L") // as Python 2 wrote long integers
		if !p.take(",") {
			p.expect(")")
			break
		}
	}
	return values
}

// float16 widens an IEEE 754 half-precision number, exactly.
func float16(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	var v float64
	switch exponent {
	case 0: // zero and subnormal
		v = math.Ldexp(fraction, -24)
	case 0x1f:
		v = math.Inf(1)
		if fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 == 1 {
		v = -v
	}
	return v
}

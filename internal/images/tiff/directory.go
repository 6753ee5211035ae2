package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The tags that are read.
const (
	tagWidth             = 256
	tagHeight            = 257
	tagBitsPerSample     = 258
	tagCompression       = 259
	tagPhotometric       = 262
	tagFillOrder         = 266
	tagStripOffsets      = 273
	tagSamplesPerPixel   = 277
	tagRowsPerStrip      = 278
	tagStripByteCounts   = 279
	tagPlanarConfig      = 284
	tagT4Options         = 292
	tagPredictor         = 317
	tagColorMap          = 320
	tagTileWidth         = 322
	tagTileLength        = 323
	tagTileOffsets       = 324
	tagTileByteCounts    = 325
	tagInkSet            = 332
	tagExtraSamples      = 338
	tagSampleFormat      = 339
	tagJPEGTables        = 347
	tagJPEGStream        = 513
	tagJPEGRestart       = 515
	tagJPEGQTables       = 519
	tagJPEGDCTables      = 520
	tagJPEGACTables      = 521
	tagYCbCrCoefficients = 529
	tagYCbCrSubsampling  = 530
	tagReferenceBlack    = 532
)

// The types of a field's values.
const (
	typeByte      = 1
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeUndefined = 7
	typeFloat     = 11
	typeDouble    = 12
	typeIFD       = 13
	typeLong8     = 16
	typeIFD8      = 18
)

// typeSizes holds the bytes of a value of each type; 0: no such type.
var typeSizes = [...]uint64{
	1: 1, 1, typeShort: 2, typeLong: 4, typeRational: 8, 1, typeUndefined: 1, 2, 4, 8,
	typeFloat: 4, typeDouble: 8, typeIFD: 4, typeLong8: 8, 8, typeIFD8: 8,
}

// A directory holds the fields of the first page. Its err is that of the first field that couldn't be read, so that a
// caller may read several and then look once.
type directory struct {
	data   []byte
	order  binary.ByteOrder
	fields map[uint16]field
	err    error
}

// A field is where the values of a tag lie; they are read when they are asked for.
type field struct {
	kind  uint16
	count uint64
	at    uint64
}

// layout is what differs between classic TIFF and BigTIFF: where the header names the first directory, and the bytes of
// a count of entries and of an entry.
type layout struct {
	first, count, entry uint64
}

var (
	classic = layout{first: 4, count: 2, entry: 12}
	big     = layout{first: 8, count: 8, entry: 20}
)

func parseDirectory(data []byte) (*directory, error) {
	if len(data) < 8 {
		return nil, errors.New("the header is truncated")
	}
	d := &directory{data: data, fields: make(map[uint16]field)}
	switch string(data[:2]) {
	case "II":
		d.order = binary.LittleEndian
	case "MM":
		d.order = binary.BigEndian
	default:
		return nil, errors.New("not a TIFF header")
	}
	switch d.order.Uint16(data[2:]) {
	case 42:
		err := d.parse(classic)
		return d, err
	case 43:
		if len(data) < 16 || d.order.Uint16(data[4:]) != 8 {
			return nil, errors.New("damaged BigTIFF header")
		}
		err := d.parse(big)
		return d, err
	}
	return nil, errors.New("not a TIFF header")
}

func (d *directory) parse(l layout) error {
	at := d.offset(l, l.first)
	size := uint64(len(d.data))
	if at > size || size-at < l.count {
		return fmt.Errorf("the first directory, at %d, lies beyond the file's %d bytes", at, size)
	}
	entries := uint64(d.order.Uint16(d.data[at:]))
	if l == big {
		entries = d.order.Uint64(d.data[at:])
	}
	at += l.count
	if entries > (size-at)/l.entry {
		return fmt.Errorf("the first directory, of %d entries, is truncated", entries)
	}
	for ; entries > 0; entries-- {
		d.add(l, at)
		at += l.entry
	}
	return nil
}

// offset reads a number of the width that the file's offsets have.
func (d *directory) offset(l layout, at uint64) uint64 {
	if l == big {
		return d.order.Uint64(d.data[at:])
	}
	return uint64(d.order.Uint32(d.data[at:]))
}

// add notes the entry at at. Of two with the same tag the first counts.
func (d *directory) add(l layout, at uint64) {
	tag := d.order.Uint16(d.data[at:])
	if _, ok := d.fields[tag]; ok {
		return
	}
	f := field{kind: d.order.Uint16(d.data[at+2:]), count: d.offset(l, at+4)}
	width := (l.entry - 4) / 2 // of the count, and of the value or its offset
	f.at = at + 4 + width
	if f.count > width || f.count*f.size() > width {
		f.at = d.offset(l, f.at)
	}
	d.fields[tag] = f
}

func (f field) size() uint64 {
	if int(f.kind) >= len(typeSizes) {
		return 0
	}
	return typeSizes[f.kind]
}

// values returns the field of a tag and its bytes, none if the tag is absent.
func (d *directory) values(tag uint16) (field, []byte) {
	f, ok := d.fields[tag]
	if !ok {
		return f, nil
	}
	size, n := f.size(), uint64(len(d.data))
	if size == 0 || f.at > n || f.count > (n-f.at)/size {
		d.fail("tag %d lies beyond the end of the file or has an unknown type", tag)
		return field{}, nil
	}
	return f, d.data[f.at : f.at+f.count*size]
}

func (d *directory) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

func (d *directory) has(tag uint16) bool {
	return d.fields[tag].count > 0
}

// uints are the whole numbers of a field, as they lie in the file: there may be as many as the file has bytes.
type uints struct {
	order binary.ByteOrder
	bytes []byte
	size  int // of a number
}

func (u uints) len() int {
	if u.size == 0 {
		return 0
	}
	return len(u.bytes) / u.size
}

func (u uints) at(i int) uint64 {
	switch b := u.bytes[i*u.size:]; u.size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(u.order.Uint16(b))
	case 4:
		return uint64(u.order.Uint32(b))
	default:
		return u.order.Uint64(b)
	}
}

// first returns the first n values, or all if there are fewer.
func (u uints) first(n int) []uint64 {
	values := make([]uint64, min(n, u.len()))
	for i := range values {
		values[i] = u.at(i)
	}
	return values
}

// uints returns the values of a tag, none if it is absent.
func (d *directory) uints(tag uint16) uints {
	f, b := d.values(tag)
	switch f.kind {
	case typeByte, typeUndefined, typeShort, typeLong, typeIFD, typeLong8, typeIFD8:
		return uints{d.order, b, int(f.size())}
	}
	if len(b) > 0 {
		d.fail("tag %d isn't a whole number", tag)
	}
	return uints{}
}

// uint returns the first value of a tag, or what it is where the tag is absent.
func (d *directory) uint(tag uint16, absent int) int {
	if !d.has(tag) {
		return absent
	}
	values := d.uints(tag)
	if values.len() == 0 {
		return absent
	}
	return int(min(values.at(0), math.MaxInt32))
}

// floats returns the values of a tag, or what they are where there aren't as many.
func (d *directory) floats(tag uint16, absent ...float64) []float64 {
	f, b := d.values(tag)
	if f.count != uint64(len(absent)) {
		return absent
	}
	values := make([]float64, 0, len(absent))
	for i := range absent {
		switch f.kind {
		case typeRational:
			values = append(values, float64(d.order.Uint32(b[8*i:]))/float64(d.order.Uint32(b[8*i+4:])))
		case typeFloat:
			values = append(values, float64(math.Float32frombits(d.order.Uint32(b[4*i:]))))
		case typeDouble:
			values = append(values, math.Float64frombits(d.order.Uint64(b[8*i:])))
		}
	}
	if len(values) > 0 {
		return values
	}
	for _, v := range d.uints(tag).first(len(absent)) {
		values = append(values, float64(v))
	}
	if len(values) != len(absent) { // not a number, which uints has noted
		return absent
	}
	return values
}

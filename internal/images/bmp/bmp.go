// Package bmp decodes Windows and OS/2 bitmaps (BMP files): every version of the header, 1 to 32 bits a pixel,
// run-length coding and color masks of any width.
//
// Where the format's documents are silent it does what most decoders do. Pixels that run-length coding skips have the
// palette's first color, an index beyond the palette is black, and an alpha channel that is 0 everywhere is not an
// alpha channel.
package bmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
)

// ErrUnsupported is in the chain of the error for a valid file of a kind that is not read: an embedded JPEG or PNG
// file, OS/2's Huffman coding, 64 bits a pixel.
var ErrUnsupported = errors.New("unsupported")

var errTruncated = errors.New("the file ends before its last pixel")

// DecodeConfig returns the size that the headers claim.
func DecodeConfig(data []byte) (image.Config, error) {
	h, err := parse(data)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{ColorModel: color.NRGBAModel, Width: h.width, Height: h.height}, nil
}

// Decode returns an *image.RGBA if the picture is opaque, else an *image.NRGBA. Hold the size that DecodeConfig returns
// against a limit first: a few bytes of run-length coding may stand for a picture of any size.
func Decode(data []byte) (image.Image, error) {
	h, err := parse(data)
	if err != nil {
		return nil, err
	}
	if h.coding == codingRLE {
		if h.pixels, err = h.expand(); err != nil {
			return nil, err
		}
		h.bits = max(h.bits, 8)
	}
	return h.picture()
}

type coding int

const (
	codingPalette coding = iota // 1, 2, 4 or 8 bits
	codingRLE                   // runs of 4, 8 or 24 bits
	codingBGR                   // 24 bits
	codingMasks                 // 16 or 32 bits
)

// A header is what stands before the pixels.
type header struct {
	width, height int
	topDown       bool
	bits          int // of a pixel
	coding        coding
	palette       [256]uint32 // opaque pixels; black beyond the file's palette
	masks         [4]uint32   // red, green, blue, alpha
	pixels        []byte      // the rest of the file
}

const (
	fileHeaderSize = 14
	coreHeaderSize = 12  // OS/2 1.x: 16-bit sizes, three bytes a color
	minHeaderSize  = 16  // OS/2 2.x may cut the header after any field from here on
	maxHeaderSize  = 124 // version 5
	masksAt        = fileHeaderSize + 40
)

func parse(data []byte) (*header, error) {
	if len(data) < fileHeaderSize+coreHeaderSize || string(data[:2]) != "BM" {
		return nil, errors.New("no file header")
	}
	size := binary.LittleEndian.Uint32(data[fileHeaderSize:])
	if size != coreHeaderSize && (size < minHeaderSize || size > maxHeaderSize) {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrUnsupported, size)
	}
	headerEnd := fileHeaderSize + int(size)
	pixelsAt := int(binary.LittleEndian.Uint32(data[10:]))
	if pixelsAt < headerEnd || pixelsAt > len(data) {
		return nil, fmt.Errorf("the pixels start at byte %d, the header ends at %d, the file at %d", pixelsAt, headerEnd, len(data))
	}
	h := &header{pixels: data[pixelsAt:]}
	compression, colors := h.readFields(data[fileHeaderSize:headerEnd])
	if h.width <= 0 || h.height == 0 {
		return nil, fmt.Errorf("%d×%d pixels", h.width, h.height)
	}
	if err := h.setCoding(compression); err != nil {
		return nil, err
	}
	switch {
	case h.coding == codingMasks:
		hasAlpha := compression == alphaBitfields || compression == bitfields && size >= 56
		err := h.setMasks(data[:pixelsAt], compression != uncompressed, hasAlpha)
		return h, err
	case h.bits <= 8:
		entrySize := 4
		if size == coreHeaderSize {
			entrySize = 3
		}
		err := h.readPalette(data[headerEnd:pixelsAt], entrySize, colors)
		return h, err
	}
	return h, nil
}

// readFields returns how the pixels are compressed and how many colors the palette has.
func (h *header) readFields(info []byte) (compression, colors uint32) {
	if len(info) == coreHeaderSize {
		h.width = int(binary.LittleEndian.Uint16(info[4:]))
		h.height = int(binary.LittleEndian.Uint16(info[6:]))
		h.bits = int(binary.LittleEndian.Uint16(info[10:]))
		return uncompressed, 0
	}
	// What a short header lacks is 0.
	var fields [maxHeaderSize]byte
	copy(fields[:], info)
	h.width = int(int32(binary.LittleEndian.Uint32(fields[4:])))
	h.height = int(int32(binary.LittleEndian.Uint32(fields[8:])))
	if h.height < 0 {
		h.height, h.topDown = -h.height, true
	}
	h.bits = int(binary.LittleEndian.Uint16(fields[14:]))
	return binary.LittleEndian.Uint32(fields[16:]), binary.LittleEndian.Uint32(fields[32:])
}

// The values of the header's compression field. OS/2 has its own meaning of two.
const (
	uncompressed   = 0
	rle8           = 1
	rle4           = 2
	bitfields      = 3 // OS/2, 1 bit: Huffman
	rle24          = 4 // OS/2, 24 bits; else an embedded JPEG file
	alphaBitfields = 6
)

func (h *header) setCoding(compression uint32) error {
	switch [2]uint32{compression, uint32(h.bits)} {
	case [2]uint32{uncompressed, 1}, [2]uint32{uncompressed, 2}, [2]uint32{uncompressed, 4}, [2]uint32{uncompressed, 8}:
		h.coding = codingPalette
	case [2]uint32{rle4, 4}, [2]uint32{rle8, 8}, [2]uint32{rle24, 24}:
		h.coding = codingRLE
	case [2]uint32{uncompressed, 24}:
		h.coding = codingBGR
	case [2]uint32{uncompressed, 16}, [2]uint32{bitfields, 16}, [2]uint32{alphaBitfields, 16},
		[2]uint32{uncompressed, 32}, [2]uint32{bitfields, 32}, [2]uint32{alphaBitfields, 32}:
		h.coding = codingMasks
	default:
		return fmt.Errorf("%w: compression %d of %d bits a pixel", ErrUnsupported, compression, h.bits)
	}
	return nil
}

// readPalette reads as many colors as the header names (0: all that an index can reach), or as fit before the pixels.
func (h *header) readPalette(table []byte, entrySize int, colors uint32) error {
	if len(table) < entrySize {
		return errors.New("no palette before the pixels")
	}
	for i := range h.palette {
		h.palette[i] = opaquePixel(0, 0, 0)
	}
	n := 1 << h.bits
	if colors != 0 {
		n = min(n, int(colors))
	}
	for i := range min(n, len(table)/entrySize) {
		c := table[entrySize*i:]
		h.palette[i] = opaquePixel(c[2], c[1], c[0])
	}
	return nil
}

// setMasks reads the color masks, which stand at the same place whether they are part of the header or follow a short
// one.
func (h *header) setMasks(headers []byte, given, hasAlpha bool) error {
	h.masks = [4]uint32{0x7c00, 0x03e0, 0x001f}
	if h.bits == 32 {
		h.masks = [4]uint32{0xff0000, 0x00ff00, 0x0000ff}
	}
	if !given {
		return nil
	}
	n := 3
	if hasAlpha {
		n = 4
	}
	if len(headers) < masksAt+4*n {
		return errors.New("the pixels start inside the color masks")
	}
	var masks [4]uint32
	for i := range n {
		masks[i] = binary.LittleEndian.Uint32(headers[masksAt+4*i:])
	}
	// Some writers leave masks of 0 for the common layout.
	if masks[0]|masks[1]|masks[2] != 0 {
		h.masks = masks
	}
	return nil
}

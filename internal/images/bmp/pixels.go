package bmp

import (
	"encoding/binary"
	"fmt"
	"image"
	"math/bits"
)

// rowSize returns how many bytes a row's pixels have, and how many with padding.
func rowSize(width, bits int) (used, stride int) {
	used = (width*bits + 7) / 8
	return used, (used + 3) &^ 3
}

// picture converts uncompressed pixels.
func (h *header) picture() (image.Image, error) {
	used, stride := rowSize(h.width, h.bits)
	// The padding of the last row may be missing.
	if len(h.pixels) < used || (len(h.pixels)-used)/stride < h.height-1 {
		return nil, errTruncated
	}
	channels, err := channelsOf(h.masks)
	if err != nil {
		return nil, err
	}
	img := image.NewNRGBA(image.Rect(0, 0, h.width, h.height))
	for y := range h.height {
		src := h.pixels[y*stride:][:used]
		row := h.height - 1 - y
		if h.topDown {
			row = y
		}
		dst := img.Pix[row*img.Stride:][:img.Stride]
		switch h.bits {
		case 24:
			convertBGR(dst, src)
		case 16:
			convert16(dst, src, channels)
		case 32:
			convert32(dst, src, channels)
		case 8:
			h.convertBytes(dst, src)
		default:
			h.convertIndexes(dst, src)
		}
	}
	if h.coding == codingMasks {
		if h.masks[3] != 0 && hasAlpha(img) {
			return img, nil
		}
		for i := 3; i < len(img.Pix); i += 4 {
			img.Pix[i] = 255
		}
	}
	return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}, nil
}

// hasAlpha tells an alpha channel from one that means nothing, being 0 or 255 in all pixels.
func hasAlpha(img *image.NRGBA) bool {
	first := img.Pix[3]
	for i := 3; i < len(img.Pix); i += 4 {
		if img.Pix[i] != first {
			return true
		}
	}
	return first != 0 && first != 255
}

// opaquePixel is four bytes of an image.
func opaquePixel(r, g, b uint8) uint32 {
	return uint32(r) | uint32(g)<<8 | uint32(b)<<16 | 255<<24
}

// convertIndexes takes indexes of less than a byte.
func (h *header) convertIndexes(dst, src []byte) {
	size := uint(h.bits)
	for x := range uint(len(dst) / 4) {
		bit := x * size
		index := src[bit/8] << (bit % 8) >> (8 - size)
		binary.LittleEndian.PutUint32(dst[4*x:], h.palette[index])
	}
}

func (h *header) convertBytes(dst, src []byte) {
	for x, index := range src {
		binary.LittleEndian.PutUint32(dst[4*x:], h.palette[index])
	}
}

func convertBGR(dst, src []byte) {
	for x := range len(dst) / 4 {
		p := src[3*x : 3*x+3]
		binary.LittleEndian.PutUint32(dst[4*x:], opaquePixel(p[2], p[1], p[0]))
	}
}

func convert16(dst, src []byte, channels [4]channel) {
	for ; len(src) >= 2 && len(dst) >= 4; src, dst = src[2:], dst[4:] {
		v := uint32(binary.LittleEndian.Uint16(src))
		for i := range channels {
			dst[i] = channels[i].of(v)
		}
	}
}

func convert32(dst, src []byte, channels [4]channel) {
	for ; len(src) >= 4 && len(dst) >= 4; src, dst = src[4:], dst[4:] {
		v := binary.LittleEndian.Uint32(src)
		for i := range channels {
			dst[i] = channels[i].of(v)
		}
	}
}

// A channel is where in a pixel the bits of a color component are.
type channel struct {
	shift int
	max   uint32 // with all bits set; 0 without bits
}

func channelsOf(masks [4]uint32) (channels [4]channel, err error) {
	for i, mask := range masks {
		if mask == 0 {
			continue
		}
		c := channel{shift: bits.TrailingZeros32(mask)}
		c.max = mask >> c.shift
		if c.max&(c.max+1) != 0 {
			return channels, fmt.Errorf("a color mask with gaps: %08x", mask)
		}
		channels[i] = c
	}
	return channels, nil
}

// of scales the component to 0 … 255, to the nearest value.
func (c channel) of(pixel uint32) uint8 {
	v := pixel >> c.shift & c.max
	if c.max == 255 || c.max == 0 {
		return uint8(v)
	}
	return uint8((uint64(v)*255 + uint64(c.max/2)) / uint64(c.max))
}

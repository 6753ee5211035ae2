package sandboxed

import (
	"bytes"
	"errors"
	"fmt"
	"image"
)

// A jpegxlHeader is what the beginning of a codestream (ISO/IEC 18181-1) says.
type jpegxlHeader struct {
	size          image.Point // as shown
	premultiplied bool
}

// parseCodestream reads the size, the orientation and the extra channels.
func parseCodestream(stream []byte) (*jpegxlHeader, error) {
	if !bytes.HasPrefix(stream, codestreamSignature) {
		return nil, errors.New("the codestream has no signature")
	}
	b := &jpegxlBits{data: stream[len(codestreamSignature):]}
	h := &jpegxlHeader{size: b.size()}
	if err := h.parseMetadata(b); err != nil {
		return nil, err
	}
	if b.at > 8*len(b.data) {
		return nil, fmt.Errorf("%w: it ends in its header", errTruncated)
	}
	return h, nil
}

func (h *jpegxlHeader) parseMetadata(b *jpegxlBits) error {
	if allDefault := b.flag(); allDefault {
		return nil
	}
	if extra := b.flag(); extra {
		if orientation := b.read(3) + 1; orientation > 4 {
			h.size = image.Pt(h.size.Y, h.size.X)
		}
		if intrinsicSize := b.flag(); intrinsicSize {
			b.size()
		}
		if preview := b.flag(); preview {
			b.previewSize()
		}
		if animation := b.flag(); animation {
			b.choice(value(100), value(1000), bits(10, 1), bits(30, 1)) // ticks …
			b.choice(value(1), value(1001), bits(8, 1), bits(10, 1))    // … per seconds
			b.choice(value(0), bits(3, 0), bits(16, 0), bits(32, 0))    // loops
			b.flag()                                                    // time codes
		}
	}
	b.depth()
	b.flag() // whether 16 bits are enough for a decoder
	for range b.choice(value(0), value(1), bits(4, 2), bits(12, 1)) {
		if err := h.parseChannel(b); err != nil {
			return err
		}
	}
	return nil
}

// parseChannel reads about a channel besides the colors.
func (h *jpegxlHeader) parseChannel(b *jpegxlBits) error {
	const alpha, spotColor, black, filter = 0, 2, 4, 5
	if allDefault := b.flag(); allDefault {
		return nil // alpha, not premultiplied
	}
	kind := b.choice(value(0), value(1), bits(4, 2), bits(6, 18))
	b.depth()
	b.choice(value(0), value(3), value(4), bits(3, 1))                    // how it is scaled
	b.skip(8 * b.choice(value(0), bits(4, 0), bits(5, 16), bits(10, 48))) // its name
	switch kind {
	case alpha:
		h.premultiplied = b.flag() || h.premultiplied
	case spotColor:
		b.skip(4 * 16)
	case filter:
		b.choice(value(1), bits(2, 0), bits(4, 3), bits(8, 19))
	case black:
		// libjxl would return the inks without black.
		return fmt.Errorf("%w: CMYK", ErrUnsupported)
	}
	return nil
}

// jpegxlBits reads numbers from the lowest bit of each byte on; 0 beyond the end.
type jpegxlBits struct {
	data []byte
	at   int
}

func (b *jpegxlBits) read(n int) (v int) {
	for i := range n {
		if b.at < 8*len(b.data) {
			v |= int(b.data[b.at/8]>>(b.at%8)) & 1 << i
		}
		b.at++
	}
	return v
}

func (b *jpegxlBits) flag() bool { return b.read(1) == 1 }

func (b *jpegxlBits) skip(n int) { b.at += n }

// A distribution is how a number is stored: in some bits, less an offset.
type distribution struct{ bits, offset int }

func value(v int) distribution            { return distribution{0, v} }
func bits(count, offset int) distribution { return distribution{count, offset} }

// choice reads a number that is stored in one of four ways.
func (b *jpegxlBits) choice(d ...distribution) int {
	chosen := d[b.read(2)]
	return b.read(chosen.bits) + chosen.offset
}

// depth skips that of samples.
func (b *jpegxlBits) depth() {
	if float := b.flag(); float {
		b.choice(value(32), value(16), value(24), bits(6, 1))
		b.skip(4) // of the exponent
		return
	}
	b.choice(value(8), value(10), value(12), bits(6, 1))
}

// size reads a height and a width, in eights or not.
func (b *jpegxlBits) size() image.Point {
	side := func() int { return b.choice(bits(9, 1), bits(13, 1), bits(18, 1), bits(30, 1)) }
	if eights := b.flag(); eights {
		side = func() int { return 8 * (b.read(5) + 1) }
	}
	return b.sides(side)
}

func (b *jpegxlBits) previewSize() image.Point {
	side := func() int { return b.choice(bits(6, 1), bits(8, 65), bits(10, 321), bits(12, 1345)) }
	if eights := b.flag(); eights {
		side = func() int { return 8 * b.choice(value(16), value(32), bits(5, 1), bits(9, 33)) }
	}
	return b.sides(side)
}

// sides reads a height, and a width unless that is in one of seven ratios to it.
func (b *jpegxlBits) sides(side func() int) image.Point {
	ratios := [8]image.Point{{}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}
	height := side()
	ratio := ratios[b.read(3)]
	if ratio == (image.Point{}) {
		return image.Pt(side(), height)
	}
	return image.Pt(height*ratio.X/ratio.Y, height)
}

package sandboxed

import (
	"errors"
	"fmt"
	"image"
)

// checkSequence reads the units (OBUs) that an AV1 bitstream consists of and holds the size in each sequence header
// against that of the item.
func checkSequence(bitstream []byte, want image.Point) error {
	const sequenceHeader, frameHeader, frame = 1, 3, 6
	headers, frames := 0, 0
	for len(bitstream) > 0 {
		kind, payload, rest, err := nextUnit(bitstream)
		if err != nil {
			return err
		}
		bitstream = rest
		switch kind {
		case frameHeader, frame:
			frames++
		case sequenceHeader:
			headers++
			size, err := sequenceSize(payload)
			if err != nil {
				return err
			}
			if size != want {
				return fmt.Errorf("a bitstream of %d×%d pixels in an item of %d×%d", size.X, size.Y, want.X, want.Y)
			}
		}
	}
	if headers == 0 || frames == 0 {
		return errors.New("a bitstream without a frame")
	}
	return nil
}

var errUnit = errors.New("the bitstream is truncated")

// nextUnit splits off the first unit.
func nextUnit(data []byte) (kind byte, payload, rest []byte, err error) {
	const extended, sized = 1 << 2, 1 << 1
	header := data[0]
	kind = header >> 3 & 15
	data = data[1:]
	if header&extended != 0 {
		if len(data) == 0 {
			return 0, nil, nil, errUnit
		}
		data = data[1:]
	}
	if header&sized == 0 {
		return kind, data, nil, nil
	}
	size := uint64(0)
	for shift := 0; ; shift += 7 {
		if len(data) == 0 || shift > 7*7 {
			return 0, nil, nil, errUnit
		}
		b := data[0]
		data = data[1:]
		size |= uint64(b&127) << shift
		if b < 128 {
			break
		}
	}
	if size > uint64(len(data)) {
		return 0, nil, nil, errUnit
	}
	return kind, data[:size], data[size:], nil
}

// av1Bits reads numbers from the highest bit of each byte on; 0 beyond the end.
type av1Bits struct {
	data []byte
	at   int
}

func (b *av1Bits) read(n int) (v int) {
	for range n {
		v <<= 1
		if b.at < 8*len(b.data) {
			v |= int(b.data[b.at/8]>>(7-b.at%8)) & 1
		}
		b.at++
	}
	return v
}

func (b *av1Bits) flag() bool { return b.read(1) == 1 }

func (b *av1Bits) skip(n int) { b.at += n }

// sequenceSize reads a sequence header (AV1 specification, 5.5.1) up to the size of the largest frame.
func sequenceSize(payload []byte) (image.Point, error) {
	b := &av1Bits{data: payload}
	b.skip(3 + 1) // profile, still picture
	if reduced := b.flag(); reduced {
		b.skip(5) // level
	} else {
		b.skipOperatingPoints()
	}
	widthBits, heightBits := b.read(4)+1, b.read(4)+1
	size := image.Pt(b.read(widthBits)+1, b.read(heightBits)+1)
	if b.at > 8*len(payload) {
		return image.Point{}, errors.New("a sequence header that is too short")
	}
	return size, nil
}

func (b *av1Bits) skipOperatingPoints() {
	decoderModel, delayBits := false, 0
	if timing := b.flag(); timing {
		b.skip(32 + 32)
		if equalIntervals := b.flag(); equalIntervals {
			b.skipVariable()
		}
		if decoderModel = b.flag(); decoderModel {
			delayBits = b.read(5) + 1
			b.skip(32 + 5 + 5)
		}
	}
	initialDelay := b.flag()
	for range b.read(5) + 1 {
		b.skip(12) // which layers it has
		if level := b.read(5); level > 7 {
			b.skip(1) // tier
		}
		if decoderModel && b.flag() {
			b.skip(2*delayBits + 1)
		}
		if initialDelay && b.flag() {
			b.skip(4)
		}
	}
}

// skipVariable skips a number after as many zeros as it has bits.
func (b *av1Bits) skipVariable() {
	zeros := 0
	for b.at < 8*len(b.data) && !b.flag() {
		zeros++
	}
	if zeros < 32 {
		b.skip(zeros)
	}
}

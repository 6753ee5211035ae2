package fulljpeg

import (
	"errors"
	"fmt"
)

// A block holds the coefficients of 8×8 samples in zig-zag order.
type block [64]int16

// A component is one plane of samples.
type component struct {
	id      byte
	h, v    int // sampling factors
	quantID byte
	// quant is the quantization table that held at the component's first scan.
	quant *[64]uint16
	// known says of each coefficient up to which bit scans have given it: 0 for not at all, otherwise 1 more than the
	// lowest bit.
	known [64]uint8
	// across and down count the blocks that hold samples of the picture: those of a scan of this component alone.
	// Interleaved scans fill whole MCUs, rows of stride blocks (T.81, A.2).
	across, down int
	stride, rows int
	blocks       []block
}

// startOfFrame reads a frame header (T.81, B.2.2).
func (p *parser) startOfFrame(marker byte, payload []byte) error {
	if p.components != nil {
		return errors.New("two frame headers")
	}
	if len(payload) < 6 || len(payload) != 6+3*int(payload[5]) {
		return fmt.Errorf("frame header of %d bytes", len(payload))
	}
	if payload[0] != 8 {
		return fmt.Errorf("%w: %d bits a sample", ErrUnsupported, payload[0])
	}
	height, width, n := word(payload[1:]), word(payload[3:]), int(payload[5])
	if width == 0 || n == 0 {
		return fmt.Errorf("%d components of width %d", n, width)
	}
	if n > 4 {
		return fmt.Errorf("%w: %d components", ErrUnsupported, n)
	}
	components := make([]component, n)
	for i := range components {
		c := payload[6+3*i:]
		components[i] = component{id: c[0], h: int(c[1] >> 4), v: int(c[1] & 15), quantID: c[2]}
		if err := components[i].check(components[:i]); err != nil {
			return fmt.Errorf("component %d: %w", i+1, err)
		}
	}
	p.width, p.components = width, components
	p.baseline = marker == markerSOF0
	p.progressive = marker == markerSOF2 || marker == markerSOF10
	p.arithmetic = marker >= markerSOF9
	p.setHeight(height)
	return nil
}

func (c *component) check(before []component) error {
	if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
		return fmt.Errorf("sampling factors %d×%d", c.h, c.v)
	}
	if c.quantID > 3 {
		return fmt.Errorf("quantization table %d", c.quantID)
	}
	for i := range before {
		if c.id == before[i].id {
			return fmt.Errorf("repeated identifier %d", c.id)
		}
	}
	return nil
}

func (f *file) maxSampling() (h, v int) {
	for i := range f.components {
		h, v = max(h, f.components[i].h), max(v, f.components[i].v)
	}
	return h, v
}

// mcus returns how many MCUs of interleaved components are in a row and a column.
func (f *file) mcus() (across, down int) {
	h, v := f.maxSampling()
	return ceilDiv(f.width, 8*h), ceilDiv(f.height, 8*v)
}

// setHeight fixes the sizes in blocks.
func (f *file) setHeight(height int) {
	f.height = height
	h, v := f.maxSampling()
	across, down := f.mcus()
	for i := range f.components {
		c := &f.components[i]
		c.across, c.down = ceilDiv(ceilDiv(f.width*c.h, h), 8), ceilDiv(ceilDiv(height*c.v, v), 8)
		c.stride, c.rows = across*c.h, down*c.v
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// checkWork refuses files that are small but would take long. A block of the first scan of a component takes a bit or
// more of Huffman codes, unlike of arithmetic ones. Later scans can pass over thousands of blocks in a few bits: files
// in use have up to a dozen scans of a component, more are taken if they hold data.
func (f *file) checkWork(size int) error {
	blocks, visits := 0, 0
	for i := range f.components {
		blocks += f.components[i].across * f.components[i].down
	}
	for i := range f.scans {
		for _, c := range f.scans[i].components {
			visits += c.across * c.down
		}
	}
	if !f.arithmetic && blocks > 8*size {
		return fmt.Errorf("%d×%d pixels, which %d bytes can't hold", f.width, f.height, size)
	}
	if visits > 24*blocks+100*size {
		return fmt.Errorf("%d scans of %d×%d pixels in %d bytes", len(f.scans), f.width, f.height, size)
	}
	return nil
}

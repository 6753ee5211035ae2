package tiff

import (
	"fmt"
	"math"
)

// A ycbcrSpace says how YCbCr is made of RGB.
type ycbcrSpace struct {
	luma      []float64 // the parts of red, green and blue in Y
	reference []float64 // black and white of Y, of Cb and of Cr
}

// jfifSpace is that of JPEG files, and of TIFF files that don't say otherwise.
var jfifSpace = ycbcrSpace{
	luma:      []float64{0.299, 0.587, 0.114},
	reference: []float64{0, 255, 128, 255, 128, 255},
}

func (c ycbcrSpace) check() error {
	green, ref := c.luma[1], c.reference
	if math.IsNaN(green) || math.IsInf(green, 0) || green <= 0 || ref[0] == ref[1] || ref[2] == ref[3] || ref[4] == ref[5] {
		return fmt.Errorf("impossible YCbCr, of coefficients %v, black and white %v", c.luma, ref)
	}
	return nil
}

// rgb returns what makes red, green and blue of 8-bit samples. A product that is converted before it is added is
// rounded on every machine; some would else leave that out.
func (c ycbcrSpace) rgb() func(y, cb, cr uint8) (r, g, b uint8) {
	red, green, blue := c.luma[0], c.luma[1], c.luma[2]
	ref := c.reference
	return func(y, cb, cr uint8) (uint8, uint8, uint8) {
		luma := (float64(y) - ref[0]) * 255 / (ref[1] - ref[0])
		r := luma + float64((float64(cr)-ref[4])*127/(ref[5]-ref[4])*(2-2*red))
		b := luma + float64((float64(cb)-ref[2])*127/(ref[3]-ref[2])*(2-2*blue))
		g := (luma - float64(blue*b) - float64(red*r)) / green
		return toByte(r), toByte(g), toByte(b)
	}
}

// blockBytes returns the bytes of a block of pixels that share their chroma.
func (p *page) blockBytes() int {
	return p.subsampling[0]*p.subsampling[1] + 2
}

// spreadChroma makes rows of pixels of rows of blocks. A block holds the Y of its pixels, row by row, then their one Cb
// and Cr.
func (p *page) spreadChroma(next rowFunc) rowFunc {
	across, down, size := p.subsampling[0], p.subsampling[1], p.blockBytes()
	buf := make([]byte, p.rowBytes())
	var blocks []byte
	y := 0 // in the blocks
	return func() ([]byte, error) {
		if y == 0 {
			var err error
			if blocks, err = next(); err != nil {
				return nil, err
			}
		}
		for x := range p.chunkWidth {
			block := blocks[x/across*size:][:size]
			pixel := buf[3*x : 3*x+3]
			pixel[0] = block[y*across+x%across]
			copy(pixel[1:], block[size-2:])
		}
		y = (y + 1) % down
		return buf, nil
	}
}

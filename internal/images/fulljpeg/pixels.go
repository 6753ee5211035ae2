package fulljpeg

import (
	"image"
	"image/color"
)

// zigzag gives each coefficient's place in natural order.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// image makes the picture of all coefficients. What the components mean is decided as by image/jpeg.
func (f *file) image() image.Image {
	bounds := image.Rect(0, 0, f.width, f.height)
	switch len(f.components) {
	case 3:
		img := image.NewRGBA(bounds)
		f.eachRow(func(y int, samples [][]byte) {
			f.rgb(img.Pix[y*img.Stride:][:img.Stride], samples)
		})
		return img
	case 4:
		img := image.NewCMYK(bounds)
		f.eachRow(func(y int, samples [][]byte) {
			f.cmyk(img.Pix[y*img.Stride:][:img.Stride], samples)
		})
		return img
	default:
		img := image.NewGray(bounds)
		f.eachRow(func(y int, samples [][]byte) {
			copy(img.Pix[y*img.Stride:], samples[0])
		})
		return img
	}
}

func (f *file) rgb(pix []byte, samples [][]byte) {
	convert := color.YCbCrToRGB
	if f.isRGB() {
		convert = func(r, g, b uint8) (uint8, uint8, uint8) { return r, g, b }
	}
	for x := range f.width {
		p := pix[4*x : 4*x+4 : 4*x+4]
		p[0], p[1], p[2] = convert(samples[0][x], samples[1][x], samples[2][x])
		p[3] = 255
	}
}

func (f *file) isRGB() bool {
	if f.jfif {
		return false
	}
	c := f.components
	return f.adobe && f.transform == 0 || c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
}

// cmyk fills a row from samples of which 255 is not ink. Transformed ones are, besides black, the YCbCr of the RGB
// whose complement they are.
func (f *file) cmyk(pix []byte, samples [][]byte) {
	transformed := f.adobe && f.transform != 0
	for x := range f.width {
		p := pix[4*x : 4*x+4 : 4*x+4]
		c, m, y := samples[0][x], samples[1][x], samples[2][x]
		if transformed {
			p[0], p[1], p[2] = color.YCbCrToRGB(c, m, y)
		} else {
			p[0], p[1], p[2] = 255-c, 255-m, 255-y
		}
		p[3] = 255 - samples[3][x]
	}
}

// eachRow passes the rows of the picture, of each component one sample a pixel.
func (f *file) eachRow(do func(y int, samples [][]byte)) {
	hmax, vmax := f.maxSampling()
	samples := make([][]byte, len(f.components))
	strips := make([][]byte, len(f.components)) // of a row of MCUs
	for i := range f.components {
		c := &f.components[i]
		samples[i] = make([]byte, f.width)
		strips[i] = make([]byte, 64*c.stride*c.v)
	}
	for y := range f.height {
		mcu, within := y/(8*vmax), y%(8*vmax)
		for i := range f.components {
			c := &f.components[i]
			if within == 0 {
				c.strip(mcu, strips[i])
			}
			spread(samples[i], strips[i][within*c.v/vmax*8*c.stride:], c.h, hmax)
		}
		do(y, samples)
	}
}

// spread repeats samples to the nearest pixel, h of them for hmax pixels.
func spread(dst, src []byte, h, hmax int) {
	if h == hmax {
		copy(dst, src)
		return
	}
	for x := range dst {
		dst[x] = src[x*h/hmax]
	}
}

// strip makes the samples of a row of MCUs.
func (c *component) strip(mcu int, dst []byte) {
	for y := range c.v {
		for x := range c.stride {
			b := &c.blocks[(mcu*c.v+y)*c.stride+x]
			c.samples(b, dst[64*y*c.stride+8*x:])
		}
	}
}

// samples makes the samples of a block.
func (c *component) samples(b *block, dst []byte) {
	var natural [64]int32
	for k, v := range b {
		natural[zigzag[k]] = int32(v) * int32(c.quant[k])
	}
	inverseDCT(&natural)
	for y := range 8 {
		row := dst[8*y*c.stride:][:8]
		for x := range row {
			row[x] = uint8(min(max(natural[8*y+x]+128, 0), 255))
		}
	}
}

// Package tiff decodes the first page of a TIFF or BigTIFF file to 8-bit pixels.
//
// It reads strips and tiles, chunky or planar, of up to 64 bits a sample, that are gray, RGB, palette, CMYK, YCbCr or
// L*a*b*, with or without alpha, uncompressed or compressed with CCITT (RLE, Group 3, Group 4), LZW, Deflate, PackBits,
// Zstandard or JPEG. Other kinds of valid files give ErrUnsupported. A truncated or damaged file is an error, never a
// partly gray picture.
//
// How samples become 8 bits:
//   - Unsigned integers of up to 16 bits span their full range: 16-bit samples keep
//     their upper byte, the others are scaled and rounded.
//   - Other samples (signed, longer than 16 bits, floating point) have no agreed white.
//     Floats that all lie in [0, 1] are scaled by 255, and so are those of RGB pictures
//     with a mean of up to 1, which may shine brighter than white. Values that all lie in [0, 255]
//     are taken as they are, and those in [0, 65535] as 16-bit samples. Any other picture
//     is stretched from its smallest to its largest finite value; NaN is the smallest.
//     The color samples are judged together. Alpha is judged apart, as if a sample were 0.
//
// Extra samples that aren't marked as alpha are left out, but for the fourth sample of an RGB file that doesn't say
// what its extra samples are: this is alpha.
package tiff

import (
	"errors"
	"fmt"
	"image"
	"image/color"
)

// ErrUnsupported is in the chain of the error for a valid file of a kind that isn't read.
var ErrUnsupported = errors.New("unsupported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}

// DecodeConfig returns the size of the first page, of headers alone.
func DecodeConfig(data []byte) (image.Config, error) {
	p, err := parsePage(data)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{ColorModel: p.colorModel(), Width: p.width, Height: p.height}, nil
}

// Decode returns the first page as it is stored, without its orientation: an *image.NRGBA or *image.RGBA where there is
// alpha, else an *image.Gray, an opaque *image.RGBA or an *image.CMYK. The caller checks the size with DecodeConfig
// first.
func Decode(data []byte) (image.Image, error) {
	p, err := parsePage(data)
	if err != nil {
		return nil, err
	}
	if err := p.checkData(); err != nil {
		return nil, err
	}
	load, err := p.loader()
	if err != nil {
		return nil, err
	}
	img, pix, stride := p.newImage()
	paint := p.painter()
	size := stride / p.width
	samples := make([]uint16, p.step()*min(p.chunkWidth, p.width))
	err = p.eachRow(func(r row) {
		s := samples[:r.n*p.step()]
		load(s, r)
		at := r.y*stride + r.x*size
		paint(pix[at:at+r.n*size], s)
	})
	if err != nil {
		return nil, err
	}
	return img, nil
}

func (p *page) colorModel() color.Model {
	switch {
	case p.alpha >= 0 && p.associated:
		return color.RGBAModel
	case p.alpha >= 0:
		return color.NRGBAModel
	case p.isGray():
		return color.GrayModel
	case p.photometric == photometricCMYK:
		return color.CMYKModel
	}
	return color.RGBAModel
}

// newImage returns an image of the page's kind, with its pixels and the bytes of a row.
func (p *page) newImage() (image.Image, []uint8, int) {
	r := image.Rect(0, 0, p.width, p.height)
	switch p.colorModel() {
	case color.GrayModel:
		img := image.NewGray(r)
		return img, img.Pix, img.Stride
	case color.CMYKModel:
		img := image.NewCMYK(r)
		return img, img.Pix, img.Stride
	case color.NRGBAModel:
		img := image.NewNRGBA(r)
		return img, img.Pix, img.Stride
	}
	img := image.NewRGBA(r)
	return img, img.Pix, img.Stride
}

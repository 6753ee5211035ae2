// Package fulljpeg decodes the kinds of JPEG (ITU-T T.81) that Go's image/jpeg refuses or gets wrong: arithmetic
// coding, any sampling factors, frames of MJPEG without Huffman tables, restart markers in non-interleaved scans, a
// height that follows the first scan.
//
// It is strict: a truncated or damaged file is an error, never a partly gray picture. Its pixels are those that
// image/jpeg would make of the same coefficients: the same inverse DCT, and chroma repeated to the nearest sample.
package fulljpeg

import (
	"errors"
	"fmt"
	"image"
	"image/color"
)

// ErrUnsupported is in the chain for valid kinds of JPEG that are not read: 12 bits a sample, lossless, hierarchical,
// more than four components. Every other error means a damaged file.
var ErrUnsupported = errors.New("unsupported")

// Handles reports, by its segments, whether a JPEG is of a kind that image/jpeg can't decode or decodes wrongly and
// that Decode reads. A file of such a kind is handled even if it is damaged.
func Handles(data []byte) bool {
	f, _ := parse(data) // an error leaves what was read before it
	if f.components == nil {
		return false
	}
	if f.arithmetic || f.standardTables || f.refusedSegment || f.quantizationFollows || !f.knownSampling() {
		return true
	}
	if len(f.components) == 4 && !f.adobe {
		return true // image/jpeg doesn't know what the four are
	}
	for i := range f.scans {
		if s := &f.scans[i]; f.miscounted(s) || f.baseline && s.manyTables() {
			return true
		}
	}
	return false
}

// knownSampling reports whether image/jpeg takes the sampling factors.
func (f *file) knownSampling() bool {
	c := f.components
	for i := range c {
		if c[i].h == 3 || c[i].v == 3 {
			return false
		}
	}
	switch len(c) {
	case 1:
		return true
	case 3:
		return c[0].v != 4 && c[0].h%c[1].h == 0 && c[0].v%c[1].v == 0 && c[1].h == c[2].h && c[1].v == c[2].v
	case 4:
		return c[0].h == c[0].v && c[0].h <= 2 && c[1].h*c[1].v == 1 && c[2].h*c[2].v == 1 && c[3].h == c[0].h && c[3].v == c[0].v
	}
	return false
}

// miscounted reports whether image/jpeg takes the blocks of a scan for more than they are, or its restart intervals for
// longer.
func (f *file) miscounted(s *scan) bool {
	if len(f.components) == 1 || len(s.components) > 1 {
		return false
	}
	c := s.components[0].component
	hmax, vmax := f.maxSampling()
	return s.restart > 0 && c.h*c.v > 1 || c.h > 1 && c.h < hmax || c.v > 1 && c.v < vmax
}

// manyTables reports whether a scan takes more than the two Huffman tables that T.81 has in baseline files. Other
// decoders don't care.
func (s *scan) manyTables() bool {
	for _, c := range s.components {
		if c.dcID > 1 || c.acID > 1 {
			return true
		}
	}
	return false
}

// DecodeConfig returns the size of a JPEG, and the color model of the image that Decode returns.
func DecodeConfig(data []byte) (image.Config, error) {
	f, err := parse(data)
	if f.components == nil || f.height == 0 {
		return image.Config{}, err
	}
	config := image.Config{Width: f.width, Height: f.height}
	switch len(f.components) {
	case 3:
		config.ColorModel = color.RGBAModel
	case 4:
		config.ColorModel = color.CMYKModel
	default:
		config.ColorModel = color.GrayModel
	}
	return config, nil
}

// Decode returns an *image.Gray, an opaque *image.RGBA or an *image.CMYK. Of two components, whose meaning no standard
// says, the first is shown. Four components without an Adobe segment are inverted CMYK, as Pillow and browsers have it.
//
// The caller should check width × height first: Decode takes 2 bytes a sample of each component, besides the image.
func Decode(data []byte) (image.Image, error) {
	f, err := parse(data)
	if err != nil {
		return nil, err
	}
	if err := f.checkWork(len(data)); err != nil {
		return nil, err
	}
	for i := range f.components {
		c := &f.components[i]
		c.blocks = make([]block, c.stride*c.rows)
	}
	for i := range f.scans {
		if err := f.decodeScan(&f.scans[i]); err != nil {
			return nil, fmt.Errorf("scan %d: %w", i+1, err)
		}
	}
	return f.image(), nil
}

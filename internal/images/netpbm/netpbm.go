// Package netpbm decodes the first image of Netpbm files: PBM, PGM and PPM (plain and raw, P1 to P6), PAM (P7) and PFM,
// which holds floating-point values.
//
// Samples are scaled to 0 … 255, to the nearest value; 16-bit ones, of a maximum of 65535, keep their upper byte.
package netpbm

import (
	"errors"
	"image"
	"image/color"
)

// ErrUnsupported is in the chain of the error for a valid file of a kind that is not read: a PAM file whose tuples are
// not colors.
var ErrUnsupported = errors.New("unsupported")

var errTruncated = errors.New("the file ends before its last pixel")

// DecodeConfig returns the size that the header claims.
func DecodeConfig(data []byte) (image.Config, error) {
	h, _, err := parse(data)
	if err != nil {
		return image.Config{}, err
	}
	models := [...]color.Model{1: color.GrayModel, 2: color.NRGBAModel, 3: color.RGBAModel, 4: color.NRGBAModel}
	return image.Config{ColorModel: models[h.depth], Width: h.width, Height: h.height}, nil
}

// Decode returns an *image.Gray or *image.RGBA, or an *image.NRGBA for a PAM file with alpha.
func Decode(data []byte) (image.Image, error) {
	h, raster, err := parse(data)
	if err != nil {
		return nil, err
	}
	samples, err := h.samples(raster)
	if err != nil {
		return nil, err
	}
	return h.picture(samples), nil
}

// picture spreads samples of 0 … 255 to the pixels of an image.
func (h *header) picture(samples []uint8) image.Image {
	bounds := image.Rect(0, 0, h.width, h.height)
	switch h.depth {
	case 1:
		return &image.Gray{Pix: samples, Stride: h.width, Rect: bounds}
	case 2:
		img := image.NewNRGBA(bounds)
		for to := img.Pix; len(to) >= 4 && len(samples) >= 2; to, samples = to[4:], samples[2:] {
			to[0], to[1], to[2], to[3] = samples[0], samples[0], samples[0], samples[1]
		}
		return img
	case 3:
		img := image.NewRGBA(bounds)
		for to := img.Pix; len(to) >= 4 && len(samples) >= 3; to, samples = to[4:], samples[3:] {
			to[0], to[1], to[2], to[3] = samples[0], samples[1], samples[2], 255
		}
		return img
	default:
		return &image.NRGBA{Pix: samples, Stride: 4 * h.width, Rect: bounds}
	}
}

// Package webp decodes WebP files, of an animation the first frame on its transparent canvas. The bitstreams are
// decoded by golang.org/x/image/vp8 and vp8l; this package reads the container around them and converts to RGB as
// libwebp does, to the bit.
package webp

import (
	"errors"
	"image"
	"image/color"
)

// ErrUnsupported is in the chain of the error for a valid file of a kind that is not read. No such kind is known.
var ErrUnsupported = errors.New("unsupported")

// DecodeConfig returns the size that the headers claim.
func DecodeConfig(data []byte) (image.Config, error) {
	f, err := parse(data)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{ColorModel: color.NRGBAModel, Width: f.canvas.X, Height: f.canvas.Y}, nil
}

// Decode returns an *image.RGBA if the picture is opaque, else an *image.NRGBA. Hold the size that DecodeConfig returns
// against a limit first: a few bytes may stand for a picture of any size.
func Decode(data []byte) (image.Image, error) {
	f, err := parse(data)
	if err != nil {
		return nil, err
	}
	decode := f.decodeLossy
	if f.lossless {
		decode = f.decodeLossless
	}
	img, err := decode()
	if err != nil {
		return nil, err
	}
	if f.frame.Size() != f.canvas {
		return f.onCanvas(img), nil
	}
	if f.opaque || img.Opaque() {
		return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}, nil
	}
	return img, nil
}

// onCanvas surrounds the first frame of an animation with transparent pixels.
func (f *file) onCanvas(img *image.NRGBA) *image.NRGBA {
	canvas := image.NewNRGBA(image.Rectangle{Max: f.canvas})
	for y := range f.frame.Dy() {
		to := canvas.PixOffset(f.frame.Min.X, f.frame.Min.Y+y)
		copy(canvas.Pix[to:], img.Pix[y*img.Stride:][:4*f.frame.Dx()])
	}
	return canvas
}

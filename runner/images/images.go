// Package images turns the bytes of an image file into pixels, and pixels into
// the planar float tensors that models take.
//
// Decoding is bounded and strict: the size that a header claims is checked before
// anything of that size is allocated, and a truncated or damaged file is an error,
// never a partly gray picture. JPEG pixels are those of Go's image/jpeg (chroma
// repeated to the nearest sample), whichever path decodes them; see
// docs/adr/0002-images-package.md.
package images

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// Why an image could not be decoded. Every error of this package is one of them,
// to be told apart with errors.Is.
var (
	// ErrUnsupported: not an image file, or a kind of one that no decoder here reads.
	ErrUnsupported = errors.New("unsupported image format")
	// ErrCorrupt: a supported format, but truncated, damaged or without pixels.
	ErrCorrupt = errors.New("corrupt image")
	// ErrTooLarge: the header claims more pixels than Decoder.MaxPixels.
	ErrTooLarge = errors.New("image too large")
)

// DefaultMaxPixels is the size above which Pillow, too, refuses an image.
const DefaultMaxPixels = 178_956_970

// A Decoder decodes JPEG, PNG, GIF (the first frame on its canvas), BMP, TIFF and
// WebP. Its zero value is ready to use, and safe for concurrent use.
type Decoder struct {
	// MaxPixels bounds width × height as the header claims them; 0 means
	// DefaultMaxPixels. The result has 4 bytes a pixel; decoding takes, for a
	// while, up to 28 more (a progressive CMYK JPEG), most often 0 to 4.
	MaxPixels int64
	// IgnoreOrientation leaves the pixels as they are stored. By default the
	// orientation that EXIF or TIFF metadata name is applied.
	IgnoreOrientation bool
}

// Decode returns the opaque 8-bit RGB picture that a viewer would show, its bounds
// starting at (0, 0): gray is spread over the three channels, palettes and CMYK are
// converted, 16-bit samples keep their upper byte, and what is transparent shows a
// white page.
func (d Decoder) Decode(data []byte) (*image.RGBA, error) {
	img := new(image.RGBA)
	if err := d.DecodeInto(img, data); err != nil {
		return nil, err
	}
	return img, nil
}

// DecodeInto is Decode into an image whose memory is reused if it is large enough.
// After an error the image's content is undefined; it can still be reused.
func (d Decoder) DecodeInto(img *image.RGBA, data []byte) (err error) {
	f, err := formatOf(data)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: the decoder panicked: %v", ErrCorrupt, f.name, p)
		}
	}()
	if err := d.decode(img, f, data); err != nil {
		return err
	}
	if !d.IgnoreOrientation && f.orientation != nil {
		orient(img, f.orientation(data))
	}
	return nil
}

func (d Decoder) decode(img *image.RGBA, f *format, data []byte) error {
	if f.name == "JPEG" {
		if frame, ok := parseJPEG(data); ok {
			if err := d.checkSize(f, frame.width(), frame.height(), len(data)); err != nil {
				return err
			}
			resetImage(img, frame.width(), frame.height())
			if frame.decode(img.Pix, data) {
				return nil
			}
		}
	}
	config, err := f.config(bytes.NewReader(data))
	if err != nil {
		return classify(f, err)
	}
	if err := d.checkSize(f, config.Width, config.Height, len(data)); err != nil {
		return err
	}
	decoded, err := f.decode(bytes.NewReader(data))
	if err != nil {
		return classify(f, err)
	}
	resetImage(img, config.Width, config.Height)
	flatten(img, decoded)
	return nil
}

// checkSize refuses sizes that are impossible or beyond the limit.
func (d Decoder) checkSize(f *format, width, height, bytes int) error {
	limit := d.MaxPixels
	if limit <= 0 {
		limit = DefaultMaxPixels
	}
	if width <= 0 || height <= 0 {
		return fmt.Errorf("%w: %s of %d×%d pixels", ErrCorrupt, f.name, width, height)
	}
	if int64(width) > limit/int64(height) {
		return fmt.Errorf("%w: %s claims %d×%d pixels, the limit is %d in all", ErrTooLarge, f.name, width, height, limit)
	}
	if f.pixelsPerByte > 0 && int64(width)*int64(height) > f.pixelsPerByte*int64(bytes) {
		return fmt.Errorf("%w: %s claims %d×%d pixels, which its %d bytes can't hold: it is truncated",
			ErrCorrupt, f.name, width, height, bytes)
	}
	return nil
}

type format struct {
	name  string
	magic string // '?' stands for any byte
	// pixelsPerByte is what the format's densest coding reaches; 0: no bound.
	pixelsPerByte int64
	config        func(io.Reader) (image.Config, error)
	decode        func(io.Reader) (image.Image, error)
	orientation   func([]byte) int
}

var formats = []format{
	// One bit for a block of at most 32×16 pixels (the DC of 4:1:0 chroma).
	{"JPEG", "\xff\xd8", 8 * 512, jpeg.DecodeConfig, jpeg.Decode, jpegOrientation},
	// Deflate expands at most 1032 times, a byte holds at most 8 pixels.
	{"PNG", "\x89PNG\r\n\x1a\n", 8 * 1032, png.DecodeConfig, png.Decode, pngOrientation},
	{"GIF", "GIF87a", 0, gif.DecodeConfig, gif.Decode, nil},
	{"GIF", "GIF89a", 0, gif.DecodeConfig, gif.Decode, nil},
	{"BMP", "BM", 8, bmp.DecodeConfig, bmp.Decode, nil},
	{"TIFF", "II*\x00", 0, tiff.DecodeConfig, tiff.Decode, tiffOrientation},
	{"TIFF", "MM\x00*", 0, tiff.DecodeConfig, tiff.Decode, tiffOrientation},
	{"WebP", "RIFF????WEBP", 0, webp.DecodeConfig, webp.Decode, webpOrientation},
}

func formatOf(data []byte) (*format, error) {
	for i := range formats {
		if hasMagic(data, formats[i].magic) {
			return &formats[i], nil
		}
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrCorrupt)
	}
	return nil, fmt.Errorf("%w: the file starts with % x; JPEG, PNG, GIF, BMP, TIFF and WebP are read",
		ErrUnsupported, data[:min(len(data), 8)])
}

func hasMagic(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

func classify(f *format, err error) error {
	var (
		jpegFeature jpeg.UnsupportedError
		pngFeature  png.UnsupportedError
		tiffFeature tiff.UnsupportedError
	)
	kind := ErrCorrupt
	if errors.As(err, &jpegFeature) || errors.As(err, &pngFeature) || errors.As(err, &tiffFeature) || errors.Is(err, bmp.ErrUnsupported) {
		kind = ErrUnsupported
	}
	return fmt.Errorf("%w: %s: %w", kind, f.name, err)
}

// resetImage makes img width×height pixels of any content.
func resetImage(img *image.RGBA, width, height int) {
	n := 4 * width * height
	if cap(img.Pix) < n {
		img.Pix = make([]uint8, n)
	}
	img.Pix = img.Pix[:n]
	img.Stride = 4 * width
	img.Rect = image.Rect(0, 0, width, height)
}

// flatten draws src at its place onto the whole of dst, over white.
func flatten(dst *image.RGBA, src image.Image) {
	o, ok := src.(interface{ Opaque() bool })
	if ok && o.Opaque() && dst.Rect.In(src.Bounds()) {
		draw.Draw(dst, dst.Rect, src, dst.Rect.Min, draw.Src)
		return
	}
	for i := range dst.Pix {
		dst.Pix[i] = 255
	}
	draw.Draw(dst, src.Bounds(), src, src.Bounds().Min, draw.Over)
}

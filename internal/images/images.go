// Package images turns the bytes of an image file into pixels, and pixels into the planar float tensors that models
// take.
//
// Decoding is bounded and strict: the size that a header claims is checked before anything of that size is allocated,
// and a truncated or damaged file is an error, never a partly gray picture. JPEG pixels are those of Go's image/jpeg
// (chroma repeated to the nearest sample), whichever path decodes them; see docs/adr/0002-images-package.md. What
// decodes the other formats, and why, is in docs/adr/0013-decoders.md.
package images

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	stdjpeg "image/jpeg"
	"image/png"
	"io"

	"github.com/datasetaudit/dataset-audit/internal/images/bmp"
	"github.com/datasetaudit/dataset-audit/internal/images/fulljpeg"
	"github.com/datasetaudit/dataset-audit/internal/images/netpbm"
	"github.com/datasetaudit/dataset-audit/internal/images/sandboxed"
	"github.com/datasetaudit/dataset-audit/internal/images/tiff"
	"github.com/datasetaudit/dataset-audit/internal/images/webp"
)

// Why an image could not be decoded. Every error of this package is one of them, to be told apart with errors.Is.
var (
	// ErrUnsupported: not an image file, or a kind of one that no decoder here reads.
	ErrUnsupported = errors.New("unsupported image format")
	// ErrCorrupt: a supported format, but truncated, damaged or without pixels.
	ErrCorrupt = errors.New("corrupt image")
	// ErrTooLarge: the header claims more pixels than Decoder.MaxPixels, or an AVIF or JPEG XL takes more memory than
	// its decoder gets.
	ErrTooLarge = errors.New("image too large")
)

// DefaultMaxPixels is the size above which Pillow, too, refuses an image.
const DefaultMaxPixels = 178_956_970

// A Decoder decodes JPEG, PNG, GIF (the first frame on its canvas), BMP, TIFF (the first page), WebP and AVIF (of an
// animation the first frame), JPEG XL and Netpbm. Its zero value is ready to use, and safe for concurrent use.
type Decoder struct {
	// MaxPixels bounds width × height as the header claims them; 0 means DefaultMaxPixels. The result has 4 bytes a
	// pixel; decoding takes, for a while, up to 24 more (a progressive CMYK JPEG), most often 0 to 4.
	MaxPixels int64
	// IgnoreOrientation leaves the pixels as they are stored. By default the orientation that EXIF, XMP or TIFF
	// metadata name is applied.
	IgnoreOrientation bool
}

// Decode returns the opaque 8-bit RGB picture that a viewer would show, its bounds starting at (0, 0): gray is spread
// over the three channels, palettes and CMYK are converted, 16-bit samples keep their upper byte, and what is
// transparent shows a white page.
func (d Decoder) Decode(data []byte) (*image.RGBA, error) {
	img := new(image.RGBA)
	if err := d.DecodeInto(img, data); err != nil {
		return nil, err
	}
	return img, nil
}

// With decodes an image into img, whose memory is reused if it is large enough, and calls use with it. While it does,
// the image counts against the bound on the memory of all images together; see budget. img's content is undefined
// afterwards.
func (d Decoder) With(img *image.RGBA, data []byte, use func(*image.RGBA)) error {
	held := &claim{}
	defer held.release(img)
	if err := d.decodeInto(img, data, held); err != nil {
		return err
	}
	use(img)
	return nil
}

// DecodeInto is Decode into an image whose memory is reused if it is large enough. After an error the image's content
// is undefined; it can still be reused.
func (d Decoder) DecodeInto(img *image.RGBA, data []byte) error {
	held := &claim{keep: true}
	defer held.release(img)
	return d.decodeInto(img, data, held)
}

func (d Decoder) decodeInto(img *image.RGBA, data []byte, held *claim) (err error) {
	f, err := formatOf(data)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: the decoder panicked: %v", ErrCorrupt, f.name, p)
		}
	}()
	if err := d.decode(img, f, data, held); err != nil {
		return err
	}
	if !d.IgnoreOrientation && f.orientation != nil {
		orient(img, f.orientation(data))
	}
	return nil
}

func (d Decoder) decode(img *image.RGBA, f *format, data []byte, held *claim) error {
	extra := f.extra
	if f.name == "JPEG" {
		if frame, ok := parseJPEG(data); ok {
			if err := d.checkSize(f, frame.width(), frame.height(), len(data)); err != nil {
				return err
			}
			held.take(img, frame.width(), frame.height(), f.extra)
			if frame.decode(img.Pix, data) {
				return nil
			}
		} else if fulljpeg.Handles(data) {
			f = &otherJPEG
		}
		extra = max(f.extra, progressiveExtra(data))
	}
	config, err := f.config(data)
	if err != nil {
		return classify(f, err)
	}
	if err := d.checkSize(f, config.Width, config.Height, len(data)); err != nil {
		return err
	}
	held.take(img, config.Width, config.Height, extra)
	decoded, err := f.decode(data)
	if err != nil {
		return classify(f, err)
	}
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
	name   string
	magics []string // '?' stands for any byte
	// pixelsPerByte is what the format's densest coding reaches; 0: no bound.
	pixelsPerByte int64
	// extra is what decoding takes besides the result, in bytes a pixel, most often.
	extra       int64
	config      func([]byte) (image.Config, error)
	decode      func([]byte) (image.Image, error)
	orientation func([]byte) int
}

var formats = []format{
	// One bit for a block of at most 32×16 pixels (the DC of 4:1:0 chroma).
	{"JPEG", []string{"\xff\xd8"}, 8 * 512, 6, reading(stdjpeg.DecodeConfig), reading(stdjpeg.Decode), jpegOrientation},
	// Deflate expands at most 1032 times, a byte holds at most 8 pixels.
	{"PNG", []string{"\x89PNG\r\n\x1a\n"}, 8 * 1032, 8, reading(png.DecodeConfig), reading(png.Decode), pngOrientation},
	{"GIF", []string{"GIF87a", "GIF89a"}, 0, 1, gifConfig, gifDecode, nil},
	{"BMP", []string{"BM"}, 0, 4, bmp.DecodeConfig, bmp.Decode, nil},
	{"TIFF", []string{"II*\x00", "MM\x00*", "II+\x00", "MM\x00+"}, 0, 12, tiff.DecodeConfig, tiff.Decode, tiffOrientation},
	{"WebP", []string{"RIFF????WEBP"}, 0, 6, webp.DecodeConfig, webp.Decode, webpOrientation},
	{"AVIF", []string{"????ftypavif", "????ftypavis", "????ftypmif1", "????ftypmsf1"}, 0, sandboxed.AVIFPixel, sandboxed.AVIFConfig, sandboxed.AVIF, nil},
	{"JPEG XL", []string{"\xff\x0a", "\x00\x00\x00\x0cJXL "}, 0, sandboxed.JPEGXLPixel, sandboxed.JPEGXLConfig, sandboxed.JPEGXL, nil},
	{"Netpbm", []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "Pf", "PF"}, 0, 4, netpbm.DecodeConfig, netpbm.Decode, nil},
}

// otherJPEG is of the JPEGs that image/jpeg can't decode. Arithmetic coding has no densest block.
var otherJPEG = format{"JPEG", nil, 0, 12, fulljpeg.DecodeConfig, fulljpeg.Decode, jpegOrientation}

// reading makes a decoder of bytes of one that reads.
func reading[T any](decode func(io.Reader) (T, error)) func([]byte) (T, error) {
	return func(data []byte) (T, error) { return decode(bytes.NewReader(data)) }
}

const readFormats = "JPEG, PNG, GIF, BMP, TIFF, WebP, AVIF, JPEG XL and Netpbm"

// unread are formats that are known and not read.
var unread = []struct{ name, magic string }{
	{"HEIC", "????ftyphei"}, {"HEIC", "????ftyphev"},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  "}, {"JPEG 2000", "\xff\x4f\xff\x51"}, {"CR3", "????ftypcrx"},
	{"PDF", "%PDF"}, {"Photoshop", "8BPS"}, {"SVG or HTML", "<"}, {"a pointer of Git LFS to an image", "version https://git-lfs"},
}

func formatOf(data []byte) (*format, error) {
	for i := range formats {
		for _, magic := range formats[i].magics {
			if hasMagic(data, magic) {
				return &formats[i], nil
			}
		}
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrCorrupt)
	}
	for _, known := range unread {
		if hasMagic(data, known.magic) {
			return nil, fmt.Errorf("%w: the file is %s; %s are read", ErrUnsupported, known.name, readFormats)
		}
	}
	return nil, fmt.Errorf("%w: the file starts with % x; %s are read",
		ErrUnsupported, data[:min(len(data), 8)], readFormats)
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
	kind := ErrCorrupt
	if errors.As(err, new(stdjpeg.UnsupportedError)) || errors.As(err, new(png.UnsupportedError)) ||
		errors.Is(err, fulljpeg.ErrUnsupported) || errors.Is(err, bmp.ErrUnsupported) || errors.Is(err, tiff.ErrUnsupported) ||
		errors.Is(err, webp.ErrUnsupported) || errors.Is(err, netpbm.ErrUnsupported) || errors.Is(err, sandboxed.ErrUnsupported) {
		kind = ErrUnsupported
	}
	if errors.Is(err, sandboxed.ErrTooLarge) {
		kind = ErrTooLarge
	}
	return fmt.Errorf("%w: %s: %w", kind, f.name, err)
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

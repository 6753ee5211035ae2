package edits

import (
	"bytes"
	"encoding/binary"
	"image"
	"math/bits"
	"math/rand/v2"

	"golang.org/x/image/draw"
	"golang.org/x/image/tiff"
)

// Pictures that are saved in another way: what a decoder makes of them must be the same.

// Saved keeps a picture as it is, in a file of another extension, .webp or .tiff, without loss.
func Saved(extension string) Edit {
	keep := picture(extension[1:], func(_ *rand.Rand, source *image.RGBA) image.Image { return source })
	keep.Extension = extension
	return keep
}

// Turned saves a picture lying on its side, as a JPEG whose EXIF orientation sets it up again.
func Turned() Edit {
	lay := picture("turned", func(_ *rand.Rand, source *image.RGBA) image.Image {
		size := source.Rect.Size()
		lying := image.NewRGBA(image.Rect(0, 0, size.Y, size.X))
		for y := range size.Y {
			for x := range size.X {
				lying.SetRGBA(y, size.X-1-x, source.RGBAAt(x, y))
			}
		}
		return lying
	})
	lay.Extension = turned
	return lay
}

// turned stands for a JPEG with an orientation; its files end in .jpg.
const turned = ".turned"

// withOrientation inserts the EXIF segment that says to turn a JPEG clockwise.
func withOrientation(file []byte) []byte {
	const clockwise = 6
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	exif[25] = clockwise
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(exif)))
	return append(append(append(bytes.Clone(file[:2]), segment...), exif...), file[2:]...)
}

func encodeTIFF(picture image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := tiff.Encode(&b, picture, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	return b.Bytes(), err
}

// encodeWebP writes a lossless WebP in its plainest form
// (https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification): opaque, without transforms, a
// byte a color.
func encodeWebP(picture image.Image) []byte {
	size := picture.Bounds().Size()
	source := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(source, source.Rect, picture, picture.Bounds().Min, draw.Src)
	var w bitWriter
	w.put(0x2f, 8)
	w.put(uint64(size.X-1), 14)
	w.put(uint64(size.Y-1), 14)
	w.put(0, 1+3+1+1+1) // alpha, version, transform, color cache, several codes: none
	for range 3 {       // green, red, blue: each byte is its own code
		w.put(0, 1)
		w.put(12-4, 4) // so many lengths of the code in which lengths are written
		w.put(1<<33, 36)
		w.put(1, 1)
		w.put(3, 3)
		w.put(256-2, 8) // so many lengths, which are all 8 and take no bit
	}
	w.put(0b101|255<<3, 3+8) // the only alpha is 255
	w.put(0b001, 3+1)        // there are no distances
	for i := 0; i < len(source.Pix); i += 4 {
		for _, channel := range []int{1, 0, 2} {
			w.put(uint64(bits.Reverse8(source.Pix[i+channel])), 8)
		}
	}
	stream := w.bytes()
	file := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+8+len(stream)))
	file = binary.LittleEndian.AppendUint32(append(file, "WEBPVP8L"...), uint32(len(stream)))
	return append(file, stream...)
}

// bitWriter writes bits, the lowest first.
type bitWriter struct {
	out  []byte
	held uint64
	n    int
}

func (w *bitWriter) put(value uint64, n int) {
	w.held |= value << w.n
	w.n += n
	for w.n >= 8 {
		w.out, w.held, w.n = append(w.out, byte(w.held)), w.held>>8, w.n-8
	}
}

// bytes is what was written, of an even length as RIFF has it.
func (w *bitWriter) bytes() []byte {
	w.put(0, -w.n&7)
	return append(w.out, make([]byte, len(w.out)&1)...)
}

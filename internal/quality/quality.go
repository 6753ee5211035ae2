// Package quality measures what makes an image poor for training: too dark or bright, without contrast, blurred, nearly
// empty, compressed to pieces, within a frame, with a lost tail, or unlike the rest of its dataset in size, shape or
// color.
//
// Measure looks at one image and costs little: of a large one it samples some 100,000 pixels. A Judge, who has seen the
// measures of all images of a dataset, says which of them are problems. Measures are sums of integers, and so the same
// bytes on every processor.
//
// Most kinds of problems, and the thresholds of Dark and OddAspect, are those of CleanVision
// (https://github.com/cleanlab/cleanvision). How blur, compression, frames and lost tails are measured is our own.
package quality

import (
	"encoding/binary"
	"image"
)

// Version is of how images are measured and encoded: measures that were stored by another have to be taken again.
const Version = 1

// Measures are what one image shows. Levels are of 0…255, brightness is perceived brightness (see brightness).
type Measures struct {
	// Width and Height are in pixels.
	Width, Height uint32
	// P5, P95 and P99 are the 5th, 95th and 99th percentile of brightness, in levels.
	P5, P95, P99 uint8
	// Entropy is that of the histogram of brightness over 256 levels, in 1/32 bit; 255 is 8 bits.
	Entropy uint8
	// Sharpness is the energy of second differences of luma over that of first ones, in 1/64, at most 255. For an edge
	// after a Gaussian blur of σ cells of the view it is 2 − 2·exp(−1/(4σ²)), about 1/(2σ²); for a hard edge 2, for
	// noise 3. It is 255 also if all is flat.
	Sharpness uint8
	// Color is the 99th percentile of the difference between a pixel's largest and smallest channel, in levels.
	Color uint8
	// Quality is that of a JPEG file, 1…100 as libjpeg counts it; 0 if the file isn't a JPEG or has no tables.
	Quality uint8
	// Blockiness is how much more often luma steps at the borders of 8×8 blocks than within them, in 1/255 of the
	// places where it changes.
	Blockiness uint8
	// Border is the share of the height, or of the width, that bars of one color at both ends take, in 1/255.
	Border uint8
	// Tail is the share of the height that the lowest rows take which are flat mid-gray, in 1/255.
	Tail uint8
}

// Size is the length of encoded Measures in bytes.
const Size = 18

// Measure measures an opaque image with bounds from (0, 0), and the file that it was decoded from, which may be nil.
// Where the image has no pixels, the measures are zero.
func Measure(img *image.RGBA, file []byte) Measures {
	if img.Rect.Empty() {
		return Measures{}
	}
	m := Measures{Width: uint32(img.Rect.Dx()), Height: uint32(img.Rect.Dy())}
	v := look(img)
	m.P5, m.P95, m.P99 = v.levels.percentile(5), v.levels.percentile(95), v.levels.percentile(99)
	m.Entropy = v.levels.entropy()
	m.Sharpness = v.sharpness()
	m.Color = v.spreads.percentile(99)
	m.Quality = jpegQuality(file)
	m.Blockiness = blockiness(img)
	m.Border = border(img)
	m.Tail = tail(img)
	return m
}

// AppendTo appends the encoded measures, Size bytes: width and height in little-endian order, and the rest as declared.
func (m Measures) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, m.Width)
	b = binary.LittleEndian.AppendUint32(b, m.Height)
	return append(b, m.P5, m.P95, m.P99, m.Entropy, m.Sharpness, m.Color, m.Quality, m.Blockiness, m.Border, m.Tail)
}

// Parse reads what AppendTo wrote. It is false for another number of bytes.
func Parse(b []byte) (Measures, bool) {
	if len(b) != Size {
		return Measures{}, false
	}
	return Measures{
		Width: binary.LittleEndian.Uint32(b), Height: binary.LittleEndian.Uint32(b[4:]),
		P5: b[8], P95: b[9], P99: b[10], Entropy: b[11], Sharpness: b[12],
		Color: b[13], Quality: b[14], Blockiness: b[15], Border: b[16], Tail: b[17],
	}, true
}

// share is part of whole in 1/255, rounded down.
func share(part, whole int) uint8 { return uint8(255 * part / whole) }

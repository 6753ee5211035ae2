// Package edits makes edited copies of pictures, as they get into datasets: cropped, moved, mirrored, recompressed and
// so on. The demo and the bench for truth plant them.
package edits

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Quality of JPEG files, unless that is the edit.
const Quality = 92

// An Edit makes a picture, and the JPEG quality to save it with, of a source.
type Edit struct {
	Kind  string
	Apply func(r *rand.Rand, source *image.RGBA) (edited image.Image, quality int)
	// Extension is that of the edited file where that is the edit.
	Extension string
}

// File applies an edit to an image file and returns the edited one, whose extension is the wanted one unless the edit
// is a JPEG's quality.
func (e Edit) File(r *rand.Rand, content []byte, extension string) (edited []byte, as string, err error) {
	decoded, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, "", err
	}
	source := image.NewRGBA(image.Rectangle{Max: decoded.Bounds().Size()})
	draw.Draw(source, source.Rect, decoded, decoded.Bounds().Min, draw.Src)
	picture, quality := e.Apply(r, source)
	if quality != Quality {
		extension = ".jpg"
	}
	switch e.Extension {
	case ".webp":
		return encodeWebP(picture), e.Extension, nil
	case ".tiff":
		edited, err = encodeTIFF(picture)
		return edited, e.Extension, err
	case turned:
		edited, err = Encode(picture, ".jpg", quality)
		return withOrientation(edited), ".jpg", err
	}
	edited, err = Encode(picture, extension, quality)
	return edited, extension, err
}

// Encode makes an image file: a PNG if the extension says so, else a JPEG.
func Encode(picture image.Image, extension string, quality int) ([]byte, error) {
	var b bytes.Buffer
	var err error
	if extension == ".png" {
		err = png.Encode(&b, picture)
	} else {
		err = jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality})
	}
	return b.Bytes(), err
}

// between is a number from low to high.
func between(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }

func sign(r *rand.Rand) float64 { return float64(2*r.IntN(2) - 1) }

// picture makes an Edit that keeps the quality.
func picture(kind string, apply func(r *rand.Rand, source *image.RGBA) image.Image) Edit {
	return Edit{Kind: kind, Apply: func(r *rand.Rand, source *image.RGBA) (image.Image, int) { return apply(r, source), Quality }}
}

// Brightness makes a picture lighter or darker by a share from low to high.
func Brightness(low, high float64) Edit {
	return picture("brightness", func(r *rand.Rand, source *image.RGBA) image.Image {
		gain := 1 + sign(r)*between(r, low, high)
		return recolor(source, func(v float64) float64 { return v * gain })
	})
}

// JPEG loses detail to a quality from low to high.
func JPEG(low, high int) Edit {
	return Edit{Kind: "jpeg", Apply: func(r *rand.Rand, source *image.RGBA) (image.Image, int) { return source, low + r.IntN(high-low+1) }}
}

// Crop cuts a share from low to high off each border and enlarges what remains to the same size.
func Crop(low, high float64) Edit {
	return picture("crop", func(r *rand.Rand, source *image.RGBA) image.Image {
		size := source.Rect.Size()
		margin := func(length int) int { return max(1, int(float64(length)*between(r, low, high)+.5)) }
		kept := image.Rect(margin(size.X), margin(size.Y), size.X-margin(size.X), size.Y-margin(size.Y))
		return scaled(source, kept, size)
	})
}

// Shift moves a picture by low to high pixels each way; the border is repeated.
func Shift(low, high int) Edit {
	return picture("shift", func(r *rand.Rand, source *image.RGBA) image.Image {
		by := func() float64 { return sign(r) * float64(low+r.IntN(high-low+1)) }
		dx, dy := by(), by()
		return warp(source, func(x, y float64) (float64, float64) { return x + dx, y + dy })
	})
}

// Mirror swaps left and right.
func Mirror() Edit {
	return picture("mirror", func(_ *rand.Rand, source *image.RGBA) image.Image {
		last := float64(source.Rect.Dx() - 1)
		return warp(source, func(x, y float64) (float64, float64) { return last - x, y })
	})
}

// Scale makes a picture smaller or larger, by a factor from low to high.
func Scale(low, high float64) Edit {
	return picture("scale", func(r *rand.Rand, source *image.RGBA) image.Image {
		factor := math.Pow(between(r, low, high), sign(r))
		side := func(n int) int { return max(8, int(float64(n)*factor+.5)) }
		return scaled(source, source.Rect, image.Pt(side(source.Rect.Dx()), side(source.Rect.Dy())))
	})
}

// Noise adds grain of a standard deviation from low to high, of 255.
func Noise(low, high float64) Edit {
	return picture("noise", func(r *rand.Rand, source *image.RGBA) image.Image {
		deviation := between(r, low, high)
		return recolor(source, func(v float64) float64 { return v + deviation*r.NormFloat64() })
	})
}

// Rotation turns a picture by low to high degrees either way; the border is repeated.
func Rotation(low, high float64) Edit {
	return picture("rotation", func(r *rand.Rand, source *image.RGBA) image.Image {
		sin, cos := math.Sincos(sign(r) * between(r, low, high) * math.Pi / 180)
		cx, cy := float64(source.Rect.Dx()-1)/2, float64(source.Rect.Dy()-1)/2
		return warp(source, func(x, y float64) (float64, float64) {
			x, y = x-cx, y-cy
			return cx + cos*x - sin*y, cy + sin*x + cos*y
		})
	})
}

// Text writes a few letters over a picture, as a watermark does.
func Text() Edit {
	return picture("text", func(r *rand.Rand, source *image.RGBA) image.Image {
		letters := make([]byte, 6+r.IntN(4))
		for i := range letters {
			letters[i] = byte('A' + r.IntN(26))
		}
		face := basicfont.Face7x13
		mask := image.NewAlpha(image.Rect(0, 0, face.Advance*len(letters), face.Height))
		writer := font.Drawer{Dst: mask, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
		writer.DrawString(string(letters))

		out := scaled(source, source.Rect, source.Rect.Size())
		size := source.Rect.Size()
		width := int(float64(size.X) * between(r, .6, .9))
		height := max(3, width*mask.Rect.Dy()/mask.Rect.Dx())
		at := image.Pt(r.IntN(size.X-width+1), r.IntN(max(1, size.Y-height+1)))
		place := image.Rectangle{at, at.Add(image.Pt(width, height))}
		stamp := image.NewAlpha(image.Rect(0, 0, width, height))
		draw.ApproxBiLinear.Scale(stamp, stamp.Rect, mask, mask.Rect, draw.Src, nil)
		ink := color.White
		if r.IntN(2) == 0 {
			ink = color.Black
		}
		draw.DrawMask(out, place, image.NewUniform(ink), image.Point{}, stamp, image.Point{}, draw.Over)
		return out
	})
}

// scaled is a part of a picture in another size.
func scaled(source *image.RGBA, part image.Rectangle, size image.Point) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: size})
	draw.CatmullRom.Scale(out, out.Rect, source, part, draw.Src, nil)
	return out
}

// recolor applies a function to each value of 0 to 255.
func recolor(source *image.RGBA, of func(v float64) float64) *image.RGBA {
	out := image.NewRGBA(source.Rect)
	for i, v := range source.Pix {
		if i%4 == 3 {
			out.Pix[i] = v
			continue
		}
		out.Pix[i] = uint8(min(max(of(float64(v))+.5, 0), 255))
	}
	return out
}

// warp returns the picture whose pixel (x, y) is the source's at the place that from names, between its pixels by their
// distance, outside of it the nearest one.
func warp(source *image.RGBA, from func(x, y float64) (float64, float64)) *image.RGBA {
	out := image.NewRGBA(source.Rect)
	width, height := source.Rect.Dx(), source.Rect.Dy()
	for y := range height {
		for x := range width {
			sx, sy := from(float64(x), float64(y))
			left, top := math.Floor(sx), math.Floor(sy)
			u, v := sx-left, sy-top
			at := func(dx, dy int) []uint8 {
				px, py := min(max(int(left)+dx, 0), width-1), min(max(int(top)+dy, 0), height-1)
				i := source.PixOffset(px+source.Rect.Min.X, py+source.Rect.Min.Y)
				return source.Pix[i : i+4]
			}
			a, b, c, d := at(0, 0), at(1, 0), at(0, 1), at(1, 1)
			i := out.PixOffset(x+out.Rect.Min.X, y+out.Rect.Min.Y)
			for k := range 4 {
				upper := (1-u)*float64(a[k]) + u*float64(b[k])
				lower := (1-u)*float64(c[k]) + u*float64(d[k])
				out.Pix[i+k] = uint8((1-v)*upper + v*lower + .5)
			}
		}
	}
	return out
}

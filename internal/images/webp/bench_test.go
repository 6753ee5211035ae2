package webp

import (
	"image"
	"image/draw"
	"math/rand/v2"
	"testing"
)

// BenchmarkConvert prints the time of a photograph's conversion to RGB, beside that of image/draw, which takes the
// values for full range and does not interpolate chroma.
func BenchmarkConvert(b *testing.B) {
	src := noise(500, 375)
	b.Run("toRGB", func(b *testing.B) {
		b.SetBytes(500 * 375)
		for b.Loop() {
			toRGB(src)
		}
	})
	b.Run("draw", func(b *testing.B) {
		b.SetBytes(500 * 375)
		for b.Loop() {
			draw.Draw(image.NewRGBA(src.Rect), src.Rect, src, image.Point{}, draw.Src)
		}
	})
}

func noise(width, height int) *image.YCbCr {
	random := rand.New(rand.NewPCG(1, 2))
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for _, plane := range [][]uint8{img.Y, img.Cb, img.Cr} {
		for i := range plane {
			plane[i] = uint8(random.Uint32())
		}
	}
	return img
}

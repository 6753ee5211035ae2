package quality

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/images"
)

// BenchmarkMeasure is to be held against BenchmarkDecode: with a model's inference, it is a small part of what an image
// costs.
func BenchmarkMeasure(b *testing.B) {
	for _, size := range benchmarked {
		file := encoded(b, scene(size.X, size.Y, 1), 90)
		img, err := images.Decoder{}.Decode(file)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%d×%d", size.X, size.Y), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Measure(img, file)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range benchmarked {
		file := encoded(b, scene(size.X, size.Y, 1), 90)
		b.Run(fmt.Sprintf("%d×%d", size.X, size.Y), func(b *testing.B) {
			img := new(image.RGBA)
			for b.Loop() {
				if err := (images.Decoder{}).DecodeInto(img, file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var benchmarked = []image.Point{{X: 32, Y: 32}, {X: 224, Y: 224}, {X: 500, Y: 375}, {X: 4000, Y: 3000}}

func encoded(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// Package pictures is what the tests of the image decoders have in common: files, and the right pixels of each in a PNG
// beside it.
package pictures

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Files returns the files that a pattern matches, by their names without the folder. There must be some.
func Files(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	return files
}

// PNG reads a picture.
func PNG(t testing.TB, path string) image.Image {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return img
}

// Pixels returns a picture's pixels, row by row.
func Pixels(img image.Image) (list []color.NRGBA) {
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			list = append(list, color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA))
		}
	}
	return list
}

// Check holds what a decoder makes of a file against the right picture, and its size against what is told without
// decoding.
func Check(t testing.TB, data []byte, want image.Image, config func([]byte) (image.Config, error), decode func([]byte) (image.Image, error)) image.Image {
	t.Helper()
	img, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != want.Bounds() {
		t.Fatalf("bounds %v, want %v", img.Bounds(), want.Bounds())
	}
	if diff := cmp.Diff(Pixels(want), Pixels(img)); diff != "" {
		t.Errorf("pixels (-want +got):\n%s", diff)
	}
	claimed, err := config(data)
	if err != nil || claimed.Width != want.Bounds().Dx() || claimed.Height != want.Bounds().Dy() {
		t.Errorf("the headers say %v, %v", claimed, err)
	}
	return img
}

// Fuzz holds that any bytes give an error, or a picture of the size that is told without decoding: the files of a
// pattern first, and what was added to f before. A picture that says it is opaque is.
func Fuzz(f *testing.F, pattern string, config func([]byte) (image.Config, error), decode func([]byte) (image.Image, error)) {
	for _, data := range Files(f, pattern) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		claimed, err := config(data)
		if err != nil || claimed.Width > 1<<16/claimed.Height {
			return
		}
		img, err := decode(data)
		if err != nil {
			return
		}
		if want := image.Rect(0, 0, claimed.Width, claimed.Height); img.Bounds() != want {
			t.Fatalf("bounds %v, the headers claim %v", img.Bounds(), want)
		}
		if rgba, ok := img.(*image.RGBA); ok && claimed.ColorModel != color.RGBAModel && !rgba.Opaque() {
			t.Fatal("an RGBA picture with alpha")
		}
	})
}

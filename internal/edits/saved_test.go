package edits

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/images"
)

// A picture that is saved otherwise is the same picture, or nearly so with JPEG's loss.
func TestSaved(t *testing.T) {
	source := image.NewRGBA(image.Rect(0, 0, 33, 20))
	for y := range 20 {
		for x := range 33 {
			source.SetRGBA(x, y, color.RGBA{uint8(7 * x), uint8(11 * y), uint8(3 * (x + y)), 255})
		}
	}
	stored, err := Encode(source, ".png", Quality)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		edit      Edit
		extension string
		most      int
	}{{Saved(".webp"), ".webp", 0}, {Saved(".tiff"), ".tiff", 0}, {Turned(), ".jpg", 40}} {
		file, extension, err := tc.edit.File(rand.New(rand.NewPCG(1, 1)), stored, ".png")
		if err != nil || extension != tc.extension {
			t.Fatalf("%s: %s, %v", tc.edit.Kind, extension, err)
		}
		got, err := images.Decoder{}.Decode(file)
		if err != nil {
			t.Fatalf("%s: %v", tc.edit.Kind, err)
		}
		if got.Rect != source.Rect {
			t.Fatalf("%s: %v", tc.edit.Kind, got.Rect)
		}
		if tc.most == 0 && !bytes.Equal(got.Pix, source.Pix) {
			t.Errorf("%s: other pixels", tc.edit.Kind)
		}
		for i := range got.Pix {
			if d := int(got.Pix[i]) - int(source.Pix[i]); d > tc.most || d < -tc.most {
				t.Fatalf("%s: pixel %d differs by %d", tc.edit.Kind, i/4, d)
			}
		}
	}
}

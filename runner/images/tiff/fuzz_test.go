package tiff_test

import (
	"image"
	"testing"

	"github.com/datasetaudit/dataset-audit/runner/images/tiff"
	"github.com/datasetaudit/dataset-audit/test/pictures"
)

// FuzzDecode: any bytes give a picture of the size that the headers claim, or an error.
func FuzzDecode(f *testing.F) {
	for _, data := range pictures.Files(f, files) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := tiff.DecodeConfig(data)
		if err != nil {
			if _, err := tiff.Decode(data); err == nil {
				t.Fatal("decoded without a size")
			}
			return
		}
		if config.Width*config.Height > 1<<16 {
			return
		}
		img, err := tiff.Decode(data)
		if err != nil {
			return
		}
		if want := image.Rect(0, 0, config.Width, config.Height); img.Bounds() != want {
			t.Fatalf("bounds %v, the headers claim %v", img.Bounds(), want)
		}
		if img.ColorModel() != config.ColorModel {
			t.Fatalf("decoded as %T, the headers claim otherwise", img)
		}
	})
}

package fulljpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode: no panic, the size that DecodeConfig says, and the pixels of image/jpeg where it reads a file that it
// doesn't get wrong.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.jpg"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := DecodeConfig(data)
		if err != nil {
			if _, err := Decode(data); err == nil {
				t.Fatal("decoded without a size")
			}
			return
		}
		if config.Width*config.Height > 1<<16 {
			return
		}
		img, err := Decode(data)
		if err != nil {
			return
		}
		if img.Bounds() != image.Rect(0, 0, config.Width, config.Height) {
			t.Fatalf("%v, want %d×%d", img.Bounds(), config.Width, config.Height)
		}
		if Handles(data) {
			return
		}
		std, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Skip("image/jpeg says", err)
		}
		compare(t, rgba(img), rgba(std))
	})
}

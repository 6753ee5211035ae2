package images

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const cases = "../../test/cases/images"

// Files that people met elsewhere have the pixels that another decoder sees in them; see test/cases/README.md.
func TestCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(cases, "*.*"))
	if err != nil || len(files) < 25 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if name == "heic.heic" {
				if _, err := (Decoder{}).Decode(data); !errors.Is(err, ErrUnsupported) {
					t.Errorf("got %v, want an unsupported format", err)
				}
				return
			}
			if strings.HasPrefix(name, "gif-13000") {
				return // TestClaimsShareABound
			}
			got, err := Decoder{}.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			right := rightPixels(t, filepath.Join(cases, "right", name+".png"))
			side, most := 1, 1
			if strings.HasPrefix(name, "jpg") || slices.Contains([]string{"tif-jpeg.tif", "avif.avif", "jxl.jxl"}, name) {
				side, most = 8, 4 // decoders repeat or smooth the chroma
			}
			if by := differ(got, right, side); by > most {
				t.Errorf("%v; blocks of %d×%d pixels differ by up to %d", got.Rect, side, side, by)
			}
		})
	}
}

func rightPixels(t *testing.T, file string) image.Image {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// differ is by how much the channels of two images differ at most, in the means of blocks. Images of different size
// differ by 255.
func differ(got *image.RGBA, want image.Image, side int) (most int) {
	if got.Rect != want.Bounds() {
		return 255
	}
	for y := 0; y < got.Rect.Dy(); y += side {
		for x := 0; x < got.Rect.Dx(); x += side {
			block := image.Rect(x, y, x+side, y+side).Intersect(got.Rect)
			a, b := meanOf(got, block), meanOf(want, block)
			for c := range a {
				most = max(most, a[c]-b[c], b[c]-a[c])
			}
		}
	}
	return most
}

func meanOf(img image.Image, block image.Rectangle) (mean [3]int) {
	for y := block.Min.Y; y < block.Max.Y; y++ {
		for x := block.Min.X; x < block.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			mean[0], mean[1], mean[2] = mean[0]+int(r>>8), mean[1]+int(g>>8), mean[2]+int(b>>8)
		}
	}
	for c := range mean {
		mean[c] /= block.Dx() * block.Dy()
	}
	return mean
}

// However many threads decode files of some hundred bytes that claim hundreds of megapixels, the memory is that of few.
func TestClaimsShareABound(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(cases, "gif-13000x13000-claim.gif"))
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	for range 6 {
		go func() {
			results <- Decoder{}.With(new(image.RGBA), data, func(img *image.RGBA) {})
		}()
	}
	for range 6 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if peak := peakMemory(t); peak > 1200<<20 {
		t.Errorf("%d MiB at most", peak>>20)
	}
}

// peakMemory is the most that this process has had in memory.
func peakMemory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system doesn't tell:", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Skip("this system doesn't tell")
	return 0
}

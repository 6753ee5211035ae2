package fulljpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func rgba(src image.Image) *image.RGBA {
	img := image.NewRGBA(src.Bounds())
	draw.Draw(img, img.Rect, src, src.Bounds().Min, draw.Src)
	return img
}

func compare(t *testing.T, got, want *image.RGBA) {
	t.Helper()
	if got.Rect != want.Rect || !bytes.Equal(got.Pix, want.Pix) {
		t.Fatalf("pixels differ: %v, want %v", got.Rect, want.Rect)
	}
}

// testFiles returns the kinds of JPEG in testdata, without their twins.
func testFiles(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "*.jpg"))
	if err != nil || len(names) == 0 {
		t.Fatal("no files in testdata", err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if !strings.HasSuffix(name, "-huffman.jpg") {
			files[strings.TrimSuffix(name, ".jpg")] = read(t, name)
		}
	}
	return files
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPixels(t *testing.T) {
	for name, data := range testFiles(t) {
		t.Run(name, func(t *testing.T) {
			img, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if !Handles(data) {
				t.Error("not handled")
			}
			if _, err := os.Stat(name + ".png"); err == nil {
				compareRoughly(t, rgba(img), read(t, name+".png"))
				return
			}
			twin := read(t, name+"-huffman.jpg")
			if Handles(twin) {
				t.Error("the twin is handled")
			}
			want, err := jpeg.Decode(bytes.NewReader(twin))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, rgba(img), rgba(want))
			img, err = Decode(twin)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, rgba(img), rgba(want))
		})
	}
}

// compareRoughly allows for another inverse DCT, and for another upsampling.
func compareRoughly(t *testing.T, got *image.RGBA, file []byte) {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want := rgba(decoded)
	if got.Rect != want.Rect {
		t.Fatalf("%v, want %v", got.Rect, want.Rect)
	}
	sum := 0
	for i, v := range got.Pix {
		sum += max(int(v)-int(want.Pix[i]), int(want.Pix[i])-int(v))
	}
	mean := float64(sum) / float64(len(got.Pix))
	t.Logf("mean difference %.2f", mean)
	if mean > 4 {
		t.Error("too much")
	}
}

func TestDecodeConfig(t *testing.T) {
	models := map[int]color.Model{1: color.GrayModel, 2: color.GrayModel, 3: color.RGBAModel, 4: color.CMYKModel}
	rng := rand.New(rand.NewPCG(5, 6))
	for n := 1; n <= 4; n++ {
		for _, linesFollow := range []bool{false, true} {
			p := newPicture(rng, 20, 30, bytes.Repeat([]byte{0x11}, n)...)
			p.linesFollow = linesFollow
			data := p.encode()
			config, err := DecodeConfig(data)
			if err != nil || config.Width != 20 || config.Height != 30 || config.ColorModel != models[n] {
				t.Errorf("%d components: %v, %v", n, config, err)
			}
			img, err := Decode(data)
			if err != nil || img.ColorModel() != models[n] {
				t.Errorf("%d components: %v", n, err)
			}
		}
	}
}

// A file that is cut anywhere is an error, but the size may be known.
func TestTruncated(t *testing.T) {
	for name, data := range testFiles(t) {
		handled := false
		for n := range len(data) {
			if _, err := Decode(data[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes are accepted", name, n, len(data))
			}
			if handled && !Handles(data[:n]) {
				t.Errorf("%s: no longer handled with %d bytes", name, n)
			}
			handled = Handles(data[:n])
		}
		if _, err := Decode(append(bytes.Clone(data), "trailing bytes"...)); err != nil {
			t.Errorf("%s with trailing bytes: %v", name, err)
		}
	}
}

// Damage must not panic, and Huffman-coded data rarely stays acceptable.
func TestDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for name, data := range testFiles(t) {
		for range 300 {
			damaged := bytes.Clone(data)
			for range 1 + rng.IntN(3) {
				damaged[rng.IntN(len(damaged))] ^= 1 << rng.IntN(8)
			}
			config, err := DecodeConfig(damaged)
			if err != nil || config.Width*config.Height > 1<<20 {
				continue
			}
			img, err := Decode(damaged)
			if err == nil && img.Bounds() != image.Rect(0, 0, config.Width, config.Height) {
				t.Errorf("%s: %v, not %v", name, img.Bounds(), config)
			}
		}
	}
}

func TestUnsupported(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	data := newPicture(rng, 8, 8, 0x11).encode()
	at := bytes.Index(data, []byte{0xff, markerSOF1})
	for name, change := range map[string]func(data []byte){
		"12 bits":                        func(data []byte) { data[at+4] = 12 },
		"lossless":                       func(data []byte) { data[at+1] = 0xc3 },
		"hierarchical":                   func(data []byte) { data[at+1] = 0xc5 },
		"a hierarchy":                    func(data []byte) { data[at+1] = 0xde },
		"JPEG-LS":                        func(data []byte) { data[at+1] = 0xf7 },
		"lossless, by arithmetic coding": func(data []byte) { data[at+1] = 0xcb },
	} {
		changed := bytes.Clone(data)
		change(changed)
		if _, err := Decode(changed); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		if Handles(changed) {
			t.Errorf("%s is handled", name)
		}
	}
}

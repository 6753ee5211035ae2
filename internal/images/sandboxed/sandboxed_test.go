package sandboxed

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// testFiles returns the files in testdata by name.
func testFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"testdata/*.avif", "testdata/*.jxl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatal("no files", err)
		}
		for _, path := range paths {
			files[filepath.Base(path)] = readFile(t, path)
		}
	}
	return files
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decodeFile decodes by name.
func decodeFile(name string, data []byte) (image.Config, image.Image, error) {
	readConfig, decode := AVIFConfig, AVIF
	if strings.HasSuffix(name, ".jxl") {
		readConfig, decode = JPEGXLConfig, JPEGXL
	}
	config, err := readConfig(data)
	if err != nil {
		return config, nil, err
	}
	img, err := decode(data)
	return config, img, err
}

// difference returns the largest of any 8-bit value, with colors multiplied by alpha.
func difference(a, b image.Image) (most int) {
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			var p, q [4]uint32
			p[0], p[1], p[2], p[3] = a.At(x, y).RGBA()
			q[0], q[1], q[2], q[3] = b.At(x, y).RGBA()
			for i := range p {
				d := int(p[i]>>8) - int(q[i]>>8)
				most = max(most, d, -d)
			}
		}
	}
	return most
}

// Decoders round differently, and PNG's colors are not premultiplied.
func TestFiles(t *testing.T) {
	for name, data := range testFiles(t) {
		t.Run(name, func(t *testing.T) {
			base := strings.TrimSuffix(name, filepath.Ext(name))
			want, err := png.Decode(bytes.NewReader(readFile(t, "testdata/"+base+".png")))
			if err != nil {
				t.Fatal(err)
			}
			config, img, err := decodeFile(name, data)
			if err != nil {
				t.Fatal(err)
			}
			if img.Bounds() != want.Bounds() {
				t.Fatalf("bounds %v, want %v", img.Bounds(), want.Bounds())
			}
			if d := difference(img, want); d > 2 {
				t.Errorf("pixels differ by up to %d", d)
			}
			if config.Width != want.Bounds().Dx() || config.Height != want.Bounds().Dy() {
				t.Errorf("the config is %v", config)
			}
			wantType := "*image.RGBA"
			if strings.HasSuffix(name, ".jxl") {
				wantType = "*image.NRGBA"
			}
			if deep := regexp.MustCompile(`1[026]$`); deep.MatchString(base) {
				wantType += "64"
			}
			if got := reflect.TypeOf(img).String(); got != wantType {
				t.Errorf("the picture is a %s, want a %s", got, wantType)
			}
		})
	}
}

// What is cut off of a file is missed unless the picture is whole without it.
func TestTruncated(t *testing.T) {
	for name, data := range testFiles(t) {
		_, whole, err := decodeFile(name, data)
		if err != nil {
			t.Fatal(name, err)
		}
		for percent := range 100 {
			n := len(data) * percent / 100
			_, img, err := decodeFile(name, data[:n])
			if err == nil && !reflect.DeepEqual(img, whole) {
				t.Errorf("%s: %d of %d bytes are accepted", name, n, len(data))
			}
		}
	}
}

// A damaged file is an error or a picture, and the next one is decoded as ever.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"avif-alpha.avif", "jxl-8.jxl"} {
		data := readFile(t, "testdata/"+name)
		_, whole, err := decodeFile(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); at += 7 {
			damaged := bytes.Clone(data)
			damaged[at] ^= 0x55
			config, img, err := decodeFile(name, damaged)
			if err == nil && img.Bounds().Size() != image.Pt(config.Width, config.Height) {
				t.Errorf("%s, byte %d: a picture of %v, announced as %v", name, at, img.Bounds(), config)
			}
		}
		if _, again, err := decodeFile(name, data); err != nil || !reflect.DeepEqual(again, whole) {
			t.Errorf("%s is decoded differently the second time: %v", name, err)
		}
	}
}

// A picture that fails after the headers is not a picture: libavif's module calls it a success.
func TestSilentFailure(t *testing.T) {
	data := readFile(t, "testdata/avif-lossless.avif")
	p, err := parseAVIF(data)
	if err != nil {
		t.Fatal(err)
	}
	deep := func(uint32) bool { return false }
	if _, err := libavif.decode(data, p.size, 0, deep); err != nil {
		t.Fatal(err)
	}
	if _, err := libavif.decode(data[:len(data)-200], p.size, 0, deep); err == nil || !strings.Contains(err.Error(), "can't be decoded") {
		t.Errorf("a truncated picture: %v", err)
	}
	if _, err := libavif.decode(data, image.Pt(39, 24), 0, deep); err == nil || !strings.Contains(err.Error(), "40×24 pixels, the headers say 39×24") {
		t.Errorf("a picture of another size: %v", err)
	}
	if _, err := libavif.decode(data, image.Pt(1<<30, 1<<31), 0, deep); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a picture beyond the memory: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	var tasks sync.WaitGroup
	for name, data := range testFiles(t) {
		_, want, err := decodeFile(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			tasks.Go(func() {
				if _, got, err := decodeFile(name, data); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s is decoded differently: %v", name, err)
				}
			})
		}
	}
	tasks.Wait()
}

// Premultiplied colors that are brighter than their alpha are not.
func TestClamp(t *testing.T) {
	d := decoded{pix: []byte{9, 5, 0, 5}}
	d.clamp()
	if want := []byte{5, 5, 0, 5}; !bytes.Equal(d.pix, want) {
		t.Errorf("got %v, want %v", d.pix, want)
	}
	d = decoded{pix: []byte{2, 0, 1, 9, 0, 0, 1, 8}, deep: true}
	d.clamp()
	if want := []byte{1, 8, 1, 8, 0, 0, 1, 8}; !bytes.Equal(d.pix, want) {
		t.Errorf("got %v, want %v", d.pix, want)
	}
}

// FuzzContainer: any bytes give a possible size or an error, in a time that their number bounds. Nothing is decoded.
func FuzzContainer(f *testing.F) {
	for _, data := range testFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parseAVIF(data); err == nil {
			checkView(t, p.shown, p.size)
			if still := p.stillFile(); len(still) != len(data) {
				t.Errorf("%d bytes become %d", len(data), len(still))
			}
		}
		if h, err := parseJPEGXL(data); err == nil && (h.size.X < 0 || h.size.Y < 0) {
			t.Errorf("a picture of %v", h.size)
		}
	})
}

// checkView finds pixels that are not in the stored picture.
func checkView(t *testing.T, v view, size image.Point) {
	if v.width < 1 || v.height < 1 {
		t.Errorf("%d×%d pixels", v.width, v.height)
	}
	last := v.origin.Add(v.right.Mul(v.width - 1)).Add(v.down.Mul(v.height - 1))
	if stored := (image.Rectangle{Max: size}); !v.origin.In(stored) || !last.In(stored) {
		t.Errorf("from %v to %v of %v", v.origin, last, size)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"avif-8.avif", "jxl-8.jxl"} {
		data := readFile(b, "testdata/"+name)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := decodeFile(name, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func isUnsupported(err error) bool { return errors.Is(err, ErrUnsupported) }

// A small picture gets a small sandbox: it can't take what a large one needs.
func TestSandboxSizes(t *testing.T) {
	for pixels, want := range map[int64]int64{1: 256 << 20, 1_200_000: 256 << 20, 1_300_000: 1 << 30, 6_000_000: 1 << 30, 7_000_000: 4 << 30, 1 << 27: 4 << 30} {
		module, most, err := libavif.start(t.Context(), pixels, 1000)
		if err != nil || most != want {
			t.Fatalf("%d pixels: %d MiB, want %d (%v)", pixels, most>>20, want>>20, err)
		}
		if got := int64(module.Memory().Size()); got > most {
			t.Errorf("%d pixels: a memory of %d bytes", pixels, got)
		}
		if _, grown := module.Memory().Grow(uint32(most / pageSize)); grown {
			t.Errorf("%d pixels: the sandbox grows beyond its bound", pixels)
		}
		_ = module.Close(t.Context())
	}
}

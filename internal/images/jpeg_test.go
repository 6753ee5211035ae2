package images

import (
	"bytes"
	"errors"
	"github.com/datasetaudit/dataset-audit/internal/images/fulljpeg"
	"github.com/datasetaudit/dataset-audit/test/needs"
	"image"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// stdlibJPEG is what image/jpeg and image/draw make of a file.
func stdlibJPEG(data []byte) (*image.RGBA, error) {
	decoded, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	img := image.NewRGBA(decoded.Bounds())
	draw.Draw(img, img.Rect, decoded, decoded.Bounds().Min, draw.Src)
	return img, nil
}

// fastJPEG decodes by jpeg.c only.
func fastJPEG(data []byte) (*image.RGBA, bool) {
	frame, ok := parseJPEG(data)
	if !ok {
		return nil, false
	}
	img := image.NewRGBA(image.Rect(0, 0, frame.width(), frame.height()))
	return img, frame.decode(img.Pix, data)
}

func mustEqualStdlib(t *testing.T, data []byte) {
	t.Helper()
	want, err := stdlibJPEG(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decoder{}.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rect != want.Rect || !bytes.Equal(got.Pix, want.Pix) {
		t.Fatalf("pixels differ from image/jpeg's")
	}
}

func TestJPEGEqualsStdlib(t *testing.T) {
	gray := ycc(1, 1)[:1]
	jfif := segment(0xe0, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0)
	rgb := ycc(1, 1)
	rgb[0].id, rgb[1].id, rgb[2].id = 'R', 'G', 'B'
	black := jpegComponent{4, 1, 1, func(x, y int) uint8 { return uint8(255 - x) }}
	for name, tc := range map[string]struct {
		file jpegWriter
		fast bool
	}{
		"4:4:4":             {jpegWriter{width: 37, height: 29, components: ycc(1, 1)}, true},
		"4:2:2":             {jpegWriter{width: 37, height: 29, components: ycc(2, 1)}, true},
		"4:4:0":             {jpegWriter{width: 37, height: 29, components: ycc(1, 2)}, true},
		"4:2:0":             {jpegWriter{width: 37, height: 29, components: ycc(2, 2)}, true},
		"4:1:1":             {jpegWriter{width: 37, height: 29, components: ycc(4, 1)}, false},
		"gray":              {jpegWriter{width: 37, height: 29, components: gray}, true},
		"one pixel":         {jpegWriter{width: 1, height: 1, components: ycc(2, 2)}, true},
		"one column":        {jpegWriter{width: 1, height: 70, components: ycc(2, 2)}, true},
		"one row":           {jpegWriter{width: 70, height: 1, components: ycc(2, 2)}, true},
		"whole MCUs":        {jpegWriter{width: 64, height: 32, components: ycc(2, 2)}, true},
		"finest quantizer":  {jpegWriter{width: 37, height: 29, components: ycc(2, 2), quant: 1}, true},
		"coarse quantizer":  {jpegWriter{width: 37, height: 29, components: ycc(2, 2), quant: 255}, true},
		"long codes":        {jpegWriter{width: 37, height: 29, components: ycc(2, 2), quant: 1, longCodes: true}, true},
		"restarts":          {jpegWriter{width: 150, height: 90, components: ycc(2, 2), restart: 3}, true},
		"restart each MCU":  {jpegWriter{width: 70, height: 50, components: ycc(1, 1), restart: 1}, true},
		"JFIF":              {jpegWriter{width: 37, height: 29, components: ycc(2, 2), segments: [][]byte{jfif}}, true},
		"JFIF, RGB ids":     {jpegWriter{width: 37, height: 29, components: rgb, segments: [][]byte{jfif}}, true},
		"RGB ids":           {jpegWriter{width: 37, height: 29, components: rgb}, false},
		"Adobe RGB":         {jpegWriter{width: 37, height: 29, components: ycc(1, 1), segments: [][]byte{adobeInverted}}, false},
		"progressive":       {jpegWriter{width: 37, height: 29, components: ycc(2, 2), progressive: true}, false},
		"progressive gray":  {jpegWriter{width: 37, height: 29, components: gray, progressive: true}, false},
		"progressive 4:2:2": {jpegWriter{width: 37, height: 29, components: ycc(2, 1), progressive: true}, false},
		"CMYK":              {jpegWriter{width: 37, height: 29, components: append(ycc(1, 1), black), segments: [][]byte{adobeInverted}}, false},
		"YCCK":              {jpegWriter{width: 37, height: 29, components: append(ycc(1, 1), black), segments: [][]byte{adobeYCCK}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			data := tc.file.encode()
			if _, fast := fastJPEG(data); fast != tc.fast {
				t.Errorf("decoded by jpeg.c: %v, want %v", fast, tc.fast)
			}
			mustEqualStdlib(t, data)
			mustEqualStdlib(t, append(bytes.Clone(data), "trailing bytes"...))
		})
	}
}

// Go's encoder uses the standard Huffman tables; noise makes it use all of them.
func TestJPEGEqualsStdlibOnEncodedNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, quality := range []int{1, 25, 50, 75, 90, 100} {
		for range 20 {
			img := photo(1+rng.IntN(100), 1+rng.IntN(100), rng.Uint64())
			for i := range img.Pix {
				if rng.IntN(4) == 0 {
					img.Pix[i] = uint8(rng.Uint32())
				}
			}
			var file bytes.Buffer
			if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			if _, fast := fastJPEG(file.Bytes()); !fast {
				t.Fatalf("quality %d: not decoded by jpeg.c", quality)
			}
			mustEqualStdlib(t, file.Bytes())
		}
	}
}

// Damage: whatever bytes change, we accept what image/jpeg accepts, with its pixels.
func TestDamagedJPEGEqualsStdlib(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	files := [][]byte{}
	for _, w := range []jpegWriter{
		{width: 60, height: 45, components: ycc(2, 2)},
		{width: 60, height: 45, components: ycc(2, 1), restart: 2},
		{width: 60, height: 45, components: ycc(1, 1)[:1], longCodes: true, quant: 2},
	} {
		files = append(files, bytes.Clone(w.encode()))
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, photo(90, 70, 3), nil); err != nil {
		t.Fatal(err)
	}
	files = append(files, file.Bytes())

	accepted, fast := 0, 0
	for i := range 4000 {
		data := bytes.Clone(files[i%len(files)])
		switch rng.IntN(5) {
		case 0:
			data = data[:rng.IntN(len(data))]
		case 1:
			at := rng.IntN(len(data))
			data = append(data[:at], data[min(at+1+rng.IntN(3), len(data)):]...)
		default:
			for range 1 + rng.IntN(3) {
				data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
			}
		}
		ok, quick := compareWithStdlib(t, data)
		if ok {
			accepted++
		}
		if quick {
			fast++
		}
	}
	t.Logf("of 4000 damaged files image/jpeg accepts %d, jpeg.c %d of them, with equal pixels", accepted, fast)
}

// compareWithStdlib fails the test unless data is accepted as by image/jpeg, with the same pixels. It returns whether
// it is accepted, and by jpeg.c.
func compareWithStdlib(t *testing.T, data []byte) (accepted, fast bool) {
	t.Helper()
	d := Decoder{MaxPixels: 1 << 20, IgnoreOrientation: true}
	got, err := d.Decode(data)
	if errors.Is(err, ErrTooLarge) {
		return false, false
	}
	want, wantErr := stdlibJPEG(data)
	if wantErr == nil && want.Rect.Empty() {
		if err == nil {
			t.Fatal("an image without pixels was accepted")
		}
		return false, false
	}
	if fulljpeg.Handles(data) {
		return false, false // of a kind that image/jpeg can't decode, or decodes wrongly
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("got %v, image/jpeg says %v", err, wantErr)
	}
	if err != nil {
		return false, false
	}
	if got.Rect != want.Rect || !bytes.Equal(got.Pix, want.Pix) {
		t.Fatal("pixels differ from image/jpeg's")
	}
	_, fast = fastJPEG(data)
	return true, fast
}

// Real files, where they are at hand.
func TestJPEGEqualsStdlibOnCIFAR(t *testing.T) {
	dir := needs.Shared(t, "cifar10")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.jpg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	slow := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mustEqualStdlib(t, data)
		if _, fast := fastJPEG(data); !fast {
			slow++
		}
	}
	t.Logf("%d files, %d of them not decoded by jpeg.c", len(files), slow)
}

// What image/jpeg holds of a progressive JPEG: four bytes a coefficient, one a sample, and four a pixel of CMYK.
func TestProgressiveExtra(t *testing.T) {
	for name, tc := range map[string]struct {
		marker   byte
		sampling []byte
		want     int64
	}{
		"baseline":             {markerSOF0, []byte{0x11, 0x11, 0x11}, 0},
		"gray":                 {markerSOF2, []byte{0x11}, 5},
		"4:4:4":                {markerSOF2, []byte{0x11, 0x11, 0x11}, 15},
		"4:2:0":                {markerSOF2, []byte{0x22, 0x11, 0x11}, 8},
		"CMYK":                 {markerSOF2, []byte{0x11, 0x11, 0x11, 0x11}, 24},
		"samples of no pixels": {markerSOF2, []byte{0, 0, 0}, 0},
	} {
		frame := []byte{8, 0, 16, 0, 16, byte(len(tc.sampling))}
		for i, sampling := range tc.sampling {
			frame = append(frame, byte(i), sampling, 0)
		}
		if got := progressiveExtra(append([]byte{0xff, markerSOI}, segment(tc.marker, frame...)...)); got != tc.want {
			t.Errorf("%s: %d bytes a pixel, want %d", name, got, tc.want)
		}
	}
}

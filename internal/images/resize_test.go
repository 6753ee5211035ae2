package images

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// slowResize is Resizer.Resize as its documentation says, pixel by pixel.
func slowResize(r Resizer, img *image.RGBA) []float64 {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	x0, y0 := 0, 0
	if r.Fit == CenterCrop {
		// The widest, then the highest crop that isn't wider or higher than the ratio.
		cw, ch := w, h
		for cw > 1 && cw*r.Height > h*r.Width {
			cw--
		}
		if cw == w {
			for ch > 1 && ch*r.Width > w*r.Height {
				ch--
			}
		}
		x0, y0, w, h = (w-cw)/2, (h-ch)/2, cw, ch
	}
	pixel := func(x, y, c int) float64 {
		x, y = min(max(x, 0), w-1), min(max(y, 0), h-1)
		return float64(img.Pix[img.PixOffset(img.Rect.Min.X+x0+x, img.Rect.Min.Y+y0+y)+c])
	}
	// weight of source pixel s, which may lie beyond the edge, in output i.
	weight := func(i, s, size, from int) float64 {
		scale := float64(from) / float64(size)
		d := math.Abs((float64(i)+0.5)*scale - (float64(s) + 0.5))
		switch {
		case r.Interpolation == Bicubic && d < 1:
			return 1.25*d*d*d - 2.25*d*d + 1
		case r.Interpolation == Bicubic && d < 2:
			return -0.75*d*d*d + 3.75*d*d - 6*d + 3
		case r.Interpolation == Bicubic:
			return 0
		case r.Interpolation == Area && from > size:
			return max(0, min(float64(s+1), float64(i+1)*scale)-max(float64(s), float64(i)*scale)) / scale
		}
		return max(0, 1-d)
	}
	out := make([]float64, 0, 3*r.Width*r.Height)
	for c := range 3 {
		for y := range r.Height {
			for x := range r.Width {
				sum := 0.0
				for sy := -2; sy < h+2; sy++ {
					wy := weight(y, sy, r.Height, h)
					for sx := -2; wy != 0 && sx < w+2; sx++ {
						if wx := weight(x, sx, r.Width, w); wx != 0 {
							sum += wy * wx * pixel(sx, sy, c)
						}
					}
				}
				out = append(out, sum)
			}
		}
	}
	return out
}

func TestResizeEqualsOracle(t *testing.T) {
	for _, interpolation := range []Interpolation{Bilinear, Bicubic, Area} {
		for _, fit := range []Fit{Stretch, CenterCrop} {
			for _, from := range []image.Point{{1, 1}, {2, 1}, {1, 9}, {3, 3}, {17, 11}, {40, 64}} {
				for _, to := range []image.Point{{1, 1}, {5, 7}, {7, 5}, {17, 11}, {32, 32}} {
					r := Resizer{Width: to.X, Height: to.Y, Interpolation: interpolation, Fit: fit}
					img := photo(from.X+3, from.Y+2, 9).SubImage(image.Rect(2, 1, 2+from.X, 1+from.Y)).(*image.RGBA)
					got := make([]float32, 3*to.X*to.Y)
					r.Resize(got, img)
					for i, want := range slowResize(r, img) {
						if math.Abs(float64(got[i])-want) > 1e-3 {
							t.Fatalf("%+v from %v: number %d is %v, want %v", r, from, i, got[i], want)
						}
					}
				}
			}
		}
	}
}

// Values that OpenCV gives for one row.
func TestResizeKnownValues(t *testing.T) {
	row := func(values ...uint8) *image.RGBA {
		img := image.NewRGBA(image.Rect(0, 0, len(values), 1))
		for i, v := range values {
			img.SetRGBA(i, 0, color.RGBA{v, v, v, 255})
		}
		return img
	}
	for name, tc := range map[string]struct {
		resizer Resizer
		from    *image.RGBA
		want    []float32
	}{
		"bilinear, twice":    {Resizer{Width: 4, Height: 1}, row(0, 100), []float32{0, 25, 75, 100}},
		"bilinear, half":     {Resizer{Width: 2, Height: 1}, row(0, 100, 40, 60), []float32{50, 50}},
		"bilinear, third":    {Resizer{Width: 1, Height: 1}, row(0, 100, 50), []float32{100}},
		"same size":          {Resizer{Width: 3, Height: 1}, row(3, 255, 50), []float32{3, 255, 50}},
		"bicubic, same size": {Resizer{Width: 3, Height: 1, Interpolation: Bicubic}, row(3, 255, 50), []float32{3, 255, 50}},
		"bicubic overshoots": {Resizer{Width: 4, Height: 1, Interpolation: Bicubic}, row(0, 128), []float32{-13.5, 29, 99, 141.5}},
		"area, third":        {Resizer{Width: 1, Height: 1, Interpolation: Area}, row(0, 100, 50), []float32{50}},
		"area, 3 to 2":       {Resizer{Width: 2, Height: 1, Interpolation: Area}, row(0, 90, 60), []float32{30, 70}},
		"area, twice":        {Resizer{Width: 4, Height: 1, Interpolation: Area}, row(0, 100), []float32{0, 25, 75, 100}},
		"crop of a row":      {Resizer{Width: 1, Height: 1, Fit: CenterCrop}, row(1, 2, 3, 4), []float32{2}},
	} {
		t.Run(name, func(t *testing.T) {
			got := make([]float32, 3*len(tc.want))
			tc.resizer.Resize(got, tc.from)
			for c := range 3 {
				if diff := cmp.Diff(tc.want, got[c*len(tc.want):][:len(tc.want)], cmpopts.EquateApprox(0, 1e-4)); diff != "" {
					t.Errorf("channel %d (-want +got):\n%s", c, diff)
				}
			}
		})
	}
}

// pattern is an image made of integers alone.
func pattern(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * i >> 3)
	}
	return img
}

func resizedSum(r Resizer, img *image.RGBA) uint32 {
	planes := make([]float32, 3*r.Width*r.Height)
	r.Resize(planes, img)
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, planes) // a bytes.Buffer never fails
	return crc32.ChecksumIEEE(b.Bytes())
}

// The bits must be the same on any amd64 processor (CGO_CFLAGS=-DPORTABLE_ONLY takes the vector instructions away) and
// in whatever order and number images are resized.
func TestResizeBits(t *testing.T) {
	want := map[string]uint32{
		"0 7": 0xc2126591, "0 64": 0xe1ac75a1, "0 150": 0x9a1af688,
		"1 7": 0x7e15afd4, "1 64": 0xb74d9edf, "1 150": 0x265e932c,
		"2 7": 0x72e60d52, "2 64": 0xcfc968a6, "2 150": 0x9a1af688,
	}
	img := pattern(101, 67)
	var wait sync.WaitGroup
	for range 4 {
		for _, interpolation := range []Interpolation{Bilinear, Bicubic, Area} {
			for _, size := range []int{7, 64, 150} {
				wait.Go(func() {
					key := fmt.Sprint(interpolation, " ", size)
					got := resizedSum(Resizer{Width: size, Height: size + 1, Interpolation: interpolation}, img)
					if runtime.GOARCH == "amd64" && got != want[key] {
						t.Errorf("%q: %#08x,", key, got)
					}
				})
			}
		}
	}
	wait.Wait()
}

func TestResizePanicsOnMisuse(t *testing.T) {
	for name, resize := range map[string]func(){
		"length":    func() { Resizer{Width: 2, Height: 2}.Resize(make([]float32, 11), pattern(3, 3)) },
		"no pixels": func() { Resizer{Width: 2, Height: 2}.Resize(make([]float32, 12), new(image.RGBA)) },
		"no size":   func() { Resizer{}.Resize(nil, pattern(3, 3)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			resize()
		})
	}
}

func TestThumbnail(t *testing.T) {
	for _, tc := range []struct{ from, want image.Point }{
		{image.Pt(500, 375), image.Pt(96, 72)},
		{image.Pt(300, 400), image.Pt(72, 96)},
		{image.Pt(96, 96), image.Pt(96, 96)},
		{image.Pt(32, 20), image.Pt(32, 20)},
		{image.Pt(3000, 4), image.Pt(96, 1)},
	} {
		img := photo(tc.from.X, tc.from.Y, 8)
		file, err := Thumbnail(img, 96)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds().Size() != tc.want {
			t.Errorf("%v becomes %v, want %v", tc.from, got.Bounds().Size(), tc.want)
		}
		if len(file) > 8<<10 {
			t.Errorf("%v: %d bytes", tc.from, len(file))
		}
		// The mean color stays, but for what coding costs.
		for c := range 3 {
			if a, b := mean(img, c), mean(got, c); math.Abs(a-b) > 3 {
				t.Errorf("%v: channel %d has mean %.1f, want %.1f", tc.from, c, b, a)
			}
		}
	}
}

func mean(img image.Image, channel int) float64 {
	b := img.Bounds()
	sum := 0.0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			sum += float64([3]uint8{c.R, c.G, c.B}[channel])
		}
	}
	return sum / float64(b.Dx()*b.Dy())
}

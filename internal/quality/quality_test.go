package quality

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMeasure(t *testing.T) {
	black, white := [3]int{}, [3]int{255, 255, 255}
	canvas := func(width, height int, color [3]int) *image.RGBA {
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		return fill(img, img.Rect, color)
	}
	halves := fill(canvas(40, 20, black), image.Rect(20, 0, 40, 20), white)
	tests := []struct {
		name string
		img  *image.RGBA
		want Measures
	}{
		{"nothing", image.NewRGBA(image.Rectangle{}), Measures{}},
		{"black", canvas(8, 4, black), Measures{Width: 8, Height: 4, Sharpness: 255}},
		{"white", canvas(8, 4, white), Measures{Width: 8, Height: 4, P5: 255, P95: 255, P99: 255, Sharpness: 255}},
		{"blue", canvas(8, 4, [3]int{0, 0, 255}), Measures{
			Width: 8, Height: 4, P5: 66, P95: 66, P99: 66, Sharpness: 255, Color: 255,
		}},
		{"black and white", halves, Measures{Width: 40, Height: 20, P95: 255, P99: 255, Entropy: 32, Sharpness: 128}},
		{"letterbox", letterbox(canvas(20, 100, white), black), Measures{
			Width: 20, Height: 100, P95: 255, P99: 255, Entropy: 28, Sharpness: 128, Border: 76,
		}},
		{"mid-gray", canvas(8, 4, [3]int{128, 128, 128}), Measures{
			Width: 8, Height: 4, P5: 128, P95: 128, P99: 128, Sharpness: 255,
		}},
		{"tail", cutTail(canvas(20, 100, white), 1), Measures{
			Width: 20, Height: 100, P5: 128, P95: 255, P99: 255, Entropy: 28, Sharpness: 128, Tail: 76,
		}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, Measure(test.img, nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestMeasureOddShapes holds that any shape can be measured, with room after its rows as reused memory has.
func TestMeasureOddShapes(t *testing.T) {
	for _, size := range []image.Point{
		{X: 1, Y: 1}, {X: 2, Y: 1}, {X: 3, Y: 3}, {X: 1, Y: 5000}, {X: 5000, Y: 1}, {X: 2, Y: 200_000}, {X: 200_000, Y: 2},
		{X: 7, Y: 9}, {X: 16, Y: 8}, {X: 257, Y: 256}, {X: 700, Y: 601},
	} {
		img := scene(size.X, size.Y, 3)
		wider := image.NewRGBA(image.Rect(0, 0, size.X+5, size.Y+1))
		for y := range size.Y {
			copy(wider.Pix[y*wider.Stride:], img.Pix[y*img.Stride:][:img.Stride])
		}
		part := wider.SubImage(img.Rect).(*image.RGBA)
		if diff := cmp.Diff(Measure(img, nil), Measure(part, nil)); diff != "" {
			t.Errorf("%v: with longer rows (-without +with):\n%s", size, diff)
		}
	}
}

func TestEncoding(t *testing.T) {
	m := Measures{1 << 31, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	b := m.AppendTo([]byte("before"))[len("before"):]
	if len(b) != Size {
		t.Fatalf("%d bytes, want %d", len(b), Size)
	}
	if got, ok := Parse(b); !ok || got != m {
		t.Errorf("got %+v, %t, want %+v", got, ok, m)
	}
	for _, wrong := range [][]byte{nil, b[1:], append(b, 0)} {
		if _, ok := Parse(wrong); ok {
			t.Errorf("%d bytes are measures", len(wrong))
		}
	}
}

// TestSharpnessIsWidthOfEdges holds sharpness against what a Gaussian edge has: its first differences are correlated as
// exp(−1/(4σ²)) with the next.
func TestSharpnessIsWidthOfEdges(t *testing.T) {
	for _, sigma := range []float64{1, 1.5, 2, 3} {
		edge := image.NewRGBA(image.Rect(0, 0, 80, 40))
		edge = blur(fill(edge, image.Rect(40, 0, 80, 40), [3]int{255, 255, 255}), sigma)
		got, want := float64(Measure(edge, nil).Sharpness)/64, 2-2*math.Exp(-1/(4*sigma*sigma))
		if math.Abs(got-want) > .05*want+1./64 {
			t.Errorf("σ = %v: sharpness is %v, want %v", sigma, got, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var h histogram
		var all []int
		levels, n := 1+random.IntN(256), 1+random.IntN(5000)
		for range n {
			level := random.IntN(levels)
			h[level]++
			all = append(all, level)
		}
		slices.Sort(all)
		for _, percent := range []int{5, 50, 95, 99} {
			if got, want := int(h.percentile(uint64(percent))), all[(n*percent+99)/100-1]; got != want {
				t.Errorf("percentile %d of %d is %d, want %d", percent, n, got, want)
			}
		}
		entropy := 0.0
		for _, c := range h {
			if c > 0 {
				p := float64(c) / float64(n)
				entropy -= p * math.Log2(p)
			}
		}
		if got := float64(h.entropy()); math.Abs(got-min(32*entropy, 255)) > 1 {
			t.Errorf("entropy of %d is %v, want %v", n, got, 32*entropy)
		}
	}
	for _, n := range []uint64{1, 2, 3, 255, 1<<31 + 1, 1 << 32, math.MaxUint64} {
		if got, want := float64(log2(n))/(1<<logBits), math.Log2(float64(n)); math.Abs(got-want) > 1./1024 {
			t.Errorf("log2(%d) is %v, want %v", n, got, want)
		}
	}
}

// TestBorderedNeedsStraightEdges holds that what resembles a frame isn't one.
func TestBorderedNeedsStraightEdges(t *testing.T) {
	white := [3]int{255, 255, 255}
	page := fill(image.NewRGBA(image.Rect(0, 0, 300, 300)), image.Rect(0, 0, 300, 300), white)
	product := each(page, func(c [3]int) [3]int { return c })
	for y := range 300 {
		for x := range 300 {
			if dx, dy := x-150, y-150; dx*dx+dy*dy < 100*100 {
				set(product, x, y, [3]int{x & 255, y & 255, 90})
			}
		}
	}
	photo := scene(300, 300, 4)
	tests := []struct {
		name string
		img  *image.RGBA
		want bool
	}{
		{"a blank page", page, false},
		{"a round product on white", product, false},
		{"a photo", photo, false},
		{"one bar", fill(photo, image.Rect(0, 0, 300, 60), white), false},
		{"two bars of different colors", fill(fill(photo, image.Rect(0, 0, 300, 40), white), image.Rect(0, 260, 300, 300), [3]int{}), false},
		{"bars of one pixel", fill(fill(photo, image.Rect(0, 0, 300, 1), white), image.Rect(0, 299, 300, 300), white), false},
		{"bars above and below", letterbox(photo, [3]int{}), true},
		{"bars left and right", fill(fill(photo, image.Rect(0, 0, 40, 300), white), image.Rect(260, 0, 300, 300), white), true},
		{"a frame", frame(photo), true},
	}
	judge := NewJudge(slices.Values([]Measures(nil)))
	for _, test := range tests {
		if got := judge.Problems(Measure(test.img, nil)).Has(Bordered); got != test.want {
			t.Errorf("%s: Bordered is %t", test.name, got)
		}
	}
}

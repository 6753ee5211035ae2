package inspect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"image"
	"image/color"
	"image/png"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// scene is a picture of colored discs that can be looked at anywhere: from maps a place of the picture, from 0 to 1
// across, to one of the scene.
type scene struct{ discs [][6]float64 }

func newScene(seed uint64) scene {
	random := rand.New(rand.NewPCG(seed, 1))
	var s scene
	for range 25 {
		s.discs = append(s.discs, [6]float64{1.4*random.Float64() - 0.2, 1.4*random.Float64() - 0.2, 0.05 + 0.2*random.Float64(), random.Float64(), random.Float64(), random.Float64()})
	}
	return s
}

func (s scene) at(x, y float64) (rgb [3]float64) {
	rgb = [3]float64{0.5, 0.5, 0.5}
	for _, d := range s.discs {
		if math.Hypot(x-d[0], y-d[1]) < d[2] {
			rgb = [3]float64(d[3:])
		}
	}
	return rgb
}

func (s scene) picture(side int, from func(x, y float64) (float64, float64), tone func(v float64) float64) []byte {
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			rgb := s.at(from((float64(x)+0.5)/float64(side), (float64(y)+0.5)/float64(side)))
			level := func(v float64) uint8 { return uint8(255 * min(max(tone(0.2+0.6*v), 0), 1)) }
			out.SetRGBA(x, y, color.RGBA{level(rgb[0]), level(rgb[1]), level(rgb[2]), 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, out) // into memory
	return b.Bytes()
}

// turned turns a place around the middle, by degrees, clockwise.
func turned(x, y, degrees float64) (float64, float64) {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	x, y = x-0.5, y-0.5
	return 0.5 + cos*x - sin*y, 0.5 + sin*x + cos*y
}

func same(x, y float64) (float64, float64) { return x, y }
func plain(v float64) float64              { return v }

// album is an Inspector over pictures, with the pictures that were read.
func album(t *testing.T, pictures [][]byte) (*Inspector, *[]int) {
	t.Helper()
	read := new([]int)
	return &Inspector{
		Cache: &Cache{Path: filepath.Join(t.TempDir(), "work", "sketches.bin")},
		Read: func(_ context.Context, indices []int) iter.Seq2[dataset.Sample, error] {
			return func(yield func(dataset.Sample, error) bool) {
				for _, i := range indices {
					*read = append(*read, i)
					s := dataset.Sample{Index: i, Bytes: pictures[i]}
					if pictures[i] == nil {
						s.Err = errors.New("gone")
					}
					if !yield(s, nil) {
						return
					}
				}
			}
		},
		Source: func(row int) (int, vectors.Digest) {
			return row, sha256.Sum256(append([]byte{byte(row)}, pictures[row]...))
		},
		Threads: 2,
	}, read
}

func look(t *testing.T, o *Inspector, pairs ...duplicates.Link) []duplicates.Resemblance {
	t.Helper()
	defer o.Cache.Close() // so that each look is of another run
	seen, err := o.Look(t.Context(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestChangesAreFound(t *testing.T) {
	tests := map[string]struct {
		from func(x, y float64) (float64, float64)
		tone func(v float64) float64
		side int
		want duplicates.Change
	}{
		"unchanged": {from: same, tone: plain, want: duplicates.Change{Stretch: 1, Zoom: 1, Contrast: 1}},
		"larger":    {from: same, tone: plain, side: 200, want: duplicates.Change{Stretch: 1, Zoom: 1, Contrast: 1}},
		"mirrored": {
			from: func(x, y float64) (float64, float64) { return 1 - x, y }, tone: plain,
			want: duplicates.Change{Mirrored: true, Stretch: 1, Zoom: 1, Contrast: 1},
		},
		"moved": {
			from: func(x, y float64) (float64, float64) { return x - 3./32, y + 2./32 }, tone: plain,
			want: duplicates.Change{Stretch: 1, Zoom: 1, Right: 3. / 32, Down: -2. / 32, Contrast: 1},
		},
		"cropped": {
			from: func(x, y float64) (float64, float64) { return 0.5 + (x-0.5)/1.27, 0.5 + (y-0.5)/1.27 }, tone: plain,
			want: duplicates.Change{Stretch: 1, Zoom: 1.27, Contrast: 1},
		},
		"seen from afar": {
			from: func(x, y float64) (float64, float64) { return 0.5 + (x-0.5)*1.27, 0.5 + (y-0.5)*1.27 }, tone: plain,
			want: duplicates.Change{Stretch: 1, Zoom: 1 / 1.27, Contrast: 1},
		},
		"cropped beside the middle": {
			from: func(x, y float64) (float64, float64) { return 0.5 + (x-0.5-0.09)/1.27, 0.5 + (y-0.5+0.06)/1.27 }, tone: plain,
			want: duplicates.Change{Stretch: 1, Zoom: 1.27, Right: 0.09, Down: -0.06, Contrast: 1},
		},
		"seen from afar, and moved": {
			from: func(x, y float64) (float64, float64) { return 0.5 + (x-0.5-0.09)*1.43, 0.5 + (y-0.5+0.06)*1.43 }, tone: plain,
			want: duplicates.Change{Stretch: 1, Zoom: 1 / 1.43, Right: 0.09, Down: -0.06, Contrast: 1},
		},
		"cropped in width": {
			from: func(x, y float64) (float64, float64) { return 0.5 + (x-0.5)/1.4, y }, tone: plain,
			want: duplicates.Change{Zoom: math.Sqrt(1.4), Stretch: 1.4, Contrast: 1},
		},
		"wider than what was cropped of it": {
			from: func(x, y float64) (float64, float64) { return x, 0.5 + (y-0.5)*1.35 }, tone: plain,
			want: duplicates.Change{Zoom: 1 / math.Sqrt(1.35), Stretch: 1.35, Contrast: 1},
		},
		"turned right": {
			from: func(x, y float64) (float64, float64) { return turned(x, y, -12) }, tone: plain,
			want: duplicates.Change{Zoom: 1, Stretch: 1, Turn: 12, Contrast: 1},
		},
		"mirrored, and turned left": {
			from: func(x, y float64) (float64, float64) {
				x, y = turned(x, y, 10)
				return 1 - x, y
			}, tone: plain,
			want: duplicates.Change{Mirrored: true, Zoom: 1, Stretch: 1, Turn: -10, Contrast: 1},
		},
		"darker":        {from: same, tone: func(v float64) float64 { return v - 0.2 }, want: duplicates.Change{Stretch: 1, Zoom: 1, Brightness: -0.2, Contrast: 1}},
		"more contrast": {from: same, tone: func(v float64) float64 { return 0.5 + 1.6*(v-0.5) }, want: duplicates.Change{Stretch: 1, Zoom: 1, Contrast: 1.6}},
		"mirrored, moved, darker and of less contrast": {
			from: func(x, y float64) (float64, float64) { return 1 - (x + 2./32), y }, tone: func(v float64) float64 { return 0.6*v + 0.05 },
			want: duplicates.Change{Mirrored: true, Stretch: 1, Zoom: 1, Right: -2. / 32, Brightness: -0.15, Contrast: 0.6},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				s := newScene(seed)
				if test.side == 0 {
					test.side = 64
				}
				o, _ := album(t, [][]byte{s.picture(64, same, plain), s.picture(test.side, test.from, test.tone)})
				got := look(t, o, duplicates.Link{A: 0, B: 1})[0]
				if got.Similarity < 0.91 || got.Similarity > 1 {
					t.Errorf("seed %d: similarity %g", seed, got.Similarity)
				}
				near := func(a, b, by float64) bool { return math.Abs(a-b) < by }
				c, w := got.Change, test.want
				if c.Mirrored != w.Mirrored || !near(c.Zoom/w.Zoom, 1, 0.06) || !near(c.Stretch/w.Stretch, 1, 0.12) || !near(c.Turn, w.Turn, 3) ||
					!near(c.Right, w.Right, 0.025) || !near(c.Down, w.Down, 0.025) ||
					!near(c.Brightness, w.Brightness, 0.06) || !near(c.Contrast/w.Contrast, 1, 0.15) {
					t.Errorf("seed %d: %+v, want %+v", seed, c, w)
				}
			}
		})
	}
}

func TestOthersDiffer(t *testing.T) {
	pictures := [][]byte{}
	for seed := range uint64(20) {
		pictures = append(pictures, newScene(seed).picture(48, same, plain))
	}
	blank := func(float64) float64 { return 0.5 }
	pictures = append(pictures, newScene(0).picture(48, same, blank), newScene(1).picture(48, same, blank), nil)
	o, _ := album(t, pictures)
	var pairs []duplicates.Link
	for a := range pictures {
		for b := range a {
			pairs = append(pairs, duplicates.Link{A: b, B: a})
		}
	}
	for i, seen := range look(t, o, pairs...) {
		switch {
		case pairs[i].B >= 20 && seen.Similarity != 0:
			t.Errorf("%+v shows nothing, and has similarity %g", pairs[i], seen.Similarity)
		case seen.Similarity > 0.85 || math.IsNaN(seen.Similarity):
			t.Errorf("%+v has similarity %g", pairs[i], seen.Similarity)
		}
	}
}

// What was decoded once isn't read again, not even by another run; a record that a crash left torn, or that is damaged,
// is.
func TestSketchesStay(t *testing.T) {
	var pictures [][]byte
	for seed := range uint64(12) {
		pictures = append(pictures, newScene(seed).picture(40, same, plain))
	}
	o, read := album(t, pictures)
	var pairs []duplicates.Link
	for b := 1; b < len(pictures); b++ {
		pairs = append(pairs, duplicates.Link{A: b - 1, B: b})
	}
	told := 0
	o.Progress = func(n int) { told += n }
	want := look(t, o, pairs...)
	if len(*read) != len(pictures) || told != len(pairs) {
		t.Errorf("%d pictures were read, %d pairs told of", len(*read), told)
	}
	again := func(name string, most int) {
		t.Helper()
		*read = nil
		o.Threads = 1
		if diff := cmp.Diff(want, look(t, o, pairs...)); diff != "" || len(*read) > most {
			t.Errorf("%s: %d pictures were read: %s", name, len(*read), diff)
		}
	}
	again("second time", 0)
	whole, err := os.ReadFile(o.Cache.Path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		data []byte
		most int
	}{
		"torn":        {whole[:len(whole)-100], 1},
		"another":     {append([]byte("DASKT000"), whole[8:]...), 12},
		"empty":       {nil, 12},
		"damaged":     {append(append([]byte{}, whole[:8+5*recordSize+99]...), append([]byte{whole[8+5*recordSize+99] + 1}, whole[8+5*recordSize+100:]...)...), 7},
		"half a word": {whole[:3], 12},
	} {
		if err := os.WriteFile(o.Cache.Path, test.data, 0o666); err != nil {
			t.Fatal(err)
		}
		again(name, test.most)
		again(name+", second time", 0)
	}
	if err := os.WriteFile(filepath.Dir(o.Cache.Path)+"/blocked", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	o.Cache.Path = filepath.Dir(o.Cache.Path) + "/blocked/sketches.bin"
	if _, err := o.Look(t.Context(), pairs); err == nil {
		t.Error("no error where there is no folder")
	}
}

// Rows whose images are not at hand are looked at by the sketches that somebody gives.
func TestGivenSketches(t *testing.T) {
	var pictures [][]byte
	for seed := range uint64(4) {
		pictures = append(pictures, newScene(seed).picture(40, same, plain))
	}
	pictures = append(pictures, nil) // can't be read
	o, _ := album(t, pictures)
	want := look(t, o, duplicates.Link{A: 0, B: 2}, duplicates.Link{A: 1, B: 3})
	drawn, err := o.Draw(t.Context(), len(pictures))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Cache.Close()
	given := map[int][]byte{}
	for row := range pictures {
		data, err := drawn.Row(row)
		if err != nil || len(data) != SketchSize {
			t.Fatalf("sketch %d: %d bytes, %v", row, len(data), err)
		}
		given[row] = data
	}
	if !bytes.Equal(given[4], make([]byte, SketchSize)) {
		t.Error("an image that can't be read shows something")
	}
	other, read := album(t, pictures[:2])
	other.Given = func(row int) ([]byte, error) {
		if row < 2 {
			return nil, nil
		}
		return given[row], nil
	}
	if diff := cmp.Diff(want, look(t, other, duplicates.Link{A: 0, B: 2}, duplicates.Link{A: 1, B: 3})); diff != "" || len(*read) != 2 {
		t.Errorf("%d pictures were read (-want +got):\n%s", len(*read), diff)
	}
	broken := errors.New("broken")
	other.Given = func(int) ([]byte, error) { return nil, broken }
	if _, err := other.Look(t.Context(), []duplicates.Link{{A: 0, B: 1}}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

func TestReadingFails(t *testing.T) {
	o, _ := album(t, [][]byte{newScene(1).picture(8, same, plain), newScene(2).picture(8, same, plain)})
	broken := errors.New("broken")
	o.Read = func(context.Context, []int) iter.Seq2[dataset.Sample, error] {
		return func(yield func(dataset.Sample, error) bool) { yield(dataset.Sample{}, broken) }
	}
	if _, err := o.Look(t.Context(), []duplicates.Link{{A: 0, B: 1}}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o, _ = album(t, [][]byte{newScene(1).picture(8, same, plain), newScene(2).picture(8, same, plain)})
	if _, err := o.Look(ctx, []duplicates.Link{{A: 0, B: 1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func BenchmarkMatch(b *testing.B) {
	one, err := draw((&Inspector{}).Decoder, newScene(1).picture(64, same, plain))
	if err != nil {
		b.Fatal(err)
	}
	two, err := draw((&Inspector{}).Decoder, newScene(2).picture(64, same, plain))
	if err != nil {
		b.Fatal(err)
	}
	m := newMatcher()
	m.hold(one)
	for b.Loop() {
		m.match(two)
	}
}

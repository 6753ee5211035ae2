package main

import (
	"bytes"
	"image"
	_ "image/jpeg" // the images are JPEG
	_ "image/png"  // or PNG
	"math"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/image/draw"
)

// An oracle says which pairs were copies before any was planted, as real datasets have them: those whose pixels, at
// 32×32, correlate by 0.8 at least, mirrored or not, moved by up to four pixels; or by 0.88, where one of them shows
// a part of the other, in width and height from all down to two thirds. That is its own code, so that an inspection
// isn't judged by itself alone. What resembles in no such way is a copy if it was judged to be one, else it counts as
// false.
type oracle struct {
	folder string
	mu     sync.Mutex
	seen   map[string]*views
	known  map[[2]string]bool
}

const (
	smallSide = 32
	moved     = 4
	middle    = smallSide - 2*moved
	resembles = 0.8
	// cropped is what counts as a copy where one is a part of the other: of so many parts, one fits by chance more often.
	cropped = 0.88
	// promising is what parts are looked for from on: they are slow.
	promising = 0.5
)

// parts are the sides of a part, of the whole's.
var parts = []float64{1, 0.85, 0.7}

// small is an image of 32×32 pixels in three planes.
type small [3][smallSide][smallSide]float64

// views are what an image shows in windows of it. They take 0.6 MB.
type views struct {
	*small
	// still is the middle, and coarse every other pixel of it.
	still, coarse []float32
	// shifted are windows as large as the middle, and parts are smaller ones. They are drawn when they are asked for.
	shifted, parts [][]float32
}

func newOracle(folder string) *oracle {
	return &oracle{folder: folder, seen: map[string]*views{}, known: map[[2]string]bool{}}
}

func (o *oracle) copies(a, b string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := [2]string{a, b}
	is, known := o.known[key]
	if !known {
		is = judgedCopies(a, b) || resemble(o.views(a), o.views(b))
		o.known[key] = is
	}
	return is
}

func resemble(one, other *views) bool {
	alike := likest(one.still, other.windows())
	return alike >= resembles || alike >= promising && max(likest(one.coarse, other.sections()), likest(other.coarse, one.sections())) >= cropped
}

func (o *oracle) views(id string) *views {
	if o.seen[id] == nil {
		s := readSmall(filepath.Join(o.folder, filepath.FromSlash(id)))
		o.seen[id] = &views{small: s, still: s.window(0, 0, 1, 1, 1, false), coarse: s.window(0, 0, 1, 1, 2, false)}
	}
	return o.seen[id]
}

// readSmall is gray for a file that is not an image.
func readSmall(path string) *small {
	s := &small{}
	content, err := os.ReadFile(path)
	if err != nil {
		return s
	}
	decoded, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return s
	}
	to := image.NewRGBA(image.Rect(0, 0, smallSide, smallSide))
	draw.BiLinear.Scale(to, to.Rect, decoded, decoded.Bounds(), draw.Src, nil)
	for y := range smallSide {
		for x := range smallSide {
			for c := range 3 {
				s[c][y][x] = float64(to.Pix[to.PixOffset(x, y)+c])
			}
		}
	}
	return s
}

func (v *views) windows() [][]float32 {
	if v.shifted == nil {
		for _, mirrored := range []bool{false, true} {
			for dy := -moved; dy <= moved; dy += 2 {
				for dx := -moved; dx <= moved; dx += 2 {
					v.shifted = append(v.shifted, v.window(float64(dx), float64(dy), 1, 1, 1, mirrored))
				}
			}
		}
	}
	return v.shifted
}

func (v *views) sections() [][]float32 {
	if v.parts == nil {
		for _, width := range parts {
			for _, height := range parts {
				for dy := -moved; width*height < 1 && dy <= moved; dy += moved {
					for dx := -moved; dx <= moved; dx += moved {
						for _, mirrored := range []bool{false, true} {
							v.parts = append(v.parts, v.window(float64(dx), float64(dy), width, height, 2, mirrored))
						}
					}
				}
			}
		}
	}
	return v.parts
}

// window draws the part of so much of the middle's width and height, (dx, dy) from it, at one pixel in step of the
// middle's. Each plane is less its mean, and the whole has a norm of 1; one color alone gives zeros.
func (s *small) window(dx, dy, width, height float64, step int, mirrored bool) []float32 {
	var drawn []float64
	energy := 0.0
	for c := range s {
		from, sum := len(drawn), 0.0
		for y := 0; y < middle; y += step {
			for x := 0; x < middle; x += step {
				across := (float64(x) - (middle-1)/2.0) * width
				if mirrored {
					across = -across
				}
				value := s.at(c, smallSide/2-0.5+dx+across, smallSide/2-0.5+dy+(float64(y)-(middle-1)/2.0)*height)
				drawn, sum = append(drawn, value), sum+value
			}
		}
		plane := drawn[from:]
		for i := range plane {
			plane[i] -= sum / float64(len(plane))
			energy += plane[i] * plane[i]
		}
	}
	out := make([]float32, len(drawn))
	if energy >= 1 {
		for i, value := range drawn {
			out[i] = float32(value / math.Sqrt(energy))
		}
	}
	return out
}

// likest is the largest correlation of a view with any of others, at least 0.
func likest(view []float32, others [][]float32) float64 {
	best := float32(0)
	for _, other := range others {
		var sums [4]float32 // side by side, which is faster
		for i := 0; i+3 < len(view) && i+3 < len(other); i += 4 {
			sums[0] += view[i] * other[i]
			sums[1] += view[i+1] * other[i+1]
			sums[2] += view[i+2] * other[i+2]
			sums[3] += view[i+3] * other[i+3]
		}
		best = max(best, sums[0]+sums[1]+sums[2]+sums[3])
	}
	return float64(best)
}

// at is the value between the pixels.
func (s *small) at(c int, x, y float64) float64 {
	x, y = min(max(x, 0), smallSide-1), min(max(y, 0), smallSide-1)
	left, upper := min(int(x), smallSide-2), min(int(y), smallSide-2)
	u, v := x-float64(left), y-float64(upper)
	return (1-v)*((1-u)*s[c][upper][left]+u*s[c][upper][left+1]) + v*((1-u)*s[c][upper+1][left]+u*s[c][upper+1][left+1])
}

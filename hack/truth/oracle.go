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
// a part of the other, in width and height from all down to two thirds. That is its own code, so that an inspection isn't judged by
// itself alone; but what resembles in no such way and still shows the same counts as false.
type oracle struct {
	folder string
	mu     sync.Mutex
	seen   map[string]*small
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

func newOracle(folder string) *oracle {
	return &oracle{folder: folder, seen: map[string]*small{}, known: map[[2]string]bool{}}
}

func (o *oracle) copies(a, b string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := [2]string{a, b}
	is, known := o.known[key]
	if !known {
		one, other := o.picture(a), o.picture(b)
		alike := resemblance(one, other)
		is = alike >= resembles || alike >= promising && (isPart(one, other) || isPart(other, one))
		o.known[key] = is
	}
	return is
}

func (o *oracle) picture(id string) *small {
	if o.seen[id] == nil {
		o.seen[id] = readSmall(filepath.Join(o.folder, filepath.FromSlash(id)))
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

func resemblance(a, b *small) float64 {
	best := 0.0
	for _, mirrored := range []bool{false, true} {
		for dy := 0; dy <= 2*moved; dy += 2 {
			for dx := 0; dx <= 2*moved; dx += 2 {
				best = max(best, correlation(a, b, dx, dy, mirrored))
			}
		}
	}
	return best
}

// correlation is that of the middle of a with the window of b at (dx, dy), each plane less its mean.
func correlation(a, b *small, dx, dy int, mirrored bool) float64 {
	var product, squareA, squareB float64
	for c := range 3 {
		var sumA, sumB, ab, aa, bb float64
		for y := range middle {
			for x := range middle {
				at := dx + x
				if mirrored {
					at = smallSide - 1 - at
				}
				u, v := a[c][moved+y][moved+x], b[c][dy+y][at]
				sumA, sumB, ab, aa, bb = sumA+u, sumB+v, ab+u*v, aa+u*u, bb+v*v
			}
		}
		const n = middle * middle
		product += ab - sumA*sumB/n
		squareA += aa - sumA*sumA/n
		squareB += bb - sumB*sumB/n
	}
	if squareA < 1 || squareB < 1 {
		return 0
	}
	return product / math.Sqrt(squareA*squareB)
}

// isPart says whether a part of b shows what the middle of a does.
func isPart(a, b *small) bool {
	for _, width := range parts {
		for _, height := range parts {
			for dy := -moved; dy <= moved; dy += moved {
				for dx := -moved; dx <= moved; dx += moved {
					for _, mirrored := range []bool{false, true} {
						if width*height < 1 && partial(a, b, float64(dx), float64(dy), width, height, mirrored) >= cropped {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// partial is the correlation of every other pixel of the middle of a with a part of b around (dx, dy) from its middle.
func partial(a, b *small, dx, dy, width, height float64, mirrored bool) float64 {
	var product, squareA, squareB float64
	for c := range 3 {
		var sumA, sumB, ab, aa, bb float64
		for y := 0; y < middle; y += 2 {
			for x := 0; x < middle; x += 2 {
				across := (float64(x) - (middle-1)/2.0) * width
				if mirrored {
					across = -across
				}
				u, v := a[c][moved+y][moved+x], b.at(c, smallSide/2-0.5+dx+across, smallSide/2-0.5+dy+(float64(y)-(middle-1)/2.0)*height)
				sumA, sumB, ab, aa, bb = sumA+u, sumB+v, ab+u*v, aa+u*u, bb+v*v
			}
		}
		const n = middle * middle / 4
		product += ab - sumA*sumB/n
		squareA += aa - sumA*sumA/n
		squareB += bb - sumB*sumB/n
	}
	if squareA < 1 || squareB < 1 {
		return 0
	}
	return product / math.Sqrt(squareA*squareB)
}

// at is the value between the pixels.
func (s *small) at(c int, x, y float64) float64 {
	x, y = min(max(x, 0), smallSide-1), min(max(y, 0), smallSide-1)
	left, upper := min(int(x), smallSide-2), min(int(y), smallSide-2)
	u, v := x-float64(left), y-float64(upper)
	return (1-v)*((1-u)*s[c][upper][left]+u*s[c][upper][left+1]) + v*((1-u)*s[c][upper+1][left]+u*s[c][upper+1][left+1])
}

package inspect

import (
	"math"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

const (
	side     = 32           // of a sketch
	channels = 3            // red, green, blue, one plane after the other
	pixels   = side * side  // of a plane
	half     = side / 2     // side of the coarse views
	margin   = half / 8     // by which a coarse view may be moved; a fine one by twice as many of its pixels
	inner    = 3 * side / 4 // side of a fine view's window
)

// zooms are the enlargements tried, of either image: those of crops that leave up to half of an image's area.
var zooms = [...]float64{1, 1.13, 1.27, 1.43}

// A sketch is an image of side×side pixels, plane by plane.
type sketch [channels * pixels]uint8

// A view is an image of n×n pixels, plane by plane, at one zoom.
type view struct {
	n      int
	values []float32
}

func newView(n int) view { return view{n, make([]float32, channels*n*n)} }

func (v view) plane(c int) []float32 { return v.values[c*v.n*v.n : (c+1)*v.n*v.n] }

// window is the side of the window of a view that is compared.
func (v view) window() int { return 3 * v.n / 4 }

// A matcher compares sketches; each goroutine has its own.
type matcher struct {
	first, second picture
	// energies are what windows of the first picture's coarse views vary by, at each zoom.
	energies         [len(zooms)][reaches]float64
	pattern          []float32 // the middle of the second, less its mean
	fineA, fineB     view
	mirrored, shrunk view
}

// A picture is a sketch, and its coarse views at the zooms tried.
type picture struct {
	full  view
	zooms [len(zooms)]view
}

// reaches is the number of places at which a coarse view is tried.
const reaches = (2*margin + 1) * (2*margin + 1)

func newMatcher() *matcher {
	m := &matcher{
		pattern: make([]float32, channels*inner*inner),
		fineA:   newView(side), fineB: newView(side),
		mirrored: newView(side), shrunk: newView(half),
	}
	for _, p := range []*picture{&m.first, &m.second} {
		p.full = newView(side)
		for i := range p.zooms {
			p.zooms[i] = newView(half)
		}
	}
	return m
}

// A placement is one way to lay the second image on the first.
type placement struct {
	mirrored bool
	// zoomA and zoomB are positions in zooms; one of them is 0.
	zoomA, zoomB int
	dx, dy       int // where in the first image the middle of the second lies, in pixels of the view
	similarity   float64
}

// hold takes the first sketch of the pairs to come.
func (m *matcher) hold(a *sketch) {
	m.first.load(a, m.shrunk)
	for z, v := range m.first.zooms {
		at := 0
		for dy := -margin; dy <= margin; dy++ {
			for dx := -margin; dx <= margin; dx++ {
				m.energies[z][at] = energy(v, dx, dy)
				at++
			}
		}
	}
}

// match finds the change that makes a first sketch most like the second. The similarity is the correlation of the
// middle of one image with a window of the other, each channel less its mean, so that neither brightness nor contrast
// nor a cast of color counts. The coarse views are searched whole, and around the best two placements the fine ones.
func (m *matcher) match(b *sketch) duplicates.Resemblance {
	m.second.load(b, m.shrunk)
	var best [2]placement
	for i := range best {
		best[i].similarity = math.Inf(-1)
	}
	for _, mirrored := range []bool{false, true} {
		for zoomB, view := range m.second.zooms {
			norm := m.hang(view, mirrored)
			for zoomA, x := range m.first.zooms {
				if zoomA > 0 && zoomB > 0 {
					continue
				}
				p := placement{mirrored: mirrored, zoomA: zoomA, zoomB: zoomB, similarity: math.Inf(-1)}
				at := 0
				for dy := -margin; dy <= margin; dy++ {
					for dx := -margin; dx <= margin; dx++ {
						if s := correlation(m.product(x, dx, dy), m.energies[zoomA][at], norm, x); s > p.similarity {
							p.similarity, p.dx, p.dy = s, dx, dy
						}
						at++
					}
				}
				switch {
				case p.similarity > best[0].similarity:
					best[0], best[1] = p, best[0]
				case p.similarity > best[1].similarity:
					best[1] = p
				}
			}
		}
	}

	found := placement{similarity: math.Inf(-1)}
	var brightness, contrast float64
	for _, p := range best {
		x := zoom(m.fineA, m.first.full, zooms[p.zoomA])
		y := zoom(m.fineB, m.second.full, zooms[p.zoomB])
		norm := m.hang(y, p.mirrored)
		for dy := max(2*p.dy-1, -2*margin); dy <= min(2*p.dy+1, 2*margin); dy++ {
			for dx := max(2*p.dx-1, -2*margin); dx <= min(2*p.dx+1, 2*margin); dx++ {
				if s := correlation(m.product(x, dx, dy), energy(x, dx, dy), norm, x); s > found.similarity {
					found = p
					found.dx, found.dy, found.similarity = dx, dy, s
					brightness, contrast = tone(x, dx, dy, y)
				}
			}
		}
	}
	of := zooms[found.zoomB] * side // the second's side, in pixels of the view
	change := duplicates.Change{
		Mirrored: found.mirrored, Zoom: zooms[found.zoomA] / zooms[found.zoomB],
		Right: float64(-found.dx) / of, Down: float64(-found.dy) / of,
		Brightness: brightness, Contrast: contrast,
	}
	if found.mirrored { // the first is mirrored before it is moved, and here the second was
		change.Right = -change.Right
	}
	return duplicates.Resemblance{Similarity: found.similarity, Change: change}
}

// load makes the views of a sketch. Values are centered, so that sums of their squares keep their digits.
func (p *picture) load(s *sketch, shrunk view) {
	for i, v := range s {
		p.full.values[i] = float32(v) - 128
	}
	for c := range channels {
		from, to := p.full.plane(c), shrunk.plane(c)
		for y := range half {
			for x := range half {
				at := 2*y*side + 2*x
				to[y*half+x] = (from[at] + from[at+1] + from[at+side] + from[at+side+1]) / 4
			}
		}
	}
	for i, z := range zooms {
		zoom(p.zooms[i], shrunk, z)
	}
}

// zoom enlarges the middle of a view.
func zoom(dst, src view, factor float64) view {
	if factor == 1 {
		copy(dst.values, src.values)
		return dst
	}
	n := src.n
	var first [side]int
	var weight [side]float32
	for i := range n {
		at := (float64(i)+0.5-float64(n)/2)/factor + float64(n)/2 - 0.5
		floor := math.Floor(at)
		first[i], weight[i] = int(floor), float32(at-floor) // inside, since the factor is above 1
	}
	for c := range channels {
		from, to := src.plane(c), dst.plane(c)
		for y := range n {
			upper, lower := from[first[y]*n:], from[min(first[y]+1, n-1)*n:]
			v := weight[y]
			for x := range n {
				left, u := first[x], weight[x]
				right := min(left+1, n-1)
				to[y*n+x] = (1-v)*((1-u)*upper[left]+u*upper[right]) + v*((1-u)*lower[left]+u*lower[right])
			}
		}
	}
	return dst
}

func mirror(dst, src view) view {
	n := src.n
	dst.n, dst.values = n, dst.values[:channels*n*n]
	for at := 0; at < len(src.values); at += n {
		for x := range n {
			dst.values[at+x] = src.values[at+n-1-x]
		}
	}
	return dst
}

// hang makes the middle of a view the pattern, each channel less its mean, and returns the sum of its squares.
func (m *matcher) hang(y view, mirrored bool) (norm float64) {
	if mirrored {
		m.mirrored = mirror(m.mirrored, y)
		y = m.mirrored
	}
	n, size := y.n, y.window()
	edge := (n - size) / 2
	for c := range channels {
		from, to := y.plane(c), m.pattern[c*size*size:(c+1)*size*size]
		sum := float32(0)
		for row := range size {
			for _, v := range from[(edge+row)*n+edge:][:size] {
				sum += v
			}
		}
		mean := sum / float32(size*size)
		for row := range size {
			for col, v := range from[(edge+row)*n+edge:][:size] {
				v -= mean
				to[row*size+col] = v
				norm += float64(v) * float64(v)
			}
		}
	}
	return norm
}

// product is the scalar product of the pattern with the window of x at (dx, dy) from its middle.
func (m *matcher) product(x view, dx, dy int) float64 {
	n, size := x.n, x.window()
	edge := (n - size) / 2
	var sum float64
	for c := range channels {
		plane := x.plane(c)
		for row := range size { // a multiple of four columns
			window, pattern := plane[(edge+dy+row)*n+edge+dx:][:size], m.pattern[(c*size+row)*size:][:size]
			var s0, s1, s2, s3 float32
			for i := 0; i+3 < len(window) && i+3 < len(pattern); i += 4 {
				s0 += window[i] * pattern[i]
				s1 += window[i+1] * pattern[i+1]
				s2 += window[i+2] * pattern[i+2]
				s3 += window[i+3] * pattern[i+3]
			}
			sum += float64(s0 + s1 + (s2 + s3))
		}
	}
	return sum
}

// energy is the sum of the squares of a window, each channel less its mean.
func energy(x view, dx, dy int) (sum float64) {
	size := x.window()
	edge := (x.n - size) / 2
	for c := range channels {
		plane := x.plane(c)
		var total, square float64
		for row := range size {
			for _, v := range plane[(edge+dy+row)*x.n+edge+dx:][:size] {
				total += float64(v)
				square += float64(v) * float64(v)
			}
		}
		sum += square - total*total/float64(size*size)
	}
	return sum
}

// flat is the variance of values, of 255, below which a window shows nothing: it resembles nothing.
const flat = 1

func correlation(product, energyX, energyY float64, x view) float64 {
	least := float64(flat * channels * x.window() * x.window())
	if energyX < least || energyY < least {
		return 0
	}
	return min(product/math.Sqrt(energyX*energyY), 1)
}

// tone compares the brightness, of a full scale of 1, and the contrast of y with those of what it is laid on.
func tone(x view, dx, dy int, y view) (brightness, contrast float64) {
	mean := func(v view, dx, dy int) float64 {
		size := v.window()
		edge := (v.n - size) / 2
		sum := 0.0
		for c := range channels {
			for row := range size {
				for _, value := range v.plane(c)[(edge+dy+row)*v.n+edge+dx:][:size] {
					sum += float64(value)
				}
			}
		}
		return sum / float64(channels*size*size)
	}
	// Of what is flat there is no contrast to compare.
	before, after := energy(x, dx, dy), energy(y, 0, 0)
	contrast = 1
	if before > 0 && after > 0 {
		contrast = math.Sqrt(after / before)
	}
	return (mean(y, 0, 0) - mean(x, dx, dy)) / 255, contrast
}

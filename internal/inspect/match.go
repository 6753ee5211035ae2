package inspect

import (
	"math"
	"slices"

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
	shown            []float32 // what is seen of the first
	fine             view
	mirrored, shrunk view
	across, down     []float32 // local means
}

// A picture is a sketch as it is and without its shading, and the latter's coarse views at the zooms tried.
type picture struct {
	drawn, full view
	zooms       [len(zooms)]view
}

// reaches is the number of places at which a coarse view is tried.
const reaches = (2*margin + 1) * (2*margin + 1)

func newMatcher() *matcher {
	m := &matcher{
		pattern:  make([]float32, channels*inner*inner),
		shown:    make([]float32, channels*inner*inner),
		fine:     newView(side),
		mirrored: newView(side), shrunk: newView(half),
		across: make([]float32, pixels), down: make([]float32, pixels),
	}
	for _, p := range []*picture{&m.first, &m.second} {
		p.drawn, p.full = newView(side), newView(side)
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
	m.load(&m.first, a)
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

// What is less similar than hopeless where it is laid on best is not looked at more closely: it isn't a copy. Where the
// best placement ends at sure, the second is not tried.
const (
	hopeless = 0.25
	sure     = 0.9
)

// match finds the change that makes a first sketch most like the second. The similarity is the correlation of the
// middle of one image with a window of the other, without most of their shading, each channel less its mean, so that
// neither brightness nor contrast nor a cast of color counts. The coarse views are searched whole. Around the best two
// placements the first image is also stretched and turned, and compared finely in the end.
func (m *matcher) match(b *sketch) duplicates.Resemblance {
	m.load(&m.second, b)
	best := m.place()
	found := duplicates.Resemblance{Similarity: best[0].similarity, Change: best[0].change()}
	for i, p := range best {
		if p.similarity < hopeless || i > 0 && found.Similarity > sure {
			break
		}
		norm := m.hang(m.second.zooms[p.zoomB], p.mirrored)
		at, _ := m.improve(m.first.zooms[0], norm, p.pose(), steps{scale: 0.12, turn: 0.1, move: 1. / half}, 2, 6)
		norm = m.hang(zoom(m.fine, m.second.full, zooms[p.zoomB]), p.mirrored)
		at, similarity := m.improve(m.first.full, norm, at, steps{scale: 0.03, turn: 0.03, move: 0.5 / side}, 0, 2)
		// A fine window reaches a little further than a coarse one, and may leave the image.
		if !math.IsInf(similarity, -1) && (i == 0 || similarity > found.Similarity) {
			change := at.change(zooms[p.zoomB], p.mirrored)
			change.Brightness, change.Contrast = m.tone(at, zoom(m.fine, m.second.drawn, zooms[p.zoomB]), p.mirrored)
			found = duplicates.Resemblance{Similarity: similarity, Change: change}
		}
	}
	return found
}

// place returns the two best ways to lay the coarse second image on the first, the best one first.
func (m *matcher) place() (best [2]placement) {
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
	return best
}

// pose is the placement in the first image as it is.
func (p placement) pose() pose {
	scale := 1 / zooms[p.zoomA]
	return pose{scaleX: scale, scaleY: scale, x: float64(p.dx) * scale / half, y: float64(p.dy) * scale / half}
}

// change is what the placement makes of the first image, but for its tone.
func (p placement) change() duplicates.Change {
	c := p.pose().change(zooms[p.zoomB], p.mirrored)
	c.Contrast = 1
	return c
}

// change makes the second image of the first, but for its tone. The window in the second is enlarged by a zoom.
func (p pose) change(zoom float64, mirrored bool) duplicates.Change {
	// A point a of the first is at b = turn⁻¹(a − at)/scale/zoom of the second.
	sin, cos := math.Sincos(p.turn)
	c := duplicates.Change{
		Mirrored: mirrored,
		Zoom:     1 / (zoom * math.Sqrt(p.scaleX*p.scaleY)), Stretch: p.scaleY / p.scaleX, Turn: -p.turn * 180 / math.Pi,
		Right: -(cos*p.x + sin*p.y) / (p.scaleX * zoom), Down: -(cos*p.y - sin*p.x) / (p.scaleY * zoom),
	}
	if mirrored { // the first is mirrored before it is turned and moved, and here the second was
		c.Right, c.Turn = -c.Right, -c.Turn
	}
	return c
}

// load makes the views of a sketch. Values are centered, so that sums of their squares keep their digits.
func (m *matcher) load(p *picture, s *sketch) {
	for i, v := range s {
		p.drawn.values[i] = float32(v) - 128
	}
	copy(p.full.values, p.drawn.values)
	m.flatten(p.full)
	shrunk := m.shrunk
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

// tone compares the brightness, of a full scale of 1, and the contrast of a second view with those of what the first
// image shows in a pose.
func (m *matcher) tone(at pose, y view, mirrored bool) (brightness, contrast float64) {
	norm := m.hang(y, mirrored)
	shown, _ := m.show(m.first.drawn, at)
	size := y.window()
	before, sum := 0.0, 0.0
	for plane := range slices.Chunk(shown, size*size) {
		total, square := 0.0, 0.0
		for _, v := range plane {
			total += float64(v)
			square += float64(v) * float64(v)
		}
		sum += total
		before += square - total*total/float64(size*size)
	}
	after := 0.0
	edge := (y.n - size) / 2
	for c := range channels {
		for row := range size {
			for _, v := range y.plane(c)[(edge+row)*y.n+edge:][:size] {
				after += float64(v)
			}
		}
	}
	// Of what is flat there is no contrast to compare.
	contrast = 1
	if before > 0 && norm > 0 {
		contrast = math.Sqrt(norm / before)
	}
	return (after - sum) / float64(channels*size*size) / 255, contrast
}

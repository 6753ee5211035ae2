package inspect

import "math"

// A pose says where in the first image the middle of the second lies. The point (x, y) of the window, in shares of a
// side from its middle, is at turn·(scaleX·x, scaleY·y) + (x, y) of the first, from its middle.
type pose struct {
	scaleX, scaleY float64
	turn           float64 // radians, clockwise
	x, y           float64
}

// Poses beyond these are not looked for: what look-alikes have in common could be found in some pose as well.
const (
	leastScale  = 0.55
	mostScale   = 1 / 0.75 // the window is then as wide as the image
	mostStretch = 1.8
	mostTurn    = 20 * math.Pi / 180
	mostMove    = 0.25
	// mostOutside is the share of the window that may lie outside of the first image, whose border is repeated there.
	mostOutside = 0.06
)

func (p pose) within() bool {
	narrow, wide := min(p.scaleX, p.scaleY), max(p.scaleX, p.scaleY)
	return narrow > leastScale && wide < mostScale && wide < mostStretch*narrow &&
		math.Abs(p.turn) < mostTurn && math.Abs(p.x) < mostMove && math.Abs(p.y) < mostMove
}

// parameters is the number of those of a pose.
const parameters = 5

// moved differs by a step in one parameter, forth (sign 1) or back (−1).
func (p pose) moved(parameter int, sign float64, by steps) pose {
	switch parameter {
	case 0:
		p.x += sign * by.move
	case 1:
		p.y += sign * by.move
	case 2:
		p.scaleX *= 1 + sign*by.scale
	case 3:
		p.scaleY *= 1 + sign*by.scale
	default:
		p.turn += sign * by.turn
	}
	return p
}

// steps are those by which a search changes a pose.
type steps struct{ scale, turn, move float64 }

func (s steps) half() steps { return steps{s.scale / 2, s.turn / 2, s.move / 2} }

// improve searches poses around p for the one that makes a view of the first image most like the pattern (Hooke and
// Jeeves 1961, doi:10.1145/321062.321069): it takes each step that helps, and halves the steps where none does.
func (m *matcher) improve(x view, norm float64, p pose, by steps, halvings, rounds int) (pose, float64) {
	similarity := m.similarity(x, norm, p)
	for range halvings + 1 {
		for range rounds {
			before := similarity
			for i := range 2 * parameters {
				q := p.moved(i/2, 1-2*float64(i%2), by)
				if !q.within() {
					continue
				}
				if s := m.similarity(x, norm, q); s > similarity {
					p, similarity = q, s
				}
			}
			if similarity == before {
				break
			}
		}
		by = by.half()
	}
	return p, similarity
}

// similarity is the correlation of the pattern with what a view of the first image shows in a pose; −∞ where too much of
// that lies outside of the image.
func (m *matcher) similarity(x view, norm float64, p pose) float64 {
	shown, outside := m.show(x, p)
	size := x.window()
	if float64(outside) > mostOutside*float64(size*size) {
		return math.Inf(-1)
	}
	product, energy := 0.0, 0.0
	for c := range channels {
		window, pattern := shown[c*size*size:(c+1)*size*size], m.pattern[c*size*size:(c+1)*size*size]
		var sum0, sum1, square0, square1, product0, product1 float32
		for i := 0; i+1 < len(window) && i+1 < len(pattern); i += 2 { // the side is even
			u, v := window[i], window[i+1]
			sum0, sum1 = sum0+u, sum1+v
			square0, square1 = square0+u*u, square1+v*v
			product0, product1 = product0+u*pattern[i], product1+v*pattern[i+1]
		}
		sum := float64(sum0) + float64(sum1)
		energy += float64(square0) + float64(square1) - sum*sum/float64(size*size)
		product += float64(product0) + float64(product1)
	}
	return correlation(product, energy, norm, x)
}

// show is the window of a view in a pose, plane by plane, and how many of its pixels lie outside of the image.
func (m *matcher) show(x view, p pose) (shown []float32, outside int) {
	n, size := x.n, x.window()
	sin, cos := math.Sincos(p.turn)
	// In pixels: one to the right in the window, and one down.
	rightX, rightY := float32(cos*p.scaleX), float32(sin*p.scaleX)
	downX, downY := float32(-sin*p.scaleY), float32(cos*p.scaleY)
	reach := (float32(size) - 1) / 2
	middleX, middleY := float32((0.5+p.x)*float64(n)-0.5), float32((0.5+p.y)*float64(n)-0.5)
	last := float32(n - 1)
	red, green, blue := x.plane(0), x.plane(1), x.plane(2)
	shown = m.shown[:channels*size*size]
	showR, showG, showB := shown[:size*size], shown[size*size:2*size*size], shown[2*size*size:]
	i := 0
	for row := range size {
		v := float32(row) - reach
		for col := range size {
			u := float32(col) - reach
			atX, atY := middleX+u*rightX+v*downX, middleY+u*rightY+v*downY
			if atX < -0.5 || atY < -0.5 || atX > last+0.5 || atY > last+0.5 {
				outside++
			}
			atX, atY = min(max(atX, 0), last), min(max(atY, 0), last)
			left, upper := min(int(atX), n-2), min(int(atY), n-2)
			fx, fy := atX-float32(left), atY-float32(upper)
			at := upper*n + left
			a, b, c, d := (1-fx)*(1-fy), fx*(1-fy), (1-fx)*fy, fx*fy
			showR[i] = a*red[at] + b*red[at+1] + c*red[at+n] + d*red[at+n+1]
			showG[i] = a*green[at] + b*green[at+1] + c*green[at+n] + d*green[at+n+1]
			showB[i] = a*blue[at] + b*blue[at+1] + c*blue[at+n] + d*blue[at+n+1]
			i++
		}
	}
	return shown, outside
}

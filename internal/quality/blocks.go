package quality

import "image"

const (
	blockSide = 8 // of the blocks that JPEG and most video are coded in
	// blockStep is the smallest step between blocks that counts, in levels: more than what a JPEG of quality 50 does to
	// smooth areas, whose steps are of 2 levels.
	blockStep = 5
	// blockPlaces is about how many places are looked at in each direction.
	blockPlaces = 1 << 10
)

// blockiness says how much more often luma steps at the borders of 8×8 blocks than in their middle, as the mean of
// across and down.
func blockiness(img *image.RGBA) uint8 {
	return uint8((rows(img).blockiness() + columns(img).blockiness()) / 2)
}

// blockiness looks along the lines. Its result is in 1/255 of the places at borders where luma changes at all: coarse
// compression leaves most of a smooth area flat. A sixteenth of all places is added to those, so that a few lines of a
// drawing that are on the grid don't count.
func (l lines) blockiness() int {
	// Each place takes two pixels before a border and six after it.
	borders := (l.length - 6) / blockSide
	if borders < 1 {
		return 0
	}
	// Large images are looked at in places that are evenly apart in both directions.
	step := (borders*l.count + blockPlaces - 1) / blockPlaces
	lineStep := min(step, blockSide)
	borderStep := (step + lineStep - 1) / lineStep
	var border, within places
	n := 0
	for k := 1; k <= borders; k += borderStep {
		for line := 0; line < l.count; line += lineStep {
			at := line*l.across + k*blockSide*l.along
			border.add(l, at)
			within.add(l, at+blockSide/2*l.along)
			n++
		}
	}
	return 255 * max(0, border.steps-within.steps) / (border.changes + n/16 + 1)
}

// Places are counted by what is seen at them.
type places struct {
	changes int // luma changes around the place
	steps   int // luma changes at the place, by more than just before and after it together
}

func (p *places) add(l lines, at int) {
	a, b, c, d := l.luma(at-2*l.along), l.luma(at-l.along), l.luma(at), l.luma(at+l.along)
	change, around := abs(c-b), abs(b-a)+abs(d-c)
	if change+around >= blockStep {
		p.changes++
	}
	if change >= blockStep && change > around {
		p.steps++
	}
}

func (l lines) luma(at int) int {
	p := l.pix[at : at+3 : at+3]
	return int(luma(uint32(p[0]), uint32(p[1]), uint32(p[2])))
}

func abs(x int) int { return max(x, -x) }

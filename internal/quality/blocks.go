package quality

import "image"

const (
	blockSide = 8 // of the blocks that JPEG and most video are coded in
	// blockStep is the smallest step between blocks that counts, in levels: more than what a JPEG of quality 50 does to
	// smooth areas, whose steps are of 2 levels.
	blockStep = 5
	// blockPlaces is about how many places are looked at in each direction.
	blockPlaces = 1 << 13
)

// blockiness says how much more often green steps at the borders of 8×8 blocks than in their middle: the smaller of the
// differences across and down, as what is drawn may be aligned in one.
func blockiness(img *image.RGBA) uint8 {
	return min(rows(img).blockiness(), columns(img).blockiness())
}

// blockiness looks along the lines.
func (l lines) blockiness() uint8 {
	// Each place takes two pixels before a border and six after it.
	borders := (l.length - 6) / blockSide
	if borders < 1 {
		return 0
	}
	// Large images are looked at in places that are evenly apart in both directions.
	step := (borders*l.count + blockPlaces - 1) / blockPlaces
	lineStep := min(step, blockSide)
	borderStep := (step + lineStep - 1) / lineStep
	atBorders, within, places := 0, 0, 0
	for k := 1; k <= borders; k += borderStep {
		for line := 0; line < l.count; line += lineStep {
			at := line*l.across + k*blockSide*l.along + 1
			atBorders += l.step(at)
			within += l.step(at + blockSide/2*l.along)
			places++
		}
	}
	return share(max(0, atBorders-within), places)
}

// step is 1 if green changes at a place, by more than just before and after it together.
func (l lines) step(at int) int {
	a, b := int(l.pix[at-2*l.along]), int(l.pix[at-l.along])
	c, d := int(l.pix[at]), int(l.pix[at+l.along])
	if change := abs(c - b); change >= blockStep && change > abs(b-a)+abs(d-c) {
		return 1
	}
	return 0
}

func abs(x int) int { return max(x, -x) }

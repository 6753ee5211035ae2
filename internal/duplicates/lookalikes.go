package duplicates

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// A Resemblance is what a second look at a pair of samples found.
type Resemblance struct {
	// Similarity is a correlation, at most 1, of what was looked at. It is taken after the change that makes the first
	// sample most like the second.
	Similarity float64
	// Change is the change that makes the first sample most like the second.
	Change Change
}

// A Change makes one image out of another: mirrored first, then turned about its middle, then zoomed, then moved.
type Change struct {
	Mirrored bool
	// Zoom is above 1 where the second image shows a part of the first, enlarged. Its width is zoomed by √Stretch more, and
	// its height by as much less.
	Zoom, Stretch float64
	// Turn is in degrees, clockwise.
	Turn float64
	// Right and Down are shares of the image's sides.
	Right, Down float64
	// Brightness is what was added, on a full scale of 1. Contrast is what the values were multiplied by.
	Brightness, Contrast float64
}

// Inverse returns the change that makes the first image out of the second. That a stretched image must be turned after it
// is stretched back is left out: of changes that are both stretched and turned it is only nearly the inverse.
func (c Change) Inverse() Change {
	stretch := math.Sqrt(c.Stretch)
	// b = zoom·turn(a) + move, so a = turn⁻¹((b − move)/zoom).
	x, y := -c.Right/(c.Zoom*stretch), -c.Down/(c.Zoom/stretch)
	sin, cos := math.Sincos(c.Turn * math.Pi / 180)
	x, y = cos*x+sin*y, cos*y-sin*x
	turn := -c.Turn
	if c.Mirrored { // mirroring swaps left and right
		x, turn = -x, -turn
	}
	return Change{
		Mirrored: c.Mirrored, Zoom: 1 / c.Zoom, Stretch: 1 / c.Stretch, Turn: turn, Right: x, Down: y,
		Brightness: -c.Brightness, Contrast: 1 / c.Contrast,
	}
}

// leastTurn is the turn in degrees from which on it is said.
const leastTurn = 1.5

// String says the change in words: "mirrored, zoomed in 13 %, 6 % left, darker".
func (c Change) String() string {
	var words []string
	say := func(is bool, format string, values ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, values...))
		}
	}
	percent := func(share float64) int { return int(math.Round(100 * math.Abs(share))) }
	say(c.Mirrored, "mirrored")
	const least = 0.015 // half a pixel of a sketch
	say(c.Turn > leastTurn, "turned %.0f° right", c.Turn)
	say(c.Turn < -leastTurn, "turned %.0f° left", -c.Turn)
	say(c.Zoom > 1+least, "zoomed in %d %%", percent(c.Zoom-1))
	say(c.Zoom < 1-least, "zoomed out %d %%", percent(1/c.Zoom-1))
	say(c.Stretch > 1+2*least, "%d %% wider", percent(c.Stretch-1))
	say(c.Stretch < 1-2*least, "%d %% higher", percent(1/c.Stretch-1))
	say(c.Right > least, "%d %% right", percent(c.Right))
	say(c.Right < -least, "%d %% left", percent(c.Right))
	say(c.Down > least, "%d %% down", percent(c.Down))
	say(c.Down < -least, "%d %% up", percent(c.Down))
	say(c.Brightness > 0.04, "brighter")
	say(c.Brightness < -0.04, "darker")
	say(c.Contrast > 1.15, "more contrast")
	say(c.Contrast < 1/1.15, "less contrast")
	if words == nil {
		return "unchanged"
	}
	return strings.Join(words, ", ")
}

// An Inspection says what the second look rests on.
type Inspection struct {
	// Pairs is the number of pairs that were looked at. Lookalikes is the number of those that show how similar mere
	// look-alikes are.
	Pairs, Lookalikes int
	// Similarity is what one in ten look-alikes exceeds, those that are assumed included.
	Similarity float64
}

const (
	// maxInspected bounds the pairs that are looked at. Those of the least chance come first.
	maxInspected = 1_000_000
	// enough is how many look-alikes it takes to know how similar they are.
	enough = 500
	// leastShare bounds what a similarity counts for, because its rarity among look-alikes is extrapolated.
	leastShare = 1e-6
)

// inspect looks at the pairs once more, and at others that these bring up. It combines their chance with the share of
// look-alikes that are as similar. Pairs that can't be looked at keep their chance. All pairs are returned.
func (r *Result) inspect(ctx context.Context, pairs []Link, near neighbors.Result, compared pairing, inner int, how *Local) ([]Link, error) {
	visible := r.Audited()
	if how.InspectsBaseline {
		visible = len(r.Samples)
	}
	hidden := slices.DeleteFunc(slices.Clone(pairs), func(l Link) bool { return l.B < visible })
	shown := slices.DeleteFunc(pairs, func(l Link) bool { return l.B >= visible })
	slices.SortFunc(shown, byChance)
	if len(shown) > maxInspected {
		hidden = append(hidden, shown[maxInspected:]...)
		shown = shown[:maxInspected]
	}
	limit := 0.0
	if len(shown) > 0 {
		limit = shown[len(shown)-1].Chance
	}
	p := &inspected{look: how.Inspect, visible: visible, known: map[[2]int]bool{}}
	if err := p.add(ctx, shown); err != nil {
		return nil, err
	}
	crowds, err := r.gather(ctx, p, near, compared, inner)
	if err != nil {
		return nil, err
	}
	if len(p.links) > len(shown) {
		limit = maxChance
	}
	// Nine of ten pairs that chance makes lie above a tenth of the limit. Nearly all pairs there are mere look-alikes.
	// Those of a crowd are not, and nor are all that have the chance maxChance.
	var similarities []float64
	for _, l := range p.links {
		if l.Chance > limit/10 && l.Chance < maxChance && crowdOf(crowds, l) == 0 {
			similarities = append(similarities, l.Seen.Similarity)
		}
	}
	among := newLookalikes(similarities)
	r.Judgment.Inspection = &Inspection{Pairs: len(p.links), Lookalikes: len(similarities), Similarity: math.Tanh(among.tail)}
	for i, l := range p.links {
		p.links[i].Chance = combined(l.Chance, among.share(l.Seen.Similarity), limit)
	}
	p.weigh(crowds, inner-1)
	return append(p.links, hidden...), nil
}

// combined is the number of chance neighbors whose product of chance and share is at most that of this pair. Among
// chance pairs, the chance is spread evenly up to the limit, and the share from 0 to 1. So the product is at most x for
// x·(1 + log(limit/x)) of them.
func combined(chance, share, limit float64) float64 {
	x := chance * share
	if x <= 0 {
		return 0
	}
	return x * (1 + math.Log(limit/x))
}

// lookalikes are the similarities of pairs that are not copies. Correlations are compared by their Fisher transform.
// The largest tenth of the transforms falls off exponentially.
type lookalikes struct {
	sorted []float64 // Fisher transforms
	tail   float64   // where the largest tenth begins
	excess float64   // the sum of what the largest tenth exceeds tail by
	beyond int       // how many are in the largest tenth
}

// Photos of one class of things have look-alikes such as these: one in ten has a transform above usualTail (a
// correlation of 0.66), and those exceed it by usualExcess in the mean. Measured on 3,400 photos of cars and trucks; in
// photos of all kinds of things look-alikes are less similar.
const (
	usualTail   = 0.8
	usualExcess = 0.15
)

// newLookalikes learns from the similarities. As far as there are not enough of them, usual ones are assumed.
func newLookalikes(similarities []float64) *lookalikes {
	l := &lookalikes{}
	for _, s := range similarities {
		l.sorted = append(l.sorted, fisher(s))
	}
	assumed := enough - len(similarities)
	for i := range assumed {
		l.sorted = append(l.sorted, usualTail-usualExcess*math.Log(10*(float64(i)+0.5)/float64(assumed)))
	}
	slices.Sort(l.sorted)
	l.beyond = len(l.sorted) / 10
	from := len(l.sorted) - l.beyond
	l.tail = l.sorted[from-1]
	for _, z := range l.sorted[from:] {
		l.excess += z - l.tail
	}
	return l
}

func fisher(correlation float64) float64 {
	return math.Atanh(min(max(correlation, -0.9999), 0.9999))
}

// share returns the share of look-alikes that are at least as similar, no less than leastShare. How fast the tail falls
// off is only an estimate, by the excess of those beyond it. With that taken into account it falls off as a power.
func (l *lookalikes) share(similarity float64) float64 {
	z := fisher(similarity)
	if z <= l.tail {
		below, _ := slices.BinarySearch(l.sorted, z)
		return float64(len(l.sorted)-below) / float64(len(l.sorted))
	}
	if l.excess == 0 {
		return leastShare
	}
	return max(leastShare, 0.1*math.Exp(-float64(l.beyond)*math.Log1p((z-l.tail)/l.excess)))
}

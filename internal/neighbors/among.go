package neighbors

import (
	"iter"
	"math"
)

// NearestOf finds the nearest of some rows to a row, other than itself, and how far it is: the first one among equals, and
// −1 and +Inf where there is none.
func NearestOf[T Float](x Matrix[T], row int, among iter.Seq[int]) (nearest int, least float64) {
	nearest, least = -1, math.Inf(1)
	own := x.row(row)
	for other := range among {
		if other == row {
			continue
		}
		if d := distance(own, x.row(other)); d < least {
			nearest, least = other, d
		}
	}
	return nearest, least
}

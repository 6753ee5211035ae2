package duplicates

import "slices"

// A pairing says which pairs of distinct vectors are compared. These are those of two audited ones, which come first, and
// those of an audited one and one of a baseline; or across, the latter alone.
type pairing struct {
	audited, all int
	across       bool
	// both are the audited vectors that samples of the baseline have, too.
	both map[int]bool
}

// pairing is of the distinct vectors, by their positions in copies.firsts.
func (r *Result) pairing(across bool) pairing {
	p := pairing{all: len(r.copies.firsts), across: across, both: map[int]bool{}}
	p.audited, _ = slices.BinarySearch(r.copies.firsts, r.Audited())
	if across {
		for g, rows := range r.copies.members {
			if g < p.audited && rows[len(rows)-1] >= r.Audited() {
				p.both[g] = true
			}
		}
	}
	return p
}

func (p pairing) compares(i, j int) bool {
	i, j = min(i, j), max(i, j)
	return i < p.audited && (!p.across || j >= p.audited || p.both[i] || p.both[j])
}

// sides is the number of vectors around which chance can bring a pair, each counted by the share of the others that it
// is compared with.
func (p pairing) sides() float64 {
	if p.all == 0 {
		return 0
	}
	audited, all := float64(p.audited), float64(p.all)
	if p.across {
		return 2 * audited * (all - audited + float64(len(p.both))) / all
	}
	return audited * (2 - audited/all)
}

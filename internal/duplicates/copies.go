package duplicates

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
)

// copies groups the rows that have one vector. A group is known by its first row.
type copies struct {
	// firsts holds the first row of each group, ascending.
	firsts []int
	// group holds for each row the position of its group in firsts.
	group []int
	// members holds the rows of each group with more than one, ascending, by the group's position in firsts.
	members map[int][]int
	// parted are the groups, two and two, by their positions in firsts, of one vector that reviewers judged apart.
	parted [][2]int
}

// rows returns the rows of group g.
func (c copies) rows(g int) []int {
	if rows, many := c.members[g]; many {
		return rows
	}
	return c.firsts[g : g+1]
}

// join calls join for each copy, with the first row of its group.
func (c copies) join(join func(first, row int)) {
	for _, rows := range c.members {
		for _, row := range rows[1:] {
			join(rows[0], row)
		}
	}
}

// findCopies groups the rows with equal vectors among n. −0 equals 0. Rows that a reviewer judged apart are never in
// one group, nor two of the rows from apartFrom on, as those of a baseline.
func findCopies(n, apartFrom int, row func(i int) []float32, apart apart) copies {
	found := copies{group: make([]int, n), members: map[int][]int{}}
	seed := maphash.MakeSeed() // decides only the order of look-ups
	// Groups of one hash form a chain: the newest by hash, each other behind its successor; −1 ends it.
	newest := make(map[uint64]int32, n)
	var before []int32
	var key []byte
	for i := range n {
		values := row(i)
		key = key[:0]
		for _, v := range values {
			key = binary.LittleEndian.AppendUint32(key, math.Float32bits(v+0))
		}
		hash := maphash.Bytes(seed, key)
		g, hit := newest[hash]
		if !hit {
			g = -1
		}
		chain, later := g, int32(-1)
		var judged []int32 // groups of the same vector
		for g >= 0 {
			if slices.Equal(row(found.firsts[g]), values) {
				if !apart.any(i, found.rows(int(g))) {
					break
				}
				judged = append(judged, g)
			}
			g, later = before[g], g
		}
		if g < 0 {
			g = int32(len(found.firsts))
			for _, other := range judged {
				found.parted = append(found.parted, [2]int{int(other), int(g)})
			}
			before = append(before, chain)
			found.firsts = append(found.firsts, i)
			found.group[i] = int(g)
			if i < apartFrom { // no other row of the baseline joins one of it
				newest[hash] = g
			}
			continue
		}
		found.add(int(g), i)
		if i >= apartFrom { // likewise
			if later < 0 {
				newest[hash] = before[g]
			} else {
				before[later] = before[g]
			}
		}
	}
	return found
}

// add makes row i a copy in group g.
func (c *copies) add(g, i int) {
	if c.members[g] == nil {
		c.members[g] = []int{c.firsts[g]}
	}
	c.members[g] = append(c.members[g], i)
	c.group[i] = g
}

// compact leaves the vector of each group alone, in the place of all rows' vectors.
func (c copies) compact(vectors []float64, components int) []float64 {
	for g, first := range c.firsts {
		copy(vectors[g*components:(g+1)*components], vectors[first*components:(first+1)*components])
	}
	return vectors[:len(c.firsts)*components]
}

// Pictures divides rows with one vector into those that show the same, each part by first row.
func (r *Result) Pictures(rows []int) [][]int {
	var parts [][]int
	at := map[Picture]int{} // by bytes alone, and by pixels alone
	for _, row := range rows {
		p := r.Samples[row].Picture
		byBytes, byPixels := Picture{Bytes: p.Bytes}, Picture{Pixels: p.Pixels}
		part, known := at[byBytes]
		if !known && p.Pixels != 0 {
			part, known = at[byPixels]
		}
		if p == (Picture{}) && len(parts) > 0 {
			part, known = 0, true
		}
		if !known {
			part = len(parts)
			parts = append(parts, nil)
		}
		parts[part] = append(parts[part], row)
		at[byBytes], at[byPixels] = part, part
	}
	return parts
}

// countCopies tells the copies from the rows that only have an earlier one's vector.
func (r *Result) countCopies() {
	for _, rows := range r.copies.members {
		pictures := len(r.Pictures(rows))
		r.ExactCopies += len(rows) - pictures
		r.EqualVectors += pictures - 1
	}
}

// Exact tells whether two rows show the same.
func (r *Result) Exact(a, b int) bool {
	return r.copies.group[a] == r.copies.group[b] && r.Samples[a].Picture.same(r.Samples[b].Picture)
}

package duplicates

import (
	"cmp"
	"context"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

const (
	// alike is the similarity from which on two samples may well be copies, so that more of their group is looked for.
	alike = 0.95
	// wholeStar is the share of a crowd that is alike to one sample of it. In a chain of look-alikes it is less.
	wholeStar = 0.8
)

// inspected are the pairs that were looked at.
type inspected struct {
	links []Link
	known map[[2]int]bool
	look  func(ctx context.Context, pairs []Link) ([]Resemblance, error)
	// visible is the number of rows that can be looked at.
	visible int
}

// add looks at pairs.
func (p *inspected) add(ctx context.Context, pairs []Link) error {
	if len(pairs) == 0 {
		return nil
	}
	slices.SortFunc(pairs, byRows)
	seen, err := p.look(ctx, pairs)
	if err != nil {
		return err
	}
	for i := range pairs {
		pairs[i].Seen = &seen[i]
		p.known[[2]int{pairs[i].A, pairs[i].B}] = true
	}
	p.links = append(p.links, pairs...)
	return nil
}

// ask proposes a pair that was not looked at, with the most chance that a candidate may have.
func (p *inspected) ask(pairs []Link, a, b int) []Link {
	a, b = min(a, b), max(a, b)
	if a == b || b >= p.visible || p.known[[2]int{a, b}] || len(p.links)+len(pairs) >= maxInspected {
		return pairs
	}
	p.known[[2]int{a, b}] = true
	return append(pairs, Link{A: a, B: b, Chance: maxChance, Weight: 1})
}

// gather looks for the rest of each group of copies. A group may have more samples than the surroundings set aside, so
// that its pairs are as near as chance would bring them, and even more than there are neighbors. So all neighbors of a
// sample that has one alike are looked at, beside it or, across, beside the one alike. Of a group of so many, the sample with most that are alike is compared with
// all others, which makes it the prototype of their cluster. Gather returns the crowds, the groups of more than inner
// samples that are alike to one of them, by row: their pairs don't tell how similar mere look-alikes are.
func (r *Result) gather(ctx context.Context, p *inspected, near neighbors.Result, compared pairing, inner int) (map[int]int, error) {
	meets := func(a, b int) bool { return a != b && compared.compares(r.copies.group[a], r.copies.group[b]) }
	searched := map[int]bool{}
	for from := 0; from < len(p.links); {
		var more []Link
		fresh := p.links[from:]
		from = len(p.links)
		for _, l := range fresh {
			for _, row := range []int{l.A, l.B} {
				i := r.copies.group[row]
				if l.Seen.Similarity < alike || searched[row] || (i+1)*near.K > len(near.Index) {
					continue
				}
				searched[row] = true
				for _, j := range near.Index[i*near.K : (i+1)*near.K] {
					neighbor := r.copies.firsts[j]
					if meets(row, neighbor) {
						more = p.ask(more, row, neighbor)
					} else if partner := l.A + l.B - row; meets(partner, neighbor) { // row and neighbor are of one side
						more = p.ask(more, partner, neighbor)
					}
				}
			}
		}
		if err := p.add(ctx, more); err != nil {
			return nil, err
		}
	}

	groups := p.groups(len(r.Samples), inner)
	var stars []Link
	for _, g := range groups {
		for _, row := range g.rows {
			if meets(g.hub, row) {
				stars = p.ask(stars, g.hub, row)
			}
		}
	}
	if err := p.add(ctx, stars); err != nil {
		return nil, err
	}
	degree := p.degrees()
	crowds := map[int]int{}
	for i, g := range groups {
		met := 0
		for _, row := range g.rows {
			if meets(g.hub, row) {
				met++
			}
		}
		if float64(degree[g.hub]) >= wholeStar*float64(met) {
			for _, row := range g.rows {
				crowds[row] = 1 + i
			}
		}
	}
	return crowds, nil
}

// degrees are the numbers of rows that each row is alike to, of those that have one.
func (p *inspected) degrees() map[int]int {
	degree := map[int]int{}
	for _, l := range p.links {
		if l.Seen.Similarity >= alike {
			degree[l.A]++
			degree[l.B]++
		}
	}
	return degree
}

// A group is a set of rows, ascending, that pairs that are alike join. Its hub is the row that has most of them, the
// first of several.
type group struct {
	rows []int
	hub  int
}

// groups are those of more than inner rows, by their first.
func (p *inspected) groups(rows, inner int) []group {
	sets, degree := newUnion(rows), p.degrees()
	for _, l := range p.links {
		if l.Seen.Similarity >= alike {
			sets.join(l.A, l.B)
		}
	}
	members := map[int][]int{}
	for row := range degree {
		members[sets.find(row)] = append(members[sets.find(row)], row)
	}
	var groups []group
	for _, rows := range members {
		if len(rows) > inner {
			slices.Sort(rows)
			hub := slices.MinFunc(rows, func(a, b int) int { return cmp.Compare(degree[b], degree[a]) })
			groups = append(groups, group{rows, hub})
		}
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Compare(a.rows[0], b.rows[0]) })
	return groups
}

// crowdOf is the crowd that both ends of a link are in, 0 for none.
func crowdOf(crowds map[int]int, l Link) int {
	if crowd := crowds[l.A]; crowd == crowds[l.B] {
		return crowd
	}
	return 0
}

// weigh lets the pairs of each crowd count as so many pairs in all, and divides their chance by as much: of the pairs of
// a crowd alone, as many are then taken as if nothing were weighed (Genovese, Roeder and Wasserman 2006,
// doi:10.1093/biomet/93.3.509).
func (p *inspected) weigh(crowds map[int]int, most int) {
	pairs := map[int]int{}
	for _, l := range p.links {
		pairs[crowdOf(crowds, l)]++
	}
	for i, l := range p.links {
		if crowd := crowdOf(crowds, l); crowd > 0 && pairs[crowd] > most {
			p.links[i].Weight = float64(most) / float64(pairs[crowd])
			p.links[i].Chance *= p.links[i].Weight
		}
	}
}

// Package labels finds the samples whose label is probably wrong, by the labels of their nearest neighbors.
//
// Of a class, the neighbors that bear its label are counted for each of its samples. A sample that is mislabeled sees as
// many of them as the samples of other classes do. So the class is a mixture of two known distributions, those counts
// among its own samples being the sum of what is genuine and of what looks like the others; the largest share of the
// others that fits into it is the share of wrong labels [Blanchard, Lee, Scott, Semi-supervised novelty detection, 2010],
// and the ratio of both at a count the probability that a label is wrong. Where classes overlap by nature, both
// distributions are alike, and nothing is said of them.
package labels

import (
	"cmp"
	"math"
	"slices"
)

// MostNeighbors of a sample are asked: fewer are noise, and more lie in other classes where a class is small.
const MostNeighbors = 20

const (
	// mostWrong bounds the share of a class that may be mislabeled.
	mostWrong = 0.5
	// leastApart is the probability by which a sample of the class must see more of its label than one of others. Below it,
	// the classes overlap.
	leastApart = 0.75
	// fewSamples of a class show no distribution.
	fewSamples = 20
	// mostSure bounds the probability of an estimate.
	mostSure = 0.99
	// leastOthers is the share of the others that a tail of counts must hold to say how many labels are wrong.
	leastOthers = 0.1
)

// Neighbors are the nearest distinct vectors of each vector, nearest first, K of each.
type Neighbors struct {
	K     int
	Index []int32
}

// Samples are what is known of the rows.
type Samples struct {
	// Label of each row, −1 for one without or with several. Labels are numbered from 0 to Classes.
	Label   []int32
	Classes int
	// Audited are the first rows, which are judged. The others are only asked.
	Audited int
	// Vector of each row, of so many Vectors.
	Vector  func(row int) int
	Vectors int
}

// A Suspect is a row whose label is more likely wrong than not.
type Suspect struct {
	Row int
	// Suggested is the label of most neighbors.
	Suggested int32
	// Like is the nearest row of that label.
	Like int
	// Probability that the label is wrong.
	Probability float64
	// Own is how many of the neighbors bear its label, of Asked that bear one.
	Own, Asked int
}

// A Class is what was seen of one label.
type Class struct {
	Samples int
	// Apart is the probability that a sample of it sees more of its label than one of another class.
	Apart float64
	// Wrong is the share of its labels that are wrong. 0 where it was not judged.
	Wrong float64
	// Judged says that it can be told from the others, Few that it has too few samples to say.
	Judged, Few bool
}

// A Result is what was found.
type Result struct {
	// Judged samples, and Neighbors that each was asked for.
	Judged, Neighbors int
	// Expected is how many labels are wrong by the estimate.
	Expected float64
	Suspects []Suspect // likeliest first
	Classes  []Class   // by label
}

// seen are the counts of one row.
type seen struct {
	own, asked int
	suggested  int32
	like       int
}

// Find judges the labels: none where no two samples have different ones, or there are no neighbors.
func Find(s Samples, near Neighbors) *Result {
	k := min(near.K, MostNeighbors)
	r := &Result{Neighbors: k, Classes: make([]Class, s.Classes)}
	for _, label := range s.Label[:s.Audited] {
		if label >= 0 {
			r.Classes[label].Samples++
		}
	}
	labeled := 0
	for _, c := range r.Classes {
		if c.Samples > 0 {
			labeled++
		}
	}
	if labeled < 2 || k == 0 {
		return r
	}

	counts, others := s.count(near, k)
	own := make([][]float64, s.Classes) // of each class, how many of its samples see so many of its label
	for c := range own {
		own[c] = make([]float64, k+1)
	}
	for row, label := range s.Label[:s.Audited] {
		if label >= 0 {
			own[label][bin(counts[row], k)]++
		}
	}
	probability := make([][]float64, s.Classes)
	for c := range r.Classes {
		class := &r.Classes[c]
		var wrong []float64
		class.Apart, class.Wrong, wrong = mixture(own[c], others[c])
		class.Few = class.Samples > 0 && class.Samples < fewSamples
		if class.Judged = class.Samples >= fewSamples && class.Apart >= leastApart; !class.Judged {
			class.Wrong = 0
			continue
		}
		probability[c] = wrong
		r.Judged += class.Samples
		r.Expected += class.Wrong * float64(class.Samples)
	}
	for row, label := range s.Label[:s.Audited] {
		if label < 0 || probability[label] == nil || counts[row].asked == 0 || counts[row].suggested == label {
			continue
		}
		if p := probability[label][bin(counts[row], k)]; p >= 0.5 {
			r.Suspects = append(r.Suspects, Suspect{row, counts[row].suggested, counts[row].like, p, counts[row].own, counts[row].asked})
		}
	}
	slices.SortFunc(r.Suspects, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Probability, a.Probability), cmp.Compare(a.Own*b.Asked, b.Own*a.Asked), cmp.Compare(a.Row, b.Row))
	})
	return r
}

// bin is the place of a row in a histogram of k+1 counts. Unlabeled neighbors count for nothing.
func bin(s seen, k int) int {
	if s.asked == 0 {
		return k
	}
	return (2*s.own*k + s.asked) / (2 * s.asked)
}

// count asks the neighbors of each audited row that has a label. Others are, for each label, how many samples of other
// classes see so many of it.
func (s Samples) count(near Neighbors, k int) (counts []seen, others [][]float64) {
	counts, others = make([]seen, s.Audited), make([][]float64, s.Classes)
	own := make([]float64, s.Classes)
	labeled := 0.0
	for c := range others {
		others[c] = make([]float64, k+1)
	}
	votes := make([]int, s.Classes)
	vote, like := s.votes()
	for row, label := range s.Label[:s.Audited] {
		if label < 0 {
			continue
		}
		labeled++
		own[label]++
		at, c := s.Vector(row)*near.K, &counts[row]
		for _, other := range near.Index[at : at+k] {
			if l := vote[other]; l >= 0 {
				votes[l]++
				c.asked++
			}
		}
		c.own, c.suggested = votes[label], label
		most := c.own
		for _, other := range near.Index[at : at+k] { // nearest first, so that the nearest wins a tie
			l := vote[other]
			if l < 0 || votes[l] == 0 {
				continue
			}
			if votes[l] > most {
				most, c.suggested, c.like = votes[l], l, int(like[other])
			}
			if l != label {
				others[l][bin(seen{own: votes[l], asked: c.asked}, k)]++
			}
			votes[l] = 0
		}
	}
	for label := range others { // who sees none of it
		others[label][0] += labeled - own[label] - sum(others[label])
	}
	return counts, others
}

// votes are the labels of the vectors: of several rows the one that most bear, and −1 where two are borne as often. Like
// are the first rows that bear them.
func (s Samples) votes() (vote, like []int32) {
	vote, like = slices.Repeat([]int32{-1}, s.Vectors), make([]int32, s.Vectors)
	var rows []int32 // labeled, those of one vector and one label side by side
	for row, label := range s.Label {
		if label >= 0 {
			rows = append(rows, int32(row))
		}
	}
	slices.SortFunc(rows, func(a, b int32) int {
		return cmp.Or(cmp.Compare(s.Vector(int(a)), s.Vector(int(b))), cmp.Compare(s.Label[a], s.Label[b]), cmp.Compare(a, b))
	})
	most := make([]int, s.Vectors)
	for len(rows) > 0 {
		vector, label := s.Vector(int(rows[0])), s.Label[rows[0]]
		n := slices.IndexFunc(rows, func(row int32) bool { return s.Vector(int(row)) != vector || s.Label[row] != label })
		if n < 0 {
			n = len(rows)
		}
		switch {
		case n > most[vector]:
			most[vector], vote[vector], like[vector] = n, label, rows[0]
		case n == most[vector]:
			vote[vector] = -1
		}
		rows = rows[n:]
	}
	return vote, like
}

// mixture holds the counts of a class against those of the others: how far they are apart, what share of the class may
// be of the others, and for each count the probability that one is.
func mixture(own, others []float64) (apart, share float64, wrong []float64) {
	n, m := sum(own), sum(others)
	wrong = make([]float64, len(own))
	if n == 0 || m == 0 {
		return 0, 0, wrong
	}
	below := 0.0
	for i := range own {
		apart += own[i] / n * (below + others[i]/m/2)
		below += others[i] / m
	}
	// Of no tail of the counts the others can hold more than the class has, but for chance.
	share = mostWrong
	tail, otherTail := 0.0, 0.0
	for i := range own {
		tail, otherTail = tail+own[i]/n, otherTail+others[i]/m
		if otherTail > leastOthers {
			share = min(share, (tail+math.Sqrt(tail/n))/otherTail)
		}
	}
	// The fewer of its label a sample sees, the likelier it is wrong: chance in single counts must not turn that around.
	// Counts are pooled until the ratio falls [Ayer et al., An empirical distribution function for sampling with incomplete
	// information, 1955].
	type pool struct {
		own, others float64
		counts      int
	}
	var pools []pool
	ratio := func(p pool) float64 {
		if p.own == 0 {
			return math.Inf(1)
		}
		return p.others / p.own
	}
	for i := range own {
		pools = append(pools, pool{own[i] / n, others[i] / m, 1})
		for last := len(pools) - 1; last > 0 && ratio(pools[last]) >= ratio(pools[last-1]); last-- {
			pools[last-1].own += pools[last].own
			pools[last-1].others += pools[last].others
			pools[last-1].counts += pools[last].counts
			pools = pools[:last]
		}
	}
	at := 0
	for _, p := range pools {
		for range p.counts {
			if p.own > 0 { // else there is no such sample
				wrong[at] = min(mostSure, share*p.others/p.own)
			}
			at++
		}
	}
	return apart, share, wrong
}

func sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}

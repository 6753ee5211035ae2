package main

import (
	"cmp"
	"slices"
)

// A score is how well pairs meet the truth.
type score struct {
	planted, found map[string]int // by kind of edit
	others         int            // pairs that were not planted, nor are copies that were there before
	ranked         float64        // the average precision of the ranking
	largest        int            // samples of the largest cluster
	pairs          int
}

func (s *score) add(t score) {
	for kind, n := range t.planted {
		s.planted[kind] += n
		s.found[kind] += t.found[kind]
	}
	s.others += t.others
	s.ranked += t.ranked
	s.largest = max(s.largest, t.largest)
	s.pairs += t.pairs
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

func (s *score) recall() float64 { return ratio(sum(s.found), sum(s.planted)) }

func (s *score) precision() float64 { return ratio(sum(s.found), sum(s.found)+s.others) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// evaluate holds the pairs that a method flags, and its ranking of all candidates, against what was planted. Pairs of
// which there were copies before count neither for nor against it.
func evaluate(planted []copied, flagged, ranking []pair, before func(a, b string) bool) score {
	s := score{planted: map[string]int{}, found: map[string]int{}, pairs: len(flagged)}
	kinds := map[[2]string]string{}
	for _, c := range planted {
		kinds[[2]string{min(c.Source, c.Copy), max(c.Source, c.Copy)}] = c.Kind
		s.planted[c.Kind]++
	}
	for _, p := range flagged {
		if kind, is := kinds[[2]string{p.a, p.b}]; is {
			s.found[kind]++
		} else if !before(p.a, p.b) {
			s.others++
		}
	}
	ranking = slices.SortedFunc(slices.Values(ranking), func(p, q pair) int {
		return cmp.Or(cmp.Compare(p.distance, q.distance), cmp.Compare(p.a, q.a), cmp.Compare(p.b, q.b))
	})
	hits, seen := 0, 0
	for _, p := range ranking {
		_, is := kinds[[2]string{p.a, p.b}]
		if !is && before(p.a, p.b) {
			continue
		}
		seen++
		if is {
			hits++
			s.ranked += float64(hits) / float64(seen) / float64(len(planted))
		}
	}
	return s
}

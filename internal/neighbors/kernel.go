package neighbors

import (
	"math"
)

// A kernel scores a block of queries against consecutive panels of a space and offers each score to the query's
// shortlist and, if the rows have lists too, to the row's: a score is the same seen from both sides.
type kernel struct {
	name  string
	group int // queries that share a tile; a block holds a multiple of it

	// scan scores the rows from first on, as many as bias has, a multiple of tileRows. The rows' lists, when not empty,
	// begin with the one of first.
	scan func(b *block, panels, bias []float32, first int, rows lists)
}

// A block is the queries that one goroutine searches at once.
type block struct {
	lists
	first   int // the row of the first query; used only if rows have lists
	columns int
	groups  int       // of queries
	queries []float32 // groups of columns×kernel.group
	bias    []float32 // of the queries
	partial []float32 // groups of kernel.group×tileRows, the kernel's scratch
}

func newBlock(k kernel, columns, queries, keep int) *block {
	groups := (queries + k.group - 1) / k.group
	queries = groups * k.group
	return &block{
		lists:   newLists(queries, keep),
		columns: columns,
		groups:  groups,
		queries: make([]float32, queries*columns),
		bias:    make([]float32, queries),
		partial: make([]float32, queries*tileRows),
	}
}

// load takes rows of the space as queries, with empty lists.
func (b *block) load(k kernel, sp *space, n int, row func(i int) int) {
	b.loadRows(k, n, func(i int, out []float32) float32 {
		r := row(i)
		panel := sp.panels[r/panelRows*panelRows*b.columns+r%panelRows:]
		for c := range b.columns {
			out[c*k.group] = panel[c*panelRows]
		}
		return sp.bias[r]
	})
}

// loadRows takes n queries, each from row, which writes every k.group-th of out and returns the bias. What remains of the
// last group is padded with queries that list nothing.
func (b *block) loadRows(k kernel, n int, row func(i int, out []float32) (bias float32)) {
	b.groups = (n + k.group - 1) / k.group
	clear(b.length)
	for i := range b.groups * k.group {
		if i >= n {
			b.bias[i] = float32(math.Inf(-1))
			continue
		}
		b.bias[i] = row(i, b.queries[i/k.group*b.columns*k.group+i%k.group:])
	}
}

// forget sets the thresholds of all lists to nothing.
func (b *block) forget() {
	for i := range b.threshold {
		b.threshold[i] = float32(math.Inf(-1))
	}
}

// lists are shortlists that grow to a capacity and are then cut to the keep highest scores, the lowest of which becomes
// the threshold that scores must exceed from then on. So every row that was offered and is not listed scored at most
// the threshold.
type lists struct {
	keep      int // ≥ 1
	capacity  int
	threshold []float32 // one for each list
	score     []float32 // capacity for each list
	index     []int32   // likewise
	length    []int32
}

func newLists(n, keep int) lists {
	capacity := listCapacity(keep)
	return lists{
		keep:      keep,
		capacity:  capacity,
		threshold: make([]float32, n),
		score:     make([]float32, n*capacity),
		index:     make([]int32, n*capacity),
		length:    make([]int32, n),
	}
}

// listCapacity is the room for a list that keeps that many: cutting it when it has doubled makes the cost of a cut
// constant for each entry. It is a multiple of all kernels' vectors.
func listCapacity(keep int) int { return (2*keep + 15) / 16 * 16 }

// slice returns the lists from low to high.
func (l *lists) slice(low, high int) lists {
	return lists{
		keep:      l.keep,
		capacity:  l.capacity,
		threshold: l.threshold[low:high],
		score:     l.score[low*l.capacity : high*l.capacity],
		index:     l.index[low*l.capacity : high*l.capacity],
		length:    l.length[low:high],
	}
}

// list returns the scores and rows of the i-th list.
func (l *lists) list(i int) ([]float32, []int32) {
	at := i * l.capacity
	n := at + int(l.length[i])
	return l.score[at:n], l.index[at:n]
}

// offer appends a row to the i-th list unless its score is not above the threshold, and cuts the list when it is full.
func (l *lists) offer(i int, score float32, row int32) {
	if !(score > l.threshold[i]) {
		return
	}
	at := i * l.capacity
	n := int(l.length[i])
	l.score[at+n], l.index[at+n] = score, row
	if n++; n == l.capacity {
		l.threshold[i] = keepHighest(l.score[at:at+n], l.index[at:at+n], l.keep)
		n = l.keep
	}
	l.length[i] = int32(n)
}

// keepHighest moves the keep highest scores to the front and returns the lowest of them (Hoare's quickselect, median of
// three).
func keepHighest(score []float32, index []int32, keep int) float32 {
	swap := func(i, j int) {
		score[i], score[j] = score[j], score[i]
		index[i], index[j] = index[j], index[i]
	}
	nth := keep - 1
	for low, high := 0, len(score)-1; low < high; {
		middle := low + (high-low)/2
		if score[middle] > score[low] {
			swap(middle, low)
		}
		if score[high] > score[low] {
			swap(high, low)
		}
		if score[high] > score[middle] {
			swap(high, middle)
		}
		pivot := score[middle]
		i, j := low, high
		for i <= j {
			for score[i] > pivot {
				i++
			}
			for score[j] < pivot {
				j--
			}
			if i <= j {
				swap(i, j)
				i++
				j--
			}
		}
		switch {
		case nth <= j:
			high = j
		case nth >= i:
			low = i
		default:
			return score[nth]
		}
	}
	return score[nth]
}

package pca

import (
	"fmt"
	"math/bits"
	"slices"
)

// blockRows is the number of rows whose moments are summed as one; block i is the rows [4096i, 4096(i+1)) of the
// matrix.
const blockRows = 4096

// Moments are the count, mean and centered second moments of rows of D numbers, in float64. They are kept as a forest:
// blocks of 4096 rows are the leaves of a fixed binary tree over the whole matrix, two neighbors are merged as soon as
// both are there, and so moments of parts of a matrix, merged in any order, are bit for bit the moments of the whole.
//
// The merge is that of Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances" (1979, doi:10.1007/978-3-642-51461-6_3).
type Moments struct {
	dimensions int
	// nodes by position: node (level, i) covers the blocks [i·2^level, (i+1)·2^level).
	nodes map[position]node
}

type position struct{ level, index int }

type node struct {
	rows int
	mean []float64
	// m2 is the upper triangle of Σ (x−mean)(x−mean)ᵀ, D×D row by row, padded to whole panels.
	m2 []float64
}

// NewMoments returns the moments of no rows of the given width.
func NewMoments(dimensions int) *Moments {
	return &Moments{dimensions: dimensions, nodes: map[position]node{}}
}

// AddBlock adds block i: len(rows)/D rows, 4096 unless it is the last of the matrix.
func (m *Moments) AddBlock(i int, rows []float32, threads int) error {
	n := len(rows) / m.dimensions
	if n == 0 || n > blockRows || n*m.dimensions != len(rows) {
		return fmt.Errorf("pca: block %d has %d numbers, %d a row", i, len(rows), m.dimensions)
	}
	m.insert(position{0, i}, blockMoments(rows, n, m.dimensions, threads))
	return nil
}

// insert adds a node and merges it with its sibling, and their parent with its own, as far up as both sides are there.
func (m *Moments) insert(at position, added node) {
	sibling, found := m.nodes[position{at.level, at.index ^ 1}]
	if !found {
		m.nodes[at] = added
		return
	}
	delete(m.nodes, position{at.level, at.index ^ 1})
	left, right := sibling, added
	if at.index&1 == 0 {
		left, right = added, sibling
	}
	m.insert(position{at.level + 1, at.index / 2}, merge(left, right))
}

// total merges what is left in the forest, from the rightmost (smallest) tree to the left.
func (m *Moments) total(rows int) (node, error) {
	blocks := (rows + blockRows - 1) / blockRows
	var sum node
	for start := blocks; start > 0; {
		level := bits.TrailingZeros(uint(start))
		start -= 1 << level
		tree, found := m.nodes[position{level, start >> level}]
		if !found {
			return node{}, fmt.Errorf("pca: the moments of rows %d and on are missing", start*blockRows)
		}
		sum = merge(tree.clone(), sum)
	}
	if sum.rows != rows {
		return node{}, fmt.Errorf("pca: moments of %d rows instead of %d", sum.rows, rows)
	}
	return sum, nil
}

func (n node) clone() node {
	return node{rows: n.rows, mean: n.mean, m2: slices.Clone(n.m2)}
}

// merge returns the moments of the rows of a and then b. It takes a's memory.
func merge(a, b node) node {
	if b.rows == 0 {
		return a
	}
	d := len(a.mean)
	stride := len(a.m2) / d
	n := float64(a.rows + b.rows)
	delta := make([]float64, d)
	mean := make([]float64, d)
	for i := range delta {
		delta[i] = b.mean[i] - a.mean[i]
		mean[i] = a.mean[i] + delta[i]*(float64(b.rows)/n)
	}
	weight := float64(a.rows) * float64(b.rows) / n
	for i := range d {
		row, other := a.m2[i*stride:(i+1)*stride], b.m2[i*stride:(i+1)*stride]
		scaled := delta[i] * weight
		for j := i; j < d; j++ {
			row[j] += other[j] + scaled*delta[j]
		}
	}
	return node{rows: a.rows + b.rows, mean: mean, m2: a.m2}
}

func blockMoments(rows []float32, n, d, threads int) node {
	mean := make([]float64, d)
	for r := range n {
		for c, x := range rows[r*d : (r+1)*d] {
			mean[c] += float64(x)
		}
	}
	for c := range mean {
		mean[c] /= float64(n)
	}
	centered := makePanels(n, d)
	count := centered.count()
	parallel(count, threads, func(p int) {
		panel := centered.panel(p)
		first, last := p*panelWidth, min((p+1)*panelWidth, d)
		for r := range n {
			for c := first; c < last; c++ {
				panel[r*panelWidth+c-first] = float64(rows[r*d+c]) - mean[c]
			}
		}
	})
	// A row of panels writes 8 rows of the result; the result is padded below to whole panels while it is written.
	stride := count * panelWidth
	m2 := make([]float64, stride*stride)
	parallel(count, threads, func(i int) {
		for j := i; j < count; j++ {
			product(centered.panel(i), centered.panel(j), n, m2[i*panelWidth*stride+j*panelWidth:], stride)
		}
	})
	return node{rows: n, mean: mean, m2: m2[:d*stride]}
}

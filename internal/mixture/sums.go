package mixture

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
)

// epsilon is added to the weight of a component by scikit-learn, which divides by it: ten times the spacing at 1.
const epsilon = 10 * 0x1p-52

// Sums are what a step of expectation and maximization takes from the rows: for each component the responsibilities,
// and weighted by them the differences of the rows from the component's mean and the products of these. Differences
// keep the digits that sums of squares would lose far from the origin.
//
// As the moments of package pca they are kept as a forest: blocks of 1024 rows are the leaves of a fixed binary tree
// over all rows, two neighbors are added as soon as both are there, and so the sums of parts, merged in any order, are
// bit for bit the sums of the whole. AddBlock may be called from several goroutines.
type Sums struct {
	model *Model
	// covariance is which products are summed.
	covariance Covariance
	// hard gives each row wholly to the nearest component.
	hard bool

	mutex sync.Mutex
	// nodes by position: node (level, i) covers the blocks [i·2^level, (i+1)·2^level).
	nodes map[position]node
}

type position struct{ level, index int }

// node is the sums of some rows.
type node struct {
	rows int
	// weights has K numbers, first K×D, second K×D or K×D×D (lower triangles), and logLikelihood one; all has these.
	weights, first, second, logLikelihood, all []float64
}

func newNode(k, d, size int) node {
	all := make([]float64, k*(1+d+size)+1)
	return node{all: all, weights: all[:k], first: all[k : k+k*d], second: all[k+k*d : k+k*d+k*size], logLikelihood: all[len(all)-1:]}
}

// NewSums returns the sums of no rows for a step from the model.
func (m *Model) NewSums() *Sums {
	return &Sums{model: m, covariance: m.Covariance, nodes: map[position]node{}}
}

// AddBlock adds block i of the rows, which are finite and as wide as the model: the rows [1024i, 1024(i+1)).
func (s *Sums) AddBlock(i int, x Matrix) {
	d, size := s.model.d, s.covariance.size(s.model.d)
	from, to := i*blockRows, min((i+1)*blockRows, x.Len())
	sum, scratch := newNode(s.model.K(), d, size), s.model.newScratch()
	sum.rows = to - from
	for r := from; r < to; r++ {
		if s.hard {
			scratch.nearest(x.row(r))
		} else {
			sum.logLikelihood[0] += scratch.responsibilities(x.row(r))
		}
		for k, share := range scratch.shares {
			if share == 0 {
				continue
			}
			difference := scratch.difference(k)
			sum.weights[k] += share
			addScaled(sum.first[k*d:(k+1)*d], difference, share)
			s.covariance.add(sum.second[k*size:(k+1)*size], difference, share)
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.insert(position{0, i}, sum)
}

// Merge adds the sums of other blocks of the same rows from the same model. It takes their memory.
func (s *Sums) Merge(other *Sums) {
	for at, sum := range other.nodes {
		s.insert(at, sum)
	}
}

// insert adds a node and adds it to its sibling, and their parent to its own, as far up as both sides are there.
func (s *Sums) insert(at position, sum node) {
	sibling, found := s.nodes[position{at.level, at.index ^ 1}]
	if !found {
		s.nodes[at] = sum
		return
	}
	delete(s.nodes, position{at.level, at.index ^ 1})
	s.insert(position{at.level + 1, at.index / 2}, add(sum, sibling))
}

// add adds b to a; which is which doesn't change a bit.
func add(a, b node) node {
	a.rows += b.rows
	for i, v := range b.all {
		a.all[i] += v
	}
	return a
}

// total adds what is left in the forest, from the rightmost (smallest) tree to the left, and empties it.
func (s *Sums) total(rows int) (node, error) {
	sum := newNode(s.model.K(), s.model.d, s.covariance.size(s.model.d))
	for start := (rows + blockRows - 1) / blockRows; start > 0; {
		level := bits.TrailingZeros(uint(start))
		start -= 1 << level
		tree, found := s.nodes[position{level, start >> level}]
		if !found {
			return node{}, fmt.Errorf("mixture: the sums of rows %d and on are missing", start*blockRows)
		}
		sum = add(tree, sum)
	}
	clear(s.nodes)
	if sum.rows != rows {
		return node{}, fmt.Errorf("mixture: sums of %d rows instead of %d", sum.rows, rows)
	}
	return sum, nil
}

// Step returns the model after the step, and the mean log density of the rows before it: the M step. Rows is how many
// there are in all. A component of too few rows is left out, but never the largest. The sums are spent.
func (s *Sums) Step(rows int, o Options) (m *Model, logLikelihood float64, err error) {
	sum, err := s.total(rows)
	if err != nil {
		return nil, 0, err
	}
	logLikelihood = sum.logLikelihood[0] / float64(rows)
	if math.IsNaN(logLikelihood) || math.IsInf(logLikelihood, 0) {
		return nil, 0, errors.New("mixture: the log likelihood is not finite: scale the rows, or use a larger regularization")
	}
	d, size, most := s.model.d, s.covariance.size(s.model.d), slices.Max(sum.weights)
	prior := float64(o.Shrinkage * float64(d+2))
	var weights, means, covariances []float64
	total := 0.0
	for k, weight := range sum.weights {
		if weight == 0 || weight < min(o.LeastRows, most) {
			continue
		}
		weight += epsilon
		total += weight
		shift := sum.shift(k, d, weight)
		for i, v := range s.model.mean(k) {
			means = append(means, v+shift[i])
		}
		weights = append(weights, weight)
		covariances = append(covariances, s.covariance.estimate(sum.second[k*size:(k+1)*size], shift, weight, o.Regularization, prior)...)
	}
	for k := range weights {
		weights[k] /= total
	}
	m, err = New(s.covariance, weights, means, covariances)
	return m, logLikelihood, err
}

// shift returns how far the mean of a component moves.
func (n node) shift(k, d int, weight float64) []float64 {
	shift := make([]float64, d)
	for i, v := range n.first[k*d : (k+1)*d] {
		shift[i] = v / weight
	}
	return shift
}

// addAll adds all blocks of the rows.
func (s *Sums) addAll(ctx context.Context, x Matrix, threads int) error {
	return blocks(ctx, x.Len(), threads, func(block, _, _ int) { s.AddBlock(block, x) })
}

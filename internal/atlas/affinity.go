package atlas

import (
	"context"
	"math"
	"slices"
)

// affinities are a sparse symmetric N×N matrix of how strongly rows attract each other. Its values sum to the number of
// rows that have neighbors.
type affinities struct {
	starts []int  // N+1: row i has edges[starts[i]:starts[i+1]]
	edges  []edge // of a row by to
}

type edge struct {
	to     int32
	weight float32
}

func (a *affinities) row(i int) []edge { return a.edges[a.starts[i]:a.starts[i+1]] }

// affinitiesOf averages what a row thinks of its neighbors with what they think of it, (pⱼ|ᵢ + pᵢ|ⱼ)/2, as t-SNE does
// (van der Maaten, Hinton, Visualizing data using t-SNE, 2008).
func affinitiesOf(ctx context.Context, g Graph, threads int) affinities {
	p := make([]float32, g.N*g.K)
	parallel(ctx, threads, g.N, 256, func(_, low, high int) {
		for i := low; i < high; i++ {
			g.conditional(i, p[i*g.K:(i+1)*g.K])
		}
	})
	a := g.gather(p)
	counts := make([]int, g.N)
	parallel(ctx, threads, g.N, 256, func(_, low, high int) {
		for i := low; i < high; i++ {
			counts[i] = merge(a.row(i))
		}
	})
	a.compact(counts)
	return a
}

// gather lists the edges of each row, those that others have to it included. Two rows that are neighbors of each other
// have two edges.
func (g Graph) gather(p []float32) affinities {
	starts := make([]int, g.N+1)
	for at, w := range p {
		if w > 0 {
			starts[at/g.K+1]++
			starts[g.Index[at]+1]++
		}
	}
	for i := range g.N {
		starts[i+1] += starts[i]
	}
	edges := make([]edge, starts[g.N])
	next := slices.Clone(starts)
	for at, w := range p {
		if w > 0 {
			i, j := int32(at/g.K), g.Index[at]
			edges[next[i]], edges[next[j]] = edge{j, w / 2}, edge{i, w / 2}
			next[i]++
			next[j]++
		}
	}
	return affinities{starts, edges}
}

// merge sorts a row's edges, adds up those to the same row, and returns how many are left.
func merge(row []edge) int {
	slices.SortFunc(row, func(a, b edge) int { return int(a.to) - int(b.to) })
	n := 0
	for _, e := range row {
		if n > 0 && row[n-1].to == e.to {
			row[n-1].weight += e.weight
		} else {
			row[n] = e
			n++
		}
	}
	return n
}

// compact keeps the first counts[i] edges of each row.
func (a *affinities) compact(counts []int) {
	end := 0
	for i, n := range counts {
		row := a.row(i)[:n]
		a.starts[i] = end
		end += copy(a.edges[end:], row)
	}
	a.starts[len(counts)] = end
	a.edges = a.edges[:end]
}

const (
	// share of a row's neighbors that is the perplexity of their affinities. Nearly equal weights keep more of the
	// neighborhoods than the usual third of K does (Böhm, Berens, Kobak, Attraction-repulsion spectrum, 2022, use equal
	// ones); that they aren't quite equal keeps the nearest neighbors nearest.
	perplexity = 0.9

	// sharpest bounds how much less than its nearest neighbor a row's farthest one can count, by a factor e^sharpest:
	// so a row with many copies keeps its tie to the others.
	sharpest = 12
)

// conditional fills p with the affinities pⱼ|ᵢ of row i to its neighbors: exp(−β·d²), with the β that gives them the
// perplexity wanted, so that they sum to 1. What isn't a neighbor gets 0.
func (g Graph) conditional(i int, p []float32) {
	squares := make([]float64, 0, 64)
	var farthest float64
	for k := range p {
		if g.real(i, k) {
			farthest = max(farthest, g.Distance[i*g.K+k])
		}
	}
	for k := range p {
		if g.real(i, k) {
			d := g.Distance[i*g.K+k] / max(farthest, math.SmallestNonzeroFloat64)
			squares = append(squares, d*d)
		}
	}
	if len(squares) == 0 {
		return
	}
	beta := calibrate(squares, perplexity*float64(len(squares)))
	sum, _ := weigh(squares, beta)
	for k := range p {
		if g.real(i, k) {
			p[k] = float32(math.Exp(-beta*squares[0]) / sum)
			squares = squares[1:]
		}
	}
}

// real says whether place k of row i names a neighbor.
func (g Graph) real(i, k int) bool {
	j, d := g.Index[i*g.K+k], g.Distance[i*g.K+k]
	return j >= 0 && int(j) != i && !math.IsInf(d, 1)
}

// calibrate finds β by bisection: the perplexity falls from all neighbors at 0 to the nearest one.
func calibrate(squares []float64, perplexity float64) float64 {
	low, high := 0.0, float64(sharpest)
	for range 30 {
		beta := (low + high) / 2
		if _, entropy := weigh(squares, beta); entropy > math.Log(perplexity) {
			low = beta
		} else {
			high = beta
		}
	}
	return high
}

// weigh returns the sum of exp(−β·d²), and the entropy in nats of the distribution that they make.
func weigh(squares []float64, beta float64) (sum, entropy float64) {
	var moment float64
	for _, s := range squares {
		w := math.Exp(-beta * s)
		sum += w
		moment += w * s
	}
	return sum, math.Log(sum) + beta*moment/sum
}

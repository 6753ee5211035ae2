package atlas

import (
	"context"
	"math"
	"slices"
)

// affinities are the symmetric attractions between rows as a sparse matrix: row i is drawn to to[starts[i]:starts[i+1]]
// with the weights beside them. They sum to N.
type affinities struct {
	starts []int // N+1
	to     []int32
	weight []float32
}

// symmetrize averages what each row thinks of its neighbors with what they think of it: (pⱼ|ᵢ + pᵢ|ⱼ)/2.
func symmetrize(ctx context.Context, g Graph, threads int) affinities {
	directed := make([]float32, len(g.Index))
	parallel(ctx, threads, g.N, 256, func(_, low, high int) {
		for i := low; i < high; i++ {
			g.conditional(i, directed[i*g.K:(i+1)*g.K])
		}
	})
	ends := make([]int, g.N+1)
	for at, p := range directed {
		if p > 0 {
			ends[at/g.K+1]++
			ends[g.Index[at]+1]++
		}
	}
	for i := range g.N {
		ends[i+1] += ends[i]
	}
	edges := make([]edge, ends[g.N])
	next := slices.Clone(ends[:g.N])
	add := func(from, to int32, w float32) {
		edges[next[from]] = edge{to, w}
		next[from]++
	}
	for at, p := range directed {
		if p > 0 {
			i, j := int32(at/g.K), g.Index[at]
			add(i, j, p/2)
			add(j, i, p/2)
		}
	}
	a := affinities{starts: make([]int, g.N+1), to: make([]int32, 0, len(edges)), weight: make([]float32, 0, len(edges))}
	for i := range g.N {
		row := edges[ends[i]:ends[i+1]]
		slices.SortFunc(row, func(a, b edge) int { return int(a.to) - int(b.to) })
		for k, e := range row {
			if k > 0 && row[k-1].to == e.to {
				a.weight[len(a.weight)-1] += e.weight
			} else {
				a.to, a.weight = append(a.to, e.to), append(a.weight, e.weight)
			}
		}
		a.starts[i+1] = len(a.to)
	}
	return a
}

type edge struct {
	to     int32
	weight float32
}

var uniform = false
var perplexityShare = 0.67

// conditional fills p with the affinities of row i to its neighbors.
func (g Graph) conditional(i int, p []float32) {
	d := g.Distance[i*g.K : (i+1)*g.K]
	var farthest float64
	count := 0
	near := math.Inf(1)
	for k, j := range g.Index[i*g.K : (i+1)*g.K] {
		if j >= 0 && int(j) != i && !math.IsInf(d[k], 1) {
			p[k] = 1
			count++
			farthest = max(farthest, d[k])
			near = min(near, d[k])
		}
	}
	if count == 0 {
		return
	}
	if farthest == 0 || uniform {
		for k := range p {
			p[k] /= float32(count)
		}
		return
	}
	t := math.Log(perplexityShare * float64(count))
	lo, hi := 0.0, math.Inf(1)
	beta := 1.0
	for range 50 {
		var s, e float64
		for k, q := range p {
			if q > 0 {
				x := d[k]/farthest*d[k]/farthest - near/farthest*near/farthest
				w := math.Exp(-beta * x)
				s += w
				e += w * beta * x
			}
		}
		h := math.Log(s) + e/s
		if math.Abs(h-t) < 1e-4 {
			break
		}
		if h > t {
			lo = beta
			if math.IsInf(hi, 1) {
				beta *= 2
			} else {
				beta = (lo + hi) / 2
			}
		} else {
			hi = beta
			beta = (lo + hi) / 2
		}
		if beta > 1e3 {
			break
		}
	}
	var s float64
	for k, q := range p {
		if q > 0 {
			x := d[k]/farthest*d[k]/farthest - near/farthest*near/farthest
			s += math.Exp(-beta * x)
		}
	}
	for k, q := range p {
		if q > 0 {
			x := d[k]/farthest*d[k]/farthest - near/farthest*near/farthest
			p[k] = float32(max(math.Exp(-beta*x)/s, 1e-6))
		}
	}
}

// Package atlas lays out the rows of a dataset in the plane so that near neighbors stay near: a map to look at.
//
// # What is computed
//
// It is t-SNE (van der Maaten, Hinton, Visualizing data using t-SNE, 2008) on a graph of nearest neighbors that is
// already there: neighbors attract each other, all rows repel each other by a Student kernel, and gradient descent from
// the first two principal components finds the balance (Kobak, Berens, The art of using t-SNE, 2019). Repulsion costs
// O(N) by interpolation on a grid, as in FIt-SNE.
//
// # What is guaranteed
//
// All rows move at once, by forces at the positions that they had, and sums have a fixed order: a map is the same, bit
// for bit, for any number of threads. Processors of another architecture may round otherwise.
//
// # How to read it
//
// Neighborhoods mean something. The distance between clusters and the size of a cluster mean little.
package atlas

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
)

// Graph holds the K nearest neighbors of N rows: those of row i are Index[i*K:(i+1)*K]. A place is ignored that holds
// −1 or the row itself, or has the distance +Inf. Distances can be of any scale, 0 included.
type Graph struct {
	N, K     int
	Index    []int32   // N×K
	Distance []float64 // N×K
}

// Options of a [Layout].
type Options struct {
	// Threads is the number of goroutines; 0 means GOMAXPROCS.
	Threads int

	// Epochs is how often all rows move; 0 means 400.
	Epochs int

	// Seed decides the start where none is given, and what separates rows that start at the same point.
	Seed uint64

	// Progress, if set, is told after each epoch how many of all are done. Calls are never concurrent.
	Progress func(done, total int)
}

const (
	defaultEpochs = 400

	// For a first part of the epochs attraction is exaggerated, so that clusters find together while little is in their
	// way. The 12 of van der Maaten and Hinton draws clusters together to points, from which what is within them has to
	// be found again.
	exaggeration      = 4
	exaggeratedEpochs = 0.1

	// The share of the way to the (weighted) mean of its neighbors that a row goes in an epoch, and the share of its
	// last step that it goes again. Attraction, whose Laplacian has no eigenvalue above 2, is stable for
	// 2·rate < 2·(1 + momentum).
	rate     = 1.5
	momentum = 0.9

	// longestStep of a row in an epoch, in units of the map.
	longestStep = 5

	// spread is the standard deviation of the start along its wider axis: so little that all rows feel each other, and
	// wide enough for the field's float32. A map narrower than collapsed is no longer exaggerated: where every row is
	// a few steps from any other, attraction would draw all of them to one point.
	spread    = 0.1
	collapsed = 0.5
)

// Layout returns a position for each of the N rows (N×2, row-major), all finite, with mean 0. Its unit is the width of
// the Student kernel, and a map some 50 to 150 units wide for 1,000 to 100,000 rows.
//
// start (N×2) is where the rows are to begin, the first two principal components as a rule; its scale doesn't matter.
// Without it (nil) they begin at random, and the arrangement of the clusters is arbitrary.
//
// Beside graph and start it holds 36 bytes for each row, 8 for each edge (at most 2·K a row; another 4·K bytes a row
// while they are listed), and a grid of at most 60 bytes a row, or 1 MB. Errors are arguments that make no sense, or
// the context's, which is honored within an epoch.
func Layout(ctx context.Context, g Graph, start []float32, o Options) ([]float32, error) {
	if err := validate(g, start, &o); err != nil {
		return nil, err
	}
	if g.N == 0 {
		return nil, ctx.Err()
	}
	l := layout{
		threads:   o.Threads,
		affinity:  affinitiesOf(ctx, g, o.Threads),
		repulsion: newField(g.N, o.Threads),
		positions: begin(g.N, start, o.Seed),
		next:      make([]float32, 2*g.N),
		steps:     make([]float32, 2*g.N),
	}
	for epoch := range o.Epochs {
		l.epoch(ctx, float64(epoch) < exaggeratedEpochs*float64(o.Epochs))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(epoch+1, o.Epochs)
		}
	}
	center(l.positions)
	return l.positions, nil
}

// validate checks the arguments and fills in what they leave open.
func validate(g Graph, start []float32, o *Options) error {
	switch {
	case g.N < 0 || g.N > math.MaxInt32 || g.K < 0:
		return fmt.Errorf("atlas: a graph of %d rows with %d neighbors", g.N, g.K)
	case len(g.Index) != g.N*g.K || len(g.Distance) != g.N*g.K:
		return fmt.Errorf("atlas: %d neighbors and %d distances for %d×%d", len(g.Index), len(g.Distance), g.N, g.K)
	case start != nil && len(start) != 2*g.N:
		return fmt.Errorf("atlas: a start of %d values for %d rows, there must be two for each", len(start), g.N)
	case o.Threads < 0 || o.Epochs < 0:
		return fmt.Errorf("atlas: %d threads and %d epochs, they must not be negative", o.Threads, o.Epochs)
	}
	for at, j := range g.Index {
		if j < -1 || int(j) >= g.N {
			return fmt.Errorf("atlas: row %d has the neighbor %d of %d rows", at/g.K, j, g.N)
		}
		if d := g.Distance[at]; j >= 0 && !(d >= 0) {
			return fmt.Errorf("atlas: row %d has a neighbor at distance %v", at/g.K, d)
		}
	}
	for at, v := range start {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("atlas: row %d starts at %v, positions must be finite", at/2, v)
		}
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Epochs == 0 {
		o.Epochs = defaultEpochs
	}
	return nil
}

// begin returns the start, centered and scaled to spread along its wider axis, or a normal distribution. Noise of a
// hundredth separates rows that start at the same point.
func begin(n int, start []float32, seed uint64) []float32 {
	mean := meanOf(start)
	var squares [2]float64
	for i, v := range start {
		squares[i%2] += (float64(v) - mean[i%2]) * (float64(v) - mean[i%2])
	}
	deviation := math.Sqrt(max(squares[0], squares[1]) / float64(n))
	noise := spread
	if deviation > 0 {
		noise = spread / 100
	}
	random := rand.New(rand.NewPCG(seed, 0))
	positions := make([]float32, 2*n)
	for i := range positions {
		v := noise * random.NormFloat64()
		if deviation > 0 {
			v += spread * ((float64(start[i]) - mean[i%2]) / deviation)
		}
		positions[i] = float32(v)
	}
	return positions
}

// center moves the mean to 0.
func center(positions []float32) {
	mean := meanOf(positions)
	for i, v := range positions {
		positions[i] = float32(float64(v) - mean[i%2])
	}
}

func meanOf(positions []float32) (mean [2]float64) {
	for i, v := range positions {
		mean[i%2] += float64(v)
	}
	n := float64(len(positions) / 2)
	return [2]float64{mean[0] / n, mean[1] / n}
}

// layout is gradient descent with momentum under way.
type layout struct {
	threads   int
	affinity  affinities
	repulsion *field

	positions, next []float32 // N×2
	steps           []float32 // N×2, the last ones
}

// epoch moves all rows by the gradient of t-SNE's loss. The learning rate is in proportion to N and to the inverse of
// the exaggeration (Belkina and others, Automated optimized parameters for t-SNE, 2019), which leaves attraction as it
// is and divides the repulsion.
func (l *layout) epoch(ctx context.Context, exaggerated bool) {
	n := len(l.positions) / 2
	repulsion := float32(float64(n) / l.repulsion.compute(ctx, l.positions))
	if exaggerated && l.repulsion.extent > collapsed {
		repulsion /= exaggeration
	}
	parallel(ctx, l.threads, n, 256, func(_, low, high int) {
		for i := low; i < high; i++ {
			l.move(i, repulsion)
		}
	})
	l.positions, l.next = l.next, l.positions
}

// move takes row i to its next position. A hub's step is divided by the sum of its affinities: else it would overshoot.
func (l *layout) move(i int, repulsion float32) {
	x, y := l.positions[2*i], l.positions[2*i+1]
	fx, fy := l.repulsion.at(x, y)
	fx, fy = fx*repulsion, fy*repulsion
	var sum float32
	for _, e := range l.affinity.row(i) {
		dx, dy := l.positions[2*e.to]-x, l.positions[2*e.to+1]-y
		q := e.weight / (1 + dx*dx + dy*dy)
		fx, fy = fx+q*dx, fy+q*dy
		sum += e.weight
	}
	eta := rate / max(sum, 1)
	dx, dy := momentum*l.steps[2*i]+eta*fx, momentum*l.steps[2*i+1]+eta*fy
	if square := dx*dx + dy*dy; square > longestStep*longestStep {
		shorter := longestStep / float32(math.Sqrt(float64(square)))
		dx, dy = dx*shorter, dy*shorter
	}
	l.steps[2*i], l.steps[2*i+1] = dx, dy
	l.next[2*i], l.next[2*i+1] = x+dx, y+dy
}

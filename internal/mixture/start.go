package mixture

import (
	"context"
	"math"
	"math/rand/v2"
)

const (
	// lloydRounds is how often the centers of the start move: enough to settle them roughly, the rest is EM's.
	lloydRounds = 10
	// candidates is how many rows are tried for each center of the start.
	candidates = 4
)

// start returns the model that EM begins from: that of k-means clusters, found by k-means++ and Lloyd's rounds.
func start(ctx context.Context, x Matrix, o Options) (*Model, error) {
	centers, err := seeds(ctx, x, o)
	if err != nil {
		return nil, err
	}
	for range lloydRounds {
		sums, err := clusters(ctx, x, centers, Diagonal, o.Threads)
		if err != nil {
			return nil, err
		}
		moved, _, err := sums.Step(x.Len(), Options{Regularization: 1, LeastRows: o.LeastRows})
		if err != nil {
			return nil, err
		}
		centers = moved.Means
	}
	sums, err := clusters(ctx, x, centers, o.Covariance, o.Threads)
	if err != nil {
		return nil, err
	}
	m, _, err := sums.Step(x.Len(), o)
	return m, err
}

// clusters returns the sums of the rows nearest to each of the centers, with products for covariances of that kind.
func clusters(ctx context.Context, x Matrix, centers []float64, c Covariance, threads int) (*Sums, error) {
	k := max(len(centers)/max(x.D, 1), 1)
	weights, ones := make([]float64, k), make([]float64, len(centers))
	for i := range weights {
		weights[i] = 1 / float64(k)
	}
	for i := range ones {
		ones[i] = 1
	}
	m, err := New(Diagonal, weights, centers, ones)
	if err != nil {
		return nil, err
	}
	sums := m.NewSums()
	sums.hard, sums.covariance = true, c
	err = sums.addAll(ctx, x, threads)
	return sums, err
}

// seeds returns the first centers, K×D, fewer where the rows have fewer distinct values: rows drawn by the square of
// their distance from the centers before them. It is the greedy k-means++ of Arthur and Vassilvitskii, "k-means++: The
// Advantages of Careful Seeding" (2007), which draws several rows and takes the one that leaves the least squares.
func seeds(ctx context.Context, x Matrix, o Options) ([]float64, error) {
	random := rand.New(rand.NewPCG(o.Seed, 0))
	squares := make([]float64, x.Len()) // of each row's distance from the nearest center
	for i := range squares {
		squares[i] = math.Inf(1)
	}
	row := random.IntN(x.Len())
	squares, err := closer(ctx, x, row, squares, o.Threads)
	if err != nil {
		return nil, err
	}
	centers := append([]float64{}, x.row(row)...)
	for range o.Components - 1 {
		total := sum(squares)
		if total == 0 {
			break
		}
		best, least, left := 0, math.Inf(1), squares
		for range candidates {
			row := draw(squares, random.Float64()*total)
			after, err := closer(ctx, x, row, squares, o.Threads)
			if err != nil {
				return nil, err
			}
			if total := sum(after); total < least {
				best, least, left = row, total, after
			}
		}
		squares = left
		centers = append(centers, x.row(best)...)
	}
	return centers, nil
}

// closer returns the squared distances of the rows from the nearest center when a row becomes one.
func closer(ctx context.Context, x Matrix, center int, squares []float64, threads int) ([]float64, error) {
	after := make([]float64, len(squares))
	return after, blocks(ctx, x.Len(), threads, func(_, from, to int) {
		c := x.row(center)
		for i := from; i < to; i++ {
			after[i] = min(squares[i], squaredDistance(x.row(i), c))
		}
	})
}

func squaredDistance(x, y []float64) float64 {
	y = y[:len(x)]
	sum := 0.0
	for i, v := range x {
		d := v - y[i]
		sum += float64(d * d)
	}
	return sum
}

// draw returns the first index up to which the values sum to more than target, which is below their total.
func draw(values []float64, target float64) int {
	last, sum := 0, 0.0
	for i, v := range values {
		if v == 0 {
			continue
		}
		last = i
		if sum += v; sum > target {
			break
		}
	}
	return last
}

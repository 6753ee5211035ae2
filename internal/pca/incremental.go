package pca

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Incremental fits components batch by batch as scikit-learn's IncrementalPCA.partial_fit does (Ross, Lim, Lin and
// Yang, "Incremental Learning for Robust Visual Tracking", 2008, doi:10.1007/s11263-007-0075-7): only the components
// kept so far are carried from batch to batch, so the result depends on the batches' size and order. Batches of fewer
// rows than components are left out of the fit, as DNIKit does.
func Incremental(ctx context.Context, rows Rows, components, batch int, progress func(rows int)) (*Model, error) {
	n, d := rows.Len(), rows.Dimensions()
	if err := Check(n, d, components, false); err != nil {
		return nil, err
	}
	if batch < components {
		return nil, &SizeError{fmt.Sprintf("reduction.pca.batchSize: batches of %d rows can't give %d components", batch, components)}
	}
	state := incremental{components: components, mean: make([]float64, d), scatter: make([]float64, d)}
	buffer := make([]float32, min(n, batch)*d)
	for from := 0; from < n; from += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		block := buffer[:min(batch, n-from)*d]
		rows.Read(from, block)
		if len(block)/d >= components {
			if err := interruptible(ctx, func() error { return state.add(block, d) }); err != nil {
				return nil, err
			}
		}
		if progress != nil {
			progress(len(block) / d)
		}
	}
	return state.model(), nil
}

// model is the fit so far.
func (s *incremental) model() *Model {
	variances, total := make([]float64, s.components), 0.0
	divisor := float64(max(s.rows-1, 1))
	for k, singular := range s.singular {
		variances[k] = singular * singular / divisor
	}
	for _, x := range s.scatter {
		total += x / divisor
	}
	return newModel(s.rows, s.mean, s.basis, variances, total)
}

type incremental struct {
	components int
	rows       int
	mean       []float64
	scatter    []float64 // Σ (x−mean)² by column
	basis      []float64 // components×D
	singular   []float64
}

// add takes a batch into the fit: the singular value decomposition of the components so far, each times its singular
// value, over the centered batch, over one row for the shift of the mean.
func (s *incremental) add(block []float32, d int) error {
	n := len(block) / d
	mean := make([]float64, d)
	for r := range n {
		for c, x := range block[r*d : (r+1)*d] {
			mean[c] += float64(x)
		}
	}
	for c := range mean {
		mean[c] /= float64(n)
	}
	seen, all := float64(s.rows), float64(s.rows+n)
	stacked := mat.NewDense(s.height(n), d, nil)
	top := 0
	if s.rows > 0 {
		for ; top < s.components; top++ {
			row := stacked.RawRowView(top)
			for c := range row {
				row[c] = s.singular[top] * s.basis[top*d+c]
			}
		}
	}
	for r := range n {
		row := stacked.RawRowView(top + r)
		for c, x := range block[r*d : (r+1)*d] {
			row[c] = float64(x) - mean[c]
			s.scatter[c] += row[c] * row[c]
		}
	}
	if s.rows > 0 {
		shift := stacked.RawRowView(top + n)
		weight := math.Sqrt(seen / all * float64(n))
		for c := range shift {
			shift[c] = weight * (s.mean[c] - mean[c])
			s.scatter[c] += shift[c] * shift[c]
		}
	}
	var svd mat.SVD
	if !svd.Factorize(stacked, mat.SVDThinV) {
		return errors.New("pca: the singular values of a batch did not converge")
	}
	var v mat.Dense
	svd.VTo(&v)
	s.singular = svd.Values(nil)[:s.components]
	s.basis = make([]float64, s.components*d)
	for k := range s.components {
		for c := range d {
			s.basis[k*d+c] = v.At(c, k)
		}
	}
	for c := range mean {
		s.mean[c] += (mean[c] - s.mean[c]) * (float64(n) / all)
	}
	s.rows += n
	return nil
}

func (s *incremental) height(n int) int {
	if s.rows == 0 {
		return n
	}
	return s.components + n + 1
}

package pca

import (
	"context"
	"errors"

	"gonum.org/v1/gonum/mat"
)

// Exact fits the principal components of all rows: the eigenvectors of their covariance, both in float64. Progress, if
// not nil, is called with the number of rows done since its last call.
func Exact(ctx context.Context, rows Rows, components, threads int, progress func(rows int)) (*Model, error) {
	n, d := rows.Len(), rows.Dimensions()
	if err := Check(n, d, components, true); err != nil {
		return nil, err
	}
	if n <= d/2 {
		return few(ctx, rows, components, progress)
	}
	moments := NewMoments(d)
	buffer := make([]float32, min(n, blockRows)*d)
	for from := 0; from < n; from += blockRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		block := buffer[:min(blockRows, n-from)*d]
		rows.Read(from, block)
		if err := moments.AddBlock(from/blockRows, block, threads); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(len(block) / d)
		}
	}
	var model *Model
	err := interruptible(ctx, func() (err error) {
		model, err = moments.Fit(n, components)
		return err
	})
	if err != nil {
		return nil, err // the fit may still be writing to model
	}
	return model, nil
}

// few fits rows that are far fewer than their dimensions by the singular values of the centered matrix itself, which is
// smaller than its covariance.
func few(ctx context.Context, rows Rows, components int, progress func(rows int)) (*Model, error) {
	fit := incremental{components: components, mean: make([]float64, rows.Dimensions()), scatter: make([]float64, rows.Dimensions())}
	all := make([]float32, rows.Len()*rows.Dimensions())
	rows.Read(0, all)
	if progress != nil {
		progress(rows.Len())
	}
	if err := interruptible(ctx, func() error { return fit.add(all, rows.Dimensions()) }); err != nil {
		return nil, err
	}
	return fit.model(), nil
}

// interruptible returns when fit does or when the context ends; then fit, which can't be stopped, is left to itself.
// The process is about to end.
func interruptible(ctx context.Context, fit func() error) error {
	done := make(chan error, 1)
	go func() { done <- fit() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fit returns the first components of the matrix of n rows whose moments these are.
func (m *Moments) Fit(n, components int) (*Model, error) {
	if err := Check(n, m.dimensions, components, true); err != nil {
		return nil, err
	}
	sum, err := m.total(n)
	if err != nil {
		return nil, err
	}
	d := m.dimensions
	stride := len(sum.m2) / d
	covariance := mat.NewSymDense(d, nil)
	divisor := float64(max(n-1, 1))
	total := 0.0
	for i := range d {
		for j := i; j < d; j++ {
			covariance.SetSym(i, j, sum.m2[i*stride+j]/divisor)
		}
		total += sum.m2[i*stride+i] / divisor
	}
	// The right singular vectors of a covariance are its eigenvectors. gonum finds them several times faster this way
	// than with EigenSym, whose rotations walk through memory by columns (1024 dimensions: 1.4 s instead of 5.7 s).
	var svd mat.SVD
	if !svd.Factorize(covariance, mat.SVDThinV) {
		return nil, errors.New("pca: the eigenvalues of the covariance did not converge")
	}
	var basis mat.Dense
	svd.VTo(&basis)
	first := make([]float64, 0, components*d)
	for k := range components {
		for i := range d {
			first = append(first, basis.At(i, k))
		}
	}
	variances := svd.Values(nil)[:components]
	return newModel(n, sum.mean, first, variances, total), nil
}

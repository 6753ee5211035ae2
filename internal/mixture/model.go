// Package mixture fits Gaussian mixtures and gives the log density of rows under them: how familiar a sample is among
// the others. DNIKit's Familiarity is such a mixture, scikit-learn's GaussianMixture with five components and diagonal
// covariances, and from the same start this package comes to the same model.
//
// Results are the same bits on any number of threads, in any shards and on any processor: sums are taken by blocks of
// 1024 rows and added in a fixed tree, and products are never fused into them.
package mixture

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// A Model is a mixture of K Gaussians in D dimensions.
type Model struct {
	Covariance Covariance
	// Weights has K values, whose sum is 1.
	Weights []float64
	// Means is K×D, row by row.
	Means []float64
	// Covariances is K×D variances, or K×D×D for Full.
	Covariances []float64
	// Dropped is how many of the components asked for were left out, because the rows have too few distinct values or a
	// component came to too few rows (Options.LeastRows).
	Dropped int
	// Iterations is how many steps of expectation and maximization the fit took.
	Iterations int
	// Converged says whether the fit ended by its tolerance, and not by its number of iterations.
	Converged bool
	// LogLikelihood is the mean log density of the rows of the fit before its last step; scikit-learn's lower_bound_.
	LogLikelihood float64

	d int
	// factors are those of the covariances, and constants the ln(w/√((2π)^D |Σ|)).
	factors   [][]float64
	constants []float64
}

// New returns the mixture of the K weights, the K×D means and the covariances, K×D for Diagonal and K×D×D for Full,
// which must be positive definite.
func New(c Covariance, weights, means, covariances []float64) (*Model, error) {
	k := len(weights)
	if k == 0 || len(means)%k != 0 || len(covariances) != k*c.size(len(means)/k) {
		return nil, fmt.Errorf("mixture: %d weights, %d numbers of means and %d of covariances don't belong together",
			k, len(means), len(covariances))
	}
	if total := sum(weights); slices.Min(weights) < 0 || !(math.Abs(total-1) < 1e-6) {
		return nil, fmt.Errorf("mixture: the weights must not be negative, and their sum is %g instead of 1", total)
	}
	m := &Model{Covariance: c, Weights: weights, Means: means, Covariances: covariances, d: len(means) / k}
	size := c.size(m.d)
	for i, w := range weights {
		factor, logDeterminant, err := c.factor(covariances[i*size:(i+1)*size], m.d)
		if err != nil {
			return nil, fmt.Errorf("mixture: component %d: %w", i, err)
		}
		m.factors = append(m.factors, factor)
		scale := float64(float64(m.d)*logarithm(2*math.Pi)) + logDeterminant
		m.constants = append(m.constants, logarithm(w)-float64(scale/2))
	}
	return m, nil
}

// K returns the number of components.
func (m *Model) K() int { return len(m.Weights) }

// D returns the number of dimensions.
func (m *Model) D() int { return m.d }

func (m *Model) mean(k int) []float64 { return m.Means[k*m.d : (k+1)*m.d] }

// LogDensity returns the natural logarithm of the density at a row of D numbers.
func (m *Model) LogDensity(row []float64) float64 { return m.newScratch().responsibilities(row) }

// LogDensities returns the log density at each row, in natural logarithms; scikit-learn's score_samples.
func (m *Model) LogDensities(ctx context.Context, x Matrix, threads int) ([]float64, error) {
	if x.D != m.d {
		return nil, fmt.Errorf("mixture: rows of %d dimensions, the model has %d", x.D, m.d)
	}
	if err := x.check(ctx); err != nil {
		return nil, err
	}
	densities := make([]float64, x.Len())
	return densities, blocks(ctx, x.Len(), threads, func(_, from, to int) {
		s := m.newScratch()
		for i := from; i < to; i++ {
			densities[i] = s.responsibilities(x.row(i))
		}
	})
}

// Parameters returns the number of free parameters: K−1 weights, K·D of the means, and K·D variances or K·D(D+1)/2
// covariances.
func (m *Model) Parameters() int {
	return m.K() - 1 + m.K()*(m.d+m.Covariance.parameters(m.d))
}

// BIC is the Bayesian information criterion of the model for rows with these log densities: −2 Σ + Parameters·ln(N).
// The least is best (Schwarz, "Estimating the Dimension of a Model", 1978, doi:10.1214/aos/1176344136).
func (m *Model) BIC(densities []float64) float64 {
	return float64(-2*sum(densities)) + float64(float64(m.Parameters())*logarithm(float64(len(densities))))
}

// scratch is what one goroutine needs to judge a row.
type scratch struct {
	m *Model
	// differences is K×D: the row less the means.
	differences []float64
	// shares are the K responsibilities of the components for the row.
	shares []float64
}

func (m *Model) newScratch() *scratch {
	return &scratch{m, make([]float64, m.K()*m.d), make([]float64, m.K())}
}

func (s *scratch) difference(k int) []float64 { return s.differences[k*s.m.d : (k+1)*s.m.d] }

// squares leaves the squared Mahalanobis distances of a row in shares.
func (s *scratch) squares(row []float64) {
	for k := range s.shares {
		difference, mean := s.difference(k), s.m.mean(k)
		mean, row := mean[:len(difference)], row[:len(difference)]
		for i := range difference {
			difference[i] = row[i] - mean[i]
		}
		s.shares[k] = s.m.Covariance.squared(s.m.factors[k], difference)
	}
}

// responsibilities returns the log density at a row, and leaves in shares what part of the density is each component's:
// the E step. The largest logarithm is taken out before exponentials are summed, so that none overflows.
func (s *scratch) responsibilities(row []float64) (density float64) {
	s.squares(row)
	for k, square := range s.shares {
		s.shares[k] = s.m.constants[k] - float64(square/2)
	}
	top := slices.Max(s.shares)
	if math.IsInf(top, -1) {
		return top
	}
	total := 0.0
	for k, v := range s.shares {
		s.shares[k] = exponential(v - top)
		total += s.shares[k]
	}
	for k := range s.shares {
		s.shares[k] /= total
	}
	return top + logarithm(total)
}

// nearest gives a row to the component nearest to it, the first of several.
func (s *scratch) nearest(row []float64) {
	s.squares(row)
	best := 0
	for k, square := range s.shares {
		if square < s.shares[best] {
			best = k
		}
	}
	clear(s.shares)
	s.shares[best] = 1
}

package mixture

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Options say how a mixture is fitted. Each value counts as it stands; Defaults has usual ones.
type Options struct {
	// Components is how many Gaussians there are, at least 1.
	Components int
	Covariance Covariance
	// Tolerance is the change of the mean log likelihood below which the fit has converged.
	Tolerance float64
	// MaxIterations is at least 1.
	MaxIterations int
	// Regularization is added to the variances, in the square of the rows' unit: it is what is left of the variance of
	// equal rows.
	Regularization float64
	// Shrinkage draws full covariances towards their diagonal, which counts as much as Shrinkage·(D+2) rows: what lies
	// beside the diagonal is multiplied by n/(n + Shrinkage·(D+2)) in a component of n rows. 1 is the weight of the
	// prior in Fraley and Raftery, "Bayesian Regularization for Normal Mixture Estimation and Model-Based Clustering"
	// (2007, doi:10.1007/s00357-007-0004-5). With 0 a component needs more than D rows, or a regularization. With more
	// than 0 a step may lower the likelihood a little.
	Shrinkage float64
	// LeastRows is how many rows a component must have: one that comes to fewer is left out. A component of a single
	// outlier makes it the densest row of all. With 0, as in scikit-learn, a component may have next to none.
	LeastRows float64
	// Seed chooses the start.
	Seed uint64
	// Threads is how many goroutines work. It changes no bit of the result.
	Threads int
	// Start, if not nil, is the model that the first step begins from, instead of k-means; Components and Seed then
	// don't count.
	Start *Model
}

// Defaults returns the options of DNIKit's Familiarity: five components with diagonal covariances, and for the rest
// what scikit-learn's GaussianMixture does.
func Defaults() Options {
	return Options{
		Components: 5, Covariance: Diagonal, Tolerance: 1e-3, MaxIterations: 100, Regularization: 1e-6, Shrinkage: 1, Threads: 1,
	}
}

func (o Options) check(d int) error {
	atLeast := func(name string, value, least float64) error {
		if !(value >= least && value <= math.MaxFloat64) {
			return fmt.Errorf("mixture: %s is %g and must be at least %g", name, value, least)
		}
		return nil
	}
	if o.Start != nil && (o.Start.Covariance != o.Covariance || o.Start.d != d) {
		return fmt.Errorf("mixture: the start has %d dimensions or another kind of covariances, the rows have %d", o.Start.d, d)
	}
	return errors.Join(
		atLeast("components", float64(o.Components), 1),
		atLeast("maximum iterations", float64(o.MaxIterations), 1),
		atLeast("tolerance", o.Tolerance, 0),
		atLeast("regularization", o.Regularization, 0),
		atLeast("shrinkage", o.Shrinkage, 0),
		atLeast("least rows", o.LeastRows, 0))
}

// Fit fits a mixture to the rows by expectation and maximization (Dempster, Laird and Rubin, "Maximum Likelihood from
// Incomplete Data via the EM Algorithm", 1977), from Options.Start or k-means. It ends as scikit-learn does: after the
// first step that begins with a mean log likelihood within the tolerance of the last one's.
//
// A step is one pass over the rows, and keeps nothing of a row. The start keeps a few numbers of each.
func Fit(ctx context.Context, x Matrix, o Options) (*Model, error) {
	if err := errors.Join(o.check(x.D), x.check(ctx)); err != nil {
		return nil, err
	}
	if x.Len() == 0 {
		return nil, errors.New("mixture: there are no rows to fit")
	}
	m, components := o.Start, o.Components
	if m != nil {
		components = m.K()
	} else {
		var err error
		if m, err = start(ctx, x, o); err != nil {
			return nil, err
		}
	}
	m, err := maximize(ctx, x, m, o)
	if err != nil {
		return nil, err
	}
	m.Dropped = components - m.K()
	return m, nil
}

// maximize takes steps from m until the likelihood is as large as it gets.
func maximize(ctx context.Context, x Matrix, m *Model, o Options) (*Model, error) {
	before := math.Inf(-1)
	for i := 1; ; i++ {
		sums := m.NewSums()
		if err := sums.addAll(ctx, x, o.Threads); err != nil {
			return nil, err
		}
		next, logLikelihood, err := sums.Step(x.Len(), o)
		if err != nil {
			return nil, err
		}
		converged := math.Abs(logLikelihood-before) < o.Tolerance
		if converged || i == o.MaxIterations {
			next.Iterations, next.Converged, next.LogLikelihood = i, converged, logLikelihood
			return next, nil
		}
		m, before = next, logLikelihood
	}
}

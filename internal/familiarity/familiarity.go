// Package familiarity says how usual the samples of a dataset are among each other, by the density of a Gaussian mixture
// over their reduced vectors, as DNIKit's Familiarity does: overall, within each label, and for evaluation samples among
// all others.
package familiarity

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/mixture"
)

const (
	// MostComponents are tried where nobody says how many there are.
	MostComponents = 16
	// rowsPerComponent of a label are needed for each Gaussian of its own.
	rowsPerComponent = 50
	// FittedRows are the most that a mixture is fitted to.
	FittedRows = 1 << 14
	// fewRows of a label show no density. A Gaussian has at least as many, and one in leastShare.
	fewRows, leastShare = 10, 100
	// seenQuantile of the training samples are denser than what counts as unlike all of them.
	seenQuantile = 0.001
	// regularization of the variances, in those of the whole: so that copies don't make a density of their own.
	regularization = 1e-3
	seed           = 1
)

// Samples are what is known of the first rows of a matrix.
type Samples struct {
	// Label of each, −1 for none or several. Labels are numbered from 0 to Classes.
	Label   []int32
	Classes int
	// Held are those of the evaluation.
	Held []bool
}

// Options say how densities are estimated.
type Options struct {
	// Components of the mixture; 0 lets the data choose.
	Components int
	Covariance mixture.Covariance
	Threads    int
}

// A Result has natural logarithms of densities.
type Result struct {
	// Components of the mixture of all.
	Components int
	// Density of each sample among all.
	Density []float64
	// OfLabel is the density among the samples of its label, NaN for one without, or with few others.
	OfLabel []float64
	// AmongOthers is that of an evaluation sample among the others, NaN for these; nil where one side is absent.
	AmongOthers []float64
	// Rare are the samples out of place, least dense first, all of them denser than no others by Fence.
	Rare  []int
	Fence float64
	// Unseen are the evaluation samples unlike all others, least dense first.
	Unseen []int
	// Beside has the nearest other sample of the same label, or of all for one without, to each sample that is looked at:
	// the first ones in order, overall and of each label. BesideUnseen has the nearest of the others to the first of
	// Unseen.
	Beside, BesideUnseen map[int]int
}

// Find estimates densities of the first len(s.Held) of N rows of D numbers.
func Find(ctx context.Context, s Samples, data []float64, d int, o Options) (*Result, error) {
	n := len(s.Held)
	f := fitter{x: mixture.Matrix{Data: data[:n*d], N: n, D: d}, o: mixture.Defaults(), chosen: o.Components}
	f.o.Covariance, f.o.Threads, f.o.Seed, f.o.Shrinkage = o.Covariance, o.Threads, seed, 1
	f.o.Regularization = regularization * meanVariance(f.x)
	whole, err := f.fit(ctx, nil)
	if err != nil {
		return nil, err
	}
	r := &Result{Components: whole.K()}
	if r.Density, err = whole.LogDensities(ctx, f.x, o.Threads); err != nil {
		return nil, err
	}
	r.Fence = fence(r.Density)
	r.Rare = below(r.Density, r.Fence)
	f.chosen = whole.K()
	if err := r.amongOthers(ctx, s, f); err != nil {
		return nil, err
	}
	if err := r.ofLabels(ctx, s, f); err != nil {
		return nil, err
	}
	if err := r.findBeside(ctx, s, f.x); err != nil {
		return nil, err
	}
	return r, nil
}

// Order is the samples, least dense first.
func (r *Result) Order() []int { return below(r.Density, math.Inf(1)) }

// OrderOfLabel is some rows, those with a density among their label, least dense first.
func (r *Result) OrderOfLabel(rows []int) []int { return leastOf(rows, r.OfLabel) }

// A fitter fits mixtures to some of the rows.
type fitter struct {
	x      mixture.Matrix
	o      mixture.Options
	chosen int // components, 0 by the data
}

func (f fitter) fit(ctx context.Context, rows []int) (*mixture.Model, error) {
	x := f.x
	x.Rows = thinned(rows, x.N)
	f.o.Components = f.chosen
	// A Gaussian that stands for an outlier, or for a crowd of odd ones, would make just these familiar.
	f.o.LeastRows = max(fewRows, float64(x.Len())/leastShare)
	fit := mixture.Fit
	if f.chosen == 0 {
		f.o.Components, fit = MostComponents, mixture.ChooseComponents
	}
	model, err := fit(ctx, x, f.o)
	if err != nil {
		return nil, fmt.Errorf("familiarity: %w", err)
	}
	return model, nil
}

// thinned is an even choice of rows, or of the first n if there are none: more say no more of a few Gaussians.
func thinned(rows []int, n int) []int {
	if rows != nil {
		n = len(rows)
	}
	if n <= FittedRows {
		return rows
	}
	few := make([]int, FittedRows)
	for i := range few {
		few[i] = i * n / FittedRows
		if rows != nil {
			few[i] = rows[few[i]]
		}
	}
	return few
}

// amongOthers holds the evaluation samples against a mixture of the others.
func (r *Result) amongOthers(ctx context.Context, s Samples, f fitter) error {
	var held, others []int
	for row, is := range s.Held {
		if is {
			held = append(held, row)
		} else {
			others = append(others, row)
		}
	}
	if len(held) == 0 || len(others) < fewRows {
		return nil
	}
	model, err := f.fit(ctx, others)
	if err != nil {
		return err
	}
	all, err := model.LogDensities(ctx, f.x, f.o.Threads)
	if err != nil {
		return err
	}
	own := make([]float64, len(others))
	for i, row := range others {
		own[i], all[row] = all[row], math.NaN()
	}
	slices.Sort(own)
	r.AmongOthers = all
	r.Unseen = below(all, own[int(seenQuantile*float64(len(own)))])
	return nil
}

// ofLabels holds the samples of each label against a mixture of their own.
func (r *Result) ofLabels(ctx context.Context, s Samples, f fitter) error {
	r.OfLabel = make([]float64, len(s.Held))
	rows := make([][]int, s.Classes)
	for row := range r.OfLabel {
		r.OfLabel[row] = math.NaN()
		if label := s.Label[row]; label >= 0 {
			rows[label] = append(rows[label], row)
		}
	}
	most := f.chosen
	for _, of := range rows {
		if len(of) < fewRows {
			continue
		}
		f.chosen = max(1, min(most, len(of)/rowsPerComponent))
		model, err := f.fit(ctx, of)
		if err != nil {
			return err
		}
		x := f.x
		x.Rows = of
		densities, err := model.LogDensities(ctx, x, f.o.Threads)
		if err != nil {
			return err
		}
		for i, row := range of {
			r.OfLabel[row] = densities[i]
		}
	}
	return nil
}

// fence is three times what lies between the quartiles below the first one [Tukey, Exploratory data analysis, 1977].
func fence(x []float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	low, high := sorted[len(sorted)/4], sorted[3*len(sorted)/4]
	return low - 3*(high-low)
}

// below are the positions of what lies below a bound, the least first. NaN lies nowhere.
func below(x []float64, bound float64) []int {
	var found []int
	for i, v := range x {
		if v < bound {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b int) int { return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(a, b)) })
	return found
}

// meanVariance is that of the columns, 1 where nothing varies.
func meanVariance(x mixture.Matrix) float64 {
	sums, squares := make([]float64, x.D), 0.0
	for i, v := range x.Data {
		sums[i%x.D] += v
	}
	for i, v := range x.Data {
		off := v - sums[i%x.D]/float64(x.N)
		squares += float64(off * off)
	}
	if squares == 0 {
		return 1
	}
	return squares / float64(len(x.Data))
}

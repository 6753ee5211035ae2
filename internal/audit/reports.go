package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/atlas"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/familiarity"
	"github.com/datasetaudit/dataset-audit/internal/labels"
	"github.com/datasetaudit/dataset-audit/internal/mixture"
	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/internal/quality"
	"github.com/datasetaudit/dataset-audit/internal/report"
	"github.com/datasetaudit/dataset-audit/internal/spill"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// measured returns the measures of the images of a set's rows; nil where they are not reported.
func (r *Run) measured(set *vectors.Set) func(row int) (quality.Measures, bool) {
	if !r.Audit.Spec.Has(v1alpha1.ReportQuality) {
		return nil
	}
	return func(row int) (quality.Measures, bool) { return quality.Parse(set.Measures(set.Index[row])) }
}

// A classing numbers the labels of samples that have one alone.
type classing struct {
	names []string
	of    []int32 // −1 for a sample with no label, or with several
}

// classes numbers the labels, where a part of the report asks for them.
func (r *Run) classes(samples []duplicates.Sample) classing {
	if !r.Audit.Spec.Has(v1alpha1.ReportFamiliarity) && !r.Audit.Spec.Has(v1alpha1.ReportLabels) {
		return classing{}
	}
	c := classing{of: make([]int32, len(samples))}
	numbers := map[string]int32{}
	for i, s := range samples {
		c.of[i] = -1
		if len(s.Labels) != 1 {
			continue
		}
		number, known := numbers[s.Labels[0]]
		if !known {
			number = int32(len(c.names))
			numbers[s.Labels[0]], c.names = number, append(c.names, s.Labels[0])
		}
		c.of[i] = number
	}
	return c
}

// familiarity estimates densities of the audited rows, which come first, of a reduced matrix; nil where they are not
// reported, and in stage Neighbors, where nobody would see them.
func (r *Run) familiarity(ctx context.Context, f *report.Findings, classes classing, reduced []float64, components int) (*familiarity.Result, error) {
	spec := r.Audit.Spec.Familiarity
	if !r.Audit.Spec.Has(v1alpha1.ReportFamiliarity) || components == 0 || r.partial() {
		return nil, nil
	}
	o := familiarity.Options{Threads: r.Threads}
	if spec != nil && spec.Components != nil {
		o.Components = int(*spec.Components)
	}
	if spec.EffectiveCovariance() == v1alpha1.CovarianceFull {
		o.Covariance = mixture.Full
	}
	s := familiarity.Samples{Classes: len(classes.names)}
	for _, sample := range f.Samples {
		if sample.Baseline { // they come last
			break
		}
		s.Held = append(s.Held, slices.Contains(f.EvaluationSplits, sample.Split))
	}
	s.Label = classes.of[:len(s.Held)]
	few := min(components, familiarComponents)
	if few < components {
		first := spill.Make[float64](r.space, len(s.Held)*few)
		for i := range s.Held {
			copy(first[i*few:(i+1)*few], reduced[i*components:])
		}
		reduced = first
	}
	return familiarity.Find(ctx, s, reduced, few, o)
}

// familiarComponents are the first ones, by which densities are estimated. With hundreds, what lies in the middle of most
// of them is dense, and that are pictures of which the model knows nothing, such as noise.
const familiarComponents = v1alpha1.DefaultComponents

// A listener keeps the neighbors that a search for duplicates found, and finds more of each where others need them.
type listener struct {
	search func(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (neighbors.Result, error)
	least  func(rows int) int // neighbors of a row
	found  neighbors.Result
}

// listen puts a listener between the search for duplicates and what it asks; nil where nobody needs the neighbors.
func (r *Run) listen(o *duplicates.Options) *listener {
	if !r.Audit.Spec.Has(v1alpha1.ReportLabels) && !r.Audit.Spec.Has(v1alpha1.ReportMap) {
		return nil
	}
	l := &listener{search: o.Search, least: func(rows int) int {
		if r.approximates(rows) { // which would find others for the duplicates if it were asked for more
			return 0
		}
		return labels.MostNeighbors
	}}
	o.Search = l.ask
	return l
}

func (l *listener) ask(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (_ neighbors.Result, err error) {
	asked := min(o.K, max(x.N-1, 0))
	o.K = max(o.K, l.least(x.N))
	if l.found, err = l.search(ctx, x, o); err != nil || l.found.K == asked {
		return l.found, err
	}
	n := 0
	if l.found.K > 0 {
		n = len(l.found.Index) / l.found.K
	}
	fewer := neighbors.Result{K: asked, Index: make([]int32, 0, n*asked), Distance: make([]float64, 0, n*asked)}
	for at := 0; at < n*l.found.K; at += l.found.K {
		fewer.Index = append(fewer.Index, l.found.Index[at:at+asked]...)
		fewer.Distance = append(fewer.Distance, l.found.Distance[at:at+asked]...)
	}
	return fewer, nil
}

// mapNeighbors are those of a sample that decide its place on the map.
const mapNeighbors = 15

// layOut lays out the rows of a layer in the plane, N×2; nil where no map is reported. Stage Neighbors ends before.
func (r *Run) layOut(ctx context.Context, l *listener, found *duplicates.Result) ([]float32, error) {
	if !r.Audit.Spec.Has(v1alpha1.ReportMap) || l.found.K == 0 {
		return nil, nil
	}
	n, k := found.Vectors(), min(l.found.K, mapNeighbors)
	r.Progress.Stage(v1alpha1.StageReport, 0)
	graph := atlas.Graph{N: n, K: k, Index: slices.Repeat([]int32{-1}, n*k), Distance: make([]float64, n*k)}
	start := make([]float32, 0, 2*n)
	for vector := range n {
		first := found.First(vector)
		start = append(start, found.Plane[2*first], found.Plane[2*first+1])
		if at := vector * l.found.K; at < len(l.found.Index) { // vectors of a baseline alone were not asked for theirs
			copy(graph.Index[vector*k:(vector+1)*k], l.found.Index[at:])
			copy(graph.Distance[vector*k:(vector+1)*k], l.found.Distance[at:])
		}
	}
	laid, err := atlas.Layout(ctx, graph, start, atlas.Options{Threads: r.Threads})
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	out := make([]float32, 0, 2*len(found.Samples))
	for row := range found.Samples {
		at := found.Vector(row)
		out = append(out, laid[2*at], laid[2*at+1])
	}
	return out, nil
}

// suspects judges the labels by the neighbors; nil where they are not reported.
func (r *Run) suspects(l *listener, classes classing, found *duplicates.Result) *labels.Result {
	if !r.Audit.Spec.Has(v1alpha1.ReportLabels) {
		return nil
	}
	return labels.Find(
		labels.Samples{Label: classes.of, Classes: len(classes.names), Audited: found.Audited(), Vector: found.Vector, Vectors: found.Vectors()},
		labels.Neighbors{K: l.found.K, Index: l.found.Index})
}

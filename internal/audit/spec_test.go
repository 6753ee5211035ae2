package audit

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// Each strategy of a spec gets to what chooses the threshold, with its parameter.
func TestStrategy(t *testing.T) {
	number := v1alpha1.Decimal("0.25")
	for name, want := range map[v1alpha1.ThresholdStrategy]duplicates.Strategy{
		"":                           duplicates.Slope{Sensitivity: 5},
		v1alpha1.ThresholdSlope:      duplicates.Slope{Sensitivity: 5},
		v1alpha1.ThresholdPercentile: duplicates.Percentile{Percent: 0.25},
		v1alpha1.ThresholdDistance:   duplicates.Distance{Normalized: 0.25},
		v1alpha1.ThresholdCosine:     duplicates.Cosine{Similarity: 0.25},
	} {
		spec := v1alpha1.ThresholdSpec{Strategy: name, Percentile: &number, Distance: &number, Similarity: &number}
		if got, err := strategy(spec); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
		if _, slope := want.(duplicates.Slope); slope {
			continue
		}
		if _, err := strategy(v1alpha1.ThresholdSpec{Strategy: name}); err == nil {
			t.Errorf("%s without its parameter is accepted", name)
		}
	}
	for _, unknown := range []v1alpha1.ThresholdStrategy{"Later", v1alpha1.ThresholdFalseDiscovery} {
		if got, err := strategy(v1alpha1.ThresholdSpec{Strategy: unknown}); err == nil {
			t.Errorf("%s is %+v", unknown, got)
		}
	}
}

// Components that nobody asked for never are too many for a small dataset. Those that were asked for stay.
func TestReduction(t *testing.T) {
	reference := v1alpha1.DuplicatesSpec{Method: v1alpha1.MethodReference}
	tests := map[string]struct {
		duplicates          v1alpha1.DuplicatesSpec
		components          *int32
		samples, dimensions int
		want                reduction
	}{
		"Local":                       {v1alpha1.DuplicatesSpec{}, nil, 7200, 1024, reduction{components: 256, held: 0.99}},
		"Local, 20 samples":           {v1alpha1.DuplicatesSpec{}, nil, 20, 1024, reduction{components: 10, held: 0.99}},
		"Local, one sample":           {v1alpha1.DuplicatesSpec{}, nil, 1, 1024, reduction{components: 1, held: 0.99}},
		"Reference":                   {reference, nil, 7200, 1024, reduction{components: 40}},
		"Reference, 20 samples":       {reference, nil, 20, 1024, reduction{components: 20}},
		"Reference, 30 dimensions":    {reference, nil, 7200, 30, reduction{components: 30}},
		"Reference, asked for":        {reference, new(int32(40)), 20, 1024, reduction{components: 40}},
		"a strategy of Reference's":   {v1alpha1.DuplicatesSpec{Threshold: v1alpha1.ThresholdSpec{Strategy: v1alpha1.ThresholdSlope}}, nil, 7200, 1024, reduction{components: 40}},
		"Local, components asked for": {v1alpha1.DuplicatesSpec{}, new(int32(40)), 7200, 1024, reduction{components: 40}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := v1alpha1.DatasetAuditSpec{Duplicates: test.duplicates, Reduction: v1alpha1.ReductionSpec{PCA: v1alpha1.PCASpec{Components: test.components}}}
			r := &Run{Audit: &v1alpha1.DatasetAudit{Spec: spec}}
			if got := r.reduction(test.samples, test.dimensions); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

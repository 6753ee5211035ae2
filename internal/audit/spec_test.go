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

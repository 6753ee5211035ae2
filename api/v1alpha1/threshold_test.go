package v1alpha1

import (
	"testing"
)

func TestThresholdStrategies(t *testing.T) {
	tests := []struct {
		spec                ThresholdSpec
		name                string
		relative, euclidean bool
		unit                string
	}{
		{ThresholdSpec{}, "Slope(5)", true, true, "distance"},
		{ThresholdSpec{Strategy: ThresholdSlope, Sensitivity: new(int32(7))}, "Slope(7)", true, true, "distance"},
		{ThresholdSpec{Strategy: ThresholdPercentile, Percentile: new(Decimal("99.5"))}, "Percentile(99.5)", true, true, "distance"},
		{ThresholdSpec{Strategy: ThresholdDistance, Distance: new(Decimal("5.1"))}, "Distance(5.1)", false, true, "distance"},
		{ThresholdSpec{Strategy: ThresholdCosine, Similarity: new(Decimal("0.95"))}, "Cosine(0.95)", false, false, "1 − cosine similarity"},
		{ThresholdSpec{Strategy: ThresholdFalseDiscovery, Rate: new(Decimal("0.01"))}, "FalseDiscovery(0.01)", false, false,
			"distance relative to what is around the two"},
		{ThresholdSpec{Strategy: ThresholdCosine}, "Cosine", false, false, "1 − cosine similarity"},
		{ThresholdSpec{Strategy: "Later"}, "Later", false, false, "distance"},
	}
	for _, tt := range tests {
		s := tt.spec.Strategy
		if got := tt.spec.String(); got != tt.name {
			t.Errorf("%s is called %s", tt.name, got)
		}
		if s.Relative() != tt.relative || s.Euclidean() != tt.euclidean || s.Unit() != tt.unit {
			t.Errorf("%s: relative %t, Euclidean %t, unit %q", tt.name, s.Relative(), s.Euclidean(), s.Unit())
		}
	}
}

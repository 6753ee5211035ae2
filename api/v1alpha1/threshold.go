package v1alpha1

import "fmt"

// Relative says whether the strategy finds its distance in the data, and so finds something in any dataset. With a
// baseline the distance is that of the baseline.
func (s ThresholdStrategy) Relative() bool {
	switch s {
	case "", ThresholdSlope, ThresholdPercentile:
		return true
	case ThresholdDistance, ThresholdCosine, ThresholdFalseDiscovery:
	}
	return false
}

// Unit names what the strategy's distances measure, for people.
func (s ThresholdStrategy) Unit() string {
	switch s {
	case ThresholdCosine:
		return "1 − cosine similarity"
	case ThresholdFalseDiscovery:
		return "distance relative to what is around the two"
	case "", ThresholdSlope, ThresholdPercentile, ThresholdDistance:
	}
	return "distance"
}

// Euclidean says whether the strategy's distances are those between reduced vectors: only they grow and shrink with √N.
func (s ThresholdStrategy) Euclidean() bool {
	switch s {
	case "", ThresholdSlope, ThresholdPercentile, ThresholdDistance:
		return true
	case ThresholdCosine, ThresholdFalseDiscovery:
	}
	return false
}

// String is the strategy with its parameter, as in "Slope(5)".
func (t *ThresholdSpec) String() string {
	switch t.Strategy {
	case "", ThresholdSlope:
		return fmt.Sprintf("%s(%d)", ThresholdSlope, t.EffectiveSensitivity())
	case ThresholdPercentile:
		return with(t.Strategy, t.Percentile)
	case ThresholdDistance:
		return with(t.Strategy, t.Distance)
	case ThresholdCosine:
		return with(t.Strategy, t.Similarity)
	case ThresholdFalseDiscovery:
		return with(t.Strategy, t.Rate)
	}
	return string(t.Strategy)
}

func with(strategy ThresholdStrategy, parameter *Decimal) string {
	if parameter == nil {
		return string(strategy) // an audit that the API server would refuse
	}
	return fmt.Sprintf("%s(%s)", strategy, *parameter)
}

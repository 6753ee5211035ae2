package v1alpha1

import (
	"math"
	"regexp"
	"testing"
	"testing/quick"
)

// decimalPattern is what the rules of the spec take for a decimal.
var decimalPattern = regexp.MustCompile(`^-?[0-9]{1,12}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$`)

func TestDecimalRoundTrip(t *testing.T) {
	roundTrip := func(bits uint64) bool {
		x := math.Float64frombits(bits)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return true
		}
		d := NewDecimal(x)
		got, err := d.Float64()
		return err == nil && got == x && len(d) <= 32 && decimalPattern.MatchString(string(d))
	}
	if err := quick.Check(roundTrip, &quick.Config{MaxCount: 10000}); err != nil {
		t.Error(err)
	}
	for _, x := range []float64{0, 1, -1, 0.161306, 1e-9, 123456, 1e20, 1e21, 999999999999999, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if !roundTrip(math.Float64bits(x)) {
			t.Errorf("%v becomes %q", x, NewDecimal(x))
		}
	}
}

func TestDecimalRefuses(t *testing.T) {
	for _, text := range []Decimal{"", "abc", "1,5", "NaN", "inf", "1e999"} {
		if x, err := text.Float64(); err == nil {
			t.Errorf("%q reads as %v", text, x)
		}
	}
}

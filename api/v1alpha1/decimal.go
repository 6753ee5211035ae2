package v1alpha1

import (
	"fmt"
	"math"
	"strconv"
)

// Decimal is a decimal number written as a string, since the API has no floats: "99.5", "0.161306", "1e-09". In YAML it
// must be quoted.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
type Decimal string

// NewDecimal writes x in the fewest digits that read back to the same float64, without an exponent unless x is tiny or
// huge. It panics on NaN and infinities, which no result may hold: whoever computes a result has refused them before.
func NewDecimal(x float64) Decimal {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		panic(fmt.Sprintf("v1alpha1: %v is not a decimal", x))
	}
	format := byte('e')
	if size := math.Abs(x); x == 0 || 1e-4 <= size && size < 1e12 {
		format = 'f'
	}
	return Decimal(strconv.FormatFloat(x, format, -1, 64))
}

// Float64 is the number that d stands for. The error names the text that is none.
func (d Decimal) Float64() (float64, error) {
	x, err := strconv.ParseFloat(string(d), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%q is not a decimal number such as \"99.5\"", string(d))
	}
	return x, nil
}

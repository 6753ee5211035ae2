package mixture

import "math"

// The functions of package math use fused multiply-add on the processors that have it, and so their last bit depends on
// the machine. Shards may run on different ones; these two give the same bits everywhere.

// ln2 in two parts: a multiple of the first by an exponent of float64 is exact.
const (
	ln2High = 0x1.62e42feep-1
	ln2Low  = math.Ln2 - ln2High
)

// inverseFactorials are 1/13! … 1/2!, the Taylor series of the exponential to the last bit for |x| ≤ ln(2)/2.
var inverseFactorials = [...]float64{
	1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
	1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2,
}

// leastExponent is where exponential ends: e^-40 changes no sum with a 1 in it.
const leastExponent = -40

// exponential returns e^x for x ≤ 0, and 0 for x below leastExponent and for NaN.
func exponential(x float64) float64 {
	if !(x >= leastExponent) {
		return 0
	}
	n := math.Floor(float64(x*math.Log2E) + 0.5)
	r := (x - float64(n*ln2High)) - float64(n*ln2Low)
	sum := 0.0
	for _, c := range inverseFactorials {
		sum = float64(sum*r) + c
	}
	sum = 1 + (r + float64(float64(sum*r)*r))
	return sum * math.Float64frombits(uint64(1023+int(n))<<52)
}

// logarithm returns ln(x) for finite x ≥ 0: x is m·2^e with m near 1, and ln(m) = 2·artanh((m−1)/(m+1)) a short series.
func logarithm(x float64) float64 {
	if x == 0 {
		return math.Inf(-1)
	}
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	f := (m - 1) / (m + 1)
	square := float64(f * f)
	sum := 0.0
	for odd := 23.0; odd > 1; odd -= 2 {
		sum = float64((sum + 1/odd) * square)
	}
	return float64(float64(e)*ln2High) + (float64(2*f) + (float64(float64(2*f)*sum) + float64(float64(e)*ln2Low)))
}

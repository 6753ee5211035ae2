package embed

import "math"

// toHalf rounds to the nearest IEEE 754 binary16, to even among equals; beyond its range it gives infinity.
func toHalf(x float32) uint16 {
	bits := math.Float32bits(x)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN
		return sign | 0x7e00
	case magnitude >= 0x477ff000: // rounds to 2^16 or more
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2^-14: a subnormal, in units of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(magnitude))*0x1p24))
	}
	magnitude += 0xfff + magnitude>>13&1 // round to even at bit 13
	return sign | uint16((magnitude-0x38000000)>>13)
}

package tiff

import (
	"math"
	"sync"
)

// lab returns what makes sRGB of L*a*b*, whose white is D50's.
func (p *page) lab() func(s []uint16) (r, g, b uint8) {
	unit := 1.0 // of a* and b*
	white := 255.0
	if p.bits == 16 {
		unit, white = 1.0/256, 65535
	}
	if p.photometric == photometricCIELab {
		signed := func(v uint16) float64 { return float64(int8(v)) }
		if p.bits == 16 {
			signed = func(v uint16) float64 { return float64(int16(v)) }
		}
		return func(s []uint16) (r, g, b uint8) {
			return labToRGB(float64(s[0])/white*100, signed(s[1])*unit, signed(s[2])*unit)
		}
	}
	if p.bits == 16 {
		white = 0xff00
	}
	return func(s []uint16) (r, g, b uint8) {
		return labToRGB(float64(s[0])/white*100, float64(float64(s[1])*unit)-128, float64(float64(s[2])*unit)-128)
	}
}

func labToRGB(l, a, b float64) (red, green, blue uint8) {
	fy := (l + 16) / 116
	// D50's white.
	x, y, z := 0.9642*labCube(fy+a/500), labCube(fy), 0.8249*labCube(fy-b/200)
	// From D50, adapted to D65 by Bradford's method, to the primaries of sRGB.
	return gamma(sum(3.1338561*x, -1.6168667*y, -0.4906146*z)),
		gamma(sum(-0.9787684*x, 1.9161415*y, 0.0334540*z)),
		gamma(sum(0.0719453*x, -0.2289914*y, 1.4052427*z))
}

// sum adds numbers that are rounded first, on every machine; see ycbcrSpace.rgb.
func sum(x, y, z float64) float64 { return float64(x) + float64(y) + float64(z) }

// labCube is the inverse of the function that L*a*b* is defined with.
func labCube(t float64) float64 {
	if t > 6.0/29 {
		return t * t * t
	}
	return 3 * (6.0 / 29) * (6.0 / 29) * (t - 4.0/29)
}

// gamma returns the sRGB value of an amount of light, of 0 to 1.
func gamma(light float64) uint8 {
	const steps = 1<<16 - 1
	return gammaTable()[int(float64(max(0, min(light, 1))*steps)+0.5)]
}

var gammaTable = sync.OnceValue(func() []uint8 {
	table := make([]uint8, 1<<16)
	for i := range table {
		light := float64(i) / (1<<16 - 1)
		v := 12.92 * light
		if light > 0.0031308 {
			v = float64(1.055*math.Pow(light, 1/2.4)) - 0.055
		}
		table[i] = toByte(255 * v)
	}
	return table
})

package atlas

import (
	"math"
	"math/bits"
)

// roots holds the roots of unity for transforms of up to n values: exp(−πi·k/half) at half + k, for k < half and each
// power of two half < n.
func roots(n int) []complex64 {
	w := make([]complex64, n)
	for half := 1; half < n; half *= 2 {
		for k := range half {
			sin, cos := math.Sincos(-math.Pi * float64(k) / float64(half))
			w[half+k] = complex(float32(cos), float32(sin))
		}
	}
	return w
}

// times is a·b in float32: Go's own product of complex64 takes the detour of float64, at twice the time.
func times(a, b complex64) complex64 {
	return complex(real(a)*real(b)-imag(a)*imag(b), real(a)*imag(b)+imag(a)*real(b))
}

func conjugate(a complex64) complex64 { return complex(real(a), -imag(a)) }

// transform replaces x, whose length is a power of two, with its discrete Fourier transform in bit-reversed order
// (Gentleman and Sande, Fast Fourier transforms: for fun and profit, 1966), two halvings at a time.
func transform(x, w []complex64) {
	quarter := len(x) / 4
	for ; quarter > 0; quarter /= 4 {
		w1, w2 := w[2*quarter:][:quarter], w[quarter:][:quarter]
		for at := 0; at < len(x); at += 4 * quarter {
			x0, x1 := x[at:][:quarter], x[at+quarter:][:quarter]
			x2, x3 := x[at+2*quarter:][:quarter], x[at+3*quarter:][:quarter]
			for k := range x0 {
				a, b, c, d := x0[k]+x2[k], x1[k]+x3[k], x0[k]-x2[k], x1[k]-x3[k]
				d = complex(imag(d), -real(d))
				x0[k], x1[k] = a+b, times(a-b, w2[k])
				x2[k], x3[k] = times(c+d, w1[k]), times(times(c-d, w1[k]), w2[k])
			}
		}
		if quarter == 2 {
			pairs(x)
		}
	}
}

// restore undoes transform, but for a factor len(x).
func restore(x, w []complex64) {
	quarter := 1
	if bits.Len(uint(len(x)))%2 == 0 {
		pairs(x)
		quarter = 2
	}
	for ; quarter < len(x); quarter *= 4 {
		w1, w2 := w[2*quarter:][:quarter], w[quarter:][:quarter]
		for at := 0; at < len(x); at += 4 * quarter {
			x0, x1 := x[at:][:quarter], x[at+quarter:][:quarter]
			x2, x3 := x[at+2*quarter:][:quarter], x[at+3*quarter:][:quarter]
			for k := range x0 {
				v1, v2 := conjugate(w1[k]), conjugate(w2[k])
				s, c, d := times(x1[k], v2), times(x2[k], v1), times(times(x3[k], v1), v2)
				a, b, c, d := x0[k]+s, x0[k]-s, c+d, c-d
				d = complex(-imag(d), real(d))
				x0[k], x1[k], x2[k], x3[k] = a+c, b+d, a-c, b-d
			}
		}
	}
}

// pairs transforms the pairs of neighbors in x: the halving that is left where their number is odd.
func pairs(x []complex64) {
	for at := 0; at < len(x); at += 2 {
		x[at], x[at+1] = x[at]+x[at+1], x[at]-x[at+1]
	}
}

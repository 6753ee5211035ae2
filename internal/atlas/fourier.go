package atlas

import "math"

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

// transform replaces x, whose length is a power of two, with its discrete Fourier transform in bit-reversed order
// (Gentleman, Sande, Fast Fourier transforms: for fun and profit, 1966).
func transform(x, w []complex64) {
	for half := len(x) / 2; half > 0; half /= 2 {
		for at := 0; at < len(x); at += 2 * half {
			low, high, root := x[at:][:half], x[at+half:][:half], w[half:][:half]
			for k := range low {
				low[k], high[k] = low[k]+high[k], times(low[k]-high[k], root[k])
			}
		}
	}
}

// restore undoes transform, but for a factor len(x) (Cooley, Tukey, 1965).
func restore(x, w []complex64) {
	for half := 1; half < len(x); half *= 2 {
		for at := 0; at < len(x); at += 2 * half {
			low, high, root := x[at:][:half], x[at+half:][:half], w[half:][:half]
			for k := range low {
				turned := times(high[k], complex(real(root[k]), -imag(root[k])))
				low[k], high[k] = low[k]+turned, low[k]-turned
			}
		}
	}
}

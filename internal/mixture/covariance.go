package mixture

import (
	"fmt"
	"math"
)

// Covariance is the shape of the components' covariances.
type Covariance int

const (
	// Diagonal covariances are D variances a component.
	Diagonal Covariance = iota
	// Full covariances are D×D a component, row by row.
	Full
)

// size returns how many numbers a component's covariance is.
func (c Covariance) size(d int) int {
	if c == Full {
		return d * d
	}
	return d
}

// parameters returns how many of a component's covariance are free: D, or D(D+1)/2 as it is symmetric.
func (c Covariance) parameters(d int) int {
	if c == Full {
		return d * (d + 1) / 2
	}
	return d
}

// factor returns what squared needs, the inverses of variances or of a Cholesky factor, and the logarithm of the
// determinant. The covariance must be positive definite.
func (c Covariance) factor(covariance []float64, d int) (factor []float64, logDeterminant float64, err error) {
	if c == Full {
		return inverseCholesky(covariance, d)
	}
	factor = make([]float64, d)
	for i, v := range covariance {
		factor[i] = 1 / v
		if !(v > 0 && v <= math.MaxFloat64 && factor[i] <= math.MaxFloat64) {
			return nil, 0, fmt.Errorf("the variance of column %d is %g: use a larger regularization", i, v)
		}
		logDeterminant += logarithm(v)
	}
	return factor, logDeterminant, nil
}

// inverseCholesky returns L⁻¹, lower triangular, for the covariance LLᵀ, and ln|LLᵀ|.
func inverseCholesky(covariance []float64, d int) (inverse []float64, logDeterminant float64, err error) {
	l := make([]float64, d*d)
	for i := range d {
		for j := range i + 1 {
			rest := covariance[i*d+j] - dot(l[i*d:i*d+j], l[j*d:j*d+j])
			if i > j {
				l[i*d+j] = rest / l[j*d+j]
				continue
			}
			l[i*d+i] = math.Sqrt(rest)
			if !(rest > 0 && rest <= math.MaxFloat64 && 1/l[i*d+i] <= math.MaxFloat64) {
				return nil, 0, fmt.Errorf("the covariance is not positive definite at column %d: use a larger regularization, or shrinkage", i)
			}
			logDeterminant += logarithm(rest)
		}
	}
	inverse = make([]float64, d*d)
	for j := range d {
		inverse[j*d+j] = 1 / l[j*d+j]
		for i := j + 1; i < d; i++ {
			sum := 0.0
			for k := j; k < i; k++ {
				sum += float64(l[i*d+k] * inverse[k*d+j])
			}
			inverse[i*d+j] = -sum / l[i*d+i]
		}
	}
	return inverse, logDeterminant, nil
}

// squared returns the squared Mahalanobis distance of a row from a component's mean, both given by their difference.
func (c Covariance) squared(factor, difference []float64) float64 {
	if c == Full {
		d, sum := len(difference), 0.0
		for i := range d {
			v := dot(factor[i*d:i*d+i+1], difference[:i+1])
			sum += float64(v * v)
		}
		return sum
	}
	return weightedSquares(factor, difference)
}

// add adds weight times the squares of a difference, or its products (the lower triangle of them), to second.
func (c Covariance) add(second, difference []float64, weight float64) {
	if c == Full {
		d := len(difference)
		for i, v := range difference {
			addScaled(second[i*d:i*d+i+1], difference[:i+1], v*weight)
		}
		return
	}
	second = second[:len(difference)]
	for i, v := range difference {
		second[i] += float64(float64(weight*v) * v)
	}
}

// estimate returns the covariance of rows that count as many as weight, from the sums of the products of their
// differences from some point (second) and the mean of these differences (shift). The regularization is added to the
// variances; what lies beside the diagonal is multiplied by weight/(weight + prior).
func (c Covariance) estimate(second, shift []float64, weight, regularization, prior float64) []float64 {
	covariance := make([]float64, len(second))
	variance := func(at, i int) {
		covariance[at] = max(second[at]/weight-float64(shift[i]*shift[i]), 0) + regularization
	}
	d := len(shift)
	if c != Full {
		for i := range d {
			variance(i, i)
		}
		return covariance
	}
	kept := weight / (weight + prior)
	for i := range d {
		variance(i*d+i, i)
		for j := range i {
			v := float64(kept * (second[i*d+j]/weight - float64(shift[i]*shift[j])))
			covariance[i*d+j], covariance[j*d+i] = v, v
		}
	}
	return covariance
}

// dot returns Σ xy in four sums, which hides the latency of additions. Their order is fixed.
func dot(x, y []float64) float64 {
	y = y[:len(x)]
	var s0, s1, s2, s3 float64
	for len(x) >= 4 && len(y) >= 4 {
		s0 += float64(x[0] * y[0])
		s1 += float64(x[1] * y[1])
		s2 += float64(x[2] * y[2])
		s3 += float64(x[3] * y[3])
		x, y = x[4:], y[4:]
	}
	for i, v := range x {
		s0 += float64(v * y[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// addScaled adds scale·x to y, four numbers a round.
func addScaled(y, x []float64, scale float64) {
	for len(x) >= 4 && len(y) >= 4 {
		y[0] += float64(scale * x[0])
		y[1] += float64(scale * x[1])
		y[2] += float64(scale * x[2])
		y[3] += float64(scale * x[3])
		x, y = x[4:], y[4:]
	}
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float64(scale * v)
	}
}

// weightedSquares returns Σ wx² as dot does.
func weightedSquares(w, x []float64) float64 {
	w = w[:len(x)]
	var s0, s1, s2, s3 float64
	for len(x) >= 4 && len(w) >= 4 {
		s0 += float64(float64(w[0]*x[0]) * x[0])
		s1 += float64(float64(w[1]*x[1]) * x[1])
		s2 += float64(float64(w[2]*x[2]) * x[2])
		s3 += float64(float64(w[3]*x[3]) * x[3])
		x, w = x[4:], w[4:]
	}
	for i, v := range x {
		s0 += float64(float64(w[i]*v) * v)
	}
	return (s0 + s1) + (s2 + s3)
}

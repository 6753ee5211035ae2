package atlas

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

func TestTransform(t *testing.T) {
	for _, n := range []int{16, 32, 64, 128} {
		f := newField(1, 1)
		f.resize(n)
		random := rand.New(rand.NewPCG(1, uint64(n)))
		x := make([]complex64, n)
		for i := range x {
			x[i] = complex(random.Float32(), random.Float32())
		}
		got := append([]complex64(nil), x...)
		transform(got, f.roots)
		for place, at := range f.folded {
			var want complex128
			angle := -2 * math.Pi * float64(at.k) * float64(at.sign) / float64(n)
			for i, v := range x {
				want += complex128(v) * cmplx.Exp(complex(0, angle*float64(i)))
			}
			if cmplx.Abs(complex128(got[place])-want) > 1e-4 {
				t.Errorf("%d values: frequency %v is %v, want %v", n, at, got[place], want)
			}
		}
		restore(got, f.roots)
		for i, v := range x {
			if cmplx.Abs(complex128(got[i])/complex(float64(n), 0)-complex128(v)) > 1e-5 {
				t.Errorf("%d values: %d is restored to %v, want %v", n, i, got[i], v)
			}
		}
	}
}

// slowRepulsion is what a field approximates: Σq over all ordered pairs and each row's Σ q²·(yᵢ − yⱼ).
func slowRepulsion(y []float32) (sum float64, forces []float64) {
	forces = make([]float64, len(y))
	for i := 0; i < len(y); i += 2 {
		for j := 0; j < len(y); j += 2 {
			if i != j {
				dx, dy := float64(y[i]-y[j]), float64(y[i+1]-y[j+1])
				q := 1 / (1 + dx*dx + dy*dy)
				sum += q
				forces[i] += q * q * dx
				forces[i+1] += q * q * dy
			}
		}
	}
	return sum, forces
}

func TestField(t *testing.T) {
	const n = 1000
	for _, test := range []struct {
		deviation, sum, force float64 // the errors allowed, relative to the root mean square
	}{
		{0.001, 0.001, 0.01},
		{0.1, 0.001, 0.01},
		{1, 0.01, 0.02},
		{5, 0.01, 0.05},
		{12, 0.02, 0.3}, // wider than maps of so few rows are,
	} {
		random := rand.New(rand.NewPCG(1, 2))
		y := make([]float32, 2*n)
		for i := range y {
			y[i] = float32(test.deviation * random.NormFloat64())
		}
		f := newField(n, 2)
		sum := f.compute(t.Context(), y)
		wantSum, want := slowRepulsion(y)
		var missed, square float64
		for i := 0; i < len(y); i += 2 {
			fx, fy := f.at(y[i], y[i+1])
			missed += math.Pow(float64(fx)-want[i], 2) + math.Pow(float64(fy)-want[i+1], 2)
			square += want[i]*want[i] + want[i+1]*want[i+1]
		}
		share := math.Sqrt(missed / square)
		t.Logf("deviation %v: Σq %.1f of %.1f, forces off by %.4f", test.deviation, sum, wantSum, share)
		if math.Abs(sum/wantSum-1) > test.sum || share > test.force {
			t.Errorf("deviation %v: beyond the errors allowed", test.deviation)
		}
	}
}

func TestLagrange(t *testing.T) {
	cubic := func(x float64) float64 { return 2 - x + 3*x*x - x*x*x }
	for _, x := range []float32{0, 0.25, 0.5, 0.99} {
		var got float64
		for k, w := range lagrange(x) {
			got += float64(w) * cubic(float64(k-1))
		}
		if want := cubic(float64(x)); math.Abs(got-want) > 1e-5 {
			t.Errorf("at %v: %v, want %v", x, got, want)
		}
	}
}

package atlas

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestField(t *testing.T) {
	for _, size := range []float64{1e-4, 1, 5, 20, 60} {
		rng := rand.New(rand.NewPCG(1, 2))
		y := make([]float32, 2*2000)
		for i := range y {
			y[i] = float32(size * rng.NormFloat64())
		}
		f := newField(2000, 2)
		z := f.compute(t.Context(), y)
		var want float64
		var worst, norm float64
		for i := 0; i < len(y); i += 2 {
			var fx, fy float64
			for j := 0; j < len(y); j += 2 {
				if i != j {
					dx, dy := float64(y[i]-y[j]), float64(y[i+1]-y[j+1])
					q := 1 / (1 + dx*dx + dy*dy)
					want += q
					fx += dx * q * q
					fy += dy * q * q
				}
			}
			gx, gy := f.at(y[i], y[i+1])
			worst += math.Pow(float64(gx)-fx, 2) + math.Pow(float64(gy)-fy, 2)
			norm += fx*fx + fy*fy
		}
		t.Logf("size %v side %d spacing %v: z %v want %v, rms error %v of %v", size, f.side, f.spacing, z, want, math.Sqrt(worst/2000), math.Sqrt(norm/2000))
	}
}
func BenchmarkField(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	y := make([]float32, 2*60000)
	for i := range y {
		y[i] = float32(180 * rng.Float64())
	}
	f := newField(60000, 2)
	f.compute(b.Context(), y)
	for b.Loop() {
		f.compute(b.Context(), y)
	}
	b.Log(f.side)
}

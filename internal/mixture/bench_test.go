package mixture

import (
	"math/rand/v2"
	"runtime"
	"testing"
)

// BenchmarkFit fits 60,000 rows as PCA leaves them: 40 columns, clusters that overlap.
func BenchmarkFit(b *testing.B) {
	x, _ := planted(rand.New(rand.NewPCG(1, 1)), 60000, 40, 5, 0.5)
	for _, test := range []struct {
		name       string
		covariance Covariance
	}{{"diagonal", Diagonal}, {"full", Full}} {
		b.Run(test.name, func(b *testing.B) {
			o := Defaults()
			o.Covariance, o.Threads = test.covariance, runtime.NumCPU()
			for b.Loop() {
				m, err := Fit(b.Context(), x, o)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(m.Iterations), "iterations")
			}
		})
		b.Run(test.name+" step", func(b *testing.B) {
			o := Defaults()
			o.Covariance, o.Threads, o.MaxIterations = test.covariance, runtime.NumCPU(), 1
			var err error
			if o.Start, err = Fit(b.Context(), x, o); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Fit(b.Context(), x, o); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(test.name+" densities", func(b *testing.B) {
			o := Defaults()
			o.Covariance, o.MaxIterations = test.covariance, 1
			m, err := Fit(b.Context(), x, o)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := m.LogDensities(b.Context(), x, runtime.NumCPU()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package atlas

import "testing"

func BenchmarkTransform(b *testing.B) {
	x := make([]complex64, 1024)
	for i := range x {
		x[i] = complex(float32(i%7), 0)
	}
	w := roots(1024)
	y := make([]complex64, 1024)
	b.Run("transform", func(b *testing.B) {
		for b.Loop() {
			copy(y, x)
			transform(y, w)
		}
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			copy(y, x)
			restore(y, w)
		}
	})
}

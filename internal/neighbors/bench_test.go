package neighbors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

const benchmarkK = 10

// Random rows are the hardest for a shortlist's order and the easiest for its proof: what is measured is the kernel.
func benchmarkMatrix(n, d int) Matrix[float32] {
	r := rand.New(rand.NewPCG(11, 12))
	x := Matrix[float32]{make([]float32, n*d), n, d}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	return x
}

var benchmarkShapes = []struct{ n, d, queries int }{
	{60000, 40, 60000},
	{60000, 1024, 6000},
	{20000, 1024, 20000},
}

func benchmarkThreads() []int {
	if runtime.NumCPU() == 1 {
		return []int{1}
	}
	return []int{1, 2}
}

// BenchmarkSearch reports 2·queries·N·D over the time of the whole search.
func BenchmarkSearch(b *testing.B) {
	for _, s := range benchmarkShapes {
		x := benchmarkMatrix(s.n, s.d)
		for _, k := range kernels {
			queries := s.queries
			if k.name == goKernel.name {
				queries /= 20
			}
			for _, threads := range benchmarkThreads() {
				b.Run(fmt.Sprintf("%dx%d/%s/threads=%d", s.n, s.d, k.name, threads), func(b *testing.B) {
					for b.Loop() {
						if _, err := search(context.Background(), x, Options{K: benchmarkK, To: queries, Threads: threads}, k); err != nil {
							b.Fatal(err)
						}
					}
					flops := 2 * float64(queries) * float64(s.n) * float64(s.d)
					b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

// BenchmarkHardCases is what the proof costs where float32 alone fails, in multiples of the time that random rows of
// the same shape take.
func BenchmarkHardCases(b *testing.B) {
	const n, d = 20000, 40
	seconds := func(x Matrix[float64]) float64 {
		begin := time.Now()
		if _, err := Search(context.Background(), x, Options{K: benchmarkK}); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin).Seconds()
	}
	for name, generate := range matrices {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			r := rand.New(rand.NewPCG(13, 14))
			easy := Matrix[float64]{fill(n*d, r.NormFloat64), n, d}
			hard := Matrix[float64]{generate(r, n, d), n, d}
			var ratio float64
			for b.Loop() {
				ratio += seconds(hard) / seconds(easy)
			}
			b.ReportMetric(ratio/float64(b.N), "times-random")
		})
	}
}

// BenchmarkMemory measures what a pod that searches its share of the rows takes of the heap beyond the rows, in bytes a
// row, and how much of that is not the copy in float32.
func BenchmarkMemory(b *testing.B) {
	const n, d, shards = 100_000, 64, 8
	r := rand.New(rand.NewPCG(11, 12))
	x := Matrix[float64]{fill(n*d, r.NormFloat64), n, d}
	heap := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	for b.Loop() {
		runtime.GC()
		before := heap()
		var most uint64
		_, err := Search(context.Background(), x, Options{K: 49, From: 0, To: n / shards / 3, Threads: 2, Progress: func(int) {
			runtime.GC() // what is dead doesn't count
			most = max(most, heap())
		}})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(most-before)/n, "B/row")
		b.ReportMetric(float64(most-before)/n-4*d, "B/row-beyond-float32")
	}
}

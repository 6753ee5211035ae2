package duplicates

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// peak runs a function and returns by how much the heap was larger at most, in bytes.
func peak(run func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before := heap()
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				runtime.GC() // what is dead doesn't count
				most.Store(max(most.Load(), heap()))
			}
		}
	}()
	run()
	close(done)
	<-ended
	return most.Load() - min(before, most.Load())
}

// BenchmarkMemory measures what Find takes of the heap beyond the reduced rows that it is given, in bytes a sample, with a
// copy in ten: with the neighbors, the kernel's copy of the rows in float32, copies, links and clusters; and where other
// pods have found the neighbors, which then lie beside the rows in a file, what is left of that.
func BenchmarkMemory(b *testing.B) {
	const n, components = 40_000, 64
	for name, o := range map[string]Options{
		"Local":     {Neighbors: 50, MaxClusterSize: 50, Local: &Local{Rate: 0.01}, Threads: 2},
		"Reference": {Neighbors: 10, MaxClusterSize: 50, Strategy: Percentile{Percent: 99}, Threads: 2},
	} {
		for _, found := range []bool{false, true} {
			title := fmt.Sprintf("%s %d components", name, components)
			if found {
				title += ", neighbors found"
			}
			b.Run(title, func(b *testing.B) {
				for b.Loop() {
					reduced, samples, embeddings := memoryInput(n, components)
					find := func() *Result {
						r, err := Find(b.Context(), samples, slices.Clone(reduced), components, embeddings, o)
						if err != nil {
							b.Fatal(err)
						}
						return r
					}
					links := 0
					if found {
						var near neighbors.Result
						o.Search = func(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (_ neighbors.Result, err error) {
							near, err = neighbors.Search(ctx, x, o)
							return near, err
						}
						links = len(find().Links)
						o.Search = func(context.Context, neighbors.Matrix[float64], neighbors.Options) (neighbors.Result, error) {
							return near, nil
						}
					}
					scaled := slices.Clone(reduced)
					bytes := peak(func() {
						if _, err := Find(b.Context(), samples, scaled, components, embeddings, o); err != nil {
							b.Fatal(err)
						}
					})
					b.ReportMetric(float64(bytes)/n, "B/sample")
					b.ReportMetric(float64(links)/n, "links/sample")
				}
			})
		}
	}
}

func memoryInput(n, components int) (reduced []float64, samples []Sample, embeddings rows) {
	random := rand.New(rand.NewPCG(1, 2))
	reduced, embeddings, samples = make([]float64, n*components), make(rows, n), make([]Sample, n)
	for i := range n {
		embeddings[i] = []float32{float32(i - i%10*(i%10/9))} // each tenth is a copy of the nine before's first
		for k := range components {
			reduced[i*components+k] = random.NormFloat64()
		}
		if i%10 == 9 {
			copy(reduced[i*components:(i+1)*components], reduced[(i-9)*components:])
		}
		samples[i] = Sample{Index: i, ID: fmt.Sprint(i)}
	}
	return reduced, samples, embeddings
}

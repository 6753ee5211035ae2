package dataset

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// maxSampleBytes bounds one sample's file: a larger one is unreadable.
	maxSampleBytes = 256 << 20
	// readAheadBytes bounds what is read and not yet taken, so that one sample at its bound still fits.
	readAheadBytes = maxSampleBytes
	// readers is how many reads are under way or wait to be taken. It hides an object store's latency: 64 requests of
	// 30 ms give about 2,000 files a second.
	readers = 64
)

// batch is a run of consecutive samples that is read in one go.
type batch struct {
	from   int
	weight int64
	done   chan struct{} // closed when contents and err are set
	read   []content
	err    error
}

// Samples reads the samples [from, to) and yields them in order. Reading runs ahead concurrently, within bounds of samples
// and bytes. A sample that alone cannot be read has its Err set; any other failure, and the context's end, is yielded as an
// error, and nothing follows it. When the loop ends, however it does, so has all reading.
func (d *Dataset) Samples(ctx context.Context, from, to int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		if from < 0 || to < from || to > d.Len() {
			yield(Sample{}, fmt.Errorf("samples [%d, %d) of %d do not exist", from, to, d.Len()))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()

		ahead := semaphore.NewWeighted(readAheadBytes)
		queue := make(chan *batch, readers)
		running.Go(func() {
			defer close(queue)
			d.schedule(ctx, from, to, ahead, queue, &running)
		})

		next := from
		for b := range queue {
			<-b.done
			if b.err != nil {
				yield(Sample{}, b.err)
				return
			}
			for i, c := range b.read {
				if err := ctx.Err(); err != nil {
					yield(Sample{}, err)
					return
				}
				if !yield(d.sample(b.from+i, c), nil) {
					return
				}
				b.read[i] = content{} // the caller's from here on
			}
			next += len(b.read)
			ahead.Release(b.weight)
		}
		if next < to {
			yield(Sample{}, ctx.Err())
		}
	}
}

// schedule starts the reads in order, each once there is room for it. Room is taken and given back in the same order, so
// that the batch that is waited for always has it.
func (d *Dataset) schedule(ctx context.Context, from, to int, ahead *semaphore.Weighted, queue chan<- *batch, running *sync.WaitGroup) {
	for i := from; i < to; {
		end := min(i+d.listing.batch, to)
		b := &batch{from: i, done: make(chan struct{})}
		for _, e := range d.entries[i:end] {
			b.weight += e.size
		}
		b.weight = min(b.weight, readAheadBytes)
		if ahead.Acquire(ctx, b.weight) != nil {
			return
		}
		select {
		case queue <- b:
		case <-ctx.Done():
			return
		}
		entries := d.entries[i:end]
		running.Go(func() {
			defer close(b.done)
			b.read, b.err = d.listing.source.read(ctx, entries)
		})
		i = end
	}
}

func (d *Dataset) sample(i int, c content) Sample {
	return Sample{Index: i, Info: d.entries[i].Info, Bytes: c.bytes, Vector: c.vector, Digest: c.digest, Err: c.err}
}

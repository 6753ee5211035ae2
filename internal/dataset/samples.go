package dataset

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// maxSampleBytes bounds one sample's file: a larger one is unreadable.
	maxSampleBytes = 256 << 20
	// readAheadBytes bounds what is read and not yet taken, so that one sample at its bound still fits.
	readAheadBytes = maxSampleBytes
	// maxBatchBytes bounds a batch, unless a single sample is larger.
	maxBatchBytes = 16 << 20
	// readers is how many reads are under way or wait to be taken. It hides an object store's latency: 64 requests of
	// 30 ms give about 2,000 files a second.
	readers = 64
)

// batch is some samples that are read in one go.
type batch struct {
	from   int // in the order in which samples are asked for
	weight int64
	done   chan struct{} // closed when contents and err are set
	read   []content
	err    error
}

// sequential is a source that goes through its objects from the beginning and remembers where it was. The batches of
// one lane are read one after another, in order, by a session that is closed after the last.
type sequential interface {
	source
	// lane names what is read in one go, such as an archive.
	lane(e *entry) string
	// session begins to read.
	session() (_ sequential, closing func())
}

// Samples reads the samples [from, to) and yields them in order. Reading runs ahead concurrently, within bounds of
// samples and bytes. A sample that alone cannot be read has its Err set; any other failure, and the context's end, is
// yielded as an error, and nothing follows it. When the loop ends, however it does, so has all reading.
func (d *Dataset) Samples(ctx context.Context, from, to int) iter.Seq2[Sample, error] {
	if from < 0 || to < from || to > d.Len() {
		return func(yield func(Sample, error) bool) {
			yield(Sample{}, fmt.Errorf("samples [%d, %d) of %d do not exist", from, to, d.Len()))
		}
	}
	return d.stream(ctx, to-from, func(i int) int { return from + i })
}

// Pick is Samples for those at the given indices, which must ascend.
func (d *Dataset) Pick(ctx context.Context, indices []int) iter.Seq2[Sample, error] {
	return d.stream(ctx, len(indices), func(i int) int { return indices[i] })
}

// stream reads n samples; index says which the i-th is.
func (d *Dataset) stream(ctx context.Context, n int, index func(i int) int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		r := &reading{dataset: d, index: index, source: d.listing.source, ahead: semaphore.NewWeighted(readAheadBytes), queue: make(chan *batch, readers)}
		if s, ok := r.source.(sequential); ok {
			session, closing := s.session()
			defer closing()
			r.source, r.lanes = session, map[string]*batch{}
		}
		defer r.running.Wait()
		defer cancel()
		r.running.Go(func() {
			defer close(r.queue)
			r.schedule(ctx, n)
		})

		next := 0
		for b := range r.queue {
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
				if !yield(d.sample(index(b.from+i), c), nil) {
					return
				}
				b.read[i] = content{} // the caller's from here on
			}
			next += len(b.read)
			b.read = nil
			r.ahead.Release(b.weight)
		}
		if next < n {
			yield(Sample{}, ctx.Err())
		}
	}
}

// reading is the state of one pass over samples.
type reading struct {
	dataset *Dataset
	index   func(i int) int
	source  source
	lanes   map[string]*batch // the last batch of each; nil unless the source is sequential
	ahead   *semaphore.Weighted
	queue   chan *batch
	running sync.WaitGroup
}

// schedule starts the reads in order, each once there is room for it. Room is taken and given back in the same order,
// so that the batch that is waited for always has it.
func (r *reading) schedule(ctx context.Context, n int) {
	for i := 0; i < n; {
		b := &batch{from: i, done: make(chan struct{})}
		entries, lane := r.cut(i, n)
		for _, e := range entries {
			b.weight += e.size
		}
		b.weight = min(b.weight, readAheadBytes)
		if r.ahead.Acquire(ctx, b.weight) != nil {
			return
		}
		select {
		case r.queue <- b:
		case <-ctx.Done():
			return
		}
		before := r.lanes[lane]
		if r.lanes != nil {
			r.lanes[lane] = b
		}
		r.running.Go(func() {
			defer close(b.done)
			if before != nil {
				<-before.done
				if b.err = before.err; b.err != nil {
					return
				}
			}
			b.read, b.err = readable(ctx, r.source, entries)
		})
		i += len(entries)
	}
}

// cut returns the samples of the batch that begins with the i-th of n: of one lane, and not too many bytes.
func (r *reading) cut(i, n int) (entries []entry, lane string) {
	d := r.dataset
	s, inLanes := r.source.(sequential)
	if inLanes {
		lane = s.lane(&d.entries[r.index(i)])
	}
	bytes := int64(0)
	for end := min(i+d.listing.batch, n); i < end; i++ {
		e := d.entries[r.index(i)]
		bytes += e.size
		if len(entries) > 0 && (bytes > maxBatchBytes || inLanes && s.lane(&e) != lane) {
			break
		}
		entries = append(entries, e)
	}
	return entries, lane
}

// readable reads the entries of which nothing is wrong yet.
func readable(ctx context.Context, source source, entries []entry) ([]content, error) {
	broken := func(e entry) bool { return e.err != nil }
	if !slices.ContainsFunc(entries, broken) {
		return source.read(ctx, entries)
	}
	whole := slices.DeleteFunc(slices.Clone(entries), broken)
	var read []content
	if len(whole) > 0 {
		var err error
		if read, err = source.read(ctx, whole); err != nil {
			return nil, err
		}
	}
	contents := make([]content, len(entries))
	for i, e := range entries {
		if e.err != nil {
			contents[i] = content{err: e.err}
			continue
		}
		contents[i], read = read[0], read[1:]
	}
	return contents, nil
}

func (d *Dataset) sample(i int, c content) Sample {
	return Sample{Index: i, Info: d.entries[i].Info, Bytes: c.bytes, Vector: c.vector, Digest: c.digest, Err: c.err}
}

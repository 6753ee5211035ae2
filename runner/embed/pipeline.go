package embed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/dataset"
	"github.com/datasetaudit/dataset-audit/runner/images"
	"github.com/datasetaudit/dataset-audit/runner/vectors"
)

const (
	minPartRows = 256
	maxParts    = 8192
)

// PartRows returns how many samples of a dataset make a part of the store, and so a checkpoint: whole batches of the network
// (nil for a dataset of embeddings), and so many that the parts of a large dataset don't get too many to open.
func PartRows(samples int, network *Network) int {
	rows := minPartRows
	for samples > rows*maxParts {
		rows *= 2
	}
	if network == nil {
		return rows
	}
	return (rows + network.batch - 1) / network.batch * network.batch
}

// Counts says what became of samples.
type Counts struct {
	// Embedded were computed, Reused came from a checkpoint or were copies of another.
	Embedded, Reused int64
}

// A Job embeds the parts [From, To) of a dataset into a store.
type Job struct {
	Dataset *dataset.Dataset
	Store   *vectors.Store
	// Network is nil for a dataset of embeddings, which are stored as they are.
	Network  *Network
	Decoder  images.Decoder
	From, To int
	// Threads bounds the goroutines that decode, and on the CPU the batches that run at once.
	Threads int
	// Progress, if not nil, is called with the number of samples done since its last call, from several goroutines.
	Progress func(samples int)
}

// part is one that is being filled.
type part struct {
	vectors.Part
	pending atomic.Int64 // batches to run, and one while they are handed out
}

// batch is the samples that run through the model at once.
type batch struct {
	part    *part
	first   int // the row of the part that slot 0 is
	live    []bool
	in      *input
	pending atomic.Int64 // samples to decode, and one while they are handed out
}

// picture is a sample to decode into a slot.
type picture struct {
	batch *batch
	slot  int
	bytes []byte
}

// run is the state of a running job.
type run struct {
	Job
	ctx      context.Context
	counts   Counts
	seen     map[vectors.Digest]bool // the samples before the one that is read
	free     chan *batch
	pictures chan picture
	ready    chan *batch
	finished chan *part
}

// Run fills what the store lacks of the parts. A failure leaves the parts that were finished; a later run goes on from there.
func (j Job) Run(ctx context.Context) (Counts, error) {
	group, ctx := errgroup.WithContext(ctx)
	r := &run{Job: j, ctx: ctx, seen: map[vectors.Digest]bool{}, finished: make(chan *part)}
	if j.Network == nil {
		group.Go(func() error { defer close(r.finished); return r.read() })
		group.Go(r.write)
		err := group.Wait()
		return r.counts, err
	}

	lanes := j.Network.concurrency(j.Threads)
	inFlight := lanes + 2 // each lane runs one, one is filled, one waits
	r.free = make(chan *batch, inFlight)
	r.ready = make(chan *batch, inFlight)
	r.pictures = make(chan picture, j.Threads)
	var inputs []*input
	defer func() {
		for _, in := range inputs {
			_ = in.value.Destroy() // frees a handle; nothing to be done about a failure
		}
	}()
	for range inFlight {
		in, err := j.Network.newInput()
		if err != nil {
			return Counts{}, err
		}
		inputs = append(inputs, in)
		r.free <- &batch{in: in, live: make([]bool, j.Network.batch)}
	}

	group.Go(func() error { defer close(r.pictures); return r.read() })
	lanesOf(group, j.Threads, r.decode, func() { close(r.ready) })
	lanesOf(group, lanes, r.infer, func() { close(r.finished) })
	group.Go(r.write)
	err := group.Wait()
	return r.counts, err
}

// lanesOf runs n goroutines of one stage, and done when the last has ended.
func lanesOf(group *errgroup.Group, n int, stage func() error, done func()) {
	var left atomic.Int64
	left.Store(int64(n))
	for range n {
		group.Go(func() error {
			defer func() {
				if left.Add(-1) == 0 {
					done()
				}
			}()
			return stage()
		})
	}
}

// read takes the samples of the absent parts in order. Absent parts beside each other are read in one go.
func (r *run) read() error {
	for p := r.From; p < r.To; {
		records, err := r.Store.Records(p)
		if err != nil {
			return err
		}
		if records != nil {
			for _, record := range records {
				r.seen[record.Digest] = true
			}
			r.counts.Reused += int64(len(records))
			r.progress(len(records))
			p++
			continue
		}
		first := p
		for p++; p < r.To; p++ {
			records, err := r.Store.Records(p)
			if err != nil {
				return err
			}
			if records != nil {
				break
			}
		}
		if err := r.readParts(first, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) readParts(first, end int) error {
	from, _ := r.Store.Rows(first)
	_, to := r.Store.Rows(end - 1)
	var current *part
	var open *batch
	for sample, err := range r.Dataset.Samples(r.ctx, from, to) {
		if err != nil {
			return err
		}
		row := sample.Index % r.Store.PartRows
		if row == 0 {
			current = r.newPart(sample.Index)
		}
		if r.Network != nil && row%r.Network.batch == 0 {
			if open, err = r.newBatch(current, row); err != nil {
				return err
			}
		}
		if err := r.take(sample, current, open, row); err != nil {
			return err
		}
		last := row == len(current.Records)-1
		if open != nil && (last || (row+1)%r.Network.batch == 0) {
			if err := r.decoded(open); err != nil {
				return err
			}
			open = nil
		}
		if last {
			if err := r.ran(current); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) newPart(index int) *part {
	from, to := r.Store.Rows(index / r.Store.PartRows)
	p := &part{Part: vectors.Part{From: from, Records: make([]vectors.Record, to-from)}}
	for _, layer := range r.Store.Layers {
		p.Vectors = append(p.Vectors, make([]float32, (to-from)*layer.Dimensions))
	}
	p.pending.Store(1)
	return p
}

func (r *run) newBatch(p *part, first int) (*batch, error) {
	select {
	case b := <-r.free:
		b.part, b.first = p, first
		clear(b.live)
		b.pending.Store(1)
		p.pending.Add(1)
		return b, nil
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
}

// take decides what becomes of a sample: unreadable, a copy of an earlier one, or something to decode.
func (r *run) take(s dataset.Sample, p *part, b *batch, row int) error {
	record := &p.Records[row]
	record.ID, record.Digest = s.ID, s.Digest
	switch {
	case errors.Is(s.Err, dataset.ErrNotFinite):
		// Unlike a corrupt image, this says that whoever computed the embeddings made a mistake.
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidResult, fmt.Errorf("sample %s: %w", s.ID, s.Err))
	case s.Err != nil:
		record.Unreadable = s.Err.Error()
		record.Digest = sha256.Sum256([]byte("unreadable " + s.ID)) // of no other sample
	case r.seen[s.Digest]:
		record.Copy = true
		r.counts.Reused++
	case s.Vector != nil:
		r.seen[s.Digest] = true
		copy(p.Vectors[0][row*len(s.Vector):], s.Vector)
	default:
		r.seen[s.Digest] = true
		slot := row - b.first
		b.live[slot] = true
		b.pending.Add(1)
		select {
		case r.pictures <- picture{b, slot, s.Bytes}:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	return nil
}

// decode turns pictures into rows of their batch's input.
func (r *run) decode() error {
	prepare := r.Network.prepare
	var img image.RGBA
	scratch := make([]float32, 3*prepare.resizer.Width*prepare.resizer.Height)
	for p := range r.pictures {
		if err := r.Decoder.DecodeInto(&img, p.bytes); err != nil {
			p.batch.live[p.slot] = false
			p.batch.part.Records[p.batch.first+p.slot].Unreadable = err.Error()
		} else {
			prepare.apply(&img, scratch, p.batch.in.rows[p.slot])
		}
		if err := r.decoded(p.batch); err != nil {
			return err
		}
	}
	return nil
}

// decoded counts down what a batch waits for and hands it on when that was the last.
func (r *run) decoded(b *batch) error {
	if b.pending.Add(-1) > 0 {
		return nil
	}
	anything := false
	for slot, live := range b.live {
		anything = anything || live
		if !live {
			b.in.rows[slot].clear()
		}
	}
	if !anything {
		return r.release(b)
	}
	select {
	case r.ready <- b:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// infer runs batches and stores their rows in their part.
func (r *run) infer() (err error) {
	outputs := make([]ort.Value, len(r.Network.Layers))
	values := make([][]float32, len(outputs))
	defer func() {
		for _, o := range outputs {
			if o != nil {
				err = errors.Join(err, o.Destroy())
			}
		}
	}()
	for i, layer := range r.Network.Layers {
		tensor, err := ort.NewEmptyTensor[float32](ort.NewShape(int64(r.Network.batch), int64(layer.Dimensions)))
		if err != nil {
			return err
		}
		outputs[i], values[i] = tensor, tensor.GetData()
	}
	for b := range r.ready {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.Network.session.Run([]ort.Value{b.in.value}, outputs); err != nil {
			return fmt.Errorf("run the model on samples %d to %d: %w", b.part.From+b.first, b.part.From+b.first+len(b.live)-1, err)
		}
		if err := r.store(b, values); err != nil {
			return err
		}
		if err := r.release(b); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) store(b *batch, values [][]float32) error {
	embedded := 0
	for slot, live := range b.live {
		if !live {
			continue
		}
		embedded++
		row := b.first + slot
		for i, layer := range r.Network.Layers {
			d := layer.Dimensions
			vector := values[i][slot*d : (slot+1)*d]
			if x, ok := finite(vector); !ok {
				return v1alpha1.NewRunError(v1alpha1.ExitInvalidResult, fmt.Errorf(
					"layer %q gives %v for sample %s: the model or model.preprocessing is wrong for it", layer.Name, x, b.part.Records[row].ID))
			}
			copy(b.part.Vectors[i][row*d:], vector)
		}
	}
	atomic.AddInt64(&r.counts.Embedded, int64(embedded))
	return nil
}

// release gives a batch back and counts down what its part waits for.
func (r *run) release(b *batch) error {
	p := b.part
	b.part = nil
	r.free <- b // has room for every batch
	return r.ran(p)
}

func (r *run) ran(p *part) error {
	if p.pending.Add(-1) > 0 {
		return nil
	}
	select {
	case r.finished <- p:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// write publishes finished parts.
func (r *run) write() error {
	for p := range r.finished {
		if err := r.Store.Write(p.Part); err != nil {
			return err
		}
		r.progress(len(p.Records))
	}
	return nil
}

func (r *run) progress(samples int) {
	if r.Progress != nil {
		r.Progress(samples)
	}
}

package embed

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/quality"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

const (
	// partRows is how many contents a part usually has. It may say of partSamples times as many samples what they are,
	// where most are known.
	partRows, partSamples = 256, 16
	// partBytes bounds a part's vectors: a few parts are in memory while they are filled.
	partBytes = 64 << 20
	// maxParts is the number from which the parts of a run get larger instead of more.
	maxParts = 8192
)

// rowsOfParts returns how many contents make a part of the store, and so a checkpoint, where so many samples are to be
// read: not too many bytes, and no more parts than can be opened.
func rowsOfParts(samples int, layers []vectors.Layer) int {
	rows := partRows
	for samples > rows*maxParts {
		rows *= 2
	}
	width := 0
	for _, layer := range layers {
		width += 4 * layer.Dimensions
	}
	return max(min(rows, partBytes/max(width, 1)), 1)
}

// Counts says what became of samples.
type Counts struct {
	// Embedded were computed. Reused were in the store, or are copies of another.
	Embedded, Reused int64
}

// A Job embeds the samples [From, To) of a dataset into a store, as far as it does not hold them.
type Job struct {
	Dataset *dataset.Dataset
	// Store is opened for the dataset.
	Store *vectors.Store
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
	pending atomic.Int64 // contents without vectors, and one while it is read
}

// batch is what runs through the model at once. Its slots may be of several parts.
type batch struct {
	in    *input
	slots []slot // those that are filled
	// pending counts contents to decode, and one while they are handed out.
	pending atomic.Int64
}

// slot is a content on its way to its vectors.
type slot struct {
	part *part
	row  int
	// index is a sample that has it.
	index int
	// live says that it could be decoded.
	live bool
}

// picture is a content to decode into a slot. The pointers are for what the reader is adding to meanwhile.
type picture struct {
	batch   *batch
	at      int // the slot's position
	slot    *slot
	content *vectors.Content
	bytes   []byte
}

// run is the state of a running job.
type run struct {
	Job
	ctx      context.Context
	cancel   context.CancelCauseFunc // ends the job while the writer goes on taking parts
	counts   Counts
	seen     map[vectors.Digest]bool // the contents of this run
	free     chan *batch
	pictures chan picture
	ready    chan *batch
	finished chan *part
}

// Run writes what the store lacks. A failure leaves the parts that were finished; a later run goes on from there.
func (j Job) Run(ctx context.Context) (Counts, error) {
	whole, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	group, ctx := errgroup.WithContext(whole)
	wait := func() error {
		err := group.Wait()
		if failed := context.Cause(whole); err != nil && failed != nil {
			return failed // what the writer met, not what the others made of it
		}
		return err
	}
	r := &run{Job: j, ctx: ctx, cancel: cancel, seen: map[vectors.Digest]bool{}, finished: make(chan *part)}
	if j.Network == nil {
		group.Go(func() error { defer close(r.finished); return r.read() })
		group.Go(r.write)
		err := wait()
		return r.counts, err
	}

	lanes := min(j.Network.concurrency(j.Threads), (j.To-j.From)/j.Network.capacity()+1)
	// Each lane runs one, one is filled, and some wait, so that no lane does: few large ones, or several small ones.
	inFlight := lanes + 1 + max(1, waitingSamples/j.Network.batch)
	r.free = make(chan *batch, inFlight)
	r.ready = make(chan *batch, inFlight)
	r.pictures = make(chan picture, j.Threads)
	inputs, err := j.Network.newInputs(inFlight)
	if err != nil {
		return Counts{}, err
	}
	defer inputs.destroy()
	for _, in := range inputs {
		r.free <- &batch{in: in, slots: make([]slot, 0, j.Network.capacity())}
	}

	// A channel is closed when the last of those that send on it has ended: batches get ready, and parts are finished,
	// by the reader and the decoders too, since some have nothing to run.
	var preparing, sending sync.WaitGroup
	start := func(stage func() error, groups ...*sync.WaitGroup) {
		for _, g := range groups {
			g.Add(1)
		}
		group.Go(func() error {
			defer func() {
				for _, g := range groups {
					g.Done()
				}
			}()
			return stage()
		})
	}
	start(func() error { defer close(r.pictures); return r.read() }, &preparing, &sending)
	for range j.Threads {
		start(r.decode, &preparing, &sending)
	}
	for range lanes {
		start(r.infer, &sending)
	}
	group.Go(func() error { preparing.Wait(); close(r.ready); return nil })
	group.Go(func() error { sending.Wait(); close(r.finished); return nil })
	group.Go(r.write)
	err = wait()
	return r.counts, err
}

// decode turns pictures into rows of their batch's input.
func (r *run) decode() error {
	prepare := r.Network.prepare
	img := &image.RGBA{}
	scratch := make([]float32, 3*prepare.resizer.Width*prepare.resizer.Height)
	for p := range r.pictures {
		err := r.Decoder.With(img, p.bytes, func(img *image.RGBA) {
			prepare.apply(img, scratch, p.batch.in.rows[p.at])
			p.batch.in.filled[p.at], p.slot.live = true, true
			size := img.Bounds().Size()
			p.content.Pixels, p.content.Picture = int64(size.X)*int64(size.Y), pictureOf(img)
			shot := images.ShotOf(p.bytes)
			p.content.Taken, p.content.Camera = shot.Seconds, shot.Camera
			p.content.Measures = quality.Measure(img, p.bytes).AppendTo(nil)
		})
		if err != nil {
			p.content.Unreadable = err.Error()
		}
		if err := r.decoded(p.batch); err != nil {
			return err
		}
	}
	return nil
}

// pictureOf is a hash of an image's pixels and shape, not 0. It tells equal pictures from others among samples whose
// vectors are equal anyway: no collision there is likely.
func pictureOf(img *image.RGBA) uint64 {
	return max(1, xxhash.Sum64(img.Pix)^uint64(img.Rect.Dx())*0x9e3779b97f4a7c15)
}

// waitingSamples is how many decoded samples may wait for the model.
const waitingSamples = 16

// decoded counts down what a batch waits for and hands it on when that was the last.
func (r *run) decoded(b *batch) error {
	if b.pending.Add(-1) > 0 {
		return nil
	}
	if !slices.ContainsFunc(b.slots, func(s slot) bool { return s.live }) {
		r.release(b)
		return nil
	}
	b.in.clearRest()
	select {
	case r.ready <- b:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// infer runs batches and stores their rows in their part.
func (r *run) infer() (err error) {
	outputs, err := r.Network.newOutputs()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, outputs.destroy()) }()
	for b := range r.ready {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := outputs.run(b.in); err != nil {
			first, last := b.slots[0].index, b.slots[len(b.slots)-1].index
			return fmt.Errorf("run the model on %s to %s: %w", r.Dataset.Info(first).ID, r.Dataset.Info(last).ID, err)
		}
		if err := r.store(b, outputs.values); err != nil {
			return err
		}
		r.release(b)
	}
	return nil
}

func (r *run) store(b *batch, values [][]float32) error {
	embedded := 0
	for at, s := range b.slots {
		if !s.live {
			continue
		}
		embedded++
		for i, layer := range r.Network.Layers {
			d := layer.Dimensions
			vector := values[i][at*d : (at+1)*d]
			if x, ok := finite(vector); !ok {
				return v1alpha1.NewRunError(v1alpha1.ExitInvalidResult, fmt.Errorf(
					"layer %q gives %v for sample %s: the model or model.preprocessing is wrong for it", layer.Name, x, r.Dataset.Info(s.index).ID))
			}
			copy(s.part.Vectors[i][s.row*d:], vector)
		}
	}
	atomic.AddInt64(&r.counts.Embedded, int64(embedded))
	return nil
}

// release gives a batch back and counts down what its parts wait for.
func (r *run) release(b *batch) {
	parts := make([]*part, len(b.slots))
	for i, s := range b.slots {
		parts[i] = s.part
	}
	clear(b.slots)
	b.slots = b.slots[:0]
	clear(b.in.filled)
	r.free <- b // has room for every batch
	for _, p := range parts {
		r.ran(p)
	}
}

// ran counts down what a part waits for and hands it to the writer, who always takes it, when that was the last.
func (r *run) ran(p *part) {
	if p.pending.Add(-1) == 0 {
		r.finished <- p
	}
}

// write publishes finished parts, those too that were finished when the job was already being canceled.
func (r *run) write() (err error) {
	for p := range r.finished {
		if err == nil {
			if err = r.Store.Write(context.WithoutCancel(r.ctx), p.Part); err != nil {
				r.cancel(err)
				continue
			}
			r.progress(len(p.Samples))
		}
	}
	return err
}

func (r *run) progress(samples int) {
	if r.Progress != nil {
		r.Progress(samples)
	}
}

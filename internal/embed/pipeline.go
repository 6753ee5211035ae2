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
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

const (
	// partRows is how many samples a part usually has.
	partRows = 256
	// partBytes bounds a part's vectors: a few parts are in memory while they are filled.
	partBytes = 64 << 20
	// maxParts is the number from which the parts of a dataset get larger instead of more.
	maxParts = 8192
)

// PartRows returns how many samples of a dataset make a part of the store, and so a checkpoint: whole batches of the
// network (nil for a dataset of embeddings), not too many bytes, and no more parts than can be opened.
func PartRows(samples int, layers []vectors.Layer, network *Network) int {
	rows := partRows
	for samples > rows*maxParts {
		rows *= 2
	}
	width := 0
	for _, layer := range layers {
		width += 4 * layer.Dimensions
	}
	rows = max(min(rows, partBytes/max(width, 1)), 1)
	if network == nil {
		return rows
	}
	return max(rows/network.batch, 1) * network.batch
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
	part  *part
	first int // the row of the part that slot 0 is
	// live says which slots hold a sample whose vectors are wanted. The others hold copies, or zeros. Once a slot is
	// handed out, its value is its decoder's.
	live []bool
	// wanted says that some slot was handed out as live; it is the reader's.
	wanted bool
	// copies are held back until it is known that the batch runs at all.
	copies  []picture
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
	cancel   context.CancelCauseFunc // ends the job while the writer goes on taking parts
	counts   Counts
	seen     map[vectors.Digest]bool // the samples before the one that is read
	free     chan *batch
	pictures chan picture
	ready    chan *batch
	finished chan *part
}

// Run fills what the store lacks of the parts. A failure leaves the parts that were finished; a later run goes on from
// there.
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

	from, _ := j.Store.Rows(j.From)
	_, to := j.Store.Rows(max(j.To-1, j.From))
	lanes := min(j.Network.concurrency(j.Threads), (to-from)/j.Network.batch+1)
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
		r.free <- &batch{in: in, live: make([]bool, j.Network.batch)}
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
		record := &p.batch.part.Records[p.batch.first+p.slot]
		err := r.Decoder.With(img, p.bytes, func(img *image.RGBA) {
			prepare.apply(img, scratch, p.batch.in.rows[p.slot])
			p.batch.in.filled[p.slot] = true
			if p.batch.live[p.slot] {
				size := img.Bounds().Size()
				record.Pixels, record.Picture = int64(size.X)*int64(size.Y), pictureOf(img)
				shot := images.ShotOf(p.bytes)
				record.Taken, record.Camera = shot.Seconds, shot.Camera
			}
		})
		if err != nil && p.batch.live[p.slot] {
			p.batch.live[p.slot] = false
			record.Unreadable = err.Error()
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
	if !slices.Contains(b.live, true) {
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
			return fmt.Errorf("run the model on samples %d to %d: %w", b.part.From+b.first, b.part.From+b.first+len(b.live)-1, err)
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
func (r *run) release(b *batch) {
	p := b.part
	b.part = nil
	clear(b.in.filled)
	r.free <- b // has room for every batch
	r.ran(p)
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
			if err = r.Store.Write(p.Part); err != nil {
				r.cancel(err)
				continue
			}
			r.progress(len(p.Records))
		}
	}
	return err
}

func (r *run) progress(samples int) {
	if r.Progress != nil {
		r.Progress(samples)
	}
}

package embed

import (
	"errors"
	"fmt"

	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// read takes the samples that the store does not know, in order. So many new contents in a row make a part.
func (r *run) read() error {
	var missing []int
	for i := r.From; i < r.To; i++ {
		if r.Store.Knows(i) {
			r.counts.Reused++
			r.progress(1)
		} else {
			missing = append(missing, i)
		}
	}
	if len(missing) < r.To-r.From {
		if err := r.Store.Hold(r.ctx, r.From, r.To); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rows := rowsOfParts(len(missing), r.Store.Layers)
	var current *part
	var open *batch
	waited := 0 // parts that ended since the open batch was begun
	read := 0
	for sample, err := range r.Dataset.Pick(r.ctx, missing) {
		if err != nil {
			return err
		}
		if current == nil {
			current = newPart(min(rows, len(missing)-read), len(r.Store.Layers))
		}
		if open == nil {
			waited = 0
		}
		if open, err = r.take(sample, current, open); err != nil {
			return err
		}
		if read++; len(current.Contents) < rows && len(current.Samples) < partSamples*rows && read < len(missing) {
			continue
		}
		r.ran(current)
		current = nil
		if waited++; open != nil && waited == maxWaiting {
			if err := r.decoded(open); err != nil {
				return err
			}
			open = nil
		}
	}
	if open != nil {
		return r.decoded(open)
	}
	return nil
}

// maxWaiting bounds the parts that wait for a batch to fill, which takes long where nearly everything is known.
const maxWaiting = 4

// newPart makes room for so many contents. Its slices never grow: decoders write to them.
func newPart(rows, layers int) *part {
	p := &part{Part: vectors.Part{Contents: make([]vectors.Content, 0, rows), Vectors: make([][]float32, layers)}}
	p.pending.Store(1)
	return p
}

// take decides what becomes of a sample: unreadable, a copy of what is known, or something to decode. It returns the
// batch that has room for more, nil if there is none.
func (r *run) take(s dataset.Sample, p *part, open *batch) (*batch, error) {
	sample := vectors.Sample{Place: r.Store.Place(s.Index), Digest: s.Digest}
	if s.Err != nil {
		sample.Unreadable, sample.Denied = reason(s.Err), storage.KindOf(s.Err) == storage.Denied
	}
	p.Samples = append(p.Samples, sample)
	if sample.Unreadable != "" {
		return open, nil
	}
	if r.seen[s.Digest] || r.Store.Has(s.Digest) {
		r.counts.Reused++
		return open, nil
	}
	r.seen[s.Digest] = true
	row := len(p.Contents)
	if row == 0 {
		for i, layer := range r.Store.Layers {
			p.Vectors[i] = make([]float32, cap(p.Contents)*layer.Dimensions)
		}
	}
	p.Contents = append(p.Contents, vectors.Content{Digest: s.Digest})
	if s.Vector != nil {
		copy(p.Vectors[0][row*len(s.Vector):], s.Vector)
		return open, nil
	}
	if open == nil {
		select {
		case open = <-r.free:
			open.pending.Store(1)
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
	p.pending.Add(1)
	open.pending.Add(1)
	at := len(open.slots)
	open.slots = append(open.slots, slot{part: p, row: row, index: s.Index})
	select {
	case r.pictures <- picture{open, at, &open.slots[at], &p.Contents[row], s.Bytes}:
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
	if len(open.slots) < cap(open.slots) {
		return open, nil
	}
	return nil, r.decoded(open)
}

// reason says why a sample can't be read, without the place where the dataset happens to lie.
func reason(err error) string {
	if stored, ok := errors.AsType[*storage.Error](err); ok {
		return fmt.Sprintf("%s: %v", stored.Kind, stored.Err)
	}
	return err.Error()
}

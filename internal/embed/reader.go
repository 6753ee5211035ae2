package embed

import (
	"errors"
	"fmt"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// read takes the samples of the absent parts in order. Absent parts beside each other are read in one go.
func (r *run) read() error {
	first := r.From // the absent parts [first, p) are not read yet
	for p := r.From; p < r.To; p++ {
		records, err := r.checkpoint(p)
		if err != nil {
			return err
		}
		if records == nil {
			continue
		}
		if err := r.readParts(first, p); err != nil {
			return err
		}
		first = p + 1
		for _, record := range records {
			r.seen[record.Digest] = true
		}
		r.counts.Reused += int64(len(records))
		r.progress(len(records))
	}
	return r.readParts(first, r.To)
}

// checkpoint returns the records of a part that need not be made again, else nil. What this user was denied to read may
// be allowed by now, without any other sign of it.
func (r *run) checkpoint(p int) ([]vectors.Record, error) {
	records, err := r.Store.Records(p)
	if err != nil || slices.ContainsFunc(records, func(record vectors.Record) bool { return record.Denied }) {
		return nil, err
	}
	return records, nil
}

// readParts reads the samples of the parts [first, end).
func (r *run) readParts(first, end int) error {
	if first == end {
		return nil
	}
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
			if err := r.handOut(open); err != nil {
				return err
			}
			open = nil
		}
		if last {
			r.ran(current)
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
		b.wanted = false
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
	case s.Err != nil:
		record.Unreadable, record.Denied = reason(s.Err), storage.KindOf(s.Err) == storage.Denied
	case r.seen[s.Digest]:
		record.Copy = true
		r.counts.Reused++
		if b != nil {
			b.copies = append(b.copies, picture{b, row - b.first, s.Bytes})
		}
	case s.Vector != nil:
		r.seen[s.Digest] = true
		copy(p.Vectors[0][row*len(s.Vector):], s.Vector)
	default:
		r.seen[s.Digest] = true
		b.live[row-b.first], b.wanted = true, true
		return r.send(picture{b, row - b.first, s.Bytes})
	}
	return nil
}

// reason says why a sample can't be read, without the place where the dataset happens to lie.
func reason(err error) string {
	if stored, ok := errors.AsType[*storage.Error](err); ok {
		return fmt.Sprintf("%s: %v", stored.Kind, stored.Err)
	}
	return err.Error()
}

func (r *run) send(p picture) error {
	p.batch.pending.Add(1)
	select {
	case r.pictures <- p:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// handOut ends the reading of a batch. If it runs, its copies run with it: which samples are known to be copies depends
// on the shards, and in some models (dynamic quantization) the rows of a batch depend on each other.
func (r *run) handOut(b *batch) error {
	if b.wanted {
		for _, p := range b.copies {
			if err := r.send(p); err != nil {
				return err
			}
		}
	}
	clear(b.copies)
	b.copies = b.copies[:0]
	return r.decoded(b)
}

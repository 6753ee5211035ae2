// Package inspect looks at the images of pairs that may be near duplicates once more: at low resolution, mirrored,
// moved and zoomed, whatever their brightness and contrast. Embeddings say that two images show the same kind of thing
// in the same way; this says whether they show the same.
package inspect

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// An Inspector looks at pairs of a dataset's images. It is not for concurrent use.
type Inspector struct {
	// Cache keeps the images' sketches. Who made it closes it.
	Cache *Cache
	// Read reads the encoded images at the given indices of the dataset's order, which ascend.
	Read func(ctx context.Context, indices []int) iter.Seq2[dataset.Sample, error]
	// Source says where row i comes from: its index in the dataset's order, and the digest of its bytes.
	Source func(row int) (index int, digest vectors.Digest)
	// Given, if not nil, returns the sketch of a row whose image is not at hand, and nil for any other row.
	Given   func(row int) ([]byte, error)
	Decoder images.Decoder
	Threads int
	// Progress, if not nil, is told that pairs were looked at since its last call. Calls are not concurrent.
	Progress func(pairs int)
}

// stretch is the number of pairs that a thread takes at a time.
const stretch = 256

// Look compares the images of each pair. Each is decoded once, or never if an earlier run did, to 3 kB that are kept in
// a file; a pair takes some 0.4 milliseconds. The result doesn't depend on the number of threads.
func (o *Inspector) Look(ctx context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error) {
	seen, err := o.look(ctx, pairs)
	if err != nil {
		return nil, fmt.Errorf("inspection: %w", err)
	}
	return seen, nil
}

func (o *Inspector) look(ctx context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error) {
	drawn, err := o.draw(ctx, func(yield func(row int) bool) {
		for _, l := range pairs {
			if !yield(l.A) || !yield(l.B) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	seen := make([]duplicates.Resemblance, len(pairs))
	var next atomic.Int64
	var reporting sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for range max(o.Threads, 1) {
		group.Go(func() error {
			m := newMatcher()
			var shown sketch
			last := -1 // the row that m holds
			for {
				from := int(next.Add(stretch)) - stretch
				if from >= len(pairs) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				to := min(from+stretch, len(pairs))
				for i, l := range pairs[from:to] {
					if l.A != last {
						if err := drawn.get(l.A, &shown); err != nil {
							return err
						}
						m.hold(&shown)
						last = l.A
					}
					if err := drawn.get(l.B, &shown); err != nil {
						return err
					}
					seen[from+i] = m.match(&shown)
				}
				if o.Progress != nil {
					reporting.Lock()
					o.Progress(to - from)
					reporting.Unlock()
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return seen, nil
}

// Drawn are the sketches of some rows, as long as the inspector's cache is open.
type Drawn struct {
	sketches *sketches
	digests  map[int]vectors.Digest
	given    map[int][]byte
}

// Draw makes the sketches of the first n rows.
func (o *Inspector) Draw(ctx context.Context, n int) (*Drawn, error) {
	drawn, err := o.draw(ctx, func(yield func(row int) bool) {
		for row := range n {
			if !yield(row) {
				return
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("sketches: %w", err)
	}
	return drawn, nil
}

// draw makes the sketches of rows, which may come again, but for those that an earlier run has made.
func (o *Inspector) draw(ctx context.Context, rows iter.Seq[int]) (*Drawn, error) {
	s, err := o.Cache.open()
	if err != nil {
		return nil, err
	}
	drawn := &Drawn{sketches: s, digests: map[int]vectors.Digest{}, given: map[int][]byte{}}
	missing := map[int]vectors.Digest{}
	wanted := map[vectors.Digest]bool{}
	for row := range rows {
		if _, known := drawn.digests[row]; known || drawn.given[row] != nil {
			continue
		}
		if o.Given != nil {
			data, err := o.Given(row)
			if err != nil {
				return nil, err
			}
			if data != nil {
				drawn.given[row] = data
				continue
			}
		}
		index, digest := o.Source(row)
		drawn.digests[row] = digest
		if _, stored := s.at[digest]; !stored && !wanted[digest] {
			wanted[digest] = true
			missing[index] = digest
		}
	}
	if len(missing) > 0 {
		err = s.fill(ctx, o, slices.Sorted(maps.Keys(missing)), missing)
	}
	return drawn, err
}

// Row returns the sketch of a row, of SketchSize bytes; zeros for an image that can't be read.
func (d *Drawn) Row(row int) ([]byte, error) {
	shown := new(sketch)
	err := d.get(row, shown)
	return shown[:], err
}

func (d *Drawn) get(row int, into *sketch) error {
	if given := d.given[row]; given != nil {
		copy(into[:], given)
		return nil
	}
	return d.sketches.get(d.digests[row], into)
}

package audit

import (
	"context"
	"path/filepath"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/baseline"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/inspect"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// An inspection looks at the images of pairs once more.
type inspection struct {
	inspect.Inspector
	progress Progress
	spent    *time.Duration
}

// inspects says whether the spec asks for an inspection.
func (r *Run) inspects() bool { return r.Audit.Spec.Duplicates.Inspection == v1alpha1.InspectionPixels }

// inspection returns how pairs are looked at once more; nil if the spec doesn't ask for it.
func (r *Run) inspection(in *inputs, set *vectors.Set) *inspection {
	if !r.inspects() {
		return nil
	}
	out := &inspection{progress: r.Progress, spent: new(time.Duration), Inspector: r.inspector(in, set)}
	if in.baseline != nil && sketched(in.baseline.Baseline) {
		return out.with(len(set.Index), in.baseline.Sketches)
	}
	return out
}

// inspector looks at the dataset's images.
func (r *Run) inspector(in *inputs, set *vectors.Set) inspect.Inspector {
	// What an image shows depends on its bytes and on whether its orientation counts.
	name := "sketches.bin"
	if r.Audit.Spec.Dataset.IgnoreOrientation {
		name = "sketches-as-stored.bin"
	}
	return inspect.Inspector{
		Cache: &inspect.Cache{Path: filepath.Join(r.Work, name)},
		Read:  in.dataset.Pick,
		Source: func(row int) (int, vectors.Digest) {
			index := set.Index[row]
			return index, set.Records[index].Digest
		},
		Decoder:  images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation},
		Threads:  r.Threads,
		Progress: func(pairs int) { r.Progress.Add(int64(pairs)) },
	}
}

// addSketches adds the sketches of the first n rows to a file that is to be written while the inspector's cache is open.
func addSketches(ctx context.Context, d *baseline.Description, o *inspect.Inspector, n int) error {
	drawn, err := o.Draw(ctx, n)
	if err != nil {
		return err
	}
	d.SketchVersion, d.Sketches = inspect.SketchVersion, &baseline.Block{Size: inspect.SketchSize, Row: drawn.Row}
	return nil
}

// sketched says whether a file has sketches that can be compared with those of an inspection.
func sketched(b *baseline.Baseline) bool {
	return b.Sketches != nil && b.SketchVersion == inspect.SketchVersion && b.Sketches.Size == inspect.SketchSize
}

// with is the inspection of the first n rows and, behind them, of others whose sketches are given.
func (i *inspection) with(n int, sketches *baseline.Block) *inspection {
	out := *i
	out.Given = func(row int) ([]byte, error) {
		if row < n {
			return nil, nil
		}
		return sketches.Row(row - n)
	}
	return &out
}

// sees says whether the inspection can look at the samples of the baseline, if there is one.
func (i *inspection) sees(b *base) bool { return b == nil || i.Given != nil }

// joins lets the search for duplicates look at pairs; not so without an inspection.
func (i *inspection) joins(o *duplicates.Options) {
	if i != nil {
		o.Local.Inspect, o.Local.InspectsBaseline = i.look, i.Given != nil
	}
}

func (i *inspection) close() {
	if i != nil {
		i.Cache.Close()
	}
}

// look is what duplicates.Local asks.
func (i *inspection) look(ctx context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error) {
	started := time.Now()
	defer func() { *i.spent += time.Since(started) }()
	i.progress.Stage(v1alpha1.StageInspect, int64(len(pairs)))
	return i.Look(ctx, pairs)
}

// seconds that it took, nil without one.
func (i *inspection) seconds() *v1alpha1.Decimal {
	if i == nil {
		return nil
	}
	return new(seconds(*i.spent))
}

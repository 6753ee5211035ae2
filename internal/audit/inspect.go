package audit

import (
	"context"
	"path/filepath"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/inspect"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// An inspection looks at the images of pairs once more.
type inspection struct {
	inspect.Inspector
	progress Progress
	spent    time.Duration
}

// inspection returns how pairs are looked at once more; nil if the spec doesn't ask for it.
func (r *Run) inspection(in *inputs, set *vectors.Set) *inspection {
	if r.Audit.Spec.Duplicates.Inspection != v1alpha1.InspectionPixels {
		return nil
	}
	// What an image shows depends on its bytes and on whether its orientation counts.
	name := "sketches.bin"
	if r.Audit.Spec.Dataset.IgnoreOrientation {
		name = "sketches-as-stored.bin"
	}
	return &inspection{progress: r.Progress, Inspector: inspect.Inspector{
		Cache: filepath.Join(r.Work, name),
		Read:  in.dataset.Pick,
		Source: func(row int) (int, vectors.Digest) {
			index := set.Index[row]
			return index, set.Records[index].Digest
		},
		Decoder:  images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation},
		Threads:  r.Threads,
		Progress: func(pairs int) { r.Progress.Add(int64(pairs)) },
	}}
}

// look is what duplicates.Local asks.
func (i *inspection) look(ctx context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error) {
	started := time.Now()
	defer func() { i.spent += time.Since(started) }()
	i.progress.Stage(v1alpha1.StageInspect, int64(len(pairs)))
	return i.Look(ctx, pairs)
}

// seconds that it took, nil without one.
func (i *inspection) seconds() *v1alpha1.Decimal {
	if i == nil {
		return nil
	}
	return new(seconds(i.spent))
}

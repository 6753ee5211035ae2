package audit

import (
	"context"
	"path/filepath"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/duplicates"
	"github.com/datasetaudit/dataset-audit/runner/images"
	"github.com/datasetaudit/dataset-audit/runner/inspect"
	"github.com/datasetaudit/dataset-audit/runner/vectors"
)

// look looks at the images of pairs once more.
type look func(ctx context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error)

// inspector returns how pairs are looked at once more; nil if the spec doesn't ask for it.
func (r *Run) inspector(in *inputs, set *vectors.Set) look {
	if r.Audit.Spec.Duplicates.Inspection != v1alpha1.InspectionPixels {
		return nil
	}
	// What an image shows depends on its bytes and on whether its orientation counts.
	name := "sketches.bin"
	if r.Audit.Spec.Dataset.IgnoreOrientation {
		name = "sketches-as-stored.bin"
	}
	inspector := inspect.Inspector{
		Cache: filepath.Join(r.Work, name),
		Read:  in.dataset.Pick,
		Source: func(row int) (int, vectors.Digest) {
			index := set.Index[row]
			return index, set.Records[index].Digest
		},
		Decoder:  images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation},
		Threads:  r.Threads,
		Progress: func(pairs int) { r.Progress.Add(int64(pairs)) },
	}
	return func(ctx context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error) {
		r.Progress.Stage(v1alpha1.StageInspect, int64(len(pairs)))
		return inspector.Look(ctx, pairs)
	}
}

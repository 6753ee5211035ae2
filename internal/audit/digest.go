package audit

import (
	"context"
	"fmt"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
)

// Digest reads the whole dataset and returns the digest that a summary of it has, and its number of samples. It needs
// Audit, Dataset, Work and Progress. Every error is a *v1alpha1.RunError.
func (r *Run) Digest(ctx context.Context) (digest string, samples int, err error) {
	digest, samples, err = r.digest(ctx)
	return digest, samples, classify(ctx, err)
}

func (r *Run) digest(ctx context.Context) (string, int, error) {
	location, err := r.datasetLocation()
	if err != nil {
		return "", 0, err
	}
	in := &inputs{}
	defer in.close()
	if err := r.list(ctx, in, location); err != nil {
		return "", 0, err
	}
	d := in.dataset
	r.Progress.Stage(v1alpha1.StageRead, int64(d.Len()))
	digester := dataset.NewDigester()
	for sample, err := range d.Samples(ctx, 0, d.Len()) {
		if err != nil {
			return "", 0, err
		}
		digester.Add(sample.Info, sample.Digest)
		r.Progress.Add(1)
	}
	return fmt.Sprintf("sha256:%x", digester.Sum()), d.Len(), nil
}

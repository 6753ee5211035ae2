package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/baseline"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/pca"
	"github.com/datasetaudit/dataset-audit/internal/report"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// base is the baseline of a run; nil for a run without one.
type base struct{ *baseline.Baseline }

// baselineLocation is the folder of earlier results to compare with; empty for an audit without a baseline.
func (r *Run) baselineLocation() (string, error) {
	source := r.Audit.Spec.Baseline
	switch {
	case r.Baseline != "" || source == nil:
		return r.Baseline, nil
	case source.ObjectStorage == nil:
		return "", v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, errors.New(
			"baseline is a volume of a cluster: name the folder of the earlier results here with --baseline"))
	}
	return source.ObjectStorage.URL, nil
}

// openBaseline opens what the spec compares with, and refuses what can't be compared.
func (r *Run) openBaseline(ctx context.Context, in *inputs) (*base, error) {
	location, err := r.baselineLocation()
	if err != nil || location == "" {
		return nil, err
	}
	path, err := r.fetchBaseline(ctx, location)
	if err != nil {
		return nil, invalidIfAbsent(v1alpha1.ExitInvalidSpec, fmt.Errorf("baseline: %w", err))
	}
	sha := ""
	if source := r.Audit.Spec.Baseline; source != nil {
		sha = source.SHA256
	}
	found, err := openSamples("baseline", location, path, sha, func(b *baseline.Baseline) error { return r.comparable(b, in) })
	if err != nil {
		return nil, err
	}
	return &base{found}, nil
}

// openSamples opens the file of a baseline or a reference. It must have the digest that the spec gives, if any, and pass
// the check of whether the audit can be compared with it.
func openSamples(field, location, path, sha string, check func(*baseline.Baseline) error) (*baseline.Baseline, error) {
	found, err := baseline.Open(path)
	if _, invalid := errors.AsType[*baseline.InvalidError](err); invalid {
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf("%s %s: %w", field, location, err))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if err := pinned(field, sha, found.SHA256); err != nil {
		found.Close()
		return nil, err
	}
	if err := check(found); err != nil {
		found.Close()
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf("%s %s: %w", field, location, err))
	}
	return found, nil
}

// fetchBaseline returns a local path of the baseline in a folder of results.
func (r *Run) fetchBaseline(ctx context.Context, location string) (string, error) {
	path, err := r.fetchVersion(ctx, location, v1alpha1.FileBaseline)
	if storage.KindOf(err) == storage.NotFound && err != nil {
		return "", fmt.Errorf("%w: was that audit made with output.baseline?", err)
	}
	return path, err
}

// fetchVersion returns a local path of a file. One in object storage is copied to the work folder, once for each version.
func (r *Run) fetchVersion(ctx context.Context, folder, key string) (string, error) {
	bucket, err := storage.Open(ctx, folder)
	if err != nil {
		return "", err
	}
	defer func() { _ = bucket.Close() }() // was only read
	object, err := bucket.Stat(ctx, key)
	if err != nil {
		return "", err
	}
	if local, ok := storage.LocalPath(folder); ok {
		return filepath.Join(local, key), nil
	}
	work, err := storage.Create(ctx, filepath.Join(r.Work, "baseline"))
	if err != nil {
		return "", err
	}
	defer func() { _ = work.Close() }() // what was written is durable already
	name := fmt.Sprintf("%x.safetensors", sha256.Sum256([]byte(folder+" "+key+" "+object.Version)))
	if copied, err := work.Stat(ctx, name); err != nil || copied.Size != object.Size {
		err := work.Write(ctx, name, func(w io.Writer) error {
			body, err := bucket.Pin(key, object.Version).OpenRange(ctx, 0, -1)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }() // was only read
			n, err := io.Copy(w, body)
			if err == nil && n < object.Size {
				err = io.ErrUnexpectedEOF
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return filepath.Join(r.Work, "baseline", name), nil
}

// comparable holds the baseline against the run: distances mean the same only if all that decides them is the same.
func (r *Run) comparable(b *baseline.Baseline, in *inputs) error {
	if b.IsReference() {
		return errors.New("it is a reference, on which nothing was fitted: name it in references, or with --reference")
	}
	if asked, its := r.Audit.Spec.Duplicates.EffectiveMethod(), methodOf(b); asked != its {
		return fmt.Errorf("it was audited by method %s, and this audit is by %s: set duplicates.method: %[1]s here, or audit the baseline again by %[2]s", its, asked)
	}
	if differences := b.Differs(r.method(in)); len(differences) > 0 {
		return fmt.Errorf("its distances can't be compared with this audit's: %s", strings.Join(differences, "; "))
	}
	if len(b.Layers) != len(in.store.Layers) {
		return fmt.Errorf("it holds %d layers, and this audit has %d", len(b.Layers), len(in.store.Layers))
	}
	for i, layer := range in.store.Layers {
		if b.Layers[i].Dimensions != layer.Dimensions {
			return fmt.Errorf("layer %s has %d dimensions there and %d here", layer.Name, b.Layers[i].Dimensions, layer.Dimensions)
		}
	}
	if threshold := &r.Audit.Spec.Duplicates.Threshold; threshold.Strategy.Relative() && b.Strategy != threshold.String() {
		return fmt.Errorf("duplicates.threshold: it was audited with %s, whose distance stays the threshold, and %s is asked for: ask for the same, or for Distance or Cosine",
			b.Strategy, threshold)
	}
	return nil
}

// methodOf is the method that a baseline was audited by.
func methodOf(b *baseline.Baseline) v1alpha1.DuplicatesMethod {
	if strings.HasPrefix(b.Strategy, string(v1alpha1.ThresholdFalseDiscovery)) {
		return v1alpha1.MethodLocal
	}
	return v1alpha1.MethodReference
}

// method is what decides vectors and their reduction, by the field of the spec.
func (r *Run) method(in *inputs) map[string]string {
	var names []string
	for _, layer := range in.store.Layers {
		names = append(names, layer.Name)
	}
	asked := r.reduction(math.MaxInt, math.MaxInt)
	m := r.recipe(in)
	m["model.layers"] = strings.Join(names, ", ")
	m["reduction.pca"] = fmt.Sprintf("%d components", asked.components)
	m["reduction.pca.solver"] = string(v1alpha1.SolverExact)
	if asked.held > 0 {
		m["reduction.pca"] = fmt.Sprintf("at most %d components, to hold %g %% of the variance", asked.components, 100*asked.held)
	}
	if asked.batch > 0 {
		m["reduction.pca.solver"] = fmt.Sprintf("%s by %d", v1alpha1.SolverIncremental, asked.batch)
	}
	return m
}

// recipe is what decides the vectors of a layer, by the field of the spec.
func (r *Run) recipe(in *inputs) map[string]string {
	m := map[string]string{}
	if in.model != nil {
		fields, _ := r.Audit.Spec.Deciding(v1alpha1.DecidesVectors) // of a spec, which came as JSON
		maps.Copy(m, fields)
		delete(m, "model.layers") // each is looked for by its name
		m["model"] = in.model.Digest
	}
	return m
}

func (b *base) layer(i int) *baseline.Layer {
	if b == nil {
		return nil
	}
	return &b.Layers[i]
}

// summary is what the run's summary says of the baseline.
func (b *base) summary() *v1alpha1.SummaryBaseline {
	if b == nil {
		return nil
	}
	return &v1alpha1.SummaryBaseline{SHA256: b.SHA256, Samples: int64(len(b.Samples))}
}

func (b *base) samples() []duplicates.Sample {
	if b == nil {
		return nil
	}
	return samplesOf(b.Baseline)
}

// samplesOf are the samples of a file, as an audit compares with them.
func samplesOf(b *baseline.Baseline) []duplicates.Sample {
	out := make([]duplicates.Sample, len(b.Samples))
	for i, s := range b.Samples {
		out[i] = duplicates.Sample{Index: s.Index, ID: s.ID, Split: s.Split, Labels: s.Labels, Baseline: true, Picture: duplicates.Picture{Bytes: s.Bytes, Pixels: s.Pixels}}
	}
	return out
}

// frozen is the model that was fitted on a baseline.
func frozen(l *baseline.Layer) *pca.Model {
	return &pca.Model{Mean: l.Mean, Components: l.Fitted, Variances: make([]float64, l.Components)}
}

// joined are the rows of a layer, then those of a file.
type joined struct {
	vectors.Matrix
	more baseline.Rows
	n    int // of these
}

func (j joined) Len() int { return j.Matrix.Len() + j.n }

func (j joined) Row(i int) []float32 {
	if n := j.Matrix.Len(); i >= n {
		return j.more.Row(i - n)
	}
	return j.Matrix.Row(i)
}

func (j joined) Read(from int, dst []float32) {
	d := j.Dimensions()
	for i := 0; i*d < len(dst); i++ {
		copy(dst[i*d:(i+1)*d], j.Row(from+i))
	}
}

// writeBaseline writes what later audits compare with: the samples of this one, and those of its own baseline. With an
// inspection it has sketches of them all, unless the old baseline has none.
func (r *Run) writeBaseline(ctx context.Context, out *storage.Bucket, in *inputs, f *report.Findings, fits []fit, inspection *inspection) error {
	d := baseline.Description{Method: r.method(in), Strategy: r.Audit.Spec.Duplicates.Threshold.String(), Dataset: f.Digest}
	for i, l := range f.Layers {
		d.Layers = append(d.Layers, baseline.Layer{
			Name: l.Name, Dimensions: l.Dimensions, Components: fits[i].model.K(), Threshold: l.Result.Threshold.Distance, Scale: l.Result.Scale,
			Mean: fits[i].model.Mean, Fitted: fits[i].model.Components, Norms: l.Result.Norms, Embeddings: fits[i].rows,
		})
	}
	if inspection != nil && inspection.sees(in.baseline) {
		if err := addSketches(ctx, &d, &inspection.Inspector, len(f.Samples)); err != nil {
			return err
		}
	}
	return out.Write(ctx, v1alpha1.FileBaseline, func(w io.Writer) error { return baseline.Write(w, d, fileSamples(f.Samples)) })
}

// fileSamples are samples as a file has them.
func fileSamples(samples []duplicates.Sample) []baseline.Sample {
	out := make([]baseline.Sample, len(samples))
	for i, s := range samples {
		out[i] = baseline.Sample{ID: s.ID, Split: s.Split, Labels: s.Labels, Index: s.Index, Bytes: s.Picture.Bytes, Pixels: s.Picture.Pixels}
	}
	return out
}

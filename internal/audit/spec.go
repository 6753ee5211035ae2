package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/demo"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/pca"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// datasetLocation is where the dataset lies: what the caller says, else what the spec names that is no volume. A builtin
// one is drawn first.
func (r *Run) datasetLocation() (string, error) {
	source := r.Audit.Spec.Dataset.Source
	switch {
	case r.Dataset != "":
		return r.Dataset, nil
	case source.ObjectStorage != nil:
		return source.ObjectStorage.URL, nil
	case source.Builtin != "" && r.Work != "":
		return r.drawDemo()
	case source.Builtin != "":
		return "", v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf(
			"dataset.source.builtin %s is drawn for each audit: there are no files to change", source.Builtin))
	}
	return "", v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, errors.New(
		"dataset.source is a volume of a cluster: name the folder that holds the dataset here with --dataset or as an argument"))
}

// drawDemo draws the demo's images into the work folder, which other pods may share.
func (r *Run) drawDemo() (folder string, err error) {
	folder = filepath.Join(r.Work, fmt.Sprintf("demo-v%d", demo.Version))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(r.Work, 0o755); err != nil {
		return "", err
	}
	aside, err := os.MkdirTemp(r.Work, ".demo-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(aside) }() // is there only after a failure
	if err := demo.WriteImages(aside); err != nil {
		return "", fmt.Errorf("draw the dataset %s: %w", v1alpha1.BuiltinDemo, err)
	}
	if err := os.Chmod(aside, 0o755); err != nil { // other pods of the audit may have another user
		return "", err
	}
	if err := os.Rename(aside, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}

// modelLocation is where the model's file lies.
func (r *Run) modelLocation() (string, error) {
	if r.Model != "" {
		return r.Model, nil
	}
	object := r.Audit.Spec.Model.Source.ObjectStorage
	if object == nil {
		return "", v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, errors.New(
			"model.source is a volume of a cluster: name the model's file here with --model"))
	}
	return object.URL, nil
}

// fetchModel returns a local path of the model; one in object storage is copied to the work folder first.
func (r *Run) fetchModel(ctx context.Context) (string, error) {
	location, err := r.modelLocation()
	if err != nil {
		return "", err
	}
	if path, local := storage.LocalPath(location); local {
		return path, nil
	}
	path, err := r.download(ctx, location)
	if err != nil {
		return "", invalidIfAbsent(v1alpha1.ExitInvalidModel, fmt.Errorf("model: %w", err))
	}
	return path, nil
}

// maxModelFile bounds what is downloaded: protobuf allows 2 GiB, and data in files of their own may be larger.
const maxModelFile = 64 << 30

// download copies a model and the files with its data to the work folder.
func (r *Run) download(ctx context.Context, location string) (string, error) {
	folder, key, err := storage.SplitKey(location)
	if err != nil {
		return "", err
	}
	bucket, err := storage.Open(ctx, folder)
	if err != nil {
		return "", err
	}
	defer func() { _ = bucket.Close() }() // was only read
	work, err := storage.Create(ctx, filepath.Join(r.Work, "model"))
	if err != nil {
		return "", err
	}
	defer func() { _ = work.Close() }() // what was written is durable already
	fetch := func(key string) error {
		return work.Write(ctx, key, func(w io.Writer) (err error) {
			from, err := bucket.Open(ctx, key)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, from.Close()) }()
			_, err = io.Copy(w, io.LimitReader(from, maxModelFile))
			return err
		})
	}
	if err := fetch(key); err != nil {
		return "", err
	}
	path := filepath.Join(r.Work, "model", key)
	files, err := embed.DataFiles(path)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		if err := fetch(file); err != nil {
			return "", err
		}
	}
	return path, nil
}

// Without a number of components, those are kept that hold this share of the variance, at most maxComponents. Method
// Local wants many, as it weighs them all alike, but of what is hardly there at all the noise would bend the space.
const (
	heldVariance  = 0.99
	maxComponents = 256
)

// reduction is what PCA is asked for.
type reduction struct {
	components int
	// held is the share of the variance beyond which components are left out; 0 for none.
	held float64
	// batch is that of the incremental solver, 0 for the exact one.
	batch int
}

// reduction of samples of so many dimensions.
func (r *Run) reduction(samples, dimensions int) reduction {
	spec := r.Audit.Spec.Reduction.PCA
	out := reduction{}
	switch {
	case spec.Components != nil:
		out.components = int(*spec.Components)
	case r.Audit.Spec.Duplicates.EffectiveMethod() == v1alpha1.MethodReference:
		out.components = min(v1alpha1.DefaultComponents, samples, dimensions)
	default:
		// Of fewer than twice as many samples as components all are next to orthogonal to each other, whatever they
		// show.
		out.components, out.held = max(1, min(maxComponents, samples/2, dimensions)), heldVariance
	}
	if spec.Solver == v1alpha1.SolverIncremental {
		out.batch = max(500, 5*out.components)
		if spec.BatchSize != nil {
			out.batch = int(*spec.BatchSize)
		}
		if out.held > 0 {
			out.components = min(out.components, out.batch)
		}
	}
	return out
}

// checkSize refuses what the components can't be fitted on. With a baseline they are fitted already.
func (r *Run) checkSize(samples, dimensions int) error {
	if r.Baseline != "" || r.Audit.Spec.Baseline != nil {
		return nil
	}
	asked := r.reduction(samples, dimensions)
	return pca.Check(samples, dimensions, asked.components, asked.batch == 0)
}

// options turns the spec into what package duplicates takes.
func (r *Run) options(evaluation []string) (duplicates.Options, error) {
	spec := r.Audit.Spec.Duplicates
	o := duplicates.Options{
		Neighbors: v1alpha1.DefaultNeighbors, MaxClusterSize: v1alpha1.DefaultMaxClusterSize,
		EvaluationSplits: evaluation, Threads: r.Threads,
		Progress: r.rowsDone(), Search: r.search,
	}
	if spec.Neighbors != nil {
		o.Neighbors = int(*spec.Neighbors)
	}
	if spec.MaxClusterSize != nil {
		o.MaxClusterSize = int(*spec.MaxClusterSize)
	}
	if spec.EffectiveMethod() == v1alpha1.MethodLocal {
		rate, err := parameter("rate", spec.Threshold.Strategy, spec.Threshold.Rate)
		if err != nil {
			return o, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, err)
		}
		o.Local = &duplicates.Local{Rate: rate}
		return o, nil
	}
	var err error
	if o.Strategy, err = strategy(spec.Threshold); err != nil {
		return o, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, err)
	}
	return o, nil
}

// rowsDone turns the running totals of the search into steps.
func (r *Run) rowsDone() func(total int) {
	done := 0
	return func(total int) {
		r.Progress.Add(int64(total - done))
		done = total
	}
}

// parameter is the number of a threshold strategy.
func parameter(field string, strategy v1alpha1.ThresholdStrategy, d *v1alpha1.Decimal) (float64, error) {
	if d == nil {
		return 0, fmt.Errorf("duplicates.threshold.%s: required for strategy %s", field, strategy)
	}
	x, err := d.Float64()
	if err != nil {
		return 0, fmt.Errorf("duplicates.threshold.%s: %w", field, err)
	}
	return x, nil
}

func strategy(spec v1alpha1.ThresholdSpec) (duplicates.Strategy, error) {
	switch spec.Strategy {
	case v1alpha1.ThresholdSlope, "":
		return duplicates.Slope{Sensitivity: int(spec.EffectiveSensitivity())}, nil
	case v1alpha1.ThresholdPercentile:
		x, err := parameter("percentile", spec.Strategy, spec.Percentile)
		return duplicates.Percentile{Percent: x}, err
	case v1alpha1.ThresholdDistance:
		x, err := parameter("distance", spec.Strategy, spec.Distance)
		return duplicates.Distance{Normalized: x}, err
	case v1alpha1.ThresholdCosine:
		x, err := parameter("similarity", spec.Strategy, spec.Similarity)
		return duplicates.Cosine{Similarity: x}, err
	case v1alpha1.ThresholdFalseDiscovery: // of method Local, which has no strategy
	}
	return nil, fmt.Errorf("duplicates.threshold.strategy: %q is not known", spec.Strategy)
}

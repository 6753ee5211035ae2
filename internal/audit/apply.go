package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/clean"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// An Application writes a copy of a dataset without what an audit's remove.csv lists. The dataset itself stays as it
// is.
type Application struct {
	// Audit is valid and defaulted; of it only the dataset counts.
	Audit *v1alpha1.DatasetAudit
	// Dataset overrides its source.
	Dataset string
	// Remove is the file or URL of remove.csv, Layer the one of its layers that counts; empty where there is only one.
	Remove, Layer string
	// To is the new manifest's file or URL, or the new folder.
	To       string
	As       clean.Method
	Progress Progress
}

// Execute writes the cleaned manifest or folder. Every error is a *v1alpha1.RunError.
func (a *Application) Execute(ctx context.Context) (clean.Result, error) {
	result, err := a.execute(ctx)
	if _, mismatch := errors.AsType[*clean.MismatchError](err); mismatch {
		return result, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf("%s: %w", a.Remove, err))
	}
	if errors.Is(err, clean.ErrRefused) {
		return result, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, err)
	}
	return result, classify(ctx, err)
}

func (a *Application) execute(ctx context.Context) (clean.Result, error) {
	removals, err := a.removals(ctx)
	if err != nil {
		return clean.Result{}, err
	}
	run := Run{Audit: a.Audit, Dataset: a.Dataset}
	location, err := run.datasetLocation()
	if err != nil {
		return clean.Result{}, err
	}
	in, file, err := storage.OpenAt(ctx, location)
	if err != nil {
		return clean.Result{}, invalidIfAbsent(v1alpha1.ExitInvalidDataset, fmt.Errorf("dataset: %w", err))
	}
	defer func() { _ = in.Close() }() // was only read
	spec := a.Audit.Spec.Dataset
	switch spec.Format {
	case v1alpha1.FormatManifest:
		manifests := []string{file}
		if file == "" {
			if manifests, err = dataset.FindManifests(ctx, in, spec); err != nil {
				return clean.Result{}, err
			}
		}
		if len(manifests) > 1 {
			return clean.Result{}, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf(
				"the dataset has the manifests %s: name the one to write with dataset.manifest.path", strings.Join(manifests, ", ")))
		}
		result, err := clean.Manifest(ctx, in, manifests[0], spec.Manifest, a.To, removals)
		return result, invalidIfAbsent(v1alpha1.ExitInvalidDataset, err)
	case v1alpha1.FormatImageFolder:
		a.Progress.Stage("Apply", 0)
		return clean.Folder(ctx, in, a.To, a.As, removals, a.Progress.Add)
	default:
		return clean.Result{}, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf(
			"dataset.format %s: manifests and image folders can be written; of other formats, keep what keep.csv lists with their own tools", spec.Format))
	}
}

// removals reads remove.csv.
func (a *Application) removals(ctx context.Context) (*clean.Removals, error) {
	absent := func(err error) error {
		return invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("--remove: %w", err))
	}
	folder, key, err := storage.SplitKey(a.Remove)
	if err != nil {
		return nil, absent(err)
	}
	bucket, err := storage.Open(ctx, folder)
	if err != nil {
		return nil, absent(err)
	}
	defer func() { _ = bucket.Close() }() // was only read
	body, err := bucket.Open(ctx, key)
	if err != nil {
		return nil, absent(err)
	}
	defer func() { _ = body.Close() }() // was only read
	return clean.ReadRemovals(body, a.Layer)
}

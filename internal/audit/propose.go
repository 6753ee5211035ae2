package audit

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// DetectFormat says in which format the dataset at a path or URL most likely is.
func DetectFormat(ctx context.Context, location string) (v1alpha1.DatasetFormat, error) {
	format, err := func() (v1alpha1.DatasetFormat, error) {
		bucket, file, err := storage.OpenAt(ctx, location)
		if err != nil {
			return "", invalidIfAbsent(v1alpha1.ExitInvalidDataset, fmt.Errorf("dataset: %w", err))
		}
		defer func() { _ = bucket.Close() }() // was only read
		format, err := dataset.Detect(ctx, bucket, file)
		if err != nil {
			return "", fmt.Errorf("dataset %s: %w", bucket, err)
		}
		return format, nil
	}()
	return format, classify(ctx, err)
}

// A Proposal is how a model would be used of which nothing is said but where it is.
type Proposal struct {
	// Layer is one of the model's, Token the one to take of its output, nil to pool. WhyLayer is a clause.
	Layer, WhyLayer string
	Token           *int
	// Preset is a guess, and WhyPreset a clause.
	Preset    v1alpha1.PreprocessingPreset
	WhyPreset string
}

// Propose looks at the model of the run, which needs no Audit yet. It guesses the preset, and finds a layer if one is
// wanted.
func (r *Run) Propose(ctx context.Context, layer bool) (*Proposal, error) {
	p, err := r.propose(ctx, layer)
	return p, classify(ctx, err)
}

func (r *Run) propose(ctx context.Context, layer bool) (*Proposal, error) {
	path, err := r.fetchModel(ctx)
	if err != nil {
		return nil, err
	}
	model, err := embed.OpenModel(path, "")
	if err != nil {
		return nil, err
	}
	p := &Proposal{}
	p.Preset, p.WhyPreset = embed.GuessPreset(path, model)
	if !layer {
		return p, nil
	}
	_, shapes, err := embed.Layers(path, model)
	if err != nil {
		return nil, err
	}
	suggested := model.Suggest(shapes)
	if suggested == nil {
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf(
			"the model %s doesn't show which of its layers makes a vector of an image: name one with --layer; `runner layers %[1]s` lists them", filepath.Base(path)))
	}
	p.Layer, p.Token, p.WhyLayer = nameOf(model, suggested.Layer), suggested.Token, suggested.Why
	return p, nil
}

// nameOf is the name by which people know a layer: its node's, where that has one and means this tensor.
func nameOf(model *onnx.Model, l onnx.Layer) string {
	if l.Node != "" {
		if t, err := model.Resolve(l.Node); err == nil && t.Name == l.Tensor {
			return l.Node
		}
	}
	return l.Tensor
}

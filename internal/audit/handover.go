package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// model is what a summary and a baseline say of the model that computed the vectors.
type model struct {
	Name     string                     `json:"name"`
	Location string                     `json:"location,omitempty"`
	SHA256   string                     `json:"sha256"`
	Digest   string                     `json:"digest"`
	Provider v1alpha1.ExecutionProvider `json:"provider"`
	Device   string                     `json:"device"`
	Runtime  string                     `json:"runtime"`
}

func (r *Run) modelOf(n *embed.Network) *model {
	name, location := r.modelPlace()
	return &model{Name: name, Location: location, SHA256: n.SHA256, Digest: n.Digest, Provider: n.Provider, Device: n.Device, Runtime: n.Runtime()}
}

// handover is what stage Embed leaves beside its vectors for a pod that goes on without the model, and without the
// device that it ran on.
type handover struct {
	// Input is the digest of the manifest, Listing that of the dataset's samples: what was computed for others is not
	// taken.
	Input   string          `json:"input"`
	Listing string          `json:"listing"`
	Model   *model          `json:"model"`
	Samples int             `json:"samples"`
	Layers  []vectors.Layer `json:"layers"`
	Recipe  vectors.Digest  `json:"recipe"`
}

const (
	handoverFile = "embedded.json"
	// maxHandover bounds it: some hundred bytes a layer.
	maxHandover = 1 << 20
)

// handOver says what the vectors in the work folder are. Each shard says the same.
func (r *Run) handOver(ctx context.Context, in *inputs) error {
	if in.model == nil {
		return nil
	}
	text, err := json.Marshal(handover{
		Input: r.InputSHA256, Listing: fmt.Sprintf("%x", in.dataset.ListingDigest()), Model: in.model,
		Samples: in.dataset.Len(), Layers: in.store.Layers, Recipe: in.store.Recipe,
	})
	if err != nil {
		return fmt.Errorf("work folder: %s: %w", handoverFile, err)
	}
	work, err := storage.Create(ctx, r.Work)
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	defer func() { _ = work.Close() }() // what was written is durable already
	return work.Write(ctx, handoverFile, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// takeOver opens the vectors that stage Embed left.
func (r *Run) takeOver(ctx context.Context, in *inputs) error {
	work, err := storage.Open(ctx, r.Work)
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	defer func() { _ = work.Close() }() // was only read
	text, err := work.ReadAll(ctx, handoverFile, maxHandover)
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("--embedded: stage Embed has left nothing in the work folder: %w", err))
	}
	left := handover{}
	if err := json.Unmarshal(text, &left); err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("work folder: %s: %w", handoverFile, err))
	}
	switch {
	case left.Model == nil || len(left.Layers) == 0 || left.Recipe == vectors.Digest{}:
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("work folder: %s is damaged", handoverFile))
	case left.Input != r.InputSHA256:
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, errors.New("--embedded: the vectors in the work folder are those of another manifest"))
	case left.Samples != in.dataset.Len() || left.Listing != fmt.Sprintf("%x", in.dataset.ListingDigest()):
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidDataset, errors.New("dataset: it has changed since stage Embed read it: request a new run"))
	}
	in.model = left.Model
	return r.openStore(in, left.Recipe, left.Layers)
}

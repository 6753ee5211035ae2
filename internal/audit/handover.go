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

// maxHandover bounds it: some hundred bytes a layer.
const maxHandover = 1 << 20

// handoverPlace is where it is: in the work folder, which the pods share, or beside the vectors in object storage, where
// audits tell theirs by their manifest.
func (r *Run) handoverPlace() (location, key string) {
	if _, local := storage.LocalPath(r.Vectors); r.Vectors == "" || local {
		return r.Work, "embedded.json"
	}
	return r.Vectors, "embedded-" + r.InputSHA256[:min(16, len(r.InputSHA256))] + ".json"
}

// handOver says what the vectors are. Each shard says the same.
func (r *Run) handOver(ctx context.Context, in *inputs) error {
	if in.model == nil {
		return nil
	}
	location, key := r.handoverPlace()
	text, err := json.Marshal(handover{
		Input: r.InputSHA256, Listing: fmt.Sprintf("%x", in.dataset.ListingDigest()), Model: in.model,
		Samples: in.dataset.Len(), Layers: in.store.Layers, Recipe: in.store.Recipe,
	})
	if err != nil {
		return fmt.Errorf("work folder: %s: %w", key, err)
	}
	work, err := storage.Create(ctx, location)
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	defer func() { _ = work.Close() }() // what was written is durable already
	return work.Write(ctx, key, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// takeOver opens the vectors that stage Embed left.
func (r *Run) takeOver(ctx context.Context, in *inputs) error {
	location, key := r.handoverPlace()
	work, err := storage.Open(ctx, location)
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	defer func() { _ = work.Close() }() // was only read
	text, err := work.ReadAll(ctx, key, maxHandover)
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("--embedded: stage Embed has left nothing in the work folder: %w", err))
	}
	left := handover{}
	if err := json.Unmarshal(text, &left); err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("work folder: %s: %w", key, err))
	}
	switch {
	case left.Model == nil || len(left.Layers) == 0 || left.Recipe == vectors.Digest{}:
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("work folder: %s is damaged", key))
	case left.Input != r.InputSHA256:
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, errors.New("--embedded: the vectors in the work folder are those of another manifest"))
	case left.Samples != in.dataset.Len() || left.Listing != fmt.Sprintf("%x", in.dataset.ListingDigest()):
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidDataset, errors.New("dataset: it has changed since stage Embed read it: request a new run"))
	}
	in.model = left.Model
	return r.openStore(ctx, in, left.Recipe, left.Layers)
}

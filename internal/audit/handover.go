package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/embed"
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
	// Run is the ID of the run, Input the digest of the manifest, Listing that of the dataset's samples: what was computed
	// for others is not taken.
	Run     string          `json:"run,omitempty"`
	Input   string          `json:"input"`
	Listing string          `json:"listing"`
	Model   *model          `json:"model"`
	Samples int             `json:"samples"`
	Layers  []vectors.Layer `json:"layers"`
	Recipe  vectors.Digest  `json:"recipe"`
	// Sources is the digest of what there was to read, if it was asked for.
	Sources string `json:"sources,omitempty"`
}

// maxHandover bounds it: some hundred bytes a layer.
const maxHandover = 1 << 20

// handoverPrefix begins the names of all.
const handoverPrefix = vectors.RunPrefix + "embedded-"

// handoverKey begins the name of this run's. The recipe ends it, since machines of several kinds may have embedded a share
// each.
func (r *Run) handoverKey() string {
	sum := sha256.Sum256([]byte(r.InputSHA256 + "\x00" + r.ID))
	return fmt.Sprintf("%s%x-", handoverPrefix, sum[:12])
}

// handOver says what the vectors are. Each shard on one kind of machine says the same.
func (r *Run) handOver(ctx context.Context, in *inputs) error {
	if in.model == nil {
		return nil
	}
	text, err := json.Marshal(handover{
		Run: r.ID, Input: r.InputSHA256, Listing: fmt.Sprintf("%x", in.dataset.ListingDigest()), Model: in.model,
		Samples: in.dataset.Len(), Layers: in.store.Layers, Recipe: in.store.Recipe, Sources: in.sources,
	})
	if err == nil {
		err = in.kept.Write(ctx, fmt.Sprintf("%s%x.json", r.handoverKey(), in.store.Recipe[:8]), func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("vectors: what stage Embed hands on: %w", err)
	}
	return nil
}

// handovers are what stage Embed has left for this run and this dataset, in an order that is always the same. A run by
// hand has no ID, so of what several have left the last counts. Others says that it left something for another state of
// the dataset.
func (r *Run) handovers(ctx context.Context, in *inputs) (left []handover, others bool, err error) {
	objects, err := in.kept.List(ctx, r.handoverKey())
	if err != nil {
		return nil, false, fmt.Errorf("vectors: %w", err)
	}
	if r.ID == "" && len(objects) > 1 {
		objects = []vectors.Object{slices.MaxFunc(objects, func(a, b vectors.Object) int { return a.Modified.Compare(b.Modified) })}
	}
	listing := fmt.Sprintf("%x", in.dataset.ListingDigest())
	for _, o := range objects {
		if o.Size == 0 {
			continue
		}
		text, err := in.kept.Head(ctx, o.Key, maxHandover)
		if errors.Is(err, fs.ErrNotExist) { // swept
			continue
		}
		if err != nil {
			return nil, false, fmt.Errorf("vectors: %w", err)
		}
		h := handover{}
		if err := json.Unmarshal(text, &h); err != nil || h.Model == nil || len(h.Layers) == 0 || h.Input != r.InputSHA256 || h.Run != r.ID {
			continue // damaged, or of another run whose digest begins alike
		}
		if in.model != nil && in.model.Digest != h.Model.Digest { // it was replaced since
			continue
		}
		if h.Samples != in.dataset.Len() || h.Listing != listing {
			others = true
			continue
		}
		left = append(left, h)
	}
	slices.SortFunc(left, func(a, b handover) int { return bytes.Compare(a.Recipe[:], b.Recipe[:]) })
	if len(left) > 1 {
		in.doubts = append(in.doubts, fmt.Sprintf("machines of %d kinds have embedded a share of the samples each (%s): another run may give other digits, and other findings at the edge of the threshold", len(left), devices(left)))
	}
	return left, others, nil
}

// takeOver opens the vectors that stage Embed left, without a model.
func (r *Run) takeOver(ctx context.Context, in *inputs) error {
	left, others, err := r.handovers(ctx, in)
	switch {
	case err != nil:
		return err
	case len(left) == 0 && others:
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidDataset, errors.New("dataset: it has changed since stage Embed read it: request a new run"))
	case len(left) == 0:
		problem := errors.New("--embedded: stage Embed has left nothing")
		if objects, err := in.kept.List(ctx, handoverPrefix); err == nil && len(objects) > 0 {
			problem = errors.New("--embedded: what stage Embed has left is of another manifest, of other flags or of another run")
		}
		return v1alpha1.NewRunError(v1alpha1.ExitStorage, problem)
	}
	in.model, in.sources = left[0].Model, left[0].Sources
	return r.openStore(ctx, in, vectors.Options{Before: recipesOf(left), Recipe: left[0].Recipe, Layers: left[0].Layers})
}

// recipesOf are the recipes by which the samples were embedded.
func recipesOf(left []handover) (recipes []vectors.Digest) {
	for _, h := range left {
		recipes = append(recipes, h.Recipe)
	}
	return recipes
}

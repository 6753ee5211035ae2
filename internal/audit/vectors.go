package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// VectorsFolder is where a work folder keeps vectors.
func VectorsFolder(work string) string { return filepath.Join(work, "embeddings") }

// openKept opens what vectors are kept in: a folder here, and a bucket for what is kept in object storage, else nil.
func (r *Run) openKept(ctx context.Context) (folder string, kept *storage.Bucket, err error) {
	if r.Vectors == "" {
		return VectorsFolder(r.Work), nil, nil
	}
	if folder, local := storage.LocalPath(r.Vectors); local {
		return folder, nil, nil
	}
	kept, err = storage.Open(ctx, r.Vectors)
	return VectorsFolder(r.Work), kept, err
}

// openStore opens the vectors of a recipe, if a reduction of so many can work.
func (r *Run) openStore(ctx context.Context, in *inputs, recipe vectors.Digest, layers []vectors.Layer) error {
	for _, layer := range layers {
		if err := r.checkSize(in.dataset.Len(), layer.Dimensions); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Name, err)
		}
	}
	folder, kept, err := r.openKept(ctx)
	if err != nil {
		return err
	}
	var remote vectors.Remote
	if in.kept = kept; kept != nil {
		remote = bucket{kept}
	}
	if in.store, err = vectors.Open(ctx, folder, remote, recipe, layers); err != nil {
		return invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("vectors: %w", err))
	}
	return nil
}

// bucket keeps vectors in object storage.
type bucket struct{ *storage.Bucket }

func (b bucket) List(ctx context.Context, prefix string) ([]string, error) {
	objects, err := b.Bucket.List(ctx, prefix)
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	return keys, err
}

func (b bucket) Head(ctx context.Context, key string, size int64) ([]byte, error) {
	body, err := b.OpenRange(ctx, key, 0, size)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // was only read
	return io.ReadAll(io.LimitReader(body, size))
}

// embed embeds what the store lacks of the samples [from, to).
func (r *Run) embed(ctx context.Context, in *inputs, from, to int) (embed.Counts, error) {
	if from == to {
		return embed.Counts{}, nil
	}
	r.Progress.Stage(v1alpha1.StageEmbed, int64(to-from))
	job := embed.Job{
		Dataset: in.dataset, Place: in.place, Store: in.store, Network: in.network,
		Decoder: images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation},
		From:    from, To: to, Threads: r.Threads,
		Progress: func(samples int) { r.Progress.Add(int64(samples)) },
	}
	return job.Run(ctx)
}

const (
	// keptFor is how long vectors are kept that no run uses.
	keptFor = 30 * 24 * time.Hour
	// maxRepairs is how many damaged parts are made again before a disk is taken to be broken.
	maxRepairs = 8
)

// readVectors embeds what the store lacks, and opens all. What turns out to be damaged is embedded again.
func (r *Run) readVectors(ctx context.Context, in *inputs) (set *vectors.Set, counts embed.Counts, err error) {
	if r.Embedded {
		defer in.store.Release()
		if set, err = in.store.Read(ctx, in.dataset.Len(), in.place); err != nil {
			err = v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("--embedded: the vectors are not whole: %w", err))
		}
		return set, embed.Counts{Reused: int64(in.dataset.Len())}, err
	}
	defer in.store.Release()
	for repairs := 0; ; repairs++ {
		if counts, err = r.embed(ctx, in, 0, in.dataset.Len()); err != nil {
			return nil, counts, err
		}
		set, err = in.store.Read(ctx, in.dataset.Len(), in.place)
		absent, is := errors.AsType[*vectors.AbsentError](err)
		if !is || absent.Damaged == "" || repairs == maxRepairs {
			return set, counts, err
		}
		r.Progress.Note(fmt.Sprintf("%v: they are embedded again", absent))
	}
}

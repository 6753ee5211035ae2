package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// vectorsFolder is where a work folder keeps vectors.
func vectorsFolder(work string) string { return filepath.Join(work, "embeddings") }

// kept is where vectors are kept, and what pods hand on to each other.
type kept struct {
	vectors.Bucket
	// folder holds them on this machine.
	folder string
	// remote is where they are kept otherwise; nil where they are kept in the folder.
	remote *storage.Bucket
}

// OpenKept opens what vectors are kept in: a folder for vectors, a work folder, or a URL.
func OpenKept(ctx context.Context, location string) (_ vectors.Bucket, closing func(), err error) {
	if folder, local := storage.LocalPath(location); local {
		if objects, err := vectors.OpenFolder(vectorsFolder(folder)).List(ctx, ""); err == nil && len(objects) > 0 {
			folder = vectorsFolder(folder)
		}
		return vectors.OpenFolder(folder), func() {}, nil
	}
	k, err := openKept(ctx, "", location)
	if err != nil {
		return nil, nil, err
	}
	return k, k.close, nil
}

// openKept opens what vectors are kept in: the work folder, or the folder or URL that place says.
func openKept(ctx context.Context, work, place string) (*kept, error) {
	folder := vectorsFolder(work)
	if place == "" {
		return &kept{Bucket: vectors.OpenFolder(folder), folder: folder}, nil
	}
	if folder, local := storage.LocalPath(place); local {
		return &kept{Bucket: vectors.OpenFolder(folder), folder: folder}, nil
	}
	remote, err := storage.Open(ctx, place)
	if err != nil {
		return nil, invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("vectors: %w", err))
	}
	return &kept{Bucket: bucket{remote}, folder: folder, remote: remote}, nil
}

func (k *kept) close() {
	if k.remote != nil {
		_ = k.remote.Close() // what was written is durable already
	}
}

// bucket keeps vectors in object storage.
type bucket struct{ *storage.Bucket }

func (b bucket) List(ctx context.Context, prefix string) ([]vectors.Object, error) {
	listed, err := b.Bucket.List(ctx, prefix)
	objects := make([]vectors.Object, len(listed))
	for i, o := range listed {
		objects[i] = vectors.Object{Key: o.Key, Size: o.Size}
		if o.Modified != 0 {
			objects[i].Modified = time.Unix(o.Modified, 0)
		}
	}
	return objects, err
}

func (b bucket) Head(ctx context.Context, key string, size int64) ([]byte, error) {
	body, err := b.OpenRange(ctx, key, 0, size)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // was only read
	return io.ReadAll(io.LimitReader(body, size))
}

// openStore opens the vectors of a recipe, and before them those of other recipes, if a reduction of so many can work.
func (r *Run) openStore(ctx context.Context, in *inputs, o vectors.Options) (err error) {
	for _, layer := range o.Layers {
		if err := r.checkSize(in.dataset.Len(), layer.Dimensions); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Name, err)
		}
	}
	o.N = in.dataset.Len()
	o.Place = embed.Places(r.datasetOrigin(in.bucket.String()), in.dataset, &r.Audit.Spec.Dataset)
	o.Folder = in.kept.folder
	if in.kept.remote != nil {
		o.Remote = in.kept
		err = r.tryRights(ctx, in.kept)
	}
	if err == nil {
		in.store, err = vectors.Open(ctx, o)
	}
	if storage.KindOf(err) == storage.Denied && in.kept.remote != nil && r.alone() {
		r.Progress.Note(fmt.Sprintf("No vectors are kept for later runs: %v", err))
		o.Remote = nil
		in.store, err = vectors.Open(ctx, o)
	}
	if err != nil {
		return invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("vectors: %w", err))
	}
	return nil
}

// tryRights finds out before hours of work whether vectors can be kept.
func (r *Run) tryRights(ctx context.Context, k *kept) error {
	return k.Write(ctx, vectors.RunPrefix+"rights.txt", func(w io.Writer) error {
		_, err := io.WriteString(w, "Whoever keeps vectors here may write.\n")
		return err
	})
}

// alone says that no other pod goes on from what this one leaves, or has left anything to it.
func (r *Run) alone() bool { return r.exchange == nil && !r.Embedded && !r.embedding }

// embed embeds what the store lacks of the samples [from, to).
func (r *Run) embed(ctx context.Context, in *inputs, from, to int) (embed.Counts, error) {
	if from == to {
		return embed.Counts{}, nil
	}
	r.Progress.Stage(v1alpha1.StageEmbed, int64(to-from))
	job := embed.Job{
		Dataset: in.dataset, Store: in.store, Network: in.network,
		Decoder: images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation},
		From:    from, To: to, Threads: r.Threads,
		Progress: func(samples int) { r.Progress.Add(int64(samples)) },
	}
	return job.Run(ctx)
}

const (
	// keptFor is how long vectors are kept that no run uses: a month between two runs is usual.
	keptFor = 40 * 24 * time.Hour
	// maxRepairs is how many damaged parts are made again before a disk is taken to be broken.
	maxRepairs = 8
)

// readVectors embeds what the store lacks, and opens all. What turns out to be damaged is embedded again.
func (r *Run) readVectors(ctx context.Context, in *inputs) (set *vectors.Set, counts embed.Counts, err error) {
	defer in.store.Release()
	if r.Embedded {
		if set, err = in.store.Read(ctx); err != nil {
			err = v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("--embedded: the vectors are not whole: %w", err))
		}
		return set, embed.Counts{Reused: int64(in.dataset.Len())}, err
	}
	for repairs := 0; ; repairs++ {
		if counts, err = r.embed(ctx, in, 0, in.dataset.Len()); err != nil {
			return nil, counts, err
		}
		set, err = in.store.Read(ctx)
		absent, is := errors.AsType[*vectors.AbsentError](err)
		if !is || absent.Damaged == "" || repairs == maxRepairs {
			return set, counts, err
		}
		r.Progress.Note(fmt.Sprintf("%v: they are embedded again", absent))
	}
}

// sweep removes what no run has used for long, wherever this run keeps vectors, and what earlier versions kept in the work
// folder of an audit that now keeps them elsewhere.
func (r *Run) sweep(ctx context.Context, k *kept) {
	places := []vectors.Bucket{vectors.OpenFolder(k.folder)}
	if k.remote != nil {
		places = append(places, k)
	}
	if work := vectorsFolder(r.Work); work != k.folder {
		places = append(places, vectors.OpenFolder(work))
	}
	for _, place := range places {
		if _, err := vectors.Sweep(ctx, place, time.Now().Add(-keptFor)); err != nil {
			r.Progress.Note(fmt.Sprintf("Old vectors were not removed: %v", err)) // they only take room
		}
	}
}

// devices are the machines of several recipes, for people.
func devices(left []handover) string {
	var names []string
	for _, h := range left {
		names = append(names, h.Model.Device)
	}
	return strings.Join(names, "; ")
}

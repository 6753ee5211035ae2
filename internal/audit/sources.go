package audit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// Sources returns what the summary of a run that began now would have in run.sourcesSHA256. It lists, and reads no
// samples. Every error is a *v1alpha1.RunError.
func (r *Run) Sources(ctx context.Context) (string, error) {
	digest, err := r.sources(ctx)
	return digest, classify(ctx, err)
}

// listed is sources, if it was asked for. It comes before anything is read: what changes meanwhile is found by the next
// look.
func (r *Run) listed(ctx context.Context) (string, error) {
	if !r.Listed {
		return "", nil
	}
	return r.sources(ctx)
}

// sources is a digest of the names, sizes and versions of all files that an audit may read. It is empty where they can't
// tell whether anything changed: the files of an image bear one time, whatever is in them.
func (r *Run) sources(ctx context.Context) (string, error) {
	if r.unpinned() {
		r.Progress.Note("An image that is named by a tag may hold other files under this name tomorrow: name it by its digest, and a change is noticed")
		return "", nil
	}
	spec := &r.Audit.Spec
	all := sources{ctx: ctx, digest: sha256.New()}
	if spec.Dataset.Source.Builtin == "" || r.Dataset != "" {
		location, err := r.datasetLocation()
		if err != nil {
			return "", err
		}
		all.dataset(location, spec.Dataset.Format == v1alpha1.FormatManifest || spec.Dataset.Embeddings != nil)
	}
	if model := spec.Model; model != nil && model.Builtin == "" {
		location, err := r.modelLocation()
		if err != nil {
			return "", err
		}
		all.model(location)
	}
	location, err := r.baselineLocation()
	if err != nil {
		return "", err
	}
	if location != "" {
		all.file("baseline", location, v1alpha1.FileBaseline)
	}
	_, references, err := r.referenceFiles()
	if err != nil {
		return "", err
	}
	for _, reference := range references {
		folder, key, err := storage.SplitKey(reference.Location)
		if err != nil {
			return "", err
		}
		all.file("reference "+reference.Name, folder, key)
	}
	_, review, err := r.review(ctx) // a ConfigMap's file is as old as the pod
	if err != nil {
		return "", err
	}
	if review != nil {
		fmt.Fprintf(all.digest, "verdicts\x00%s\n", review.SHA256)
	}
	if all.err != nil {
		return "", invalidIfAbsent(v1alpha1.ExitInvalidSpec, all.err)
	}
	if all.unknown {
		r.Progress.Note("The storage tells neither versions (ETags) nor times of its files, so no change can be noticed by a listing")
		return "", nil
	}
	return fmt.Sprintf("%x", all.digest.Sum(nil)), nil
}

// unpinned says whether something of a pod is an image that may hold other files tomorrow under the same name.
func (r *Run) unpinned() bool {
	spec := &r.Audit.Spec
	images := []*v1alpha1.ImageSource{spec.Dataset.Source.Image}
	if spec.Model != nil {
		images = append(images, spec.Model.Source.Image)
	}
	if spec.Baseline != nil {
		images = append(images, spec.Baseline.Image)
	}
	for i := range spec.References {
		images = append(images, spec.References[i].Source.Image)
	}
	return slices.ContainsFunc(images, func(image *v1alpha1.ImageSource) bool { return !pinnedImage(image) })
}

// sources adds up what lies at places. The first error counts.
type sources struct {
	ctx    context.Context
	digest hash.Hash
	// unknown says that a storage tells neither versions nor times.
	unknown bool
	err     error
}

// dataset adds the files of a folder, or one file, with those around it if it may name them.
func (s *sources) dataset(location string, names bool) {
	if s.err != nil {
		return
	}
	bucket, file, err := storage.OpenAt(s.ctx, location)
	if err != nil {
		s.err = fmt.Errorf("dataset: %w", err)
		return
	}
	if file != "" && !names {
		s.add("dataset", bucket, func() ([]storage.Object, error) { return one(bucket.Stat(s.ctx, file)) })
		return
	}
	s.add("dataset "+file, bucket, func() ([]storage.Object, error) { return bucket.List(s.ctx, "") })
}

// model adds the folder of a model's file: its weights may lie beside it, under any name.
func (s *sources) model(location string) {
	folder, key, err := storage.SplitKey(location)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("model: %w", err)
	}
	s.open("model "+key, folder, func(bucket *storage.Bucket) ([]storage.Object, error) { return bucket.List(s.ctx, "") })
}

// file adds one file.
func (s *sources) file(field, folder, key string) {
	s.open(field, folder, func(bucket *storage.Bucket) ([]storage.Object, error) { return one(bucket.Stat(s.ctx, key)) })
}

func (s *sources) open(field, folder string, list func(*storage.Bucket) ([]storage.Object, error)) {
	if s.err != nil {
		return
	}
	bucket, err := storage.Open(s.ctx, folder)
	if err != nil {
		s.err = fmt.Errorf("%s: %w", field, err)
		return
	}
	s.add(field, bucket, func() ([]storage.Object, error) { return list(bucket) })
}

// add adds what was listed, and closes the bucket.
func (s *sources) add(field string, bucket *storage.Bucket, list func() ([]storage.Object, error)) {
	defer func() { _ = bucket.Close() }() // was only listed
	objects, err := list()
	if err != nil {
		s.err = fmt.Errorf("%s: %w", field, err)
		return
	}
	fmt.Fprintf(s.digest, "%q\n", field)
	for _, o := range objects {
		s.unknown = s.unknown || o.Version == "" && o.Modified == 0 && o.Err == nil
		fmt.Fprintf(s.digest, "%q %d %q", o.Key, o.Size, o.Version)
		if o.Version == "" {
			fmt.Fprintf(s.digest, " %d", o.Modified)
		}
		fmt.Fprintln(s.digest)
	}
}

func one(o storage.Object, err error) ([]storage.Object, error) { return []storage.Object{o}, err }

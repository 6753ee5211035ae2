package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/baseline"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/report"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// NamedFile is a file that has a name in the audit.
type NamedFile struct {
	Name string
	// Location is a path or a URL of object storage.
	Location string
}

// A reference is a set of samples that the dataset is compared with.
type reference struct {
	name string
	*baseline.Baseline
	samples []duplicates.Sample
	// layers are the positions in it of the audit's layers.
	layers []int
}

// referenceFiles are those that the spec names, where they lie here, and then those that only the caller names.
func (r *Run) referenceFiles() ([]v1alpha1.ReferenceSpec, []NamedFile, error) {
	specs := slices.Clone(r.Audit.Spec.References)
	files := make([]NamedFile, len(specs))
	for i, spec := range specs {
		files[i].Name = spec.Name
		if spec.Source.ObjectStorage != nil {
			files[i].Location = spec.Source.ObjectStorage.URL
		}
	}
	for _, given := range r.References {
		at := slices.IndexFunc(files, func(f NamedFile) bool { return f.Name == given.Name })
		if at < 0 {
			at, specs, files = len(files), append(specs, v1alpha1.ReferenceSpec{Name: given.Name}), append(files, NamedFile{Name: given.Name})
		}
		files[at].Location = given.Location
	}
	for _, file := range files {
		if file.Location == "" {
			return nil, nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf(
				"reference %s is a file of a cluster's volume: name it here with --reference %[1]s=FILE", file.Name))
		}
	}
	return specs, files, nil
}

// openReferences opens what the spec compares with, and refuses what can't be compared.
func (r *Run) openReferences(ctx context.Context, in *inputs) error {
	specs, files, err := r.referenceFiles()
	if err != nil {
		return err
	}
	if n := len(files) * len(in.store.Layers); len(files) > v1alpha1.MaxReferences || n > v1alpha1.MaxComparisons {
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf(
			"references: %d for %d layers, and there may be %d, of which each counts once for each layer %d in all: compare in several audits",
			len(files), len(in.store.Layers), v1alpha1.MaxReferences, v1alpha1.MaxComparisons))
	}
	for i, file := range files {
		field := "reference " + file.Name
		path, err := r.fetchReference(ctx, file.Location)
		if err != nil {
			return invalidIfAbsent(v1alpha1.ExitInvalidSpec, fmt.Errorf("%s: %w", field, err))
		}
		ref := &reference{name: file.Name}
		ref.Baseline, err = openSamples(field, file.Location, path, specs[i].SHA256, func(b *baseline.Baseline) error {
			ref.layers, err = r.sameVectors(b, in)
			return err
		})
		if err != nil {
			return err
		}
		ref.samples = samplesOf(ref.Baseline)
		in.references = append(in.references, ref)
		if r.inspects() && !sketched(ref.Baseline) {
			r.Progress.Note(fmt.Sprintf("Reference %s has no sketches that can be compared: it is judged by embeddings alone", file.Name))
		}
	}
	return nil
}

// fetchReference returns a local path of a reference's file.
func (r *Run) fetchReference(ctx context.Context, location string) (string, error) {
	folder, key, err := storage.SplitKey(location)
	if err != nil {
		return "", err
	}
	return r.fetchVersion(ctx, folder, key)
}

// sameVectors holds a reference against the run, and finds the run's layers in it.
func (r *Run) sameVectors(b *baseline.Baseline, in *inputs) ([]int, error) {
	its := baseline.Description{Method: map[string]string{}}
	for field, value := range b.Method {
		if field != "model.layers" && !strings.HasPrefix(field, "reduction.") { // of a baseline
			its.Method[field] = value
		}
	}
	if differences := its.Differs(r.recipe(in)); len(differences) > 0 {
		return nil, fmt.Errorf("its vectors can't be compared with this audit's: %s", strings.Join(differences, "; "))
	}
	var layers []int
	for _, layer := range in.store.Layers {
		at := slices.IndexFunc(b.Layers, func(l baseline.Layer) bool { return l.Name == layer.Name })
		if at < 0 {
			var names []string
			for _, l := range b.Layers {
				names = append(names, l.Name)
			}
			return nil, fmt.Errorf("it has no layer %s: its layers are %s", layer.Name, list(names))
		}
		if b.Layers[at].Dimensions != layer.Dimensions {
			return nil, fmt.Errorf("layer %s has %d dimensions there and %d here", layer.Name, b.Layers[at].Dimensions, layer.Dimensions)
		}
		layers = append(layers, at)
	}
	return layers, nil
}

func summaryReferences(references []*reference) []v1alpha1.SummaryReference {
	var out []v1alpha1.SummaryReference
	for _, ref := range references {
		out = append(out, v1alpha1.SummaryReference{Name: ref.name, SHA256: ref.SHA256, Samples: int64(len(ref.samples))})
	}
	return out
}

// compare finds what a layer's samples share with a reference, in a space that is fitted on both: a reference of few
// samples could not span one, and nor could a dataset of few.
func (r *Run) compare(ctx context.Context, ref *reference, layer int, rows vectors.Matrix, samples []duplicates.Sample, inspection *inspection) (report.Reference, error) {
	none := report.Reference{}
	options, err := r.options(nil)
	if err != nil {
		return none, err
	}
	if inspection != nil && sketched(ref.Baseline) {
		inspection.with(len(samples), ref.Sketches).joins(&options)
	}
	r.Progress.Note("Reference " + ref.name)
	both := joined{rows, ref.Layers[ref.layers[layer]].Embeddings, len(ref.samples)}
	asked := r.reduction(both.Len(), both.Dimensions())
	asked.components = min(asked.components, both.Len(), both.Dimensions()) // a baseline's audit may be of a few samples
	defer r.space.Free()
	model, reduced, err := r.reduce(ctx, both, asked, nil)
	if err != nil {
		return none, err
	}
	found, err := duplicates.Compare(ctx, slices.Concat(samples, ref.samples), reduced, model.K(), both, options)
	if err != nil {
		return none, err
	}
	return report.Reference{Name: ref.name, Samples: ref.samples, Comparison: found, Thumbnail: thumbnailOf(ref.Thumbnails)}, nil
}

// maxThumbnail bounds what a page takes of a file that may come from anywhere, in bytes.
const maxThumbnail = 64 << 10

// thumbnailOf returns the JPEG file of a sample of a reference; nil where there is none.
func thumbnailOf(block *baseline.Block) func(sample int) []byte {
	return func(sample int) []byte {
		if block == nil || block.Size > maxThumbnail {
			return nil
		}
		data, err := block.Row(sample) // of a file that is mapped: it does not fail
		if err != nil || !bytes.HasPrefix(data, []byte("\xff\xd8\xff")) {
			return nil
		}
		return bytes.TrimRight(data, "\x00")
	}
}

// A Reference is what is asked for of a file that others compare their datasets with.
type Reference struct {
	// Sketches of 32×32 pixels let the images be looked at once more, Thumbnails show them. Both are pictures.
	Sketches, Thumbnails bool
	// Names says that samples are called as in the dataset; otherwise by their place in its order.
	Names bool
}

// WriteReference embeds the dataset and writes its samples to Out, a file, for other audits to compare with. It returns
// how many they are. Every error is a *v1alpha1.RunError.
func (r *Run) WriteReference(ctx context.Context, asked Reference) (samples int, err error) {
	embedding := *r
	embedding.Audit = r.Audit.DeepCopy()
	// What an audit does with the vectors is not done here, and what it asks of the dataset is not checked.
	spec := &embedding.Audit.Spec
	spec.Reduction.PCA.Components, spec.Reduction.PCA.BatchSize, spec.Duplicates.Removal = nil, nil, v1alpha1.RemovalSpec{}
	spec.Dataset.EvaluationSplits, spec.Baseline, spec.References = nil, nil, nil
	samples, err = embedding.writeReference(ctx, asked)
	return samples, classify(ctx, err)
}

func (r *Run) writeReference(ctx context.Context, asked Reference) (int, error) {
	folder, key, err := storage.SplitKey(r.Out)
	if err != nil {
		return 0, invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("--out: %w", err))
	}
	out, err := storage.Create(ctx, folder)
	if err != nil {
		return 0, invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("--out: %w", err))
	}
	defer func() { _ = out.Close() }() // what was written is durable already
	unlock, err := r.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	in, err := r.open(ctx)
	if err != nil {
		return 0, err
	}
	defer in.close()
	set, findings, _, err := r.embedWhole(ctx, in)
	if err != nil {
		return 0, err
	}
	defer set.Close()
	r.Progress.Stage(v1alpha1.StageReport, 0)
	d := baseline.Description{Method: r.recipe(in), Dataset: findings.Digest}
	for i, layer := range in.store.Layers {
		d.Layers = append(d.Layers, baseline.Layer{Name: layer.Name, Dimensions: layer.Dimensions, Embeddings: set.Layer(i)})
	}
	described := fileSamples(findings.Samples)
	if !asked.Names {
		for i := range described {
			described[i] = baseline.Sample{ID: fmt.Sprintf("sample %d", described[i].Index), Index: described[i].Index, Bytes: described[i].Bytes, Pixels: described[i].Pixels}
		}
	}
	if in.dataset.Dimensions() == 0 { // images
		if asked.Sketches {
			inspector := r.inspector(in, set)
			defer inspector.Cache.Close()
			if err := addSketches(ctx, &d, &inspector, len(set.Index)); err != nil {
				return 0, err
			}
		}
		if asked.Thumbnails {
			t := r.thumbnails(ctx, in, set.Index)
			defer t.stop()
			d.Thumbnails = &baseline.Block{Size: thumbnailSize, Row: t.row}
		}
	}
	return len(described), out.Write(ctx, key, func(w io.Writer) error { return baseline.Write(w, d, described) })
}

// thumbnailSize is the place of a thumbnail in a file, in bytes. Of thumbnailSides the largest that fits is taken.
const thumbnailSize = 8 << 10

var thumbnailSides = []int{128, 96, 64, 32}

// thumbnails are read and drawn one after the other, as they are written.
type thumbnails struct {
	decoder images.Decoder
	next    func() (dataset.Sample, error, bool)
	stop    func()
}

func (r *Run) thumbnails(ctx context.Context, in *inputs, indices []int) *thumbnails {
	t := &thumbnails{decoder: images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation}}
	t.next, t.stop = iter.Pull2(in.dataset.Pick(ctx, indices))
	return t
}

// row returns the thumbnail of the next sample, none of an image that can't be read any more.
func (t *thumbnails) row(int) ([]byte, error) {
	sample, err, there := t.next()
	if !there {
		return nil, errors.New("thumbnails: the dataset ended too early")
	}
	if err != nil {
		return nil, fmt.Errorf("thumbnails: %w", err)
	}
	var drawn []byte
	var failed error
	if sample.Err == nil {
		// What can't be decoded has no picture.
		_ = t.decoder.With(new(image.RGBA), sample.Bytes, func(shown *image.RGBA) {
			for _, side := range thumbnailSides {
				if drawn, failed = images.Thumbnail(shown, side); failed != nil || len(drawn) <= thumbnailSize {
					return
				}
			}
		})
	}
	return drawn, failed
}

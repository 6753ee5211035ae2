package embed

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// Another column of the same file is another place, other labels aren't.
func TestPlacesKnowTheColumn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	bucket, err := storage.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bucket.Close() }() // was only read
	d, err := dataset.Open(t.Context(), bucket, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder}, "")
	if err != nil {
		t.Fatal(err)
	}
	of := func(spec v1alpha1.DatasetSpec) any {
		return Places("here", d, &spec)(0)
	}
	parquet := func(image, label string) v1alpha1.DatasetSpec {
		return v1alpha1.DatasetSpec{Format: v1alpha1.FormatParquet, Parquet: &v1alpha1.ParquetOptions{ImageColumn: image, LabelColumn: label}}
	}
	if of(parquet("full", "x")) == of(parquet("crop", "x")) {
		t.Error("two columns of images are one place")
	}
	if of(parquet("full", "x")) != of(parquet("full", "y")) {
		t.Error("another column of labels is another place")
	}
	feature := func(image string) v1alpha1.DatasetSpec {
		return v1alpha1.DatasetSpec{Format: v1alpha1.FormatTFRecord, TFRecord: &v1alpha1.TFRecordOptions{ImageFeature: image}}
	}
	array := func(name string) v1alpha1.DatasetSpec {
		return v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings, Embeddings: &v1alpha1.EmbeddingsOptions{Array: name}}
	}
	if of(feature("a")) == of(feature("b")) || of(array("a")) == of(array("b")) || of(feature("a")) == of(array("a")) {
		t.Error("two features or arrays are one place")
	}
}

// A field that decides vectors is in the recipe, and no other.
func TestRecipeOfEveryField(t *testing.T) {
	audit := audits.New("cars")
	network := &Network{Builtin: true, prepare: &preprocessor{}}
	before := Recipe(network, &audit.Spec)
	for path, changed := range audits.Changes(&audit.Spec) {
		decides := v1alpha1.FieldDecides(path) == v1alpha1.DecidesVectors
		if is := Recipe(network, changed) != before; is != decides {
			t.Errorf("%s decides %s, and the recipe changes with it: %v", path, v1alpha1.FieldDecides(path), is)
		}
	}
}

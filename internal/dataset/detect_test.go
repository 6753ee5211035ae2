package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/layouts"
)

// Whoever lays a dataset out as its format wants it need not name the format.
func TestDetect(t *testing.T) {
	samples := layouts.Generate(80)
	for name, layout := range layouts.All() {
		t.Run(name, func(t *testing.T) {
			spec := layout.Spec
			if m, e := spec.Manifest, spec.Embeddings; m != nil && m.Path != "" && m.Path != v1alpha1.DefaultManifestPath || e != nil && e.Path != "" {
				t.Skip("its place must be named anyway")
			}
			dir := t.TempDir()
			if err := layout.Write(dir, samples); err != nil {
				t.Fatal(err)
			}
			got, err := Detect(t.Context(), openBucket(t, dir), "")
			if err != nil || got != spec.Format {
				t.Errorf("%s, %v; want %s", got, err, spec.Format)
			}
		})
	}
}

func TestDetectByName(t *testing.T) {
	tests := map[string]struct {
		files []string
		file  string
		want  v1alpha1.DatasetFormat
	}{
		"images and a list called train": {[]string{"train", "test", "a.jpg", "b.jpg"}, "", v1alpha1.FormatImageFolder},
		"images and a few vectors":       {[]string{"a.jpg", "b.jpg", "embeddings.npy"}, "", v1alpha1.FormatImageFolder},
		"metadata beside images":         {[]string{"metadata.csv", "a.jpg", "b.jpg"}, "", v1alpha1.FormatManifest},
		"shards and a picture":           {[]string{"0.tar", "1.tar", "preview.png"}, "", v1alpha1.FormatWebDataset},
		"one file of vectors":            {[]string{"x.npy", "a.jpg"}, "x.npy", v1alpha1.FormatEmbeddings},
		"one table":                      {[]string{"x.csv", "a.jpg"}, "x.csv", v1alpha1.FormatManifest},
		"a table beside images":          {[]string{"x.csv", "a.jpg"}, "", v1alpha1.FormatImageFolder},
		"a model":                        {[]string{"x.onnx", "a.jpg"}, "x.onnx", ""},
		"nothing known":                  {[]string{"notes.txt"}, "", ""},
		"nothing":                        {nil, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range test.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Detect(t.Context(), openBucket(t, dir), test.file)
			if got != test.want || (test.want == "" && test.file == "") != errors.Is(err, ErrEmpty) || (test.want == "") != (err != nil) {
				t.Errorf("%s, %v; want %s", got, err, test.want)
			}
		})
	}
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// What people's datasets look like; see test/cases/README.md. Three pictures of each evaluation split there are copies
// of training pictures, saved again: in whatever layout, these leak.

const casesManifest = `
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetAudit
metadata: {name: cases}
spec:
  dataset:
    source: {persistentVolumeClaim: {claimName: c}}
    format: FORMAT
  model:
    source: {persistentVolumeClaim: {claimName: c, path: model.onnx}}
    layers: [last_hidden_state]
    preprocessing: {preset: ImageNet}
  reduction: {pca: {components: 8}}
  duplicates: {threshold: {strategy: Cosine, similarity: "0.98"}}
`

const casesFolder = "../test/cases"

// auditCase audits a dataset of the cases. Replacements are of the manifest above.
func auditCase(t *testing.T, dataset string, format v1alpha1.DatasetFormat, model string, replace ...string) (code int, summary *v1alpha1.AuditSummary, stderr, out string) {
	t.Helper()
	needs.Runtime(t)
	f := fixture{t.TempDir()}
	spec := strings.NewReplacer(append(replace, "FORMAT", string(format))...).Replace(casesManifest)
	args := []string{"audit", "-f", f.path("audit.yaml"), "--dataset", dataset, "--out", f.path("out")}
	if format == v1alpha1.FormatEmbeddings {
		spec = spec[:strings.Index(spec, "  model:")] + spec[strings.Index(spec, "  reduction:"):]
	} else {
		args = append(args, "--model", filepath.Join(casesFolder, "onnx", model))
	}
	f.write(t, "audit.yaml", []byte(spec))
	code, _, stderr = run(t, args...)
	if code != 0 {
		return code, nil, stderr, ""
	}
	data, err := os.ReadFile(f.path("out/summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	summary = &v1alpha1.AuditSummary{}
	if err := json.Unmarshal(data, summary); err != nil {
		t.Fatal(err)
	}
	return code, summary, stderr, f.path("out")
}

// seen is what the tests look at in a summary.
type seen struct {
	Splits  string // with their samples, a star for those for evaluation
	Labels  string
	Leaks   int64 // −1: not evaluated
	Exact   int64
	Skipped int64
	Ignored int64
}

func see(s *v1alpha1.AuditSummary) seen {
	l := s.Layers[0]
	out := seen{Leaks: -1, Exact: l.ExactCopies, Skipped: s.Dataset.Skipped.Samples}
	var splits, labels []string
	for _, split := range s.Dataset.Splits {
		text := split.Name + " " + strconv.FormatInt(split.Samples, 10)
		if split.Evaluation {
			text += "*"
		}
		splits = append(splits, text)
	}
	for _, label := range l.Labels {
		labels = append(labels, label.Name+" "+strconv.FormatInt(label.Samples, 10))
	}
	out.Splits, out.Labels = strings.Join(splits, ", "), strings.Join(labels, ", ")
	if l.Leakage != nil {
		out.Leaks = l.Leakage.Samples
	}
	if s.Dataset.Ignored != nil {
		out.Ignored = s.Dataset.Ignored.Files
	}
	return out
}

func TestCases(t *testing.T) {
	const train = "train 12"
	for name, c := range map[string]struct {
		format  v1alpha1.DatasetFormat
		replace []string
		want    seen
	}{
		"layouts/title":                            {format: v1alpha1.FormatImageFolder, want: seen{Splits: "Test 12*, Train 12", Labels: "cat 24", Leaks: 3}},
		"layouts/mnistpng":                         {format: v1alpha1.FormatImageFolder, want: seen{Splits: "testing 12*, training 12", Labels: "cat 24", Leaks: 3}},
		"layouts/yolo":                             {format: v1alpha1.FormatImageFolder, want: seen{Splits: "train 12, val 12*", Leaks: 3, Ignored: 25}},
		"layouts/jfif":                             {format: v1alpha1.FormatImageFolder, want: seen{Splits: "test 12*, train 24", Labels: "cat 36", Leaks: 3}},
		"layouts/synology":                         {format: v1alpha1.FormatImageFolder, want: seen{Splits: "test 12*, train 12", Labels: "cat 24", Leaks: 3}},
		"wds":                                      {format: v1alpha1.FormatWebDataset, want: seen{Splits: " 36", Labels: " 18, 0 2, 1 14, 2 2", Leaks: -1, Exact: 24, Ignored: 6}},
		"tfrecord/gzip-train.tfrecord":             {format: v1alpha1.FormatTFRecord, want: seen{Splits: train, Labels: "0 4, 1 4, 2 4", Leaks: -1}},
		"tfrecord/train-00000-of-00001":            {format: v1alpha1.FormatTFRecord, want: seen{Splits: train, Labels: "cat 4, dog 4, owl 4", Leaks: -1}},
		"tfrecord/two-label-files":                 {format: v1alpha1.FormatTFRecord, want: seen{Splits: "test 12*, train 12", Labels: "cat 8, dog 8, owl 8", Leaks: 3, Exact: 3}},
		"parquet/lz4_raw-train.parquet":            {format: v1alpha1.FormatParquet, want: seen{Splits: train, Labels: "0 4, 1 4, 2 4", Leaks: -1}},
		"parquet/uuid-id-train.parquet":            {format: v1alpha1.FormatParquet, replace: []string{"FORMAT", "Parquet\n    parquet: {idColumn: uid}"}, want: seen{Splits: train, Labels: "0 4, 1 4, 2 4", Leaks: -1}},
		"parquet/list-of-image-train.parquet":      {format: v1alpha1.FormatParquet, want: seen{Splits: train, Labels: "0 4, 1 4, 2 4", Leaks: -1}},
		"parquet/list-of-classlabel-train.parquet": {format: v1alpha1.FormatParquet, want: seen{Splits: train, Labels: "cat 8, dog 8, owl 8", Leaks: -1}},
		"manifest/hf-metadata-csv":                 {format: v1alpha1.FormatManifest, want: seen{Splits: "test 12*, train 12", Labels: "0 8, 1 8, 2 8", Leaks: 3}},
		"manifest/one-image-two-rows":              {format: v1alpha1.FormatManifest, want: seen{Splits: "test 12*, train 12", Labels: "0 8, 1 8, 2 8, 9 12", Leaks: 3}},
		"emb":                                      {format: v1alpha1.FormatEmbeddings, replace: []string{"FORMAT", "Embeddings\n    maxUnreadable: 3"}, want: seen{Splits: " 57", Leaks: -1, Exact: 1, Skipped: 3}},
		"emb/embeddings.npy":                       {format: v1alpha1.FormatEmbeddings, replace: []string{"FORMAT", "Embeddings\n    maxUnreadable: 3"}, want: seen{Splits: " 57", Leaks: -1, Exact: 1, Skipped: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			code, summary, stderr, _ := auditCase(t, filepath.Join(casesFolder, name), c.format, "vit_lnd.onnx", c.replace...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if diff := cmp.Diff(c.want, see(summary)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A page that can't be what it claims is an error of its file, and not all the memory.
func TestDamagedPage(t *testing.T) {
	code, _, stderr, _ := auditCase(t, filepath.Join(casesFolder, "parquet/lz4_raw-damaged-oom.parquet"), v1alpha1.FormatParquet, "vit_lnd.onnx")
	if code != int(v1alpha1.ExitInvalidDataset) || !strings.Contains(stderr, "lz4_raw-damaged-oom.parquet: row 0: a page can't be unpacked") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// A layer that gives one vector whatever the image must not end in a proposal to remove them all.
func TestDeadLayer(t *testing.T) {
	dataset := filepath.Join(casesFolder, "layouts/title")
	code, _, stderr, _ := auditCase(t, dataset, v1alpha1.FormatImageFolder, "constlayer.onnx", "[last_hidden_state]", `["y"]`)
	if code != int(v1alpha1.ExitInvalidResult) || !strings.Contains(stderr, `layer "y" gives 23 of 24 samples the very vector of another one`) {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Tokens first, as CLIP has them: the same vectors as with the samples first.
func TestTokensFirst(t *testing.T) {
	dataset := filepath.Join(casesFolder, "layouts/title")
	vectors := map[string]string{}
	for _, layer := range []string{"last_hidden_state", "lnd"} {
		code, _, stderr, out := auditCase(t, dataset, v1alpha1.FormatImageFolder, "vit_lnd.onnx", "[last_hidden_state]", "["+layer+"]", "  reduction:", "  output: {embeddings: true}\n  reduction:")
		if code != 0 {
			t.Fatalf("%s: exit %d: %s", layer, code, stderr)
		}
		files, err := filepath.Glob(filepath.Join(out, "*.npy"))
		if err != nil || len(files) != 1 {
			t.Fatalf("embeddings: %v %v", files, err)
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		vectors[layer] = string(data)
	}
	if vectors["lnd"] != vectors["last_hidden_state"] {
		t.Error("the vectors differ from those of the layer with the samples first")
	}
}

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/test/needs"
)

// Stage Read gives a digest that stays until something that an audit would read changes, which a summary has, too.
func TestSources(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	f.write(t, "vectors/embeddings.npy", vectorsFile(1, 500, 8))
	f.write(t, "bench/embeddings.npy", vectorsFile(3, 100, 8))
	reference := f.path("bench.safetensors")
	if code, _, stderr := run(t, "reference", f.path("bench"), "--format", "Embeddings", "--out", reference); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	f.write(t, "verdicts.json", []byte(`{"schemaVersion": 1, "verdicts": []}`))
	f.write(t, "embeddings.yaml", []byte(`
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetAudit
metadata: {name: vectors}
spec:
  dataset: {source: {persistentVolumeClaim: {claimName: c}}, format: Embeddings, revision: v1}
  output: {baseline: true}
`))
	args := func(more ...string) []string {
		return append([]string{"audit", "-f", f.path("embeddings.yaml"), "--dataset", f.path("vectors"), "--reference", "bench=" + reference, "--verdicts", f.path("verdicts.json")}, more...)
	}
	out := t.TempDir()
	if code, _, stderr := run(t, args("--listed", "--out", out)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	summary := summaryOf(t, out)
	if summary.Dataset.Revision != "v1" {
		t.Errorf("revision is %q", summary.Dataset.Revision)
	}
	sources := func(more ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, args(append([]string{"--stage", "Read"}, more...)...)...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	if got := sources(); len(got) != 64 || got != summary.Run.SourcesSHA256 {
		t.Errorf("sources %q, those of the summary %q", got, summary.Run.SourcesSHA256)
	}
	seen := map[string]string{sources(): "nothing", sources("--baseline", out): "another baseline"}
	if len(seen) != 2 {
		t.Fatal("a baseline changes nothing")
	}
	later := time.Now().Add(time.Hour)
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"a file more", func() error { return os.WriteFile(f.path("vectors/labels.csv"), []byte("a"), 0o600) }},
		{"its time", func() error { return os.Chtimes(f.path("vectors/labels.csv"), later, later) }},
		{"its name", func() error { return os.Rename(f.path("vectors/labels.csv"), f.path("vectors/ids.csv")) }},
		{"a reference", func() error { return os.Chtimes(reference, later, later) }},
		{"a verdict", func() error {
			return os.WriteFile(f.path("verdicts.json"), []byte(`{"schemaVersion": 1, "verdicts": [ ]}`), 0o600)
		}},
	} {
		if err := change.make(); err != nil {
			t.Fatal(err)
		}
		got := sources()
		if before, known := seen[got]; known {
			t.Errorf("%s: as after %s", change.name, before)
		}
		seen[got] = change.name
		if sources() != got {
			t.Errorf("%s: differs from one look to the next", change.name)
		}
	}
	// What can't be told is not told; what isn't there is an error, as in a run.
	if code, stdout, stderr := run(t, "audit", "--run", "x", "-f", f.path("tagged.yaml"), "--stage", "Read"); code == 0 {
		t.Errorf("no manifest: %q %q", stdout, stderr)
	}
	f.write(t, "tagged.yaml", []byte(`
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetAudit
metadata: {name: tagged}
spec:
  dataset: {source: {image: {reference: "example.org/data:latest"}}, format: Embeddings}
`))
	if code, stdout, stderr := run(t, "audit", "-f", f.path("tagged.yaml"), "--dataset", f.path("vectors"), "--stage", "Read"); code != 0 || stdout != "\n" {
		t.Errorf("an image by a tag: exit %d, %q %q", code, stdout, stderr)
	}
	if code, _, stderr := run(t, args("--stage", "Read", "--reference", "bench="+f.path("nowhere.safetensors"))...); code == 0 {
		t.Errorf("a reference that isn't there: %q", stderr)
	}
}

// The model belongs to what is read, with all beside it; where stage Embed has read it, the summary has no digest of
// another one.
func TestSourcesOfModels(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	if err := os.Mkdir(f.path("models"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.write(t, "models/model.onnx", convolution())
	f.write(t, "models/weights.bin", []byte("weights"))
	args := func(more ...string) []string {
		return append([]string{"audit", "-f", f.path("audit.yaml"), "--dataset", f.path("images"), "--model", f.path("models/model.onnx")}, more...)
	}
	sources := func() string {
		t.Helper()
		code, stdout, stderr := run(t, args("--stage", "Read")...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	before := sources()
	staged := func(between func()) string {
		t.Helper()
		work, out := t.TempDir(), t.TempDir()
		for _, more := range [][]string{{"--stage", "Embed"}, {"--embedded", "--out", out}} {
			if code, _, stderr := run(t, args(append(more, "--listed", "--work", work)...)...); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			between()
		}
		return summaryOf(t, out).Run.SourcesSHA256
	}
	if got := staged(func() {}); got != before {
		t.Errorf("sources %q, want %q", got, before)
	}
	if got := staged(func() { f.write(t, "models/weights.bin", []byte("other weights")) }); got != "" {
		t.Errorf("the model changed between the stages: %q", got)
	}
	if sources() == before {
		t.Error("other weights change nothing")
	}
}

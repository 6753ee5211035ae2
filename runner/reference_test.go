package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/baseline"
	"github.com/datasetaudit/dataset-audit/internal/inspect"
	"github.com/datasetaudit/dataset-audit/test/layouts"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// localManifest is one of method Local, as an audit without a threshold strategy is.
func localManifest(more string) string {
	return strings.NewReplacer("\n  reduction: {pca: {components: 8}}", "", `
  duplicates: {threshold: {strategy: Percentile, percentile: "99"}}`, "").Replace(manifest("ImageFolder", more))
}

// A dataset with copies of a benchmark's images is audited against it, and against another one. The files go from their
// owners to who audits, and nothing else does.
func TestReference(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	f.write(t, "audit.yaml", []byte(localManifest("")))
	benchmark := layouts.Generate(60)
	for i, image := range benchmark[:40] {
		f.write(t, fmt.Sprintf("bench/%02d.png", i), image.PNG)
	}
	for i, image := range benchmark[40:] {
		f.write(t, fmt.Sprintf("private/%02d.png", i), image.PNG)
	}
	f.write(t, "images/train/cat/copied.png", benchmark[3].PNG)
	f.write(t, "images/train/cat/twice.png", benchmark[3].PNG)
	f.write(t, "images/test/dog/tested.png", benchmark[5].PNG)

	write := func(dataset, out string, more ...string) []byte {
		t.Helper()
		args := append([]string{"reference", f.path(dataset), "-f", f.path("audit.yaml"), "--model", f.path("model.onnx"), "--out", f.path(out)}, more...)
		code, stdout, stderr := run(t, args...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if !strings.Contains(stdout, "--reference "+f.path(out)) {
			t.Errorf("printed: %s", stdout)
		}
		return f.read(t, out)
	}
	first := write("bench", "bench.safetensors", "--thumbnails")
	if again := write("bench", "again.safetensors", "--thumbnails", "--threads", "1"); !bytes.Equal(first, again) {
		t.Error("the same samples give another file")
	}
	secret := write("private", "private.safetensors", "--names=false", "--sketches=false")
	if bytes.Contains(secret, []byte(".png")) || bytes.Contains(secret, []byte("thumbnails")) || len(secret) > 20*inspect.SketchSize {
		t.Error("what is asked to stay with the owner is in the file")
	}
	b, err := baseline.Open(f.path("bench.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if thumbnail, err := b.Thumbnails.Row(0); err != nil || !bytes.HasPrefix(thumbnail, []byte("\xff\xd8")) || len(b.Samples) != 40 || b.Sketches.Size != inspect.SketchSize {
		t.Errorf("the file: %+v, %v", b.Description, err)
	}

	out := t.TempDir()
	against := []string{"--reference", f.path("bench.safetensors"), "--reference", "secret=" + f.path("private.safetensors")}
	code, stdout, stderr := run(t, f.audit(out, append(against, "--rule", "layer.references.all(r, r.samples == 0)", "--rule", "layer.references.exists(r, r.name == 'secret' && r.samples == 0)")...)...)
	if code != int(v1alpha1.ExitNotCompliant) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s := summary(t, out)
	var outcomes []v1alpha1.RuleOutcome
	for _, rule := range s.Policy.Rules {
		outcomes = append(outcomes, rule.Outcome)
	}
	if diff := cmp.Diff([]v1alpha1.RuleOutcome{v1alpha1.RuleViolated, v1alpha1.RuleFulfilled}, outcomes); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(v1alpha1.SummaryReference{Name: "bench", SHA256: b.SHA256, Samples: 40}, s.References[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	bench, private := s.Layers[0].References[0], s.Layers[0].References[1]
	if bench.Samples != 3 || bench.ExactCopies != 3 || bench.ReferenceSamples != 2 || bench.Size != 40 || !bench.Inspected || private.Name != "secret" || private.Samples != 0 || private.Inspected {
		t.Errorf("found: %+v, %+v", bench, private)
	}
	if diff := cmp.Diff([]v1alpha1.SplitSamples{{Name: "test", Samples: 1}, {Name: "train", Samples: 2}}, bench.Splits); diff != "" {
		t.Errorf("splits (-want +got):\n%s", diff)
	}
	if !strings.Contains(stdout, "3 samples are in the reference bench, 3 exact: 2 of its 40 are known") || !strings.Contains(stdout, "No sample is in the reference secret") {
		t.Errorf("printed: %s", stdout)
	}
	pairs := map[string]string{}
	for _, row := range table(t, out, v1alpha1.FilePairs) {
		if row["reference"] != "" {
			pairs[row["idA"]] = row["reference"] + " " + row["idB"] + " " + row["distance"]
		}
	}
	if diff := cmp.Diff(map[string]string{"train/cat/copied.png": "bench 03.png 0", "train/cat/twice.png": "bench 03.png 0", "test/dog/tested.png": "bench 05.png 0"}, pairs); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
	removed := map[string]string{}
	for _, row := range table(t, out, v1alpha1.FileRemove) {
		if row["reference"] != "" {
			removed[row["id"]] = row["keeperID"]
		}
	}
	// What the benchmark holds goes from training, with its copies, and stays in the split for evaluation.
	if diff := cmp.Diff(map[string]string{"train/cat/copied.png": "03.png", "train/cat/twice.png": "03.png"}, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	clean := filepath.Join(t.TempDir(), "clean")
	if code, _, stderr := run(t, "apply", f.path("images"), "--remove", filepath.Join(out, v1alpha1.FileRemove), "--to", clean); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(clean, "train/cat/copied.png")); !os.IsNotExist(err) {
		t.Errorf("the cleaned copy holds a sample of the benchmark: %v", err)
	}
	page, err := os.ReadFile(filepath.Join(out, v1alpha1.FileReport))
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"References", "an exact copy", "data:image/jpeg;base64,/9j/", "sha256:" + b.SHA256} {
		if !bytes.Contains(page, []byte(says)) {
			t.Errorf("the page does not say %q", says)
		}
	}

	t.Run("no other finding depends on them", func(t *testing.T) {
		alone := t.TempDir()
		if code, _, stderr := run(t, f.audit(alone)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		without, with := summary(t, alone).Layers[0], s.Layers[0]
		with.References = nil
		if diff := cmp.Diff(without, with); diff != "" {
			t.Errorf("-without +with:\n%s", diff)
		}
	})
	t.Run("each is compared as if it were the only one", func(t *testing.T) {
		alone := t.TempDir()
		if code, _, stderr := run(t, f.audit(alone, against[:2]...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if diff := cmp.Diff(bench, summary(t, alone).Layers[0].References[0]); diff != "" {
			t.Errorf("-with another +alone:\n%s", diff)
		}
	})
	t.Run("a baseline", func(t *testing.T) {
		f.write(t, "old.yaml", []byte(localManifest("  output: {baseline: true}")))
		old := t.TempDir()
		args := []string{"audit", "-f", f.path("old.yaml"), "--dataset", f.path("bench"), "--model", f.path("model.onnx"), "--out", old}
		if code, _, stderr := run(t, args...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		again := t.TempDir()
		if code, _, stderr := run(t, f.audit(again, "--reference", "bench="+filepath.Join(old, v1alpha1.FileBaseline))...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if diff := cmp.Diff(bench, summary(t, again).Layers[0].References[0]); diff != "" {
			t.Errorf("-reference +baseline as one:\n%s", diff)
		}
		// As a baseline, its samples are looked at, too.
		if code, _, stderr := run(t, f.audit(again, "--baseline", old)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		for _, row := range table(t, again, v1alpha1.FilePairs) {
			if row["baseline"] == "true" && row["distance"] != "0" && row["similarity"] == "" {
				t.Errorf("a pair that was not looked at: %v", row)
			}
		}
	})
}

// What can't be compared is refused before any work, and says why.
// What an audit does with vectors doesn't keep a reference from being written, and a delivery of a few samples that is
// compared with a baseline is compared with a small reference, too.
func TestReferenceOfFew(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	asked := strings.NewReplacer("format: ImageFolder", "format: ImageFolder, evaluationSplits: [test]").Replace(manifest("ImageFolder", "  output: {baseline: true}"))
	f.write(t, "audit.yaml", []byte(asked))
	pictures := layouts.Generate(6)
	for i, image := range pictures[:4] {
		f.write(t, fmt.Sprintf("bench/%d.png", i), image.PNG)
	}
	for i, image := range pictures[3:] {
		f.write(t, fmt.Sprintf("delivery/%d.png", i), image.PNG)
	}
	of := func(dataset string) []string {
		return []string{"-f", f.path("audit.yaml"), "--dataset", f.path(dataset), "--model", f.path("model.onnx"), "--out"}
	}
	old, out := t.TempDir(), t.TempDir()
	for _, args := range [][]string{
		slices.Concat([]string{"audit"}, of("images"), []string{old}),
		slices.Concat([]string{"reference"}, of("bench"), []string{f.path("bench.safetensors")}),
		slices.Concat([]string{"audit"}, of("delivery"), []string{out, "--baseline", old, "--reference", f.path("bench.safetensors")}),
	} {
		if code, _, stderr := run(t, args...); code != 0 {
			t.Fatalf("%s: exit %d: %s", args[0], code, stderr)
		}
	}
	if refs := summary(t, out).Layers[0].References; len(refs) != 1 || refs[0].ExactCopies != 1 {
		t.Errorf("%+v", refs)
	}
}

func TestReferenceRefused(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	f.write(t, "audit.yaml", []byte(localManifest("")))
	for i, image := range layouts.Generate(8) {
		f.write(t, fmt.Sprintf("bench/%02d.png", i), image.PNG)
	}
	reference := func(out string, more ...string) {
		t.Helper()
		args := append([]string{"reference", f.path("bench"), "--model", f.path("model.onnx"), "--out", f.path(out)}, more...)
		if code, _, stderr := run(t, args...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	reference("bench.safetensors", "-f", f.path("audit.yaml"))
	reference("other.safetensors", "--layer", "features", "--preset", "CLIP")
	f.write(t, "results/"+v1alpha1.FileBaseline, f.read(t, "bench.safetensors"))
	f.write(t, "pinned.yaml", []byte(localManifest(fmt.Sprintf(`  references: [{name: bench, source: {persistentVolumeClaim: {claimName: c, path: b.safetensors}}, sha256: "%064x"}]`, 1))))
	for name, test := range map[string]struct {
		args []string
		code v1alpha1.ExitCode
		says string
	}{
		"another preset":     {[]string{"--reference", f.path("other.safetensors")}, v1alpha1.ExitInvalidSpec, "model.preprocessing is"},
		"no file":            {[]string{"--reference", f.path("none.safetensors")}, v1alpha1.ExitInvalidSpec, "reference none"},
		"a folder":           {[]string{"--reference", "x=" + f.path("bench")}, v1alpha1.ExitInvalidSpec, "reference x"},
		"no name":            {[]string{"--reference", "=" + f.path("bench.safetensors")}, v1alpha1.ExitInvalidUsage, "NAME=FILE"},
		"a bad name":         {[]string{"--reference", "Bench_1=" + f.path("bench.safetensors")}, v1alpha1.ExitInvalidUsage, "NAME=FILE"},
		"one name twice":     {[]string{"--reference", f.path("bench.safetensors"), "--reference", "bench=" + f.path("other.safetensors")}, v1alpha1.ExitInvalidUsage, "two are called bench"},
		"an image":           {[]string{"--reference", "x=" + f.path(f.sample(1))}, v1alpha1.ExitInvalidSpec, "not a baseline"},
		"as a baseline":      {[]string{"--baseline", f.path("results")}, v1alpha1.ExitInvalidSpec, "--reference"},
		"a volume":           {[]string{"-f", f.path("pinned.yaml")}, v1alpha1.ExitInvalidUsage, "--reference bench=FILE"},
		"another digest":     {[]string{"-f", f.path("pinned.yaml"), "--reference", f.path("bench.safetensors")}, v1alpha1.ExitDigestMismatch, "reference bench"},
		"too many":           {nil, v1alpha1.ExitInvalidSpec, "references: 33 for 1 layers"},
		"another model file": {[]string{"--model", f.path("wider.onnx"), "--reference", f.path("bench.safetensors")}, v1alpha1.ExitInvalidSpec, "model is"},
	} {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "too many":
				test.args = nil
				for i := range v1alpha1.MaxReferences + 1 {
					test.args = append(test.args, "--reference", fmt.Sprintf("n%d=%s", i, f.path("bench.safetensors")))
				}
			case "another model file":
				f.write(t, "wider.onnx", slices.Concat(convolution(), []byte("\x32\x02v2"))) // a field of the producer's
			}
			code, _, stderr := run(t, f.audit(t.TempDir(), test.args...)...)
			if code != int(test.code) || !strings.Contains(stderr, test.says) {
				t.Errorf("exit %d, want %d: %s", code, test.code, stderr)
			}
		})
	}
}

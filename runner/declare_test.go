package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/config/crd"
)

// summaryOf reads the summary in a folder.
func summaryOf(t *testing.T, out string) *v1alpha1.AuditSummary {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, v1alpha1.FileSummary))
	if err != nil {
		t.Fatal(err)
	}
	summary := &v1alpha1.AuditSummary{}
	if err := json.Unmarshal(data, summary); err != nil {
		t.Fatal(err)
	}
	return summary
}

// A folder is enough: what isn't said is found and told, and nothing has to be installed.
func TestAuditWithoutManifest(t *testing.T) {
	t.Setenv("ONNXRUNTIME_LIB", "/nowhere")
	f := newFixture(t)
	out := t.TempDir()
	code, stdout, stderr := run(t, "audit", f.path("images"), "--out", out)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"dataset.format: ImageFolder", "the builtin Pixels", "Splits: test 300 (evaluation), train 1200"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	s := summaryOf(t, out)
	if s.Model.Name != "Pixels" || s.Dataset.Location != f.path("images") || s.Policy != nil || s.Versions.ONNXRuntime != "" {
		t.Errorf("summary: model %+v, dataset %+v, policy %+v", s.Model, s.Dataset, s.Policy)
	}
	// Of noise only what was planted is alike: a copy of every fiftieth.
	if l := s.Layers[0]; l.Layer != "pixels" || l.DuplicateSamples != 60 || l.ExactCopies != 30 || l.Local == nil {
		t.Errorf("layer %s: %d samples in clusters, %d exact copies: %s", l.Layer, l.DuplicateSamples, l.ExactCopies, stdout)
	}
	page, err := os.ReadFile(filepath.Join(out, v1alpha1.FileReport))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{f.path("images"), "Local method", "runner apply --remove", "--rule &#39;layer.leakage.samples == 0&#39;"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(string(page), unnamedClaim) {
		t.Error("the page names a claim that nobody has")
	}
}

// A model is enough, too: its layer and its preset are found and told.
func TestAuditWithModelAlone(t *testing.T) {
	f := newFixture(t)
	out := t.TempDir()
	code, _, stderr := run(t, "audit", f.path("images"), "--model", f.path("model.onnx"), "--out", out)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"model.layers: features, ", "model.preprocessing.preset: "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	if l := summaryOf(t, out).Layers[0]; l.Layer != "features" || l.ExactCopies != 30 {
		t.Errorf("layer %s: %d exact copies, planted are 30", l.Layer, l.ExactCopies)
	}
}

// The manifest that is printed is one, and says what was found.
func TestPrintManifest(t *testing.T) {
	f := newFixture(t)
	out := filepath.Join(t.TempDir(), "out")
	code, stdout, stderr := run(t, "audit", f.path("images"), "--rule", "layer.samples > 1", "--threshold", "0.05", "--splits", "train,test", "--print-manifest", "--out", out)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	spec, err := crd.Load([]byte(stdout))
	if err != nil {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if spec.Name != "images" || spec.Spec.Model.Builtin != v1alpha1.BuiltinPixels || *spec.Spec.Duplicates.Threshold.Rate != "0.05" || !strings.HasPrefix(stdout, "# Name the claims") {
		t.Errorf("the manifest is\n%s", stdout)
	}
	if diff := cmp.Diff([]string{"train", "test"}, spec.Spec.Dataset.Splits); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("something was done: %v", err)
	}
	// What it is for: the same audit by the manifest.
	f.write(t, "printed.yaml", []byte(stdout))
	if code, again, stderr := run(t, "audit", "-f", f.path("printed.yaml"), "--print-manifest"); code != 0 || again != stdout {
		t.Errorf("exit %d: %s\n%s", code, stderr, cmp.Diff(stdout, again))
	}
}

// Rules decide the exit code, after the results are written.
func TestRules(t *testing.T) {
	f := newFixture(t)
	work := t.TempDir()
	tests := map[string]struct {
		args    []string
		code    v1alpha1.ExitCode
		want    string
		results bool
	}{
		"fulfilled":           {[]string{"--rule", "layer.leakage.samples < 100"}, v1alpha1.ExitOK, "layer.leakage.samples < 100", true},
		"violated":            {[]string{"--rule", "layer.redundantSamples == 0"}, v1alpha1.ExitNotCompliant, "layer.redundantSamples = 30", true},
		"one of two violated": {[]string{"--rule", "true", "--rule", "layer.samples < 9"}, v1alpha1.ExitNotCompliant, "Fulfilled: 1 of 2 rules", true},
		"not evaluated":       {[]string{"--rule", "layer.baseline.samples == 0"}, v1alpha1.ExitNotCompliant, "layer.baseline is absent", true},
		"does not compile":    {[]string{"--rule", "layer.leakag.samples == 0"}, v1alpha1.ExitInvalidSpec, "leakag", false},
		"a split mistyped":    {[]string{"--evaluation-splits", "tset"}, v1alpha1.ExitInvalidSpec, "the dataset's splits are test, train", false},
		"a threshold of none": {[]string{"--threshold", "Slop=5"}, v1alpha1.ExitInvalidUsage, "Percentile=99.5", false},
		"a format of none":    {[]string{"--format", "Folder"}, v1alpha1.ExitInvalidSpec, "ImageFolder", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			code, stdout, stderr := run(t, append([]string{"audit", f.path("images"), "--out", out, "--work", work}, test.args...)...)
			if code != int(test.code) || !strings.Contains(stdout+stderr, test.want) {
				t.Errorf("exit %d, want %d with %q: %s%s", code, test.code, test.want, stdout, stderr)
			}
			_, err := os.Stat(filepath.Join(out, v1alpha1.FileSummary))
			if (err == nil) != test.results {
				t.Errorf("summary: %v", err)
			}
			if !test.results {
				return
			}
			rules := summaryOf(t, out).Policy
			if rules == nil || (rules.Compliant == "True") != (test.code == v1alpha1.ExitOK) {
				t.Errorf("the summary says %+v", rules)
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		code, stdout, _ := run(t, "audit", f.path("images"), "--out", t.TempDir(), "--work", work, "--rule", "layer.samples < 9", "-o", "json")
		var summary v1alpha1.AuditSummary
		if err := json.Unmarshal([]byte(stdout), &summary); code != int(v1alpha1.ExitNotCompliant) || err != nil || summary.Policy.Rules[0].Name != "rule-1" {
			t.Errorf("exit %d, %v, %+v", code, err, summary.Policy)
		}
	})
}

// What an audit refuses, a cleaned copy passes.
func TestCleanedCopyPasses(t *testing.T) {
	f := newFixture(t)
	out, cleaned := t.TempDir(), filepath.Join(t.TempDir(), "clean")
	const rule = "layer.leakage.samples == 0 && layer.redundantSamples == 0"
	if code, _, stderr := run(t, "audit", f.path("images"), "--out", out, "--rule", rule); code != int(v1alpha1.ExitNotCompliant) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := run(t, "apply", "--remove", filepath.Join(out, v1alpha1.FileRemove), f.path("images"), "--to", cleaned); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if code, stdout, stderr := run(t, "audit", cleaned, "--out", t.TempDir(), "--rule", rule); code != 0 {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

// Flags take the place of a manifest's fields.
func TestFlagsOverManifest(t *testing.T) {
	f := newFixture(t)
	code, stdout, stderr := run(t, "audit", "-f", f.path("audit.yaml"), "--layer", "a,b", "--preset", "CLIP", "--method", "Reference", "--threshold", "Cosine=0.9",
		"--rule", "true", "--print-manifest")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	spec, err := crd.Load([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	s := spec.Spec
	if diff := cmp.Diff([]string{"a", "b"}, s.Model.Layers); diff != "" {
		t.Error(diff)
	}
	if s.Model.Preprocessing.Preset != "CLIP" || s.Duplicates.Threshold.String() != "Cosine(0.9)" || *s.Reduction.PCA.Components != 8 || s.Policy.Rules[0].Expression != "true" {
		t.Errorf("spec: %+v", s)
	}
}

func TestAuditName(t *testing.T) {
	for location, want := range map[string]string{
		"./images": "images", "/a/My Photos (2)/": "my-photos-2", "s3://bucket/cifar10?region=x": "cifar10", "s3://bucket": "bucket", "..": "dataset", "x.npy": "x-npy",
		strings.Repeat("a", 39) + "-b": strings.Repeat("a", 39),
	} {
		if got := auditName(location); got != want {
			t.Errorf("%s is called %q, want %q", location, got, want)
		}
	}
}

// What stage Embed left for other flags is not taken.
func TestEmbeddedOfOtherFlags(t *testing.T) {
	f := newFixture(t)
	work := t.TempDir()
	audit := func(args ...string) (int, string) {
		code, _, stderr := run(t, append([]string{"audit", f.path("images"), "--work", work, "--out", t.TempDir()}, args...)...)
		return code, stderr
	}
	if code, stderr := audit("--stage", "Embed"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if code, stderr := audit("--embedded", "--rule", "true"); code != int(v1alpha1.ExitStorage) || !strings.Contains(stderr, "another manifest") {
		t.Errorf("with other flags: exit %d: %s", code, stderr)
	}
	if code, stderr := audit("--embedded"); code != 0 {
		t.Errorf("with the same: exit %d: %s", code, stderr)
	}
}

// A manifest that lacks something is a mistake still: only an audit without one has its model chosen.
func TestNothingIsGuessedForManifests(t *testing.T) {
	f := newFixture(t)
	f.write(t, "lacks.yaml", []byte("apiVersion: datasetaudit.io/v1alpha1\nkind: DatasetAudit\nmetadata: {name: x}\nspec: {dataset: {format: ImageFolder}}\n"))
	if code, _, stderr := run(t, "audit", "-f", f.path("lacks.yaml"), f.path("images")); code != int(v1alpha1.ExitInvalidSpec) || !strings.Contains(stderr, "model is required") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

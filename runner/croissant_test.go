package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// A dataset's metadata says what to audit it as, and bears the findings afterwards.
func TestCroissant(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	if err := os.Rename(f.path("images/test"), f.path("images/holdout")); err != nil { // a name that no rule knows
		t.Fatal(err)
	}
	f.write(t, "images/holdout/cat/leak.png", f.read(t, f.sample(0)))
	f.write(t, "images/notes.txt", []byte("of an earlier version"))
	document := `{
  "@context": {"sc": "https://schema.org/", "cr": "http://mlcommons.org/croissant/"}, "@type": "sc:Dataset", "name": "pets",
  "distribution": [
    {"@type": "cr:FileObject", "contentUrl": "licence.txt"},
    {"@type": "cr:FileSet", "encodingFormat": "image/png", "includes": "*/*/*.png"}
  ],
  "recordSet": [{"@type": "cr:RecordSet", "dataType": "cr:Split", "key": {"@id": "s/name"}, "data": [{"s/name": "train"}, {"s/name": "holdout", "s/url": "cr:TestSplit"}]}]
}`
	f.write(t, "images/croissant.json", []byte(document))
	out := t.TempDir()
	args := []string{"audit", f.path("images"), "--croissant", f.path("images/croissant.json"), "--out", out}
	code, _, stderr := run(t, args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"dataset.format: ImageFolder, by its Croissant metadata", "dataset.evaluationSplits: holdout, by its Croissant metadata"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	summary := summaryOf(t, out)
	if summary.Layers[0].Leakage == nil || summary.Layers[0].Leakage.Samples == 0 {
		t.Errorf("leakage %+v", summary.Layers[0].Leakage)
	}
	warnings := strings.Join(summary.Dataset.Warnings, "\n")
	if !strings.Contains(warnings, "names files that are not there: licence.txt") || !strings.Contains(warnings, "does not describe 1 file") {
		t.Errorf("warnings: %s", warnings)
	}
	if !slices.ContainsFunc(summary.Run.Files, func(file v1alpha1.SummaryFile) bool { return file.Name == v1alpha1.FileCroissant }) {
		t.Errorf("its digest is not in the summary: %+v", summary.Run.Files)
	}
	data, err := os.ReadFile(filepath.Join(out, v1alpha1.FileCroissant))
	if err != nil {
		t.Fatal(err)
	}
	var written struct {
		Name  string   `json:"name"`
		Says  []string `json:"http://mlcommons.org/croissant/RAI/dataLimitations"`
		Audit struct {
			Leaked int64  `json:"leakedSamples"`
			Digest string `json:"datasetDigest"`
		} `json:"https://datasetaudit.io/croissant/v1#audit"`
	}
	if err := json.Unmarshal(data, &written); err != nil {
		t.Fatal(err)
	}
	if written.Name != "pets" || written.Audit.Leaked != summary.Layers[0].Leakage.Samples || written.Audit.Digest != summary.Dataset.Digest || len(written.Says) == 0 {
		t.Errorf("%+v", written)
	}
	page, err := os.ReadFile(filepath.Join(out, v1alpha1.FileReport))
	if err != nil || !strings.Contains(string(page), "--croissant") {
		t.Errorf("the page's command does not name the metadata: %v", err)
	}
	// Flags win, and what is not metadata is refused.
	code, stdout, stderr := run(t, append(args, "--evaluation-splits", "train", "--print-manifest")...)
	if code != 0 || !strings.Contains(stdout, "evaluationSplits:\n    - train\n") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	for _, file := range []string{"images/notes.txt", "images/nowhere.json", "audit.yaml"} {
		if code, _, stderr := run(t, "audit", f.path("images"), "--croissant", f.path(file), "--out", out); code != int(v1alpha1.ExitInvalidUsage) || !strings.Contains(stderr, "--croissant") {
			t.Errorf("%s: exit %d: %s", file, code, stderr)
		}
	}
}

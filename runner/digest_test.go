package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// Anyone can say whether a dataset is still the one that was audited.
func TestDigest(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	f.write(t, "images/train/zz/broken.png", []byte("no image at all"))
	out := t.TempDir()
	if code, _, stderr := run(t, f.audit(out)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	content, err := os.ReadFile(filepath.Join(out, v1alpha1.FileSummary))
	if err != nil {
		t.Fatal(err)
	}
	summary := v1alpha1.AuditSummary{}
	if err := json.Unmarshal(content, &summary); err != nil || summary.Dataset.Skipped.Samples == 0 {
		t.Fatal(err, summary.Dataset)
	}
	digest := func(want v1alpha1.ExitCode, says string, more ...string) {
		t.Helper()
		code, stdout, stderr := run(t, append([]string{"digest", f.path("images"), "-f", f.path("audit.yaml")}, more...)...)
		if code != int(want) || !strings.Contains(stdout+stderr, says) {
			t.Errorf("%v: exit %d: %s%s", more, code, stdout, stderr)
		}
	}
	digest(0, summary.Dataset.Digest+"\n")
	for _, expect := range []string{out, filepath.Join(out, v1alpha1.FileSummary), summary.Dataset.Digest} {
		digest(0, summary.Dataset.Digest, "--expect", expect)
	}
	digest(v1alpha1.ExitDigestMismatch, "is not the audited one", "--expect", "sha256:"+strings.Repeat("0", 64))
	digest(v1alpha1.ExitInvalidUsage, "--expect", "--expect", f.path("nowhere"))
	f.write(t, "empty.json", []byte("{}"))
	digest(v1alpha1.ExitInvalidUsage, "no digest", "--expect", f.path("empty.json"))

	// A byte, a name, a label: each is another dataset.
	f.write(t, "images/train/zz/broken.png", []byte("no image at ALL"))
	digest(v1alpha1.ExitDigestMismatch, "the dataset of 1501 samples is not the audited one of 1501 samples", "--expect", out)
	if err := os.Remove(f.path("images/train/zz/broken.png")); err != nil {
		t.Fatal(err)
	}
	digest(v1alpha1.ExitDigestMismatch, "the dataset of 1500 samples is not the audited one of 1501 samples", "--expect", out)
}

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// A run that is given a digest reads no other manifest, and says in its summary which one it read.
func TestInputDigest(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	digest := fmt.Sprintf("%x", sha256.Sum256(f.read(t, "audit.yaml")))
	out := t.TempDir()
	if code, _, stderr := run(t, f.audit(out, "--input-sha256", digest)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got := summary(t, out).Run.InputSHA256; got != digest {
		t.Errorf("the summary is of the manifest %s, want %s", got, digest)
	}
	f.write(t, "audit.yaml", bytes.Replace(f.read(t, "audit.yaml"), []byte(`percentile: "99"`), []byte(`percentile: "98"`), 1))
	code, _, stderr := run(t, f.audit(t.TempDir(), "--input-sha256", digest)...)
	if code != int(v1alpha1.ExitDigestMismatch) || !strings.Contains(stderr, "someone replaced it") {
		t.Errorf("another manifest: exit %d: %s", code, stderr)
	}
}

// What stage Embed computed is taken over without the model: the findings are those of a whole run.
func TestEmbedded(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	whole := t.TempDir()
	if code, _, stderr := run(t, f.audit(whole)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	work := t.TempDir()
	embed := func(shard string) {
		t.Helper()
		if code, _, stderr := run(t, f.audit(t.TempDir(), "--work", work, "--stage", "Embed", "--shard", shard)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	rest := func(more ...string) (int, string, string) {
		t.Helper()
		out := t.TempDir()
		args := append([]string{"audit", "-f", f.path("audit.yaml"), "--dataset", f.path("images"), "--work", work, "--out", out, "--embedded"}, more...)
		code, _, stderr := run(t, args...)
		return code, stderr, out
	}
	if code, stderr, _ := rest(); code != int(v1alpha1.ExitStorage) || !strings.Contains(stderr, "stage Embed has left nothing") {
		t.Errorf("before the stage: exit %d: %s", code, stderr)
	}
	embed("0/2")
	if code, stderr, _ := rest(); code != int(v1alpha1.ExitStorage) || !strings.Contains(stderr, "are not whole: 750 samples are not embedded yet") {
		t.Errorf("after half of the stage: exit %d: %s", code, stderr)
	}
	embed("1/2")
	code, stderr, out := rest()
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if diff := cmp.Diff(resultFiles(t, whole), resultFiles(t, out)); diff != "" {
		t.Errorf("the findings differ (-want +got):\n%s", diff)
	}
	got, want := summary(t, out), summary(t, whole)
	if got.Cost.EmbeddedSamples != 0 || got.Versions != want.Versions || *got.Model != *want.Model || got.Model.Digest == "" {
		t.Errorf("summary: cost %+v, versions %+v, model %+v", got.Cost, got.Versions, got.Model)
	}
	f.write(t, "audit.yaml", append(f.read(t, "audit.yaml"), '\n'))
	if code, stderr, _ := rest(); code != int(v1alpha1.ExitStorage) || !strings.Contains(stderr, "of another manifest") {
		t.Errorf("of another manifest: exit %d: %s", code, stderr)
	}
	f.write(t, "audit.yaml", bytes.TrimSuffix(f.read(t, "audit.yaml"), []byte("\n")))
	f.write(t, filepath.Join("images", "train", "cat", "9999.png"), f.read(t, f.sample(0)))
	if code, stderr, _ := rest(); code != int(v1alpha1.ExitInvalidDataset) || !strings.Contains(stderr, "has changed since stage Embed") {
		t.Errorf("of another dataset: exit %d: %s", code, stderr)
	}
}

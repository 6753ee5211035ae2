package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// A second audit embeds nothing, one of a dataset that grew what is new, and one of another dataset in the same work
// folder nothing that the first had.
func TestNothingIsEmbeddedTwice(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	work := t.TempDir()
	audit := func(dataset string, embedded int64) {
		t.Helper()
		out := t.TempDir()
		if code, _, stderr := run(t, f.audit(out, "--dataset", dataset, "--work", work)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		s := summary(t, out)
		if s.Cost.EmbeddedSamples != embedded {
			t.Errorf("%s: %d samples were embedded, not %d", dataset, s.Cost.EmbeddedSamples, embedded)
		}
	}
	images := f.path("images")
	out := t.TempDir()
	if code, _, stderr := run(t, f.audit(out, "--work", work)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	first := summary(t, out)
	if first.Cost.EmbeddedSamples == 0 {
		t.Fatal("nothing was embedded")
	}
	audit(images, 0)
	f.write(t, "images/train/cat/0000.png", noise(t, rand.New(rand.NewPCG(77, 1)))) // before all others
	audit(images, 1)
	copied := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.CopyFS(copied, os.DirFS(images)); err != nil {
		t.Fatal(err)
	}
	audit(copied, 0)

	// A part that is damaged is noticed, and made again.
	parts, err := filepath.Glob(filepath.Join(work, "embeddings", "*", "part-*.vec"))
	if err != nil || len(parts) < 2 {
		t.Fatalf("parts %v, %v", parts, err)
	}
	for _, part := range parts {
		content, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)-8] ^= 1 // among the vectors
		if err := os.WriteFile(part, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	damaged := t.TempDir()
	code, _, stderr := run(t, f.audit(damaged, "--dataset", copied, "--work", work)...)
	if code != 0 || !strings.Contains(stderr, "they are embedded again") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if again := summary(t, damaged); again.Layers[0].Clusters != first.Layers[0].Clusters {
		t.Errorf("%d clusters, not %d", again.Layers[0].Clusters, first.Layers[0].Clusters)
	}
}

func TestCache(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	work := t.TempDir()
	if code, _, stderr := run(t, f.audit(t.TempDir(), "--work", work)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	list := func() (rows []keptRow) {
		t.Helper()
		code, stdout, stderr := run(t, "cache", work, "-o", "json")
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := list()
	if len(rows) != 1 || rows[0].Parts == 0 || rows[0].Bytes == 0 || time.Since(rows[0].Used) > time.Hour {
		t.Fatalf("%+v", rows)
	}
	if code, stdout, _ := run(t, "cache", work); code != 0 || !strings.Contains(stdout, rows[0].Recipe) {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if code, stdout, _ := run(t, "cache", work, "--prune", "1h"); code != 0 || stdout != "Removed 0 B of vectors.\n" || len(list()) != 1 {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if code, _, stderr := run(t, "cache", work, "--prune", "0s"); code != 0 || len(list()) != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, _ := run(t, "cache", filepath.Join(work, "nowhere")); code != int(v1alpha1.ExitInvalidUsage) {
		t.Errorf("a folder that isn't there: exit %d", code)
	}
}

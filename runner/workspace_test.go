package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
	"github.com/datasetaudit/dataset-audit/test/s3server"
)

// Pods that share nothing but a bucket embed a dataset, whatever shards they are, and what one leaves there another
// takes: the findings are those of one machine.
func TestVectorsInObjectStorage(t *testing.T) {
	options := s3server.Start(t, "vectors")
	needs.Runtime(t)
	f := newFixture(t)
	alone := t.TempDir()
	if code, _, stderr := run(t, f.audit(alone)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	want := resultFiles(t, alone)
	vectors := "s3://vectors/some place/.vectors" + options
	audit := func(embedded int64, more ...string) {
		t.Helper()
		out := t.TempDir()
		args := append([]string{"--vectors", vectors, "--work", t.TempDir()}, more...)
		if code, _, stderr := run(t, f.audit(out, args...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if diff := cmp.Diff(want, resultFiles(t, out)); diff != "" {
			t.Errorf("the findings differ (-want +got):\n%s", diff)
		}
		if s := summary(t, out); s.Cost.EmbeddedSamples != embedded {
			t.Errorf("%d samples were embedded, not %d", s.Cost.EmbeddedSamples, embedded)
		}
	}
	const shards = 3
	for i := range shards {
		args := f.audit(t.TempDir(), "--vectors", vectors, "--work", t.TempDir(), "--stage", "Embed", "--shard", fmt.Sprintf("%d/%d", i, shards))
		if code, _, stderr := run(t, args...); code != 0 {
			t.Fatalf("shard %d: exit %d: %s", i, code, stderr)
		}
	}
	audit(0)
	audit(0, "--embedded")

	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	code, _, stderr := run(t, f.audit(t.TempDir(), "--vectors", vectors, "--work", t.TempDir())...)
	if code != int(v1alpha1.ExitStorage) || !strings.Contains(stderr, "s3://vectors/some place") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

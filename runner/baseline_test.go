package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/layouts"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// Against a baseline a planted copy of an old sample is found, and nothing between old samples.
func TestBaseline(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	old := t.TempDir()
	f.write(t, "old.yaml", []byte(manifest("ImageFolder", "  output: {baseline: true}")))
	if code, _, stderr := run(t, f.audit(old, "-f", f.path("old.yaml"))...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	// Of the new images, fewer than there are components, one is an old one, and two are the same.
	planted := filepath.ToSlash(strings.TrimPrefix(f.sample(20), "images/"))
	fresh := layouts.Generate(16)
	for i := range 4 {
		f.write(t, fmt.Sprintf("new/%02d.png", i), fresh[4*i+3].PNG)
	}
	f.write(t, "new/90.png", f.read(t, f.sample(20)))
	f.write(t, "new/91.png", f.read(t, "new/03.png"))

	out := t.TempDir()
	args := func(out string, more ...string) []string {
		return append([]string{"audit", "-f", f.path("audit.yaml"), "--dataset", f.path("new"), "--model", f.path("model.onnx"), "--out", out, "--baseline", old}, more...)
	}
	code, stdout, stderr := run(t, args(out)...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s := summary(t, out)
	l := s.Layers[0]
	if s.Dataset.Samples != 6 || l.Samples != 6 || l.Baseline == nil || l.Baseline.Samples != samples-1 || l.Baseline.ExactCopies != 1 {
		t.Errorf("summary: %d samples, %+v", l.Samples, l.Baseline)
	}
	file, err := os.ReadFile(filepath.Join(old, v1alpha1.FileBaseline))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(file)); s.Baseline == nil || s.Baseline.SHA256 != want || s.Baseline.Samples != samples-1 {
		t.Errorf("the summary says of the baseline: %+v, want %s", s.Baseline, want)
	}
	f.write(t, "pinned.yaml", []byte(manifest("ImageFolder", fmt.Sprintf(`  baseline: {persistentVolumeClaim: {claimName: c}, sha256: "%064x"}`, 1))))
	if code, _, stderr := run(t, args(t.TempDir(), "-f", f.path("pinned.yaml"))...); code != int(v1alpha1.ExitDigestMismatch) || !strings.Contains(stderr, "baseline.sha256") {
		t.Errorf("a baseline of another digest: exit %d: %s", code, stderr)
	}
	if !strings.Contains(stdout, "1 sample is already in the baseline of 1,499") {
		t.Errorf("printed: %s", stdout)
	}
	found := false
	for _, row := range table(t, out, v1alpha1.FilePairs) {
		a, b := strings.Contains(row["idA"], "/"), strings.Contains(row["idB"], "/") // old ones lie in folders
		if a {
			t.Errorf("a pair of a baseline's sample first: %v", row)
		}
		if b != (row["baseline"] == "true") {
			t.Errorf("baseline column: %v", row)
		}
		found = found || row["idA"] == "90.png" && row["idB"] == planted && row["distance"] == "0"
	}
	if !found {
		t.Error("the planted copy isn't among the pairs")
	}
	for _, c := range clusterLines(t, out) {
		if !slices.ContainsFunc(c.Members, func(m memberLine) bool { return !m.Baseline }) {
			t.Errorf("cluster %d is of old samples only", c.Cluster)
		}
	}
	removed := map[string]string{}
	for _, row := range table(t, out, v1alpha1.FileRemove) {
		removed[row["id"]] = row["keeperID"]
		if strings.Contains(row["id"], "/") {
			t.Errorf("an old sample would go: %v", row)
		}
	}
	if removed["90.png"] != planted {
		t.Errorf("the planted copy goes for %q", removed["90.png"])
	}
	if n := len(table(t, out, v1alpha1.FileGroups)); n != 6 {
		t.Errorf("%d rows of groups.csv", n)
	}

	t.Run("a grown baseline", func(t *testing.T) {
		f.write(t, "grown.yaml", []byte(manifest("ImageFolder", "  output: {baseline: true}")))
		grown, again := t.TempDir(), t.TempDir()
		if code, _, stderr := run(t, args(grown, "-f", f.path("grown.yaml"))...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if code, _, stderr := run(t, args(again, "--baseline", grown)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		first, third := summary(t, old).Layers[0], summary(t, again).Layers[0]
		if third.Baseline.Samples != samples-1+6 || third.Baseline.ExactCopies != 6 {
			t.Errorf("the grown baseline: %+v", third.Baseline)
		}
		// Distances are as they were when the components were fitted, however often the baseline has grown.
		if diff := cmp.Diff(first.Threshold.NormalizedDistance, third.Threshold.NormalizedDistance); diff != "" {
			t.Errorf("normalized distance (-first +third):\n%s", diff)
		}
	})
	t.Run("another method", func(t *testing.T) {
		f.write(t, "audit.yaml", []byte(strings.Replace(manifest("ImageFolder", ""), "components: 8", "components: 9", 1)))
		code, _, stderr := run(t, args(t.TempDir())...)
		if code != int(v1alpha1.ExitInvalidSpec) || !strings.Contains(stderr, "reduction.pca is 9 components here and 8 components there") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("no baseline there", func(t *testing.T) {
		code, _, stderr := run(t, args(t.TempDir(), "--baseline", t.TempDir())...)
		if code != int(v1alpha1.ExitInvalidSpec) || !strings.Contains(stderr, "output.baseline") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
}

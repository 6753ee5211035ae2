package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// What is removed is gone from the cleaned dataset, and an audit of it finds what keep.csv lists.
func TestApply(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	out := t.TempDir()
	if code, _, stderr := run(t, f.audit(out)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	cleaned := filepath.Join(t.TempDir(), "clean")
	apply := func(more ...string) (int, string, string) {
		return run(t, append([]string{"apply", "-f", f.path("audit.yaml"), "--remove", filepath.Join(out, v1alpha1.FileRemove),
			"--dataset", f.path("images"), "--to", cleaned}, more...)...)
	}
	code, stdout, stderr := apply("--as", "HardLinks")
	removed := len(table(t, out, v1alpha1.FileRemove))
	if want := fmt.Sprintf("%s: %d kept, %d left out\n", cleaned, samples-removed, removed); code != 0 || stdout != want {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	again := t.TempDir()
	if code, _, stderr := run(t, f.audit(again, "--dataset", cleaned)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	ids := func(out, file string) (ids []string) {
		for _, row := range table(t, out, file) {
			ids = append(ids, row["id"])
		}
		return ids
	}
	if diff := cmp.Diff(ids(out, v1alpha1.FileKeep), ids(again, v1alpha1.FileGroups)); diff != "" {
		t.Errorf("samples (-keep.csv +audited):\n%s", diff)
	}
	if got := summary(t, again).Layers[0].ExactCopies; got != 0 {
		t.Errorf("%d exact copies are left", got)
	}
	t.Run("a manifest's file", func(t *testing.T) { applyToFile(t, f) })
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"there already":  {nil, "is there already"},
		"no such method": {[]string{"--as", "Move"}, "none of Copy, HardLinks, SymbolicLinks"},
		"no such layer":  {[]string{"--layer", "x", "--to", cleaned + "2"}, `no row of layer "x"`},
		"another set":    {[]string{"--dataset", cleaned, "--to", cleaned + "2"}, "not in the dataset"},
		"no such file":   {[]string{"--remove", "none.csv"}, "none.csv"},
		"nothing asked":  {[]string{"--to", ""}, "--to what is to be written"},
	} {
		if code, _, stderr := apply(test.args...); code != int(v1alpha1.ExitInvalidUsage) || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}

// A manifest may be named as the dataset itself, as it may for an audit.
func applyToFile(t *testing.T, f fixture) {
	first, second := strings.TrimPrefix(f.sample(0), "images/"), strings.TrimPrefix(f.sample(1), "images/")
	f.write(t, "images/images.csv", []byte("path\n"+first+"\n"+second+"\n"))
	f.write(t, "csv.yaml", []byte(manifest("Manifest", "")))
	f.write(t, "remove.csv", []byte("layer,id,keeperID,baseline\nfeatures,"+second+","+first+",\n"))
	to := f.path("images/clean.csv")
	code, stdout, stderr := run(t, "apply", "-f", f.path("csv.yaml"), "--remove", f.path("remove.csv"), "--dataset", f.path("images/images.csv"), "--to", to)
	if code != 0 || !strings.Contains(stdout, "1 kept, 1 left out") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if diff := cmp.Diff("path\n"+first+"\n", string(f.read(t, "images/clean.csv"))); diff != "" {
		t.Error(diff)
	}
}

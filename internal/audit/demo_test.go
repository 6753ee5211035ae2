package audit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/config/crd"
)

// The sample that needs nothing finds the planted leaks, and a second run reads the same dataset.
func TestBuiltinDemo(t *testing.T) {
	manifest, err := os.ReadFile("../../config/samples/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := crd.Load(manifest)
	if err != nil {
		t.Fatal(err)
	}
	summary, _ := execute(t, Run{Audit: spec, Work: t.TempDir()})
	if leakage := summary.Layers[0].Leakage; leakage == nil || leakage.Samples != 17 {
		t.Errorf("leakage %+v, planted are 17", leakage)
	}
	if got := summary.Dataset.Location; got != "builtin Demo" {
		t.Errorf("read from %q", got)
	}
	work := t.TempDir()
	again, _ := execute(t, Run{Audit: spec, Work: work})
	if again.Dataset.Digest != summary.Dataset.Digest {
		t.Errorf("drawn twice, the dataset has the digests %s and %s", summary.Dataset.Digest, again.Dataset.Digest)
	}
	left, err := filepath.Glob(filepath.Join(work, ".demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	_, err = (&Run{Audit: spec}).datasetLocation()
	if failed, ok := errors.AsType[*v1alpha1.RunError](err); !ok || failed.Code != v1alpha1.ExitInvalidUsage {
		t.Errorf("without a work folder: %v", err)
	}
}

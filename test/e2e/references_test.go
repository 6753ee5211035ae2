//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/demo"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// The file of a private test set goes into a claim and into a bucket. A training set is audited against both, and held.
func TestReferences(t *testing.T) {
	l := newLab(t)
	folder, file := filepath.Join(t.TempDir(), "demo"), filepath.Join(t.TempDir(), "test.safetensors")
	l.must(demo.WriteImages(folder))
	_, err := run(nil, "runner", "reference", folder, "--splits", "test", "--out", file)
	l.must(err)
	l.claim("references", map[string]string{"sets/test.safetensors": file})
	l.s3(map[string]string{"sets/test.safetensors": file})

	audit := audits.New("contaminated")
	audit.Spec = v1alpha1.DatasetAuditSpec{
		Dataset: v1alpha1.DatasetSpec{Source: v1alpha1.DatasetSource{Builtin: v1alpha1.BuiltinDemo}, Format: v1alpha1.FormatImageFolder, Splits: []string{"train"}},
		Model:   &v1alpha1.ModelSpec{Builtin: v1alpha1.BuiltinPixels},
		References: []v1alpha1.ReferenceSpec{
			{Name: "claimed", Source: v1alpha1.ReferenceSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "references", Path: "sets/test.safetensors"}}},
			{Name: "stored", Source: v1alpha1.ReferenceSource{ObjectStorage: l.place("sets/test.safetensors", "s3")}},
		},
		Policy: v1alpha1.PolicySpec{Rules: []v1alpha1.PolicyRule{
			{Name: "no-benchmarks", Expression: "layer.references.all(r, r.samples == 0)", Severity: v1alpha1.SeverityFail},
		}},
	}
	l.apply(audit)
	got := l.ready("contaminated")
	summary := got.Status.Result.Summary
	claimed, stored := summary.Layers[0].References[0], summary.Layers[0].References[1]
	if claimed.ReferenceSamples < 15 || !claimed.Inspected { // 17 are planted
		t.Errorf("found: %+v", claimed)
	}
	stored.Name = claimed.Name
	if diff := cmp.Diff(claimed, stored); diff != "" || summary.References[0].SHA256 != summary.References[1].SHA256 {
		t.Errorf("the same file from two places (-claim +storage):\n%s", diff)
	}
	l.is("contaminated", v1alpha1.ConditionCompliant, "False/RulesViolated")
	if says := message(got, v1alpha1.ConditionReady); !strings.Contains(says, "in the reference claimed") {
		t.Errorf("Ready says: %s", says)
	}
}

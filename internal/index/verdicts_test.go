package index

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// The operator's verdict is that of the very summary that it is about.
func TestVerdicts(t *testing.T) {
	dir := t.TempDir()
	for name, clusters := range map[string]int{"good": 1, "bad": 2, "other": 3} {
		summary := fmt.Sprintf(`{"schemaVersion": %d, "run": {"id": "r", "audit": "vision/%s"}, "dataset": {"samples": 9, "digest": "sha256:00"}, "layers": [{"layer": "l", "samples": 9, "clusters": %d}]}`,
			v1alpha1.SummarySchemaVersion, name, clusters)
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, v1alpha1.FileSummary), []byte(summary), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	digest := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name, v1alpha1.FileSummary))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(data))
	}
	audit := func(summary, compliant, reason, rules string) string {
		return fmt.Sprintf(`{"status": {"result": {"summarySHA256": %q}, "rules": [%s], "conditions": [{"type": "Compliant", "status": %q, "reason": %q}]}}`, summary, rules, compliant, reason)
	}
	list := `{"kind": "List", "items": [{"status": {}},` +
		audit(digest("good"), "True", "RulesFulfilled", "") + "," +
		audit(digest("bad"), "False", "RulesViolated", `{"name": "no-leakage", "severity": "Fail", "outcome": "Violated"}, {"name": "few", "severity": "Warn", "outcome": "Violated"}`) + "," +
		audit(digest("other"), "Unknown", "NoPolicy", "") + "," +
		audit("of another summary", "False", "RulesViolated", "") + "]}"
	verdicts, err := ReadVerdicts([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	x, err := Collect(t.Context(), dir, verdicts)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Verdict{}
	for _, a := range x.Audits {
		got[a.Name] = Verdict{a.Runs[0].Verdict, a.Runs[0].Violated}
	}
	want := map[string]Verdict{"vision/good": {Status: metav1.ConditionTrue}, "vision/bad": {metav1.ConditionFalse, "no-leakage"}, "vision/other": {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if x.Audits[0].Name != "vision/bad" {
		t.Errorf("the worst is %s", x.Audits[0].Name)
	}
	if _, err := ReadVerdicts([]byte("NAME READY")); err == nil {
		t.Error("a table is a list of audits")
	}
}

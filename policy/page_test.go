package policy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// page are the rules of docs/policy.md.
func page(t testing.TB) v1alpha1.PolicySpec {
	t.Helper()
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var spec v1alpha1.PolicySpec
	for _, block := range regexp.MustCompile("(?ms)^ *```yaml$(.*?)^ *```$").FindAllSubmatch(text, -1) {
		if !strings.HasPrefix(strings.TrimSpace(string(block[1])), "- ") {
			continue // a DatasetAuditPolicy
		}
		var rules []v1alpha1.PolicyRule
		if err := yaml.UnmarshalStrict(block[1], &rules); err != nil {
			t.Fatalf("%v in %s", err, block[1])
		}
		spec.Rules = append(spec.Rules, rules...)
	}
	if len(spec.Rules) != 21 {
		t.Fatalf("found %d rules, want 21", len(spec.Rules))
	}
	return spec
}

func TestRulesOfThePage(t *testing.T) {
	policy := compile(t, page(t))
	for name, test := range map[string]struct {
		summary *v1alpha1.AuditSummary
		want    v1alpha1.RuleOutcome
		except  map[string]v1alpha1.RuleOutcome
	}{
		"a clean dataset": {clean(), v1alpha1.RuleFulfilled, nil},
		"a dirty dataset": {clean(dirty), v1alpha1.RuleViolated, nil},
		"a dataset of images": {clean(bare), v1alpha1.RuleNotEvaluated, map[string]v1alpha1.RuleOutcome{
			"few-redundant-samples":             v1alpha1.RuleFulfilled,
			"enough-samples":                    v1alpha1.RuleFulfilled,
			"no-leakage-where-there-are-splits": v1alpha1.RuleFulfilled,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, got := range policy.Evaluate(test.summary) {
				want, ok := test.except[got.Name]
				if !ok {
					want = test.want
				}
				if got.Outcome != want {
					t.Errorf("%s is %s (%s), want %s", got.Name, got.Outcome, got.Message, want)
				}
				if missing := "is absent from the results"; want == v1alpha1.RuleNotEvaluated && !strings.HasSuffix(got.Message, missing) {
					t.Errorf("%s: message %q does not end in %q", got.Name, got.Message, missing)
				}
			}
		})
	}
}

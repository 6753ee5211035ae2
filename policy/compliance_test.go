package policy

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestCompliance(t *testing.T) {
	status := func(name string, severity v1alpha1.PolicySeverity, outcome v1alpha1.RuleOutcome, message string) v1alpha1.RuleStatus {
		return v1alpha1.RuleStatus{Name: name, Severity: severity, Outcome: outcome, Message: message}
	}
	fine := status("fine", v1alpha1.SeverityFail, v1alpha1.RuleFulfilled, "")
	leak := status("no-leakage", v1alpha1.SeverityFail, v1alpha1.RuleViolated, "layer a: layer.leakage.samples = 158")
	small := status("size", v1alpha1.SeverityFail, v1alpha1.RuleViolated, "layer a: layer.samples = 10")
	unknown := status("conflicts", v1alpha1.SeverityFail, v1alpha1.RuleNotEvaluated, "layer a: layer.labelConflicts is absent from the results")
	warned := status("redundant", v1alpha1.SeverityWarn, v1alpha1.RuleViolated, "layer a: layer.redundantSamples = 20")
	warnedToo := status("near", v1alpha1.SeverityWarn, v1alpha1.RuleViolated, "layer a: layer.threshold.distance = 2")
	warnedUnknown := status("labels", v1alpha1.SeverityWarn, v1alpha1.RuleNotEvaluated, "layer a: layer.labels is absent from the results")
	fineWarn := status("fine-too", v1alpha1.SeverityWarn, v1alpha1.RuleFulfilled, "")

	tests := map[string]struct {
		rules   []v1alpha1.RuleStatus
		status  metav1.ConditionStatus
		reason  string
		message string
	}{
		"no rules":      {nil, metav1.ConditionUnknown, "NoPolicy", "spec.policy has no rules"},
		"fulfilled":     {[]v1alpha1.RuleStatus{fine, fineWarn}, metav1.ConditionTrue, "RulesFulfilled", "Fulfilled: 2 of 2 rules"},
		"violated":      {[]v1alpha1.RuleStatus{fine, leak}, metav1.ConditionFalse, "RulesViolated", "Fulfilled: 1 of 2 rules. Violated: no-leakage (layer a: layer.leakage.samples = 158)"},
		"not evaluated": {[]v1alpha1.RuleStatus{unknown, fine}, metav1.ConditionUnknown, "NotEvaluated", "Fulfilled: 1 of 2 rules. Not evaluated: conflicts (layer a: layer.labelConflicts is absent from the results)"},
		"warned": {
			[]v1alpha1.RuleStatus{warned, fine, warnedToo}, metav1.ConditionTrue, "RulesFulfilled",
			"Fulfilled: 1 of 3 rules. Warnings: redundant (layer a: layer.redundantSamples = 20), near (layer a: layer.threshold.distance = 2)",
		},
		"warning not evaluated": {
			[]v1alpha1.RuleStatus{warnedUnknown}, metav1.ConditionTrue, "RulesFulfilled",
			"Fulfilled: 0 of 1 rules. Warnings not evaluated: labels (layer a: layer.labels is absent from the results)",
		},
		"all kinds": {
			[]v1alpha1.RuleStatus{warnedUnknown, warned, unknown, leak, fine, small}, metav1.ConditionFalse, "RulesViolated",
			"Fulfilled: 1 of 6 rules. Violated: no-leakage (layer a: layer.leakage.samples = 158), size (layer a: layer.samples = 10)" +
				". Not evaluated: conflicts (layer a: layer.labelConflicts is absent from the results)" +
				". Warnings: redundant (layer a: layer.redundantSamples = 20)" +
				". Warnings not evaluated: labels (layer a: layer.labels is absent from the results)",
		},
		"an unknown severity is not a warning": {[]v1alpha1.RuleStatus{status("odd", "", v1alpha1.RuleViolated, "m")}, metav1.ConditionFalse, "RulesViolated", "Fulfilled: 0 of 1 rules. Violated: odd (m)"},
		"an unknown outcome is not a success":  {[]v1alpha1.RuleStatus{status("odd", v1alpha1.SeverityFail, "", "m")}, metav1.ConditionUnknown, "NotEvaluated", "Fulfilled: 0 of 1 rules. Not evaluated: odd (m)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, reason, message := Compliance(test.rules)
			if status != test.status || reason != test.reason {
				t.Errorf("%s/%s, want %s/%s", status, reason, test.status, test.reason)
			}
			if diff := cmp.Diff(test.message, message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestComplianceBoundsMessages(t *testing.T) {
	rules := make([]v1alpha1.RuleStatus, 32)
	for i := range rules {
		rules[i] = v1alpha1.RuleStatus{
			Name: fmt.Sprintf("%063d", i), Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated, Message: strings.Repeat("é", 512),
		}
	}
	_, _, message := Compliance(rules)
	if len(message) > maxMessageBytes || !utf8.ValidString(message) {
		t.Errorf("message of %d bytes: %q", len(message), message)
	}
	for want, n := range map[string]int{
		strings.Repeat("é", 126) + "…)": 6,
		"é":                             6 * 126,
		fmt.Sprintf("%063d (", 5):       1,
	} {
		if got := strings.Count(message, want); got != n {
			t.Errorf("%q is %d times in the message, want %d: %s", want, got, n, message)
		}
	}
	if !strings.HasSuffix(message, "…)… Further rules in status.rules: 26") {
		t.Errorf("message ends wrongly: %s", message)
	}
}

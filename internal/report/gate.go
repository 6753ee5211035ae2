package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/policy"
)

// A gate is what the policy says of the findings. It is empty for an audit without rules.
type gate struct {
	// Kind is as a finding's.
	Kind, Title string
	// Problem says why the rules could not be evaluated.
	Problem   string
	Compliant metav1.ConditionStatus
	Rules     []v1alpha1.RuleStatus
}

// gate evaluates the policy as the manager does. Rules that don't compile cost the findings nothing.
func (f *Findings) gate(summary *v1alpha1.AuditSummary) gate {
	spec := f.Audit.Spec.Policy
	if len(spec.Rules) == 0 {
		return gate{}
	}
	compiled, err := policy.Compile(spec)
	if err != nil {
		return gate{Kind: "note", Title: "The policy could not be evaluated.", Problem: err.Error(), Compliant: metav1.ConditionUnknown}
	}
	rules := compiled.Evaluate(summary)
	out := gate{Kind: "note", Title: "The policy is not decided: a rule could not be evaluated.", Rules: rules}
	switch out.Compliant, _, _ = policy.Compliance(rules); out.Compliant {
	case metav1.ConditionTrue:
		out.Kind, out.Title = "good", "The dataset complies with the policy."
	case metav1.ConditionFalse:
		out.Kind, out.Title = "bad", "The dataset does not comply with the policy."
	case metav1.ConditionUnknown:
	}
	return out
}

// summary is nil for an audit without rules.
func (g gate) summary() *v1alpha1.SummaryPolicy {
	if len(g.Rules) == 0 {
		return nil
	}
	return &v1alpha1.SummaryPolicy{Compliant: g.Compliant, Rules: g.Rules}
}

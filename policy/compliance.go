package policy

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// What these bounds leave out is in status.rules.
const (
	// maxMessageBytes bounds the message.
	maxMessageBytes = 2048
	// maxToldBytes bounds what it says of one rule, so that none hides the others.
	maxToldBytes = 256
)

// Compliance is what the condition Compliant says of the rules of a policy. Rules of severity Warn are told and change
// nothing.
func Compliance(rules []v1alpha1.RuleStatus) (status metav1.ConditionStatus, reason, message string) {
	if len(rules) == 0 {
		return metav1.ConditionUnknown, v1alpha1.ReasonNoPolicy, "spec.policy has no rules"
	}
	var violated, open, warned, warnedOpen []v1alpha1.RuleStatus
	for _, r := range rules {
		switch {
		case r.Outcome == v1alpha1.RuleFulfilled:
		case r.Outcome == v1alpha1.RuleViolated && r.Severity == v1alpha1.SeverityWarn:
			warned = append(warned, r)
		case r.Outcome == v1alpha1.RuleViolated:
			violated = append(violated, r)
		case r.Severity == v1alpha1.SeverityWarn:
			warnedOpen = append(warnedOpen, r)
		default:
			open = append(open, r)
		}
	}
	fulfilled := len(rules) - len(violated) - len(open) - len(warned) - len(warnedOpen)
	texts := []string{fmt.Sprintf("Fulfilled: %d of %d rules", fulfilled, len(rules))}
	texts = append(texts, tell("Violated", violated)...)
	texts = append(texts, tell("Not evaluated", open)...)
	texts = append(texts, tell("Warnings", warned)...)
	texts = append(texts, tell("Warnings not evaluated", warnedOpen)...)
	message = join(texts)
	switch {
	case len(violated) > 0:
		return metav1.ConditionFalse, v1alpha1.ReasonViolated, message
	case len(open) > 0:
		return metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated, message
	}
	return metav1.ConditionTrue, v1alpha1.ReasonCompliant, message
}

// tell is a text a rule, the first one with the title of all.
func tell(title string, rules []v1alpha1.RuleStatus) []string {
	texts := make([]string, len(rules))
	for i, r := range rules {
		separator := ", "
		if i == 0 {
			separator = ". " + title + ": "
		}
		texts[i] = fmt.Sprintf("%s%s (%s)", separator, r.Name, text.Cut(r.Message, maxToldBytes))
	}
	return texts
}

// join puts together as many of the texts as fit, and counts the others.
func join(texts []string) string {
	var joined strings.Builder
	for i, t := range texts {
		rest := fmt.Sprintf("… Further rules in status.rules: %d", len(texts)-i)
		if joined.Len()+len(t)+len(rest) > maxMessageBytes {
			return joined.String() + rest
		}
		joined.WriteString(t)
	}
	return joined.String()
}

// Package policy holds the findings of an audit against the rules of spec.policy: CEL over each layer's summary. It is
// pure: what it says follows from the rules and the summary alone.
package policy

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/utils/lru"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

const (
	// maxErrorBytes bounds what is said of a rule that does not compile, so that 32 of them fit the message of a
	// condition.
	maxErrorBytes = 512
	// maxRuleMessageBytes bounds RuleStatus.Message.
	maxRuleMessageBytes = 1024
)

// Policy is a spec.policy that compiles. It is safe for concurrent use.
type Policy struct {
	rules  []rule
	digest [sha256.Size]byte // of all that Evaluate reads of it
}

type rule struct {
	v1alpha1.PolicyRule
	*expression
}

// Compile checks the types of the rules' expressions and limits their cost. The error names every rule that does not
// compile, and the line and column of its expression. Expressions are compiled once and remembered, so that every
// reconcile may call it.
func Compile(spec v1alpha1.PolicySpec) (*Policy, error) {
	policy := &Policy{}
	var failed []string
	for _, r := range spec.Rules {
		e, err := compiled(r.Expression)
		if err != nil {
			failed = append(failed, text.Cut(text.Name(fmt.Sprintf("rule %q: %v", r.Name, err)), maxErrorBytes))
			continue
		}
		policy.rules = append(policy.rules, rule{r, e})
	}
	if len(failed) > 0 {
		return nil, errors.New("spec.policy: " + strings.Join(failed, "; "))
	}
	text, err := json.Marshal(spec.Rules)
	if err != nil {
		return nil, fmt.Errorf("spec.policy: %w", err)
	}
	policy.digest = sha256.Sum256(text)
	return policy, nil
}

// Empty says whether the policy has no rules.
func (p *Policy) Empty() bool { return len(p.rules) == 0 }

// maxOutcomes bounds how many outcomes of policies are remembered.
const maxOutcomes = 1024

var outcomes = lru.New(maxOutcomes)

// judged is a policy held against a summary.
type judged struct {
	policy  [sha256.Size]byte
	summary string
}

// Outcomes is Evaluate, once for a policy and the summary with that digest: every reconcile may call it, however much
// the rules cost. What it returns is shared: read it only.
func (p *Policy) Outcomes(digest string, summary *v1alpha1.AuditSummary) []v1alpha1.RuleStatus {
	key := judged{p.digest, digest}
	if known, ok := outcomes.Get(key); ok {
		return known.([]v1alpha1.RuleStatus)
	}
	statuses := p.Evaluate(summary)
	outcomes.Add(key, statuses)
	return statuses
}

// Evaluate returns what each rule comes to over the layers of a summary, in the order of the spec: Violated if it is
// false of any layer, NotEvaluated if it has no value for any, else Fulfilled.
func (p *Policy) Evaluate(summary *v1alpha1.AuditSummary) []v1alpha1.RuleStatus {
	layers := newLayers(summary)
	budget := uint64(celconfig.RuntimeCELCostBudgetMatchConditions) // a quarter of a second, says Kubernetes
	statuses := make([]v1alpha1.RuleStatus, len(p.rules))
	for i, r := range p.rules {
		outcome, message := r.evaluate(layers, &budget)
		statuses[i] = v1alpha1.RuleStatus{
			Name:     r.Name,
			Severity: r.Severity,
			Outcome:  outcome,
			Message:  text.Cut(text.Name(message), maxRuleMessageBytes),
		}
	}
	return statuses
}

// evaluate takes what it costs from the budget, which all rules share: many rules of a moderate cost are a high one.
func (e *expression) evaluate(layers []layer, budget *uint64) (v1alpha1.RuleOutcome, string) {
	var violated, open []string
	ofLayer := func(l layer) string { return "layer " + l.name + ": " }
	if len(layers) > 0 && !e.readsLayer() { // it is the same for all
		layers, ofLayer = layers[:1], func(layer) string { return "" }
	}
	for _, l := range layers {
		fulfilled, err := e.evaluateLayer(l, budget)
		switch {
		case err != nil:
			open = append(open, ofLayer(l)+err.Error())
		case !fulfilled:
			violated = append(violated, ofLayer(l)+e.figures(l))
		}
	}
	switch {
	case len(violated) > 0:
		return v1alpha1.RuleViolated, strings.Join(violated, "; ")
	case len(open) > 0:
		return v1alpha1.RuleNotEvaluated, strings.Join(open, "; ")
	case len(layers) == 0:
		return v1alpha1.RuleNotEvaluated, "there are no results"
	}
	return v1alpha1.RuleFulfilled, ""
}

func (e *expression) readsLayer() bool {
	return len(e.fields) == 0 || slices.ContainsFunc(e.fields, func(f field) bool { return f.path[0] == layerVariable })
}

func (e *expression) evaluateLayer(l layer, budget *uint64) (bool, error) {
	if l.err != nil {
		return false, l.err
	}
	if err := e.listsCut(l); err != nil {
		return false, err
	}
	if *budget == 0 {
		return false, errors.New("the rules before it used up what the evaluation of a policy may cost")
	}
	result, details, err := e.program.Eval(l.variables)
	if details != nil && details.ActualCost() != nil {
		*budget -= min(*budget, *details.ActualCost())
	}
	if err != nil {
		return false, e.explain(err, l)
	}
	fulfilled, isBool := result.Value().(bool)
	if !isBool { // the checker has refused it before, but only a bool may ever fulfill a rule
		return false, fmt.Errorf("the expression is of type %s, not bool", result.Type().TypeName())
	}
	return fulfilled, nil
}

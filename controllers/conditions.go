package controllers

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
	"github.com/datasetaudit/dataset-audit/policy"
)

// conclude writes the conditions: all of them, at every look, from what the plan came to.
func (p *planner) conclude() {
	p.status.ObservedGeneration = p.audit.Generation
	if p.phase.kind == idle {
		p.phase = p.rest()
	}
	switch p.phase.kind {
	case progressing:
		p.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, p.phase.reason, p.phase.message)
		p.unset(v1alpha1.ConditionStalled)
		p.set(v1alpha1.ConditionReady, metav1.ConditionUnknown, p.phase.reason, p.phase.message)
	case stalled:
		p.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, p.phase.reason, p.phase.message)
		p.unset(v1alpha1.ConditionReconciling)
		p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, p.phase.reason, p.phase.message)
	case ready, idle:
		p.unset(v1alpha1.ConditionReconciling)
		p.unset(v1alpha1.ConditionStalled)
		status := metav1.ConditionTrue
		if p.phase.kind == idle {
			status = metav1.ConditionFalse
		}
		p.set(v1alpha1.ConditionReady, status, p.phase.reason, p.phase.message)
	}
	p.concludeResults()
	p.concludePolicy()
}

// rest is the phase of an audit without a live run.
func (p *planner) rest() phase {
	last := p.status.Run
	switch {
	case p.problem != nil:
		return phase{stalled, p.problem.Reason, p.problem.Message}
	case last != nil && last.Outcome == v1alpha1.OutcomeFailed:
		return phase{stalled, errorOf(last).Reason, fmt.Sprintf("run %s failed: %s", last.ID, errorOf(last).Message)}
	case !p.currentResults():
		return phase{idle, v1alpha1.ReasonSuspended, "spec.suspend is true: no run starts, and there are no results of this spec"}
	}
	message := summarize(p.status.Result)
	if p.audit.Spec.Suspend {
		message += "; spec.suspend is true: no further run starts"
	}
	return phase{ready, v1alpha1.ReasonSucceeded, message}
}

// errorOf is why a run failed, also of a status that an operator stored before the CRD demanded it.
func errorOf(run *v1alpha1.RunStatus) *v1alpha1.RunError {
	if run.Error == nil {
		return &v1alpha1.RunError{Reason: v1alpha1.ReasonInternal, Message: "its status does not say why"}
	}
	return run.Error
}

// currentResults says whether the results in status are those of the spec.
func (p *planner) currentResults() bool {
	result := p.status.Result
	return result != nil && p.fits(result.HashVersion, result.InputHash, result.Generation)
}

// summarize says in a sentence what an audit found.
func summarize(result *v1alpha1.ResultStatus) string {
	clauses := findings.Brief(result)
	for i := range clauses {
		clauses[i] = plain(clauses[i])
	}
	return strings.Join(clauses, "; ")
}

// concludeResults speaks of the latest run that finished: while one is on its way, what was said of the one before
// stays.
func (p *planner) concludeResults() {
	const condition = v1alpha1.ConditionResultsPublished
	last := p.status.Run
	known := meta.FindStatusCondition(p.status.Conditions, condition)
	switch {
	case last != nil && (last.Outcome == v1alpha1.OutcomeSucceeded || last.Outcome == v1alpha1.OutcomeUnchanged) && p.status.Result != nil:
		reason, message := v1alpha1.ReasonPublished, fmt.Sprintf("results of run %s are stored, and their digest is the one that it reported", p.status.Result.RunID)
		if result := p.status.Result; result.Summary != nil && result.Summary.Truncated {
			reason, message = v1alpha1.ReasonTruncated, message+"; lists were cut to fit a ConfigMap, the figures are whole"
		}
		p.set(condition, metav1.ConditionTrue, reason, message)
	case last != nil && last.Outcome == v1alpha1.OutcomeFailed:
		message := fmt.Sprintf("run %s failed", last.ID)
		if p.status.Result != nil {
			message += fmt.Sprintf("; the results of run %s are kept", p.status.Result.RunID)
		}
		p.set(condition, metav1.ConditionFalse, errorOf(last).Reason, message)
	case known == nil:
		p.set(condition, metav1.ConditionFalse, v1alpha1.ReasonNoResults, "no run has finished yet")
	default:
		p.set(condition, known.Status, known.Reason, known.Message)
	}
}

// concludePolicy judges the results in status by the policy of the spec, whichever of the two is newer.
func (p *planner) concludePolicy() {
	const condition = v1alpha1.ConditionCompliant
	p.status.Rules = nil
	until, by := validUntil(p.o.policies, p.status.Result)
	p.status.ValidUntil = until
	switch {
	case len(p.forbidden) > 0:
		p.set(condition, metav1.ConditionFalse, v1alpha1.ReasonForbidden, strings.Join(p.forbidden, "; "))
	case p.policyProblem != nil:
		p.set(condition, metav1.ConditionUnknown, p.policyProblem.Reason, p.policyProblem.Message)
	case p.policy.Empty():
		p.set(condition, metav1.ConditionUnknown, v1alpha1.ReasonNoPolicy, "spec.policy has no rules")
	case p.status.Result == nil || p.status.Result.Summary == nil:
		p.set(condition, metav1.ConditionUnknown, v1alpha1.ReasonNoResults, "there are no results to judge")
	case !p.currentResults():
		p.set(condition, metav1.ConditionUnknown, v1alpha1.ReasonNoResults, fmt.Sprintf(
			"the results of run %s are those of an earlier spec", p.status.Result.RunID))
	case until != nil && !p.o.now.Before(until.Time):
		p.set(condition, metav1.ConditionUnknown, v1alpha1.ReasonExpired, fmt.Sprintf("the results are of %s, older than the %s that DatasetAuditPolicy %s allows: request a new run",
			p.status.Result.HeldAt().UTC().Format(time.RFC3339), by.Spec.Requires.MaxAge.Duration, by.Name))
	default:
		if until != nil {
			p.wake(until.Sub(p.o.now))
		}
		p.status.Rules = p.policy.Outcomes(p.status.Result.SummarySHA256, p.status.Result.Summary)
		status, reason, message := policy.Compliance(p.status.Rules)
		p.set(condition, status, reason, message)
	}
}

// maxMessage bounds a condition's message.
const maxMessage = 4096

func (p *planner) set(condition string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.status.Conditions, metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: text.Cut(message, maxMessage),
		ObservedGeneration: p.audit.Generation, LastTransitionTime: p.second(),
	})
}

func (p *planner) unset(condition string) {
	meta.RemoveStatusCondition(&p.status.Conditions, condition)
}

package gate

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// Action is what becomes of a workload.
type Action string

const (
	// Start lets it start.
	Start Action = "Start"
	// Hold lets it wait, without quota, until the audits have another verdict.
	Hold Action = "Hold"
	// Reject ends it: Kueue queues nothing again that a check has rejected.
	Reject Action = "Reject"
)

// A Verdict is what the gate says of a workload, and why.
type Verdict struct {
	Action  Action
	Message string
}

// state is that of Kueue's check. It is never Retry (docs/adr/0021-the-gate-deactivates.md).
func (v Verdict) state() kueue.CheckState {
	switch v.Action {
	case Start:
		return kueue.CheckStateReady
	case Reject:
		return kueue.CheckStateRejected
	case Hold:
	}
	return kueue.CheckStatePending
}

// An Audit is one that a workload names or whose dataset it uses.
type Audit struct {
	Name types.NamespacedName
	// Of is the revision or the digest that its dataset must have; empty for any.
	Of string
	// Found is nil if there is none of that name.
	Found *v1alpha1.DatasetAudit
}

// maxMessage bounds a verdict's message: Kueue repeats it in conditions and events.
const maxMessage = 2048

// Judge says whether a workload with these audits may start. The worst verdict counts, and its message holds all of that
// kind.
func Judge(spec *v1alpha1.DatasetGateSpec, audits []Audit, now time.Time) Verdict {
	messages := map[Action][]string{}
	for _, a := range audits {
		v := judge(spec, a, now)
		messages[v.Action] = append(messages[v.Action], v.Message)
	}
	for _, action := range []Action{Reject, Hold, Start} {
		if texts := messages[action]; len(texts) > 0 {
			message := strings.Join(texts, "; ")
			if action == Hold {
				message = "held until its audits are compliant: " + message
			}
			return Verdict{action, text.Cut(message, maxMessage)}
		}
	}
	return unnamed(spec)
}

func unnamed(spec *v1alpha1.DatasetGateSpec) Verdict {
	if spec.Unnamed == v1alpha1.UnnamedAdmit {
		return Verdict{Start, "no audit of its datasets is known, which the gate admits"}
	}
	return Verdict{Reject, fmt.Sprintf(
		"no audit of its datasets is known: name them in the annotation %s of the job or its pod template, as audit or namespace/audit, separated by commas",
		v1alpha1.AnnotationAudits)}
}

// judge says what one audit means for a workload.
func judge(spec *v1alpha1.DatasetGateSpec, a Audit, now time.Time) Verdict {
	audit := a.Found
	if audit == nil || !audit.DeletionTimestamp.IsZero() {
		return missing(spec, "DatasetAudit %s does not exist", a.Name)
	}
	if audit.Status.ObservedGeneration < audit.Generation {
		return Verdict{Hold, fmt.Sprintf("DatasetAudit %s was changed, and the operator has not looked at it yet", a.Name)}
	}
	compliant := condition(audit, v1alpha1.ConditionCompliant)
	reconciling, stalled := condition(audit, v1alpha1.ConditionReconciling), condition(audit, v1alpha1.ConditionStalled)
	switch {
	case reconciling.Status == metav1.ConditionTrue && (spec.Running != v1alpha1.RunningUseLast && !audit.Status.Run.Checking() || compliant.Reason == v1alpha1.ReasonNoResults):
		return Verdict{Hold, fmt.Sprintf("DatasetAudit %s is on its way: %s", a.Name, reconciling.Message)}
	case compliant.Reason == v1alpha1.ReasonForbidden:
		return Verdict{Reject, fmt.Sprintf("DatasetAudit %s is not allowed: %s", a.Name, compliant.Message)}
	case stalled.Status == metav1.ConditionTrue:
		return missing(spec, "DatasetAudit %s gives no verdict: %s", a.Name, stalled.Message)
	case audit.Status.Result == nil || compliant.Reason == v1alpha1.ReasonNoResults:
		return missing(spec, "DatasetAudit %s has no result: %s", a.Name, condition(audit, v1alpha1.ConditionReady).Message)
	case a.Of != "" && !isOf(audit, a.Of):
		return Verdict{Hold, fmt.Sprintf("DatasetAudit %s is not of %s: %s. Set its spec.dataset.revision, or let it run", a.Name, a.Of, whatOf(audit))}
	case compliant.Reason == v1alpha1.ReasonExpired:
		return Verdict{Hold, fmt.Sprintf("DatasetAudit %s gives no verdict: %s", a.Name, compliant.Message)}
	case compliant.Reason == v1alpha1.ReasonInvalidPolicy:
		return missing(spec, "DatasetAudit %s gives no verdict: %s", a.Name, compliant.Message)
	case compliant.Reason == v1alpha1.ReasonNoPolicy:
		return Verdict{Reject, fmt.Sprintf("DatasetAudit %s has no policy: give it rules in spec.policy", a.Name)}
	case compliant.Status != metav1.ConditionTrue:
		return Verdict{Reject, fmt.Sprintf("DatasetAudit %s is not compliant. %s. %s", a.Name, strings.TrimSuffix(compliant.Message, "."), report(audit))}
	}
	completed := audit.Status.Result.HeldAt()
	if until := validUntil(spec, audit); !until.IsZero() && !now.Before(until) {
		return Verdict{Hold, fmt.Sprintf("DatasetAudit %s is of %s, older than the %s that the gate allows: request a new run",
			a.Name, completed.UTC().Format(time.RFC3339), spec.MaxAge.Duration)}
	}
	return Verdict{Start, fmt.Sprintf("DatasetAudit %s of %s is compliant. %s", a.Name, completed.UTC().Format(time.RFC3339), compliant.Message)}
}

// isOf says whether an audit's results are of data with this revision or digest.
func isOf(audit *v1alpha1.DatasetAudit, revision string) bool {
	s := audit.Status.Result.Summary
	switch {
	case s == nil:
		return false
	case strings.HasPrefix(revision, "sha256:"): // what the audit's owner says is no digest
		return revision == s.Dataset.Digest
	}
	return revision == s.Dataset.Revision
}

// whatOf says which data an audit's results are of.
func whatOf(audit *v1alpha1.DatasetAudit) string {
	s := audit.Status.Result.Summary
	switch {
	case s == nil:
		return "its results don't say which data they are of"
	case s.Dataset.Revision == "":
		return fmt.Sprintf("its results are of data with the digest %s, and no revision", s.Dataset.Digest)
	}
	return fmt.Sprintf("its results are of %s, with the digest %s", s.Dataset.Revision, s.Dataset.Digest)
}

func missing(spec *v1alpha1.DatasetGateSpec, format string, args ...any) Verdict {
	action := Hold
	if spec.Missing == v1alpha1.MissingReject {
		action = Reject
	}
	return Verdict{action, fmt.Sprintf(format, args...)}
}

func condition(audit *v1alpha1.DatasetAudit, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(audit.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNoResults, Message: "the operator has not looked at it yet"}
}

// validUntil is when a result becomes too old; zero for never.
func validUntil(spec *v1alpha1.DatasetGateSpec, audit *v1alpha1.DatasetAudit) time.Time {
	if spec.MaxAge == nil || audit.Status.Result == nil {
		return time.Time{}
	}
	return audit.Status.Result.HeldAt().Add(spec.MaxAge.Duration)
}

// report says where the findings are.
func report(audit *v1alpha1.DatasetAudit) string {
	if url := audit.Status.Result.SummaryURL; url != "" {
		return "The findings: " + url
	}
	return fmt.Sprintf("The findings: kubectl dataset-audit describe %s --namespace %s", audit.Name, audit.Namespace)
}

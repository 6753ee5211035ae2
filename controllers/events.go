package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// staleness is how long the cache gets to see what it has missed.
const staleness = 200 * time.Millisecond

// maxNote is the bound of an event's text.
const maxNote = 1024

// phaseReason is the reason of Ready.
func (p *plan) phaseReason() string {
	if c := meta.FindStatusCondition(p.status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason
	}
	return ""
}

// tell sends an event for each thing that became different: what the audit is about, and whether it complies.
func (r *Reconciler) tell(audit *v1alpha1.DatasetAudit, before *v1alpha1.DatasetAuditStatus) {
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
		was := meta.FindStatusCondition(before.Conditions, condition)
		is := meta.FindStatusCondition(audit.Status.Conditions, condition)
		if is == nil || was != nil && was.Reason == is.Reason && was.Status == is.Status {
			continue
		}
		if condition == v1alpha1.ConditionCompliant && is.Status == metav1.ConditionUnknown && is.Reason != v1alpha1.ReasonNotEvaluated {
			continue // nothing was judged
		}
		kind := corev1.EventTypeNormal
		if is.Status == metav1.ConditionFalse {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(audit, nil, kind, is.Reason, "Audit", "%s", text.Cut(is.Message, maxNote))
	}
}

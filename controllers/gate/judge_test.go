package gate

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// completed is when the audits of the tests have their results.
var completed = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// audited is a compliant audit, changed.
func audited(changes ...func(*v1alpha1.DatasetAudit)) *v1alpha1.DatasetAudit {
	audit := audits.New("cars")
	audit.Namespace, audit.Generation = "vision", 2
	audit.Status.ObservedGeneration = 2
	audit.Status.Run = &v1alpha1.RunStatus{ID: "r1", Outcome: v1alpha1.OutcomeSucceeded}
	audit.Status.Result = &v1alpha1.ResultStatus{RunID: "r1", CompletedAt: metav1.NewTime(completed), Samples: 1000}
	says(audit, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "1000 samples")
	says(audit, v1alpha1.ConditionCompliant, metav1.ConditionTrue, v1alpha1.ReasonCompliant, "Fulfilled: 1 of 1 rules")
	for _, change := range changes {
		change(audit)
	}
	return audit
}

func says(audit *v1alpha1.DatasetAudit, condition string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&audit.Status.Conditions, metav1.Condition{Type: condition, Status: status, Reason: reason, Message: message})
}

// What a workload is told of its one audit.
func TestJudge(t *testing.T) {
	leaky := func(a *v1alpha1.DatasetAudit) {
		says(a, v1alpha1.ConditionCompliant, metav1.ConditionFalse, v1alpha1.ReasonViolated, "Fulfilled: 0 of 1 rules. Violated: no-leakage (layer conv_pw_13: layer.leakage.samples is 3)")
	}
	running := func(a *v1alpha1.DatasetAudit) {
		a.Status.Run = &v1alpha1.RunStatus{ID: "r2"}
		says(a, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonRunning, "Job cars works")
		says(a, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRunning, "Job cars works: 40 % embedded")
	}
	unjudged := func(a *v1alpha1.DatasetAudit) {
		says(a, v1alpha1.ConditionCompliant, metav1.ConditionUnknown, v1alpha1.ReasonNoResults, "the results of run r1 are those of an earlier spec")
	}
	failed := func(a *v1alpha1.DatasetAudit) {
		a.Status.Run = &v1alpha1.RunStatus{ID: "r2", Outcome: v1alpha1.OutcomeFailed}
		says(a, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeadlineExceeded, "run r2 failed: too slow")
		says(a, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDeadlineExceeded, "run r2 failed: too slow")
	}
	fresh := func(a *v1alpha1.DatasetAudit) {
		a.Generation, a.Status = 1, v1alpha1.DatasetAuditStatus{ObservedGeneration: -1}
	}
	none := func(a *v1alpha1.DatasetAudit) {
		a.Status.Run, a.Status.Result = nil, nil
		says(a, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSuspended, "spec.suspend is true: no run starts")
		unjudged(a)
	}
	noPolicy := func(a *v1alpha1.DatasetAudit) {
		says(a, v1alpha1.ConditionCompliant, metav1.ConditionUnknown, v1alpha1.ReasonNoPolicy, "spec.policy has no rules")
	}
	unevaluated := func(a *v1alpha1.DatasetAudit) {
		says(a, v1alpha1.ConditionCompliant, metav1.ConditionUnknown, v1alpha1.ReasonNotEvaluated, "Fulfilled: 0 of 1 rules. Not evaluated: no-leakage (there is no layer.leakage)")
	}
	stored := func(a *v1alpha1.DatasetAudit) { a.Status.Result.SummaryURL = "s3://audits/vision/cars/r1/summary.json" }
	revision := func(a *v1alpha1.DatasetAudit) {
		a.Status.Result.Summary = &v1alpha1.AuditSummary{Dataset: v1alpha1.SummaryDataset{Revision: "v2", Digest: "sha256:00"}}
	}
	checking := func(a *v1alpha1.DatasetAudit) {
		a.Status.Run = &v1alpha1.RunStatus{ID: "r2", Job: "cars-r2-check", Steps: []string{"check", "audit"}}
		says(a, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRunning, "Job cars-r2-check works")
	}
	found := func(a *v1alpha1.DatasetAudit) { a.Status.Run.Job = "cars-r2-audit" }
	posing := func(a *v1alpha1.DatasetAudit) {
		revision(a)
		a.Status.Result.Summary.Dataset.Revision = "sha256:11"
	}
	old := func(a *v1alpha1.DatasetAudit) {
		a.Status.Result.CompletedAt = metav1.NewTime(completed.Add(-100 * time.Hour))
	}
	checked := func(a *v1alpha1.DatasetAudit) {
		a.Status.Result.CheckedAt = &metav1.Time{Time: completed.Add(time.Hour)}
	}
	day := v1alpha1.DatasetGateSpec{MaxAge: &metav1.Duration{Duration: 24 * time.Hour}}
	last := v1alpha1.DatasetGateSpec{Running: v1alpha1.RunningUseLast}
	strict := v1alpha1.DatasetGateSpec{Missing: v1alpha1.MissingReject}
	for name, test := range map[string]struct {
		spec       v1alpha1.DatasetGateSpec
		of         string
		audit      *v1alpha1.DatasetAudit
		wantAction Action
		wantSaid   string
	}{
		"compliant":         {audit: audited(), wantAction: Start, wantSaid: "DatasetAudit vision/cars of 2026-11-01T12:00:00Z is compliant. Fulfilled: 1 of 1 rules"},
		"leaky":             {audit: audited(leaky), wantAction: Reject, wantSaid: "DatasetAudit vision/cars is not compliant. Fulfilled: 0 of 1 rules. Violated: no-leakage (layer conv_pw_13: layer.leakage.samples is 3). The findings: kubectl dataset-audit describe cars --namespace vision"},
		"leaky, stored":     {audit: audited(leaky, stored), wantAction: Reject, wantSaid: "The findings: s3://audits/vision/cars/r1/summary.json"},
		"of its revision":   {of: "v2", audit: audited(revision), wantAction: Start, wantSaid: "is compliant"},
		"of its digest":     {of: "sha256:00", audit: audited(revision), wantAction: Start, wantSaid: "is compliant"},
		"looks for changes": {audit: audited(checking), wantAction: Start, wantSaid: "is compliant"},
		"has found some":    {audit: audited(checking, found), wantAction: Hold, wantSaid: "is on its way"},
		"of a false digest": {of: "sha256:11", audit: audited(posing), wantAction: Hold, wantSaid: "is not of sha256:11"},
		"of the one before": {of: "v3", audit: audited(revision, leaky), wantAction: Hold, wantSaid: "DatasetAudit vision/cars is not of v3: its results are of v2, with the digest sha256:00"},
		"of none":           {of: "v3", audit: audited(), wantAction: Hold, wantSaid: "is not of v3: its results don't say"},
		"checked since":     {spec: day, audit: audited(old, checked), wantAction: Start, wantSaid: "of 2026-11-01T13:00:00Z is compliant"},
		"not evaluated":     {audit: audited(unevaluated), wantAction: Reject, wantSaid: "Not evaluated: no-leakage"},
		"no rules":          {audit: audited(noPolicy), wantAction: Reject, wantSaid: "has no policy"},
		"absent":            {wantAction: Hold, wantSaid: "DatasetAudit vision/cars does not exist"},
		"absent, strict":    {spec: strict, wantAction: Reject, wantSaid: "does not exist"},
		"being deleted":     {audit: audited(func(a *v1alpha1.DatasetAudit) { a.DeletionTimestamp = &metav1.Time{Time: completed} }), wantAction: Hold, wantSaid: "does not exist"},
		"just made":         {spec: strict, audit: audited(fresh), wantAction: Hold, wantSaid: "has not looked at it yet"},
		"just changed":      {spec: strict, audit: audited(func(a *v1alpha1.DatasetAudit) { a.Generation = 3 }), wantAction: Hold, wantSaid: "has not looked at it yet"},
		"running":           {audit: audited(running, unjudged), wantAction: Hold, wantSaid: "is on its way: Job cars works: 40 % embedded"},
		"running, use last": {spec: last, audit: audited(running, unjudged), wantAction: Hold, wantSaid: "is on its way"},
		"again":             {audit: audited(running), wantAction: Hold, wantSaid: "is on its way"},
		"again, use last":   {spec: last, audit: audited(running), wantAction: Start, wantSaid: "is compliant"},
		"again, last leaky": {spec: last, audit: audited(running, leaky), wantAction: Reject, wantSaid: "is not compliant"},
		"failed":            {audit: audited(failed), wantAction: Hold, wantSaid: "gives no verdict: run r2 failed: too slow"},
		"failed, strict":    {spec: strict, audit: audited(failed), wantAction: Reject, wantSaid: "gives no verdict"},
		"forbidden": {audit: audited(failed, func(a *v1alpha1.DatasetAudit) {
			says(a, v1alpha1.ConditionCompliant, metav1.ConditionFalse, v1alpha1.ReasonForbidden, "DatasetAuditPolicy p: schedule is absent")
		}), wantAction: Reject, wantSaid: "is not allowed: DatasetAuditPolicy p: schedule is absent"},
		"suspended":           {audit: audited(none), wantAction: Hold, wantSaid: "has no result: spec.suspend is true"},
		"young enough":        {spec: day, audit: audited(), wantAction: Start, wantSaid: "is compliant"},
		"too old":             {spec: v1alpha1.DatasetGateSpec{MaxAge: &metav1.Duration{Duration: time.Hour}}, audit: audited(), wantAction: Hold, wantSaid: "older than the 1h0m0s that the gate allows"},
		"too old and leaky":   {spec: v1alpha1.DatasetGateSpec{MaxAge: &metav1.Duration{Duration: time.Hour}}, audit: audited(leaky), wantAction: Reject, wantSaid: "is not compliant"},
		"no condition so far": {audit: audited(func(a *v1alpha1.DatasetAudit) { a.Status.Conditions = nil }), wantAction: Hold, wantSaid: "has no result"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(&test.spec, []Audit{{types.NamespacedName{Namespace: "vision", Name: "cars"}, test.of, test.audit}}, completed.Add(2*time.Hour))
			if got.Action != test.wantAction || !strings.Contains(got.Message, test.wantSaid) {
				t.Errorf("%s: %s", got.Action, got.Message)
			}
		})
	}
}

// Of several audits the worst one counts, and a workload of none is as the gate says.
func TestJudgeSeveral(t *testing.T) {
	good := Audit{Name: types.NamespacedName{Namespace: "vision", Name: "good"}, Found: audited()}
	absent := Audit{Name: types.NamespacedName{Namespace: "vision", Name: "absent"}}
	bad := func(name string) Audit {
		return Audit{Name: types.NamespacedName{Namespace: "vision", Name: name}, Found: audited(func(a *v1alpha1.DatasetAudit) {
			says(a, v1alpha1.ConditionCompliant, metav1.ConditionFalse, v1alpha1.ReasonViolated, "Violated: "+strings.Repeat("x", 700))
		})}
	}
	for name, test := range map[string]struct {
		spec       v1alpha1.DatasetGateSpec
		audits     []Audit
		wantAction Action
		want, not  string
	}{
		"all good":       {audits: []Audit{good, good}, wantAction: Start, want: "good"},
		"one absent":     {audits: []Audit{good, absent}, wantAction: Hold, want: "absent", not: "good"},
		"one bad":        {audits: []Audit{good, absent, bad("bad")}, wantAction: Reject, want: "vision/bad", not: "absent"},
		"two bad":        {audits: []Audit{bad("bad"), bad("worse")}, wantAction: Reject, want: "vision/worse"},
		"many bad":       {audits: []Audit{bad("a"), bad("b"), bad("c"), bad("d"), bad("e")}, wantAction: Reject, want: "vision/a"},
		"none":           {wantAction: Reject, want: v1alpha1.AnnotationAudits},
		"none, admitted": {spec: v1alpha1.DatasetGateSpec{Unnamed: v1alpha1.UnnamedAdmit}, wantAction: Start, want: "admits"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(&test.spec, test.audits, completed)
			if got.Action != test.wantAction || !strings.Contains(got.Message, test.want) || test.not != "" && strings.Contains(got.Message, test.not) {
				t.Errorf("%s: %s", got.Action, got.Message)
			}
			if len(got.Message) > maxMessage {
				t.Errorf("a message of %d bytes", len(got.Message))
			}
		})
	}
}

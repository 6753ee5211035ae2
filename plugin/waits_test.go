package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Who waits for an audit, of workloads as Kueue leaves them.
func TestGated(t *testing.T) {
	at := func(minutes int) metav1.Time { return metav1.NewTime(now.Add(-time.Duration(minutes) * time.Minute)) }
	workload := func(job string, change func(*kueue.Workload)) kueue.Workload {
		w := kueue.Workload{ObjectMeta: metav1.ObjectMeta{
			Namespace: "vision", Name: "job-" + job + "-1a2b3", OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: job, Controller: new(true)}},
		}}
		change(&w)
		return w
	}
	says := func(state kueue.CheckState, message string, minutes int) func(*kueue.Workload) {
		return func(w *kueue.Workload) {
			w.Status.AdmissionChecks = append(w.Status.AdmissionChecks,
				kueue.AdmissionCheckState{Name: "other", State: kueue.CheckStatePending, Message: "quota"},
				kueue.AdmissionCheckState{Name: "datasets", State: state, Message: message, LastTransitionTime: at(minutes)})
		}
	}
	workloads := []kueue.Workload{
		workload("waits", func(w *kueue.Workload) {
			w.Annotations = map[string]string{v1alpha1.AnnotationHeld: "datasets"}
			says(kueue.CheckStatePending, "held until its audits are compliant: DatasetAudit vision/cars is on its way: Embed 5/9", 5)(w)
		}),
		workload("other", func(w *kueue.Workload) {
			w.Annotations = map[string]string{v1alpha1.AnnotationHeld: "datasets"}
			says(kueue.CheckStatePending, "held until its audits are compliant: DatasetAudit vision/cars-2 does not exist", 90)(w)
		}),
		workload("starts", says(kueue.CheckStateReady, "DatasetAudit vision/cars of 2026-11-25T11:00:00Z is compliant. Fulfilled: 1 of 1 rules", 1)),
		workload("bad", func(w *kueue.Workload) {
			w.Status.Conditions = []metav1.Condition{{
				Type: kueue.WorkloadEvicted, Status: metav1.ConditionTrue, LastTransitionTime: at(30),
				Message: "The workload is deactivated due to AdmissionCheck in Rejected state: \"datasets\" (DatasetAudit vision/cars is not compliant. \x1b[31mViolated)",
			}}
		}),
		workload("unnamed", func(w *kueue.Workload) {
			w.Status.Conditions = []metav1.Condition{{
				Type: kueue.WorkloadEvicted, Status: metav1.ConditionTrue, LastTransitionTime: at(20), Message: "… name them in the annotation " + v1alpha1.AnnotationAudits,
			}}
		}),
		workload("queued", func(*kueue.Workload) {}),
		workload("preempted", func(w *kueue.Workload) {
			w.Status.Conditions = []metav1.Condition{{Type: kueue.WorkloadEvicted, Status: metav1.ConditionTrue, Message: "Preempted to accommodate a workload"}}
		}),
	}
	for name, test := range map[string]struct {
		audit   string
		started bool
		want    string
	}{
		"one audit": {"vision/cars", false, `NAMESPACE   JOB         STATE      SINCE   WHY
vision      job/bad     Rejected   30m     The workload is deactivated due to AdmissionCheck in Rejected state: "datasets" (DatasetAudit vision/cars is not compliant. �[31mViolated)
vision      job/waits   Held       5m      DatasetAudit vision/cars is on its way: Embed 5/9
`},
		"all": {"", true, `NAMESPACE   JOB           STATE      SINCE   WHY
vision      job/other     Held       90m     DatasetAudit vision/cars-2 does not exist
vision      job/bad       Rejected   30m     The workload is deactivated due to AdmissionCheck in Rejected state: "datasets" (DatasetAudit vision/cars is not compliant. �[31mViolated)
vision      job/unnamed   Rejected   20m     … name them in the annotation datasetaudit.io/audits
vision      job/waits     Held       5m      DatasetAudit vision/cars is on its way: Embed 5/9
vision      job/starts    Starts     60s     DatasetAudit vision/cars of 2026-11-25T11:00:00Z is compliant. Fulfilled: 1 of 1 rules
`},
	} {
		var out bytes.Buffer
		if err := listGated(&out, gated(workloads, test.audit, test.started), true, now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

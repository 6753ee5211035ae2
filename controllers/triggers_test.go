package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// A change of what is audited ends the run and starts another, and the results of before stay until then.
func TestSpecChange(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	l.succeeds(l.pod())
	first := l.ready("cars")

	change := func(n int32) {
		l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Duplicates.Neighbors = &n })
	}
	change(12)
	pod := l.pod()
	l.runs(pod)
	running := l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	if running.Status.Result == nil || running.Status.Result.RunID != first.Status.Run.ID {
		t.Error("the results of before are gone")
	}
	if got := reasonOf(running, v1alpha1.ConditionCompliant); got != "Unknown/NoPolicy" {
		t.Errorf("Compliant is %s", got)
	}

	change(14) // in mid-run
	l.eventually("the superseded run's Job is deleted", func() error {
		for _, job := range l.jobs() {
			if job.Labels[v1alpha1.LabelRun] == running.Status.Run.ID && job.DeletionTimestamp == nil {
				return fmt.Errorf("Job %s is there", job.Name)
			}
		}
		return nil
	})
	l.eventually("its pod ends", func() error { // as the kubelet would do
		return client.IgnoreNotFound(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0)))
	})
	l.succeeds(l.pod(), func(s *v1alpha1.AuditSummary) { s.Layers[0].Clusters = 40; s.Layers[0].Leakage.Samples = 1 })
	got := l.ready("cars")
	minusTwo := int64(-2)
	if diff := cmp.Diff(&v1alpha1.ResultChanges{Clusters: 3, LeakedSamples: &minusTwo}, got.Status.Result.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	outcomes := []v1alpha1.RunOutcome{}
	for _, record := range got.Status.History {
		outcomes = append(outcomes, record.Outcome)
	}
	if diff := cmp.Diff([]v1alpha1.RunOutcome{v1alpha1.OutcomeSucceeded, v1alpha1.OutcomeSuperseded, v1alpha1.OutcomeSucceeded}, outcomes); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}

	change(v1alpha1.DefaultLocalNeighbors) // A → B → A
	l.succeeds(l.pod())
	again := l.until("cars", "a third result", func(a *v1alpha1.DatasetAudit) bool {
		return reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded" && a.Status.Result.RunID != got.Status.Result.RunID
	})
	if again.Status.Run.InputHash != first.Status.Run.InputHash || again.Status.Run.ID == first.Status.Run.ID {
		t.Errorf("run %s of input %s follows run %s of the same input", again.Status.Run.ID, again.Status.Run.InputHash, first.Status.Run.ID)
	}
}

// TestNoRunFor what changes no finding.
func TestNoRunFor(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	l.succeeds(l.pod())
	first := l.ready("cars")

	same := func(what string) {
		t.Helper()
		got := l.until("cars", what+" is observed", func(a *v1alpha1.DatasetAudit) bool {
			return a.Status.ObservedGeneration == a.Generation && reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded"
		})
		if got.Status.Run.ID != first.Status.Run.ID {
			t.Fatalf("%s started run %s", what, got.Status.Run.ID)
		}
	}
	l.update("cars", func(a *v1alpha1.DatasetAudit) {
		a.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "few", Expression: "layer.clusters < 50", Severity: v1alpha1.SeverityFail})
	})
	same("a policy")
	l.is("cars", v1alpha1.ConditionCompliant, "True/RulesFulfilled")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Policy.Rules[0].Expression = "layer.clusters < 5" })
	same("another policy")
	l.is("cars", v1alpha1.ConditionCompliant, "False/RulesViolated")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Retention.Successful = new(int32(1)) })
	same("retention")
	l.update("cars", func(a *v1alpha1.DatasetAudit) {
		a.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi")}
	})
	same("resources")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Suspend = true })
	same("suspension")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Suspend = false })
	same("the end of a suspension")
	if jobs := l.jobs(); len(jobs) != 1 {
		t.Errorf("there are %d Jobs, want 1", len(jobs))
	}
}

// New images, another default of a field, and a new field with a default start no run. It changes the definition that
// all tests share, so it runs alone.
func TestUpgrade(t *testing.T) {
	needs.ControlPlane(t)
	l := openLab(t)
	stop := l.start()
	l.apply(audits.New("cars"))
	l.succeeds(l.pod())
	first := l.ready("cars")
	stop()
	l.options.RunnerImage = "registry.example/runner@sha256:new"
	l.upgradeCRD()
	l.start()
	// That the new operator has looked is seen by what it must say of another spec.
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Retention.Successful = new(int32(1)) })
	got := l.until("cars", "the new operator's look", func(a *v1alpha1.DatasetAudit) bool {
		return a.Status.ObservedGeneration == a.Generation && a.Generation > first.Generation
	})
	if reasonOf(got, v1alpha1.ConditionReady) != "True/Succeeded" || got.Status.Run.ID != first.Status.Run.ID || len(l.jobs()) != 1 {
		t.Errorf("an upgrade starts a run: %s", describe(got))
	}
}

// TestHashes fails when the hashes of an audit as an earlier version stored it change: every audit of every cluster
// would run again on an upgrade. See hashVersion.
func TestHashes(t *testing.T) {
	l := newLab(t)
	audit := audits.New("cars")
	audit.Namespace = l.namespace
	l.must(l.admin.Create(l.ctx, audit, client.DryRunAll)) // which gives it its defaults
	const (
		input  = "6747dbc41d305499504d11ecb0219f8754a44a553806a348e2057c459e8a6559"
		runner = "4a1e6494476b72061ee6f4cab0d802b22837e672f1a615b62e8a3fb595511585"
	)
	if got := inputHash(&audit.Spec); got != input {
		t.Errorf("the input's hash is %s, in version %d it is %s", got, hashVersion, input)
	}
	const version1 = "357fc9beff3f317c29e36e1acdfa9f072733f3428587a9a32c255b80b8456076"
	if got := inputHash1(&audit.Spec); got != version1 {
		t.Errorf("the input's hash of version 1 is %s, and it was %s", got, version1)
	}
	if got := runnerHash(&audit.Spec); got != runner {
		t.Errorf("the runner's hash is %s, in version %d it is %s", got, hashVersion, runner)
	}
}

// Another method is another input. Naming what is meant already is not.
func TestHashOfMethods(t *testing.T) {
	hash := func(d v1alpha1.DuplicatesSpec) string {
		audit := audits.New("cars")
		audit.Spec.Duplicates = d
		return inputHash(&audit.Spec)
	}
	slope := v1alpha1.ThresholdSpec{Strategy: v1alpha1.ThresholdSlope}
	local := hash(v1alpha1.DuplicatesSpec{})
	reference := hash(v1alpha1.DuplicatesSpec{Threshold: slope})
	if local == reference {
		t.Error("a spec without a method and one with the reference's strategy have one hash")
	}
	if named := hash(v1alpha1.DuplicatesSpec{Method: v1alpha1.MethodLocal, Inspection: v1alpha1.InspectionPixels}); named != local {
		t.Error("naming the default method changes the hash")
	}
	if named := hash(v1alpha1.DuplicatesSpec{Method: v1alpha1.MethodReference}); named != reference {
		t.Error("naming the reference instead of its strategy changes the hash")
	}
	if none := hash(v1alpha1.DuplicatesSpec{Inspection: v1alpha1.InspectionNone}); none == local {
		t.Error("a spec without inspection has the hash of one with it")
	}
}

// upgradeCRD changes what an audit is by default, until the test ends.
func (l *lab) upgradeCRD() {
	l.Helper()
	const dataset = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/"
	patch := func(size int, op, value string) {
		definition := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "datasetaudits.datasetaudit.io"}}
		if err := l.admin.Patch(context.Background(), definition, client.RawPatch(types.JSONPatchType, fmt.Appendf(nil, `[
			{"op": "replace", "path": "%[1]sduplicates/properties/maxClusterSize/default", "value": %[2]d},
			{"op": %[3]q, "path": "%[1]sdataset/properties/future"%[4]s}]`, dataset, size, op, value))); err != nil {
			l.Errorf("upgrade the CRD: %v", err)
		}
	}
	patch(60, "add", `, "value": {"type": "string", "default": "x"}`)
	l.Cleanup(func() { patch(50, "remove", "") })
	l.eventually("the new definition is served", func() error {
		probe := audits.New("probe")
		probe.Namespace = l.namespace
		l.must(l.admin.Create(l.ctx, probe, client.DryRunAll))
		return unless(*probe.Spec.Duplicates.MaxClusterSize == 60, "it is not yet")
	})
}

// Any new value of the annotation starts a run, once.
func TestRequest(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	l.succeeds(l.pod())
	l.ready("cars")
	seen := map[string]bool{}
	for _, value := range []string{"monday", strings.Repeat("x", 5000), "monday"} {
		last := l.get("cars").Status.Run.ID
		seen[last] = true
		l.update("cars", func(a *v1alpha1.DatasetAudit) {
			a.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: value}
		})
		l.succeeds(l.pod())
		got := l.until("cars", "a new result", func(a *v1alpha1.DatasetAudit) bool {
			return reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded" && a.Status.Result.RunID != last
		})
		if got.Status.Run.Trigger != v1alpha1.TriggerRequested || got.Status.LastHandledRequest != requested(got) || seen[got.Status.Run.ID] {
			t.Errorf("run is %+v, last request %q", got.Status.Run, got.Status.LastHandledRequest)
		}
	}
	if jobs := l.jobs(); len(jobs) > 4 {
		t.Errorf("there are %d Jobs", len(jobs))
	}
}

// A suspended run loses its Job and goes on as another attempt.
func TestSuspend(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod()
	l.runs(pod)
	first := l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Suspend = true })
	l.is("cars", v1alpha1.ConditionReady, "False/Suspended")
	l.eventually("the Job goes", func() error {
		if jobs := l.jobs(); len(jobs) > 0 && jobs[0].DeletionTimestamp == nil {
			return fmt.Errorf("%d Jobs", len(jobs))
		}
		return nil
	})
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Suspend = false })
	waits := l.until("cars", "it waits for the old pod", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "waits until pod "+pod.Name)
	})
	if waits.Status.Run.Attempt != 2 || waits.Status.Run.Trigger != v1alpha1.TriggerResumed || waits.Status.Run.ID == first.Status.Run.ID {
		t.Errorf("run is %+v", waits.Status.Run)
	}
	l.must(client.IgnoreNotFound(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0))))
	l.succeeds(l.pod())
	l.ready("cars")
}

// A first run at creation, one for all that was missed, none twice.
func TestSchedule(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "0 3 * * *", TimeZone: "Europe/Berlin"}
	l.apply(audit)
	l.succeeds(l.pod())
	first := l.ready("cars")
	next := first.Status.NextScheduledTime
	if berlin, _ := time.LoadLocation("Europe/Berlin"); next == nil || next.In(berlin).Hour() != 3 || !next.After(l.clock.Now()) {
		t.Fatalf("next is %v", next)
	}
	l.forward("cars", 100*time.Hour) // misses four
	l.succeeds(l.pod())
	got := l.until("cars", "a scheduled result", func(a *v1alpha1.DatasetAudit) bool {
		return reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded" && a.Status.Result.RunID != first.Status.Run.ID
	})
	if got.Status.Run.Trigger != v1alpha1.TriggerScheduled || !got.Status.LastScheduledTime.Equal(next) || !got.Status.NextScheduledTime.After(l.clock.Now()) {
		t.Errorf("run %+v, last %v, next %v", got.Status.Run, got.Status.LastScheduledTime, got.Status.NextScheduledTime)
	}
	if jobs := l.jobs(); len(jobs) != 2 {
		t.Errorf("there are %d Jobs, want 2", len(jobs))
	}
}

// The operator's bound on runs at once.
func TestSlots(t *testing.T) {
	l := newLab(t)
	l.options.MaxActiveRuns = 1
	l.installWorkloads()
	l.start()
	l.apply(audits.New("first"))
	pod := l.pod()
	l.runs(pod)
	l.is("first", v1alpha1.ConditionReady, "Unknown/Running")
	l.apply(audits.New("second"))
	waits := l.is("second", v1alpha1.ConditionReady, "Unknown/WaitingForSlot")
	if want := "as many runs are live as the operator allows at once (1)"; !strings.Contains(messageOf(waits, v1alpha1.ConditionReady), want) {
		t.Errorf("message is %q", messageOf(waits, v1alpha1.ConditionReady))
	}
	queued := audits.New("queued")
	queued.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"}
	l.apply(queued) // has slots of Kueue's
	l.is("queued", v1alpha1.ConditionReady, "Unknown/Starting")
	// Who waits for a slot and goes to Kueue instead keeps no place here.
	l.apply(audits.New("moved"))
	l.is("moved", v1alpha1.ConditionReady, "Unknown/WaitingForSlot")
	l.update("second", func(a *v1alpha1.DatasetAudit) { a.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"} })
	l.is("second", v1alpha1.ConditionReady, "Unknown/Starting")
	l.succeeds(pod)
	l.ready("first")
	l.is("moved", v1alpha1.ConditionReady, "Unknown/Starting")
	for _, job := range l.jobs() {
		if queue := job.Labels[v1alpha1.LabelQueueName]; (queue == "gpus") != (strings.HasPrefix(job.Name, "queued") || strings.HasPrefix(job.Name, "second")) {
			t.Errorf("Job %s is in queue %q", job.Name, queue)
		}
	}
}

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

func reasonOf(audit *v1alpha1.DatasetAudit, condition string) string {
	c := meta.FindStatusCondition(audit.Status.Conditions, condition)
	if c == nil || c.ObservedGeneration != audit.Generation {
		return ""
	}
	return string(c.Status) + "/" + c.Reason
}

func messageOf(audit *v1alpha1.DatasetAudit, condition string) string {
	if c := meta.FindStatusCondition(audit.Status.Conditions, condition); c != nil {
		return c.Message
	}
	return ""
}

// is waits until the audit's condition has that status and reason.
func (l *lab) is(name, condition, want string) *v1alpha1.DatasetAudit {
	l.Helper()
	return l.until(name, condition+" becomes "+want, func(a *v1alpha1.DatasetAudit) bool { return reasonOf(a, condition) == want })
}

// ready waits for a run's results in status.
func (l *lab) ready(name string) *v1alpha1.DatasetAudit {
	l.Helper()
	return l.is(name, v1alpha1.ConditionReady, "True/Succeeded")
}

func policyRules(rules ...v1alpha1.PolicyRule) v1alpha1.PolicySpec {
	return v1alpha1.PolicySpec{Rules: rules}
}

// TestApplyToReady is what every user does.
func TestApplyToReady(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail})
	audit.Annotations = map[string]string{v1alpha1.AnnotationRequestedBy: "ada"}
	l.apply(audit)

	pod := l.pod()
	l.is("cars", v1alpha1.ConditionReconciling, "True/Starting")
	l.runs(pod)
	l.publish(pod, v1alpha1.FileProgress, progressText(v1alpha1.StageEmbed, 512, 1000))
	l.until("cars", "progress", func(a *v1alpha1.DatasetAudit) bool {
		return a.Status.Run.Progress != nil && a.Status.Run.Progress.Message == "Embed 512/1000"
	})
	l.succeeds(pod)
	got := l.ready("cars")

	if want := "37 clusters hold 111 of 1,000 samples; 3 samples of the evaluation splits leak from the others (method Reference by Slope takes the nearest pairs of any dataset for copies, so some may only look alike)"; messageOf(got, v1alpha1.ConditionReady) != want {
		t.Errorf("Ready says %q, want %q", messageOf(got, v1alpha1.ConditionReady), want)
	}
	if got := reasonOf(got, v1alpha1.ConditionCompliant); got != "False/RulesViolated" {
		t.Errorf("Compliant is %s", got)
	}
	if got := reasonOf(got, v1alpha1.ConditionResultsPublished); got != "True/Published" {
		t.Errorf("ResultsPublished is %s", got)
	}
	if run := got.Status.Run; run.EstimatedSeconds != 90 || run.Progress != nil {
		t.Errorf("estimated %d s, progress %+v, after the run has ended", run.EstimatedSeconds, run.Progress)
	}
	if by := got.Status.Run.RequestedBy; by != "ada" || got.Status.History[0].RequestedBy != "ada" {
		t.Errorf("requested by %q, in the history by %q", by, got.Status.History[0].RequestedBy)
	}
	result := got.Status.Result
	if result.Samples != 1000 || result.Clusters != 37 || result.DuplicateSamples != 111 || result.RunID != got.Status.Run.ID {
		t.Errorf("result is %+v", result)
	}
	wantEvidence := &v1alpha1.RunEvidence{DatasetDigest: "sha256:00", Samples: 1000, InputSHA256: got.Status.Run.InputSHA256, SummarySHA256: result.SummarySHA256}
	if diff := cmp.Diff(wantEvidence, got.Status.History[0].Evidence); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	if len(result.Summary.Layers[0].DistanceQuantiles) != 0 {
		t.Error("the distance curve is in status")
	}
	wantReasons := []string{v1alpha1.ReasonPending, v1alpha1.ReasonStarting, v1alpha1.ReasonRunning, v1alpha1.ReasonSucceeded}
	l.eventually("reasons of Ready over time", func() error {
		if diff := cmp.Diff(wantReasons, l.seen.reasons("cars")); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
	l.eventually("the role goes with the run", func() error {
		roles := &rbacv1.RoleList{}
		if err := l.admin.List(l.ctx, roles, client.InNamespace(l.namespace)); err != nil || len(roles.Items) > 0 {
			return fmt.Errorf("%d roles, %w", len(roles.Items), err)
		}
		return nil
	})
}

// TestPodIsRestricted holds the pod against Pod Security's restricted profile, and the input against what the runner
// reads.
func TestPodIsRestricted(t *testing.T) {
	l := newLab(t)
	namespace := &corev1.Namespace{}
	l.must(l.admin.Get(l.ctx, client.ObjectKey{Name: l.namespace}, namespace))
	namespace.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
	l.must(l.admin.Update(l.ctx, namespace))
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod() // it would not exist otherwise
	want := []string{
		"audit", "--file=/etc/dataset-audit/audit.yaml", "--input-sha256=" + l.get("cars").Status.Run.InputSHA256, "--run=" + runOfPod(pod),
		"--result-configmap=cars-" + runOfPod(pod) + "-result", "--record=cars-" + runOfPod(pod) + "-record", "--termination-message=/dev/termination-log",
		"--dataset=/dataset/cars", "--model=/model/mobilenet.onnx", "--work=/scratch/work",
		"--clusters-configmap=cars-" + runOfPod(pod) + "-clusters", "--out=/scratch/out",
	}
	if diff := cmp.Diff(map[string]string{"kubernetes.io/os": "linux"}, pod.Spec.NodeSelector); diff != "" {
		t.Errorf("node selector (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, pod.Spec.Containers[0].Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	for _, volume := range pod.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil && !claim.ReadOnly {
			t.Errorf("volume %s is writable", volume.Name)
		}
	}
}

// TestStory is a run with a change of mind and a failure in between, as a watcher sees it.
func TestStory(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail})
	l.apply(audit)
	pod := l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Model.Layers = []string{"conv_pw_31"} }) // a typing error, in mid-run
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Pending")
	l.must(client.IgnoreNotFound(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0))))
	pod = l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.dies(pod, v1alpha1.ExitInvalidModel, `model.layers: there is no layer "conv_pw_31"; did you mean conv_pw_13?`)
	l.stalls("cars", v1alpha1.ReasonInvalidModel, "did you mean conv_pw_13?")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Model.Layers = []string{"conv_pw_13"} })
	pod = l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.succeeds(pod, func(s *v1alpha1.AuditSummary) { s.Layers[0].Leakage.Samples = 0 })
	l.is("cars", v1alpha1.ConditionCompliant, "True/RulesFulfilled")
	want := []string{
		"Pending", "Starting", "Running", "Pending", "Starting", "Running", "InvalidModel", "Pending", "Starting", "Running", "Succeeded",
	}
	l.eventually("the story", func() error {
		if diff := cmp.Diff(want, l.seen.reasons("cars")); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
	for _, line := range l.seen.sequence("cars") {
		t.Log(line)
	}
}

// TestDelete in mid-run leaves nothing.
func TestDelete(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{Size: resource.NewQuantity(1<<30, resource.BinarySI)}
	l.apply(audit)
	pod := l.pod()
	l.runs(pod)
	old := l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.must(l.admin.Delete(l.ctx, l.named("cars")))
	again := audits.New("cars")
	l.apply(again) // at once
	l.eventually("all of the old audit is collected", func() error {
		// As the kubelet would do. The claim's finalizer is for the controller that protects claims, which doesn't run
		// here.
		_ = l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0))
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "cars-workspace"}}
		_ = l.admin.Patch(l.ctx, claim, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
		if left := l.ofAudit(old); len(left) > 0 {
			return fmt.Errorf("there are %q", left)
		}
		return nil
	})
	l.succeeds(l.pod())
	if got := l.ready("cars"); got.UID == old.UID || got.Status.Run.ID == old.Status.Run.ID {
		t.Errorf("run %s of audit %s follows run %s of audit %s", got.Status.Run.ID, got.UID, old.Status.Run.ID, old.UID)
	}
}

// ofAudit are the names of everything that bears the audit's UID.
func (l *lab) ofAudit(audit *v1alpha1.DatasetAudit) []string {
	l.Helper()
	var out []string
	for _, list := range []client.ObjectList{
		&batchv1.JobList{}, &corev1.PodList{}, &corev1.ConfigMapList{}, &corev1.ServiceAccountList{},
		&corev1.PersistentVolumeClaimList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
	} {
		l.must(l.admin.List(l.ctx, list, client.InNamespace(l.namespace), client.MatchingLabels{v1alpha1.LabelAuditUID: string(audit.UID)}))
		l.must(meta.EachListItem(list, func(o runtime.Object) error {
			out = append(out, fmt.Sprintf("%T %s", o, o.(client.Object).GetName()))
			return nil
		}))
	}
	return out
}

// TestRetention keeps the runs that it names, with their Jobs and ConfigMaps, and no others.
func TestRetention(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Retention = v1alpha1.RetentionSpec{Successful: new(int32(2)), Failed: new(int32(1))}
	l.apply(audit)
	l.succeeds(l.pod())
	l.ready("cars")
	for i := range 3 {
		last := l.get("cars").Status.Run.ID
		l.update("cars", func(a *v1alpha1.DatasetAudit) {
			a.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: fmt.Sprint(i)}
		})
		l.succeeds(l.pod())
		l.until("cars", "the next result", func(a *v1alpha1.DatasetAudit) bool {
			return a.Status.Run.ID != last && reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded"
		})
	}
	l.eventually("what is left", func() error {
		audit := l.get("cars")
		kept := []string{}
		for _, record := range audit.Status.History {
			kept = append(kept, record.ID)
		}
		runs := []string{}
		for _, job := range l.jobs() {
			runs = append(runs, job.Labels[v1alpha1.LabelRun])
		}
		slices.Sort(kept)
		slices.Sort(runs)
		if len(kept) != 2 || !slices.Equal(kept, runs) {
			return fmt.Errorf("history %q, Jobs %q", kept, runs)
		}
		maps := &corev1.ConfigMapList{}
		l.must(l.admin.List(l.ctx, maps, client.InNamespace(l.namespace), client.HasLabels{v1alpha1.LabelAuditUID}))
		names := []string{}
		for _, m := range maps.Items {
			names = append(names, m.Name)
		}
		if len(names) != 5 { // input and result of two runs, clusters of the latest
			return fmt.Errorf("ConfigMaps %q", names)
		}
		return nil
	})
}

// Several pods embed, one audits.
func TestStages(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Runner.Parallelism = new(int32(2))
	audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "scratch", Path: "audits"}}
	l.apply(audit)
	for _, stage := range []v1alpha1.Stage{v1alpha1.StageEmbed, v1alpha1.StageNeighbors} {
		for range 2 {
			pod := l.pod()
			got := strings.Join([]string{argument(pod, "--stage"), argument(pod, "--shard"), argument(pod, "--work"), argument(pod, "--vectors")}, " ")
			if want := string(stage) + " $(JOB_COMPLETION_INDEX)/2 /workspace/audits/cars /workspace/audits/.vectors"; got != want {
				t.Errorf("pod works on %q, not %q", got, want)
			}
			l.exits(pod, v1alpha1.ExitOK, "Completed", "")
		}
	}
	l.succeeds(l.pod())
	got := l.ready("cars")
	if names := len(l.jobs()); names != 3 || got.Status.Run.Attempt != 1 {
		t.Errorf("%d Jobs, attempt %d", names, got.Status.Run.Attempt)
	}
}

// A Job that someone deletes is made again, as another attempt.
func TestDeletedJob(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod()
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Starting")
	job := l.jobs()[0]
	l.must(l.admin.Delete(l.ctx, &job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	l.until("cars", "the next attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.Attempt == 2 })
	l.must(client.IgnoreNotFound(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0))))
	l.succeeds(l.pod())
	l.ready("cars")
}

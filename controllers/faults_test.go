package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// runnerExits ends the runner's container, while another container that somebody put into the pod goes on.
func (l *lab) runnerExits(pod *corev1.Pod, code v1alpha1.ExitCode, message string) {
	l.Helper()
	if pod.Status.Phase == corev1.PodPending {
		l.runs(pod)
	}
	now := metav1.Now()
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.ContainerStatuses = []corev1.ContainerStatus{
			{Name: runnerContainer, Image: "image", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: int32(code), Message: message, StartedAt: *s.StartTime, FinishedAt: now,
			}}},
			{Name: "injected", Image: "image", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}},
		}
	})
}

// What others put into the runner's pod and never ends does not keep the audit from its end.
func TestSidecar(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod()
	text := summaryText(runOfPod(pod), inputOfPod(pod))
	l.runs(pod)
	l.publish(pod, v1alpha1.FileSummary, text)
	l.records(pod, text)
	l.runnerExits(pod, v1alpha1.ExitOK, reporting(text))
	if got := l.ready("cars"); got.Status.Result.Clusters != 37 {
		t.Errorf("result is %+v", got.Status.Result)
	}
	l.forward("cars", lingering)
	l.eventually("the Job goes, and with it the pod", func() error { return unless(len(l.jobs()) == 0, "it is there") })

	// One failure is allowed: the second is the last.
	audit := audits.New("failing")
	audit.Spec.Runner.BackoffLimit = new(int32(1))
	l.apply(audit)
	said, err := v1alpha1.TerminationMessage{Error: &v1alpha1.RunError{Code: v1alpha1.ExitStorage, Message: "bucket: connection refused"}}.Marshal()
	l.must(err)
	l.runnerExits(l.pod(), v1alpha1.ExitStorage, string(said))
	got := l.until("failing", "another attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.Attempt == 2 })
	if got.Status.Run.FailedPods != 1 {
		t.Errorf("run is %+v", got.Status.Run)
	}
	l.runnerExits(l.pod(), v1alpha1.ExitStorage, string(said))
	l.stalls("failing", v1alpha1.ReasonStorageFailed, "connection refused")
}

// A pod that succeeded and was deleted while nobody looked has left its results.
func TestPodIsGone(t *testing.T) {
	l := newLab(t)
	stop := l.start()
	l.apply(noRetries("cars"))
	pod := l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	stop()
	text := summaryText(runOfPod(pod), inputOfPod(pod))
	l.publish(pod, v1alpha1.FileSummary, text)
	l.records(pod, text)
	l.exits(pod, v1alpha1.ExitOK, "Completed", reporting(text))
	l.eventually("the Job is complete", func() error { return unless(finished(&l.jobs()[0]), "it is not") })
	l.must(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0)))
	l.eventually("the pod is gone", func() error { return unless(len(l.podsOf(l.get("cars"))) == 0, "it is there") })
	l.start()
	if got := l.ready("cars"); got.Status.Run.Attempt != 1 || got.Status.Result.Samples != 1000 {
		t.Errorf("run %+v, result %+v", got.Status.Run, got.Status.Result)
	}
}

// Whoever may write ConfigMaps, but no AuditRecords, vouches for nothing.
func TestRecordOfATenant(t *testing.T) {
	l := newLab(t)
	l.must(l.admin.Create(l.ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "tenant"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}}},
	}))
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod()
	l.runs(pod)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "tenant"}}
	l.must(l.admin.Create(l.ctx, account))
	l.must(l.admin.Create(l.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "tenant"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tenant"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "tenant", Namespace: l.namespace}},
	}))
	tenant := l.clientOf(account)
	record := &v1alpha1.AuditRecord{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: argument(pod, "--record")}}
	err := tenant.Patch(l.ctx, record, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"result":%s}`, reporting("x"))))
	if err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("a tenant's patch of the record: %v", err)
	}
	runner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: pod.Spec.ServiceAccountName}}
	l.must(l.clientOf(runner).Patch(l.ctx, record, client.RawPatch("application/merge-patch+json", []byte(`{"result":null}`))))
	l.succeeds(pod)
	l.ready("cars")
}

// A pod on a node that does not answer doesn't work, and the run goes on elsewhere when the cluster gives it up.
func TestLostNode(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(noRetries("cars"))
	pod := l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.forward("cars", time.Minute)
	l.setStatus(pod, func(s *corev1.PodStatus) { // as the node's controller does
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse},
			corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionTrue})
	})
	got := l.is("cars", v1alpha1.ConditionReady, "Unknown/NodeLost")
	if message := messageOf(got, v1alpha1.ConditionReady); !strings.Contains(message, "the node of pod "+pod.Name+", node, does not answer") {
		t.Errorf("message is %q", message)
	}
	if run := got.Status.Run; run.WorkingSince != nil || run.WorkedSeconds < 60 {
		t.Errorf("run is %+v", run)
	}
	l.forward("cars", 5*time.Minute)
	l.must(l.admin.Delete(l.ctx, pod)) // by the taint's manager; the pod stays, as nobody stops it
	got = l.until("cars", "another attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.Attempt == 2 })
	if worked := got.Status.Run.WorkedSeconds; worked > 120 {
		t.Errorf("it is said to have worked for %d s", worked)
	}
	second := l.pod()
	l.succeeds(second)
	l.ready("cars")
}

// A Job that loses our labels is followed all the same, and ends with its run.
func TestJobWithoutLabels(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	unlabel := func(object client.Object) {
		l.must(l.admin.Patch(l.ctx, object, client.RawPatch("application/merge-patch+json",
			fmt.Appendf(nil, `{"metadata":{"labels":{%q:null,%q:null}}}`, v1alpha1.LabelAudit, v1alpha1.LabelAuditUID))))
	}
	unlabel(&l.jobs()[0])
	l.succeeds(pod)
	l.poke("cars") // at the latest after half a minute
	l.ready("cars")

	// One whose run is superseded does not go on.
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Duplicates.Neighbors = new(int32(5)) })
	pod = l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	for _, job := range l.jobs() {
		if !finished(&job) {
			unlabel(&job)
		}
	}
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Duplicates.Neighbors = new(int32(6)) })
	l.eventually("the Job of the superseded run goes", func() error {
		l.poke("cars")
		return unless(!slices.ContainsFunc(l.jobs(), func(job batchv1.Job) bool { return metav1.IsControlledBy(pod, &job) }), "it is there")
	})
	l.exits(pod, v1alpha1.ExitInterrupted, "Error", "") // the next run waits for it
	l.succeeds(l.pod())
	l.ready("cars")
}

// A pod that loses our labels is found by those that its Job knows it by.
func TestPodWithoutLabels(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	pod := l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.must(l.admin.Patch(l.ctx, pod, client.RawPatch("application/merge-patch+json",
		fmt.Appendf(nil, `{"metadata":{"labels":{%q:null,%q:null}}}`, v1alpha1.LabelAudit, v1alpha1.LabelAuditUID))))
	l.forward("cars", 2*minWaitingPeriod)
	l.forward("cars", 2*minWaitingPeriod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.succeeds(pod)
	l.poke("cars")
	l.ready("cars")
}

// What a cluster demands of every object, an audit can put there.
func TestTemplateOnEverything(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Labels = map[string]string{v1alpha1.LabelPriorityClass: "urgent"}
	audit.Spec.Runner.Template.Labels = map[string]string{"team": "vision", "app.kubernetes.io/name": "other"}
	audit.Spec.Runner.Template.Annotations = map[string]string{"owner": "x"}
	l.apply(audit)
	pod := l.pod()
	uid := client.MatchingLabels{v1alpha1.LabelAuditUID: string(l.get("cars").UID)}
	for _, list := range []client.ObjectList{
		&batchv1.JobList{}, &corev1.PodList{}, &corev1.ConfigMapList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}, &v1alpha1.AuditRecordList{},
	} {
		l.must(l.admin.List(l.ctx, list, client.InNamespace(l.namespace), uid))
		objects := objectsOf(list)
		if len(objects) == 0 {
			t.Errorf("there is no %T", list)
		}
		for _, object := range objects {
			labels := object.GetLabels()
			if labels["team"] != "vision" || labels["app.kubernetes.io/name"] != "dataset-audit" || object.GetAnnotations()["owner"] != "x" {
				t.Errorf("%T %s has labels %v and annotations %v", object, object.GetName(), labels, object.GetAnnotations())
			}
		}
	}
	if class := l.jobs()[0].Labels[v1alpha1.LabelPriorityClass]; class != "urgent" {
		t.Errorf("the Job's priority class is %q", class)
	}
	l.succeeds(pod)
	l.ready("cars")
}

// clientOf may do what an account may.
func (l *lab) clientOf(account *corev1.ServiceAccount) client.Client {
	l.Helper()
	config := rest.AnonymousClientConfig(l.manager)
	config.BearerToken = l.tokenOf(account)
	c, err := client.New(config, client.Options{Scheme: l.scheme})
	l.must(err)
	return c
}

func objectsOf(list client.ObjectList) []client.Object {
	var out []client.Object
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		out = append(out, o.(client.Object))
		return nil
	})
	return out
}

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// What a pod waits for is in the condition, and for how long it may.
func TestWaiting(t *testing.T) {
	l := newLab(t)
	l.start()

	l.apply(audits.New("no-node"))
	pod := l.pod()
	l.unschedulable(pod, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
	got := l.is("no-node", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	if message := messageOf(got, v1alpha1.ConditionReconciling); !strings.Contains(message, "Insufficient nvidia.com/gpu") {
		t.Errorf("message is %q", message)
	}
	l.forward("no-node", 29*time.Minute)
	l.is("no-node", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	l.forward("no-node", 2*time.Minute)
	l.stalls("no-node", v1alpha1.ReasonStartDeadlineExceeded, "startDeadline (30m0s)", "Insufficient nvidia.com/gpu")
	l.eventually("its pod is deleted", func() error {
		if err := l.admin.Get(l.ctx, client.ObjectKeyFromObject(pod), pod); err == nil && pod.DeletionTimestamp == nil {
			return fmt.Errorf("pod %s is there", pod.Name)
		}
		return nil
	})

	l.apply(audits.New("no-image"))
	pod = l.pod()
	l.until("no-image", "it waits", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run != nil && a.Status.Run.WaitingSince != nil })
	l.forward("no-image", 10*time.Minute)
	l.containerWaits(pod, "ErrImagePull", "not found")
	l.until("no-image", "the image in the message", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "ErrImagePull: not found")
	})
	l.is("no-image", v1alpha1.ConditionReconciling, "True/ImageUnavailable")
	l.forward("no-image", 15*time.Minute) // registries are away for longer than that
	l.is("no-image", v1alpha1.ConditionReconciling, "True/ImageUnavailable")
	l.forward("no-image", 6*time.Minute)
	l.stalls("no-image", v1alpha1.ReasonImageUnavailable, "startDeadline (30m0s)", "ErrImagePull: not found")

	l.apply(audits.New("image-comes-back"))
	pod = l.pod()
	l.containerWaits(pod, "ImagePullBackOff", "connection refused")
	l.is("image-comes-back", v1alpha1.ConditionReconciling, "True/ImageUnavailable")
	l.forward("image-comes-back", 25*time.Minute)
	l.is("image-comes-back", v1alpha1.ConditionReconciling, "True/ImageUnavailable")
	l.succeeds(pod)
	l.ready("image-comes-back")

	// What is never an image's name is not waited for.
	l.apply(audits.New("no-name"))
	l.containerWaits(l.pod(), "InvalidImageName", "couldn't parse image name")
	l.stalls("no-name", v1alpha1.ReasonImageUnavailable, "InvalidImageName")

	l.apply(audits.New("no-volume"))
	pod = l.pod()
	l.scheduled(pod)
	l.must(l.admin.Create(l.ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: l.namespace, Name: "mount"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: l.namespace, Name: pod.Name, UID: pod.UID},
		Reason:         "FailedMount", Message: `configmap "x" not found`, Type: corev1.EventTypeWarning, LastTimestamp: metav1.NewTime(l.clock.Now()),
	}))
	l.poke("no-volume")
	l.until("no-volume", "the volume in the message", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), `FailedMount: configmap "x" not found`)
	})
	l.is("no-volume", v1alpha1.ConditionReconciling, "True/PodNotStartable")
	l.succeeds(pod) // the volume came
	l.ready("no-volume")
}

// A namespace that has no room for the pod, and one that has none for the Job.
func TestQuota(t *testing.T) {
	for name, c := range map[string]struct {
		resource corev1.ResourceName
		message  string
	}{
		"pods": {"pods", "no pod can be created"},
		"jobs": {"count/jobs.batch", "exceeded quota"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "quota"},
				Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{c.resource: resource.MustParse("0")}}}
			l.must(l.admin.Create(l.ctx, quota))
			l.eventually("the quota counts", func() error {
				l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(quota), quota))
				if _, ok := quota.Status.Hard[c.resource]; !ok {
					return fmt.Errorf("status is %v", quota.Status)
				}
				return nil
			})
			l.start()
			l.apply(audits.New("cars"))
			l.until("cars", "the quota in the message", func(a *v1alpha1.DatasetAudit) bool {
				l.poke("cars") // the event comes when it comes
				return reasonOf(a, v1alpha1.ConditionReconciling) == "True/WaitingForCapacity" &&
					strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), c.message) &&
					strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "exceeded quota")
			})
			l.must(l.admin.Delete(l.ctx, quota))
			l.poke("cars")
			l.forward("cars", time.Minute)
			if name == "pods" { // the Job controller waits longer and longer, unless it sees its Job change
				job := l.jobs()[0]
				l.must(l.admin.Patch(l.ctx, &job, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"test/poke":"x"}}}`))))
			}
			l.succeeds(l.pod())
			l.ready("cars")
		})
	}
}

// TestDeadline counts the time in which pods worked, over all attempts, and nothing else.
func TestDeadline(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Runner.Deadline = &metav1.Duration{Duration: time.Hour}
	l.apply(audit)
	pod := l.pod()
	l.forward("cars", 20*time.Minute) // waits
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.forward("cars", 40*time.Minute)
	l.dies(pod, v1alpha1.ExitInterrupted, "interrupted")
	second := l.pod()
	l.until("cars", "the first attempt counts", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.WorkedSeconds >= 40*60 })
	l.runs(second)
	l.until("cars", "the second works", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.WorkingSince != nil })
	l.forward("cars", 19*time.Minute)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.forward("cars", 2*time.Minute)
	l.stalls("cars", v1alpha1.ReasonDeadlineExceeded, "runner.deadline", "worked for 1h")
	l.eventually("its Job goes", func() error {
		if jobs := l.jobs(); len(jobs) > 0 && jobs[0].DeletionTimestamp == nil {
			return fmt.Errorf("%d Jobs", len(jobs))
		}
		return nil
	})
}

// What keeps a pod from starting can be changed without waiting for a deadline.
func TestMendedBeforeStart(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Runner.Template.NodeSelector = map[string]string{"gpu": "none-such"}
	l.apply(audit)
	pod := l.pod()
	l.unschedulable(pod, "no node matches")
	l.is("cars", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Template.NodeSelector = nil })
	l.until("cars", "the next attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.Attempt == 2 })
	l.eventually("the old pod is deleted", func() error { // nothing has started it, so no kubelet has to end it
		err := l.admin.Get(l.ctx, client.ObjectKeyFromObject(pod), &corev1.Pod{})
		return unless(apierrors.IsNotFound(err), "the pod is there")
	})
	second := l.pod()
	if _, there := second.Spec.NodeSelector["gpu"]; there {
		t.Errorf("node selector is %v", second.Spec.NodeSelector)
	}
	l.succeeds(second)
	l.ready("cars")
}

// A Job that Kueue holds waits without a deadline, and says so.
func TestKueueHolds(t *testing.T) {
	l := newLab(t)
	l.installWorkloads()
	l.start()
	audit := audits.New("cars")
	audit.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"}
	l.apply(audit)
	pod := l.pod()
	suspend := func(suspended bool) {
		job := l.jobs()[0]
		l.must(l.admin.Patch(l.ctx, &job, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"suspend":%v}}`, suspended))))
	}
	suspend(true) // as Kueue does
	l.until("cars", "it waits for Kueue", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "Kueue has not admitted the Job yet")
	})
	l.workload(&l.jobs()[0], "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu")
	l.poke("cars")
	l.until("cars", "Kueue's own words", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "insufficient unused quota for nvidia.com/gpu")
	})
	l.must(client.IgnoreNotFound(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0))))
	l.forward("cars", 48*time.Hour)
	l.is("cars", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	suspend(false)
	l.succeeds(l.pod())
	l.ready("cars")
}

// installWorkloads defines Kueue's Workload, as far as it is read here.
func (l *lab) installWorkloads() {
	l.Helper()
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "workloads.kueue.x-k8s.io", Annotations: map[string]string{"api-approved.kubernetes.io": "unapproved, for a test"}},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: workloadKind.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: workloadKind.Kind, ListKind: "WorkloadList", Plural: "workloads", Singular: "workload"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1beta2", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: new(true),
				}},
			}},
		},
	}
	l.must(client.IgnoreAlreadyExists(l.admin.Create(l.ctx, definition))) // tests share it
	l.eventually("Workloads are served", func() error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(workloadKind.WithVersion("v1beta2"))
		return l.admin.List(l.ctx, list)
	})
}

// workload says why Kueue holds a Job, as Kueue does.
func (l *lab) workload(job *batchv1.Job, message string) {
	l.Helper()
	workload := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": message},
	}}}}
	workload.SetGroupVersionKind(workloadKind.WithVersion("v1beta2"))
	workload.SetNamespace(l.namespace)
	workload.SetName("job-" + job.Name)
	workload.SetLabels(map[string]string{labelJobUID: string(job.UID)})
	l.must(l.admin.Create(l.ctx, workload))
}

package controllers

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// What is cached of a pod and a Job is what decisions read.
func TestSlim(t *testing.T) {
	s := running()
	s.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	job := buildJob(s.DatasetAudit, planOptions, stepAudit)
	job.Annotations = map[string]string{"x": "y"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "pod", Labels: job.Spec.Template.Labels, Annotations: map[string]string{"x": "y"}, Finalizers: []string{batchv1.JobTrackingFinalizer},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job")), {Name: "another"}},
	}, Spec: job.Spec.Template.Spec}
	for _, object := range []any{pod, job} {
		if _, err := slim(object); err != nil {
			t.Fatal(err)
		}
	}
	want := corev1.PodSpec{Containers: []corev1.Container{{Name: runnerContainer, Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}}}}
	if diff := cmp.Diff(want, pod.Spec); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	if memoryLimit(pod) != "1Gi" || len(pod.Annotations) > 0 || len(pod.OwnerReferences) != 1 || pod.Labels[v1alpha1.LabelRun] != s.Status.Run.ID || len(pod.Labels) != 4 {
		t.Errorf("pod: %+v", pod.ObjectMeta)
	}
	if len(job.Annotations) > 0 || len(job.Spec.Template.Spec.Containers) > 0 || job.Labels[v1alpha1.LabelStage] != "audit" {
		t.Errorf("Job: %+v", job)
	}
}

// Of an audit's annotations those are cached that decide about its runs.
func TestSlimAudit(t *testing.T) {
	audit := audits.New("cars")
	audit.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now", v1alpha1.AnnotationRequestedBy: "ada", "example.com/history": "long"}
	if _, err := slim(audit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{v1alpha1.AnnotationRequestedAt: "now", v1alpha1.AnnotationRequestedBy: "ada"}, audit.Annotations); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Whoever may create ConfigMaps can't fill the manager's memory with them.
func TestMemory(t *testing.T) {
	needs.ControlPlane(t)
	l := openLab(t)
	const n, size = 200, 240 << 10
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := worker; i < n; i += 8 {
				if err := l.admin.Create(l.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
					Namespace: l.namespace, Name: fmt.Sprintf("big-%d", i),
					Labels:      map[string]string{v1alpha1.LabelAudit: "x", v1alpha1.LabelAuditUID: "x"},
					Annotations: map[string]string{"x": strings.Repeat(string(rune('a'+i%26)), size)},
				}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	before := heap()
	l.start()
	l.apply(audits.New("cars"))
	l.succeeds(l.pod()) // the cache is full by now
	l.ready("cars")
	if grown := heap() - before; grown > n*size/4 {
		t.Errorf("the manager holds %.0f MiB more with %d MiB of others' annotations about", grown/(1<<20), n*size>>20)
	}
}

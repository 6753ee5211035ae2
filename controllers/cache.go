package controllers

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// CacheOptions are those of a manager that runs the Reconciler: of Kubernetes' own kinds only what belongs to audits is
// held in memory, and of that only what the Reconciler reads. Whoever may create such objects could fill the memory
// else. Without namespaces all are watched.
func CacheOptions(namespaces []string) cache.Options {
	hasAudit, err := labels.NewRequirement(v1alpha1.LabelAuditUID, selection.Exists, nil)
	utilruntime.Must(err) // a constant
	ours := cache.ByObject{Label: labels.NewSelector().Add(*hasAudit)}
	options := cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&batchv1.Job{}: ours, &corev1.Pod{}: ours, &corev1.ConfigMap{}: ours, &corev1.ServiceAccount{}: ours,
			&corev1.PersistentVolumeClaim{}: ours, &rbacv1.Role{}: ours, &rbacv1.RoleBinding{}: ours, &v1alpha1.AuditRecord{}: ours,
		},
		DefaultTransform: slim,
	}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// slim takes from an object what the Reconciler never reads, before the cache holds it.
func slim(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	accessor.SetManagedFields(nil)
	accessor.SetFinalizers(nil)
	accessor.SetAnnotations(only(accessor.GetAnnotations(), v1alpha1.AnnotationRequestedAt, v1alpha1.AnnotationRequestedBy, v1alpha1.AnnotationAudits, v1alpha1.AnnotationHeld))
	switch o := object.(type) {
	case *v1alpha1.DatasetAudit:
		return o, nil // its labels are bounded by who may create audits, and go to its Jobs
	case *corev1.Pod:
		slimPod(o)
	case *batchv1.Job:
		o.Spec.Template, o.Spec.Selector = corev1.PodTemplateSpec{}, nil
		o.Status.UncountedTerminatedPods = nil
	}
	if accessor.GetLabels()[v1alpha1.LabelAuditUID] == "" {
		return object, nil // a namespace, a policy, a workload of Kueue: their labels choose
	}
	accessor.SetLabels(only(accessor.GetLabels(),
		v1alpha1.LabelAudit, v1alpha1.LabelAuditUID, v1alpha1.LabelRun, v1alpha1.LabelStage, v1alpha1.LabelQueueName, batchv1.JobCompletionIndexAnnotation))
	var owner []metav1.OwnerReference
	if controller := metav1.GetControllerOf(accessor); controller != nil {
		owner = append(owner, *controller)
	}
	accessor.SetOwnerReferences(owner)
	return object, nil
}

// slimPod keeps of a pod where it is, what the runner may use, and how it is.
func slimPod(pod *corev1.Pod) {
	spec := corev1.PodSpec{NodeName: pod.Spec.NodeName, ReadinessGates: pod.Spec.ReadinessGates}
	for _, c := range pod.Spec.Containers {
		if c.Name == runnerContainer {
			kept := corev1.Container{Name: runnerContainer}
			if memory, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
				kept.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: memory}
			}
			spec.Containers = []corev1.Container{kept}
		}
	}
	pod.Spec = spec
	pod.Status.EphemeralContainerStatuses, pod.Status.ResourceClaimStatuses = nil, nil
}

// only are the entries of a map with these keys.
func only(all map[string]string, keys ...string) map[string]string {
	var out map[string]string
	for _, key := range keys {
		if value, ok := all[key]; ok {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}

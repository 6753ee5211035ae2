package controllers

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// CacheOptions are those of a manager that runs the Reconciler: of Kubernetes' own kinds only what belongs to audits is held in
// memory. Without namespaces all are watched.
func CacheOptions(namespaces []string) cache.Options {
	hasAudit, err := labels.NewRequirement(v1alpha1.LabelAuditUID, selection.Exists, nil)
	utilruntime.Must(err) // a constant
	ours := cache.ByObject{Label: labels.NewSelector().Add(*hasAudit)}
	options := cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&batchv1.Job{}: ours, &corev1.Pod{}: ours, &corev1.ConfigMap{}: ours, &corev1.ServiceAccount{}: ours,
			&corev1.PersistentVolumeClaim{}: ours, &rbacv1.Role{}: ours, &rbacv1.RoleBinding{}: ours,
		},
		DefaultTransform: cache.TransformStripManagedFields(), // who wrote which field is for kubectl to show
	}
	for _, namespace := range namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

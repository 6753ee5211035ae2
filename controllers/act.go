package controllers

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// errStale says that the cache is older than the audit's last run: nothing may be made of it.
var errStale = errors.New("the audit has changed since it was read")

// nameConflictError is an object of a needed name that belongs to someone else.
type nameConflictError struct{ kind, name string }

func (e *nameConflictError) Error() string {
	return fmt.Sprintf("%s %s exists and does not belong to this audit: delete or rename it, or rename the audit", e.kind, e.name)
}

// asError is errors.As, in the form that a switch reads well.
func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// act does what a plan says. Everything in it may be done twice.
func (r *Reconciler) act(ctx context.Context, audit *v1alpha1.DatasetAudit, p *plan) error {
	if len(p.remove) == 0 && len(p.create) == 0 {
		return nil
	}
	// The audit may be older in the cache than its children are: then a run that this look knows nothing of would lose
	// its Job.
	fresh := &v1alpha1.DatasetAudit{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(audit), fresh); err != nil {
		return fmt.Errorf("get the audit: %w", err)
	}
	if fresh.UID != audit.UID || !fresh.DeletionTimestamp.IsZero() || fresh.Generation != audit.Generation || !sameRun(fresh.Status.Run, audit.Status.Run) {
		return errStale
	}
	for _, object := range p.remove {
		uid := object.GetUID()
		err := r.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete %s %s: %w", kindOf(object), object.GetName(), err)
		}
	}
	for _, object := range p.create {
		if err := r.create(ctx, audit, object); err != nil {
			return err
		}
	}
	return nil
}

func sameRun(a, b *v1alpha1.RunStatus) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Outcome == b.Outcome
}

// create makes an object. Its name is the lock: where one exists, it is ours or in the way.
func (r *Reconciler) create(ctx context.Context, audit *v1alpha1.DatasetAudit, object client.Object) error {
	err := r.Create(ctx, object)
	if err == nil {
		return nil
	}
	kind, name := kindOf(object), object.GetName()
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %s %s: %w", kind, name, err)
	}
	existing := object.DeepCopyObject().(client.Object)
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(object), existing); err != nil {
		return fmt.Errorf("get %s %s: %w", kind, name, err)
	}
	owner := metav1.GetControllerOf(existing)
	switch {
	case !existing.GetDeletionTimestamp().IsZero(), owner != nil && owner.Kind == v1alpha1.Kind && owner.Name == audit.Name && owner.UID != audit.UID:
		return fmt.Errorf("an earlier %s %s is still there: waiting until it is collected", kind, name)
	case owner != nil && owner.UID == audit.UID:
		return r.grow(ctx, object, existing)
	}
	return &nameConflictError{kind, name}
}

// grow lets a claim that exists have the size that the spec asks for by now. Everything else is never rewritten.
func (r *Reconciler) grow(ctx context.Context, wanted, existing client.Object) error {
	claim, ok := existing.(*corev1.PersistentVolumeClaim)
	if !ok {
		return nil
	}
	size := wanted.(*corev1.PersistentVolumeClaim).Spec.Resources.Requests[corev1.ResourceStorage]
	if has := claim.Spec.Resources.Requests[corev1.ResourceStorage]; size.Cmp(has) <= 0 {
		return nil
	}
	patch := client.MergeFrom(claim.DeepCopy())
	claim.Spec.Resources.Requests[corev1.ResourceStorage] = size
	if err := r.Patch(ctx, claim, patch); err != nil {
		return fmt.Errorf("workspace.size: grow PersistentVolumeClaim %s: %w", claim.Name, err)
	}
	return nil
}

// kindOf is the kind of a child.
func kindOf(object client.Object) string {
	switch o := object.(type) {
	case *batchv1.Job:
		return "Job"
	case *corev1.ConfigMap:
		return "ConfigMap"
	case *corev1.ServiceAccount:
		return "ServiceAccount"
	case *corev1.PersistentVolumeClaim:
		return "PersistentVolumeClaim"
	case *rbacv1.Role:
		return "Role"
	case *rbacv1.RoleBinding:
		return "RoleBinding"
	case *v1alpha1.AuditRecord:
		return v1alpha1.KindRecord
	case *metav1.PartialObjectMetadata:
		return o.Kind
	}
	panic(fmt.Sprintf("controllers: %T is not a child of an audit", object))
}

// asObject is a child as the client deletes it.
func asObject(kind string, meta metav1.ObjectMeta) client.Object {
	if kind == v1alpha1.KindRecord {
		return &v1alpha1.AuditRecord{ObjectMeta: meta}
	}
	object := &metav1.PartialObjectMetadata{ObjectMeta: meta}
	for _, known := range otherKinds {
		if known.Kind == kind {
			object.SetGroupVersionKind(known)
		}
	}
	return object
}

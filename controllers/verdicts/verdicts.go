// Package verdicts tells admission policies which datasets may be used: it writes the verdicts of each namespace's audits
// into an object that a ValidatingAdmissionPolicy takes for its parameter (config/governance).
//
// It reads DatasetAudits, which package controllers writes, and no more of that package.
package verdicts

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// What writes verdicts may do beyond what the operator may.
//
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetverdicts,verbs=get;list;watch;create;update

// Writer writes the DatasetVerdicts of each namespace with audits.
type Writer struct{ client.Client }

// SetupWithManager lets the manager run it.
func (v *Writer) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("datasetverdicts").
		For(&v1alpha1.DatasetVerdicts{}).
		Watches(&v1alpha1.DatasetAudit{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, audit client.Object) []ctrl.Request {
			return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: audit.GetNamespace(), Name: v1alpha1.VerdictsName}}}
		}), builder.WithPredicates(judged)).
		Complete(v)
}

// judged lets through what changes a verdict: not the progress of runs.
var judged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.DatasetAudit), e.ObjectNew.(*v1alpha1.DatasetAudit)
	return before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() || !apiequality.Semantic.DeepEqual(verdictOf(before), verdictOf(after))
}}

// Reconcile looks at the audits of one namespace.
func (v *Writer) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if request.Name != v1alpha1.VerdictsName {
		return ctrl.Result{}, nil // somebody else's: no policy of ours reads it
	}
	audits := &v1alpha1.DatasetAuditList{}
	if err := v.List(ctx, audits, client.InNamespace(request.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("list the audits: %w", err)
	}
	slices.SortFunc(audits.Items, func(a, b v1alpha1.DatasetAudit) int { return strings.Compare(a.Name, b.Name) })
	verdicts := []v1alpha1.DatasetVerdict{}
	for i := range audits.Items[:min(len(audits.Items), v1alpha1.MaxDatasetVerdicts)] {
		if audits.Items[i].DeletionTimestamp.IsZero() {
			verdicts = append(verdicts, verdictOf(&audits.Items[i]))
		}
	}
	there := &v1alpha1.DatasetVerdicts{}
	err := v.Get(ctx, request.NamespacedName, there)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return ctrl.Result{}, fmt.Errorf("get the verdicts: %w", err)
	case err != nil && len(verdicts) == 0:
		return ctrl.Result{}, nil
	case err != nil:
		there.Namespace, there.Name, there.Verdicts = request.Namespace, request.Name, verdicts
		err = v.Create(ctx, there)
	case !apiequality.Semantic.DeepEqual(there.Verdicts, verdicts) && len(there.Verdicts)+len(verdicts) > 0:
		there.Verdicts = verdicts
		err = v.Update(ctx, there) // of the version that was read
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("write the verdicts: %w", err)
	}
	return ctrl.Result{}, nil
}

// maxVerdict bounds a verdict's message.
const maxVerdict = 512

// verdictOf is what the conditions of an audit come to. While a run is on its way its last result counts, as long as it
// is one of the spec.
func verdictOf(audit *v1alpha1.DatasetAudit) v1alpha1.DatasetVerdict {
	out := v1alpha1.DatasetVerdict{Audit: audit.Name, Dataset: place(&audit.Spec.Dataset.Source), Until: audit.Status.ValidUntil}
	compliant := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionCompliant)
	stalled := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionStalled)
	if result := audit.Status.Result; result != nil && result.Summary != nil {
		out.Digest, out.Revision = result.Summary.Dataset.Digest, result.Summary.Dataset.Revision
	}
	switch {
	case compliant == nil || compliant.ObservedGeneration != audit.Generation:
		out.Message = "the operator has not looked at it yet"
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		out.Message = stalled.Message
	default:
		out.Compliant, out.Message = compliant.Status == metav1.ConditionTrue, compliant.Message
	}
	out.Message = text.Cut(out.Message, maxVerdict)
	return out
}

// place is where a dataset lies, for people and policies.
func place(source *v1alpha1.DatasetSource) string {
	switch {
	case source.ObjectStorage != nil:
		return source.ObjectStorage.URL
	case source.PersistentVolumeClaim != nil:
		return strings.TrimSuffix("pvc://"+source.PersistentVolumeClaim.ClaimName+"/"+source.PersistentVolumeClaim.Path, "/")
	case source.Image != nil:
		return "oci://" + source.Image.Reference
	}
	return ""
}

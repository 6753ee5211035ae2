package gate

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// checks says of each AdmissionCheck whether the gate can answer it. Kueue starts nothing in the queues of one that is
// not active.
type checks struct{ *Gate }

// Reconcile looks at one AdmissionCheck.
func (c *checks) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	check := &kueue.AdmissionCheck{}
	if err := c.Get(ctx, request.NamespacedName, check); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if check.Spec.ControllerName != v1alpha1.GateController {
		return ctrl.Result{}, nil
	}
	active := metav1.Condition{
		Type: kueue.AdmissionCheckActive, Status: metav1.ConditionTrue, Reason: "Active",
		Message: "workloads start when the audits of their datasets are compliant", ObservedGeneration: check.Generation,
	}
	if _, err := c.parameters(ctx, check); err != nil {
		if !errors.Is(err, errParameters) {
			return ctrl.Result{}, err
		}
		active.Status, active.Reason, active.Message = metav1.ConditionFalse, "BadParametersRef", err.Error()
	}
	before := check.DeepCopy()
	if !meta.SetStatusCondition(&check.Status.Conditions, active) {
		return ctrl.Result{}, nil
	}
	err := c.Status().Patch(ctx, check, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err = client.IgnoreNotFound(err); err != nil {
		return ctrl.Result{}, fmt.Errorf("patch AdmissionCheck %s: %w", check.Name, err)
	}
	return ctrl.Result{}, nil
}

// errParameters is what is wrong with an AdmissionCheck's parameters: who made it can put it right, and no retry does.
var errParameters = errors.New("spec.parameters")

// parameters are what a gate asks: those of the DatasetGate that the check names, else the defaults.
func (g *Gate) parameters(ctx context.Context, check *kueue.AdmissionCheck) (*v1alpha1.DatasetGateSpec, error) {
	p := check.Spec.Parameters
	if p == nil {
		return &v1alpha1.DatasetGateSpec{}, nil
	}
	if p.APIGroup != v1alpha1.GroupName || p.Kind != v1alpha1.KindGate {
		return nil, fmt.Errorf("%w names a %s of %s: name a %s of %s", errParameters, p.Kind, p.APIGroup, v1alpha1.KindGate, v1alpha1.GroupName)
	}
	gate := &v1alpha1.DatasetGate{}
	if err := g.Get(ctx, types.NamespacedName{Name: p.Name}, gate); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("%w names the %s %s, which does not exist", errParameters, v1alpha1.KindGate, p.Name)
		}
		return nil, fmt.Errorf("get %s %s: %w", v1alpha1.KindGate, p.Name, err)
	}
	return &gate.Spec, nil
}

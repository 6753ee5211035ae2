// Package gate lets workloads of Kueue start only where the audits of their datasets are compliant: it answers
// AdmissionChecks whose controllerName is datasetaudit.io/compliance. It never holds quota: a workload that has to wait
// gives it back.
//
// It reads DatasetAudits, which package controllers writes, and no more of that package.
package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What the gate may do beyond what the operator may. It reads a job only where neither Kueue's Workload nor the pod
// templates name an audit.
//
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetgates,verbs=get;list;watch
// +kubebuilder:rbac:groups=kueue.x-k8s.io,resources=admissionchecks,verbs=get;list;watch
// +kubebuilder:rbac:groups=kueue.x-k8s.io,resources=workloads,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=kueue.x-k8s.io,resources=admissionchecks/status;workloads/status,verbs=patch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get
// +kubebuilder:rbac:groups=jobset.x-k8s.io,resources=jobsets,verbs=get
// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainjobs,verbs=get
// +kubebuilder:rbac:groups=kubeflow.org,resources=jaxjobs;mpijobs;paddlejobs;pytorchjobs;tfjobs;xgboostjobs,verbs=get
// +kubebuilder:rbac:groups=ray.io,resources=rayclusters;rayjobs,verbs=get

// Gate answers AdmissionChecks.
type Gate struct {
	client.Client
	// APIReader reads jobs live: of all their kinds the cache holds none.
	APIReader client.Reader
	Recorder  events.EventRecorder
	Clock     clock.PassiveClock
	// Namespaces are those whose audits can be read; none: all.
	Namespaces []string
}

// lookPeriod is how often to look whether there is a Kueue.
const lookPeriod = 30 * time.Second

// SetupWithManager lets the manager run the gate, once there is a Kueue. Its kinds must be in the manager's scheme.
func (g *Gate) SetupWithManager(mgr ctrl.Manager) error {
	return mgr.Add(&starter{gate: g, mgr: mgr})
}

// A starter starts the controllers when Kueue's definitions are there: a controller ends the manager otherwise.
type starter struct {
	gate *Gate
	mgr  ctrl.Manager
}

// NeedLeaderElection says that one replica alone starts them.
func (s *starter) NeedLeaderElection() bool { return true }

// Start looks for Kueue until it is there.
func (s *starter) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("gate")
	ticker := time.NewTicker(lookPeriod)
	defer ticker.Stop()
	for said := false; ; {
		missing, err := s.missing()
		if err == nil && missing == "" {
			logger.Info("Kueue is there: the gate answers its AdmissionChecks", "controllerName", v1alpha1.GateController)
			return s.gate.start(s.mgr)
		}
		if !said {
			said = true
			logger.Info("the gate waits for the definitions of Kueue 0.15 or later, and its own", "missing", missing, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// missing is the first kind that the API server does not know yet.
func (s *starter) missing() (string, error) {
	for _, object := range []client.Object{&kueue.AdmissionCheck{}, &kueue.Workload{}, &v1alpha1.DatasetGate{}} {
		kind, err := s.mgr.GetClient().GroupVersionKindFor(object)
		if err != nil {
			return "", fmt.Errorf("kind of %T: %w", object, err)
		}
		if _, err := s.mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); meta.IsNoMatchError(err) {
			return kind.String(), nil
		} else if err != nil {
			return "", fmt.Errorf("look for %s: %w", kind, err)
		}
	}
	return "", nil
}

func (g *Gate) start(mgr ctrl.Manager) error {
	checks := ctrl.NewControllerManagedBy(mgr).Named("admissioncheck").
		For(&kueue.AdmissionCheck{}).
		Watches(&v1alpha1.DatasetGate{}, handler.EnqueueRequestsFromMapFunc(g.checksOf)).
		Complete(&checks{g})
	workloads := ctrl.NewControllerManagedBy(mgr).Named("workload").
		For(&kueue.Workload{}).
		Watches(&v1alpha1.DatasetAudit{}, handler.EnqueueRequestsFromMapFunc(g.open), builder.WithPredicates(judged)).
		Watches(&v1alpha1.DatasetGate{}, handler.EnqueueRequestsFromMapFunc(g.open)).
		Watches(&kueue.AdmissionCheck{}, handler.EnqueueRequestsFromMapFunc(g.open)).
		Complete(&workloads{g})
	return errors.Join(checks, workloads)
}

// judged lets through what may change a verdict: not the progress of runs.
var judged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, is := e.ObjectOld.(*v1alpha1.DatasetAudit)
	after, are := e.ObjectNew.(*v1alpha1.DatasetAudit)
	return !is || !are || said(before) != said(after)
}}

// said is what Judge reads of an audit.
func said(a *v1alpha1.DatasetAudit) string {
	run := ""
	if r := a.Status.Run; r != nil {
		run = r.ID + " " + r.Job + " " + string(r.Outcome)
	}
	completed := ""
	if r := a.Status.Result; r != nil {
		completed = r.RunID + " " + r.HeldAt().String()
	}
	compliant, stalled := condition(a, v1alpha1.ConditionCompliant), condition(a, v1alpha1.ConditionStalled)
	return fmt.Sprint(a.UID, a.DeletionTimestamp, a.Generation, a.Status.ObservedGeneration, run, completed, condition(a, v1alpha1.ConditionReconciling).Status,
		compliant.Status, compliant.Reason, compliant.Message, stalled.Status, stalled.Message, a.Spec.Dataset.Source)
}

// checksOf are the AdmissionChecks with a gate's parameters.
func (g *Gate) checksOf(ctx context.Context, gate client.Object) []ctrl.Request {
	list := &kueue.AdmissionCheckList{}
	if err := g.List(ctx, list); err != nil {
		log.FromContext(ctx).Error(err, "list the AdmissionChecks")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if p := list.Items[i].Spec.Parameters; p != nil && p.Kind == v1alpha1.KindGate && p.Name == gate.GetName() {
			requests = append(requests, ctrl.Request{NamespacedName: types.NamespacedName{Name: list.Items[i].Name}})
		}
	}
	return requests
}

// open are the workloads that wait, with quota or without, or have a verdict and have not started.
func (g *Gate) open(ctx context.Context, _ client.Object) []ctrl.Request {
	list := &kueue.WorkloadList{}
	if err := g.List(ctx, list); err != nil {
		log.FromContext(ctx).Error(err, "list the workloads")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if w := &list.Items[i]; waits(w) || held(w) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w)})
		}
	}
	return requests
}

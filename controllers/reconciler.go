// Package controllers makes what a DatasetAudit declares come true: it starts the runner in Jobs, follows them, and
// writes into the audit's status what they found and whether it complies with the policy.
//
// A look at an audit goes: fetch, observe (observe.go), plan (plan.go, a pure function), act (act.go), one patch of the
// status, then events and metrics about what changed.
//
// It is for main.go: nothing of it is promised to other programs.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
)

// The permissions of the manager. Those on ConfigMaps and AuditRecords are also what it grants to runners. It reads no
// Secret.
//
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetaudits,verbs=get;list;watch
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetaudits/status,verbs=patch
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetaudits/finalizers,verbs=update
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetauditpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=datasetaudit.io,resources=datasetauditpolicies/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=datasetaudit.io,resources=auditrecords,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=kueue.x-k8s.io,resources=workloads,verbs=list

// indexAuditUID finds an audit's children in the cache.
const indexAuditUID = "auditUID"

// Reconciler reconciles DatasetAudits.
type Reconciler struct {
	client.Client
	// APIReader reads live, where a cache may be too old or would hold too much.
	APIReader client.Reader
	Recorder  events.EventRecorder
	Clock     clock.PassiveClock
	Options   Options
	// Platform holds audits against the cluster's DatasetAuditPolicies.
	Platform bool
	// Evidence signs what audits come to; nil: nothing is signed. Version is that of the operator, which signs.
	Evidence *evidence.Key
	Version  string
	// MaxConcurrent is the number of audits that are looked at at once.
	MaxConcurrent int

	slots *slots
	kueue kueue
	freed chan event.GenericEvent
}

// SetupWithManager lets the manager run the reconciler.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) (err error) {
	r.freed = make(chan event.GenericEvent, 1024)
	r.slots = newSlots(&r.Options, func(name types.NamespacedName) {
		audit := &v1alpha1.DatasetAudit{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
		select {
		case r.freed <- event.GenericEvent{Object: audit}:
		default: // it looks again by itself
		}
	})
	ofAudit := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []ctrl.Request {
		name := object.GetLabels()[v1alpha1.LabelAudit]
		if name == "" {
			return nil
		}
		return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}}
	})
	build := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DatasetAudit{}).
		Watches(&batchv1.Job{}, ofAudit).
		Watches(&corev1.Pod{}, ofAudit).
		Watches(&v1alpha1.AuditRecord{}, ofAudit).
		WatchesRawSource(source.Channel(r.freed, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: max(r.MaxConcurrent, 1)})
	children := []client.Object{&batchv1.Job{}, &corev1.Pod{}, &v1alpha1.AuditRecord{}}
	for _, kind := range otherKinds {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(kind)
		children = append(children, object)
		build = build.Watches(object, ofAudit, builder.OnlyMetadata, builder.WithPredicates(existence))
	}
	if r.Platform, err = r.platform(mgr); err != nil {
		return err
	}
	if r.Platform {
		build = build.Watches(&v1alpha1.DatasetAuditPolicy{}, handler.EnqueueRequestsFromMapFunc(r.auditsIn), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
			Watches(namespaceMetadata(), handler.EnqueueRequestsFromMapFunc(r.auditsIn), builder.OnlyMetadata, builder.WithPredicates(predicate.LabelChangedPredicate{}))
		err = ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.DatasetAuditPolicy{}).Complete(&policies{mgr.GetClient()})
		if err != nil {
			return fmt.Errorf("watch the platform's policies: %w", err)
		}
	}
	for _, object := range children {
		if err := mgr.GetFieldIndexer().IndexField(ctx, object, indexAuditUID, auditUID); err != nil {
			return fmt.Errorf("index children by audit: %w", err)
		}
	}
	return build.Complete(r)
}

// existence lets through what changes whether a child is there and whose it is. What runners write into ConfigMaps
// every few seconds is read when it is time.
var existence = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
		!reflect.DeepEqual(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
		!reflect.DeepEqual(e.ObjectOld.GetOwnerReferences(), e.ObjectNew.GetOwnerReferences())
}}

func auditUID(object client.Object) []string {
	if uid := object.GetLabels()[v1alpha1.LabelAuditUID]; uid != "" {
		return []string{uid}
	}
	return nil
}

// Reconcile looks at one audit.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	audit := &v1alpha1.DatasetAudit{}
	if err := r.Get(ctx, request.NamespacedName, audit); err != nil {
		if apierrors.IsNotFound(err) {
			r.slots.release(request.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("get the audit: %w", err)
	}
	if !audit.DeletionTimestamp.IsZero() {
		r.slots.release(request.NamespacedName)
		return ctrl.Result{}, nil // its children follow by their owner references
	}
	observed, err := r.observe(ctx, audit)
	if err != nil {
		return ctrl.Result{}, err
	}
	p, err := r.decide(ctx, audit, observed)
	if err != nil {
		return ctrl.Result{}, err
	}
	retry := r.act(ctx, audit, &p)
	if errors.Is(retry, errStale) || apierrors.IsNotFound(retry) {
		return ctrl.Result{RequeueAfter: staleness}, nil
	}
	if retry != nil {
		p = r.revise(audit, observed, func(o *observation) { o.refused = retry })
		retry = worthTrying(ctx, retry, p.status.Run, observed.now)
	}
	r.occupy(request.NamespacedName, p.status.Run, observed.now)
	err = r.report(ctx, audit, &p)
	if apierrors.IsInvalid(err) && observed.results != nil && observed.results.summary != nil {
		unfit := missing("the summary does not fit the API: %s", plain(err.Error()))
		p = r.revise(audit, observed, func(o *observation) { o.results = unfit })
		err = r.report(ctx, audit, &p)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if !live(p.status.Run) && p.phaseReason() != v1alpha1.ReasonWaitingForSlot {
		r.slots.release(request.NamespacedName)
	}
	if retry != nil {
		return ctrl.Result{}, retry
	}
	if err := r.attest(ctx, audit, &p); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: p.requeueAfter}, nil
}

// revise makes the plan again, in the light of what the API server refused: a child of the run, or a status with the
// run's summary. What the first plan did is not done again: the new one is only told.
func (r *Reconciler) revise(audit *v1alpha1.DatasetAudit, o *observation, learn func(o *observation)) plan {
	learn(o)
	return makePlan(audit, o, &r.Options)
}

// worthTrying is the refusal of a run's children, or nil where trying them at once would end in the same way.
func worthTrying(ctx context.Context, refusal error, run *v1alpha1.RunStatus, now time.Time) error {
	_, conflict := errors.AsType[*nameConflictError](refusal)
	switch {
	case conflict, apierrors.IsInvalid(refusal), isQuota(refusal), !live(run):
		return nil // it is in status
	case run.WaitingSince != nil && now.Sub(run.WaitingSince.Time) > refusalPatience:
		log.FromContext(ctx).Error(refusal, "the run's children are still refused")
		return nil // from now on it is tried when the plan says so, which keeps to the run's deadline
	default:
		return refusal
	}
}

// refusalPatience is how long what the API server refuses is tried again as any error is, more and more seldom.
const refusalPatience = time.Minute

// decide makes the plan. A new run needs a slot; without one the plan is to wait.
func (r *Reconciler) decide(ctx context.Context, audit *v1alpha1.DatasetAudit, o *observation) (plan, error) {
	p := makePlan(audit, o, &r.Options)
	if !p.starts {
		return p, nil
	}
	name := client.ObjectKeyFromObject(audit)
	queued, err := r.queued(audit.Labels[v1alpha1.LabelQueueName])
	if err != nil {
		return p, err
	}
	if queued { // Kueue has slots of its own
		r.slots.release(name)
		return p, nil
	}
	o.slot, err = r.slots.take(name, func() (map[types.NamespacedName]bool, error) { return r.liveAudits(ctx, o.now) })
	if err != nil || o.slot == "" {
		return p, err
	}
	return makePlan(audit, o, &r.Options), nil
}

// slotPatience is how long a run that waits for a node, an image or a quota keeps others from starting.
const slotPatience = 2 * time.Minute

// idles says whether a live run has waited for so long that it counts for none of those that work.
func idles(run *v1alpha1.RunStatus, now time.Time) bool {
	return run.WorkingSince == nil && run.WaitingSince != nil && now.Sub(run.WaitingSince.Time) >= slotPatience
}

// occupy tells the slots whether a live run works or only waits.
func (r *Reconciler) occupy(audit types.NamespacedName, run *v1alpha1.RunStatus, now time.Time) {
	if live(run) {
		r.slots.occupy(audit, !idles(run, now))
	}
}

// liveAudits are the audits with a live run, those in a queue of Kueue not counted, and whether they do more than wait.
func (r *Reconciler) liveAudits(ctx context.Context, now time.Time) (map[types.NamespacedName]bool, error) {
	audits := &v1alpha1.DatasetAuditList{}
	if err := r.List(ctx, audits); err != nil {
		return nil, fmt.Errorf("list the audits: %w", err)
	}
	names := map[types.NamespacedName]bool{}
	for i := range audits.Items {
		audit := &audits.Items[i]
		if !live(audit.Status.Run) {
			continue
		}
		queued, err := r.queued(audit.Status.Run.Queue)
		if err != nil {
			return nil, err
		}
		if !queued {
			names[client.ObjectKeyFromObject(audit)] = !idles(audit.Status.Run, now)
		}
	}
	return names, nil
}

// report patches the status if it changed, and then tells about it. The patch holds the resource version that the plan
// rests on: whoever decided on an older status than the stored one is refused.
func (r *Reconciler) report(ctx context.Context, audit *v1alpha1.DatasetAudit, p *plan) error {
	if reflect.DeepEqual(audit.Status, p.status) {
		return nil
	}
	updated := audit.DeepCopy()
	updated.Status = p.status
	err := r.Status().Patch(ctx, updated, client.MergeFromWithOptions(audit, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		log.FromContext(ctx).V(1).Info("the status was decided on an older version: looking again")
		p.requeueAfter, p.stale = staleness, true
		return nil
	}
	if err != nil {
		return fmt.Errorf("patch the status: %w", err)
	}
	observeTransition(&audit.Status, &p.status)
	r.tell(updated, &audit.Status)
	return nil
}

package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// fieldOwner owns what the gate writes into workloads.
const fieldOwner = "dataset-audit-gate"

// workloads gives a verdict on each workload that has quota and has not started.
type workloads struct{ *Gate }

// isTrue says whether a workload has a condition.
func isTrue(w *kueue.Workload, condition string) bool {
	return meta.IsStatusConditionTrue(w.Status.Conditions, condition)
}

// lives says whether a workload may still start.
func lives(w *kueue.Workload) bool {
	return w.DeletionTimestamp.IsZero() && !isTrue(w, kueue.WorkloadAdmitted) && !isTrue(w, kueue.WorkloadFinished)
}

func active(w *kueue.Workload) bool { return w.Spec.Active == nil || *w.Spec.Active }

// waits says whether a workload has quota, and waits for a verdict or has one. The checks of one that is being evicted
// must be left alone: a state that is set meanwhile would be that of its next admission.
func waits(w *kueue.Workload) bool {
	return lives(w) && active(w) && isTrue(w, kueue.WorkloadQuotaReserved) && !isTrue(w, kueue.WorkloadEvicted)
}

// held says whether the gate has deactivated a workload.
func held(w *kueue.Workload) bool {
	return lives(w) && !active(w) && w.Annotations[v1alpha1.AnnotationHeld] != ""
}

// Reconcile looks at one workload.
func (r *workloads) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	w := &kueue.Workload{}
	if err := r.Get(ctx, request.NamespacedName, w); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case held(w):
		result.RequeueAfter, err = releasePeriod, r.release(ctx, w)
	case waits(w):
		result.RequeueAfter, err = r.answer(ctx, w)
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{}, nil // the change that came between is looked at next
	}
	return result, err
}

// answer sets the states of the gate's checks. It returns when to look again.
func (r *workloads) answer(ctx context.Context, w *kueue.Workload) (again time.Duration, err error) {
	for i := range w.Status.AdmissionChecks {
		state := w.Status.AdmissionChecks[i]
		if state.State != kueue.CheckStatePending && state.State != kueue.CheckStateReady {
			continue // Kueue has yet to act on what was said
		}
		spec, _, err := r.asked(ctx, string(state.Name))
		if err != nil {
			return again, err
		}
		if spec == nil {
			continue
		}
		verdict, soon, err := r.verdict(ctx, w, spec)
		if err != nil {
			return again, err
		}
		if soon > 0 && (again == 0 || soon < again) {
			again = soon
		}
		switch {
		case verdict.Action == "":
		case verdict.Action == Hold:
			return 0, r.hold(ctx, w, &state, verdict)
		case verdict.state() != state.State:
			if err := r.set(ctx, w, state.Name, verdict); err != nil {
				return again, err
			}
		}
	}
	return again, nil
}

// hold deactivates a workload, which gives its quota back, until release. The check says why, and stays Pending: Kueue
// neither keeps a message of another state when it evicts the workload, nor queues one again that a check has rejected.
func (r *workloads) hold(ctx context.Context, w *kueue.Workload, state *kueue.AdmissionCheckState, verdict Verdict) error {
	if state.State != verdict.state() || state.Message != verdict.Message {
		if err := r.set(ctx, w, state.Name, verdict); err != nil {
			return err
		}
	}
	before := w.DeepCopy()
	metav1.SetMetaDataAnnotation(&w.ObjectMeta, v1alpha1.AnnotationHeld, string(state.Name))
	w.Spec.Active = new(false)
	if err := r.Patch(ctx, w, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("deactivate the workload: %w", err)
	}
	return nil
}

// releasePeriod is how often to look at a workload that is held although no audit changes: its job may name another one.
const releasePeriod = 2 * time.Minute

// release activates a workload again that is held for no reason any more. One that waits for another reason is told that.
func (r *workloads) release(ctx context.Context, w *kueue.Workload) error {
	check := kueue.AdmissionCheckReference(w.Annotations[v1alpha1.AnnotationHeld])
	spec, ours, err := r.asked(ctx, string(check))
	if err != nil || ours && spec == nil {
		return err
	}
	if ours { // else there is no such check any more
		verdict, _, err := r.verdict(ctx, w, spec)
		if err != nil {
			return err
		}
		if verdict.Action == Hold {
			return r.tell(ctx, w, check, verdict)
		}
	}
	before := w.DeepCopy()
	delete(w.Annotations, v1alpha1.AnnotationHeld)
	w.Spec.Active = new(true)
	if err := r.Patch(ctx, w, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("activate the workload: %w", err)
	}
	r.Recorder.Eventf(w, nil, corev1.EventTypeNormal, "DatasetsAudited", "Release", "the audits that it was held for have a verdict: it is queued again")
	return nil
}

// tell changes the message of a check on a workload that is held. Its state stays Pending, as the next admission has it.
func (r *workloads) tell(ctx context.Context, w *kueue.Workload, check kueue.AdmissionCheckReference, verdict Verdict) error {
	for _, state := range w.Status.AdmissionChecks {
		if state.Name == check && state.State == verdict.state() && state.Message != verdict.Message {
			return r.set(ctx, w, check, verdict)
		}
	}
	return nil
}

// asked says whether a check is the gate's, and what it asks for; nil while that is not known.
func (r *workloads) asked(ctx context.Context, name string) (spec *v1alpha1.DatasetGateSpec, ours bool, err error) {
	check := &kueue.AdmissionCheck{}
	if err := r.Get(ctx, types.NamespacedName{Name: name}, check); err != nil {
		return nil, false, client.IgnoreNotFound(err)
	}
	if check.Spec.ControllerName != v1alpha1.GateController {
		return nil, false, nil
	}
	spec, err = r.parameters(ctx, check)
	if errors.Is(err, errParameters) {
		return nil, true, nil // the check says why
	}
	return spec, true, err
}

// ownerOf owns the state of one check: what one owner does not apply again is removed, and a workload may have several.
func ownerOf(check kueue.AdmissionCheckReference) string {
	return fmt.Sprintf("%s-%x", fieldOwner, sha256.Sum256([]byte(check)))[:64]
}

// set writes a verdict, unless the workload is no longer what the verdict was on.
func (r *workloads) set(ctx context.Context, w *kueue.Workload, check kueue.AdmissionCheckReference, verdict Verdict) error {
	patch := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": w.Namespace, "name": w.Name, "resourceVersion": w.ResourceVersion, "uid": string(w.UID)},
		"status": map[string]any{"admissionChecks": []any{map[string]any{
			"name": string(check), "state": string(verdict.state()), "message": verdict.Message,
			"lastTransitionTime": r.Clock.Now().UTC().Format(time.RFC3339),
		}}},
	}}
	patch.SetGroupVersionKind(kueue.SchemeGroupVersion.WithKind("Workload"))
	err := r.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(patch), client.FieldOwner(ownerOf(check)), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("patch the workload: %w", err)
	}
	w.ResourceVersion = patch.GetResourceVersion()
	kind := corev1.EventTypeNormal
	if verdict.Action == Reject {
		kind = corev1.EventTypeWarning
	}
	reason := map[Action]string{Start: "DatasetsCompliant", Hold: "DatasetsHeld", Reject: "DatasetsRejected"}[verdict.Action]
	r.Recorder.Eventf(w, nil, kind, reason, "Judge", "%s", verdict.Message)
	verdicts.WithLabelValues(string(check), string(verdict.Action)).Inc()
	log.FromContext(ctx).Info("verdict", "check", check, "action", verdict.Action, "message", verdict.Message)
	return nil
}

// ownGrace is how long the operator has to say which Jobs its audits' runs are.
const ownGrace = 30 * time.Second

// verdict says whether a workload may start. An empty one says to wait a moment.
func (r *workloads) verdict(ctx context.Context, w *kueue.Workload, spec *v1alpha1.DatasetGateSpec) (v Verdict, again time.Duration, err error) {
	named, invalid := ofWorkload(w)
	if invalid != nil {
		return rejected(invalid)
	}
	if len(named) > 0 {
		return r.judge(ctx, w, spec, named)
	}
	job, problem, err := r.job(ctx, w)
	if err != nil {
		return v, 0, err
	}
	if job != nil {
		run, known, err := r.ofAudit(ctx, job)
		switch {
		case err != nil:
			return v, 0, err
		case known:
			return Verdict{Start, "it is a run of DatasetAudit " + run}, 0, nil
		case run != "" && r.Clock.Now().Sub(w.CreationTimestamp.Time) < ownGrace:
			return v, 2 * time.Second, nil
		}
		if named, invalid = namesIn(job.GetNamespace(), job.GetAnnotations(), job.GetLabels()); invalid != nil {
			return rejected(invalid)
		}
	}
	if len(named) == 0 {
		if named, err = r.using(ctx, w, job); err != nil {
			return v, 0, err
		}
	}
	v, again, err = r.judge(ctx, w, spec, named)
	if len(named) == 0 && problem != "" && v.Action == Reject {
		v.Message += "; " + problem
	}
	return v, again, err
}

// rejected is the verdict on a workload that says something impossible.
func rejected(why error) (Verdict, time.Duration, error) { return Verdict{Reject, why.Error()}, 0, nil }

// judge gets the audits that a workload names, and judges by them. It returns when a verdict to start expires.
func (r *workloads) judge(ctx context.Context, w *kueue.Workload, spec *v1alpha1.DatasetGateSpec, named names) (v Verdict, again time.Duration, err error) {
	found := make([]Audit, len(named))
	for i, name := range named {
		if name.Namespace != w.Namespace && spec.Namespaces != v1alpha1.GateAny {
			return rejected(fmt.Errorf("DatasetAudit %s is of another namespace, and the gate allows those of %s only", name.NamespacedName, w.Namespace))
		}
		found[i].Name, found[i].Of = name.NamespacedName, name.of
		if found[i].Found, err = r.audit(ctx, name.NamespacedName); err != nil {
			return v, 0, err
		}
	}
	now := r.Clock.Now()
	if v = Judge(spec, found, now); v.Action != Start {
		return v, 0, nil
	}
	for _, a := range found { // all are there
		if until := validUntil(spec, a.Found); !until.IsZero() && (again == 0 || until.Sub(now) < again) {
			again = max(until.Sub(now), time.Second)
		}
	}
	return v, again, nil
}

// audit returns nil for one that is not there.
func (r *workloads) audit(ctx context.Context, name types.NamespacedName) (*v1alpha1.DatasetAudit, error) {
	if len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, name.Namespace) {
		return nil, nil // the operator knows none there
	}
	audit := &v1alpha1.DatasetAudit{}
	if err := r.Get(ctx, name, audit); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("get DatasetAudit %s: %w", name, err)
	}
	return audit, nil
}

// using are the audits of the workload's namespace whose dataset it uses.
func (r *workloads) using(ctx context.Context, w *kueue.Workload, job *unstructured.Unstructured) (names, error) {
	used := usesOf(w, job)
	if len(used.claims)+len(used.urls) == 0 {
		return nil, nil
	}
	list := &v1alpha1.DatasetAuditList{}
	if err := r.List(ctx, list, client.InNamespace(w.Namespace)); err != nil {
		return nil, fmt.Errorf("list the audits: %w", err)
	}
	var found names
	for i := range list.Items {
		if used.reads(&list.Items[i]) {
			found = append(found, name{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return found, nil
}

// job returns the job that a workload is of; nil, and why, where there is none that can be read.
func (r *workloads) job(ctx context.Context, w *kueue.Workload) (job *unstructured.Unstructured, problem string, err error) {
	owner := metav1.GetControllerOf(w)
	if owner == nil {
		return nil, "", nil
	}
	job = &unstructured.Unstructured{}
	job.SetAPIVersion(owner.APIVersion)
	job.SetKind(owner.Kind)
	err = r.APIReader.Get(ctx, types.NamespacedName{Namespace: w.Namespace, Name: owner.Name}, job)
	switch {
	case err == nil && job.GetUID() == owner.UID:
		return job, "", nil
	case err == nil, apierrors.IsNotFound(err):
		return nil, "", nil // another one has its name: this workload goes
	case apierrors.IsForbidden(err), meta.IsNoMatchError(err):
		return nil, fmt.Sprintf("the gate may not read its %s, so only annotations of the pod template count", owner.Kind), nil
	}
	return nil, "", fmt.Errorf("get %s %s: %w", owner.Kind, owner.Name, err)
}

// ofAudit says of which audit's run a Job says to be, and whether the operator knows it as one: an audit must not wait
// for itself.
func (r *workloads) ofAudit(ctx context.Context, job *unstructured.Unstructured) (run string, known bool, err error) {
	if job.GroupVersionKind().GroupKind() != batchv1.SchemeGroupVersion.WithKind("Job").GroupKind() {
		return "", false, nil
	}
	owner := metav1.GetControllerOf(job)
	if owner == nil || owner.Kind != v1alpha1.Kind || !strings.HasPrefix(owner.APIVersion, v1alpha1.GroupName+"/") {
		return "", false, nil
	}
	a, err := r.audit(ctx, types.NamespacedName{Namespace: job.GetNamespace(), Name: owner.Name})
	if err != nil || a == nil || a.UID != owner.UID {
		return "", false, err
	}
	status := a.Status.Run
	known = status != nil && status.Outcome == "" && status.Job == job.GetName() && runs(job, status)
	return a.Namespace + "/" + a.Name, known, nil
}

// runs says whether a Job's pods run the image of a run, and nothing else: somebody may have made a Job of its name.
func runs(job *unstructured.Unstructured, run *v1alpha1.RunStatus) bool {
	of := &batchv1.Job{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(job.Object, of); err != nil {
		return false
	}
	pod := &of.Spec.Template.Spec
	if len(pod.Containers) != 1 || len(pod.InitContainers) > 0 || len(pod.Containers[0].Command) > 0 {
		return false
	}
	image := pod.Containers[0].Image
	return image == run.Image || image == run.EmbedImage && image != ""
}

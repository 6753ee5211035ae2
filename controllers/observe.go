package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// observation is everything that a decision about an audit rests on, read once.
type observation struct {
	now  time.Time
	jobs []batchv1.Job
	pods []corev1.Pod
	// others are the audit's other children: ConfigMaps, accounts, roles, bindings and claims, as metadata.
	others map[keyOf]metav1.ObjectMeta

	// record is what the live run says of its results; nil if it has none yet.
	record *v1alpha1.AuditRecord

	// jobGone says that the Job in status.run is certainly not there.
	jobGone bool
	// unwatched says that a child is without our labels, so that no change of it wakes the controller.
	unwatched bool
	// notes say why no pod works, in other objects' words: events, and Kueue's Workload.
	notes []note
	// progress of the live run, if it was time to read it.
	progress *v1alpha1.Progress
	// results of the live run, once its last Job is done, or why they can't be believed.
	results *results
	// policies are the platform's for the audit's namespace, by name.
	policies []v1alpha1.DatasetAuditPolicy
	// slot says why the audit must not start a run now, empty if it may.
	slot string
	// refused is why the children of the live run could not be made.
	refused error
}

// otherKinds are the kinds of children of which metadata is enough.
var otherKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
	corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"),
	rbacv1.SchemeGroupVersion.WithKind("Role"),
	rbacv1.SchemeGroupVersion.WithKind("RoleBinding"),
}

// observe reads an audit's children from the cache, and live what the cache can't or must not tell.
func (r *Reconciler) observe(ctx context.Context, audit *v1alpha1.DatasetAudit) (*observation, error) {
	o := &observation{now: r.Clock.Now(), others: map[keyOf]metav1.ObjectMeta{}}
	mine := []client.ListOption{client.InNamespace(audit.Namespace), client.MatchingFields{indexAuditUID: string(audit.UID)}}

	jobs := &batchv1.JobList{}
	if err := r.List(ctx, jobs, mine...); err != nil {
		return nil, fmt.Errorf("list Jobs: %w", err)
	}
	for _, job := range jobs.Items {
		if metav1.IsControlledBy(&job, audit) {
			o.jobs = append(o.jobs, job)
		}
	}
	slices.SortFunc(o.jobs, func(a, b batchv1.Job) int { return cmp.Compare(a.Name, b.Name) })
	pods := &corev1.PodList{}
	if err := r.List(ctx, pods, mine...); err != nil {
		return nil, fmt.Errorf("list Pods: %w", err)
	}
	o.pods = pods.Items
	// The cache has no order, and a message that names another pod at every look would be written at every look.
	slices.SortFunc(o.pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	records := &v1alpha1.AuditRecordList{}
	if err := r.List(ctx, records, mine...); err != nil {
		return nil, fmt.Errorf("list AuditRecords: %w", err)
	}
	for i := range records.Items {
		record := &records.Items[i]
		if !metav1.IsControlledBy(record, audit) {
			continue
		}
		o.others[keyOf{v1alpha1.KindRecord, record.Name}] = record.ObjectMeta
		if run := audit.Status.Run; live(run) && record.Name == baseName(audit.Name, run.ID)+v1alpha1.RecordSuffix {
			o.record = record
		}
	}
	for _, kind := range otherKinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind)
		if err := r.List(ctx, list, mine...); err != nil {
			return nil, fmt.Errorf("list %ss: %w", kind.Kind, err)
		}
		for _, object := range list.Items {
			if metav1.IsControlledBy(&object, audit) {
				o.others[keyOf{kind.Kind, object.Name}] = object.ObjectMeta
			}
		}
	}
	if err := r.findUnlabeled(ctx, audit, o); err != nil {
		return nil, err
	}
	var err error
	if o.policies, err = r.policiesFor(ctx, audit.Namespace); err != nil {
		return nil, err
	}
	if !live(audit.Status.Run) {
		return o, nil
	}
	return o, r.observeRun(ctx, audit, o)
}

// maxForeign bounds how many Jobs are looked up in one look because pods with our labels name them.
const maxForeign = 8

// findUnlabeled reads, past the cache, the audit's Jobs that have lost our labels: that of the live run, and those
// whose pods are there. They are found by their names and known by their owner.
func (r *Reconciler) findUnlabeled(ctx context.Context, audit *v1alpha1.DatasetAudit, o *observation) error {
	run := audit.Status.Run
	if live(run) && run.Job != "" && o.job(run.Job) == nil {
		found, err := r.findJob(ctx, audit, run.Job, "", o)
		if err != nil {
			return err
		}
		o.jobGone = !found
	}
	looked := map[types.UID]bool{}
	for i := range o.pods {
		owner := metav1.GetControllerOf(&o.pods[i])
		if owner == nil || owner.Kind != "Job" || over(&o.pods[i]) || looked[owner.UID] || o.jobOf(owner.UID) != nil || len(looked) == maxForeign {
			continue
		}
		looked[owner.UID] = true
		if _, err := r.findJob(ctx, audit, owner.Name, owner.UID, o); err != nil {
			return err
		}
	}
	return nil
}

// findJob reads a Job of the audit past the cache. A uid that isn't empty must be its own.
func (r *Reconciler) findJob(ctx context.Context, audit *v1alpha1.DatasetAudit, name string, uid types.UID, o *observation) (found bool, err error) {
	job := &batchv1.Job{}
	err = r.APIReader.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: name}, job)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get Job %s: %w", name, err)
	}
	if !metav1.IsControlledBy(job, audit) || uid != "" && job.UID != uid {
		return false, nil
	}
	o.jobs = append(o.jobs, *job)
	o.unwatched = o.unwatched || job.Labels[v1alpha1.LabelAuditUID] != string(audit.UID)
	return true, nil
}

// observeRun reads what the live run needs beyond its children.
func (r *Reconciler) observeRun(ctx context.Context, audit *v1alpha1.DatasetAudit, o *observation) error {
	run := audit.Status.Run
	job := o.current(audit)
	if job == nil {
		if check := o.checked(audit); check != nil {
			if digest, _ := o.listed(check); digest == "" { // the cache of pods may lag behind that of Jobs
				if err := r.readPods(ctx, check, o); err != nil {
					return err
				}
			}
		}
		o.jobGone = o.jobGone && run.Job == jobName(audit.Name, run.ID, o.step(audit))
		return nil
	}
	o.jobGone = false
	if o.unwatched || int(job.Status.Active) > o.activePods(job) && run.WaitingSince != nil && o.now.Sub(run.WaitingSince.Time) > minWaitingPeriod {
		// Pods that lost our labels are found by those that the Job itself knows them by.
		if err := r.readPods(ctx, job, o); err != nil {
			return err
		}
	}
	if o.step(audit) == stepAudit && (o.done(job) || o.recorded() && !o.working(job)) {
		return r.readResults(ctx, audit, job, o)
	}
	if ended(job, batchv1.JobFailed) {
		if o.failedPods(job) >= int(job.Status.Failed) {
			return nil
		}
		// The cache of pods may lag behind that of Jobs, and how a run failed is written down only once.
		return r.readPods(ctx, job, o)
	}
	if o.working(job) {
		return r.readProgress(ctx, audit, o)
	}
	return r.readNotes(ctx, job, o)
}

// step is the step of the live run that is next or under way: the first one without a Job that is done. A run that
// began in several pods ends so, whatever the spec says by now.
func (o *observation) step(audit *v1alpha1.DatasetAudit) step {
	steps := audit.Status.Run.Steps
	if steps == nil { // of an operator that knew two
		steps = []string{string(stepAudit)}
		if embedsApart(&audit.Spec) || o.began(audit, stepEmbed) {
			steps = []string{string(stepEmbed), string(stepAudit)}
		}
	}
	for i, s := range slices.Backward(steps) {
		if !o.began(audit, step(s)) {
			continue
		}
		job := o.job(jobName(audit.Name, audit.Status.Run.ID, step(s)))
		if job != nil && o.done(job) && i+1 < len(steps) {
			return step(steps[i+1])
		}
		return step(s)
	}
	return step(steps[0])
}

// began says whether the live run has or had the Job of a step.
func (o *observation) began(audit *v1alpha1.DatasetAudit, s step) bool {
	name := jobName(audit.Name, audit.Status.Run.ID, s)
	return audit.Status.Run.Job == name || o.job(name) != nil
}

// listed is the digest that the pod of step check has found, and when it began to list. It is empty if the pod found none or
// is gone, and if several say something: a Job of one has one pod that succeeds.
func (o *observation) listed(check *batchv1.Job) (digest string, at metav1.Time) {
	succeeded := 0
	for _, pod := range o.podsOf(check) {
		said := &v1alpha1.TerminationMessage{}
		if state := terminated(&pod); state != nil && state.ExitCode == 0 && json.Unmarshal([]byte(state.Message), said) == nil {
			succeeded++
			digest, at = said.SourcesSHA256, state.StartedAt
		}
	}
	if succeeded > 1 {
		return "", at
	}
	if at.After(o.now) { // by the clock of its node
		at = metav1.NewTime(o.now.Truncate(time.Second))
	}
	return digest, at
}

// checked is the Job of the live run's step check, if that is done; else nil.
func (o *observation) checked(audit *v1alpha1.DatasetAudit) *batchv1.Job {
	check := o.job(jobName(audit.Name, audit.Status.Run.ID, stepCheck))
	if check == nil || !o.done(check) {
		return nil
	}
	return check
}

// unchangedAt is when the live run's step check found that all it would read is what the results were made of, so that the
// run may end. It is nil where that is not so, and where the pod that has looked is gone.
func (o *observation) unchangedAt(audit *v1alpha1.DatasetAudit) *metav1.Time {
	result, check := audit.Status.Result, o.checked(audit)
	if check == nil || result == nil || result.Summary == nil {
		return nil
	}
	digest, at := o.listed(check)
	if digest == "" || digest != result.Summary.Run.SourcesSHA256 {
		return nil
	}
	return &at
}

// embedsApart says whether embedding is a step of its own.
func embedsApart(spec *v1alpha1.DatasetAuditSpec) bool {
	return parallelism(spec) > 1 || len(spec.Runner.Stages) > 0
}

func parallelism(spec *v1alpha1.DatasetAuditSpec) int32 {
	if spec.Runner.Parallelism == nil {
		return 1
	}
	return *spec.Runner.Parallelism
}

// current is the Job of the live run's step, or nil.
func (o *observation) current(audit *v1alpha1.DatasetAudit) *batchv1.Job {
	return o.job(jobName(audit.Name, audit.Status.Run.ID, o.step(audit)))
}

// has says whether a child is there, as far as the cache knows.
func (o *observation) has(child client.Object) bool {
	_, ok := o.others[keyOf{kindOf(child), child.GetName()}]
	return ok
}

func (o *observation) job(name string) *batchv1.Job {
	for i := range o.jobs {
		if o.jobs[i].Name == name {
			return &o.jobs[i]
		}
	}
	return nil
}

// podsOf are the pods that the Job itself made.
func (o *observation) podsOf(job *batchv1.Job) []corev1.Pod {
	var out []corev1.Pod
	for _, pod := range o.pods {
		if metav1.IsControlledBy(&pod, job) {
			out = append(out, pod)
		}
	}
	return out
}

// working says whether a pod of the Job works now. It still does between its pods' success and the Job's.
func (o *observation) working(job *batchv1.Job) bool {
	for _, pod := range o.podsOf(job) {
		if works(&pod) {
			return true
		}
	}
	return o.done(job) && !suspended(job)
}

// done says whether the Job's runners have done all that the Job is for, whether the Job itself has noticed or can't,
// since something else in its pods goes on.
func (o *observation) done(job *batchv1.Job) bool {
	if ended(job, batchv1.JobComplete) {
		return true
	}
	indexes := map[string]bool{}
	for _, pod := range o.podsOf(job) {
		if succeeded(&pod) {
			indexes[pod.Labels[batchv1.JobCompletionIndexAnnotation]] = true
		}
	}
	return int32(len(indexes)) >= completions(job)
}

// recorded says whether the run has said that its results are stored.
func (o *observation) recorded() bool {
	return o.record != nil && o.record.Result != nil && o.record.Result.SummarySHA256 != ""
}

func (o *observation) activePods(job *batchv1.Job) int {
	n := 0
	for _, pod := range o.podsOf(job) {
		if !over(&pod) {
			n++
		}
	}
	return n
}

func (o *observation) jobOf(uid types.UID) *batchv1.Job {
	for i := range o.jobs {
		if o.jobs[i].UID == uid {
			return &o.jobs[i]
		}
	}
	return nil
}

func completions(job *batchv1.Job) int32 {
	if job.Spec.Completions == nil {
		return 1
	}
	return *job.Spec.Completions
}

// leftover is a pod of another run's Job whose runner has not ended yet, or nil. Those that the cluster has given up
// are not waited for.
func (o *observation) leftover(run string) *corev1.Pod {
	for i := range o.pods {
		pod := &o.pods[i]
		owner := metav1.GetControllerOf(pod)
		if owner == nil || owner.Kind != "Job" || pod.Labels[v1alpha1.LabelRun] == run {
			continue
		}
		if !over(pod) && !o.givenUp(pod) {
			return pod
		}
	}
	return nil
}

func (o *observation) failedPods(job *batchv1.Job) int {
	n := 0
	for _, pod := range o.podsOf(job) {
		if pod.Status.Phase == corev1.PodFailed {
			n++
		}
	}
	return n
}

func ended(job *batchv1.Job, how batchv1.JobConditionType) bool {
	for _, c := range job.Status.Conditions {
		if c.Type == how && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func finished(job *batchv1.Job) bool {
	return ended(job, batchv1.JobComplete) || ended(job, batchv1.JobFailed)
}

func suspended(job *batchv1.Job) bool { return job.Spec.Suspend != nil && *job.Spec.Suspend }

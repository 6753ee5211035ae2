package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

	// jobGone says that the Job in status.run is certainly not there.
	jobGone bool
	// notes say why no pod works, in other objects' words: events, and Kueue's Workload.
	notes []note
	// progress of the live run, if it was time to read it.
	progress *v1alpha1.Progress
	// results of the live run, once its last Job is complete.
	results *results
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
	if !live(audit.Status.Run) {
		return o, nil
	}
	return o, r.observeRun(ctx, audit, o)
}

// observeRun reads what the live run needs beyond its children.
func (r *Reconciler) observeRun(ctx context.Context, audit *v1alpha1.DatasetAudit, o *observation) error {
	run := audit.Status.Run
	job := o.current(audit)
	switch {
	case job == nil && run.Job == jobName(audit.Name, run.ID, o.stage(audit)):
		// It was there once. The cache may be older than its creation; only the API server knows that it is gone.
		err := r.APIReader.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: run.Job}, &batchv1.Job{})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("get Job %s: %w", run.Job, err)
		}
		o.jobGone = apierrors.IsNotFound(err)
		return nil
	case job == nil:
		return nil
	case ended(job, batchv1.JobFailed):
		if o.failedPods(job) >= int(job.Status.Failed) {
			return nil
		}
		// The cache of pods may lag behind that of Jobs, and how a run failed is written down only once.
		var err error
		o.pods, err = r.livePods(ctx, audit)
		return err
	case ended(job, batchv1.JobComplete):
		if o.stage(audit) != stageAudit {
			return nil
		}
		return r.readResults(ctx, audit, job, o)
	}
	if o.working(job) {
		return r.readProgress(ctx, audit, o)
	}
	return r.readNotes(ctx, job, o)
}

// stage is the stage of the live run that is next or under way: the first one without a complete Job. A run that began in
// several pods ends so, whatever the spec says by now.
func (o *observation) stage(audit *v1alpha1.DatasetAudit) stage {
	run := audit.Status.Run
	embed := o.job(jobName(audit.Name, run.ID, stageEmbed))
	switch {
	case run.Job == jobName(audit.Name, run.ID, stageAudit):
		return stageAudit
	case embed != nil && ended(embed, batchv1.JobComplete):
		return stageAudit
	case embed != nil, run.Job != "", parallelism(&audit.Spec) > 1:
		return stageEmbed
	}
	return stageAudit
}

func parallelism(spec *v1alpha1.DatasetAuditSpec) int32 {
	if spec.Runner.Parallelism == nil {
		return 1
	}
	return *spec.Runner.Parallelism
}

// current is the Job of the live run's stage, or nil.
func (o *observation) current(audit *v1alpha1.DatasetAudit) *batchv1.Job {
	return o.job(jobName(audit.Name, audit.Status.Run.ID, o.stage(audit)))
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
	succeeded := int32(0)
	for _, pod := range o.podsOf(job) {
		switch pod.Status.Phase {
		case corev1.PodRunning:
			return true
		case corev1.PodSucceeded:
			succeeded++
		}
	}
	return succeeded >= completions(job) && !suspended(job)
}

func completions(job *batchv1.Job) int32 {
	if job.Spec.Completions == nil {
		return 1
	}
	return *job.Spec.Completions
}

// leftover is a pod of another run's Job that has not ended yet, or nil.
func (o *observation) leftover(run string) *corev1.Pod {
	for i := range o.pods {
		pod := &o.pods[i]
		owner := metav1.GetControllerOf(pod)
		if owner == nil || owner.Kind != "Job" || pod.Labels[v1alpha1.LabelRun] == run {
			continue
		}
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
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

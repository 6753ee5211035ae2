package controllers

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Why no pod works stands in events and in Kueue's Workload. They are read live, and only while a run waits: a cache of all
// events of a cluster would cost more than the operator.

const (
	// noteAge is how old an event may be to explain the present: kubelet and Job controller repeat theirs sooner.
	noteAge = 15 * time.Minute
	// maxNotes bounds the events read about one object.
	maxNotes = 100
)

var workloadKind = schema.GroupKind{Group: "kueue.x-k8s.io", Kind: "Workload"}

// labelJobUID is Kueue's label on the Workload of a Job.
const labelJobUID = "kueue.x-k8s.io/job-uid"

func (r *Reconciler) readNotes(ctx context.Context, job *batchv1.Job, o *observation) error {
	if suspended(job) {
		return r.readWorkload(ctx, job, o)
	}
	about := map[types.UID]bool{}
	for _, pod := range o.podsOf(job) {
		if pod.Status.Phase == corev1.PodPending && pod.Spec.NodeName != "" {
			about[pod.UID] = true
		}
	}
	if len(about) == 0 {
		about[job.UID] = true
	}
	for uid := range about {
		if err := r.readEvents(ctx, job.Namespace, uid, o); err != nil {
			return err
		}
		if len(o.notes) > 0 {
			return nil // one pod that can't start is enough to tell
		}
	}
	return nil
}

func (r *Reconciler) readEvents(ctx context.Context, namespace string, about types.UID, o *observation) error {
	events := &corev1.EventList{}
	err := r.APIReader.List(ctx, events, client.InNamespace(namespace), client.Limit(maxNotes), client.MatchingFieldsSelector{
		Selector: fields.SelectorFromSet(fields.Set{"involvedObject.uid": string(about), "type": corev1.EventTypeWarning}),
	})
	if err != nil {
		return fmt.Errorf("list events: %w", err)
	}
	for _, event := range events.Items {
		at := event.LastTimestamp.Time
		if at.IsZero() {
			at = event.EventTime.Time
		}
		if event.Series != nil && event.Series.LastObservedTime.After(at) {
			at = event.Series.LastObservedTime.Time
		}
		if o.now.Sub(at) <= noteAge {
			o.notes = append(o.notes, note{about: about, reason: event.Reason, message: event.Message, at: at})
		}
	}
	return nil
}

// readWorkload reads why Kueue holds a Job, where there is a Kueue.
func (r *Reconciler) readWorkload(ctx context.Context, job *batchv1.Job, o *observation) error {
	mapping, err := r.RESTMapper().RESTMapping(workloadKind)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up Kueue's Workload: %w", err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(mapping.GroupVersionKind)
	err = r.APIReader.List(ctx, list, client.InNamespace(job.Namespace), client.Limit(maxNotes), client.MatchingLabels{labelJobUID: string(job.UID)})
	if err != nil {
		return fmt.Errorf("list Kueue's Workloads: %w", err)
	}
	for _, workload := range list.Items {
		conditions, _, _ := unstructured.NestedSlice(workload.Object, "status", "conditions")
		for _, c := range conditions {
			condition, _ := c.(map[string]any)
			if condition["type"] != "QuotaReserved" || condition["status"] == string(corev1.ConditionTrue) {
				continue
			}
			reason, _ := condition["reason"].(string)
			message, _ := condition["message"].(string)
			o.notes = append(o.notes, note{about: job.UID, reason: reason, message: message, at: o.now})
		}
	}
	return nil
}

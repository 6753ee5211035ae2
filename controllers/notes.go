package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Why no pod works stands in events and in Kueue's Workload. They are read live, and only while a run waits: a cache of
// all events of a cluster would cost more than the operator.

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
	pending := false
	for _, pod := range o.podsOf(job) {
		if pod.Status.Phase != corev1.PodPending {
			continue
		}
		pending = true
		if pod.Spec.NodeName == "" {
			continue // its status says why
		}
		if err := r.readEvents(ctx, job.Namespace, pod.UID, o); err != nil || len(o.notes) > 0 {
			return err // one pod that can't start is enough to tell
		}
	}
	if pending {
		return nil
	}
	return r.readEvents(ctx, job.Namespace, job.UID, o)
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

// kueueAbsence is how long it is believed that there is no Kueue: to ask is to ask for all that the API server serves.
const kueueAbsence = time.Minute

// kueue finds Kueue.
type kueue struct {
	mu     sync.Mutex
	absent time.Time // since when it is not there
}

// find says where Kueue's Workloads are, or nil in a cluster without Kueue.
func (k *kueue) find(mapper meta.RESTMapper, now time.Time) (*meta.RESTMapping, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.absent) < kueueAbsence {
		return nil, nil
	}
	mapping, err := mapper.RESTMapping(workloadKind)
	if meta.IsNoMatchError(err) {
		k.absent = now
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up Kueue's Workload: %w", err)
	}
	return mapping, nil
}

// gone is told that Kueue is not where it was.
func (k *kueue) gone(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.absent = now
}

// queued says whether Kueue decides when what is in a queue runs.
func (r *Reconciler) queued(queue string) (bool, error) {
	if queue == "" {
		return false, nil
	}
	mapping, err := r.kueue.find(r.RESTMapper(), r.Clock.Now())
	return mapping != nil, err
}

// readWorkload reads why Kueue holds a Job, where there is a Kueue.
func (r *Reconciler) readWorkload(ctx context.Context, job *batchv1.Job, o *observation) error {
	mapping, err := r.kueue.find(r.RESTMapper(), o.now)
	if mapping == nil || err != nil {
		return err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(mapping.GroupVersionKind)
	err = r.APIReader.List(ctx, list, client.InNamespace(job.Namespace), client.Limit(maxNotes), client.MatchingLabels{labelJobUID: string(job.UID)})
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		r.kueue.gone(o.now)
		return nil
	}
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

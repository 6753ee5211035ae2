package controllers

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// The end of the runner's container is what counts, not that of its pod: what others put into pods may go on for ever.

// works says whether the pod's runner works now.
func works(pod *corev1.Pod) bool {
	if pod.Status.Phase != corev1.PodRunning || !pod.DeletionTimestamp.IsZero() || lost(pod) {
		return false
	}
	state := runnerState(pod)
	return state == nil || state.Terminated == nil && state.Waiting == nil
}

// starting says whether the pod's runner has not begun.
func starting(pod *corev1.Pod) bool {
	state := runnerState(pod)
	return pod.Status.Phase == corev1.PodPending || pod.Status.Phase == corev1.PodRunning && state != nil && state.Waiting != nil
}

// over says whether the pod's runner has ended.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || terminated(pod) != nil
}

// succeeded says whether the pod's runner has done all.
func succeeded(pod *corev1.Pod) bool {
	t := terminated(pod)
	return pod.Status.Phase == corev1.PodSucceeded || t != nil && t.ExitCode == 0
}

// failed says whether the pod's runner ended otherwise, or the pod did without it.
func failed(pod *corev1.Pod) bool { return over(pod) && !succeeded(pod) }

// lost says whether the pod works on a node that does not answer. The node's controller takes the pod's readiness away
// then, and leaves that of its containers, which only the kubelet knows.
func lost(pod *corev1.Pod) bool {
	if pod.Status.Phase != corev1.PodRunning || len(pod.Spec.ReadinessGates) > 0 || over(pod) {
		return false
	}
	ready, containers := podCondition(pod, corev1.PodReady), podCondition(pod, corev1.ContainersReady)
	return ready != nil && ready.Status == corev1.ConditionFalse && containers != nil && containers.Status == corev1.ConditionTrue
}

// overdue is how long after its grace period a pod that is being stopped is taken for lost.
const overdue = time.Minute

// givenUp says whether the cluster has given up a pod that can't be stopped, since its node does not answer. What it
// leaves may come at any time or never.
func (o *observation) givenUp(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp.IsZero() || over(pod) {
		return false
	}
	return lost(pod) || o.now.Sub(pod.DeletionTimestamp.Time) > overdue
}

// abandoned is a pod of the Job that the cluster has given up, where no other pod of it is left, or nil.
func (o *observation) abandoned(job *batchv1.Job) *corev1.Pod {
	var last *corev1.Pod
	pods := o.podsOf(job)
	for i := range pods {
		switch {
		case o.givenUp(&pods[i]):
			last = &pods[i]
		case !over(&pods[i]):
			return nil
		}
	}
	return last
}

// stranded is a pod of the Job whose runner has failed while something else in it goes on, so that the Job waits for
// it. Nil if there is none, or others still work.
func (o *observation) stranded(job *batchv1.Job) *corev1.Pod {
	var found *corev1.Pod
	pods := o.podsOf(job)
	for i := range pods {
		switch pod := &pods[i]; {
		case works(pod), starting(pod):
			return nil
		case pod.Status.Phase == corev1.PodRunning && failed(pod) && pod.DeletionTimestamp.IsZero():
			found = pod
		}
	}
	return found
}

// runnerState is the state of the runner's container, or nil while the kubelet has not said any.
func runnerState(pod *corev1.Pod) *corev1.ContainerState {
	for i, status := range pod.Status.ContainerStatuses {
		if status.Name == runnerContainer {
			return &pod.Status.ContainerStatuses[i].State
		}
	}
	return nil
}

// terminated is how the runner's container ended, or nil.
func terminated(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	if state := runnerState(pod); state != nil {
		return state.Terminated
	}
	return nil
}

// interrupted says whether the pod ended in a way that its Job's podFailurePolicy ignores.
func interrupted(pod *corev1.Pod) bool {
	if c := podCondition(pod, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return true
	}
	t := terminated(pod)
	return t != nil && (t.ExitCode == int32(v1alpha1.ExitInterrupted) || t.ExitCode == exitTerminated)
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i, c := range pod.Status.Conditions {
		if c.Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

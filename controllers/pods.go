package controllers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// invalidImageName is the only reason for a container's waiting that needs another spec. Nothing else heals it.
const invalidImageName = "InvalidImageName"

// stuckReasons maps a container's reason for waiting to the reason that a condition gives. These waits are more than a
// slow start. All but invalidImageName may heal: a registry comes back, a Secret is made, an image is pushed.
var stuckReasons = map[string]string{
	invalidImageName:             v1alpha1.ReasonImageUnavailable,
	"ErrImagePull":               v1alpha1.ReasonImageUnavailable,
	"ImagePullBackOff":           v1alpha1.ReasonImageUnavailable,
	"ErrImageNeverPull":          v1alpha1.ReasonImageUnavailable,
	"ImageInspectError":          v1alpha1.ReasonImageUnavailable,
	"RegistryUnavailable":        v1alpha1.ReasonImageUnavailable,
	"SignatureValidationFailed":  v1alpha1.ReasonImageUnavailable,
	"CreateContainerConfigError": v1alpha1.ReasonPodNotStartable,
	"CreateContainerError":       v1alpha1.ReasonPodNotStartable,
	"RunContainerError":          v1alpha1.ReasonPodNotStartable,
	"StartError":                 v1alpha1.ReasonPodNotStartable,
	"CrashLoopBackOff":           v1alpha1.ReasonPodNotStartable, // of a sidecar that starts before the runner
}

// stuckEvents are the reasons of a kubelet's events about volumes and the sandbox. A pod's status does not tell these.
var stuckEvents = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}

// note is what another object says about the Job or its pods: an event, or Kueue's Workload.
type note struct {
	about   types.UID
	reason  string
	message string
	at      time.Time
}

// waiting is why no pod of a Job works although the Job is not over.
type waiting struct {
	reason, message string
	// fatal says that waiting is useless.
	fatal bool
}

// stuck says whether the wait is for something that is wrong, and not just slow.
func (w waiting) stuck() bool {
	return w.reason == v1alpha1.ReasonImageUnavailable || w.reason == v1alpha1.ReasonPodNotStartable
}

// waitingFor says why no pod of an unfinished Job works.
func (o *observation) waitingFor(job *batchv1.Job) waiting {
	if suspended(job) {
		message := "the Job is suspended"
		if job.Labels[v1alpha1.LabelQueueName] != "" {
			message = "Kueue has not admitted the Job yet"
		}
		return waiting{reason: v1alpha1.ReasonWaitingForCapacity, message: message + o.said(job.UID, "")}
	}
	var pods []corev1.Pod
	for _, pod := range o.podsOf(job) {
		switch {
		case lost(&pod):
			return waiting{reason: v1alpha1.ReasonNodeLost, message: fmt.Sprintf(
				"the node of pod %s, %s, does not answer: the pod works on if it comes back, and the run goes on elsewhere as soon as the cluster gives the pod up",
				pod.Name, pod.Spec.NodeName)}
		case !pod.DeletionTimestamp.IsZero() && !over(&pod):
			return waiting{reason: v1alpha1.ReasonRetrying, message: fmt.Sprintf("pod %s is being stopped, and another follows when it has ended", pod.Name)}
		case starting(&pod):
			pods = append(pods, pod)
		}
	}
	if len(pods) == 0 {
		if refused := o.said(job.UID, "FailedCreate"); refused != "" {
			return waiting{reason: v1alpha1.ReasonWaitingForCapacity, message: "no pod can be created" + refused}
		}
		if message := o.retrying(job); message != "" {
			return waiting{reason: v1alpha1.ReasonRetrying, message: message}
		}
		return waiting{reason: v1alpha1.ReasonStarting, message: createdMessage(job.Name)}
	}
	var first waiting
	for i := range pods {
		w := o.waitingPod(&pods[i])
		if w.stuck() {
			return w
		}
		if i == 0 || first.reason == v1alpha1.ReasonStarting {
			first = w
		}
	}
	return first
}

func (o *observation) waitingPod(pod *corev1.Pod) waiting {
	switch c := podCondition(pod, corev1.PodScheduled); {
	case c == nil:
		return waiting{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("pod %s waits for the scheduler", pod.Name)}
	case c.Status != corev1.ConditionTrue:
		return waiting{
			reason:  v1alpha1.ReasonWaitingForCapacity,
			message: fmt.Sprintf("pod %s has no node: %s: %s", pod.Name, c.Reason, plain(c.Message)),
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if status.State.Waiting == nil {
			continue
		}
		if reason, ok := stuckReasons[status.State.Waiting.Reason]; ok {
			of := ""
			if status.Name != runnerContainer {
				of = fmt.Sprintf("container %s: ", status.Name)
			}
			return waiting{
				reason: reason, fatal: status.State.Waiting.Reason == invalidImageName,
				message: fmt.Sprintf("pod %s can't start: %s%s: %s", pod.Name, of, status.State.Waiting.Reason, plain(status.State.Waiting.Message)),
			}
		}
	}
	if c := podCondition(pod, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
		return waiting{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("pod %s has its volumes, and waits for its image", pod.Name)}
	}
	for _, reason := range stuckEvents {
		if said := o.said(pod.UID, reason); said != "" {
			return waiting{
				reason:  v1alpha1.ReasonPodNotStartable,
				message: fmt.Sprintf("pod %s can't start: %s%s", pod.Name, reason, said),
			}
		}
	}
	return waiting{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("pod %s has a node, and waits for its volumes and image", pod.Name)}
}

// said is the latest note about an object as the end of a sentence, ": …", or empty. Without a reason, any note counts.
func (o *observation) said(about types.UID, reason string) string {
	var latest *note
	for i, n := range o.notes {
		if n.about == about && (reason == "" || n.reason == reason) && (latest == nil || n.at.After(latest.at)) {
			latest = &o.notes[i]
		}
	}
	if latest == nil {
		return ""
	}
	return ": " + plain(latest.message)
}

// retrying says how the last pod failed, while the next one is not there yet. It is empty if no pod failed.
func (o *observation) retrying(job *batchv1.Job) string {
	failed := o.failures(job)
	switch last := o.lastFailed(job); {
	case last != nil && interrupted(last):
		return fmt.Sprintf("pod %s was interrupted, which costs no retry, and another follows", last.Name)
	case last != nil || job.Status.Failed > 0:
		return fmt.Sprintf("pod %d of at most %d failed and another follows: %s", max(failed, int(job.Status.Failed)), backoffLimit(job)+1, o.failure(job).Message)
	}
	return ""
}

// failing says, by the Job's pods, whether the Job is about to fail. The Job controller takes a moment to say so
// itself.
func (o *observation) failing(job *batchv1.Job) bool {
	for _, pod := range o.podsOf(job) {
		if t := terminated(&pod); failed(&pod) && t != nil && v1alpha1.ExitCode(t.ExitCode).Permanent() {
			return true
		}
	}
	return o.failures(job) > backoffLimit(job)
}

// failures is the number of failed pods that count against the backoff limit.
func (o *observation) failures(job *batchv1.Job) int {
	n := 0
	for _, pod := range o.podsOf(job) {
		if failed(&pod) && !interrupted(&pod) {
			n++
		}
	}
	return n
}

func backoffLimit(job *batchv1.Job) int {
	if job.Spec.BackoffLimit == nil {
		return 6 // the default of Kubernetes
	}
	return int(*job.Spec.BackoffLimit)
}

// shares says how many of a Job's pods have done their share, and which works longest. It is empty for a Job of one.
func (o *observation) shares(job *batchv1.Job) string {
	if completions(job) < 2 {
		return ""
	}
	done, slowest, since := map[string]bool{}, "", time.Time{}
	for _, pod := range o.podsOf(job) {
		index := pod.Labels[batchv1.JobCompletionIndexAnnotation]
		switch state := runnerState(&pod); {
		case succeeded(&pod):
			done[index] = true
		case works(&pod) && state != nil && state.Running != nil && (since.IsZero() || state.Running.StartedAt.Time.Before(since)):
			slowest, since = index, state.Running.StartedAt.Time
		}
	}
	out := fmt.Sprintf("; %d of %d pods are done", max(len(done), int(job.Status.Succeeded)), completions(job))
	if !since.IsZero() {
		out += fmt.Sprintf(", that of index %s works since %s", slowest, since.UTC().Format("15:04 UTC"))
	}
	return out
}

// lastFailed is the pod of the Job that failed last, or nil.
func (o *observation) lastFailed(job *batchv1.Job) *corev1.Pod {
	var last *corev1.Pod
	pods := o.podsOf(job)
	for i := range pods {
		t := terminated(&pods[i])
		if failed(&pods[i]) && t != nil && (last == nil || t.FinishedAt.After(terminated(last).FinishedAt.Time)) {
			last = &pods[i]
		}
	}
	return last
}

// failure is why the Job's last pod failed, in the pod's own words if it left any.
func (o *observation) failure(job *batchv1.Job) *v1alpha1.RunError {
	pod := o.lastFailed(job)
	if pod == nil {
		return o.unexplained(job)
	}
	state := terminated(pod)
	code := v1alpha1.ExitCode(state.ExitCode)
	said := podError(state.Message)
	switch {
	case state.Reason == "OOMKilled":
		limit := ""
		if memory := memoryLimit(pod); memory != "" {
			limit = " of " + memory
		}
		return &v1alpha1.RunError{Reason: v1alpha1.ReasonOutOfMemory, Message: fmt.Sprintf(
			"pod %s was killed because it needed more memory than its limit%s: raise runner.resources.limits.memory", pod.Name, limit)}
	case said != "" && code.Known():
		return &v1alpha1.RunError{Code: code, Reason: code.Reason(), Message: said}
	case code.Known():
		message := fmt.Sprintf("pod %s ended with exit code %d and left no message; its log may say more", pod.Name, code)
		if text := plain(state.Message); text != "" {
			message = fmt.Sprintf("pod %s ended with exit code %d; its log ends with: %s", pod.Name, code, text)
		}
		return &v1alpha1.RunError{Code: code, Reason: code.Reason(), Message: message}
	}
	message := fmt.Sprintf("pod %s ended with exit code %d (%s)", pod.Name, state.ExitCode, cmp.Or(state.Reason, "no reason"))
	if text := plain(state.Message); text != "" {
		message += ": " + text
		if strings.Contains(text, "exec format error") {
			message += ": the image is for another architecture than the node's: set runner.template.nodeSelector to nodes of kubernetes.io/arch that it fits"
		}
	}
	return &v1alpha1.RunError{Reason: v1alpha1.ReasonBackoffLimitExceeded, Message: message}
}

// unexplained is the failure of a Job whose pods don't tell how their runner ended. They were evicted, rejected by
// their nodes, or are gone, or another container failed.
func (o *observation) unexplained(job *batchv1.Job) *v1alpha1.RunError {
	for _, pod := range o.podsOf(job) {
		if name, state := foreignFailure(&pod); state != nil {
			return &v1alpha1.RunError{Reason: v1alpha1.ReasonBackoffLimitExceeded, Message: plain(fmt.Sprintf(
				"pod %s failed before the runner began: container %s ended with exit code %d (%s): %s", pod.Name, name, state.ExitCode, cmp.Or(state.Reason, "no reason"), state.Message))}
		}
		if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "" {
			return &v1alpha1.RunError{Reason: v1alpha1.ReasonBackoffLimitExceeded,
				Message: plain(fmt.Sprintf("pod %s failed: %s: %s", pod.Name, pod.Status.Reason, pod.Status.Message))}
		}
	}
	for _, c := range job.Status.Conditions {
		if c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue {
			return &v1alpha1.RunError{Reason: v1alpha1.ReasonBackoffLimitExceeded, Message: plain(fmt.Sprintf("Job %s failed: %s: %s", job.Name, c.Reason, c.Message))}
		}
	}
	return &v1alpha1.RunError{Reason: v1alpha1.ReasonBackoffLimitExceeded, Message: fmt.Sprintf("a pod of Job %s failed and left no trace", job.Name)}
}

// foreignFailure returns the name and the end of a container that somebody put into the pod and that failed. The end is
// nil if there is none.
func foreignFailure(pod *corev1.Pod) (string, *corev1.ContainerStateTerminated) {
	if pod.Status.Phase != corev1.PodFailed {
		return "", nil
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if state := status.State.Terminated; state != nil && state.ExitCode != 0 && status.Name != runnerContainer {
			return status.Name, state
		}
	}
	return "", nil
}

func memoryLimit(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == runnerContainer {
			return limit.String()
		}
	}
	return ""
}

// podError is the error in a termination message, or empty if it holds none.
func podError(message string) string {
	var said v1alpha1.TerminationMessage
	if err := json.Unmarshal([]byte(message), &said); err != nil || said.Error == nil {
		return ""
	}
	return plain(said.Error.Message)
}

// maxText bounds, in bytes, what a condition repeats of the words of others.
const maxText = 1024

// plain makes the words of others fit for a condition.
func plain(words string) string { return text.Cut(text.Line(words), maxText) }

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
)

// startupGrace is how long an error of a pod's configuration may last before the run fails: what is missing may be on its way.
const startupGrace = 5 * time.Minute

// stuckReasons are reasons of a container's waiting that only a person ends, and the reason that a condition gives.
var stuckReasons = map[string]string{
	"ErrImagePull":               v1alpha1.ReasonImageUnavailable,
	"ImagePullBackOff":           v1alpha1.ReasonImageUnavailable,
	"InvalidImageName":           v1alpha1.ReasonImageUnavailable,
	"ErrImageNeverPull":          v1alpha1.ReasonImageUnavailable,
	"ImageInspectError":          v1alpha1.ReasonImageUnavailable,
	"RegistryUnavailable":        v1alpha1.ReasonImageUnavailable,
	"SignatureValidationFailed":  v1alpha1.ReasonImageUnavailable,
	"CreateContainerConfigError": v1alpha1.ReasonPodNotStartable,
	"CreateContainerError":       v1alpha1.ReasonPodNotStartable,
	"RunContainerError":          v1alpha1.ReasonPodNotStartable,
	"StartError":                 v1alpha1.ReasonPodNotStartable,
}

// stuckEvents are the reasons of a kubelet's events about volumes, which a pod's status does not tell.
var stuckEvents = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}

// note is what another object says about the Job: an event, or Kueue's Workload.
type note struct {
	about   types.UID
	reason  string
	message string
	at      time.Time
}

// waiting is why no pod of a Job works, though it is not over.
type waiting struct {
	reason, message string
	// stuckWith is how the run fails if this lasts: only a person can mend it. Empty if it is only waiting.
	stuckWith string
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
	pods := o.podsOf(job)
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodPending })
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
		if w.stuckWith != "" {
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
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Waiting == nil {
			continue
		}
		if reason, ok := stuckReasons[status.State.Waiting.Reason]; ok {
			return waiting{
				reason: v1alpha1.ReasonStarting, stuckWith: reason,
				message: fmt.Sprintf("pod %s can't start: %s: %s", pod.Name, status.State.Waiting.Reason, plain(status.State.Waiting.Message)),
			}
		}
	}
	if c := podCondition(pod, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
		return waiting{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("pod %s has its volumes, and waits for its image", pod.Name)}
	}
	for _, reason := range stuckEvents {
		if said := o.said(pod.UID, reason); said != "" {
			return waiting{
				reason: v1alpha1.ReasonStarting, stuckWith: v1alpha1.ReasonPodNotStartable,
				message: fmt.Sprintf("pod %s can't start: %s%s", pod.Name, reason, said),
			}
		}
	}
	return waiting{reason: v1alpha1.ReasonStarting, message: fmt.Sprintf("pod %s has a node, and waits for its volumes and image", pod.Name)}
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i, c := range pod.Status.Conditions {
		if c.Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
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

// retrying says how the last pod ended, between two pods; it is empty if there was none.
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

// failing says whether the Job is about to fail, by what its pods say: it takes the Job controller a moment to say so itself.
func (o *observation) failing(job *batchv1.Job) bool {
	for _, pod := range o.podsOf(job) {
		if t := terminated(&pod); pod.Status.Phase == corev1.PodFailed && t != nil && v1alpha1.ExitCode(t.ExitCode).Permanent() {
			return true
		}
	}
	return o.failures(job) > backoffLimit(job)
}

// failures are the failed pods that count against the backoff limit.
func (o *observation) failures(job *batchv1.Job) int {
	n := 0
	for _, pod := range o.podsOf(job) {
		if pod.Status.Phase == corev1.PodFailed && !interrupted(&pod) {
			n++
		}
	}
	return n
}

// interrupted says whether the pod ended in a way that its Job's podFailurePolicy ignores.
func interrupted(pod *corev1.Pod) bool {
	if c := podCondition(pod, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return true
	}
	t := terminated(pod)
	return t != nil && (t.ExitCode == int32(v1alpha1.ExitInterrupted) || t.ExitCode == exitTerminated)
}

func backoffLimit(job *batchv1.Job) int {
	if job.Spec.BackoffLimit == nil {
		return 6 // Kubernetes' own
	}
	return int(*job.Spec.BackoffLimit)
}

// lastFailed is the pod of the Job that failed last, or nil.
func (o *observation) lastFailed(job *batchv1.Job) *corev1.Pod {
	var last *corev1.Pod
	pods := o.podsOf(job)
	for i := range pods {
		t := terminated(&pods[i])
		if pods[i].Status.Phase == corev1.PodFailed && t != nil && (last == nil || t.FinishedAt.After(terminated(last).FinishedAt.Time)) {
			last = &pods[i]
		}
	}
	return last
}

// failure is why the Job's last pod failed, in its own words if it left any.
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
		return &v1alpha1.RunError{Code: code, Reason: code.Reason(), Message: fmt.Sprintf(
			"pod %s ended with exit code %d and left no message; its log may say more", pod.Name, code)}
	}
	message := fmt.Sprintf("pod %s ended with exit code %d (%s)", pod.Name, state.ExitCode, cmp.Or(state.Reason, "no reason"))
	if text := plain(state.Message); text != "" {
		message += ": " + text
	}
	return &v1alpha1.RunError{Reason: v1alpha1.ReasonBackoffLimitExceeded, Message: message}
}

// unexplained is the failure of a Job none of whose pods tells how it ended: evicted, rejected by its node, or gone.
func (o *observation) unexplained(job *batchv1.Job) *v1alpha1.RunError {
	for _, pod := range o.podsOf(job) {
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

// terminated is how the runner's container ended, or nil.
func terminated(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == runnerContainer {
			return status.State.Terminated
		}
	}
	return nil
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

// maxText bounds what a condition repeats of others' words.
const maxText = 1024

// plain makes text of others fit for a condition: one line, valid UTF-8, bounded.
func plain(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))), " ")
	return bounded(text, maxText)
}

// bounded cuts text to at most limit bytes at a whole character, and marks the cut.
func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = "…"
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// The tests play the kubelet: they say of the Job controller's pods what a kubelet would say.

// pod waits for a pod that nobody has played with yet.
func (l *lab) pod() *corev1.Pod {
	l.Helper()
	var found *corev1.Pod
	l.eventually("a pending pod", func() error {
		pods := &corev1.PodList{}
		if err := l.admin.List(l.ctx, pods, client.InNamespace(l.namespace)); err != nil {
			return err
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			if pod.Status.Phase == corev1.PodPending && len(pod.Status.Conditions) == 0 && pod.DeletionTimestamp == nil {
				found = pod
				return nil
			}
		}
		var seen []string
		for _, pod := range pods.Items {
			seen = append(seen, pod.Name+" "+string(pod.Status.Phase))
		}
		return fmt.Errorf("there are only %q", seen)
	})
	return found
}

func (l *lab) setStatus(pod *corev1.Pod, change func(*corev1.PodStatus)) {
	l.Helper()
	before := pod.DeepCopy()
	change(&pod.Status)
	l.must(l.admin.Status().Patch(l.ctx, pod, client.MergeFrom(before)))
}

// scheduled puts the pod on a node, at a time of the lab's clock.
func (l *lab) scheduled(pod *corev1.Pod) {
	l.Helper()
	if pod.Spec.NodeName == "" {
		l.must(l.admin.SubResource("binding").Create(l.ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}))
		l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(pod), pod))
	}
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(l.clock.Now())}}
	})
}

func (l *lab) unschedulable(pod *corev1.Pod, message string) {
	l.Helper()
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
			LastTransitionTime: metav1.NewTime(l.clock.Now()),
		}}
	})
}

// containerWaits says why the runner's container does not start.
func (l *lab) containerWaits(pod *corev1.Pod, reason, message string) {
	l.Helper()
	l.scheduled(pod)
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.ContainerStatuses = []corev1.ContainerStatus{{
			Name: runnerContainer, Image: "image", ImageID: "", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}
	})
}

func (l *lab) runs(pod *corev1.Pod) {
	l.Helper()
	l.scheduled(pod)
	now := metav1.NewTime(l.clock.Now())
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.Phase, s.StartTime = corev1.PodRunning, &now
		s.ContainerStatuses = []corev1.ContainerStatus{{Name: runnerContainer, Image: "image", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}}}
	})
}

// exits ends the pod.
func (l *lab) exits(pod *corev1.Pod, code v1alpha1.ExitCode, reason, message string) {
	l.Helper()
	if pod.Status.Phase == corev1.PodPending {
		l.runs(pod)
	}
	now := metav1.Now() // the Job controller, which has no other clock, waits from here before it tries again
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.Phase = corev1.PodFailed
		if code == v1alpha1.ExitOK {
			s.Phase = corev1.PodSucceeded
		}
		s.ContainerStatuses = []corev1.ContainerStatus{{Name: runnerContainer, Image: "image", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: int32(code), Reason: reason, Message: message, StartedAt: *s.StartTime, FinishedAt: now,
		}}}}
	})
}

// dies ends the pod as the runner does with that code: with a termination message.
func (l *lab) dies(pod *corev1.Pod, code v1alpha1.ExitCode, message string) {
	l.Helper()
	data, err := v1alpha1.TerminationMessage{Error: &v1alpha1.RunError{Code: code, Reason: code.Reason(), Message: message}}.Marshal()
	l.must(err)
	l.exits(pod, code, "Error", string(data))
}

// succeeds publishes the summary and ends the pod, as the runner does.
func (l *lab) succeeds(pod *corev1.Pod, change ...func(*v1alpha1.AuditSummary)) {
	l.Helper()
	text := summaryText(runOfPod(pod), inputOfPod(pod), change...)
	l.publish(pod, v1alpha1.FileSummary, text)
	l.exits(pod, v1alpha1.ExitOK, "Completed", reporting(text))
}

// publish writes a key of the run's result ConfigMap.
func (l *lab) publish(pod *corev1.Pod, key, text string) {
	l.Helper()
	patch, err := json.Marshal(map[string]any{"data": map[string]string{key: text}})
	l.must(err)
	l.must(l.admin.Patch(l.ctx, l.resultOf(pod), client.RawPatch("application/merge-patch+json", patch)))
}

// records says in the run's AuditRecord that a summary is stored, as the runner does.
func (l *lab) records(pod *corev1.Pod, text string) {
	l.Helper()
	record := &v1alpha1.AuditRecord{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: argument(pod, "--record")}}
	l.must(l.admin.Patch(l.ctx, record, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"result":%s}`, reporting(text)))))
}

func (l *lab) resultOf(pod *corev1.Pod) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: argument(pod, "--result-configmap")}}
}

// reporting is the termination message that vouches for a summary.
func reporting(text string) string {
	sum := sha256.Sum256([]byte(text))
	data, err := v1alpha1.TerminationMessage{SummarySHA256: hex.EncodeToString(sum[:])}.Marshal()
	if err != nil {
		panic(err)
	}
	return string(data)
}

// argument is the value of a flag on the pod's command line.
func argument(pod *corev1.Pod, flag string) string {
	for _, arg := range pod.Spec.Containers[0].Args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
	}
	return ""
}

func runOfPod(pod *corev1.Pod) string { return argument(pod, "--run") }

func inputOfPod(pod *corev1.Pod) string { return argument(pod, "--input-sha256") }

// summaryText is a summary as the runner writes it.
func summaryText(run, input string, change ...func(*v1alpha1.AuditSummary)) string {
	summary := &v1alpha1.AuditSummary{
		SchemaVersion: v1alpha1.SummarySchemaVersion,
		Run:           v1alpha1.SummaryRun{ID: run, InputSHA256: input},
		Dataset:       v1alpha1.SummaryDataset{Samples: 1000, Digest: "sha256:00"},
		Layers: []v1alpha1.LayerSummary{{
			Layer: "conv_pw_13", Dimensions: 1024, Components: 40,
			Threshold: v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdSlope, Distance: "0.16"},
			Samples:   1000, Clusters: 37, DuplicateSamples: 111, RedundantSamples: 74, EffectiveSize: 926, WeightedEffectiveSize: "940.5",
			Leakage:           &v1alpha1.LeakageSummary{Samples: 3, Clusters: 2},
			DistanceQuantiles: []v1alpha1.Decimal{"0", "0.5"},
		}},
	}
	for _, f := range change {
		f(summary)
	}
	data, err := json.Marshal(summary)
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

// progressText is progress.json.
func progressText(stage v1alpha1.Stage, done, total int64) string {
	now := metav1.NewTime(time.Now())
	data, err := json.Marshal(v1alpha1.Progress{Stage: stage, Done: done, Total: total, EstimatedSeconds: 90, StartedAt: now, UpdatedAt: now})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// play runs every pod of the namespace to its success, until the context ends: a cluster that works.
func (l *lab) play(ctx context.Context) {
	for ctx.Err() == nil {
		pods := &corev1.PodList{}
		if err := l.admin.List(ctx, pods, client.InNamespace(l.namespace)); err != nil {
			return
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			if pod.Status.Phase == corev1.PodPending && pod.DeletionTimestamp == nil {
				l.playOne(ctx, pod)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (l *lab) playOne(ctx context.Context, pod *corev1.Pod) {
	text := summaryText(runOfPod(pod), inputOfPod(pod))
	patch, _ := json.Marshal(map[string]any{"data": map[string]string{v1alpha1.FileSummary: text}})
	if argument(pod, "--stage") == "" {
		if err := l.admin.Patch(ctx, l.resultOf(pod), client.RawPatch("application/merge-patch+json", patch)); err != nil {
			return // its ConfigMap may be gone with its run
		}
	}
	before, now := pod.DeepCopy(), metav1.NewTime(l.clock.Now())
	pod.Status.Phase, pod.Status.StartTime = corev1.PodSucceeded, &now
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: runnerContainer, Image: "image", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: "Completed", Message: reporting(text), StartedAt: now, FinishedAt: now,
	}}}}
	_ = l.admin.Status().Patch(ctx, pod, client.MergeFrom(before)) // or it was deleted meanwhile
}

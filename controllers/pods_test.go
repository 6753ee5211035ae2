package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What a run's error says of each way in which a pod's process can end.
func TestFailure(t *testing.T) {
	for name, c := range map[string]struct {
		code                int32
		how, said           string
		reason, text        string
		permanent, costless bool
	}{
		"shell":            {1, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 1 (Error)", false, false},
		"Go panic":         {2, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 2 (Error)", false, false},
		"container engine": {125, "ContainerCannotRun", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 125 (ContainerCannotRun)", false, false},
		"not executable":   {126, "StartError", "exec format error", v1alpha1.ReasonBackoffLimitExceeded, "exit code 126 (StartError): exec format error", false, false},
		"no program":       {127, "StartError", "no such file", v1alpha1.ReasonBackoffLimitExceeded, "exit code 127 (StartError): no such file", false, false},
		"abort":            {134, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 134", false, false},
		"killed":           {137, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 137 (Error)", false, false},
		"out of memory":    {137, "OOMKilled", "", v1alpha1.ReasonOutOfMemory, "limit of 2Gi", false, false},
		"segmentation":     {139, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 139", false, false},
		"terminated":       {143, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 143", false, true},
		"checkpoint":       {75, "Error", `{"error":{"code":75,"reason":"Interrupted","message":"stopped"}}`, v1alpha1.ReasonInterrupted, "stopped", false, true},
		"in its own words": {66, "Error", `{"error":{"code":66,"reason":"Anything","message":"no layer"}}`, v1alpha1.ReasonInvalidModel, "no layer", true, false},
		"no words":         {66, "Error", "", v1alpha1.ReasonInvalidModel, "left no message", true, false},
		"words of others":  {1, "Error", "Traceback\n  File \x1b[31m", v1alpha1.ReasonBackoffLimitExceeded, "Traceback File [31m", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := running()
			s.o.pods[0].Spec.Containers = []corev1.Container{{Name: runnerContainer, Resources: corev1.ResourceRequirements{
				Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			}}}
			s.o.pods[0].Status = corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
				Name: runnerContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: c.code, Reason: c.how, Message: c.said}},
			}}}
			job := &s.o.jobs[0]
			if got := s.o.failure(job); got.Reason != c.reason || !strings.Contains(got.Message, c.text) {
				t.Errorf("error is %+v, want %s: %s", got, c.reason, c.text)
			}
			if got := s.o.failing(job); got != c.permanent {
				t.Errorf("the Job is given up: %t", got)
			}
			if got := s.o.failures(job) == 0; got != c.costless {
				t.Errorf("it costs no retry: %t", got)
			}
		})
	}
}

// Pods that succeeded don't work for those that wait.
func TestWorking(t *testing.T) {
	for name, c := range map[string]struct {
		completions *int32
		suspended   bool
		pods        []corev1.PodPhase
		want        bool
	}{
		"none":                              {nil, false, nil, false},
		"pending":                           {nil, false, []corev1.PodPhase{corev1.PodPending}, false},
		"one of two runs":                   {new(int32(2)), false, []corev1.PodPhase{corev1.PodPending, corev1.PodRunning}, true},
		"succeeded, the Job does not know":  {nil, false, []corev1.PodPhase{corev1.PodSucceeded}, true},
		"one of two succeeded, one waits":   {new(int32(2)), false, []corev1.PodPhase{corev1.PodSucceeded, corev1.PodPending}, false},
		"one of two succeeded, one retries": {new(int32(2)), false, []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed}, false},
		"preempted":                         {nil, true, []corev1.PodPhase{corev1.PodSucceeded}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := running()
			job, pod := &s.o.jobs[0], s.o.pods[0]
			job.Spec.Completions, job.Spec.Suspend = c.completions, &c.suspended
			s.o.pods = nil
			for _, phase := range c.pods {
				pod.Status.Phase = phase
				s.o.pods = append(s.o.pods, pod)
			}
			if got := s.o.working(job); got != c.want {
				t.Errorf("works: %t", got)
			}
		})
	}
}

// TestPlain makes any text fit for a condition.
func TestPlain(t *testing.T) {
	for given, want := range map[string]string{
		"a\nb\x00 \x1b[1mc": "a b [1mc", "\xff": "\uFFFD", strings.Repeat("ä", 600): strings.Repeat("ä", 510) + "…",
	} {
		if got := plain(given); got != want {
			t.Errorf("plain(%q) is %q, want %q", given, got, want)
		}
	}
}

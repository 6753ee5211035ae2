package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func FuzzTerminationMessage(f *testing.F) {
	f.Add(reporting("x"), progressText(v1alpha1.StageEmbed, 1, 2))
	f.Add("", "{}")
	f.Fuzz(func(t *testing.T, message, progress string) {
		pod := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{{
			Name: runnerContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message}},
		}}}}
		if said := lastWords([]corev1.Pod{pod}); said != nil && said.SummarySHA256 == "" {
			t.Error("a message without a digest counts")
		}
		if text := podError(message); len(text) > maxText {
			t.Errorf("an error of %d bytes", len(text))
		}
		if p := parseProgress(progress, planTime); p != nil && (p.Done < 0 || p.Total < 0 || !p.Stage.Known() || len(p.Message) > 256) {
			t.Errorf("progress %+v", p)
		}
	})
}

package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestImage(t *testing.T) {
	gpu := v1alpha1.RunnerResources{Limits: corev1.ResourceList{resourceGPU: {}}}
	for name, c := range map[string]struct {
		spec v1alpha1.RunnerSpec
		want string
	}{
		"auto":               {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderAuto}, "cpu"},
		"auto with a GPU":    {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderAuto, Resources: gpu}, "cuda"},
		"CUDA":               {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCUDA}, "cuda"},
		"CPU beside a GPU":   {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCPU, Resources: gpu}, "cpu"},
		"the audit's choice": {v1alpha1.RunnerSpec{Image: "mine", ExecutionProvider: v1alpha1.ProviderCUDA}, "mine"},
	} {
		if got := planOptions.image(&c.spec); got != c.want {
			t.Errorf("%s: image is %s, want %s", name, got, c.want)
		}
	}
}

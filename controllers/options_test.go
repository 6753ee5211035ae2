package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestImage(t *testing.T) {
	options := &Options{RunnerImage: "cpu", RunnerCUDAImage: "cuda", RunnerAMDImage: "amd"}
	of := func(name corev1.ResourceName) v1alpha1.RunnerResources {
		return v1alpha1.RunnerResources{Limits: corev1.ResourceList{name: resource.MustParse("1")}}
	}
	gpu := of("nvidia.com/gpu")
	for name, c := range map[string]struct {
		spec v1alpha1.RunnerSpec
		want string
	}{
		"auto":                 {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderAuto}, "cpu"},
		"auto with a GPU":      {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderAuto, Resources: gpu}, "cuda"},
		"CUDA":                 {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCUDA}, "cuda"},
		"CPU beside a GPU":     {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCPU, Resources: gpu}, "cpu"},
		"the audit's choice":   {v1alpha1.RunnerSpec{Image: "mine", ExecutionProvider: v1alpha1.ProviderCUDA}, "mine"},
		"a part of a GPU":      {v1alpha1.RunnerSpec{Resources: of("nvidia.com/mig-1g.5gb")}, "cuda"},
		"a share of its time":  {v1alpha1.RunnerSpec{Resources: of("nvidia.com/gpu.shared")}, "cuda"},
		"AMD":                  {v1alpha1.RunnerSpec{Resources: of("amd.com/gpu")}, "amd"},
		"Intel without image":  {v1alpha1.RunnerSpec{Resources: of("gpu.intel.com/i915")}, ""},
		"WebGPU on Intel":      {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderWebGPU, Resources: of("gpu.intel.com/i915")}, "cpu"},
		"no GPU at all":        {v1alpha1.RunnerSpec{Resources: v1alpha1.RunnerResources{Limits: corev1.ResourceList{"nvidia.com/gpu": {}}}}, "cpu"},
		"a claim for a device": {v1alpha1.RunnerSpec{Resources: v1alpha1.RunnerResources{Claims: []corev1.ResourceClaim{{Name: "gpu"}}}}, "cuda"},
		"what follows a stage on a GPU": {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCUDA, Stages: []v1alpha1.RunnerStage{{
			Name: v1alpha1.StageEmbed, Resources: gpu,
		}}}, "cpu"},
	} {
		if got := options.image(&c.spec, stepAudit); got != c.want {
			t.Errorf("%s: image is %s, want %s", name, got, c.want)
		}
	}
	apart := v1alpha1.RunnerSpec{Stages: []v1alpha1.RunnerStage{{Name: v1alpha1.StageEmbed, Resources: of("nvidia.com/mig-2g.10gb")}}}
	if got := options.image(&apart, stepEmbed); got != "cuda" {
		t.Errorf("a stage on a GPU has image %s", got)
	}
}

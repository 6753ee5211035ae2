package controllers

import (
	"cmp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Options are what whoever installs the operator decides for all audits.
type Options struct {
	// RunnerImage is the image of the runner for the CPU, best by digest.
	RunnerImage string
	// RunnerCUDAImage is the image of the runner for NVIDIA GPUs.
	RunnerCUDAImage string
	// RunnerEnv is the environment of every runner: the proxy variables.
	RunnerEnv []corev1.EnvVar
	// CABundle names a ConfigMap in the audits' namespaces whose key ca.crt the runners trust too. Where it is absent,
	// nothing is added. Empty: none.
	CABundle string
	// RunnerAMDImage and RunnerIntelImage are the images of the runner for the GPUs of these vendors. The project
	// builds none; empty: audits that ask for such a GPU name an image themselves.
	RunnerAMDImage, RunnerIntelImage string
	// RunnerArch is the architecture of nodes that the images are for, as kubernetes.io/arch has it. Empty: any. An
	// audit's own node selector wins.
	RunnerArch string
	// Identity says who chooses user and groups of pods whose audit doesn't say. Empty: IdentityOperator.
	Identity v1alpha1.PodIdentity
	// MaxActiveRuns bounds the runs at once, those of audits in a Kueue queue and those that only wait not counted. 0:
	// no bound.
	MaxActiveRuns int
	// MaxActiveRunsPerNamespace bounds the live runs of a namespace, those in a Kueue queue not counted. 0: no bound.
	MaxActiveRunsPerNamespace int
}

// image is the runner's image for a step: the spec's own, else that for the device which the provider or the resources
// ask for. What runs after a step that embeds runs no model, whatever the provider is.
func (o *Options) image(spec *v1alpha1.RunnerSpec, s step) string {
	resources := stepResources(spec, s)
	switch {
	case spec.Image != "":
		return spec.Image
	case s != stepEmbed && len(spec.Stages) > 0:
		return cmp.Or(o.RunnerImage, o.RunnerCUDAImage)
	case spec.ExecutionProvider == v1alpha1.ProviderCUDA, spec.ExecutionProvider == v1alpha1.ProviderTensorRT:
		return o.RunnerCUDAImage
	case spec.ExecutionProvider == v1alpha1.ProviderCPU, spec.ExecutionProvider == v1alpha1.ProviderWebGPU:
		return o.RunnerImage
	}
	// Auto takes what is asked for.
	switch {
	case asksFor(resources, "nvidia.com/"), len(resources.Claims) > 0:
		return o.RunnerCUDAImage
	case asksFor(resources, "amd.com/"):
		return o.RunnerAMDImage
	case asksFor(resources, "gpu.intel.com/"):
		return o.RunnerIntelImage
	}
	return o.RunnerImage
}

// asksFor says whether resources of a vendor are asked for, under whichever name: whole GPUs, MIG's parts, shares of
// time.
func asksFor(resources *v1alpha1.RunnerResources, vendor string) bool {
	for name, quantity := range resources.Limits {
		if strings.HasPrefix(string(name), vendor) && !quantity.IsZero() {
			return true
		}
	}
	return false
}

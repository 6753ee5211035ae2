package controllers

import (
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
	// CABundle names a ConfigMap in the audits' namespaces whose key ca.crt the runners trust too. Where it is absent, nothing is
	// added. Empty: none.
	CABundle string
	// MaxActiveRuns bounds the runs at once, those of audits in a Kueue queue not counted. 0: no bound.
	MaxActiveRuns int
	// MaxActiveRunsPerNamespace bounds the runs at once of a namespace, as MaxActiveRuns does.
	MaxActiveRunsPerNamespace int
}

// resourceGPU is how nodes advertise NVIDIA's GPUs.
const resourceGPU corev1.ResourceName = "nvidia.com/gpu"

// image is the runner's image for a spec: its own, else that for the GPU when one is asked for.
func (o *Options) image(spec *v1alpha1.RunnerSpec) string {
	if spec.Image != "" {
		return spec.Image
	}
	_, gpu := spec.Resources.Limits[resourceGPU]
	switch spec.ExecutionProvider {
	case v1alpha1.ProviderCUDA, v1alpha1.ProviderTensorRT:
		gpu = true
	case v1alpha1.ProviderCPU, v1alpha1.ProviderWebGPU:
		gpu = false
	}
	if gpu {
		return o.RunnerCUDAImage
	}
	return o.RunnerImage
}

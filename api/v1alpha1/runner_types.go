package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExecutionProvider is where ONNX Runtime computes.
//
// +kubebuilder:validation:Enum=Auto;CPU;CUDA;TensorRT;WebGPU
type ExecutionProvider string

const (
	// ProviderAuto takes CUDA where it is, else the CPU, and says which it took.
	ProviderAuto ExecutionProvider = "Auto"
	// ProviderCPU computes on the processor.
	ProviderCPU ExecutionProvider = "CPU"
	// ProviderCUDA computes on an NVIDIA GPU.
	ProviderCUDA ExecutionProvider = "CUDA"
	// ProviderTensorRT computes on an NVIDIA GPU by TensorRT.
	ProviderTensorRT ExecutionProvider = "TensorRT"
	// ProviderWebGPU computes on any GPU that WebGPU reaches, over Vulkan on Linux.
	ProviderWebGPU ExecutionProvider = "WebGPU"
)

// DefaultTopClusters is the default of output.topClusters.
const DefaultTopClusters = 10

// OutputSpec says what is reported, and where.
type OutputSpec struct {
	// topClusters is the number of clusters listed in status for each layer, tightest first. Default: 10.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=50
	TopClusters *int32 `json:"topClusters,omitempty"`

	// embeddings also writes the vectors, before reduction, as embeddings.npy, or embeddings-1.npy and so on for
	// several layers. Needs objectStorage in a cluster. Default: false.
	// +optional
	// +kubebuilder:default=false
	Embeddings bool `json:"embeddings,omitempty"`

	// baseline also writes baseline.safetensors, by which later audits compare their samples with those of this one:
	// its embeddings and what was fitted on them. Needs objectStorage in a cluster. Default: false.
	// +optional
	// +kubebuilder:default=false
	Baseline bool `json:"baseline,omitempty"`

	// objectStorage receives the full results and the report, under url/namespace/audit/run. Absent: only the summary
	// and the tightest clusters are kept, in ConfigMaps.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`
}

// RunnerSpec says how the pods run. It changes no finding but by the last digits that an image or a provider computes
// otherwise.
type RunnerSpec struct {
	// image of the runner. Absent: the one the operator was installed with, which fits its version.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`

	// parallelism is the number of pods that embed and then search neighbors at once, each its shard. Above 1 it needs a
	// place that all of them can write: workspace.persistentVolumeClaim with a ReadWriteMany claim, or object storage in
	// workspace or output. Default: 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Parallelism *int32 `json:"parallelism,omitempty"`

	// executionProvider is where the model computes: Auto, CPU, CUDA, TensorRT or WebGPU. All but Auto fail when it
	// isn't there. Default: Auto.
	// +optional
	// +kubebuilder:default=Auto
	ExecutionProvider ExecutionProvider `json:"executionProvider,omitempty"`

	// resources of each pod. A GPU is asked for here, for example limits nvidia.com/gpu: 1. What is asked for chooses
	// the image too, where image is absent and executionProvider Auto: any resource of nvidia.com, such as
	// nvidia.com/mig-1g.5gb, that for NVIDIA's GPUs; resources of amd.com and gpu.intel.com those of their vendors.
	// +optional
	// +kubebuilder:default={}
	Resources RunnerResources `json:"resources,omitempty,omitzero"`

	// stages run in Jobs of their own, with resources of their own, so that only what needs a GPU holds one. What is
	// not listed runs after them in one pod, with resources. Needs a workspace. Absent: one Job does all, unless
	// parallelism is above 1.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1
	Stages []RunnerStage `json:"stages,omitempty"`

	// template sets a closed list of things on the pods: containers, volumes, environment and host access are not among
	// them.
	// +optional
	// +kubebuilder:default={}
	Template PodTemplate `json:"template,omitempty,omitzero"`

	// backoffLimit is the number of retries before a run fails. Eviction, preemption and a checkpoint on SIGTERM cost
	// none; an audit that can't work is not retried. Default: 3.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`

	// startDeadline is how long a pod may wait for its start: for a node, a quota, an image or a volume that may still
	// come. Time in suspension doesn't count. Between 1m and 168h. Default: 30m.
	// +optional
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]+(\\.[0-9]+)?(s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')`,message="startDeadline must be a duration from 1m to 168h, such as 30m"
	StartDeadline *metav1.Duration `json:"startDeadline,omitempty"`

	// deadline is how long a run's pods may work, one after another, between 1m and 720h. Default: 6h.
	// +optional
	// +kubebuilder:default="6h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]+(\\.[0-9]+)?(s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('720h')`,message="deadline must be a duration from 1m to 720h, such as 6h30m"
	Deadline *metav1.Duration `json:"deadline,omitempty"`
}

// RunnerStage is a stage of a run in Jobs of its own.
//
// +kubebuilder:validation:XValidation:rule="self.name == 'Embed'",message="name must be Embed: no other stage has Jobs of its own"
type RunnerStage struct {
	// name of the stage: Embed, which runs the model.
	// +required
	Name Stage `json:"name"`

	// resources of its pods, instead of runner.resources.
	// +required
	Resources RunnerResources `json:"resources"` //nolint:kubeapilinter // may be empty on purpose: no more than the namespace's defaults
}

// RunnerResources are the resources of a pod.
//
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || self.limits.all(k, quantity(string(self.limits[k])).compareTo(quantity('0')) >= 0)",message="limits must not be negative"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || self.requests.all(k, quantity(string(self.requests[k])).compareTo(quantity('0')) >= 0)",message="requests must not be negative"
// +kubebuilder:validation:XValidation:rule="!has(self.limits) || !has(self.requests) || !self.requests.exists(k, k in self.limits && quantity(string(self.requests[k])).isGreaterThan(quantity(string(self.limits[k]))))",message="requests must not be above limits"
type RunnerResources struct {
	// limits are the most that a pod may use.
	// +optional
	// +kubebuilder:validation:MaxProperties=7
	Limits corev1.ResourceList `json:"limits,omitempty"`

	// requests are what a pod is scheduled by. Absent: the limits.
	// +optional
	// +kubebuilder:validation:MaxProperties=7
	Requests corev1.ResourceList `json:"requests,omitempty"`

	// claims name entries of template.resourceClaims that the runner uses, as for GPUs by Dynamic Resource Allocation.
	// They choose the image for NVIDIA's GPUs, unless executionProvider says otherwise.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Claims []corev1.ResourceClaim `json:"claims,omitempty"`
}

// PodIdentity says who chooses user and groups of a pod.
//
// +kubebuilder:validation:Enum=Operator;Platform
type PodIdentity string

const (
	// IdentityOperator takes the image's user and a fixed group for volumes.
	IdentityOperator PodIdentity = "Operator"
	// IdentityPlatform leaves both to the platform.
	IdentityPlatform PodIdentity = "Platform"
)

// PodTemplate is what an audit may set on its pods.
type PodTemplate struct {
	// labels of the pods, and of all else that a run makes: Jobs, ConfigMaps, accounts, roles and claims. Those of
	// datasetaudit.io and Kubernetes' own for Jobs are the operator's.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('datasetaudit.io/') && !k.startsWith('batch.kubernetes.io/'))",message="labels of datasetaudit.io/ and batch.kubernetes.io/ are the operator's and Kubernetes' own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63)",message="a label's key has at most 317 characters, its value at most 63"
	Labels map[string]string `json:"labels,omitempty"`

	// annotations of the pods, and of all else that a run makes.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 4096)",message="an annotation's key has at most 317 characters, its value at most 4096"
	Annotations map[string]string `json:"annotations,omitempty"`

	// nodeSelector restricts the nodes by their labels.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63)",message="a label's key has at most 317 characters, its value at most 63"
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations for tainted nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity of the pods.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints spread the pods over zones or nodes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// runtimeClassName names the RuntimeClass, nvidia on many GPU nodes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// priorityClassName names the PriorityClass.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// imagePullSecrets name the Secrets by which images are pulled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []SecretReference `json:"imagePullSecrets,omitempty"`

	// serviceAccountName names the ServiceAccount of the pods, for cloud identities. It is then granted the writing of
	// the run's two ConfigMaps, and the runner holds its token. Absent: one that belongs to the audit.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// resourceClaims are the claims of the pods for devices, by Dynamic Resource Allocation. A pod has those that its
	// resources.claims name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	ResourceClaims []corev1.PodResourceClaim `json:"resourceClaims,omitempty"`

	// identity says who chooses user and groups of the pods' processes where runAsUser, runAsGroup and fsGroup don't.
	// Operator: the image's user, and fsGroup 65532. Platform: nothing is set, as OpenShift wants it, which chooses
	// from the namespace's range. Absent: what the operator was installed with, Operator unless it was told otherwise.
	// +optional
	Identity PodIdentity `json:"identity,omitempty"`

	// runAsUser is the user of the pods' process, never root. Absent: the image's, 65532.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	RunAsUser *int64 `json:"runAsUser,omitempty"`

	// runAsGroup is the group of the pods' process, never root. Absent: the image's, 65532.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	RunAsGroup *int64 `json:"runAsGroup,omitempty"`

	// fsGroup is the group that owns writable volumes. Absent: 65532, or the platform's where identity leaves it to
	// that.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	FSGroup *int64 `json:"fsGroup,omitempty"`
}

// WorkspaceSpec keeps what was embedded, and hands it from pod to pod: in a claim of the user, in one that is made for the
// audit and goes with it, or in object storage.
//
// +kubebuilder:validation:ExactlyOneOf=persistentVolumeClaim;size;objectStorage
// +kubebuilder:validation:XValidation:rule="!has(self.storageClassName) || has(self.size)",message="storageClassName is only for a claim made for the audit: set size"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || !has(oldSelf.size) || (has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName))",message="storageClassName can't change: remove the workspace first, or use another audit"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || !has(oldSelf.size) || quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",message="size can't shrink: remove the workspace first, or use another audit"
type WorkspaceSpec struct {
	// persistentVolumeClaim is a folder of an existing claim, ReadWriteMany when runner.parallelism is above 1. Audits that
	// name the same folder share what they embedded.
	// +optional
	PersistentVolumeClaim *ClaimSource `json:"persistentVolumeClaim,omitempty"`

	// objectStorage keeps vectors below its url, by namespace. Audits of a namespace that name the same url share what they
	// embedded. Pods keep what they use of it in a scratch volume.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`

	// size of a claim that is made for the audit and deleted with it. It may grow, never shrink.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="size must be above 0"
	Size *resource.Quantity `json:"size,omitempty"`

	// storageClassName of the claim that is made for the audit. Absent: the cluster's default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	StorageClassName *string `json:"storageClassName,omitempty"`
}

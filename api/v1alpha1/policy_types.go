package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KindPolicy of what a platform asks of audits.
const KindPolicy = "DatasetAuditPolicy"

// DatasetAuditPolicy is what a platform asks of all audits in some namespaces, whoever writes them: rules that they are
// held against beside their own, and bounds on what they may run. An audit's status says which policies apply to it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=ml
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters: it becomes part of the names of rules"
type DatasetAuditPolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata. The name is at most 63 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is asked, and of which namespaces' audits.
	// +optional
	Spec DatasetAuditPolicySpec `json:"spec,omitempty,omitzero"`

	// status says whether the operator can apply the policy.
	// +optional
	Status DatasetAuditPolicyStatus `json:"status,omitempty,omitzero"`
}

// DatasetAuditPolicyList is a list of DatasetAuditPolicies.
//
// +kubebuilder:object:root=true
type DatasetAuditPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatasetAuditPolicy `json:"items"`
}

// DatasetAuditPolicySpec says what a platform asks of audits.
type DatasetAuditPolicySpec struct {
	// namespaceSelector chooses namespaces by their labels, such as kubernetes.io/metadata.name. Absent: all.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// rules that the audits are held against beside their own. In status.rules of an audit they are named POLICY/RULE.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Rules []PolicyRule `json:"rules,omitempty"`

	// requires is what an audit must say. One that does not is not compliant, and starts no run.
	// +optional
	Requires PolicyRequirements `json:"requires,omitempty,omitzero"`

	// allows bounds what an audit may run. One that exceeds it is not compliant, and starts no run.
	// +optional
	Allows PolicyBounds `json:"allows,omitempty,omitzero"`
}

// PolicyRequirements are what an audit must say.
type PolicyRequirements struct {
	// method that finds duplicates. Absent: any.
	// +optional
	Method DuplicatesMethod `json:"method,omitempty"`

	// evaluationSplits that must be among the audit's, so that leakage into them is looked for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	EvaluationSplits []string `json:"evaluationSplits,omitempty"`

	// references that the audit must name in spec.references, such as the benchmarks that nobody trains on.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	References []string `json:"references,omitempty"` //nolint:kubeapilinter // sets of samples, not references to objects

	// maxAge is how old the results may be, from the end of their run, or since a later one found nothing changed. Older
	// ones are no verdict any more: the condition Compliant is Unknown with reason Expired, until a newer run ends.
	// Absent: any age.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`

	// schedule says whether the audit must have one.
	// +optional
	Schedule bool `json:"schedule,omitempty"`
}

// PolicyBounds are what an audit may run.
type PolicyBounds struct {
	// images that runner.image may name: an image without its tag and digest, or a registry or folder of one. Absent: any.
	// The operator's own are always allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Images []string `json:"images,omitempty"`

	// modelSHA256 are the digests, in lower-case hexadecimal, of the models that audits may use: they must give them in
	// model.sha256, which the run verifies. Absent: any model. The built-in one is always allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:items:MaxLength=64
	ModelSHA256 []string `json:"modelSHA256,omitempty"`

	// parallelism is the most that runner.parallelism may be. Absent: any.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Parallelism *int32 `json:"parallelism,omitempty"`

	// gpus is the most that all pods of a stage may have in their limits at once: resources whose name ends in "gpu" or
	// begins with nvidia.com/, amd.com/ or gpu.intel.com/. Claims of Dynamic Resource Allocation are not counted.
	// Absent: any.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	GPUs *int32 `json:"gpus,omitempty"`
}

// DatasetAuditPolicyStatus says whether the operator can apply the policy.
type DatasetAuditPolicyStatus struct {
	// conditions are Ready: False while a rule does not compile, which the message names. The audits that the policy
	// applies to are then neither compliant nor not.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// AppliedPolicy is a DatasetAuditPolicy that applies to an audit.
type AppliedPolicy struct {
	// name of the policy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// generation of it that the audit was held against.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Generation int64 `json:"generation,omitempty"`

	// rules of it, which status.rules has as POLICY/RULE.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rules int32 `json:"rules,omitempty"`

	// problem is what it refuses in the audit's spec, or why it can't be applied. Empty: nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Problem string `json:"problem,omitempty"`
}

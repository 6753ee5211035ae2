package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// KindVerdicts of what admission policies read.
	KindVerdicts = "DatasetVerdicts"
	// VerdictsName is the name of a namespace's DatasetVerdicts.
	VerdictsName = "datasets"
	// MaxDatasetVerdicts bounds the verdicts of a namespace.
	MaxDatasetVerdicts = 512
)

// DatasetVerdicts says of a namespace's audits whether their datasets may be used: what a ValidatingAdmissionPolicy takes
// for its parameter, since such a policy can look nothing up and knows no time. The operator writes it, and nobody else
// should.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=datasetverdicts,categories=ml
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DatasetVerdicts struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// verdicts of the namespace's audits, by name.
	// +optional
	// +listType=map
	// +listMapKey=audit
	// +kubebuilder:validation:MaxItems=512
	Verdicts []DatasetVerdict `json:"verdicts,omitempty"`
}

// DatasetVerdictsList is a list of DatasetVerdicts.
//
// +kubebuilder:object:root=true
type DatasetVerdictsList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatasetVerdicts `json:"items"`
}

// DatasetVerdict says whether a dataset may be used.
type DatasetVerdict struct {
	// audit is the name of the DatasetAudit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Audit string `json:"audit"`

	// compliant says whether the dataset may be used now.
	// +required
	Compliant bool `json:"compliant"`

	// message says why, with the figures.
	// +required
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`

	// dataset is where it lies, as the audit names it.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Dataset string `json:"dataset,omitempty"`

	// digest of the dataset that the verdict is about, as summary.dataset.digest.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest,omitempty"`

	// revision is what the audit's spec called the version of that data.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// until is when the verdict expires, by the maxAge of a DatasetAuditPolicy. Absent: it doesn't.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

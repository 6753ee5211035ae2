package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AuditRecord is what a run says of its results: the digests of what it stored. Only the run's own identity and the
// operator may write one, so that whoever may write ConfigMaps can't vouch for a summary, and a result outlives the pod
// that computed it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=ml
// +kubebuilder:printcolumn:name="Samples",type=integer,JSONPath=`.result.samples`
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=`.result.clusters`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AuditRecord struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// result is absent until the run's results are stored.
	// +optional
	Result *TerminationMessage `json:"result,omitempty"`

	// evidence is what the operator says of the results, as an in-toto statement in an envelope (DSSE) that it has signed.
	// Absent where the operator has no key.
	// +optional
	// +kubebuilder:validation:MaxLength=1048576
	Evidence string `json:"evidence,omitempty"`
}

// AuditRecordList is a list of AuditRecords.
//
// +kubebuilder:object:root=true
type AuditRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AuditRecord `json:"items"`
}

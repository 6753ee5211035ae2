package v1alpha1

// SummaryReference is a reference that a dataset was compared with.
type SummaryReference struct {
	// name of the reference in the spec.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// sha256 of its file, in lower-case hexadecimal.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// samples that it holds.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`
}

// ReferenceSummary is what a dataset has in common with a reference, by one layer.
type ReferenceSummary struct {
	// name of the reference in the spec.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// samples is the number of the dataset's samples that are a copy of, or directly linked to, a sample of the reference.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// exactCopies is the number of these that are identical to a sample of the reference.
	// +required
	// +kubebuilder:validation:Minimum=0
	ExactCopies int64 `json:"exactCopies"`

	// referenceSamples is the number of the reference's samples that the dataset holds so.
	// +required
	// +kubebuilder:validation:Minimum=0
	ReferenceSamples int64 `json:"referenceSamples"` //nolint:kubeapilinter // samples of a reference

	// size is the number of samples of the reference.
	// +required
	// +kubebuilder:validation:Minimum=0
	Size int64 `json:"size"`

	// splits are samples by the dataset's splits, in its order. Absent for a dataset without splits.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Splits []SplitSamples `json:"splits,omitempty"`

	// pairs is the number of linked pairs of distinct vectors, one of the dataset and one of the reference.
	// +required
	// +kubebuilder:validation:Minimum=0
	Pairs int64 `json:"pairs"`

	// chancePairs bounds how many of them are expected to be there by chance. Absent for method Reference.
	// +optional
	ChancePairs *Decimal `json:"chancePairs,omitempty"`

	// fit is as layers[].local.fit, of pairs of the dataset and the reference. Absent for method Reference, and where there
	// are too few samples.
	// +optional
	Fit *Decimal `json:"fit,omitempty"`

	// shrinkage is as layers[].local.shrinkage, of dataset and reference together. Absent for method Reference.
	// +optional
	Shrinkage *Decimal `json:"shrinkage,omitempty"`

	// inspected says that images of the pairs were looked at once more: the audit asks for it, and the reference's file
	// holds sketches.
	// +required
	Inspected bool `json:"inspected"`
}

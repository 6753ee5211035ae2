package v1alpha1

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// DatasetSource is where a dataset lies: exactly one of its fields.
//
// +kubebuilder:validation:ExactlyOneOf=persistentVolumeClaim;objectStorage;image;builtin
type DatasetSource struct {
	// persistentVolumeClaim is a folder of a claim in the audit's namespace, mounted read-only.
	// +optional
	PersistentVolumeClaim *ClaimSource `json:"persistentVolumeClaim,omitempty"`

	// objectStorage is a prefix of a bucket.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`

	// image is a folder of an OCI image or artifact, mounted read-only.
	// +optional
	Image *ImageSource `json:"image,omitempty"`

	// builtin is a dataset that the runner draws itself, to try an audit in a cluster that has none. Demo is an ImageFolder
	// of some 400 labeled pictures in the splits train and test, with copies of some of them planted.
	// +optional
	Builtin BuiltinDataset `json:"builtin,omitempty"`
}

// BuiltinDataset is a dataset that needs no storage.
//
// +kubebuilder:validation:Enum=Demo
type BuiltinDataset string

// BuiltinDemo is the dataset of the README's demo.
const BuiltinDemo BuiltinDataset = "Demo"

// ModelSource is where a model file lies: exactly one of its fields.
//
// +kubebuilder:validation:ExactlyOneOf=persistentVolumeClaim;objectStorage;image
// +kubebuilder:validation:XValidation:rule="!has(self.persistentVolumeClaim) || has(self.persistentVolumeClaim.path)",message="persistentVolumeClaim.path must name the model's file"
// +kubebuilder:validation:XValidation:rule="!has(self.image) || has(self.image.path)",message="image.path must name the model's file"
type ModelSource struct {
	// persistentVolumeClaim is a file of a claim in the audit's namespace, mounted read-only. Its path is required.
	// +optional
	PersistentVolumeClaim *ClaimSource `json:"persistentVolumeClaim,omitempty"`

	// objectStorage is an object of a bucket.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`

	// image is a file of an OCI image or artifact, mounted read-only. Its path is required.
	// +optional
	Image *ImageSource `json:"image,omitempty"`
}

// BaselineSource is where the results of an earlier audit lie: exactly one of persistentVolumeClaim, objectStorage and
// image.
//
// +kubebuilder:validation:ExactlyOneOf=persistentVolumeClaim;objectStorage;image
type BaselineSource struct {
	// persistentVolumeClaim is a folder of a claim in the audit's namespace, mounted read-only.
	// +optional
	PersistentVolumeClaim *ClaimSource `json:"persistentVolumeClaim,omitempty"`

	// objectStorage is a prefix of a bucket: the results' URL in the status of the earlier audit.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`

	// image is a folder of an OCI image or artifact, mounted read-only.
	// +optional
	Image *ImageSource `json:"image,omitempty"`

	// sha256 is the digest of baseline.safetensors in lower-case hexadecimal, verified before it is used. Absent: not
	// verified, but in the summary.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 hexadecimal digits in lower case"
	SHA256 string `json:"sha256,omitempty"`
}

// ReferenceSpec is a set of samples that the dataset is compared with, such as a benchmark.
type ReferenceSpec struct {
	// name tells the references of an audit apart, in its results and for the rules of its policy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// source is where its file lies.
	// +required
	Source ReferenceSource `json:"source"` //nolint:kubeapilinter // exactly one of its fields is required

	// sha256 is the digest of the file in lower-case hexadecimal, verified before it is used. Absent: not verified, but in
	// the summary.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 hexadecimal digits in lower case"
	SHA256 string `json:"sha256,omitempty"`
}

// ReferenceSource is where the file of a reference lies, which `runner reference` wrote: exactly one of its fields.
//
// +kubebuilder:validation:ExactlyOneOf=persistentVolumeClaim;objectStorage;image
// +kubebuilder:validation:XValidation:rule="!has(self.persistentVolumeClaim) || has(self.persistentVolumeClaim.path)",message="persistentVolumeClaim.path must name the reference's file"
// +kubebuilder:validation:XValidation:rule="!has(self.image) || has(self.image.path)",message="image.path must name the reference's file"
type ReferenceSource struct {
	// persistentVolumeClaim is a file of a claim in the audit's namespace, mounted read-only. Its path is required.
	// +optional
	PersistentVolumeClaim *ClaimSource `json:"persistentVolumeClaim,omitempty"`

	// objectStorage is an object of a bucket.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`

	// image is a file of an OCI image or artifact, mounted read-only. Its path is required.
	// +optional
	Image *ImageSource `json:"image,omitempty"`
}

// ClaimSource is a path of a PersistentVolumeClaim in the audit's namespace.
type ClaimSource struct {
	// claimName is the name of the PersistentVolumeClaim.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ClaimName string `json:"claimName"`

	// path is the path within the volume, relative to its root: a folder, or a file where the dataset's format has one.
	// Absent: the root.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must be relative and must not contain '..'"
	Path string `json:"path,omitempty"`
}

// ObjectStorage is a place in a bucket of S3, Google Cloud Storage or Azure Blob Storage.
type ObjectStorage struct {
	// url is the place: s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix. Options follow as a query,
	// for example s3://bucket/prefix?endpoint=https://minio.example:9000&use_path_style=true. Credentials never stand
	// in it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(s3|gs|azblob)://[A-Za-z0-9][A-Za-z0-9._-]*(/[^?#]*)?(\\?[^#]*)?$')`,message="url must be s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix; options follow after a question mark"
	URL string `json:"url"`

	// secretRef names the Secret, in the audit's namespace, whose keys become the environment variables that the
	// storage's client reads (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …). Absent: the pod's own identity.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// Place is the URL without its options.
func (o *ObjectStorage) Place() string {
	place, _, _ := strings.Cut(o.URL, "?")
	return place
}

// SecretReference names a Secret in the audit's namespace. Only the pods read it, never the controller.
type SecretReference struct {
	// name is the name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// ImageSource is a path of an OCI image or artifact.
type ImageSource struct {
	// reference is the image, best by digest: registry.example/data/cifar10@sha256:….
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reference string `json:"reference"` //nolint:kubeapilinter // as the image volume of a pod names it

	// path is the path within the image, relative to its root. Absent: the root.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must be relative and must not contain '..'"
	Path string `json:"path,omitempty"`

	// pullPolicy says when the image is pulled. Absent: Always for the tag latest, else IfNotPresent.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	PullPolicy corev1.PullPolicy `json:"pullPolicy,omitempty"`
}

package v1alpha1

import (
	"fmt"
	"math/big"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// DatasetFormat is how samples are laid out in the dataset's source.
//
// +kubebuilder:validation:Enum=ImageFolder;Manifest;WebDataset;Parquet;TFRecord;CIFAR;IDX;Embeddings
type DatasetFormat string

const (
	// FormatImageFolder is a folder of images: split/label/file, label/file, or files alone.
	FormatImageFolder DatasetFormat = "ImageFolder"
	// FormatManifest is a table of samples (path, label, split, id), CSV or JSON Lines, beside the files that it names.
	FormatManifest DatasetFormat = "Manifest"
	// FormatWebDataset is tar archives whose entries of one base name form a sample, compressed or not.
	FormatWebDataset DatasetFormat = "WebDataset"
	// FormatParquet is Parquet files as Hugging Face datasets lay them out.
	FormatParquet DatasetFormat = "Parquet"
	// FormatTFRecord is TFRecord files of tf.Example messages.
	FormatTFRecord DatasetFormat = "TFRecord"
	// FormatCIFAR is the binary or the Python version of CIFAR-10 or CIFAR-100.
	FormatCIFAR DatasetFormat = "CIFAR"
	// FormatIDX is pairs of IDX files, images and labels, as MNIST's.
	FormatIDX DatasetFormat = "IDX"
	// FormatEmbeddings is vectors that someone else computed: of images, text, audio or anything else. Nothing is
	// embedded.
	FormatEmbeddings DatasetFormat = "Embeddings"
)

// CIFARVariant is one of the two CIFAR datasets.
//
// +kubebuilder:validation:Enum=CIFAR10;CIFAR100
type CIFARVariant string

const (
	// CIFAR10 has one label byte a record, and ten classes.
	CIFAR10 CIFARVariant = "CIFAR10"
	// CIFAR100 has a coarse and a fine label byte a record, and a hundred classes.
	CIFAR100 CIFARVariant = "CIFAR100"
)

// Names of files that a format looks for when the spec names none.
const (
	DefaultManifestPath      = "manifest.csv"
	DefaultManifestLinesPath = "manifest.jsonl" // where there is no DefaultManifestPath
	DefaultEmbeddingsPath    = "embeddings.npy"
)

// DefaultMaxUnreadable is the default of dataset.maxUnreadable.
const DefaultMaxUnreadable = "1%"

// DatasetSpec is the data to audit.
//
// +kubebuilder:validation:XValidation:rule="!has(self.manifest) || self.format == 'Manifest'",message="manifest is only for format Manifest"
// +kubebuilder:validation:XValidation:rule="!has(self.cifar) || self.format == 'CIFAR'",message="cifar is only for format CIFAR"
// +kubebuilder:validation:XValidation:rule="!has(self.webDataset) || self.format == 'WebDataset'",message="webDataset is only for format WebDataset"
// +kubebuilder:validation:XValidation:rule="!has(self.parquet) || self.format == 'Parquet'",message="parquet is only for format Parquet"
// +kubebuilder:validation:XValidation:rule="!has(self.tfRecord) || self.format == 'TFRecord'",message="tfRecord is only for format TFRecord"
// +kubebuilder:validation:XValidation:rule="!has(self.embeddings) || self.format == 'Embeddings'",message="embeddings is only for format Embeddings"
type DatasetSpec struct {
	// source is where the data lies. It is only read.
	// +required
	Source DatasetSource `json:"source"` //nolint:kubeapilinter // exactly one of its fields is required

	// format is how the samples are laid out in source.
	// +required
	Format DatasetFormat `json:"format"`

	// revision is what its owner calls this version of the data: a commit, a tag or a date. A change of it starts a run,
	// and a job may ask the gate for it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._:/+-]*$')",message="revision must begin with a letter or a digit, and have letters, digits and ._:/+- only"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('sha256:')",message="revision must not begin with sha256: that is how a job asks for a digest"
	Revision string `json:"revision,omitempty"`

	// manifest are the options of format Manifest.
	// +optional
	Manifest *ManifestOptions `json:"manifest,omitempty"`

	// webDataset are the options of format WebDataset.
	// +optional
	WebDataset *WebDatasetOptions `json:"webDataset,omitempty"`

	// parquet are the options of format Parquet.
	// +optional
	Parquet *ParquetOptions `json:"parquet,omitempty"`

	// tfRecord are the options of format TFRecord.
	// +optional
	TFRecord *TFRecordOptions `json:"tfRecord,omitempty"`

	// cifar are the options of format CIFAR.
	// +optional
	CIFAR *CIFAROptions `json:"cifar,omitempty"`

	// embeddings are the options of format Embeddings.
	// +optional
	Embeddings *EmbeddingsOptions `json:"embeddings,omitempty"`

	// splits are the splits to audit, in this order. Absent: all, in byte order of their names.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Splits []string `json:"splits,omitempty"`

	// labels restrict the audit to samples that bear one of these labels. Absent: all samples.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Labels []string `json:"labels,omitempty"`

	// maxSamples bounds the number of samples in all, after splits and labels; the first ones in the dataset's order
	// are taken. Absent: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxSamples *int64 `json:"maxSamples,omitempty"`

	// evaluationSplits are the splits that must not leak into the others; case doesn't count. Absent: those whose names
	// say so: test, testing, val, valid, validation, eval, dev, holdout and the like, in any case, with what people put
	// before and behind (val2017).
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	EvaluationSplits []string `json:"evaluationSplits,omitempty"`

	// maxUnreadable is how many samples may be unreadable (corrupt, truncated, too large) before the audit fails: a
	// number, or a percentage of the samples such as "0.1%". Unreadable samples are counted and listed in any case.
	// Default: 1%.
	// +optional
	// +kubebuilder:default="1%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`type(self) == int ? self >= 0 && self <= 2147483647 : string(self).matches('^(100(\\.0{1,6})?|[0-9]{1,2}(\\.[0-9]{1,6})?)%$')`,message="maxUnreadable must be a number from 0 to 2147483647, or a percentage from 0% to 100% such as 0.1%"
	MaxUnreadable *intstr.IntOrString `json:"maxUnreadable,omitempty"`

	// ignoreOrientation reads images as they are stored, without the rotation or mirroring that their EXIF data asks
	// for. Default: false.
	// +optional
	// +kubebuilder:default=false
	IgnoreOrientation bool `json:"ignoreOrientation,omitempty"`
}

// AllowsUnreadable says whether unreadable of total samples stay within maxUnreadable. The percentage is not rounded:
// with "0.1%" one of 999 samples is too many, and one of 1000 is not.
func (d *DatasetSpec) AllowsUnreadable(unreadable, total int64) (bool, error) {
	limit := intstr.FromString(DefaultMaxUnreadable)
	if d.MaxUnreadable != nil {
		limit = *d.MaxUnreadable
	}
	if limit.Type == intstr.Int {
		return unreadable <= int64(limit.IntVal), nil
	}
	number, ok := strings.CutSuffix(limit.StrVal, "%")
	if !ok || len(number) > 16 || strings.ContainsAny(number, "eE/_pPxX") {
		return false, fmt.Errorf("dataset.maxUnreadable: %q is neither a number nor a percentage such as \"0.1%%\"", limit.StrVal)
	}
	percent, ok := new(big.Rat).SetString(number)
	if !ok {
		return false, fmt.Errorf("dataset.maxUnreadable: %q is neither a number nor a percentage such as \"0.1%%\"", limit.StrVal)
	}
	allowed := percent.Mul(percent, new(big.Rat).SetFrac64(total, 100))
	return new(big.Rat).SetInt64(unreadable).Cmp(allowed) <= 0, nil
}

// ManifestPath is the path of the manifest within the source.
func (d *DatasetSpec) ManifestPath() string {
	if d.Manifest != nil && d.Manifest.Path != "" {
		return d.Manifest.Path
	}
	return DefaultManifestPath
}

// EmbeddingsPath is the path of the embeddings within the source.
func (d *DatasetSpec) EmbeddingsPath() string {
	if d.Embeddings != nil && d.Embeddings.Path != "" {
		return d.Embeddings.Path
	}
	return DefaultEmbeddingsPath
}

// ManifestOptions are the options of format Manifest.
type ManifestOptions struct {
	// path is the manifest's path within source: CSV, or JSON Lines where its name ends in .jsonl or .ndjson. The paths
	// that it holds are relative to its folder. Default: manifest.csv or, if there is none, manifest.jsonl, or else
	// Hugging Face's metadata.csv and metadata.jsonl, at the root or in the folders.
	// +optional
	// +kubebuilder:default=manifest.csv
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must be relative and must not contain '..'"
	Path string `json:"path,omitempty"`

	// pathColumn holds the files' paths. Absent: path or file_name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PathColumn string `json:"pathColumn,omitempty"`

	// labelColumn holds the labels. Absent: label, if there is one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	LabelColumn string `json:"labelColumn,omitempty"`

	// splitColumn holds the splits. Absent: split, if there is one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SplitColumn string `json:"splitColumn,omitempty"`

	// idColumn holds the samples' IDs. Absent: id, if there is one, else a sample's ID is its path.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	IDColumn string `json:"idColumn,omitempty"`

	// groupColumn holds the groups. Absent: group, if there is one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	GroupColumn string `json:"groupColumn,omitempty"`
}

// WebDatasetOptions are the options of format WebDataset.
type WebDatasetOptions struct {
	// shards name the archives within source: paths, where {000..146} stands for a range of numbers and {train,val} for
	// either. Absent: every .tar, .tar.gz, .tgz and .tar.zst file.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	// +kubebuilder:validation:items:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="shards must be relative and must not contain '..'"
	Shards []string `json:"shards,omitempty"`
}

// ParquetOptions are the options of format Parquet.
type ParquetOptions struct {
	// imageColumn holds the images: bytes, or a struct of bytes and path. Absent: the only Image of Hugging Face's
	// metadata, else the column image, img, jpg or png.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ImageColumn string `json:"imageColumn,omitempty"`

	// labelColumn holds the labels: text, a number, or a list of them. Absent: the only ClassLabel of Hugging Face's
	// metadata, else the column label, labels, fine_label or class, if there is one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	LabelColumn string `json:"labelColumn,omitempty"`

	// idColumn holds the samples' IDs. Absent: a sample's ID is its split and its number there, such as train:42.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	IDColumn string `json:"idColumn,omitempty"`
}

// TFRecordOptions are the options of format TFRecord.
type TFRecordOptions struct {
	// imageFeature holds the encoded image. Absent: image/encoded, image or image_raw.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ImageFeature string `json:"imageFeature,omitempty"`

	// labelFeature holds the labels: bytes or integers. Absent: image/class/text, image/class/label or label, if there
	// is one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	LabelFeature string `json:"labelFeature,omitempty"`

	// idFeature holds the sample's ID. Absent: a sample's ID is its split and its number there, such as train:42.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	IDFeature string `json:"idFeature,omitempty"`
}

// CIFAROptions are the options of format CIFAR.
type CIFAROptions struct {
	// variant is CIFAR10 or CIFAR100. Absent: told from the names of the files.
	// +optional
	Variant CIFARVariant `json:"variant,omitempty"`
}

// EmbeddingsOptions are the options of format Embeddings.
type EmbeddingsOptions struct {
	// path is the path of the vectors within source: an N×D array, a row a sample, in a file of NumPy (.npy, .npz),
	// Safetensors or Parquet. Default: embeddings.npy.
	// +optional
	// +kubebuilder:default=embeddings.npy
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must be relative and must not contain '..'"
	Path string `json:"path,omitempty"`

	// array names the vectors within the file: an array of an .npz, a tensor of a Safetensors file, a column of a
	// Parquet file. Absent: the only one that can be meant.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Array string `json:"array,omitempty"`
}

package v1alpha1

import "cmp"

// PCASolver is how principal components are computed.
//
// +kubebuilder:validation:Enum=Exact;Incremental
type PCASolver string

const (
	// SolverExact diagonalizes the covariance of all rows in float64.
	SolverExact PCASolver = "Exact"
	// SolverIncremental is scikit-learn's IncrementalPCA, for parity with DNIKit; its result depends on batches and
	// their order.
	SolverIncremental PCASolver = "Incremental"
)

// DuplicatesMethod is how near duplicates are told from samples that merely look alike.
//
// +kubebuilder:validation:Enum=Reference;Local
type DuplicatesMethod string

const (
	// MethodReference compares all pairs of neighbors with one distance, as DNIKit does.
	MethodReference DuplicatesMethod = "Reference"
	// MethodLocal asks how many neighbors as near chance alone would give the two, by what is around them.
	MethodLocal DuplicatesMethod = "Local"
)

// DuplicatesInspection is a second look at the pairs that may be near duplicates.
//
// +kubebuilder:validation:Enum=Pixels;None
type DuplicatesInspection string

const (
	// InspectionPixels compares the images of a pair at low resolution, mirrored, moved, zoomed, brighter or darker.
	InspectionPixels DuplicatesInspection = "Pixels"
	// InspectionNone leaves the decision to the embeddings.
	InspectionNone DuplicatesInspection = "None"
)

// NeighborSearch is how neighbors are searched.
//
// +kubebuilder:validation:Enum=Exact;Approximate
type NeighborSearch string

const (
	// SearchExact finds all.
	SearchExact NeighborSearch = "Exact"
	// SearchApproximate looks at the rows around each alone.
	SearchApproximate NeighborSearch = "Approximate"
)

// ThresholdStrategy is how the largest distance of near duplicates is chosen.
//
// +kubebuilder:validation:Enum=Slope;Percentile;Distance;Cosine;FalseDiscovery
type ThresholdStrategy string

const (
	// ThresholdSlope seeks the elbow of the sorted distances, as DNIKit does by default.
	ThresholdSlope ThresholdStrategy = "Slope"
	// ThresholdPercentile takes the tightest share of the distances.
	ThresholdPercentile ThresholdStrategy = "Percentile"
	// ThresholdDistance bounds the distance times √N.
	ThresholdDistance ThresholdStrategy = "Distance"
	// ThresholdCosine bounds the cosine similarity of the embeddings before reduction.
	ThresholdCosine ThresholdStrategy = "Cosine"
	// ThresholdFalseDiscovery bounds the share of pairs found by chance among those found.
	ThresholdFalseDiscovery ThresholdStrategy = "FalseDiscovery"
)

// Defaults of spec.reduction and spec.duplicates. SetMethodDefaults says which are of which method.
const (
	DefaultComponents         = 40
	DefaultNeighbors          = 10
	DefaultLocalNeighbors     = 50
	DefaultSlopeSensitivity   = 5
	DefaultFalseDiscoveryRate = "0.01"
	DefaultMaxClusterSize     = 50
)

// ReductionSpec says how vectors are reduced before they are compared.
type ReductionSpec struct {
	// pca projects the vectors onto their principal components.
	// +optional
	// +kubebuilder:default={}
	PCA PCASpec `json:"pca,omitempty,omitzero"`
}

// PCASpec projects vectors onto their principal components.
//
// +kubebuilder:validation:XValidation:rule="!has(self.batchSize) || (has(self.solver) && self.solver == 'Incremental')",message="batchSize is only for solver Incremental"
// +kubebuilder:validation:XValidation:rule="!has(self.batchSize) || self.batchSize >= (has(self.components) ? self.components : 40)",message="batchSize must be at least components: smaller batches are not fitted"
type PCASpec struct {
	// components is the number of principal components to keep; at most the samples and the features of a layer.
	// Absent: as many as hold 99 % of the variance, at most 256 and half the number of samples; for duplicates.method
	// Reference 40, or as many as there are samples or features.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8192
	Components *int32 `json:"components,omitempty"`

	// solver is Exact or Incremental (DNIKit's, for parity). Default: Exact.
	// +optional
	// +kubebuilder:default=Exact
	Solver PCASolver `json:"solver,omitempty"`

	// batchSize is the number of samples in a batch of solver Incremental. Absent: the larger of 500 and 5 ×
	// components.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	BatchSize *int32 `json:"batchSize,omitempty"`
}

// DuplicatesSpec says what counts as a near duplicate.
//
// +kubebuilder:validation:XValidation:rule="!has(self.method) || self.method != 'Reference' || !has(self.threshold) || (!has(self.threshold.rate) && (!has(self.threshold.strategy) || self.threshold.strategy != 'FalseDiscovery'))",message="threshold.strategy FalseDiscovery and its rate are only for method Local"
// +kubebuilder:validation:XValidation:rule="!has(self.method) || self.method != 'Local' || !has(self.threshold) || (has(self.threshold.strategy) ? self.threshold.strategy == 'FalseDiscovery' : !has(self.threshold.sensitivity))",message="method Local has threshold.strategy FalseDiscovery and no other"
// +kubebuilder:validation:XValidation:rule="!has(self.inspection) || self.inspection == 'None' || (has(self.method) ? self.method == 'Local' : !has(self.threshold) || (has(self.threshold.strategy) ? self.threshold.strategy == 'FalseDiscovery' : !has(self.threshold.sensitivity)))",message="inspection is only for method Local, and a threshold.strategy other than FalseDiscovery means method Reference"
type DuplicatesSpec struct {
	// method is Local (for each pair what is around its two samples, so that look-alikes in dense regions are told from
	// copies) or Reference (that of DNIKit: one distance for all pairs). Absent: Local, unless threshold names a
	// strategy of the reference's: Slope, Percentile, Distance or Cosine.
	// +optional
	Method DuplicatesMethod `json:"method,omitempty"`

	// inspection Pixels compares the images of the pairs that may be near duplicates once more, at low resolution and
	// under small changes: mirrored, moved, zoomed, stretched, turned, brighter, of another contrast. Only for method Local, and for
	// images. None: embeddings alone decide. Absent: Pixels for method Local where there are images, else None.
	// +optional
	Inspection DuplicatesInspection `json:"inspection,omitempty"`

	// search Approximate looks for neighbors among the vectors around each alone, from 65,536 samples on, which takes a
	// fraction of the time and may miss some. The summary says what share it finds. Default: Exact.
	// +optional
	Search NeighborSearch `json:"search,omitempty"`

	// neighbors is the number of nearest distinct vectors that each vector is compared with, itself included. Absent:
	// 10; for method Local 50, of which the outer ones say what is to be expected around a sample, so that groups of up
	// to a fifth of this number are told from dense regions.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=1000
	Neighbors *int32 `json:"neighbors,omitempty"`

	// threshold is the largest distance of near duplicates.
	// +optional
	// +kubebuilder:default={}
	Threshold ThresholdSpec `json:"threshold,omitempty,omitzero"`

	// maxClusterSize is the most samples of a cluster that is listed and whose near duplicates are proposed for
	// removal; larger ones are counted, and give up only their exact copies. Default: 50.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=100000
	MaxClusterSize *int32 `json:"maxClusterSize,omitempty"`

	// removal says which of several copies stays.
	// +optional
	// +kubebuilder:default={}
	Removal RemovalSpec `json:"removal,omitempty,omitzero"`

	// verdicts are what reviewers said of the clusters of earlier runs, as report.html exports it. Samples judged
	// NotCopies stay in different clusters. The file is read when a run begins; a change of its content alone starts
	// none.
	// +optional
	Verdicts *VerdictsSource `json:"verdicts,omitempty"`
}

// ThresholdSpec is the largest distance of near duplicates. Slope and Percentile are relative: they find the tightest
// pairs of any dataset. Distance and Cosine are absolute. FalseDiscovery, of method Local, finds nothing where nothing
// is nearer than chance would have it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.rate) || !has(self.strategy) || self.strategy == 'FalseDiscovery'",message="rate is only for strategy FalseDiscovery"
// +kubebuilder:validation:XValidation:rule="!has(self.rate) || !has(self.sensitivity)",message="rate is method Local's, sensitivity strategy Slope's: leave one out"
// +kubebuilder:validation:XValidation:rule="!has(self.sensitivity) || !has(self.strategy) || self.strategy == 'Slope'",message="sensitivity is only for strategy Slope"
// +kubebuilder:validation:XValidation:rule="has(self.percentile) == (has(self.strategy) && self.strategy == 'Percentile')",message="percentile is required for strategy Percentile, and only for it"
// +kubebuilder:validation:XValidation:rule="has(self.distance) == (has(self.strategy) && self.strategy == 'Distance')",message="distance is required for strategy Distance, and only for it"
// +kubebuilder:validation:XValidation:rule="has(self.similarity) == (has(self.strategy) && self.strategy == 'Cosine')",message="similarity is required for strategy Cosine, and only for it"
type ThresholdSpec struct {
	// strategy is FalseDiscovery for duplicates.method Local, and Slope, Percentile, Distance or Cosine for method
	// Reference. Absent: FalseDiscovery; for method Reference, or where there is a sensitivity, Slope.
	// +optional
	Strategy ThresholdStrategy `json:"strategy,omitempty"`

	// sensitivity of strategy Slope, without a unit: the smaller, the more duplicates. Absent: 5.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=1000
	Sensitivity *int32 `json:"sensitivity,omitempty"`

	// percentile of strategy Percentile, in percent: "99.5" takes the tightest half percent of the distances. Above 0,
	// at most 100.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^-?[0-9]{1,12}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$') && double(self) > 0.0 && double(self) <= 100.0`,message="percentile must be a decimal above 0 and at most 100, in quotes, such as '99.5'"
	Percentile *Decimal `json:"percentile,omitempty"`

	// distance of strategy Distance: the Euclidean distance of the reduced, normalized vectors, times √N. At least 0.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^-?[0-9]{1,12}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$') && double(self) >= 0.0`,message="distance must be a decimal of at least 0, in quotes, such as '5.1'"
	Distance *Decimal `json:"distance,omitempty"`

	// similarity of strategy Cosine: the least cosine similarity of near duplicates' embeddings before reduction. From
	// -1 to 1.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^-?[0-9]{1,12}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$') && double(self) >= -1.0 && double(self) <= 1.0`,message="similarity must be a decimal from -1 to 1, in quotes, such as '0.95'"
	Similarity *Decimal `json:"similarity,omitempty"`

	// rate of strategy FalseDiscovery: the share of the pairs found that may be there by chance. Above 0, at most 0.5.
	// Absent: 0.01.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^-?[0-9]{1,12}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$') && double(self) > 0.0 && double(self) <= 0.5`,message="rate must be a decimal above 0 and at most 0.5, in quotes, such as '0.01'"
	Rate *Decimal `json:"rate,omitempty"`
}

// EffectiveMethod is the method, or the one that is meant where it is absent: a strategy of the reference's asks for the
// reference.
func (d *DuplicatesSpec) EffectiveMethod() DuplicatesMethod {
	switch strategy := d.Threshold.Strategy; {
	case d.Method != "":
		return d.Method
	case strategy == "" && d.Threshold.Sensitivity == nil, strategy == ThresholdFalseDiscovery:
		return MethodLocal
	default:
		return MethodReference
	}
}

// SetMethodDefaults gives the fields that are absent the defaults of the method, and names the method.
// reduction.pca.components stays absent: how many they are is seen in the data.
func (s *DatasetAuditSpec) SetMethodDefaults() {
	d := &s.Duplicates
	d.Method = d.EffectiveMethod()
	strategy, neighbors, inspection := ThresholdSlope, int32(DefaultNeighbors), InspectionNone
	if d.Method == MethodLocal {
		strategy, neighbors = ThresholdFalseDiscovery, DefaultLocalNeighbors
		if s.Dataset.Format != FormatEmbeddings {
			inspection = InspectionPixels
		}
	}
	d.Threshold.Strategy = cmp.Or(d.Threshold.Strategy, strategy)
	d.Inspection = cmp.Or(d.Inspection, inspection)
	if d.Neighbors == nil {
		d.Neighbors = &neighbors
	}
	if d.Threshold.Strategy == ThresholdFalseDiscovery && d.Threshold.Rate == nil {
		d.Threshold.Rate = new(Decimal(DefaultFalseDiscoveryRate))
	}
}

// EffectiveSensitivity is the sensitivity of strategy Slope, or its default.
func (t *ThresholdSpec) EffectiveSensitivity() int32 {
	if t.Sensitivity != nil {
		return *t.Sensitivity
	}
	return DefaultSlopeSensitivity
}

// RemovalRule says which of several copies stays.
//
// +kubebuilder:validation:Enum=Medoid;First;HighestResolution;Column
type RemovalRule string

const (
	// KeepMedoid keeps the sample that is most like all others of its cluster.
	KeepMedoid RemovalRule = "Medoid"
	// KeepFirst keeps the first in the dataset's order.
	KeepFirst RemovalRule = "First"
	// KeepHighestResolution keeps the image of the most pixels.
	KeepHighestResolution RemovalRule = "HighestResolution"
	// KeepColumn keeps the sample with the largest number, or the latest time, in a column of the dataset.
	KeepColumn RemovalRule = "Column"
)

// RemovalSpec says which of several copies stays. Nothing is ever deleted: the results list what could go.
//
// +kubebuilder:validation:XValidation:rule="has(self.column) == (has(self.keep) && self.keep == 'Column')",message="column is required for keep Column, and only for it"
type RemovalSpec struct {
	// keep is Medoid (the sample most like the others of its cluster), First (in the dataset's order),
	// HighestResolution (of the most pixels) or Column (the largest number in a column). Among samples of equal worth
	// the medoid stays. Absent: Medoid.
	// +optional
	Keep RemovalRule `json:"keep,omitempty"`

	// column of keep Column: that of a Manifest, of a Parquet file, of the CSV file beside embeddings, a field of a
	// WebDataset's .json entries or a feature of a TFRecord. It holds numbers, dates (2026-05-01) or times (RFC 3339);
	// the largest stays, and samples without one come last.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Column string `json:"column,omitempty"`

	// keepSplits are splits whose samples are not proposed for removal in favor of a copy in another split. The
	// evaluation splits always come before them. Absent: none but these.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	KeepSplits []string `json:"keepSplits,omitempty"`
}

// VerdictsSource is where verdicts lie: exactly one of configMap and objectStorage. Whoever may change what lies there
// decides findings: sha256 ties the audit to verdicts that somebody has looked at.
//
// +kubebuilder:validation:ExactlyOneOf=configMap;objectStorage
type VerdictsSource struct {
	// configMap is a key of a ConfigMap in the audit's namespace.
	// +optional
	ConfigMap *ConfigMapKey `json:"configMap,omitempty"`

	// objectStorage is an object of a bucket.
	// +optional
	ObjectStorage *ObjectStorage `json:"objectStorage,omitempty"`

	// sha256 is the digest of the verdicts in lower-case hexadecimal, verified before it is used. Absent: not verified,
	// but in the summary.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 hexadecimal digits in lower case"
	SHA256 string `json:"sha256,omitempty"`
}

// DefaultVerdictsKey is the default of verdicts.configMap.key, and the name of the file that report.html exports.
const DefaultVerdictsKey = "verdicts.json"

// ConfigMapKey names a key of a ConfigMap in the audit's namespace.
type ConfigMapKey struct {
	// name is the name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`

	// key of the ConfigMap. Absent: verdicts.json.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// PolicySeverity is what a violated rule means.
//
// +kubebuilder:validation:Enum=Fail;Warn
type PolicySeverity string

const (
	// SeverityFail makes the audit not compliant.
	SeverityFail PolicySeverity = "Fail"
	// SeverityWarn is only reported.
	SeverityWarn PolicySeverity = "Warn"
)

// PolicySpec says what the dataset must fulfill.
type PolicySpec struct {
	// rules are evaluated over the summary of each layer.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Rules []PolicyRule `json:"rules,omitempty"`
}

// PolicyRule is one thing that the dataset must fulfill.
type PolicyRule struct {
	// name of the rule, as the conditions report it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// expression is CEL over the variable layer, an entry of the summary's layers; true means fulfilled. For example
	// layer.leakage.samples == 0. A rule over a figure that is absent, such as leakage without an evaluation split, is
	// reported as not evaluated, never as fulfilled.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Expression string `json:"expression"`

	// severity is Fail (a violation makes the audit not compliant) or Warn (it is only reported).
	// +required
	Severity PolicySeverity `json:"severity"`
}

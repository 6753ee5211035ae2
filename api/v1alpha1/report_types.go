package v1alpha1

import "slices"

// ReportPart is a part of what an audit reports.
//
// +kubebuilder:validation:Enum=Duplicates;Familiarity;Labels;Quality;Map
type ReportPart string

const (
	// ReportDuplicates is the clusters of near duplicates, and what follows from them.
	ReportDuplicates ReportPart = "Duplicates"
	// ReportFamiliarity is the samples that are unlike the others.
	ReportFamiliarity ReportPart = "Familiarity"
	// ReportLabels is the samples whose label is probably wrong.
	ReportLabels ReportPart = "Labels"
	// ReportQuality is the images that are dark, blurred or poor otherwise.
	ReportQuality ReportPart = "Quality"
	// ReportMap is the dataset drawn on a plane.
	ReportMap ReportPart = "Map"
)

// DefaultReports are the parts where spec.reports is absent.
var DefaultReports = []ReportPart{ReportDuplicates, ReportQuality}

// EffectiveReports are the parts that are reported.
func (s *DatasetAuditSpec) EffectiveReports() []ReportPart {
	if len(s.Reports) > 0 {
		return s.Reports
	}
	return DefaultReports
}

// Has says whether a part is reported. Images alone have a quality.
func (s *DatasetAuditSpec) Has(part ReportPart) bool {
	if part == ReportQuality && s.Dataset.Format == FormatEmbeddings {
		return false
	}
	return slices.Contains(s.EffectiveReports(), part)
}

// Covariance is the shape of the components of a mixture.
//
// +kubebuilder:validation:Enum=Diagonal;Full
type Covariance string

const (
	// CovarianceDiagonal lets components stretch along the axes only.
	CovarianceDiagonal Covariance = "Diagonal"
	// CovarianceFull lets them stretch in any direction.
	CovarianceFull Covariance = "Full"
)

// FamiliaritySpec says how the density of samples is estimated: by a mixture of Gaussians over the reduced vectors.
type FamiliaritySpec struct {
	// components is the number of Gaussians. Absent: as many, up to 16, as Bayes' information criterion finds best. DNIKit
	// has 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Components *int32 `json:"components,omitempty"`

	// covariance is Diagonal or Full. Default: Diagonal.
	// +optional
	// +kubebuilder:default=Diagonal
	Covariance Covariance `json:"covariance,omitempty"`
}

// EffectiveCovariance is the covariance, or its default.
func (f *FamiliaritySpec) EffectiveCovariance() Covariance {
	if f != nil && f.Covariance != "" {
		return f.Covariance
	}
	return CovarianceDiagonal
}

// Bounds of what a summary names of the parts of a report.
const (
	// MaxNamedSamples bounds each list of single samples of a layer, MaxWorstSamples those of a problem,
	// MaxQualityGroups its splits and labels, and MaxCoverageLabels the labels of a coverage.
	MaxNamedSamples   = 10
	MaxWorstSamples   = 3
	MaxQualityGroups  = 8
	MaxCoverageLabels = 20
)

// ImageProblem is what makes an image poor.
//
// +kubebuilder:validation:Enum=Dark;Bright;LowContrast;Blurred;OddAspect;OddSize;NearEmpty;Gray;Compressed;Bordered;CorruptTail
type ImageProblem string

// QualitySummary counts the poor images.
type QualitySummary struct {
	// samples that were measured.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// poorSamples is the number of samples with at least one problem.
	// +required
	// +kubebuilder:validation:Minimum=0
	PoorSamples int64 `json:"poorSamples"`

	// problems are all that are looked for, those that no image has too.
	// +required
	// +listType=map
	// +listMapKey=problem
	// +kubebuilder:validation:MaxItems=16
	Problems []ProblemSummary `json:"problems"`
}

// ProblemSummary counts the images that have a problem.
type ProblemSummary struct {
	// problem that they have.
	// +required
	Problem ImageProblem `json:"problem"`

	// samples that have it.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// typical says that more than half of the images have it: it is taken for the nature of the dataset, and counted for
	// none of them.
	// +required
	Typical bool `json:"typical"`

	// splits that hold some of them, those with the most.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Splits []ShareSummary `json:"splits,omitempty"`

	// labels that hold some of them, those with the most.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Labels []ShareSummary `json:"labels,omitempty"`

	// uneven is the label or split in which the problem is far more frequent than elsewhere: a model may learn the problem in
	// place of what the label means. Absent where it is spread evenly.
	// +optional
	Uneven *UnevenSummary `json:"uneven,omitempty"`

	// worst are the samples that have it most.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:MaxLength=1024
	Worst []string `json:"worst,omitempty"`
}

// ShareSummary counts samples of a split or label.
type ShareSummary struct {
	// name of the split or label; empty for samples without one.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name"`

	// samples of it that are counted.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// share of all its samples.
	// +required
	Share Decimal `json:"share"`
}

// UnevenSummary is where a problem gathers.
type UnevenSummary struct {
	// label in which it is frequent. Absent for a split.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Label *string `json:"label,omitempty"`

	// split in which it is frequent. Absent for a label.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Split *string `json:"split,omitempty"`

	// share of its samples that have the problem.
	// +required
	Share Decimal `json:"share"`

	// elsewhere is the share of all other samples.
	// +required
	Elsewhere Decimal `json:"elsewhere"`
}

// FamiliaritySummary is how usual the samples are among each other.
type FamiliaritySummary struct {
	// components of the mixture.
	// +required
	// +kubebuilder:validation:Minimum=1
	Components int64 `json:"components"`

	// quantiles of the log density, at 0, 1, 5, 25, 50, 75, 95, 99 and 100 percent of the samples.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=9
	Quantiles []Decimal `json:"quantiles,omitempty"`

	// rareSamples is the number of samples whose log density lies farther below the first quartile than three times what lies
	// between the quartiles: out of place among the others.
	// +required
	// +kubebuilder:validation:Minimum=0
	RareSamples int64 `json:"rareSamples"`

	// rarest are the samples with the least density, whether they are out of place or not.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Rarest []NamedSample `json:"rarest,omitempty"`

	// unseenSamples is the number of evaluation samples that are unlike all of the others: less dense among these than all but
	// one in a thousand of themselves. Absent when one side is absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UnseenSamples *int64 `json:"unseenSamples,omitempty"`

	// unseen are those of them with the least density.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Unseen []NamedSample `json:"unseen,omitempty"`
}

// NamedSample is a sample and its score.
type NamedSample struct {
	// id of the sample.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	ID string `json:"id"`

	// score by which it is listed.
	// +required
	Score Decimal `json:"score"`
}

// SuspectLabelsSummary counts the samples whose label is probably wrong, of those with one label.
type SuspectLabelsSummary struct {
	// samples that were judged: those with one label, of a class that can be told from the others.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// overlappingLabels counts the labels that can't be told from others, and smallLabels those with fewer than 20 samples:
	// theirs were not judged.
	// +required
	// +kubebuilder:validation:Minimum=0
	OverlappingLabels int64 `json:"overlappingLabels"`

	// smallLabels counts the labels with fewer than 20 samples.
	// +required
	// +kubebuilder:validation:Minimum=0
	SmallLabels int64 `json:"smallLabels"`

	// suspects are more likely mislabeled than not.
	// +required
	// +kubebuilder:validation:Minimum=0
	Suspects int64 `json:"suspects"`

	// expectedErrors is how many labels are wrong by the estimate, wherever they are.
	// +required
	ExpectedErrors Decimal `json:"expectedErrors"`

	// neighbors of a sample that were asked for their labels.
	// +required
	// +kubebuilder:validation:Minimum=0
	Neighbors int64 `json:"neighbors"`

	// worst are the likeliest ones.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Worst []SuspectLabel `json:"worst,omitempty"`
}

// SuspectLabel is a sample whose label is probably wrong.
type SuspectLabel struct {
	// id of the sample.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	ID string `json:"id"`

	// label that it bears.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Label string `json:"label"`

	// suggested is the label of most of its neighbors.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Suggested string `json:"suggested"`

	// probability that the label is wrong.
	// +required
	Probability Decimal `json:"probability"`
}

// CoverageSummary says how much of the evaluation the other samples cover.
type CoverageSummary struct {
	// samples of the evaluation.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// covered is the share of them that have another sample within the distance in which 95 % of the others have one of their
	// own.
	// +required
	Covered Decimal `json:"covered"`

	// distance is that distance.
	// +required
	Distance Decimal `json:"distance"`

	// labels are those of the evaluation that the other samples cover least: first those that none of them bears.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Labels []LabelCoverage `json:"labels,omitempty"`

	// unseenLabels counts the labels that samples of the evaluation bear, and no other sample.
	// +required
	// +kubebuilder:validation:Minimum=0
	UnseenLabels int64 `json:"unseenLabels"`

	// untestedLabels counts the labels that no sample of the evaluation bears.
	// +required
	// +kubebuilder:validation:Minimum=0
	UntestedLabels int64 `json:"untestedLabels"`

	// untested are the first of those, by name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=1024
	Untested []string `json:"untested,omitempty"`
}

// LabelCoverage says how much of the evaluation's samples of one label the other samples cover.
type LabelCoverage struct {
	// name of the label.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name"`

	// samples of the evaluation that bear it.
	// +required
	// +kubebuilder:validation:Minimum=1
	Samples int64 `json:"samples"`

	// training counts the other samples that bear it.
	// +required
	// +kubebuilder:validation:Minimum=0
	Training int64 `json:"training"`

	// covered is the share of the evaluation's samples that have another sample, of any label, within the distance.
	// +required
	Covered Decimal `json:"covered"`

	// lacking are the samples of the evaluation that lie farthest from all others, of those that are not covered.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:MaxLength=1024
	Lacking []string `json:"lacking,omitempty"`
}

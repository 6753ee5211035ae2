package v1alpha1

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SummarySchemaVersion is the version of AuditSummary that this package writes.
const SummarySchemaVersion = 1

// Bounds of the lists in AuditSummary. The files hold what is cut off.
const (
	// MaxSkippedEntries bounds dataset.skipped.entries.
	MaxSkippedEntries = 20
	// MaxReferences bounds the references of an audit, and MaxComparisons their number times that of its layers.
	MaxReferences  = 32
	MaxComparisons = 128
	// MaxWarnings bounds dataset.warnings.
	MaxWarnings = 8
	// MaxSummaryGroups bounds the splits and labels of a summary; the largest ones are listed.
	MaxSummaryGroups = 256
	// MaxCrossingGroups bounds dataset.groups.worst; those with most evaluation samples are listed.
	MaxCrossingGroups = 16
	// MaxLeakagePairs bounds leakage.pairs; those with most samples are listed.
	MaxLeakagePairs = 64
	// MaxClusterMembers bounds the members listed of a top cluster, the nearest to its centroid.
	MaxClusterMembers = 8
	// MaxSampleIDLength bounds the length in bytes of an ID or a label in a summary; longer ones are cut.
	MaxSampleIDLength = 1024
	// DistanceQuantiles is the number of points of the distance curve.
	DistanceQuantiles = 256
)

// AuditSummary is summary.json: the findings of a run, small enough for a ConfigMap. Everything but run, versions and
// cost depends only on the input.
type AuditSummary struct {
	// schemaVersion is the version of this structure.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	SchemaVersion int32 `json:"schemaVersion"`

	// run is which run found this, and when.
	// +optional
	Run SummaryRun `json:"run,omitempty,omitzero"`

	// dataset is what was audited.
	// +required
	Dataset SummaryDataset `json:"dataset"`

	// model is what embedded it. Absent for format Embeddings.
	// +optional
	Model *SummaryModel `json:"model,omitempty"`

	// baseline is what it was compared with. Absent for an audit without one.
	// +optional
	Baseline *SummaryBaseline `json:"baseline,omitempty"`

	// references are the sets that it was compared with, in the order of the spec. Absent for an audit without any.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	References []SummaryReference `json:"references,omitempty"` //nolint:kubeapilinter // as in the spec

	// verdicts are what reviewers said before, as it was when the run read it. Absent for an audit without
	// duplicates.verdicts.
	// +optional
	Verdicts *SummaryVerdicts `json:"verdicts,omitempty"`

	// layers are the findings, one entry a layer, in the order of the spec.
	// +required
	// +listType=map
	// +listMapKey=layer
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Layers []LayerSummary `json:"layers"`

	// policy is what the rules of spec.policy say of these findings. Absent for a run of the operator, which puts it in
	// status.rules, and for an audit without rules.
	// +optional
	Policy *SummaryPolicy `json:"policy,omitempty"`

	// truncated says that lists were cut so that the summary fits its ConfigMap. The figures are not affected, and the
	// files hold everything. Default: false.
	// +optional
	Truncated bool `json:"truncated,omitempty"`

	// versions are those of the programs that took part.
	// +optional
	Versions SummaryVersions `json:"versions,omitempty,omitzero"`

	// cost is what the run took.
	// +optional
	Cost SummaryCost `json:"cost,omitempty,omitzero"`
}

// SummaryPolicy is what a policy says of findings.
type SummaryPolicy struct {
	// compliant is False where a rule of severity Fail is violated, else Unknown where one could not be evaluated, else
	// True.
	// +required
	// +kubebuilder:validation:Enum=True;False;Unknown
	Compliant metav1.ConditionStatus `json:"compliant"`

	// rules are the outcomes, in the order of the spec.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Rules []RuleStatus `json:"rules"`
}

// SummaryRun identifies a run.
type SummaryRun struct {
	// id of the run in status.run; empty when the runner was started by hand.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// audit is the namespace and name of the audit, namespace/name.
	// +optional
	// +kubebuilder:validation:MaxLength=320
	Audit string `json:"audit,omitempty"`

	// inputSHA256 is the digest of the manifest that the run read, in lower-case hexadecimal. The controller believes
	// only the summary of the manifest that it wrote.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	InputSHA256 string `json:"inputSHA256,omitempty"`

	// startedAt is when the run began, attempts before it not counted.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// completedAt is when the findings were complete.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`

	// sourcesSHA256 is a digest of the names, sizes and versions of all files that the run could read, in lower-case
	// hexadecimal: a later run is spared while it stays. Absent where nobody asked for it (schedule.runs: IfChanged,
	// --listed), and where an image is read that is named by a tag.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SourcesSHA256 string `json:"sourcesSHA256,omitempty"`

	// files are the others that were written beside summary.json, with their digests; not embeddings and baseline.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Files []SummaryFile `json:"files,omitempty"`
}

// SummaryFile is a file of results.
type SummaryFile struct {
	// name of the file.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// sha256 of the file, in lower-case hexadecimal.
	// +required
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// bytes of it.
	// +required
	// +kubebuilder:validation:Minimum=0
	Bytes int64 `json:"bytes"`
}

// SummaryBaseline is the baseline that a dataset was compared with.
type SummaryBaseline struct {
	// sha256 of baseline.safetensors, in lower-case hexadecimal.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// samples that it holds.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`
}

// SummaryVerdicts are the verdicts of reviewers that a run respected.
type SummaryVerdicts struct {
	// sha256 of the file or of the ConfigMap's key, in lower-case hexadecimal.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// copies is the number of verdicts Copies.
	// +required
	// +kubebuilder:validation:Minimum=0
	Copies int64 `json:"copies"`

	// notCopies is the number of verdicts NotCopies: only these change what is found.
	// +required
	// +kubebuilder:validation:Minimum=0
	NotCopies int64 `json:"notCopies"`

	// unsure is the number of verdicts Unsure.
	// +required
	// +kubebuilder:validation:Minimum=0
	Unsure int64 `json:"unsure"`

	// reviewers of the verdicts NotCopies, as they call themselves, by name; at most 32.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	Reviewers []string `json:"reviewers,omitempty"`
}

// MaxReviewers bounds SummaryVerdicts.Reviewers.
const MaxReviewers = 32

// WithheldSummary counts what the verdicts of reviewers kept from being found: without them it would be among the
// findings.
type WithheldSummary struct {
	// pairs of samples that would be linked, or copies.
	// +required
	// +kubebuilder:validation:Minimum=0
	Pairs int64 `json:"pairs"`

	// leaks are the evaluation samples that would leak, and don't.
	// +required
	// +kubebuilder:validation:Minimum=0
	Leaks int64 `json:"leaks"`

	// exactCopies are the samples whose bytes or pixels equal those of an earlier one from which they were judged apart.
	// +required
	// +kubebuilder:validation:Minimum=0
	ExactCopies int64 `json:"exactCopies"`

	// conflicts are the pairs with disjoint labels.
	// +required
	// +kubebuilder:validation:Minimum=0
	Conflicts int64 `json:"conflicts"`

	// overruled are the pairs that were judged apart and still count: they show the same in an evaluation split and
	// outside of it.
	// +required
	// +kubebuilder:validation:Minimum=0
	Overruled int64 `json:"overruled"`

	// anonymous is the number of verdicts NotCopies that say no reviewer.
	// +required
	// +kubebuilder:validation:Minimum=0
	Anonymous int64 `json:"anonymous"`
}

// SummaryDataset is what was audited.
type SummaryDataset struct {
	// samples is the number of samples audited, skipped ones not counted.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// splits are the splits and their numbers of samples, in the dataset's order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Splits []SplitSamples `json:"splits,omitempty"`

	// revision is what the audit's spec called the version of the data.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// location is where it was read: a path, a URL, or the claim or image that was mounted.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Location string `json:"location,omitempty"`

	// digest of the dataset: SHA-256 over the samples' IDs, splits, labels and content, in order, as sha256:….
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest"`

	// groups are what the samples come from, such as patients, recordings or authors, as the dataset names them. Absent
	// for a dataset that names none. A policy rule sees it as the variable groups.
	// +optional
	Groups *SummaryGroups `json:"groups,omitempty"`

	// quality counts the poor images. Absent without report Quality, and for a dataset of embeddings. A policy rule sees it
	// as the variable quality.
	// +optional
	Quality *QualitySummary `json:"quality,omitempty"`

	// skipped are the samples that could not be read.
	// +required
	Skipped SkippedSamples `json:"skipped"`

	// ignored are the files that were taken for no samples. Absent: none, or an older runner.
	// +optional
	Ignored *IgnoredFiles `json:"ignored,omitempty"`

	// warnings say what of the dataset could be read in another way, and whether the model's preset may be wrong.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=2048
	Warnings []string `json:"warnings,omitempty"`
}

// IgnoredFiles are files of a dataset that were taken for no samples. Hidden files are not counted.
type IgnoredFiles struct {
	// files is their number.
	// +required
	// +kubebuilder:validation:Minimum=0
	Files int64 `json:"files"`

	// endings are their numbers by the endings of their names, the most frequent ones.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Endings []EndingFiles `json:"endings,omitempty"`
}

// HandfulIgnored is how many ignored files say nothing of a dataset: a README, a license, a table beside the images. Of
// more, people are told.
const HandfulIgnored = 10

// String names the most frequent endings: ".txt 335, .json 12".
func (f *IgnoredFiles) String() string {
	const most = 5
	var parts []string
	for _, e := range f.Endings[:min(most, len(f.Endings))] {
		name := e.Ending
		if name == "" {
			name = "without an ending"
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, e.Files))
	}
	if len(f.Endings) > most {
		parts = append(parts, "and others")
	}
	return strings.Join(parts, ", ")
}

// EndingFiles is the number of files whose names end alike.
type EndingFiles struct {
	// ending of the names, with its dot, in lower case; empty for files without one.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Ending string `json:"ending"`

	// files is their number.
	// +required
	// +kubebuilder:validation:Minimum=0
	Files int64 `json:"files"`
}

// SummaryGroups says how the samples of one origin lie in the splits. It does not depend on any layer.
type SummaryGroups struct {
	// groups is their number.
	// +required
	// +kubebuilder:validation:Minimum=0
	Groups int64 `json:"groups"`

	// samples is the number of samples that have a group.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// crossing is the number of groups with samples in an evaluation split and samples outside of these splits. Absent where
	// all samples are on one side.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Crossing *int64 `json:"crossing,omitempty"`

	// crossingSamples is the number of evaluation samples in these groups. It is there if crossing is.
	// +optional
	// +kubebuilder:validation:Minimum=0
	CrossingSamples *int64 `json:"crossingSamples,omitempty"`

	// worst are those of them with most evaluation samples, at most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Worst []CrossingGroup `json:"worst,omitempty"`
}

// Unlisted is the number of crossing groups beyond those in worst.
func (g *SummaryGroups) Unlisted() int64 {
	if g.Crossing == nil {
		return 0
	}
	return *g.Crossing - int64(len(g.Worst))
}

// SequenceEvidence is what suggests that samples belong together.
//
// +kubebuilder:validation:Enum=Folder;Name;Order;Time
type SequenceEvidence string

// The kinds of evidence.
const (
	// SequenceFolder: they lie in one folder, besides those of a split or a label.
	SequenceFolder SequenceEvidence = "Folder"
	// SequenceName: their names differ in the number at the end alone.
	SequenceName SequenceEvidence = "Name"
	// SequenceOrder: the numbers in their names follow each other.
	SequenceOrder SequenceEvidence = "Order"
	// SequenceTime: one camera took them soon after each other, by their EXIF metadata.
	SequenceTime SequenceEvidence = "Time"
)

// SequencesSummary is a suspicion about samples of one origin on both sides of the evaluation.
type SequencesSummary struct {
	// crossing is the number of sequences with samples in an evaluation split and samples outside of these splits; 0 where
	// none were found.
	// +required
	// +kubebuilder:validation:Minimum=0
	Crossing int64 `json:"crossing"`

	// crossingSamples is the number of evaluation samples in these.
	// +required
	// +kubebuilder:validation:Minimum=0
	CrossingSamples int64 `json:"crossingSamples"`

	// evidence is what suggests them. Absent where there are none.
	// +optional
	Evidence SequenceEvidence `json:"evidence,omitempty"`

	// together is the share of neighbors on the other side, with the same label, that the names set together; by Order and
	// Time, the share of neighbors among samples that follow each other. Absent where there are none.
	// +optional
	Together Decimal `json:"together,omitempty"`

	// chance is that share if the names said nothing of the images. Absent where there are none.
	// +optional
	Chance Decimal `json:"chance,omitempty"`

	// worst are those with most evaluation samples, at most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Worst []CrossingGroup `json:"worst,omitempty"`
}

// CrossingGroup is a group with samples on both sides.
type CrossingGroup struct {
	// name of the group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name"`

	// evaluation is the number of its samples in evaluation splits.
	// +required
	// +kubebuilder:validation:Minimum=1
	Evaluation int64 `json:"evaluation"`

	// others is the number of its samples in other splits.
	// +required
	// +kubebuilder:validation:Minimum=1
	Others int64 `json:"others"`
}

// SplitSamples is the size of a split.
type SplitSamples struct {
	// name of the split; empty for a dataset without splits.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name"`

	// samples in the split.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// evaluation says that the split must not leak into the others.
	// +optional
	Evaluation bool `json:"evaluation,omitempty"`
}

// SkippedSamples are the samples that could not be read.
type SkippedSamples struct {
	// samples is the number of samples that could not be read.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// entries are the first of them, at most 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Entries []SkippedSample `json:"entries,omitempty"`
}

// SkippedSample is a sample that could not be read.
type SkippedSample struct {
	// id of the sample.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	ID string `json:"id"`

	// reason why it could not be read.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason"`
}

// SummaryModel is the model that embedded the dataset.
type SummaryModel struct {
	// name of the model: that of its file, or of the builtin one.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name,omitempty"`

	// location is where it was read: a path, a URL, or the claim or image that was mounted. Absent for a builtin one.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Location string `json:"location,omitempty"`

	// sha256 of the model's file, in lower-case hexadecimal; of a builtin one, of its name and version.
	// +required
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`

	// digest of all that it computes with, in lower-case hexadecimal: the graph, and data in files of its own, which
	// sha256 doesn't cover.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// LayerSummary are the findings of one layer. A policy rule sees it as the variable layer.
type LayerSummary struct {
	// layer as the spec names it; "embeddings" for format Embeddings.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Layer string `json:"layer"`

	// dimensions of the embeddings before reduction.
	// +required
	// +kubebuilder:validation:Minimum=1
	Dimensions int64 `json:"dimensions"`

	// components that were compared, after reduction and dropping.
	// +required
	// +kubebuilder:validation:Minimum=0
	Components int64 `json:"components"`

	// droppedComponents is the number of requested components dropped because their variance is nothing but rounding
	// noise.
	// +required
	// +kubebuilder:validation:Minimum=0
	DroppedComponents int64 `json:"droppedComponents"`

	// droppedColumns is the number of columns dropped because all their values are 0.
	// +required
	// +kubebuilder:validation:Minimum=0
	DroppedColumns int64 `json:"droppedColumns"`

	// search says how neighbors were searched, and with what recall. Absent in results of earlier versions.
	// +optional
	Search *SearchSummary `json:"search,omitempty"`

	// withheld counts what the verdicts of reviewers kept from being found: zeros without any. Absent in results of earlier
	// versions.
	// +optional
	Withheld *WithheldSummary `json:"withheld,omitempty"`

	// threshold is the distance up to which samples were linked.
	// +required
	Threshold ThresholdSummary `json:"threshold"`

	// local says on what the threshold of duplicates.method Local rests. Absent for method Reference.
	// +optional
	Local *LocalSummary `json:"local,omitempty"`

	// samples compared.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// clusters found: groups of two and more samples linked by near duplicates or exact copies.
	// +required
	// +kubebuilder:validation:Minimum=0
	Clusters int64 `json:"clusters"`

	// duplicateSamples is the number of samples in clusters.
	// +required
	// +kubebuilder:validation:Minimum=0
	DuplicateSamples int64 `json:"duplicateSamples"`

	// redundantSamples is the number of samples that could go if one of each stayed. Of clusters of more than
	// maxClusterSize, which may be chains of look-alikes, only exact copies count. remove.csv lists them, and the samples
	// outside of evaluation splits that are in references.
	// +required
	// +kubebuilder:validation:Minimum=0
	RedundantSamples int64 `json:"redundantSamples"`

	// exactCopies is the number of samples whose bytes or pixels equal those of an earlier sample; for format
	// Embeddings, whose vector does.
	// +required
	// +kubebuilder:validation:Minimum=0
	ExactCopies int64 `json:"exactCopies"`

	// equalVectors is the number of samples whose vector equals that of an earlier sample although their pixels differ:
	// near duplicates at distance 0. Absent for format Embeddings, and of older runners, which counted them as
	// exactCopies.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EqualVectors *int64 `json:"equalVectors,omitempty"`

	// effectiveSize is the number of samples with each cluster counted once: N − Σ(|C| − 1).
	// +required
	// +kubebuilder:validation:Minimum=0
	EffectiveSize int64 `json:"effectiveSize"`

	// weightedEffectiveSize is Σ 1/(1 + direct links) over the samples, which a chain of links shrinks less.
	// +required
	WeightedEffectiveSize Decimal `json:"weightedEffectiveSize"`

	// splits are the findings within each split alone, in the dataset's order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Splits []GroupSummary `json:"splits,omitempty"`

	// labels are the findings within each label alone, by name; the largest ones when there are more than 256.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Labels []GroupSummary `json:"labels,omitempty"`

	// baseline counts the samples that spec.baseline holds already. Absent without one.
	// +optional
	Baseline *BaselineSummary `json:"baseline,omitempty"`

	// references says of each of spec.references what of it the dataset holds. Absent without any.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	References []ReferenceSummary `json:"references,omitempty"` //nolint:kubeapilinter // as in the spec

	// leakage of evaluation samples into the others. Absent when one side is absent.
	// +optional
	Leakage *LeakageSummary `json:"leakage,omitempty"`

	// sequences are groups that the dataset does not name, such as the frames of a recording, and that lie on both sides of
	// the evaluation: a suspicion, which names suggest and the embeddings confirm. Absent where nobody looked: for a dataset
	// that names groups, and where all samples are on one side.
	// +optional
	Sequences *SequencesSummary `json:"sequences,omitempty"`

	// labelConflicts is the number of pairs, exact copies or directly linked, whose labels have nothing in common.
	// Absent when no sample has a label.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LabelConflicts *int64 `json:"labelConflicts,omitempty"`

	// familiarity is how usual the samples are among each other. Absent without report Familiarity.
	// +optional
	Familiarity *FamiliaritySummary `json:"familiarity,omitempty"`

	// suspectLabels counts the samples whose label is probably wrong. Absent without report Labels, and where no two samples
	// have different labels.
	// +optional
	SuspectLabels *SuspectLabelsSummary `json:"suspectLabels,omitempty"`

	// coverage says how much of the evaluation the other samples cover. Absent when one side is absent.
	// +optional
	Coverage *CoverageSummary `json:"coverage,omitempty"`

	// distanceQuantiles is the curve of all neighbors' distances, sorted, at 256 evenly spaced ranks from the smallest
	// to the largest. Empty when all samples are identical.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	DistanceQuantiles []Decimal `json:"distanceQuantiles,omitempty"`

	// topClusters are the tightest clusters, output.topClusters of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	TopClusters []ClusterSummary `json:"topClusters,omitempty"`
}

// ThresholdSummary is the distance up to which samples were linked.
type ThresholdSummary struct {
	// strategy that chose it.
	// +required
	Strategy ThresholdStrategy `json:"strategy"`

	// distance is the threshold: a Euclidean distance of the reduced, normalized vectors; for strategy Cosine 1 −
	// similarity; for strategy FalseDiscovery relative to what is around a sample, 0 where no pair was found.
	// +required
	Distance Decimal `json:"distance"`

	// normalizedDistance is distance × √N, comparable between datasets of different sizes. Absent for strategies Cosine
	// and FalseDiscovery.
	// +optional
	NormalizedDistance *Decimal `json:"normalizedDistance,omitempty"`

	// elbow is the position in the sorted distances at which strategy Slope found its elbow. Absent for the other
	// strategies, and when the search ended without one: the threshold is then only the place where it ended.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Elbow *int64 `json:"elbow,omitempty"`
}

// SearchSummary says how neighbors were searched. Of several searches, as for references, it is the one that found the
// smallest share.
type SearchSummary struct {
	// method is Exact also where Approximate was asked for and there were too few samples.
	// +required
	Method NeighborSearch `json:"method"`

	// recall is the share of the nearest neighbors that was found: 1 if exact, else measured on sampledRows.
	// +required
	Recall Decimal `json:"recall"`

	// recallAtLeast is the lower end of the interval of recall, at 95 %.
	// +required
	RecallAtLeast Decimal `json:"recallAtLeast"`

	// sampledRows were searched exactly to measure recall.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SampledRows int64 `json:"sampledRows,omitempty"`

	// comparedShare is the share of all vectors that each was compared with.
	// +required
	ComparedShare Decimal `json:"comparedShare"`
}

// LocalSummary says how method Local judged pairs, and lets its assumption be checked: that around a sample,
// look-alikes lie as points do that are spread evenly over a space of some dimension.
type LocalSummary struct {
	// rate is the share of false pairs asked for.
	// +required
	Rate Decimal `json:"rate"`

	// neighbors is the number of neighbors of a sample by which chance was judged.
	// +required
	// +kubebuilder:validation:Minimum=0
	Neighbors int64 `json:"neighbors"`

	// pairs found, of distinct vectors.
	// +required
	// +kubebuilder:validation:Minimum=0
	Pairs int64 `json:"pairs"`

	// chancePairs bounds how many of them are expected to be there by chance.
	// +required
	ChancePairs Decimal `json:"chancePairs"`

	// dimension is the median of the local intrinsic dimensions, by the outer neighbors.
	// +required
	Dimension Decimal `json:"dimension"`

	// shrinkage is what the dimensions were multiplied by, because nearer neighbors show a lower one; 1 where they
	// don't.
	// +required
	Shrinkage Decimal `json:"shrinkage"`

	// fit is the number of pairs as near as chance has them, between 0.1 and 1 neighbors a sample, as a multiple of the
	// expected one. Near 1 and below the assumption holds; well above it, pairs are found that are none. Absent for
	// fewer than 100 samples.
	// +optional
	Fit *Decimal `json:"fit,omitempty"`

	// inspection is the second look at pairs. Absent without one.
	// +optional
	Inspection *InspectionSummary `json:"inspection,omitempty"`
}

// InspectionSummary is what the second look at pairs was.
type InspectionSummary struct {
	// pairs that were looked at.
	// +required
	// +kubebuilder:validation:Minimum=0
	Pairs int64 `json:"pairs"`

	// lookalikes is how many of them say what similarity mere look-alikes have. With fewer than 500, look-alikes as
	// photos usually have them stand in for those that are missing.
	// +required
	// +kubebuilder:validation:Minimum=0
	Lookalikes int64 `json:"lookalikes"`

	// similarity that one in ten look-alikes exceeds: a correlation of pixels, at most 1. Older runners
	// left it out where there were fewer than 100.
	// +optional
	Similarity *Decimal `json:"similarity,omitempty"`
}

// GroupSummary are the findings within one split or one label alone: what other groups hold does not count.
type GroupSummary struct {
	// name of the split or label; empty for samples without one.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name"`

	// samples in the group.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// duplicateSamples is the number of samples in clusters of the group alone.
	// +required
	// +kubebuilder:validation:Minimum=0
	DuplicateSamples int64 `json:"duplicateSamples"`

	// effectiveSize is the number of samples of the group with each cluster of the group alone counted once.
	// +required
	// +kubebuilder:validation:Minimum=0
	EffectiveSize int64 `json:"effectiveSize"`

	// weightedEffectiveSize is Σ 1/(1 + direct links within the group) over the samples of the group.
	// +required
	WeightedEffectiveSize Decimal `json:"weightedEffectiveSize"`
}

// BaselineSummary counts the samples that a baseline holds already.
type BaselineSummary struct {
	// samples of the baseline.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`
	// duplicateSamples is the number of audited samples that are a copy of, or directly linked to, one of the baseline.
	// +required
	// +kubebuilder:validation:Minimum=0
	DuplicateSamples int64 `json:"duplicateSamples"`
	// exactCopies is how many of them are identical to one.
	// +required
	// +kubebuilder:validation:Minimum=0
	ExactCopies int64 `json:"exactCopies"`
}

// LeakageSummary counts evaluation samples that have copies among the others.
type LeakageSummary struct {
	// samples is the number of evaluation samples that are an exact copy of, or directly linked to, a sample of a split
	// that is not for evaluation.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// exactCopies is how many of these are exact copies.
	// +required
	// +kubebuilder:validation:Minimum=0
	ExactCopies int64 `json:"exactCopies"`

	// chainedOnly is the number of evaluation samples that only share a cluster with a sample of a split that is not
	// for evaluation. They are not in samples.
	// +required
	// +kubebuilder:validation:Minimum=0
	ChainedOnly int64 `json:"chainedOnly"`

	// clusters that hold a leaking sample.
	// +required
	// +kubebuilder:validation:Minimum=0
	Clusters int64 `json:"clusters"`

	// pairs of splits between which samples leak; those with most samples when there are more than 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Pairs []LeakagePair `json:"pairs,omitempty"`
}

// LeakagePair counts the evaluation samples that leak from one split into another.
type LeakagePair struct {
	// from is the split whose samples are copied, such as train.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	From string `json:"from"`

	// to is the evaluation split that they leak into, such as test.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	To string `json:"to"`

	// samples of to that are an exact copy of, or directly linked to, one of from.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`
}

// ClusterSummary is a cluster in short.
type ClusterSummary struct {
	// cluster is the index of its first sample in the dataset's order. It lasts as long as the dataset doesn't change.
	// +required
	// +kubebuilder:validation:Minimum=0
	Cluster int64 `json:"cluster"`

	// key is a hash of its medoid's ID, which lasts between runs.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Key string `json:"key"`

	// size is the number of its samples.
	// +required
	// +kubebuilder:validation:Minimum=2
	Size int64 `json:"size"`

	// mean distance of its samples to their centroid.
	// +required
	Mean Decimal `json:"mean"`

	// diameter is the largest distance between two of its samples.
	// +required
	Diameter Decimal `json:"diameter"`

	// medoid is the ID of the sample nearest to all others, the one to keep.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Medoid string `json:"medoid"`

	// members are IDs of its samples, at most 8.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	Members []string `json:"members,omitempty"`

	// splits that it touches.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=1024
	Splits []string `json:"splits,omitempty"`

	// labels that it touches.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=1024
	Labels []string `json:"labels,omitempty"`
}

// SummaryVersions are the programs that took part. Another value may mean other last digits.
type SummaryVersions struct {
	// runner is the version of the runner.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Runner string `json:"runner,omitempty"`

	// onnxRuntime is the version of ONNX Runtime. Empty when nothing was embedded.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ONNXRuntime string `json:"onnxRuntime,omitempty"`

	// executionProvider that computed the embeddings. Empty when nothing was embedded.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	ExecutionProvider ExecutionProvider `json:"executionProvider,omitempty"`

	// device that computed the embeddings: the model of the processor or GPU.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Device string `json:"device,omitempty"`
}

// SummaryCost is what a run took.
type SummaryCost struct {
	// estimatedSeconds is what a probe at the beginning of the run said that it would take. Absent for small datasets, and
	// where several pods took part.
	// +optional
	EstimatedSeconds *Decimal `json:"estimatedSeconds,omitempty"`

	// wallSeconds is the time from start to end, in seconds, attempts before it not counted.
	// +optional
	WallSeconds *Decimal `json:"wallSeconds,omitempty"`

	// cpuSeconds is the time of all processors, in seconds.
	// +optional
	CPUSeconds *Decimal `json:"cpuSeconds,omitempty"`

	// peakMemoryBytes is the largest resident memory of a process.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PeakMemoryBytes int64 `json:"peakMemoryBytes,omitempty"`

	// embeddedSamples is the number of samples that the model computed in this run.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EmbeddedSamples int64 `json:"embeddedSamples,omitempty"`

	// reusedSamples is the number of samples whose vectors were taken from a checkpoint, a cache or a copy of the same
	// bytes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReusedSamples int64 `json:"reusedSamples,omitempty"`

	// inspectionSeconds is the part of wallSeconds that the second look at pairs took, in seconds. Absent without one.
	// +optional
	InspectionSeconds *Decimal `json:"inspectionSeconds,omitempty"`
}

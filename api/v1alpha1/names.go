package v1alpha1

import "strings"

// Files of a run, in the output folder or in object storage, and keys of its ConfigMaps.
const (
	// FileSummary is the AuditSummary as JSON. It is written last: where it is, everything is.
	FileSummary = "summary.json"
	// FileProgress is the Progress as JSON.
	FileProgress = "progress.json"
	// FileClusters holds one cluster a line, as JSON.
	FileClusters = "clusters.jsonl"
	// FileClustersGzip is FileClusters, compressed: the key of the clusters' ConfigMap.
	FileClustersGzip = "clusters.jsonl.gz"
	// FileClustersParquet has a row for each member of a cluster.
	FileClustersParquet = "clusters.parquet"
	// FilePairs holds every direct link.
	FilePairs = "pairs.csv"
	// FileGroups maps samples to clusters, for a group-aware split.
	FileGroups = "groups.csv"
	// FileKeep lists the samples that stay.
	FileKeep = "keep.csv"
	// FileRemove lists the samples that could go.
	FileRemove = "remove.csv"
	// FileReport is the page to look at.
	FileReport = "report.html"
	// FileJUnit has a test case for each rule of the policy and each layer, as JUnit's XML.
	FileJUnit = "junit.xml"
	// FileSARIF has what a reviewer would act on, as SARIF 2.1.0.
	FileSARIF = "findings.sarif"
	// FileMarkdown is the summary for a comment on a pull request.
	FileMarkdown = "summary.md"
	// FileQuality lists the poor images, with report Quality.
	FileQuality = "quality.csv"
	// FileFamiliarity has the densities of all samples, with report Familiarity.
	FileFamiliarity = "familiarity.parquet"
	// FileLabels lists the samples whose label is probably wrong, with report Labels.
	FileLabels = "labels.csv"
	// FileMap has the place of each sample in the plane, with report Map.
	FileMap = "map.csv"
	// FileCroissant is the dataset's metadata with what the audit found, on request.
	FileCroissant = "croissant.json"
	// FileEmbeddings are the vectors before reduction, on request.
	FileEmbeddings = "embeddings.npy"
	// FileBaseline is what later audits compare with, on request.
	FileBaseline = "baseline.safetensors"
	// FileReference is what `runner reference` writes if nothing else is asked for.
	FileReference = "reference.safetensors"
)

// ConfigMaps of a run.
const (
	// InputSuffix ends the name of the ConfigMap that holds the audit as the runner reads it.
	InputSuffix = "-input"
	// ResultSuffix ends the name of the ConfigMap that holds progress and summary.
	ResultSuffix = "-result"
	// ClustersSuffix ends the name of the ConfigMap that holds the tightest clusters.
	ClustersSuffix = "-clusters"
	// KeyAudit is the key of the input ConfigMap: the DatasetAudit as YAML.
	KeyAudit = "audit.yaml"
	// KeyTruncated is the key that says, as JSON {"clusters": total, "listed": n}, that the list of clusters was cut.
	KeyTruncated = "truncated"
	// RecordSuffix ends the name of a run's AuditRecord.
	RecordSuffix = "-record"
	// MaxResultBytes bounds the summary in its ConfigMap.
	MaxResultBytes = 64 << 10
	// MaxClustersBytes bounds the compressed clusters in their ConfigMap.
	MaxClustersBytes = 256 << 10
)

// RunURL is where a run's results lie in object storage: under url/namespace/audit/run, with the options of url.
func RunURL(url, namespace, audit, run string) string {
	place, options, found := strings.Cut(url, "?")
	place = strings.TrimRight(place, "/") + "/" + namespace + "/" + audit + "/" + run
	if found {
		place += "?" + options
	}
	return place
}

// VectorsURL is where the audits of a namespace keep vectors in object storage: under url/namespace/.vectors, beside the
// folders of audits, with the options of url.
func VectorsURL(url, namespace string) string {
	place, options, found := strings.Cut(url, "?")
	place = strings.TrimRight(place, "/") + "/" + namespace + "/" + VectorsName
	if found {
		place += "?" + options
	}
	return place
}

// VectorsName is where vectors are kept beside the folders of audits, none of which can have that name.
const VectorsName = ".vectors"

// Labels and annotations.
const (
	// LabelAudit is the audit's name, on everything that belongs to it.
	LabelAudit = GroupName + "/audit"
	// LabelAuditUID is the audit's UID, on everything that belongs to it.
	LabelAuditUID = GroupName + "/audit-uid"
	// LabelRun is the run's ID, on everything that belongs to it.
	LabelRun = GroupName + "/run"
	// LabelStage is the stage of a Job of a run.
	LabelStage = GroupName + "/stage"
	// LabelQueueName is Kueue's label that names the queue; it goes from the audit to its Jobs.
	LabelQueueName = "kueue.x-k8s.io/queue-name"
	// LabelPriorityClass is Kueue's label that names a priority class for workloads; it goes from the audit to its
	// Jobs.
	LabelPriorityClass = "kueue.x-k8s.io/priority-class"
	// AnnotationRequestedAt asks for a run: any new value starts one, and status.lastHandledRequest answers.
	AnnotationRequestedAt = GroupName + "/requestedAt"
	// AnnotationRequestedBy says who asked for a run. An admission policy writes it (config/governance/requester.yaml);
	// without that, whoever edits the audit may write anything there.
	AnnotationRequestedBy = GroupName + "/requestedBy"
)

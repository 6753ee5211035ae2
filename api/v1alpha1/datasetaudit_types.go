package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DatasetAudit finds the near duplicates of a machine learning dataset: which samples repeat each other, which samples
// of an evaluation split leak into training, and whether the dataset meets a policy. Creating one runs pods in its
// namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=da,categories=ml
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Compliant",type=string,JSONPath=`.status.conditions[?(@.type=="Compliant")].status`
// +kubebuilder:printcolumn:name="Samples",type=integer,JSONPath=`.status.result.samples`
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=`.status.result.clusters`
// +kubebuilder:printcolumn:name="Duplicates",type=integer,JSONPath=`.status.result.duplicateSamples`
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.run.progress.message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters: it becomes a label and part of the names of Jobs"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.contains('.')",message="metadata.name must not contain dots: it becomes part of the names of pods"
type DatasetAudit struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata. The name is at most 63 characters. The labels kueue.x-k8s.io/queue-name
	// and kueue.x-k8s.io/priority-class are passed on to the Jobs of the audit.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what to audit, and how.
	// +required
	Spec DatasetAuditSpec `json:"spec"`

	// status is what the controller observed and found.
	// +optional
	// +kubebuilder:default={observedGeneration:-1}
	Status DatasetAuditStatus `json:"status,omitempty,omitzero"`
}

// DatasetAuditList is a list of DatasetAudits.
//
// +kubebuilder:object:root=true
type DatasetAuditList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatasetAudit `json:"items"`
}

// DatasetAuditSpec says what to audit, and how. A change of dataset, model, reduction, duplicates, baseline or
// references starts a new run; a change of anything else does not.
//
// +kubebuilder:validation:XValidation:rule="!self.?model.?source.?objectStorage.?secretRef.hasValue() || !self.dataset.source.?objectStorage.?secretRef.hasValue() || self.dataset.source.objectStorage.secretRef.name == self.model.source.objectStorage.secretRef.name",message="model must name the same Secret in secretRef as dataset: its keys become the environment of one pod"
// +kubebuilder:validation:XValidation:rule="!self.?output.?objectStorage.?secretRef.hasValue() || ((!self.dataset.source.?objectStorage.?secretRef.hasValue() || self.dataset.source.objectStorage.secretRef.name == self.output.objectStorage.secretRef.name) && (!self.?model.?source.?objectStorage.?secretRef.hasValue() || self.model.source.objectStorage.secretRef.name == self.output.objectStorage.secretRef.name))",message="output must name the same Secret in secretRef as dataset and model: its keys become the environment of one pod"
// +kubebuilder:validation:XValidation:rule="!self.?baseline.?objectStorage.?secretRef.hasValue() || ((!self.dataset.source.?objectStorage.?secretRef.hasValue() || self.dataset.source.objectStorage.secretRef.name == self.baseline.objectStorage.secretRef.name) && (!self.?model.?source.?objectStorage.?secretRef.hasValue() || self.model.source.objectStorage.secretRef.name == self.baseline.objectStorage.secretRef.name) && (!self.?output.?objectStorage.?secretRef.hasValue() || self.output.objectStorage.secretRef.name == self.baseline.objectStorage.secretRef.name))",message="baseline must name the same Secret in secretRef as dataset, model and output: its keys become the environment of one pod"
// +kubebuilder:validation:XValidation:rule="!self.?duplicates.?verdicts.?objectStorage.?secretRef.hasValue() || ((!self.dataset.source.?objectStorage.?secretRef.hasValue() || self.dataset.source.objectStorage.secretRef.name == self.duplicates.verdicts.objectStorage.secretRef.name) && (!self.?model.?source.?objectStorage.?secretRef.hasValue() || self.model.source.objectStorage.secretRef.name == self.duplicates.verdicts.objectStorage.secretRef.name) && (!self.?output.?objectStorage.?secretRef.hasValue() || self.output.objectStorage.secretRef.name == self.duplicates.verdicts.objectStorage.secretRef.name) && (!self.?baseline.?objectStorage.?secretRef.hasValue() || self.baseline.objectStorage.secretRef.name == self.duplicates.verdicts.objectStorage.secretRef.name))",message="duplicates.verdicts must name the same Secret in secretRef as dataset, model, output and baseline: its keys become the environment of one pod"
// +kubebuilder:validation:XValidation:rule="!self.?workspace.?objectStorage.?secretRef.hasValue() || ((!self.dataset.source.?objectStorage.?secretRef.hasValue() || self.dataset.source.objectStorage.secretRef.name == self.workspace.objectStorage.secretRef.name) && (!self.?model.?source.?objectStorage.?secretRef.hasValue() || self.model.source.objectStorage.secretRef.name == self.workspace.objectStorage.secretRef.name) && (!self.?output.?objectStorage.?secretRef.hasValue() || self.output.objectStorage.secretRef.name == self.workspace.objectStorage.secretRef.name) && (!self.?baseline.?objectStorage.?secretRef.hasValue() || self.baseline.objectStorage.secretRef.name == self.workspace.objectStorage.secretRef.name) && (!self.?duplicates.?verdicts.?objectStorage.?secretRef.hasValue() || self.duplicates.verdicts.objectStorage.secretRef.name == self.workspace.objectStorage.secretRef.name) && (!has(self.references) || self.references.all(r, !r.source.?objectStorage.?secretRef.hasValue() || r.source.objectStorage.secretRef.name == self.workspace.objectStorage.secretRef.name)))",message="workspace must name the same Secret in secretRef as dataset, model, output, baseline, duplicates.verdicts and references: its keys become the environment of one pod"
// +kubebuilder:validation:XValidation:rule="!has(self.references) || self.references.all(r, !r.source.?objectStorage.?secretRef.hasValue() || ((!self.dataset.source.?objectStorage.?secretRef.hasValue() || self.dataset.source.objectStorage.secretRef.name == r.source.objectStorage.secretRef.name) && (!self.?model.?source.?objectStorage.?secretRef.hasValue() || self.model.source.objectStorage.secretRef.name == r.source.objectStorage.secretRef.name) && (!self.?output.?objectStorage.?secretRef.hasValue() || self.output.objectStorage.secretRef.name == r.source.objectStorage.secretRef.name) && (!self.?baseline.?objectStorage.?secretRef.hasValue() || self.baseline.objectStorage.secretRef.name == r.source.objectStorage.secretRef.name) && (!self.?duplicates.?verdicts.?objectStorage.?secretRef.hasValue() || self.duplicates.verdicts.objectStorage.secretRef.name == r.source.objectStorage.secretRef.name) && self.references.all(o, !o.source.?objectStorage.?secretRef.hasValue() || o.source.objectStorage.secretRef.name == r.source.objectStorage.secretRef.name)))",message="references must name the same Secret in secretRef as dataset, model, output, baseline, duplicates.verdicts and each other: its keys become the environment of one pod"
// +kubebuilder:validation:XValidation:rule="!has(self.references) || !has(self.model) || !has(self.model.layers) || size(self.references) * size(self.model.layers) <= 128",message="references may be 128 at most, each counted once for each of model.layers: compare in several audits"
// +kubebuilder:validation:XValidation:rule="!has(self.familiarity) || (has(self.reports) && self.reports.exists(r, r == 'Familiarity'))",message="familiarity is of report Familiarity: name it in reports"
// +kubebuilder:validation:XValidation:rule="!has(self.reports) || self.dataset.format != 'Embeddings' || !self.reports.exists(r, r == 'Quality')",message="reports: Quality is that of images, and dataset.format Embeddings has none"
// +kubebuilder:validation:XValidation:rule="self.?duplicates.?inspection.orValue('None') == 'None' || self.dataset.format != 'Embeddings'",message="duplicates.inspection needs images, and dataset.format Embeddings has none"
// +kubebuilder:validation:XValidation:rule="has(self.model) || self.dataset.format == 'Embeddings'",message="model is required, unless dataset.format is Embeddings"
// +kubebuilder:validation:XValidation:rule="!has(self.model) || self.dataset.format != 'Embeddings'",message="model must be absent when dataset.format is Embeddings: the embeddings are computed already"
// +kubebuilder:validation:XValidation:rule="!has(self.runner) || !has(self.runner.parallelism) || self.runner.parallelism <= 1 || (has(self.workspace) ? !has(self.workspace.size) : self.?output.?objectStorage.hasValue())",message="runner.parallelism above 1 needs a place that all pods can write: name a ReadWriteMany claim in workspace.persistentVolumeClaim, or object storage in workspace or output"
// +kubebuilder:validation:XValidation:rule="!has(self.runner) || !has(self.runner.stages) || size(self.runner.stages) == 0 || has(self.workspace) || self.?output.?objectStorage.hasValue()",message="runner.stages makes Jobs of their own, which hand over what they computed in a workspace: set workspace, or output.objectStorage"
// +kubebuilder:validation:XValidation:rule="!has(self.runner) || !has(self.runner.stages) || size(self.runner.stages) == 0 || has(self.model)",message="runner.stages are those of a model, and dataset.format Embeddings has none"
type DatasetAuditSpec struct {
	// dataset is the data to audit.
	// +required
	Dataset DatasetSpec `json:"dataset"`

	// model turns samples into vectors whose distances mean similarity. Required, unless dataset.format is Embeddings.
	// +optional
	Model *ModelSpec `json:"model,omitempty"`

	// reduction says how the vectors are reduced before they are compared.
	// +optional
	// +kubebuilder:default={}
	Reduction ReductionSpec `json:"reduction,omitempty,omitzero"`

	// duplicates says what counts as a near duplicate.
	// +optional
	// +kubebuilder:default={}
	Duplicates DuplicatesSpec `json:"duplicates,omitempty,omitzero"`

	// reports are the parts of the report. Familiarity finds samples that are unlike the others, Labels those whose label is
	// probably wrong, Quality images that are dark, blurred or poor otherwise, and Map draws the dataset on a plane. They come
	// from the vectors and neighbors of the same run, so Duplicates is always among them. Absent: Duplicates and Quality.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:XValidation:rule="self.exists(r, r == 'Duplicates')",message="reports must have Duplicates: the other parts are made of its neighbors"
	Reports []ReportPart `json:"reports,omitempty"`

	// familiarity says how report Familiarity estimates how usual samples are.
	// +optional
	Familiarity *FamiliaritySpec `json:"familiarity,omitempty"`

	// baseline is a dataset that was audited before, with output.baseline: the run's folder of results. Samples are
	// then compared with it and among each other, but those of the baseline not among themselves; components, norms
	// and, for strategies Slope and Percentile, the threshold are the baseline's, so that distances mean the same.
	// +optional
	Baseline *BaselineSource `json:"baseline,omitempty"`

	// references are sets of samples that the dataset is compared with, such as the benchmarks that a model trained on it
	// will be measured by. Each is compared as if it were the only one, and what is found does not change any other
	// finding of the audit. A rule such as layer.references.all(r, r.samples == 0) refuses a dataset that holds some of
	// them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	References []ReferenceSpec `json:"references,omitempty"` //nolint:kubeapilinter // sets of samples, not references to objects

	// policy says what the dataset must fulfill. It is evaluated over the results, and again when it changes, without a
	// new run.
	// +optional
	// +kubebuilder:default={}
	Policy PolicySpec `json:"policy,omitempty,omitzero"`

	// output says what is reported, and where.
	// +optional
	// +kubebuilder:default={}
	Output OutputSpec `json:"output,omitempty,omitzero"`

	// runner says how the pods run.
	// +optional
	// +kubebuilder:default={}
	Runner RunnerSpec `json:"runner,omitempty,omitzero"`

	// workspace keeps what was embedded, so that a lost pod goes on, and later runs and other audits embed only what is
	// new. Absent: output.objectStorage. Without that either, it is a scratch volume of the pod, and a lost pod starts from
	// zero.
	// +optional
	Workspace *WorkspaceSpec `json:"workspace,omitempty"`

	// schedule repeats the audit. Absent: the audit runs when its spec changes, or when asked to by the annotation
	// datasetaudit.io/requestedAt.
	// +optional
	Schedule *ScheduleSpec `json:"schedule,omitempty"`

	// suspend stops the live run and starts no other. Checkpoints are kept, and resuming continues from them. Default:
	// false.
	// +optional
	// +kubebuilder:default=false
	Suspend bool `json:"suspend,omitempty"`

	// retention says how many finished runs are kept.
	// +optional
	// +kubebuilder:default={}
	Retention RetentionSpec `json:"retention,omitempty,omitzero"`
}

// ScheduledRuns is when a time of a schedule starts a run.
//
// +kubebuilder:validation:Enum=Always;IfChanged
type ScheduledRuns string

const (
	// RunsAlways starts one each time.
	RunsAlways ScheduledRuns = "Always"
	// RunsIfChanged starts one if what it would read has changed since the last results.
	RunsIfChanged ScheduledRuns = "IfChanged"
)

// ScheduleSpec repeats an audit. The first run starts when the audit is created; runs never overlap.
type ScheduleSpec struct {
	// cron says when to run, in the five fields of cron: minute, hour, day, month, weekday. Or @hourly, @daily,
	// @weekly, @monthly, @yearly. When clocks change it is as with CronJobs: a time that a day does not have is left
	// out on that day, and one that it has twice comes twice.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(@(hourly|daily|weekly|monthly|yearly)|[^ @=]+( [^ =]+){4})$')`,message="cron must have five fields (minute, hour, day, month, weekday) separated by one space, or be @hourly, @daily, @weekly, @monthly or @yearly; the time zone stands in timeZone"
	// +kubebuilder:validation:XValidation:rule=`size(self.split(' ')) != 5 || self.split(' ')[0].matches('(?i)^(\\*|[0-5]?[0-9])([-/,](\\*|[0-5]?[0-9]))*$')`,message="the first field of cron, the minute, must be from 0 to 59: *, 5, 0-30, */15 or 0,30"
	// +kubebuilder:validation:XValidation:rule=`size(self.split(' ')) != 5 || self.split(' ')[1].matches('(?i)^(\\*|[01]?[0-9]|2[0-3])([-/,](\\*|[01]?[0-9]|2[0-3]))*$')`,message="the second field of cron, the hour, must be from 0 to 23: *, 3, 8-18, */6 or 0,12"
	// +kubebuilder:validation:XValidation:rule=`size(self.split(' ')) != 5 || self.split(' ')[2].matches('(?i)^([*?]|0?[1-9]|[12][0-9]|3[01])([-/,]([*?]|0?[1-9]|[12][0-9]|3[01]))*$')`,message="the third field of cron, the day, must be from 1 to 31: *, 1, 1-7 or 1,15"
	// +kubebuilder:validation:XValidation:rule=`size(self.split(' ')) != 5 || self.split(' ')[3].matches('(?i)^(\\*|0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)([-/,](\\*|0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))*$')`,message="the fourth field of cron, the month, must be from 1 to 12 or from JAN to DEC: *, 1, 4-6, */3 or 1,7"
	// +kubebuilder:validation:XValidation:rule=`size(self.split(' ')) != 5 || self.split(' ')[4].matches('(?i)^([*?]|[0-6]|sun|mon|tue|wed|thu|fri|sat)([-/,]([*?]|[0-6]|sun|mon|tue|wed|thu|fri|sat))*$')`,message="the fifth field of cron, the weekday, must be from 0 (Sunday) to 6 or from SUN to SAT: *, 1, 1-5 or 0,6"
	// +kubebuilder:validation:XValidation:rule=`!self.matches('(?i)^[^ ]+ [^ ]+ ((30|31|30,31|30-31) (0?2|feb)|31 (0?[469]|11|apr|jun|sep|nov)) [*?]$')`,message="cron names a day that its month does not have: it would never run"
	Cron string `json:"cron"`

	// timeZone is the IANA name of the time zone of cron, such as Europe/Berlin. Default: UTC.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$') && self != 'Local'",message="timeZone must be an IANA name such as Europe/Berlin or UTC"
	TimeZone string `json:"timeZone,omitempty"`

	// runs says when one of these times starts a run: Always, or IfChanged, where a pod first lists what a run would read.
	// If names, sizes and versions (ETags, modification times) of all files are those of the last results, these hold on,
	// and status.result.checkedAt says so. Images must be named by their digests for that. Default: Always.
	// +optional
	Runs ScheduledRuns `json:"runs,omitempty"`
}

// RetentionSpec says how many finished runs are kept, with their Jobs and ConfigMaps. Object storage is never cleaned.
type RetentionSpec struct {
	// successful is the number of successful runs to keep. Default: 3.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	Successful *int32 `json:"successful,omitempty"`

	// failed is the number of failed runs to keep. Default: 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=50
	Failed *int32 `json:"failed,omitempty"`
}

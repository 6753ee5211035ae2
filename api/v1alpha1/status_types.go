package v1alpha1

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RunTrigger is why a run started.
//
// +kubebuilder:validation:Enum=SpecChanged;Scheduled;Requested;Resumed
type RunTrigger string

const (
	// TriggerSpecChanged is a new audit, or a change of dataset, model, reduction or duplicates.
	TriggerSpecChanged RunTrigger = "SpecChanged"
	// TriggerScheduled is spec.schedule.
	TriggerScheduled RunTrigger = "Scheduled"
	// TriggerRequested is the annotation datasetaudit.io/requestedAt.
	TriggerRequested RunTrigger = "Requested"
	// TriggerResumed is the end of a suspension.
	TriggerResumed RunTrigger = "Resumed"
)

// RunOutcome is how a run ended.
//
// +kubebuilder:validation:Enum=Succeeded;Unchanged;Failed;Superseded;Suspended
type RunOutcome string

const (
	// OutcomeSucceeded is a run whose results are in status.
	OutcomeSucceeded RunOutcome = "Succeeded"
	// OutcomeUnchanged is a run that was spared, since what it would have read is that of the results in status.
	OutcomeUnchanged RunOutcome = "Unchanged"
	// OutcomeFailed is a run that gave no results.
	OutcomeFailed RunOutcome = "Failed"
	// OutcomeSuperseded is a run that ended because the spec changed.
	OutcomeSuperseded RunOutcome = "Superseded"
	// OutcomeSuspended is a run that ended because the audit was suspended.
	OutcomeSuspended RunOutcome = "Suspended"
)

// DatasetAuditStatus is what the controller observed and found.
//
// +kubebuilder:validation:XValidation:rule="!has(self.run) || !has(self.run.outcome) || self.run.outcome != 'Succeeded' || has(self.result)",message="a run that succeeded has a result"
type DatasetAuditStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of. -1 before the first look.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, Reconciling, Stalled, ResultsPublished and Compliant.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// run is the live run, or the last one.
	// +optional
	Run *RunStatus `json:"run,omitempty"`

	// result are the last good results. They stay until newer ones are there.
	// +optional
	Result *ResultStatus `json:"result,omitempty"`

	// policies are the DatasetAuditPolicies of the platform that apply to the audit, by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Policies []AppliedPolicy `json:"policies,omitempty"`

	// rules are the outcomes of the platform's rules, named POLICY/RULE, and of spec.policy over result, in their order.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=2080
	Rules []RuleStatus `json:"rules,omitempty"`

	// validUntil is when the condition Compliant expires, by requires.maxAge of a DatasetAuditPolicy. Absent: never.
	// +optional
	ValidUntil *metav1.Time `json:"validUntil,omitempty"`

	// history are the finished runs that are kept, the latest first.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=100
	History []RunRecord `json:"history,omitempty"`

	// lastHandledRequest is the value of the annotation datasetaudit.io/requestedAt that was answered last; of a value
	// of more than 256 bytes it is the digest, sha256:….
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`

	// lastScheduledTime is the time of the schedule that was answered last.
	// +optional
	LastScheduledTime *metav1.Time `json:"lastScheduledTime,omitempty"`

	// nextScheduledTime is when the schedule starts the next run.
	// +optional
	NextScheduledTime *metav1.Time `json:"nextScheduledTime,omitempty"`
}

// RunStatus is a run. It is written before anything that belongs to the run is created.
//
// +kubebuilder:validation:XValidation:rule="has(self.outcome) == has(self.completedAt)",message="outcome and completedAt belong together"
// +kubebuilder:validation:XValidation:rule="!has(self.outcome) || self.outcome != 'Failed' || has(self.error)",message="a run that failed has an error"
type RunStatus struct {
	// id of the run: a hash of the audit's UID, inputHash, image, trigger, attempt and the run before.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`

	// trigger is why it started.
	// +required
	Trigger RunTrigger `json:"trigger"`

	// triggerValue is what the trigger held: the generation, the scheduled time or the requested value.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	TriggerValue string `json:"triggerValue,omitempty"`

	// requestedBy is who asked for it, by the annotation datasetaudit.io/requestedBy. Absent for a scheduled run.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`

	// inputHash covers what changes the findings: dataset, model, reduction and duplicates, after defaulting.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	InputHash string `json:"inputHash"`

	// inputSHA256 is the digest of the manifest that its pods read, in lower-case hexadecimal.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	InputSHA256 string `json:"inputSHA256,omitempty"`

	// hashVersion is how inputHash was computed.
	// +required
	// +kubebuilder:validation:Minimum=1
	HashVersion int32 `json:"hashVersion"`

	// generation is the latest one of the spec that asks for what the run computes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Generation int64 `json:"generation,omitempty"`

	// runnerHash covers how the pods run: runner but for its deadlines, workspace and output. A change of it starts a
	// failed run again, and a run whose pods have not started yet.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RunnerHash string `json:"runnerHash,omitempty"`

	// outputURL is where its files go in object storage. Absent: summary and tightest clusters go into ConfigMaps.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	OutputURL string `json:"outputURL,omitempty"`

	// queue of Kueue that its Jobs are put in, by the audit's label when the run was decided. Absent: none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Queue string `json:"queue,omitempty"`

	// image of the runner.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image"`

	// embedImage is the runner's image for the pods that embed, where these have Jobs of their own.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	EmbedImage string `json:"embedImage,omitempty"`

	// steps of the run, each a Job: check, where only a change asks for the others, embed and neighbors, in as many pods
	// as runner.parallelism says, and audit. Absent in runs that an earlier version decided.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=16
	Steps []string `json:"steps,omitempty"`

	// attempt counts the resumptions of a run, from 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt"`

	// createdAt is when the run was decided.
	// +required
	CreatedAt metav1.Time `json:"createdAt"`

	// job is the Job that works, or worked last. Absent before the first one is created.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Job string `json:"job,omitempty"`

	// startedAt is when its first pod started.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// waitingSince is since when no pod works although one may: spec.runner.startDeadline counts from here. Absent
	// while a pod works, and while Kueue holds the Job.
	// +optional
	WaitingSince *metav1.Time `json:"waitingSince,omitempty"`

	// workingSince is since when a pod works without a break. Absent while none does.
	// +optional
	WorkingSince *metav1.Time `json:"workingSince,omitempty"`

	// workedSeconds is how long pods worked before workingSince, those of earlier attempts included, in seconds:
	// spec.runner.deadline bounds the sum.
	// +optional
	// +kubebuilder:validation:Minimum=0
	WorkedSeconds int64 `json:"workedSeconds,omitempty"`

	// estimatedSeconds is what a probe at the beginning of the run said that workedSeconds would be, once the run has
	// ended. Absent for small datasets.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EstimatedSeconds int64 `json:"estimatedSeconds,omitempty"`

	// failedPods is how many pods of earlier attempts failed: they count against spec.runner.backoffLimit, as those of
	// its Job do.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailedPods int32 `json:"failedPods,omitempty"`

	// lostResults is how often its Job was complete and left no results that can be read. It is tried again a few
	// times.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LostResults int32 `json:"lostResults,omitempty"`

	// completedAt is when it ended. Absent while it lives.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`

	// outcome is how it ended. Absent while it lives.
	// +optional
	Outcome RunOutcome `json:"outcome,omitempty"`

	// progress is how far it is.
	// +optional
	Progress *Progress `json:"progress,omitempty"`

	// error is why it failed, as its pod said.
	// +optional
	Error *RunError `json:"error,omitempty"`
}

// RunRecord is a finished run in short.
type RunRecord struct {
	// id of the run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`

	// trigger is why it started.
	// +required
	Trigger RunTrigger `json:"trigger"`

	// requestedBy is who asked for it, by the annotation datasetaudit.io/requestedBy. Absent for a scheduled run.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`

	// outcome is how it ended.
	// +required
	Outcome RunOutcome `json:"outcome"`

	// createdAt is when the run was decided.
	// +required
	CreatedAt metav1.Time `json:"createdAt"`

	// completedAt is when it ended.
	// +required
	CompletedAt metav1.Time `json:"completedAt"`

	// reason of a failure.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// evidence is what a run that succeeded rests on. Absent for others, and for runs of earlier versions.
	// +optional
	Evidence *RunEvidence `json:"evidence,omitempty"`
}

// RunEvidence is what a run's results rest on, so that they can be checked later: the digests of what it read and wrote.
type RunEvidence struct {
	// datasetDigest is that of the samples' names, splits, labels and bytes, which runner digest computes again.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	DatasetDigest string `json:"datasetDigest,omitempty"`

	// revision is that of the dataset, as summary.dataset.revision.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// samples of the dataset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples,omitempty"`

	// inputSHA256 is the digest of the manifest that its pods read, in lower-case hexadecimal.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	InputSHA256 string `json:"inputSHA256,omitempty"`

	// modelSHA256 is the digest of the model's file, in lower-case hexadecimal. Absent for a dataset of embeddings.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ModelSHA256 string `json:"modelSHA256,omitempty"`

	// verdictsSHA256 is the digest of the review, in lower-case hexadecimal. Absent without one.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	VerdictsSHA256 string `json:"verdictsSHA256,omitempty"`

	// summarySHA256 is the digest of summary.json, in lower-case hexadecimal.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SummarySHA256 string `json:"summarySHA256,omitempty"`
}

// ResultStatus are the results of a run. The first layer's figures stand at the top.
type ResultStatus struct {
	// runID is the run that gave them.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	RunID string `json:"runID"`

	// inputHash of the run that gave them.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	InputHash string `json:"inputHash"`

	// hashVersion is how inputHash was computed.
	// +required
	// +kubebuilder:validation:Minimum=1
	HashVersion int32 `json:"hashVersion"`

	// generation is the latest one of the spec that asks for these results.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Generation int64 `json:"generation,omitempty"`

	// completedAt is when the run ended.
	// +required
	CompletedAt metav1.Time `json:"completedAt"`

	// checkedAt is when a later run last found all that it would have read unchanged.
	// +optional
	CheckedAt *metav1.Time `json:"checkedAt,omitempty"`

	// samples audited.
	// +required
	// +kubebuilder:validation:Minimum=0
	Samples int64 `json:"samples"`

	// clusters found in the first layer.
	// +required
	// +kubebuilder:validation:Minimum=0
	Clusters int64 `json:"clusters"`

	// duplicateSamples found in the first layer.
	// +required
	// +kubebuilder:validation:Minimum=0
	DuplicateSamples int64 `json:"duplicateSamples"`

	// summarySHA256 is the digest of summary.json, in lower-case hexadecimal.
	// +required
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	SummarySHA256 string `json:"summarySHA256"`

	// summaryURL is where summary.json and everything else lies in object storage.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	SummaryURL string `json:"summaryURL,omitempty"`

	// clustersConfigMap is the ConfigMap that holds the tightest clusters, compressed. Absent when they lie in object
	// storage.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClustersConfigMap string `json:"clustersConfigMap,omitempty"`

	// clustersSHA256 is the digest of the compressed clusters in clustersConfigMap, in lower-case hexadecimal.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ClustersSHA256 string `json:"clustersSHA256,omitempty"`

	// summary are the findings, without the distance curves.
	// +optional
	Summary *AuditSummary `json:"summary,omitempty"`

	// changes are the differences from the results before, in the first layer.
	// +optional
	Changes *ResultChanges `json:"changes,omitempty"`
}

// StepCheck is the step of a run that only looks whether the others are wanted.
const StepCheck = "check"

// Checking says whether a run lives and has yet to find out whether anything has changed.
func (r *RunStatus) Checking() bool {
	return r != nil && r.Outcome == "" && len(r.Steps) > 0 && r.Steps[0] == StepCheck && (r.Job == "" || strings.HasSuffix(r.Job, "-"+StepCheck))
}

// HeldAt is when the results were last known to be those of the data: when the run ended, or a later one found nothing
// changed.
func (r *ResultStatus) HeldAt() time.Time {
	if r.CheckedAt != nil && r.CheckedAt.After(r.CompletedAt.Time) {
		return r.CheckedAt.Time
	}
	return r.CompletedAt.Time
}

// ResultChanges are the differences from the results before: more is positive, fewer is negative.
type ResultChanges struct {
	// samples more or fewer.
	// +optional
	Samples int64 `json:"samples,omitempty"`

	// clusters more or fewer.
	// +optional
	Clusters int64 `json:"clusters,omitempty"`

	// duplicateSamples more or fewer.
	// +optional
	DuplicateSamples int64 `json:"duplicateSamples,omitempty"`

	// leakedSamples more or fewer. Absent when one of the two results has no leakage.
	// +optional
	LeakedSamples *int64 `json:"leakedSamples,omitempty"`
}

// RuleOutcome is what a rule of the policy came to.
//
// +kubebuilder:validation:Enum=Fulfilled;Violated;NotEvaluated
type RuleOutcome string

const (
	// RuleFulfilled means that the expression is true of every layer.
	RuleFulfilled RuleOutcome = "Fulfilled"
	// RuleViolated means that the expression is false of a layer.
	RuleViolated RuleOutcome = "Violated"
	// RuleNotEvaluated means that a figure that the expression needs is absent, or was cut.
	RuleNotEvaluated RuleOutcome = "NotEvaluated"
)

// RuleStatus is what a rule of the policy came to over the results in status.
type RuleStatus struct {
	// name of the rule; POLICY/RULE for one of a DatasetAuditPolicy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=127
	Name string `json:"name"`

	// severity of the rule.
	// +required
	Severity PolicySeverity `json:"severity"`

	// outcome is Fulfilled, Violated or NotEvaluated.
	// +required
	Outcome RuleOutcome `json:"outcome"`

	// message names the layers and the figures that the rule read, or why it could not be evaluated. Empty when it is
	// fulfilled.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

package controllers

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// hashVersion is how inputHash and runnerHash compute. A field that is added to the types below must be left out of the
// hash while it has its default, or an upgrade of the operator would start a run of every audit; where that can't be,
// this number grows. Version 1 took an absent duplicates.method for Reference.
const hashVersion = 2

// inputHash covers what changes the findings: dataset, model, reduction, duplicates, baseline and references, without the
// Secrets that open them.
func inputHash(spec *v1alpha1.DatasetAuditSpec) string {
	input := spec.DeepCopy()
	input.SetMethodDefaults() // whoever writes down what is meant already starts no run
	return hashOf(input)
}

// inputHash1 is inputHash in version 1, by its defaults. So a spec without a method fits the results that Reference gave
// for it then, until something else changes.
func inputHash1(spec *v1alpha1.DatasetAuditSpec) string {
	input := spec.DeepCopy()
	d := &input.Duplicates
	strategy, neighbors := v1alpha1.ThresholdSlope, int32(v1alpha1.DefaultNeighbors)
	if d.Method == v1alpha1.MethodLocal {
		strategy, neighbors = v1alpha1.ThresholdFalseDiscovery, v1alpha1.DefaultLocalNeighbors
	} else if input.Reduction.PCA.Components == nil {
		input.Reduction.PCA.Components = new(int32(v1alpha1.DefaultComponents))
	}
	d.Threshold.Strategy = cmp.Or(d.Threshold.Strategy, strategy)
	if d.Neighbors == nil {
		d.Neighbors = &neighbors
	}
	if d.Threshold.Strategy == v1alpha1.ThresholdFalseDiscovery && d.Threshold.Rate == nil {
		d.Threshold.Rate = new(v1alpha1.Decimal(v1alpha1.DefaultFalseDiscoveryRate))
	}
	return hashOf(input)
}

// hashOf is the digest of what decides the findings in a spec that has its defaults; the spec is changed.
func hashOf(input *v1alpha1.DatasetAuditSpec) string {
	for _, place := range objectStorages(input) {
		place.SecretRef = nil
	}
	return digest(struct {
		Dataset    v1alpha1.DatasetSpec
		Model      *v1alpha1.ModelSpec `json:",omitempty"`
		Reduction  v1alpha1.ReductionSpec
		Duplicates v1alpha1.DuplicatesSpec
		Baseline   *v1alpha1.BaselineSource `json:",omitempty"`
		References []v1alpha1.ReferenceSpec `json:",omitempty"`
		// Reports are left out as long as they are those that an absent list means.
		Reports     []v1alpha1.ReportPart     `json:",omitempty"`
		Familiarity *v1alpha1.FamiliaritySpec `json:",omitempty"`
	}{input.Dataset, input.Model, input.Reduction, input.Duplicates, input.Baseline, input.References, moreReports(input), familiarity(input)})
}

// moreReports are the reports of a spec in the order of their names, nil for those that an absent list means.
func moreReports(spec *v1alpha1.DatasetAuditSpec) []v1alpha1.ReportPart {
	reports := slices.Sorted(slices.Values(spec.EffectiveReports()))
	if slices.Equal(reports, slices.Sorted(slices.Values(v1alpha1.DefaultReports))) {
		return nil
	}
	return reports
}

// familiarity is how report Familiarity is made, nil without it.
func familiarity(spec *v1alpha1.DatasetAuditSpec) *v1alpha1.FamiliaritySpec {
	if !spec.Has(v1alpha1.ReportFamiliarity) {
		return nil
	}
	out := &v1alpha1.FamiliaritySpec{}
	if spec.Familiarity != nil {
		*out = *spec.Familiarity
	}
	out.Covariance = spec.Familiarity.EffectiveCovariance()
	return out
}

// runnerHash covers how the pods run and what they may open, but nothing that inputHash covers, and no deadline: those
// are read from the spec as it is.
func runnerHash(spec *v1alpha1.DatasetAuditSpec) string {
	secrets := []string{}
	for _, place := range objectStorages(spec) {
		if place.SecretRef != nil {
			secrets = append(secrets, place.SecretRef.Name)
		}
	}
	runner := spec.Runner
	runner.Deadline, runner.StartDeadline = nil, nil
	return digest(struct {
		Runner    v1alpha1.RunnerSpec
		Workspace *v1alpha1.WorkspaceSpec `json:",omitempty"`
		Output    v1alpha1.OutputSpec
		Secrets   []string
	}{runner, spec.Workspace, spec.Output, secrets})
}

// objectStorages are the places in object storage that an audit's pods open.
func objectStorages(spec *v1alpha1.DatasetAuditSpec) []*v1alpha1.ObjectStorage {
	candidates := []*v1alpha1.ObjectStorage{spec.Dataset.Source.ObjectStorage, spec.Output.ObjectStorage}
	if spec.Model != nil {
		candidates = append(candidates, spec.Model.Source.ObjectStorage)
	}
	if spec.Baseline != nil {
		candidates = append(candidates, spec.Baseline.ObjectStorage)
	}
	for i := range spec.References {
		candidates = append(candidates, spec.References[i].Source.ObjectStorage)
	}
	if spec.Workspace != nil {
		candidates = append(candidates, spec.Workspace.ObjectStorage)
	}
	if spec.Duplicates.Verdicts != nil {
		candidates = append(candidates, spec.Duplicates.Verdicts.ObjectStorage)
	}
	places := candidates[:0]
	for _, place := range candidates {
		if place != nil {
			places = append(places, place)
		}
	}
	return places
}

// digest is the SHA-256 of v as JSON: fields in the order of their struct, maps by key.
func digest(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("controllers: a spec is not JSON: %v", err)) // it came as JSON
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// newRun is the run that trigger asks for. Its ID hashes all that tells it from other runs, the run before it included:
// whoever decides the same from the same status gets the same ID, and no ID comes twice in an audit.
func newRun(audit *v1alpha1.DatasetAudit, options *Options, trigger v1alpha1.RunTrigger, value string, now time.Time) *v1alpha1.RunStatus {
	run := &v1alpha1.RunStatus{
		Trigger:      trigger,
		TriggerValue: value,
		InputHash:    inputHash(&audit.Spec),
		HashVersion:  hashVersion,
		RunnerHash:   runnerHash(&audit.Spec),
		Generation:   audit.Generation,
		Queue:        audit.Labels[v1alpha1.LabelQueueName],
		Image:        options.image(&audit.Spec.Runner, stepAudit),
		Attempt:      1,
		CreatedAt:    metav1.NewTime(now.Truncate(time.Second)),
	}
	run.InputSHA256, run.Steps = inputDigest(audit), stepsOf(&audit.Spec)
	if trigger != v1alpha1.TriggerScheduled {
		run.RequestedBy = text.Cut(audit.Annotations[v1alpha1.AnnotationRequestedBy], maxRequester)
	}
	if embedsApart(&audit.Spec) {
		run.EmbedImage = options.image(&audit.Spec.Runner, stepEmbed)
	}
	if checksFirst(audit, run) {
		run.Steps = append([]string{string(stepCheck)}, run.Steps...)
	}
	identify(run, audit)
	return run
}

// maxRequester is the bound of status.run.requestedBy.
const maxRequester = 512

// nextAttempt is the run again, with what pods did so far counted on.
func nextAttempt(audit *v1alpha1.DatasetAudit, options *Options, trigger v1alpha1.RunTrigger, now time.Time) *v1alpha1.RunStatus {
	last := audit.Status.Run
	run := newRun(audit, options, trigger, last.TriggerValue, now)
	run.Attempt = last.Attempt + 1
	run.WorkedSeconds = worked(last, now)
	run.RequestedBy = last.RequestedBy
	run.FailedPods, run.LostResults = last.FailedPods, last.LostResults
	identify(run, audit)
	return run
}

func identify(run *v1alpha1.RunStatus, audit *v1alpha1.DatasetAudit) {
	previous := ""
	if audit.Status.Run != nil {
		previous = audit.Status.Run.ID
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		string(audit.UID), run.InputHash, run.Image, string(run.Trigger), run.TriggerValue, strconv.Itoa(int(run.Attempt)), previous,
	}, "\x00")))
	run.ID = strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:10]
	if place := audit.Spec.Output.ObjectStorage; place != nil {
		run.OutputURL = v1alpha1.RunURL(place.Place(), audit.Namespace, audit.Name, run.ID)
	}
}

func live(run *v1alpha1.RunStatus) bool { return run != nil && run.Outcome == "" }

// worked is how long pods of the run worked, over all attempts, in seconds.
func worked(run *v1alpha1.RunStatus, now time.Time) int64 {
	seconds := run.WorkedSeconds
	if run.WorkingSince != nil {
		seconds += max(0, int64(now.Sub(run.WorkingSince.Time).Seconds()))
	}
	return seconds
}

// A step is a part of a run that is a Job of its own.
type step string

const (
	// stepCheck lists what the run would read. If that is what the last results were made of, nothing else follows.
	stepCheck step = v1alpha1.StepCheck
	// stepEmbed computes the vectors, in as many pods as runner.parallelism says.
	stepEmbed step = "embed"
	// stepNeighbors searches the neighbors, in as many pods.
	stepNeighbors step = "neighbors"
	// stepAudit is the whole run. What the others computed, it finds in the workspace.
	stepAudit step = "audit"
)

// stepsOf are the steps of a run, in order.
func stepsOf(spec *v1alpha1.DatasetAuditSpec) []string {
	var steps []string
	if embedsApart(spec) {
		steps = append(steps, string(stepEmbed))
	}
	if parallelism(spec) > 1 {
		steps = append(steps, string(stepNeighbors))
	}
	return append(steps, string(stepAudit))
}

// checksFirst says whether a run is only wanted if something has changed, and that can be told: by results of the same
// question, from pods that ran in the same way.
func checksFirst(audit *v1alpha1.DatasetAudit, run *v1alpha1.RunStatus) bool {
	schedule, last, result := audit.Spec.Schedule, audit.Status.Run, audit.Status.Result
	if run.Trigger != v1alpha1.TriggerScheduled || schedule == nil || schedule.Runs != v1alpha1.RunsIfChanged || last == nil {
		return false
	}
	looked := last.Outcome == v1alpha1.OutcomeFailed && last.Job == jobName(audit.Name, last.ID, stepCheck) // and no more than that
	good := looked || last.Outcome == v1alpha1.OutcomeSucceeded || last.Outcome == v1alpha1.OutcomeUnchanged ||
		live(last) && slices.Contains(last.Steps, string(stepCheck)) // an attempt of this run
	return good && last.Image == run.Image && last.EmbedImage == run.EmbedImage && last.RunnerHash == run.RunnerHash &&
		result != nil && result.HashVersion == run.HashVersion && result.InputHash == run.InputHash &&
		result.Summary != nil && result.Summary.Run.SourcesSHA256 != ""
}

// baseName begins the name of everything that belongs to a run. With a step and the index of a pod it stays a DNS
// label.
func baseName(audit, run string) string {
	return strings.TrimRight(audit[:min(len(audit), 36)], "-") + "-" + run
}

func jobName(audit, run string, s step) string { return baseName(audit, run) + "-" + string(s) }

// serviceAccountName is the account of the audit's pods.
func serviceAccountName(audit *v1alpha1.DatasetAudit) string {
	if name := audit.Spec.Runner.Template.ServiceAccountName; name != "" {
		return name
	}
	return audit.Name + "-runner"
}

func workspaceName(audit string) string { return audit + "-workspace" }

// requested is the value of the annotation that asks for a run, as status can hold it.
func requested(audit *v1alpha1.DatasetAudit) string {
	value := audit.Annotations[v1alpha1.AnnotationRequestedAt]
	if len(value) > maxRequest {
		return "sha256:" + digest(value)
	}
	return value
}

// maxRequest is the bound of status.lastHandledRequest.
const maxRequest = 256

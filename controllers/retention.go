package controllers

import (
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// prune drops from the history what retention doesn't keep, and from the cluster what the stored status doesn't need.
func (p *planner) prune() {
	p.status.History = retain(p.status.History, p.audit.Spec.Retention)
	stored := &p.audit.Status
	alive := live(stored.Run)
	kept := map[string]bool{}
	for _, record := range stored.History {
		kept[record.ID] = true
	}
	current := ""
	if alive {
		current = stored.Run.ID
		kept[current] = true
	}
	for i := range p.o.jobs {
		job := &p.o.jobs[i]
		run := job.Labels[v1alpha1.LabelRun]
		stage := job.Labels[v1alpha1.LabelStage]
		switch {
		case run == "": // lost its labels: its name and its owner say what it is
			run, stage = p.nameless(job)
		case alive && run == current && stage == string(stageEmbed) && stored.Run.Job == jobName(p.audit.Name, current, stageAudit) && !finished(job):
			p.remove = append(p.remove, job) // its runners are done, and something else in its pods goes on
			continue
		}
		if !kept[run] || run != current && !finished(job) && !p.ending(job, run) {
			p.remove = append(p.remove, job)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(p.o.others), keyOf.compare) {
		meta := p.o.others[key]
		run := meta.Labels[v1alpha1.LabelRun]
		var superfluous bool
		switch key.kind {
		case "ServiceAccount":
		case "PersistentVolumeClaim":
			superfluous = !alive && workspaceClaim(p.audit) == nil
		case "Role", "RoleBinding", v1alpha1.KindRecord:
			superfluous = run != current
		case "ConfigMap":
			superfluous = !kept[run] || strings.HasSuffix(key.name, v1alpha1.ClustersSuffix) && run != current &&
				(stored.Result == nil || stored.Result.RunID != run)
		}
		if superfluous {
			p.remove = append(p.remove, asObject(key.kind, meta))
		}
	}
}

// lingering is how long the Job of a run that succeeded may take to end after its runner did.
const lingering = 30 * time.Second

// ending says whether a Job is about to complete: its runner has ended, and the pod or the Job has not said so yet. A sidecar that goes
// on gets no more than that.
func (p *planner) ending(job *batchv1.Job, run string) bool {
	last := p.audit.Status.Run
	if last == nil || last.ID != run || last.Outcome != v1alpha1.OutcomeSucceeded || last.CompletedAt == nil || !p.o.done(job) {
		return false
	}
	left := lingering - p.o.now.Sub(last.CompletedAt.Time)
	if left > 0 {
		p.wake(left)
	}
	return left > 0
}

// nameless is the run and stage of a Job without our labels, by its name.
func (p *planner) nameless(job *batchv1.Job) (run, stageName string) {
	run, stageName, _ = strings.Cut(strings.TrimPrefix(job.Name, baseName(p.audit.Name, "")), "-")
	return run, stageName
}

// retain keeps the newest records of each outcome. The history is the latest first.
func retain(history []v1alpha1.RunRecord, spec v1alpha1.RetentionSpec) []v1alpha1.RunRecord {
	successful, failed := int32(3), int32(1)
	if spec.Successful != nil {
		successful = *spec.Successful
	}
	if spec.Failed != nil {
		failed = *spec.Failed
	}
	var out []v1alpha1.RunRecord
	for _, record := range history {
		left := &failed
		if record.Outcome == v1alpha1.OutcomeSucceeded {
			left = &successful
		}
		if *left > 0 {
			*left--
			out = append(out, record)
		}
	}
	return out
}

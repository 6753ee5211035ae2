package controllers

import (
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// prune drops from the history what retention doesn't keep. It drops from the cluster what the stored status doesn't
// need.
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
		if run == "" { // it lost its labels, but its name says what it is
			run, _, _ = strings.Cut(strings.TrimPrefix(job.Name, baseName(p.audit.Name, "")), "-")
		}
		// The Job is of an earlier run, or of a step before the one under way.
		past := run != current || alive && stored.Run.Job != job.Name && job.Name != jobName(p.audit.Name, current, p.o.step(p.audit))
		if !kept[run] || past && !finished(job) && !p.ending(job) {
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
		case "Role", "RoleBinding":
			superfluous = run != current
		case v1alpha1.KindRecord:
			superfluous = !kept[run]
		case "ConfigMap":
			superfluous = !kept[run] || strings.HasSuffix(key.name, v1alpha1.ClustersSuffix) && run != current &&
				(stored.Result == nil || stored.Result.RunID != run)
		}
		if superfluous {
			p.remove = append(p.remove, asObject(key.kind, meta))
		}
	}
}

// lingering is how long everything else in a pod may go on after the runner has ended.
const lingering = 30 * time.Second

// ending says whether a Job is about to complete by itself. Its runners have done all, and nothing else in its pods
// goes on for long.
func (p *planner) ending(job *batchv1.Job) bool {
	if !p.o.done(job) {
		return false
	}
	for _, pod := range p.o.podsOf(job) {
		state := terminated(&pod)
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || state == nil {
			continue
		}
		left := lingering - p.o.now.Sub(state.FinishedAt.Time)
		if left <= 0 {
			return false
		}
		p.wake(left)
	}
	return true
}

// retain keeps the newest successful records and the newest others, each up to its own limit. The history is sorted
// latest first.
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

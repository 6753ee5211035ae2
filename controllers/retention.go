package controllers

import (
	"maps"
	"slices"
	"strings"

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
		if run := job.Labels[v1alpha1.LabelRun]; !kept[run] || run != current && !finished(job) {
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
		case "ConfigMap":
			superfluous = !kept[run] || strings.HasSuffix(key.name, v1alpha1.ClustersSuffix) && run != current &&
				(stored.Result == nil || stored.Result.RunID != run)
		}
		if superfluous {
			p.remove = append(p.remove, asObject(key.kind, meta))
		}
	}
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

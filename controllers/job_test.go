package controllers

import (
	"slices"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// TestLiteral : Kubernetes expands $(NAME) in arguments, from an environment that may hold credentials.
func TestLiteral(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Dataset.Source.PersistentVolumeClaim.Path = "$(AWS_SECRET_ACCESS_KEY)/$$x"
	args := buildJob(audit, planOptions, stageAudit).Spec.Template.Spec.Containers[0].Args
	if want := "--dataset=/dataset/$$(AWS_SECRET_ACCESS_KEY)/$$$$x"; !slices.Contains(args, want) {
		t.Errorf("arguments are %q, want %s", args, want)
	}
}

// TestUserLabels : what a user sets on pods never replaces what the operator finds them by.
func TestUserLabels(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Runner.Template.Labels = map[string]string{v1alpha1.LabelRun: "forged", "team": "vision"}
	labels := buildJob(audit, planOptions, stageAudit).Spec.Template.Labels
	if labels[v1alpha1.LabelRun] != audit.Status.Run.ID || labels["team"] != "vision" {
		t.Errorf("labels are %v", labels)
	}
}

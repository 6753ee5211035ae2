package controllers

import (
	"slices"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Kubernetes expands $(NAME) in arguments, from an environment that may hold credentials.
func TestLiteral(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Dataset.Source.PersistentVolumeClaim.Path = "$(AWS_SECRET_ACCESS_KEY)/$$x"
	args := buildJob(audit, planOptions, stepAudit).Spec.Template.Spec.Containers[0].Args
	if want := "--dataset=/dataset/$$(AWS_SECRET_ACCESS_KEY)/$$$$x"; !slices.Contains(args, want) {
		t.Errorf("arguments are %q, want %s", args, want)
	}
}

// What a user sets on pods never replaces what the operator finds them by.
func TestUserLabels(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Runner.Template.Labels = map[string]string{v1alpha1.LabelRun: "forged", "team": "vision"}
	labels := buildJob(audit, planOptions, stepAudit).Spec.Template.Labels
	if labels[v1alpha1.LabelRun] != audit.Status.Run.ID || labels["team"] != "vision" {
		t.Errorf("labels are %v", labels)
	}
}

// Both are mounted read-only, and the runner is told where they are.
func TestBaselineAndVerdicts(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Baseline = &v1alpha1.BaselineSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "old", Path: "2026/$(X)"}}
	audit.Spec.Duplicates.Verdicts = &v1alpha1.VerdictsSource{ConfigMap: &v1alpha1.ConfigMapKey{Name: "review", Key: "cars.json"}}
	pod := buildJob(audit, planOptions, stepAudit).Spec.Template.Spec
	for _, want := range []string{"--baseline=/baseline/2026/$$(X)", "--verdicts=/verdicts/verdicts.json"} {
		if args := pod.Containers[0].Args; !slices.Contains(args, want) {
			t.Errorf("arguments are %q, want %s", args, want)
		}
	}
	mounted := map[string]bool{}
	for _, m := range pod.Containers[0].VolumeMounts {
		mounted[m.Name+" "+m.MountPath] = m.ReadOnly
	}
	if !mounted["baseline /baseline"] || !mounted["verdicts /verdicts"] {
		t.Errorf("mounted (and whether read-only): %v", mounted)
	}
	for _, v := range pod.Volumes {
		switch {
		case v.Name == "baseline" && (v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != "old" || !v.PersistentVolumeClaim.ReadOnly):
			t.Errorf("baseline: %v", v)
		case v.Name == "verdicts" && (v.ConfigMap == nil || v.ConfigMap.Name != "review" || v.ConfigMap.Items[0].Key != "cars.json"):
			t.Errorf("verdicts: %v", v)
		}
	}

	audit.Spec.Baseline = &v1alpha1.BaselineSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: "s3://audits/a", SecretRef: &v1alpha1.SecretReference{Name: "s3"}}}
	audit.Spec.Duplicates.Verdicts = nil
	container := buildJob(audit, planOptions, stepAudit).Spec.Template.Spec.Containers[0]
	if len(container.EnvFrom) != 1 || container.EnvFrom[0].SecretRef.Name != "s3" {
		t.Errorf("the environment is from %v", container.EnvFrom)
	}
	if slices.ContainsFunc(container.Args, func(arg string) bool { return strings.HasPrefix(arg, "--baseline") }) {
		t.Errorf("arguments are %q: the place is in the manifest", container.Args)
	}
}

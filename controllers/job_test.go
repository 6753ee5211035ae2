package controllers

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

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

// Vectors are shared by the audits of a namespace that name the same place.
func TestVectorsPlace(t *testing.T) {
	storage := func(url string) *v1alpha1.ObjectStorage {
		return &v1alpha1.ObjectStorage{URL: url, SecretRef: &v1alpha1.SecretReference{Name: "keys"}}
	}
	for name, test := range map[string]struct {
		workspace *v1alpha1.WorkspaceSpec
		output    *v1alpha1.ObjectStorage
		work      string
		vectors   string
		mounted   bool
	}{
		"nowhere": {work: "/scratch/work"},
		"output":  {output: storage("s3://audits/$x?region=r"), work: "/scratch/work", vectors: "s3://audits/$$x/vision/.vectors?region=r"},
		"storage": {workspace: &v1alpha1.WorkspaceSpec{ObjectStorage: storage("gs://vectors/")}, output: storage("s3://audits"), work: "/scratch/work", vectors: "gs://vectors/vision/.vectors"},
		"a claim": {workspace: &v1alpha1.WorkspaceSpec{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "c", Path: "p"}}, work: "/workspace/p/cars", vectors: "/workspace/p/.vectors", mounted: true},
		"its own": {workspace: &v1alpha1.WorkspaceSpec{Size: new(resource.MustParse("1Gi"))}, output: storage("s3://audits"), work: "/workspace/cars", mounted: true},
	} {
		t.Run(name, func(t *testing.T) {
			audit := newScene().store().DatasetAudit
			audit.Namespace = "vision"
			audit.Spec.Workspace, audit.Spec.Output.ObjectStorage = test.workspace, test.output
			container := buildJob(audit, planOptions, stepAudit).Spec.Template.Spec.Containers[0]
			of := func(flag string) (value string) {
				for _, arg := range container.Args {
					if after, is := strings.CutPrefix(arg, flag); is {
						value = after
					}
				}
				return value
			}
			if work, vectors := of("--work="), of("--vectors="); work != test.work || vectors != test.vectors {
				t.Errorf("work in %q, vectors in %q", work, vectors)
			}
			mounted := slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == workspaceFolder })
			if mounted != test.mounted || (len(container.EnvFrom) == 1) != (test.output != nil) {
				t.Errorf("mounted %v, environment from %v", mounted, container.EnvFrom)
			}
		})
	}
}

// Each reference is mounted in a folder of its own, whatever it is called.
func TestReferences(t *testing.T) {
	audit := newScene().store().DatasetAudit
	long := strings.Repeat("x", 63)
	audit.Spec.References = []v1alpha1.ReferenceSpec{
		{Name: "bench", Source: v1alpha1.ReferenceSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "refs", Path: "$(X)/bench.safetensors"}}},
		{Name: long, Source: v1alpha1.ReferenceSource{Image: &v1alpha1.ImageSource{Reference: "registry/refs", Path: "val.safetensors"}}},
		{Name: "stored", Source: v1alpha1.ReferenceSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: "s3://a/b.safetensors", SecretRef: &v1alpha1.SecretReference{Name: "s3"}}}},
	}
	pod := buildJob(audit, planOptions, stepAudit).Spec.Template.Spec
	container := pod.Containers[0]
	for _, want := range []string{"--reference=bench=/reference/bench/$$(X)/bench.safetensors", "--reference=" + long + "=/reference/" + long + "/val.safetensors"} {
		if !slices.Contains(container.Args, want) {
			t.Errorf("arguments are %q, want %s", container.Args, want)
		}
	}
	if slices.ContainsFunc(container.Args, func(arg string) bool { return strings.HasPrefix(arg, "--reference=stored") }) {
		t.Errorf("arguments are %q: the place is in the manifest", container.Args)
	}
	if len(container.EnvFrom) != 1 || container.EnvFrom[0].SecretRef.Name != "s3" {
		t.Errorf("the environment is from %v", container.EnvFrom)
	}
	mounted := 0
	for _, m := range container.VolumeMounts {
		if strings.HasPrefix(m.MountPath, "/reference/") {
			mounted++
			at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
			if at < 0 || !m.ReadOnly || len(validation.IsDNS1123Label(m.Name)) > 0 {
				t.Errorf("mount %+v", m)
			}
		}
	}
	if mounted != 2 {
		t.Errorf("%d are mounted", mounted)
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

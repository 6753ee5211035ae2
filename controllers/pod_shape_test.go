package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// User and groups are the operator's, the platform's or the audit's own.
func TestIdentity(t *testing.T) {
	type ids struct{ User, Group, FSGroup *int64 }
	for name, c := range map[string]struct {
		operator v1alpha1.PodIdentity
		template v1alpha1.PodTemplate
		want     ids
	}{
		"the operator's":                  {want: ids{FSGroup: new(int64(defaultGroup))}},
		"the platform's":                  {operator: v1alpha1.IdentityPlatform},
		"the platform's for one audit":    {template: v1alpha1.PodTemplate{Identity: v1alpha1.IdentityPlatform}},
		"the operator's for one audit":    {operator: v1alpha1.IdentityPlatform, template: v1alpha1.PodTemplate{Identity: v1alpha1.IdentityOperator}, want: ids{FSGroup: new(int64(defaultGroup))}},
		"the audit's":                     {template: v1alpha1.PodTemplate{RunAsUser: new(int64(1)), RunAsGroup: new(int64(2)), FSGroup: new(int64(3))}, want: ids{new(int64(1)), new(int64(2)), new(int64(3))}},
		"the audit's on another platform": {operator: v1alpha1.IdentityPlatform, template: v1alpha1.PodTemplate{FSGroup: new(int64(3))}, want: ids{FSGroup: new(int64(3))}},
	} {
		s := newScene().store()
		s.Spec.Runner.Template = c.template
		options := *planOptions
		options.Identity = c.operator
		security := buildJob(s.DatasetAudit, &options, stepAudit).Spec.Template.Spec.SecurityContext
		if diff := cmp.Diff(c.want, ids{security.RunAsUser, security.RunAsGroup, security.FSGroup}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !*security.RunAsNonRoot {
			t.Errorf("%s: may be root", name)
		}
	}
}

// Pods go where their image runs, unless the audit knows better.
func TestNodes(t *testing.T) {
	for name, c := range map[string]struct {
		spec v1alpha1.RunnerSpec
		want map[string]string
	}{
		"default":      {want: map[string]string{"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
		"own image":    {v1alpha1.RunnerSpec{Image: "mine"}, map[string]string{"kubernetes.io/os": "linux"}},
		"own selector": {v1alpha1.RunnerSpec{Template: v1alpha1.PodTemplate{NodeSelector: map[string]string{"kubernetes.io/arch": "arm64", "a": "b"}}}, map[string]string{"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "a": "b"}},
	} {
		s := newScene().store()
		s.Spec.Runner = c.spec
		options := *planOptions
		options.RunnerArch = "amd64"
		if diff := cmp.Diff(c.want, buildJob(s.DatasetAudit, &options, stepAudit).Spec.Template.Spec.NodeSelector); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Only the stage that runs the model holds a GPU, whether as a resource or by a claim.
func TestStageOnGPU(t *testing.T) {
	s := newScene()
	s.Spec.Workspace = &v1alpha1.WorkspaceSpec{Size: resource.NewQuantity(1<<30, resource.BinarySI)}
	s.Spec.Runner.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
	s.Spec.Runner.Template.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimTemplateName: new("a100")}}
	s.Spec.Runner.Stages = []v1alpha1.RunnerStage{{Name: v1alpha1.StageEmbed, Resources: v1alpha1.RunnerResources{
		Limits: corev1.ResourceList{"nvidia.com/mig-1g.5gb": resource.MustParse("1")}, Claims: []corev1.ResourceClaim{{Name: "gpu"}},
	}}}
	s.store()
	if first := s.o.step(s.DatasetAudit); first != stepEmbed {
		t.Fatalf("the first step is %s", first)
	}
	embed, rest := buildJob(s.DatasetAudit, planOptions, stepEmbed).Spec, buildJob(s.DatasetAudit, planOptions, stepAudit).Spec.Template.Spec
	container := embed.Template.Spec.Containers[0]
	if *embed.Completions != 1 || container.Image != "cuda" || len(container.Resources.Claims) != 1 || len(container.Resources.Limits) != 1 || len(embed.Template.Spec.ResourceClaims) != 1 {
		t.Errorf("the stage's Job: %d completions, image %s, resources %+v, claims %v", *embed.Completions, container.Image, container.Resources, embed.Template.Spec.ResourceClaims)
	}
	container = rest.Containers[0]
	if container.Image != "cpu" || len(container.Resources.Claims)+len(container.Resources.Limits)+len(rest.ResourceClaims) > 0 || len(container.Resources.Requests) != 1 {
		t.Errorf("what follows: image %s, resources %+v, claims %v", container.Image, container.Resources, rest.ResourceClaims)
	}
}

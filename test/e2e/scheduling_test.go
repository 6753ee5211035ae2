//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

const gpu corev1.ResourceName = "nvidia.com/gpu"

// A pod that asks for a GPU comes where there is one, and the next waits and says why. The GPU is only advertised: what
// the pod computes, it computes on the CPU.
func TestGPU(t *testing.T) {
	if clusterScript == "" {
		t.Skip("the cluster is somebody else's: its nodes are left alone")
	}
	l := newLab(t)
	l.claim("cars", carFiles(t))
	nodes := &corev1.NodeList{}
	l.must(admin.List(l.ctx, nodes))
	node := nodes.Items[len(nodes.Items)-1]
	advertise := func(ctx context.Context, value string) error {
		return admin.Status().Patch(ctx, &node, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{"capacity":{%q:%s}}}`, gpu, value)))
	}
	l.must(advertise(l.ctx, `"1"`))
	l.Cleanup(func() { l.must(advertise(context.Background(), "null")) })

	onGPU := func(name string) *v1alpha1.DatasetAudit {
		audit := slowCars(name)
		audit.Spec.Runner.Image = runnerImage // which of the CPU; there is none of CUDA here
		audit.Spec.Runner.Resources.Limits[gpu] = resource.MustParse("1")
		return audit
	}
	l.apply(onGPU("first"))
	pod := l.running("first")
	if pod.Spec.NodeName != node.Name {
		t.Errorf("the pod is on %s, the GPU on %s", pod.Spec.NodeName, node.Name)
	}
	l.apply(onGPU("second"))
	waits := l.until("second", "it waits for the GPU", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReconciling), "Insufficient nvidia.com/gpu")
	})
	t.Log(message(waits, v1alpha1.ConditionReconciling))
	l.kubectl("delete", "datasetaudit", "first")
	l.running("second")
}

// The model runs in a pod of its own, and what follows in another, which has neither its resources nor the model.
func TestStages(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	audit := cars("cars")
	audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{Size: resource.NewQuantity(1<<30, resource.BinarySI)}
	audit.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	audit.Spec.Runner.Stages = []v1alpha1.RunnerStage{{Name: v1alpha1.StageEmbed, Resources: v1alpha1.RunnerResources{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
	}}}
	l.apply(audit)
	got := l.ready("cars")
	l.checkCars(got)
	cost := got.Status.Result.Summary.Cost
	if cost.EmbeddedSamples != 0 || cost.ReusedSamples != 1000 || len(l.jobs()) != 2 {
		t.Errorf("%d samples were embedded, %d reused in the last stage; %d Jobs", cost.EmbeddedSamples, cost.ReusedSamples, len(l.jobs()))
	}
	for _, pod := range l.pods("cars") {
		want := map[string]string{"embed": "2Gi", "audit": "1Gi"}[pod.Labels[v1alpha1.LabelStage]]
		if got := pod.Spec.Containers[0].Resources.Limits.Memory().String(); got != want {
			t.Errorf("pod %s has a limit of %s", pod.Name, got)
		}
	}
}

// A namespace with a quota, in which one audit has room and a second waits for it.
func TestQuota(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.must(admin.Create(l.ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "quota"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("3Gi")}},
	}))
	bounded := func(name string) *v1alpha1.DatasetAudit {
		audit := slowCars(name)
		audit.Spec.Runner.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("2Gi")
		return audit
	}
	l.apply(bounded("first"))
	l.running("first")
	l.apply(bounded("second"))
	waits := l.until("second", "it waits for the quota", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReconciling), "exceeded quota")
	})
	t.Log(message(waits, v1alpha1.ConditionReconciling))
	l.kubectl("delete", "datasetaudit", "second")
	l.checkCars(l.ready("first"))
}

// An image that is nowhere is named within seconds.
func TestImageMissing(t *testing.T) {
	l := newLab(t)
	l.claim("cars", nil)
	audit := cars("cars")
	audit.Spec.Runner.Image, _, _ = strings.Cut(runnerImage, "@")
	audit.Spec.Runner.Image += ":none-such"
	l.apply(audit)
	got := l.until("cars", "it names the image", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReconciling), "none-such")
	})
	t.Log(message(got, v1alpha1.ConditionReconciling))
}

// What a user mistypes is said once, in the runner's words, and not tried again.
func TestWrongLayer(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	audit := cars("cars")
	audit.Spec.Model.Layers = []string{"conv_pw_31"}
	l.apply(audit)
	got := l.is("cars", v1alpha1.ConditionStalled, "True/InvalidModel")
	t.Log(message(got, v1alpha1.ConditionStalled))
	if pods := len(l.pods("cars")); pods != 1 {
		t.Errorf("there were %d pods", pods)
	}
}

//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// slowCars are the cars on a part of a processor, without retries, with checkpoints on a claim: there is time to
// interrupt them.
func slowCars(name string) *v1alpha1.DatasetAudit {
	audit := cars(name)
	audit.Spec.Runner.BackoffLimit = new(int32(0))
	audit.Spec.Runner.Resources = v1alpha1.RunnerResources{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("400m")},
	}
	audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{Size: resource.NewQuantity(1<<30, resource.BinarySI)}
	return audit
}

// spreadCars are slow cars in three pods, which share the claim work.
func spreadCars(name string) *v1alpha1.DatasetAudit {
	audit := slowCars(name)
	audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "work"}}
	audit.Spec.Runner.Parallelism = new(int32(3))
	return audit
}

// fast lets an audit's next pods work at full speed.
func fast(audit *v1alpha1.DatasetAudit) { audit.Spec.Runner.Resources = v1alpha1.RunnerResources{} }

// embedding waits until a run is in the middle of its work, by what its pod itself says: status has it only every half
// minute.
func (l *lab) embedding(name string) {
	l.Helper()
	l.eventually(name+" embeds", func() error {
		maps := &corev1.ConfigMapList{}
		if err := admin.List(l.ctx, maps, client.InNamespace(l.namespace), client.MatchingLabels{v1alpha1.LabelAudit: name}); err != nil {
			return err
		}
		said := v1alpha1.Progress{}
		for _, m := range maps.Items {
			if text, ok := m.Data[v1alpha1.FileProgress]; ok {
				l.must(json.Unmarshal([]byte(text), &said))
			}
		}
		if said.Stage == v1alpha1.StageEmbed && said.Done > 100 {
			return nil
		}
		return fmt.Errorf("it says %q", said.String())
	})
}

// change is kubectl edit.
func (l *lab) change(name string, f func(*v1alpha1.DatasetAudit)) {
	l.Helper()
	audit, err := l.get(name)
	l.must(err)
	before := audit.DeepCopy()
	f(audit)
	l.must(admin.Patch(l.ctx, audit, client.MergeFrom(before)))
}

// checkCars holds results against what everybody gets from the cars.
func (l *lab) checkCars(audit *v1alpha1.DatasetAudit) {
	l.Helper()
	if result := audit.Status.Result; result.Samples != 1000 || result.Clusters != 12 || result.DuplicateSamples != 32 {
		l.Errorf("%s has %d samples, %d clusters, %d duplicates", audit.Name, result.Samples, result.Clusters, result.DuplicateSamples)
	}
}

// A pod that is evicted in mid-run costs no retry, of which there are none, and the next goes on where it was.
func TestEviction(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.apply(slowCars("cars"))
	pod := l.running("cars")
	l.embedding("cars")
	l.must(admin.SubResource("eviction").Create(l.ctx, pod, &policyv1.Eviction{}))
	l.running("cars", pod.Name)
	got := l.ready("cars")
	l.checkCars(got)
	if got.Status.Run.Attempt != 1 || got.Status.Result.Summary.Cost.ReusedSamples == 0 {
		t.Errorf("attempt %d reused %d samples", got.Status.Run.Attempt, got.Status.Result.Summary.Cost.ReusedSamples)
	}
	t.Logf("the second pod embedded %d samples and reused %d", got.Status.Result.Summary.Cost.EmbeddedSamples, got.Status.Result.Summary.Cost.ReusedSamples)
}

// A pod that is killed without a word, as by a lost node, loses only what was not yet on the claim.
func TestKilledPod(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	audit := slowCars("cars")
	audit.Spec.Runner.BackoffLimit = new(int32(1))
	l.apply(audit)
	pod := l.running("cars")
	l.embedding("cars")
	l.must(admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0)))
	l.running("cars", pod.Name)
	got := l.ready("cars")
	l.checkCars(got)
	cost := got.Status.Result.Summary.Cost
	t.Logf("the second pod embedded %d samples and reused %d", cost.EmbeddedSamples, cost.ReusedSamples)
}

// The run goes on after each, though no retry is allowed.
func TestFourSuspensions(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.apply(slowCars("cars"))
	for i := range 4 {
		l.running("cars")
		l.change("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Suspend = true })
		l.is("cars", v1alpha1.ConditionReady, "False/Suspended")
		l.eventually("its pods end", func() error {
			if n := len(l.pods("cars")); n > 0 {
				return fmt.Errorf("%d pods", n)
			}
			return nil
		})
		l.change("cars", func(a *v1alpha1.DatasetAudit) {
			a.Spec.Suspend = false
			if i == 3 {
				fast(a)
			}
		})
	}
	got := l.ready("cars")
	l.checkCars(got)
	if got.Status.Run.Attempt != 5 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
}

// A Job that is suspended from outside, as Kueue does, goes on each time, though no retry is allowed.
func TestFourPreemptions(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.apply(slowCars("cars"))
	suspend := func(suspended bool) {
		l.must(admin.Patch(l.ctx, &l.jobs()[0], client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"suspend":%t}}`, suspended))))
	}
	for range 4 {
		l.running("cars")
		suspend(true)
		l.eventually("its pods end", func() error {
			for _, pod := range l.pods("cars") {
				if pod.Status.Phase == corev1.PodRunning {
					return fmt.Errorf("pod %s works", pod.Name)
				}
			}
			return nil
		})
		suspend(false)
	}
	got := l.ready("cars")
	l.checkCars(got)
	if got.Status.Run.Attempt != 1 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
}

// The kernel kills the runner, the audit says so, and more memory starts a run.
func TestOutOfMemory(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	audit := cars("cars")
	audit.Spec.Runner.BackoffLimit = new(int32(0))
	audit.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("80Mi")}
	l.apply(audit)
	got := l.is("cars", v1alpha1.ConditionStalled, "True/OutOfMemory")
	t.Log(message(got, v1alpha1.ConditionStalled))
	l.change("cars", func(a *v1alpha1.DatasetAudit) {
		a.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")}
	})
	l.checkCars(l.ready("cars"))
}

// TestDelete in mid-run leaves nothing behind.
func TestDelete(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.apply(slowCars("cars"))
	l.running("cars")
	l.kubectl("delete", "datasetaudit", "cars", "--wait=false")
	l.eventually("all of it is collected", func() error {
		for _, list := range []client.ObjectList{
			&batchv1.JobList{}, &corev1.PodList{}, &corev1.ConfigMapList{}, &corev1.ServiceAccountList{}, &corev1.PersistentVolumeClaimList{},
			&rbacv1.RoleList{}, &rbacv1.RoleBindingList{}, &v1alpha1.AuditRecordList{},
		} {
			if err := admin.List(l.ctx, list, client.InNamespace(l.namespace), client.HasLabels{v1alpha1.LabelAuditUID}); err != nil {
				return err
			}
			if err := meta.EachListItem(list, func(o runtime.Object) error {
				return fmt.Errorf("%T %s is there", o, o.(client.Object).GetName())
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Two audits of one dataset don't meet.
func TestTwoAtOnce(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.apply(cars("one"))
	l.apply(cars("two"))
	l.checkCars(l.ready("one"))
	l.checkCars(l.ready("two"))
}

// The node of a run is drained. It runs alone, since others have pods there too.
func TestDrain(t *testing.T) {
	l := openLab(t)
	nodes := &corev1.NodeList{}
	l.must(admin.List(l.ctx, nodes))
	if len(nodes.Items) < 2 {
		t.Skip("the cluster has one node only")
	}
	l.claim("cars", carFiles(t))
	l.claim("work", map[string]string{".keep": os.DevNull})
	audit := slowCars("cars")
	audit.Spec.Runner.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("700m") // nothing else runs beside the two
	l.apply(audit)
	l.apply(spreadCars("spread"))
	pod := l.running("cars")
	l.running("spread")
	l.embedding("cars")
	l.Cleanup(func() { _, _ = run(nil, "kubectl", "uncordon", pod.Spec.NodeName) })
	l.kubectl("drain", pod.Spec.NodeName, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
	second := l.running("cars", pod.Name)
	if second.Spec.NodeName == pod.Spec.NodeName {
		t.Errorf("the second pod is on the drained node %s", pod.Spec.NodeName)
	}
	for _, name := range []string{"cars", "spread"} {
		got := l.ready(name)
		l.checkCars(got)
		if got.Status.Run.Attempt != 1 {
			t.Errorf("%s: attempt %d", name, got.Status.Run.Attempt)
		}
	}
}

// The leader is killed in each step of a run, and another goes on.
func TestManagerKilled(t *testing.T) {
	l := openLab(t)
	l.claim("cars", carFiles(t))
	l.claim("work", map[string]string{".keep": os.DevNull})
	l.apply(spreadCars("cars"))
	for _, step := range []string{"embed", "neighbors", "audit"} {
		l.eventually("step "+step, func() error {
			for _, pod := range l.pods("cars") {
				if pod.Labels[v1alpha1.LabelStage] == step {
					return nil
				}
			}
			return errors.New("it has no pod yet")
		})
		l.killManagers()
	}
	l.checkUndisturbed(l.ready("cars"), 3)
}

// checkUndisturbed holds a run of so many Jobs against one that nothing happened to.
func (l *lab) checkUndisturbed(audit *v1alpha1.DatasetAudit, want int) {
	l.Helper()
	l.checkCars(audit)
	if jobs := len(l.jobs()); audit.Status.Run.Attempt != 1 || jobs != want {
		l.Errorf("attempt %d, %d Jobs", audit.Status.Run.Attempt, jobs)
	}
}

func (l *lab) jobs() []batchv1.Job {
	l.Helper()
	jobs := &batchv1.JobList{}
	l.must(admin.List(l.ctx, jobs, client.InNamespace(l.namespace)))
	return jobs.Items
}

// Neither the manager nor a runner minds that the API server is away for a moment.
func TestAPIServerRestart(t *testing.T) {
	if clusterScript == "" {
		t.Skip("the cluster is somebody else's: its API server is left alone")
	}
	l := openLab(t)
	l.claim("cars", carFiles(t))
	audit := slowCars("cars")
	audit.Spec.Runner.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1") // nothing else runs beside it
	l.apply(audit)
	l.running("cars")
	_, err := run(nil, clusterScript, "restart", "kube-apiserver")
	l.must(err)
	l.eventually("the API server answers again", func() error { _, err := l.get("cars"); return err })
	l.checkUndisturbed(l.ready("cars"), 1)
}

// Another version of the chart keeps the audits, and starts no run.
func TestUpgrade(t *testing.T) {
	l := openLab(t)
	l.claim("cars", carFiles(t))
	l.apply(cars("cars"))
	first := l.ready("cars")
	l.must(install("maxActiveRuns=7", "extraLabels.team=vision"))
	l.Cleanup(func() { l.must(install()) })
	l.change("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Retention.Successful = new(int32(2)) })
	got := l.until("cars", "the new manager looks", func(a *v1alpha1.DatasetAudit) bool { return a.Status.ObservedGeneration == a.Generation })
	if got.UID != first.UID || got.Status.Run.ID != first.Status.Run.ID || len(l.jobs()) != 1 {
		t.Errorf("run %s follows run %s, %d Jobs", got.Status.Run.ID, first.Status.Run.ID, len(l.jobs()))
	}
}

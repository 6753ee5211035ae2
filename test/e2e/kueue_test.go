//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// kueueQueue has room for one audit at a time, and lets the important go first.
const kueueQueue = `
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: e2e}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: e2e}
spec:
  namespaceSelector: {}
  preemption: {withinClusterQueue: LowerPriority}
  resourceGroups:
  - coveredResources: [cpu]
    flavors: [{name: e2e, resources: [{name: cpu, nominalQuota: 500m}]}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: audits, namespace: %s}
spec: {clusterQueue: e2e}
`

// installKueue installs Kueue until the test ends, but for its aggregated API, which the cluster of the tests has no
// proxy for.
func installKueue(l *lab) {
	l.Helper()
	image, file := os.Getenv("E2E_KUEUE_IMAGE"), os.Getenv("E2E_KUEUE_MANIFEST")
	if image == "" || file == "" {
		l.Skip("there is no Kueue to install")
	}
	if _, err := run(nil, "kubectl", "get", "crd", "clusterqueues.kueue.x-k8s.io"); err == nil {
		l.Skip("the cluster has a Kueue of its own, which is left alone")
	}
	manifest, err := os.ReadFile(file)
	l.must(err)
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 1<<16)
	var kept bytes.Buffer
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			l.Fatal(err)
		}
		switch object.GetKind() {
		case "APIService":
			continue
		case "Deployment":
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			l.must(err)
			manager := containers[0].(map[string]any)
			manager["image"], manager["imagePullPolicy"] = image, "IfNotPresent"
			manager["args"] = append(manager["args"].([]any), "--feature-gates=VisibilityOnDemand=false")
			l.must(unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers"))
		}
		data, err := yaml.Marshal(object)
		l.must(err)
		fmt.Fprintf(&kept, "---\n%s", data)
	}
	if jobSets := os.Getenv("E2E_JOBSET_CRD"); jobSets != "" { // Kueue looks for it when it starts
		_, err := run(nil, "kubectl", "apply", "--server-side", "-f", jobSets)
		l.must(err)
		l.Cleanup(func() {
			_, _ = run(nil, "kubectl", "delete", "--ignore-not-found", "--wait=true", "--timeout=60s", "-f", jobSets)
		})
	}
	_, err = run(bytes.NewReader(kept.Bytes()), "kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-")
	l.must(err)
	l.Cleanup(func() {
		_, _ = run(nil, "kubectl", "delete", "clusterqueue/e2e", "resourceflavor/e2e", "--wait=true", "--timeout=60s")
		_, err := run(bytes.NewReader(kept.Bytes()), "kubectl", "delete", "--ignore-not-found", "--wait=true", "--timeout=120s", "-f", "-")
		l.must(err)
	})
	_, err = run(nil, "kubectl", "--namespace", "kueue-system", "rollout", "status", "deployment/kueue-controller-manager", "--timeout=6m")
	l.must(err)
	l.eventually("Kueue takes its queues", func() error { // its webhooks come some time after its pod
		_, err := run(strings.NewReader(fmt.Sprintf(kueueQueue, l.namespace)), "kubectl", "apply", "-f", "-")
		return err
	})
}

// TestKueue installs Kueue once for all that needs it.
func TestKueue(t *testing.T) {
	l := openLab(t)
	installKueue(l)
	for name, test := range map[string]func(l *lab){"Quota": testQuota, "Gate": testGate} {
		t.Run(name, func(t *testing.T) {
			of := *l
			of.T, of.ctx = t, t.Context()
			test(&of)
		})
	}
}

// An audit with a queue waits for its quota and says so; a more important one takes its place in mid-run, and it goes
// on afterwards, without a retry.
func testQuota(l *lab) {
	t := l.T
	l.claim("cars", carFiles(t))
	l.must(client.IgnoreAlreadyExists(admin.Create(l.ctx, &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "e2e-urgent"}, Value: 1000})))
	l.Cleanup(func() {
		_ = admin.Delete(context.Background(), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "e2e-urgent"}})
	})
	queued := func(name, limit string) *v1alpha1.DatasetAudit {
		audit := slowCars(name)
		audit.Labels = map[string]string{v1alpha1.LabelQueueName: "audits"}
		audit.Spec.Runner.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("300m")
		audit.Spec.Runner.Resources.Limits[corev1.ResourceCPU] = resource.MustParse(limit)
		return audit
	}
	l.apply(queued("first", "300m")) // slow, since the manager asks Kueue after 10 s, and again only after 30
	pod := l.running("first")
	l.embedding("first")
	l.apply(queued("second", "1"))
	waits := l.until("second", "it waits for quota, in Kueue's words", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReconciling), "insufficient unused quota")
	})
	t.Log(message(waits, v1alpha1.ConditionReconciling))

	urgent := queued("urgent", "1")
	urgent.Spec.Runner.Template.PriorityClassName = "e2e-urgent"
	l.apply(urgent)
	preempted := l.until("first", "it is preempted", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReconciling), "Kueue")
	})
	t.Log(message(preempted, v1alpha1.ConditionReconciling))
	l.checkCars(l.ready("urgent"))
	l.running("first", pod.Name)
	got := l.ready("first")
	l.checkCars(got)
	cost := got.Status.Result.Summary.Cost
	if got.Status.Run.Attempt != 1 || cost.ReusedSamples == 0 {
		t.Errorf("attempt %d reused %d samples", got.Status.Run.Attempt, cost.ReusedSamples)
	}
	t.Logf("after the preemption the runner embedded %d samples and reused %d", cost.EmbeddedSamples, cost.ReusedSamples)
	l.checkCars(l.ready("second"))
}

//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

const modelFile = data + "/mobilenet_v1_1.0_224.onnx"

// needData skips a test where the real data is not.
func needData(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(modelFile); err != nil {
		t.Skip("the real images and model, which the project doesn't ship, are not here")
	}
}

// carFiles are the notebook's cars and the model, as a claim holds them.
func carFiles(t *testing.T) map[string]string {
	t.Helper()
	needData(t)
	files := map[string]string{"mobilenet_v1.onnx": modelFile}
	for i := range 1000 {
		name := fmt.Sprintf("train/automobile/%04d.jpg", i)
		files["images/"+name] = filepath.Join(data, "cifar10", name)
	}
	return files
}

// cars is config/samples/cars.yaml, with one claim for all.
func cars(name string) *v1alpha1.DatasetAudit {
	audit := audits.New(name)
	audit.Spec.Dataset = v1alpha1.DatasetSpec{
		Source: v1alpha1.DatasetSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "cars", Path: "images"}},
		Format: v1alpha1.FormatImageFolder, Splits: []string{"train"}, Labels: []string{"automobile"}, MaxSamples: new(int64(1000)),
	}
	audit.Spec.Model.Source.PersistentVolumeClaim = &v1alpha1.ClaimSource{ClaimName: "cars", Path: "mobilenet_v1.onnx"}
	return audit
}

// From kubectl apply to clusters that are the same bytes as on a developer's machine.
func TestCars(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	want := l.local(cars("cars"), filepath.Join(data, "cifar10"), modelFile)

	begin := time.Now()
	l.apply(cars("cars"))
	got := l.ready("cars")
	total := time.Since(begin)

	clusters := &corev1.ConfigMap{}
	l.must(admin.Get(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: got.Status.Result.ClustersConfigMap}, clusters))
	unpacked, err := gzip.NewReader(bytes.NewReader(clusters.BinaryData["clusters.jsonl.gz"]))
	l.must(err)
	found, err := io.ReadAll(unpacked)
	l.must(err)
	expected, err := os.ReadFile(filepath.Join(want, "clusters.jsonl"))
	l.must(err)
	if !bytes.Equal(found, expected) {
		t.Errorf("the pod found %d bytes of clusters, this machine %d, and they differ", len(found), len(expected))
	}
	if got.Status.Result.Clusters != 12 {
		t.Errorf("%d clusters, want 12", got.Status.Result.Clusters)
	}
	l.timeline(got, begin, total)
	t.Logf("kubectl get datasetaudits\n%s", l.kubectl("get", "datasetaudits"))
	t.Logf("kubectl get events\n%s", l.kubectl("get", "events", "--sort-by=.metadata.creationTimestamp"))
}

// timeline says when what happened.
func (l *lab) timeline(audit *v1alpha1.DatasetAudit, begin time.Time, total time.Duration) {
	l.Helper()
	for _, pod := range l.pods(audit.Name) {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled {
				l.Logf("scheduled     %s", c.LastTransitionTime.Sub(begin).Round(time.Second))
			}
		}
		if state := pod.Status.ContainerStatuses[0].State.Terminated; state != nil {
			l.Logf("runner began  %s", state.StartedAt.Sub(begin).Round(time.Second))
			l.Logf("runner ended  %s", state.FinishedAt.Sub(begin).Round(time.Second))
		}
	}
	cost := audit.Status.Result.Summary.Cost
	l.Logf("Ready         %s; of it the runner worked %s s", total.Round(100*time.Millisecond), *cost.WallSeconds)
}

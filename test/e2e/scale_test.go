//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// generated writes so many embeddings of classes, with a copy of each hundredth, as an array of NumPy.
func generated(t *testing.T, rows int) string {
	t.Helper()
	const columns, centers = 64, 50
	random := rand.New(rand.NewPCG(1, 20))
	values := make([]float32, rows*columns)
	class := make([]float32, centers*columns)
	for i := range class {
		class[i] = float32(random.NormFloat64())
	}
	for i := range rows {
		at := random.IntN(centers) * columns
		for k := range columns {
			values[i*columns+k] = class[at+k] + float32(0.5*random.NormFloat64())
		}
		if i%100 == 99 {
			for k := range columns {
				values[i*columns+k] = values[i/2*columns+k] + float32(0.01*random.NormFloat64())
			}
		}
	}
	var file bytes.Buffer
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, columns)
	fmt.Fprintf(&file, "\x93NUMPY\x01\x00\x76\x00%-117s\n", header)
	if err := binary.Write(&file, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "train.npy")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kill ends a pod of each of the three steps of an audit's run, whatever it does by then, without a word.
func (l *lab) kill(audit string) {
	l.Helper()
	killed := map[string]bool{}
	l.eventually("a pod of each step is there", func() error {
		for _, pod := range l.pods(audit) {
			step := pod.Labels[v1alpha1.LabelStage]
			if !killed[step] && pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodSucceeded {
				l.must(client.IgnoreNotFound(admin.Delete(l.ctx, &pod, client.GracePeriodSeconds(0))))
				killed[step] = true
			}
		}
		if len(killed) < 3 {
			return fmt.Errorf("killed so far: %v", killed)
		}
		return nil
	})
}

// Several pods find what one does, byte for byte, by each method, over a claim and over object storage, though a pod of
// each step is killed, and another number of pods asked for in mid-run.
func TestParallelism(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.claim("work", map[string]string{"one/.keep": os.DevNull, "three/.keep": os.DevNull, "eight/.keep": os.DevNull})
	server := l.s3(map[string]string{"datasets/train.npy": generated(t, 20_000)})
	methods := map[string]v1alpha1.DuplicatesSpec{
		"reference": {Method: v1alpha1.MethodReference, Threshold: v1alpha1.ThresholdSpec{Strategy: v1alpha1.ThresholdSlope, Sensitivity: new(int32(20))}},
		"local":     {Method: v1alpha1.MethodLocal},
	}
	datasets := map[string]func(name, pods string) *v1alpha1.DatasetAudit{
		"cars": func(name, pods string) *v1alpha1.DatasetAudit {
			audit := cars(name)
			audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "work", Path: pods}}
			return audit
		},
		"demo": func(name, _ string) *v1alpha1.DatasetAudit { // images, so that method Local inspects them
			audit := audits.New(name)
			audit.Spec.Model = &v1alpha1.ModelSpec{Builtin: v1alpha1.BuiltinPixels}
			audit.Spec.Dataset = v1alpha1.DatasetSpec{Source: v1alpha1.DatasetSource{Builtin: v1alpha1.BuiltinDemo}, Format: v1alpha1.FormatImageFolder}
			return audit
		},
		"generated": func(name, _ string) *v1alpha1.DatasetAudit {
			audit := audits.New(name)
			audit.Spec.Model = nil
			audit.Spec.Dataset = v1alpha1.DatasetSpec{
				Source: v1alpha1.DatasetSource{ObjectStorage: l.place("datasets", "s3")}, Format: v1alpha1.FormatEmbeddings,
			}
			return audit
		},
	}
	parallelism := map[string]int32{"one": 1, "three": 3, "eight": 8}
	found := func(got *v1alpha1.DatasetAudit) string {
		return filepath.Join(l.namespace, got.Name, got.Status.Run.ID)
	}
	var same [][2]string // folders of results
	for dataset := range datasets {
		for method := range methods {
			name := func(pods string) string { return dataset + "-" + method + "-" + pods }
			for _, pods := range []string{"one", "three", "eight"} { // three audits at a time are enough for a small machine
				audit := datasets[dataset](name(pods), pods)
				audit.Spec.Duplicates = methods[method]
				audit.Spec.Output = v1alpha1.OutputSpec{ObjectStorage: l.place("audits", "s3")}
				audit.Spec.Runner.Parallelism = new(parallelism[pods])
				l.apply(audit)
				switch {
				case method == "local" && pods == "three":
					l.kill(name(pods))
				case method == "local" && pods == "eight":
					l.running(name(pods))
					l.change(name(pods), func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Parallelism = new(int32(5)) })
				}
			}
			one := l.ready(name("one"))
			for _, pods := range []string{"three", "eight"} {
				got := l.ready(name(pods))
				attempts := int32(1)
				if method == "local" && pods == "eight" { // the change began another one, which goes on from what is there
					attempts = 2
				}
				if got.Status.Run.Attempt != attempts || len(got.Status.History) != 1 {
					t.Errorf("%s: attempt %d, %d runs", got.Name, got.Status.Run.Attempt, len(got.Status.History))
				}
				same = append(same, [2]string{found(one), found(got)})
			}
		}
	}
	results := l.fetch(server, "/data/audits")
	for _, pair := range same {
		for _, file := range []string{"clusters.jsonl", "pairs.csv", "groups.csv", "keep.csv", "remove.csv"} {
			want, err := os.ReadFile(filepath.Join(results, pair[0], file))
			l.must(err)
			got, err := os.ReadFile(filepath.Join(results, pair[1], file))
			l.must(err)
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s has %d bytes, and %d by one pod, or others", pair[1], file, len(got), len(want))
			}
		}
	}
}

// A namespace that is deleted in mid-run goes, though nothing new can begin there: Kubernetes ends its pods before their
// Jobs.
func TestNamespaceDeleted(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.claim("work", map[string]string{".keep": os.DevNull})
	l.apply(spreadCars("cars"))
	l.running("cars")
	l.kubectl("delete", "namespace", l.namespace, "--wait=false")
	l.eventually("the namespace is gone", func() error {
		err := admin.Get(l.ctx, client.ObjectKey{Name: l.namespace}, &corev1.Namespace{})
		if err == nil {
			return fmt.Errorf("it has %d pods", len(l.pods("cars")))
		}
		return client.IgnoreNotFound(err)
	})
}

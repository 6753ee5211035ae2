package gate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// What a label or annotation names.
func TestNamed(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		want  []string
		fails bool
	}{
		"none":         {"", nil, false},
		"one":          {"cars", []string{"vision/cars"}, false},
		"several":      {" cars, other/trucks ,cars,", []string{"vision/cars", "other/trucks"}, false},
		"with what":    {"cars@v1.2, other/trucks@sha256:00,cars", []string{"vision/cars@v1.2", "other/trucks@sha256:00", "vision/cars"}, false},
		"with nothing": {"cars@", nil, true},
		"no name":      {"other/", nil, true},
		"no namespace": {"/cars", nil, true},
		"three parts":  {"a/b/c", nil, true},
		"a path":       {"../cars", nil, true},
		"too many":     {strings.Repeat("a", 33) + "," + many(33), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var named names
			err := named.add("vision", map[string]string{v1alpha1.AnnotationAudits: test.value, "other": "x/y/z"})
			if (err != nil) != test.fails {
				t.Fatal(err)
			}
			if test.fails {
				return
			}
			var got []string
			for _, n := range named {
				said := n.String()
				if n.of != "" {
					said += "@" + n.of
				}
				got = append(got, said)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func many(n int) string {
	var names []string
	for i := range n {
		names = append(names, "audit-"+strings.Repeat("x", i))
	}
	return strings.Join(names, ",")
}

// A workload without names uses the datasets of the claims and addresses that its pods and its job name.
func TestUses(t *testing.T) {
	w := &kueue.Workload{ObjectMeta: metav1.ObjectMeta{Namespace: "vision", Name: "train"}}
	w.Spec.PodSets = []kueue.PodSet{{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		Volumes: []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "cars"}}},
			{Name: "tmp"},
		},
		InitContainers: []corev1.Container{{Env: []corev1.EnvVar{{Name: "FROM", Value: "gs://lake/trucks/train?x=y"}, {Name: "MODE", Value: "fast"}}}},
		Containers:     []corev1.Container{{Args: []string{"--epochs=3", "--data=s3://lake/ships/", "s3://lake/planes/test"}}},
	}}}}
	job := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"initializer": map[string]any{"dataset": map[string]any{"storageUri": "hf://org/set"}}}}}
	used := usesOf(w, job)
	of := func(address string) *v1alpha1.DatasetAudit {
		audit := audits.New("a")
		audit.Spec.Dataset.Source = v1alpha1.DatasetSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: address}}
		return audit
	}
	claim := func(name string) *v1alpha1.DatasetAudit {
		audit := audits.New("a")
		audit.Spec.Dataset.Source.PersistentVolumeClaim.ClaimName = name
		return audit
	}
	image := audits.New("a")
	image.Spec.Dataset.Source = v1alpha1.DatasetSource{Image: &v1alpha1.ImageSource{Reference: "registry/cars"}}
	for name, test := range map[string]struct {
		audit *v1alpha1.DatasetAudit
		want  bool
	}{
		"the claim":               {claim("cars"), true},
		"another claim":           {claim("cats"), false},
		"around it":               {of("gs://lake/trucks?region=eu"), true},
		"the address":             {of("s3://lake/ships?endpoint=http://x"), true},
		"a part of it":            {of("s3://lake/ships/part"), false},
		"a name that begins so":   {of("s3://lake/ship"), false},
		"an argument of its own":  {of("s3://lake/planes"), true},
		"the whole bucket":        {of("s3://lake"), true},
		"another bucket":          {of("s3://lak"), false},
		"another kind of storage": {of("gs://lake/ships"), false},
		"a TrainJob's":            {of("hf://org/set"), true},
		"an image":                {image, false},
	} {
		if got := used.reads(test.audit); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A Job of a run has the run's image, and nothing else: who makes one of its name gains nothing.
func TestRuns(t *testing.T) {
	run := &v1alpha1.RunStatus{Image: "runner@sha256:1", EmbedImage: "cuda@sha256:2"}
	for name, test := range map[string]struct {
		pod  string
		want bool
	}{
		"a run":             {`{"containers": [{"image": "runner@sha256:1", "args": ["audit"]}]}`, true},
		"one that embeds":   {`{"containers": [{"image": "cuda@sha256:2"}]}`, true},
		"another image":     {`{"containers": [{"image": "train"}]}`, false},
		"another command":   {`{"containers": [{"image": "runner@sha256:1", "command": ["sh"]}]}`, false},
		"another container": {`{"containers": [{"image": "runner@sha256:1"}, {"image": "train"}]}`, false},
		"one before":        {`{"containers": [{"image": "runner@sha256:1"}], "initContainers": [{"image": "train"}]}`, false},
		"nothing":           {`{}`, false},
	} {
		pod := map[string]any{}
		if err := json.Unmarshal([]byte(test.pod), &pod); err != nil {
			t.Fatal(err)
		}
		job := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"template": map[string]any{"spec": pod}}}}
		if got := runs(job, run); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

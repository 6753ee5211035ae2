//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

const (
	s3Key    = "e2e-access-key"
	s3Secret = "e2e-secret-key"
)

// s3 runs an S3 server in the lab's namespace, whose buckets are the folders of a claim: audits, and datasets and
// models as given.
func (l *lab) s3(files map[string]string) *corev1.Pod {
	l.Helper()
	files["audits/.keep"], files["vectors/.keep"] = os.DevNull, os.DevNull
	l.claim("s3", files)
	l.must(admin.Create(l.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "s3"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "s3"}, Ports: []corev1.ServicePort{{Port: 9000}}},
	}))
	for name, secret := range map[string]string{"s3": s3Secret, "wrong": "wrong"} {
		l.must(admin.Create(l.ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name},
			StringData: map[string]string{"AWS_ACCESS_KEY_ID": s3Key, "AWS_SECRET_ACCESS_KEY": secret},
		}))
	}
	return l.startS3()
}

func (l *lab) startS3() *corev1.Pod {
	l.Helper()
	return l.helper("s3", "/versitygw", []string{"--port", ":9000", "posix", "/data"}, "s3",
		corev1.EnvVar{Name: "ROOT_ACCESS_KEY", Value: s3Key}, corev1.EnvVar{Name: "ROOT_SECRET_KEY", Value: s3Secret})
}

// place is a bucket of the lab's S3 server.
func (l *lab) place(bucket, secret string) *v1alpha1.ObjectStorage {
	return &v1alpha1.ObjectStorage{
		URL:       fmt.Sprintf("s3://%s?endpoint=http://s3.%s.svc.cluster.local:9000&use_path_style=true&region=us-east-1", bucket, l.namespace),
		SecretRef: &v1alpha1.SecretReference{Name: secret},
	}
}

// demo generates the demonstration dataset, with copies that leak from train into test.
func (l *lab) demo() string {
	l.Helper()
	folder := filepath.Join(l.TempDir(), "demo")
	_, err := run(nil, "go", "run", "../../hack/demo", "-out", folder)
	l.must(err)
	return folder
}

// demoFiles are the demonstration's, by bucket.
func demoFiles(folder string) map[string]string {
	return map[string]string{"datasets": filepath.Join(folder, "images"), "models/model.onnx": filepath.Join(folder, "model.onnx")}
}

// places are the three of an audit that is from object storage into object storage.
func places(spec *v1alpha1.DatasetAuditSpec) []*v1alpha1.ObjectStorage {
	return []*v1alpha1.ObjectStorage{spec.Dataset.Source.ObjectStorage, spec.Model.Source.ObjectStorage, spec.Output.ObjectStorage}
}

// demoAudit audits the demonstration from S3 into S3.
func (l *lab) demoAudit(name string) *v1alpha1.DatasetAudit {
	audit := audits.New(name)
	audit.Spec = v1alpha1.DatasetAuditSpec{
		Dataset: v1alpha1.DatasetSpec{
			Source: v1alpha1.DatasetSource{ObjectStorage: l.place("datasets", "s3")},
			Format: v1alpha1.FormatImageFolder, EvaluationSplits: []string{"test"},
		},
		Model: &v1alpha1.ModelSpec{
			Source: v1alpha1.ModelSource{ObjectStorage: l.place("models/model.onnx", "s3")}, Layers: []string{"features"},
			Preprocessing: v1alpha1.PreprocessingSpec{Preset: v1alpha1.PresetUnitRange, Interpolation: v1alpha1.InterpolationArea},
			Pooling:       v1alpha1.PoolingSpec{Method: v1alpha1.PoolingAverage},
		},
		Duplicates: v1alpha1.DuplicatesSpec{Threshold: v1alpha1.ThresholdSpec{Strategy: v1alpha1.ThresholdSlope, Sensitivity: new(int32(20))}},
		Output:     v1alpha1.OutputSpec{ObjectStorage: l.place("audits", "s3")},
		Policy: v1alpha1.PolicySpec{Rules: []v1alpha1.PolicyRule{
			{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail},
		}},
	}
	return audit
}

// Dataset, model and results in object storage, and a gate that holds what leaks.
func TestStorage(t *testing.T) {
	l := newLab(t)
	folder := l.demo()
	server := l.s3(demoFiles(folder))
	l.apply(l.demoAudit("demo"))
	got := l.ready("demo")
	t.Logf("%s: %s", got.Status.Result.SummaryURL, message(got, v1alpha1.ConditionReady))

	l.is("demo", v1alpha1.ConditionCompliant, "False/RulesViolated")
	t.Log(message(got, v1alpha1.ConditionCompliant))
	if leaked := got.Status.Result.Summary.Layers[0].Leakage; leaked == nil || leaked.Samples == 0 {
		t.Errorf("leakage is %+v", leaked)
	}
	maps := &corev1.ConfigMapList{}
	l.must(admin.List(l.ctx, maps, client.InNamespace(l.namespace), client.HasLabels{v1alpha1.LabelAuditUID}))
	if len(maps.Items) != 2 {
		t.Errorf("there are %d ConfigMaps, want input and summary", len(maps.Items))
	}

	results := filepath.Join(l.fetch(server, "/data/audits"), l.namespace, "demo", got.Status.Run.ID)
	for _, name := range []string{"report.html", "summary.json", "clusters.jsonl", "clusters.parquet", "pairs.csv", "groups.csv", "keep.csv", "remove.csv"} {
		if _, err := os.Stat(filepath.Join(results, name)); err != nil {
			t.Error(err)
		}
	}
	// What was planted was found, as `make demo` says it.
	_, err := run(nil, "go", "run", "../../hack/demo", "-evaluate", folder, "-out", results)
	l.must(err)
	checkReport(l, filepath.Join(results, "report.html"))
}

// Pods that share nothing but a bucket embed a dataset. Another audit finds the vectors there, embeds nothing, and finds
// the same, in all parts of the report.
func TestVectorsInStorage(t *testing.T) {
	l := newLab(t)
	server := l.s3(demoFiles(l.demo()))
	whole := func(name string) *v1alpha1.DatasetAudit {
		audit := l.demoAudit(name)
		audit.Spec.Reports = []v1alpha1.ReportPart{
			v1alpha1.ReportDuplicates, v1alpha1.ReportQuality, v1alpha1.ReportFamiliarity, v1alpha1.ReportLabels, v1alpha1.ReportMap,
		}
		return audit
	}
	for name, change := range map[string]func(*v1alpha1.DatasetAuditSpec){
		"three": func(s *v1alpha1.DatasetAuditSpec) { s.Runner.Parallelism = new(int32(3)) },
		"eight": func(s *v1alpha1.DatasetAuditSpec) {
			s.Runner.Parallelism = new(int32(8))
			s.Workspace = &v1alpha1.WorkspaceSpec{ObjectStorage: l.place("vectors", "s3")}
		},
	} {
		audit := whole(name)
		change(&audit.Spec)
		l.apply(audit)
	}
	three, eight := l.ready("three"), l.ready("eight")
	l.apply(whole("one"))
	one := l.ready("one")
	summary := one.Status.Result.Summary
	if layer := summary.Layers[0]; summary.Dataset.Quality == nil || layer.Familiarity == nil || layer.SuspectLabels == nil || layer.Coverage == nil {
		t.Errorf("parts of the report are missing: quality %v, familiarity %v, labels %v, coverage %v", summary.Dataset.Quality, layer.Familiarity, layer.SuspectLabels, layer.Coverage)
	}
	if cost := one.Status.Result.Summary.Cost; cost.EmbeddedSamples != 0 || cost.ReusedSamples == 0 {
		t.Errorf("what another audit of the namespace embedded is embedded again: %+v", cost)
	}
	results := filepath.Join(l.fetch(server, "/data/audits"), l.namespace)
	for _, name := range []string{
		"clusters.jsonl", "pairs.csv", "groups.csv", "keep.csv", "remove.csv", "quality.csv", "familiarity.parquet", "labels.csv", "map.csv",
	} {
		var contents []string
		for _, audit := range []*v1alpha1.DatasetAudit{one, three, eight} {
			content, err := os.ReadFile(filepath.Join(results, audit.Name, audit.Status.Run.ID, name))
			l.must(err)
			contents = append(contents, string(content))
		}
		if contents[0] != contents[1] || contents[0] != contents[2] {
			t.Errorf("%s differs by parallelism", name)
		}
	}
}

// A schedule of each minute looks whether anything changed, and runs when a file has come.
func TestUnchanged(t *testing.T) {
	l := newLab(t)
	folder := l.demo()
	server := l.s3(demoFiles(folder))
	audit := l.demoAudit("demo")
	audit.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "* * * * *", Runs: v1alpha1.RunsIfChanged}
	audit.Spec.Runner.Parallelism = new(int32(2))
	l.apply(audit)
	first := l.ready("demo")
	same := l.until("demo", "nothing has changed", func(a *v1alpha1.DatasetAudit) bool {
		return a.Status.Run.Outcome == v1alpha1.OutcomeUnchanged && a.Status.Result.CheckedAt != nil
	})
	if same.Status.Result.RunID != first.Status.Result.RunID || len(same.Status.History) != 1 {
		t.Errorf("results of run %s, %d runs", same.Status.Result.RunID, len(same.Status.History))
	}
	pictures, err := filepath.Glob(filepath.Join(folder, "images", "train", "*", "*"))
	l.must(err)
	l.fill(server, "/data", map[string]string{"datasets/train/new/copy" + filepath.Ext(pictures[0]): pictures[0]})
	grown := l.until("demo", "it has run", func(a *v1alpha1.DatasetAudit) bool {
		return a.Status.Result.RunID != first.Status.Result.RunID
	})
	if got := grown.Status.Result; got.Samples != first.Status.Result.Samples+1 || got.CheckedAt != nil || got.Summary.Cost.EmbeddedSamples > 1 {
		t.Errorf("%d samples, of which %d are embedded, checked at %v", got.Samples, got.Summary.Cost.EmbeddedSamples, got.CheckedAt)
	}
}

// checkReport opens the report as a user does who downloaded it, in a window that is high enough for some clusters:
// only what is near the window is drawn.
func checkReport(l *lab, file string) {
	l.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		l.Skip("all is well but the report, which was not opened: there is no Chromium")
	}
	l.eventually("the report shows its pictures", func() error { // the browser's time is up sooner on a busy machine
		page, err := run(nil, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
			"--window-size=1280,4000", "--user-data-dir="+l.TempDir(), "--virtual-time-budget=5000", "--dump-dom", "file://"+file)
		if shown := strings.Count(page, `src="data:image/`); err == nil && shown < 10 {
			err = fmt.Errorf("%d pictures", shown)
		}
		return err
	})
}

// What a user can get wrong is said in words that tell what to correct.
func TestStorageMistakes(t *testing.T) {
	l := newLab(t)
	folder := l.demo()
	l.s3(demoFiles(folder))
	for name, c := range map[string]struct {
		change func(*v1alpha1.DatasetAuditSpec)
		texts  []string
	}{
		"wrong-key": {func(s *v1alpha1.DatasetAuditSpec) {
			for _, place := range places(s) {
				place.SecretRef.Name = "wrong"
			}
		}, []string{"s3://", "SignatureDoesNotMatch"}},
		"no-bucket": {func(s *v1alpha1.DatasetAuditSpec) {
			s.Dataset.Source.ObjectStorage = l.place("none-such", "s3")
		}, []string{"s3://none-such"}},
		"no-output": {func(s *v1alpha1.DatasetAuditSpec) {
			s.Output.ObjectStorage = l.place("none-such", "s3")
		}, []string{"s3://none-such"}},
	} {
		audit := l.demoAudit(name)
		audit.Spec.Runner.BackoffLimit = new(int32(0))
		c.change(&audit.Spec)
		l.apply(audit)
		got := l.until(name, "it stalls", func(a *v1alpha1.DatasetAudit) bool { return message(a, v1alpha1.ConditionStalled) != "" })
		t.Logf("%s: %s: %s", name, got.Status.Run.Error.Reason, message(got, v1alpha1.ConditionStalled))
		for _, text := range c.texts {
			if !strings.Contains(message(got, v1alpha1.ConditionStalled), text) {
				t.Errorf("%s: no %q in the message", name, text)
			}
		}
	}

	missing := l.demoAudit("no-secret")
	for _, place := range places(&missing.Spec) {
		place.SecretRef.Name = "none-such"
	}
	l.apply(missing)
	got := l.until("no-secret", "it names the Secret", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReconciling), `secret "none-such" not found`)
	})
	t.Log(message(got, v1alpha1.ConditionReconciling))
}

// The server is away for a minute in the middle of a run, which goes on when it is back.
func TestStorageAway(t *testing.T) {
	l := newLab(t)
	needData(t)
	files := map[string]string{"models/model.onnx": modelFile}
	for i := range 1000 {
		name := fmt.Sprintf("train/automobile/%04d.jpg", i)
		files["datasets/"+name] = filepath.Join(data, "cifar10", name)
	}
	server := l.s3(files)
	audit := slowCars("cars")
	audit.Spec.Dataset.Source = v1alpha1.DatasetSource{ObjectStorage: l.place("datasets", "s3")}
	audit.Spec.Model.Source = v1alpha1.ModelSource{ObjectStorage: l.place("models/model.onnx", "s3")}
	audit.Spec.Output.ObjectStorage = l.place("audits", "s3")
	audit.Spec.Runner.BackoffLimit = new(int32(6))
	l.apply(audit)
	l.embedding("cars")
	l.must(admin.Delete(l.ctx, server, client.GracePeriodSeconds(0)))
	time.Sleep(time.Minute)
	l.startS3()
	got := l.ready("cars")
	l.checkCars(got)
	// It has either waited in one pod, or gone on in another.
	cost := got.Status.Result.Summary.Cost
	seconds, err := strconv.ParseFloat(string(*cost.WallSeconds), 64)
	l.must(err)
	pods := l.pods("cars")
	if seconds < 60 && cost.ReusedSamples == 0 {
		t.Errorf("nothing of the minute shows: %d pods, the last one worked %.0f s and reused nothing", len(pods), seconds)
	}
	t.Logf("%d pods; the last one worked %.0f s, embedded %d samples and reused %d", len(pods), seconds, cost.EmbeddedSamples, cost.ReusedSamples)
}

// Dataset and model come as an image of a registry, which the node mounts.
func TestImageVolume(t *testing.T) {
	l := newLab(t)
	image := os.Getenv("E2E_DEMO_IMAGE")
	audit := l.demoAudit("demo")
	audit.Spec.Dataset.Source = v1alpha1.DatasetSource{Image: &v1alpha1.ImageSource{Reference: image, Path: "images"}}
	audit.Spec.Model.Source = v1alpha1.ModelSource{Image: &v1alpha1.ImageSource{Reference: image, Path: "model.onnx"}}
	audit.Spec.Output = v1alpha1.OutputSpec{}
	l.apply(audit)
	got := l.ready("demo")
	if result := got.Status.Result; result.Samples != 451 || result.Clusters != 90 {
		t.Errorf("%d samples, %d clusters", result.Samples, result.Clusters)
	}
}

// A server far away, opened under an account of the user's own.
func TestSlowStorage(t *testing.T) {
	l := newLab(t)
	folder := l.demo()
	l.s3(demoFiles(folder))
	l.must(admin.Create(l.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "far"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "far"}, Ports: []corev1.ServicePort{{Port: 9000}}},
	}))
	l.claim("none", nil)
	l.helper("far", "/pod", []string{"slow", "s3." + l.namespace + ".svc.cluster.local:9000"}, "none")
	l.must(admin.Create(l.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "reader"}}))

	audit := l.demoAudit("demo")
	for _, place := range places(&audit.Spec) {
		place.URL = strings.Replace(place.URL, "//s3.", "//far.", 1)
	}
	audit.Spec.Runner.Template.ServiceAccountName = "reader"
	l.apply(audit)
	got := l.ready("demo")
	for _, pod := range l.pods("demo") {
		if pod.Spec.ServiceAccountName != "reader" {
			t.Errorf("pod %s is %s", pod.Name, pod.Spec.ServiceAccountName)
		}
	}
	t.Logf("the runner worked %s s", *got.Status.Result.Summary.Cost.WallSeconds)
}

package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func audited(name string) *v1alpha1.DatasetAudit {
	conflicts := int64(1)
	leaks := &v1alpha1.LeakageSummary{Samples: 13, ExactCopies: 4, Pairs: []v1alpha1.LeakagePair{{From: "train", To: "test", Samples: 13}}}
	audit := audits.New(name)
	audit.Namespace, audit.Generation = "vision", 1
	audit.Status = v1alpha1.DatasetAuditStatus{
		ObservedGeneration: 1,
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, Message: "77 clusters"},
			{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonViolated, Message: "no-leakage"},
		},
		Rules: []v1alpha1.RuleStatus{{Name: "no-leakage", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated, Message: "layer.leakage.samples = 13"}},
		Result: &v1alpha1.ResultStatus{
			RunID: "r1", CompletedAt: metav1.NewTime(now.Add(-3 * time.Minute)), Samples: 439, Clusters: 77, DuplicateSamples: 179,
			ClustersConfigMap: "cars-r1-clusters",
			Summary: &v1alpha1.AuditSummary{Dataset: v1alpha1.SummaryDataset{
				Splits:   []v1alpha1.SplitSamples{{Name: "test", Samples: 104, Evaluation: true}, {Name: "train", Samples: 335}},
				Skipped:  v1alpha1.SkippedSamples{Samples: 2},
				Ignored:  &v1alpha1.IgnoredFiles{Files: 25, Endings: []v1alpha1.EndingFiles{{Ending: ".txt", Files: 25}}},
				Warnings: []string{"labels like splits"},
			}, Layers: []v1alpha1.LayerSummary{{
				Layer: "features", Samples: 439, Clusters: 77, DuplicateSamples: 179, EffectiveSize: 337, Leakage: leaks, LabelConflicts: &conflicts,
				Threshold:   v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdSlope, Distance: "0.1"},
				Splits:      []v1alpha1.GroupSummary{{Name: "test", Samples: 104, DuplicateSamples: 20, EffectiveSize: 94}},
				TopClusters: []v1alpha1.ClusterSummary{{Cluster: 39, Size: 2, Mean: "0", Splits: []string{"test", "train"}, Medoid: "a\x1b[31m\u202e.jpg"}},
			}}},
		},
	}
	return audit
}

func TestList(t *testing.T) {
	running := audited("trucks")
	running.Status.Run = &v1alpha1.RunStatus{Progress: &v1alpha1.Progress{Message: "Embed 512/1000"}}
	running.Status.Result = nil
	var out bytes.Buffer
	if err := list(&out, []v1alpha1.DatasetAudit{*audited("cars"), *running, {ObjectMeta: metav1.ObjectMeta{Name: "new"}}}, false, now); err != nil {
		t.Fatal(err)
	}
	want := `NAME     STATE            COMPLIANT   SAMPLES   CLUSTERS   DUPLICATES   EFFECTIVE   LEAKED   RESULTS
cars     Succeeded        False       439       77         179          337         13       3m ago
trucks   Embed 512/1000   False
new      -                -
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestDescribe(t *testing.T) {
	var out bytes.Buffer
	if err := describe(&out, audited("cars"), now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"vision/cars", "False, RulesViolated: no-leakage", "layer.leakage.samples = 13", "13 of test in train", "test    104       20           94",
		"ConfigMap cars-r1-clusters", "test 104 (evaluation), train 335", "2 samples could not be read", "25 files were taken for no samples: .txt 25", "Labels like splits", "1 pair of duplicates bears labels that contradict each other", "a\uFFFD[31m\uFFFD.jpg",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Error("a name steers the terminal")
	}
}

// What ends a wait, and how.
func TestLook(t *testing.T) {
	set := func(a *v1alpha1.DatasetAudit, kind string, status metav1.ConditionStatus, reason string) {
		for i := range a.Status.Conditions {
			if a.Status.Conditions[i].Type == kind {
				a.Status.Conditions[i].Status, a.Status.Conditions[i].Reason = status, reason
			}
		}
	}
	for name, c := range map[string]struct {
		waiter waiter
		change func(*v1alpha1.DatasetAudit)
		over   bool
		code   int
	}{
		"results":                  {over: true},
		"an older spec's":          {change: func(a *v1alpha1.DatasetAudit) { a.Generation++ }},
		"on its way":               {change: func(a *v1alpha1.DatasetAudit) { set(a, v1alpha1.ConditionReady, "Unknown", "Running") }},
		"suspended":                {change: func(a *v1alpha1.DatasetAudit) { set(a, v1alpha1.ConditionReady, "False", "Suspended") }, code: 1},
		"before the request":       {waiter: waiter{request: "now"}},
		"after the request":        {waiter: waiter{request: "now"}, change: func(a *v1alpha1.DatasetAudit) { a.Status.LastHandledRequest = "now" }, over: true},
		"not compliant":            {waiter: waiter{compliant: true}, code: 2},
		"nobody asks for a policy": {waiter: waiter{}, over: true},
		"compliant":                {waiter: waiter{compliant: true}, change: func(a *v1alpha1.DatasetAudit) { set(a, v1alpha1.ConditionCompliant, "True", "RulesFulfilled") }, over: true},
		"failed": {
			change: func(a *v1alpha1.DatasetAudit) {
				set(a, v1alpha1.ConditionReady, "False", "InvalidModel")
				a.Status.Conditions = append(a.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: "True", Reason: "InvalidModel"})
			},
			code: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			audit := audited("cars")
			if c.change != nil {
				c.change(audit)
			}
			over, err := c.waiter.look(io.Discard, audit)
			code := 0
			if err != nil {
				code = exitCode(err)
			}
			if over != c.over || code != c.code {
				t.Errorf("over %t, code %d (%v), want %t and %d", over, code, err, c.over, c.code)
			}
		})
	}
}

func newFakeCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return &cluster{client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(), namespace: "vision"}
}

func TestClusters(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c := newFakeCluster(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vision", Name: "cars-r1-clusters"}, BinaryData: map[string][]byte{v1alpha1.FileClustersGzip: packed.Bytes()},
	})
	body, err := c.clusters(t.Context(), audited("cars"), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "{}\n" || err != nil {
		t.Errorf("clusters are %q, %v", got, err)
	}
}

func TestReport(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, v1alpha1.FileReport), []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	audit := audited("cars")
	for _, want := range []string{"spec.output.objectStorage", ""} {
		body, err := newFakeCluster(t).stored(t.Context(), audit, v1alpha1.FileReport, true)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want %q in it", err, want)
			}
			audit.Status.Result.SummaryURL = "file://" + folder + "/" + v1alpha1.FileSummary
			audit.Spec.Output.ObjectStorage = &v1alpha1.ObjectStorage{URL: "file://" + folder}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "saved.html")
		if err := save(file, body); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); string(got) != "<html>" || err != nil {
			t.Errorf("report is %q, %v", got, err)
		}
	}
}

// Whoever writes an audit chooses the host of its results, so it gets the audit's credentials and no others.
func TestCredentials(t *testing.T) {
	t.Setenv("AWS_SESSION_TOKEN", "mine")
	t.Setenv("AZURE_STORAGE_SAS_TOKEN", "mine")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"} {
		t.Setenv(name, "") // and as it was, after the test
	}
	c := newFakeCluster(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vision", Name: "s3"}, Data: map[string][]byte{"AWS_ACCESS_KEY_ID": []byte("theirs"), "PATH": []byte("x")},
	})
	audit := audited("cars")
	if err := c.takeCredentials(t.Context(), audit, &v1alpha1.ObjectStorage{URL: "s3://a"}); err == nil {
		t.Error("without a Secret this machine's credentials are taken, unasked")
	}
	if err := c.takeCredentials(t.Context(), audit, &v1alpha1.ObjectStorage{URL: "s3://a", SecretRef: &v1alpha1.SecretReference{Name: "s3"}}); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("AWS_SESSION_TOKEN")+os.Getenv("AZURE_STORAGE_SAS_TOKEN") != "" || os.Getenv("AWS_ACCESS_KEY_ID") != "theirs" || os.Getenv("PATH") == "x" {
		t.Error("credentials of this machine are left, or others than credentials are taken")
	}
}

func TestClassify(t *testing.T) {
	gone := apierrors.NewNotFound(schema.GroupResource{}, "cars")
	if err := classify(t.Context(), gone); !errors.Is(err, gone) {
		t.Errorf("an audit that is not there is %v", err)
	}
	if _, ok := errors.AsType[*transientError](classify(t.Context(), apierrors.NewServiceUnavailable("restarting"))); !ok {
		t.Error("an API server that restarts ends a wait")
	}
}

package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
	"github.com/datasetaudit/dataset-audit/test/managers"
	"github.com/datasetaudit/dataset-audit/test/needs"
	"github.com/datasetaudit/dataset-audit/test/roles"
)

// definitions are where the kinds' own projects publish them.
var definitions = []struct{ module, sum, file string }{
	{"github.com/openreports/reports-api@v0.2.1", "h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680=", "config/crd/openreports.io_reports.yaml"},
	{"github.com/kyverno/kyverno@v1.13.4", "h1:2zUi+eszlisLdCir+WIf2NtuUfFPvJtjUNpewdtLjVw=", "config/crds/policyreport/wgpolicyk8s.io_policyreports.yaml"},
}

// files are the definitions, as the Go proxy has them.
func files(t *testing.T) (paths []string) {
	t.Helper()
	for _, d := range definitions {
		out, err := exec.Command("go", "mod", "download", "-json", d.module).Output()
		if err != nil {
			t.Skipf("%s can't be downloaded: %v", d.module, err)
		}
		var got struct{ Dir, Sum string }
		if err := json.Unmarshal(out, &got); err != nil || got.Sum != d.sum {
			t.Fatalf("%s is %+v: %v", d.module, got, err)
		}
		paths = append(paths, filepath.Join(got.Dir, d.file))
	}
	return paths
}

// lab is a real API server and the writer with the rights of its roles.
type lab struct {
	*testing.T
	env   *envtest.Environment
	admin client.Client
}

// hurried is a clock by which a kind's absence is over at once.
type hurried struct{ clock.RealClock }

func (hurried) Since(time.Time) time.Duration { return absence }

func newLab(t *testing.T) *lab {
	t.Helper()
	needs.ControlPlane(t)
	ctrl.SetLogger(zap.New(zap.WriteTo(&strings.Builder{})))
	folder := filepath.Join("..", "..", "config")
	l := &lab{T: t, env: &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join(folder, "crd", "bases")}, ErrorIfCRDPathMissing: true}}
	scheme := runtime.NewScheme()
	l.must(errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	admin, err := l.env.Start()
	l.must(err)
	t.Cleanup(func() { _ = l.env.Stop() })
	l.admin, err = client.New(admin, client.Options{Scheme: scheme})
	l.must(err)
	manager, err := roles.Manager(l.env, l.admin, filepath.Join(folder, "rbac", "role.yaml"), filepath.Join(folder, "reports", "role.yaml"))
	l.must(err)
	mgr, err := managers.New(manager, scheme)
	l.must(err)
	l.must((&Writer{Client: mgr.GetClient(), Clock: hurried{}}).SetupWithManager(mgr))
	t.Cleanup(managers.Start(mgr, func(err error) { t.Errorf("manager: %v", err) }))
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// judged makes an audit, or changes what it came to.
func (l *lab) judged(name string, outcome v1alpha1.RuleOutcome, message string) {
	l.Helper()
	audit := audits.New(name)
	audit.Namespace = "default"
	if err := l.admin.Create(l.Context(), audit); err != nil {
		l.must(client.IgnoreAlreadyExists(err))
		l.must(l.admin.Get(l.Context(), client.ObjectKeyFromObject(audit), audit))
	}
	audit.Status.Rules = []v1alpha1.RuleStatus{
		{Name: "no-leakage", Severity: v1alpha1.SeverityFail, Outcome: outcome, Message: message},
		{Name: "platform/few-copies", Severity: v1alpha1.SeverityWarn, Outcome: v1alpha1.RuleViolated, Message: "copies are 9"},
	}
	l.must(l.admin.Status().Update(l.Context(), audit))
}

// reports waits until an audit's reports, of both kinds, have these counts of pass and fail.
func (l *lab) reports(name string, pass, fail int64) (found []*unstructured.Unstructured) {
	l.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for _, kind := range kinds {
		for {
			report := &unstructured.Unstructured{}
			report.SetGroupVersionKind(kind)
			err := l.admin.Get(l.Context(), client.ObjectKey{Namespace: "default", Name: "datasetaudit-" + name}, report)
			if err == nil {
				passed, _, _ := unstructured.NestedInt64(report.Object, "summary", "pass")
				failed, _, _ := unstructured.NestedInt64(report.Object, "summary", "fail")
				if passed == pass && failed == fail {
					found = append(found, report)
					break
				}
				err = fmt.Errorf("%d pass, %d fail", passed, failed)
			}
			if time.Now().After(deadline) {
				l.Fatalf("%s of %s: %v", kind.Kind, name, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return found
}

// Reports follow the audits, in both kinds, as the API server stores them; kinds that are installed later are found.
func TestReports(t *testing.T) {
	paths := files(t)
	l := newLab(t)
	l.judged("early", v1alpha1.RuleFulfilled, "")
	_, err := envtest.InstallCRDs(l.env.Config, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true})
	l.must(err)
	l.judged("cars", v1alpha1.RuleViolated, "layer.leakage.samples = 3")
	l.judged("early", v1alpha1.RuleNotEvaluated, "there is no layer.leakage")
	l.reports("early", 0, 0)
	for _, report := range l.reports("cars", 0, 1) {
		results, _, err := unstructured.NestedSlice(report.Object, "results")
		l.must(err)
		want := []any{
			map[string]any{"source": "dataset-audit", "policy": "cars", "rule": "no-leakage", "result": "fail", "severity": "high", "message": "layer.leakage.samples = 3"},
			map[string]any{"source": "dataset-audit", "policy": "platform", "rule": "few-copies", "result": "warn", "severity": "low", "message": "copies are 9"},
		}
		if diff := cmp.Diff(want, results); diff != "" {
			t.Errorf("%s (-want +got):\n%s", report.GetKind(), diff)
		}
		owner := metav1.GetControllerOf(report)
		scope, _, _ := unstructured.NestedString(report.Object, "scope", "name")
		if owner == nil || owner.Kind != v1alpha1.Kind || owner.Name != "cars" || scope != "cars" {
			t.Errorf("%s: owner %+v, scope %q", report.GetKind(), owner, scope)
		}
	}
	l.judged("cars", v1alpha1.RuleFulfilled, "")
	l.reports("cars", 1, 0)
}

// What an audit comes to, in a report's words.
func TestContentOf(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	condition := func(kind string, status metav1.ConditionStatus, reason, message string) func(*v1alpha1.DatasetAudit) {
		return func(a *v1alpha1.DatasetAudit) {
			meta.SetStatusCondition(&a.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message})
		}
	}
	results := func(a *v1alpha1.DatasetAudit) {
		a.Status.Result = &v1alpha1.ResultStatus{
			RunID: "r1", Samples: 10, Clusters: 2, DuplicateSamples: 5, CompletedAt: at, SummaryURL: "s3://audits/summary.json",
			Summary: &v1alpha1.AuditSummary{
				Dataset: v1alpha1.SummaryDataset{Digest: "sha256:00", Revision: "v1"},
				Layers:  []v1alpha1.LayerSummary{{Leakage: &v1alpha1.LeakageSummary{Samples: 3}}},
			},
		}
	}
	rule := func(severity v1alpha1.PolicySeverity, outcome v1alpha1.RuleOutcome) func(*v1alpha1.DatasetAudit) {
		return func(a *v1alpha1.DatasetAudit) {
			a.Status.Rules = append(a.Status.Rules, v1alpha1.RuleStatus{Name: "r", Severity: severity, Outcome: outcome, Message: strings.Repeat("x", 2000)})
		}
	}
	compliant := v1alpha1.ConditionCompliant
	for name, test := range map[string]struct {
		changes []func(*v1alpha1.DatasetAudit)
		want    string // result, severity
		says    string
	}{
		"new":           {nil, "skip info", "not looked"},
		"no results":    {[]func(*v1alpha1.DatasetAudit){condition(compliant, metav1.ConditionUnknown, v1alpha1.ReasonNoResults, "none yet")}, "skip info", "none yet"},
		"no rules":      {[]func(*v1alpha1.DatasetAudit){results, condition(compliant, metav1.ConditionUnknown, v1alpha1.ReasonNoPolicy, "no rules")}, "skip info", "no rules"},
		"forbidden":     {[]func(*v1alpha1.DatasetAudit){condition(compliant, metav1.ConditionFalse, v1alpha1.ReasonForbidden, "not that model")}, "fail info", "not that model"},
		"expired":       {[]func(*v1alpha1.DatasetAudit){results, condition(compliant, metav1.ConditionUnknown, v1alpha1.ReasonExpired, "too old")}, "error info", "too old"},
		"failed":        {[]func(*v1alpha1.DatasetAudit){condition(compliant, metav1.ConditionUnknown, v1alpha1.ReasonNoResults, "none"), condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, "x", "run failed")}, "error info", "run failed"},
		"fulfilled":     {[]func(*v1alpha1.DatasetAudit){results, rule(v1alpha1.SeverityFail, v1alpha1.RuleFulfilled)}, "pass high", "x"},
		"violated":      {[]func(*v1alpha1.DatasetAudit){results, rule(v1alpha1.SeverityFail, v1alpha1.RuleViolated)}, "fail high", "x"},
		"warned":        {[]func(*v1alpha1.DatasetAudit){results, rule(v1alpha1.SeverityWarn, v1alpha1.RuleViolated)}, "warn low", "x"},
		"not evaluated": {[]func(*v1alpha1.DatasetAudit){results, rule(v1alpha1.SeverityWarn, v1alpha1.RuleNotEvaluated)}, "error low", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			audit := audits.New("cars")
			for _, change := range test.changes {
				change(audit)
			}
			content := contentOf(audit)
			all := content["results"].([]any)
			first := all[0].(map[string]any)
			if got := fmt.Sprint(first["result"], " ", first["severity"]); len(all) != 1 || got != test.want {
				t.Errorf("%d results, %s", len(all), got)
			}
			if message := first["message"].(string); !strings.Contains(message, test.says) || len(message) > maxMessage {
				t.Errorf("message %.100s", message)
			}
			if counts := content["summary"].(map[string]any); counts[first["result"].(string)] != int64(1) {
				t.Errorf("counts %v", counts)
			}
			if audit.Status.Result != nil {
				want := map[string]any{
					"run": "r1", "datasetDigest": "sha256:00", "revision": "v1", "samples": "10", "clusters": "2", "duplicateSamples": "5", "leakedSamples": "3", "summary": "s3://audits/summary.json",
				}
				if diff := cmp.Diff(want, first["properties"]); diff != "" {
					t.Error(diff)
				}
				if first["timestamp"].(map[string]any)["seconds"] != at.Unix() {
					t.Errorf("timestamp %v", first["timestamp"])
				}
			}
		})
	}
}

// Package reports tells the dashboards of policy engines what audits came to: it writes a Report of OpenReports, and the
// PolicyReport that came before it, for each audit, where the cluster has these kinds.
//
// It reads DatasetAudits, which package controllers writes, and no more of that package.
package reports

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// What writes reports may do beyond what the operator may.
//
// +kubebuilder:rbac:groups=openreports.io,resources=reports,verbs=create;patch
// +kubebuilder:rbac:groups=wgpolicyk8s.io,resources=policyreports,verbs=create;patch

// kinds of reports that dashboards read.
var kinds = []schema.GroupVersionKind{
	{Group: "openreports.io", Version: "v1alpha1", Kind: "Report"},
	{Group: "wgpolicyk8s.io", Version: "v1alpha2", Kind: "PolicyReport"},
}

// source names the tool in a report, and owns its fields.
const source = "dataset-audit"

// Writer writes the reports.
type Writer struct {
	client.Client
	Clock clock.PassiveClock

	mu     sync.Mutex
	absent map[schema.GroupVersionKind]time.Time // when it was looked for
	wrote  map[written][sha256.Size]byte         // a digest of what was
}

// written names a report.
type written struct {
	audit types.NamespacedName
	kind  schema.GroupVersionKind
}

// SetupWithManager lets the manager run it.
func (w *Writer) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("reports").
		For(&v1alpha1.DatasetAudit{}).
		Complete(w)
}

// absence is how long a kind that the cluster lacks is not looked for again.
const absence = 10 * time.Minute

// Reconcile writes the reports of one audit.
func (w *Writer) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	audit := &v1alpha1.DatasetAudit{}
	err = w.Get(ctx, request.NamespacedName, audit)
	if apierrors.IsNotFound(err) || err == nil && !audit.DeletionTimestamp.IsZero() {
		w.forget(request.NamespacedName) // its reports go with it
		return result, nil
	}
	if err != nil {
		return result, err
	}
	for _, kind := range kinds {
		there, err := w.has(kind)
		if err != nil {
			return result, fmt.Errorf("look for %s: %w", kind.GroupKind(), err)
		}
		if !there {
			result.RequeueAfter = absence
			continue
		}
		err = w.write(ctx, written{request.NamespacedName, kind}, reportOf(audit, kind))
		switch {
		case apierrors.IsNotFound(err): // the kind is gone
			w.miss(kind)
			result.RequeueAfter = absence
		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		case err != nil:
			return result, fmt.Errorf("write the %s: %w", kind.Kind, err)
		}
	}
	return result, nil
}

// write writes a report, unless it is the one that was written last, as while a run only gets on.
func (w *Writer) write(ctx context.Context, name written, report *unstructured.Unstructured) error {
	data, err := json.Marshal(report)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	w.mu.Lock()
	same := w.wrote[name] == digest
	w.mu.Unlock()
	if same {
		return nil
	}
	if err := w.Apply(ctx, client.ApplyConfigurationFromUnstructured(report), client.FieldOwner(source), client.ForceOwnership); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrote == nil {
		w.wrote = map[written][sha256.Size]byte{}
	}
	w.wrote[name] = digest
	return nil
}

// forget forgets what was written of an audit.
func (w *Writer) forget(audit types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range kinds {
		delete(w.wrote, written{audit, kind})
	}
}

// miss notes that the cluster lacks a kind, and with it all reports of that kind.
func (w *Writer) miss(kind schema.GroupVersionKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.absent == nil {
		w.absent = map[schema.GroupVersionKind]time.Time{}
	}
	w.absent[kind] = w.Clock.Now()
	maps.DeleteFunc(w.wrote, func(name written, _ [sha256.Size]byte) bool { return name.kind == kind })
}

// has says whether the cluster has a kind. A kind may be installed later.
func (w *Writer) has(kind schema.GroupVersionKind) (bool, error) {
	w.mu.Lock()
	at, known := w.absent[kind]
	w.mu.Unlock()
	if known && w.Clock.Since(at) < absence {
		return false, nil
	}
	_, err := w.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		w.miss(kind)
		return false, nil
	}
	return err == nil, err
}

// reportOf is an audit's report. It goes with the audit.
func reportOf(audit *v1alpha1.DatasetAudit, kind schema.GroupVersionKind) *unstructured.Unstructured {
	report := &unstructured.Unstructured{Object: contentOf(audit)}
	report.SetGroupVersionKind(kind)
	report.SetNamespace(audit.Namespace)
	report.SetName("datasetaudit-" + audit.Name)
	report.SetLabels(map[string]string{"app.kubernetes.io/managed-by": source})
	report.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(audit, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))})
	if kind.Kind == "Report" {
		report.Object["source"] = source // a PolicyReport has it in its results alone
	}
	return report
}

// contentOf is what both kinds hold: a result for each rule, or one that says why there is none.
func contentOf(audit *v1alpha1.DatasetAudit) map[string]any {
	counts := map[string]any{"pass": int64(0), "fail": int64(0), "warn": int64(0), "error": int64(0), "skip": int64(0)}
	var results []any
	add := func(policy, rule, result, severity, message string) {
		counts[result] = counts[result].(int64) + 1
		out := map[string]any{"source": source, "policy": policy, "result": result, "severity": severity}
		for field, value := range map[string]string{"rule": rule, "message": text.Cut(message, maxMessage)} {
			if value != "" {
				out[field] = value
			}
		}
		if properties := propertiesOf(audit); len(properties) > 0 {
			out["properties"] = properties
		}
		if result := audit.Status.Result; result != nil {
			out["timestamp"] = map[string]any{"seconds": result.HeldAt().Unix(), "nanos": int64(0)}
		}
		results = append(results, out)
	}
	for _, rule := range audit.Status.Rules {
		policy, name := audit.Name, rule.Name
		if platform, of, found := strings.Cut(rule.Name, "/"); found {
			policy, name = platform, of
		}
		result, severity := outcome(rule)
		add(policy, name, result, severity, cmp.Or(rule.Message, "fulfilled"))
	}
	if len(results) == 0 {
		result, message := verdict(audit)
		add(audit.Name, "", result, "info", message)
	}
	return map[string]any{
		"scope": map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.Kind, "namespace": audit.Namespace, "name": audit.Name, "uid": string(audit.UID),
		},
		"summary": counts, "results": results,
	}
}

// maxMessage bounds a result's message.
const maxMessage = 1024

// outcome is that of a rule in a report's words.
func outcome(rule v1alpha1.RuleStatus) (result, severity string) {
	severity = "high"
	if rule.Severity == v1alpha1.SeverityWarn {
		severity = "low"
	}
	switch {
	case rule.Outcome == v1alpha1.RuleFulfilled:
		return "pass", severity
	case rule.Outcome == v1alpha1.RuleNotEvaluated:
		return "error", severity
	case rule.Severity == v1alpha1.SeverityWarn:
		return "warn", severity
	}
	return "fail", severity
}

// verdict is what an audit without evaluated rules comes to: a failure where its platform forbids it, an error where
// nothing can be said, else nothing yet.
func verdict(audit *v1alpha1.DatasetAudit) (result, message string) {
	c := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionCompliant)
	stalled := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionStalled)
	switch {
	case c == nil:
		return "skip", "the operator has not looked at it yet"
	case c.Status == metav1.ConditionFalse:
		return "fail", c.Message
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		return "error", stalled.Message
	case c.Reason == v1alpha1.ReasonExpired || c.Reason == v1alpha1.ReasonInvalidPolicy:
		return "error", c.Message
	}
	return "skip", c.Message
}

// propertiesOf says which results a report is of, and the figures that people look for.
func propertiesOf(audit *v1alpha1.DatasetAudit) map[string]any {
	result := audit.Status.Result
	if result == nil || result.Summary == nil {
		return nil
	}
	properties := map[string]any{
		"run": result.RunID, "datasetDigest": result.Summary.Dataset.Digest,
		"samples": fmt.Sprint(result.Samples), "clusters": fmt.Sprint(result.Clusters), "duplicateSamples": fmt.Sprint(result.DuplicateSamples),
	}
	if revision := result.Summary.Dataset.Revision; revision != "" {
		properties["revision"] = revision
	}
	if len(result.Summary.Layers) > 0 && result.Summary.Layers[0].Leakage != nil {
		properties["leakedSamples"] = fmt.Sprint(result.Summary.Layers[0].Leakage.Samples)
	}
	if result.SummaryURL != "" {
		properties["summary"] = result.SummaryURL
	}
	return properties
}

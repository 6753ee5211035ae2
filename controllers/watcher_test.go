package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// watcher sees every status that an audit of a lab ever had, and holds each against what is always true of one.
type watcher struct {
	mu     sync.Mutex
	audits map[string][]*v1alpha1.DatasetAudit
}

// watch begins to watch the lab's namespace; the test fails at its end for each status that was wrong.
func watch(l *lab) *watcher {
	l.Helper()
	w := &watcher{audits: map[string][]*v1alpha1.DatasetAudit{}}
	ctx, stop := context.WithCancel(l.ctx)
	done := make(chan struct{})
	begin := func() apiwatch.Interface {
		events, err := l.admin.Watch(ctx, &v1alpha1.DatasetAuditList{}, client.InNamespace(l.namespace))
		if err != nil && ctx.Err() == nil {
			l.Errorf("watch: %v", err)
		}
		return events
	}
	events := begin()
	go func() {
		defer close(done)
		for ctx.Err() == nil && events != nil {
			w.follow(events)
			events = begin() // a change of the CRD ends all watches
		}
	}()
	l.Cleanup(func() {
		stop()
		<-done
		for name, all := range w.audits {
			for _, audit := range all {
				for _, problem := range violations(audit) {
					l.Errorf("%s: %s\n%s", name, problem, describe(audit))
				}
			}
		}
	})
	return w
}

func (w *watcher) follow(events apiwatch.Interface) {
	defer events.Stop()
	for event := range events.ResultChan() {
		if audit, ok := event.Object.(*v1alpha1.DatasetAudit); ok && event.Type != apiwatch.Deleted {
			w.mu.Lock()
			w.audits[audit.Name] = append(w.audits[audit.Name], audit)
			w.mu.Unlock()
		}
	}
}

// sequence are the distinct words of an audit's condition over time.
func (w *watcher) sequence(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, audit := range w.audits[name] {
		line := fmt.Sprintf("generation %d observed %d", audit.Generation, audit.Status.ObservedGeneration)
		for _, c := range audit.Status.Conditions {
			line += fmt.Sprintf(" %s=%s/%s", c.Type, c.Status, c.Reason)
		}
		if len(out) == 0 || out[len(out)-1] != line {
			out = append(out, line)
		}
	}
	return out
}

// reasons are the reasons of Ready over time.
func (w *watcher) reasons(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, audit := range w.audits[name] {
		if c := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionReady); c != nil && (len(out) == 0 || out[len(out)-1] != c.Reason) {
			out = append(out, c.Reason)
		}
	}
	return out
}

// violations says what of an audit's status must never be.
func violations(audit *v1alpha1.DatasetAudit) []string {
	var out []string
	s := audit.Status
	if len(s.Conditions) == 0 {
		return nil // not looked at yet
	}
	is := func(condition string, want metav1.ConditionStatus) bool {
		c := meta.FindStatusCondition(s.Conditions, condition)
		return c != nil && c.Status == want
	}
	has := func(condition string) bool { return meta.FindStatusCondition(s.Conditions, condition) != nil }
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionResultsPublished, v1alpha1.ConditionCompliant} {
		if !has(condition) {
			out = append(out, condition+" is absent")
		}
	}
	for _, condition := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if has(condition) && !is(condition, metav1.ConditionTrue) {
			out = append(out, condition+" is there without being True")
		}
	}
	if has(v1alpha1.ConditionReconciling) && has(v1alpha1.ConditionStalled) {
		out = append(out, "Reconciling and Stalled at once")
	}
	if is(v1alpha1.ConditionReady, metav1.ConditionTrue) && (has(v1alpha1.ConditionReconciling) || has(v1alpha1.ConditionStalled)) {
		out = append(out, "Ready while Reconciling or Stalled")
	}
	if is(v1alpha1.ConditionReady, metav1.ConditionTrue) && s.Result == nil {
		out = append(out, "Ready without a result")
	}
	if live(s.Run) && !has(v1alpha1.ConditionReconciling) {
		out = append(out, "a live run without Reconciling")
	}
	if s.Run != nil && s.Run.Error != nil && !slices.Contains(failureReasons, s.Run.Error.Reason) {
		out = append(out, fmt.Sprintf("the run failed as %s, which has no counter", s.Run.Error.Reason))
	}
	if is(v1alpha1.ConditionCompliant, metav1.ConditionTrue) && s.Result == nil {
		out = append(out, "Compliant without a result")
	}
	for _, c := range s.Conditions {
		if len(c.Message) > maxMessage {
			out = append(out, fmt.Sprintf("the message of %s has %d bytes", c.Type, len(c.Message)))
		}
		if c.ObservedGeneration != s.ObservedGeneration {
			out = append(out, fmt.Sprintf("%s speaks of generation %d, the status of %d", c.Type, c.ObservedGeneration, s.ObservedGeneration))
		}
	}
	return append(out, kstatusViolations(audit, has, is)...)
}

// kstatusViolations holds the status against what kubectl wait, Argo CD and Flux read out of it.
func kstatusViolations(audit *v1alpha1.DatasetAudit, has func(string) bool, is func(string, metav1.ConditionStatus) bool) []string {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(audit)
	if err != nil {
		return []string{err.Error()}
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		return []string{"kstatus: " + err.Error()}
	}
	want := []status.Status{status.InProgressStatus}
	switch {
	case audit.Generation != audit.Status.ObservedGeneration:
	case has(v1alpha1.ConditionStalled):
		want = []status.Status{status.FailedStatus}
	case is(v1alpha1.ConditionReady, metav1.ConditionTrue):
		want = []status.Status{status.CurrentStatus}
	}
	if !slices.Contains(want, result.Status) {
		return []string{fmt.Sprintf("kstatus is %s, want %v: %s", result.Status, want, result.Message)}
	}
	return nil
}

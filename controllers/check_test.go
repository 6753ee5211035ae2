package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// checked is an audit with results of a day ago, whose schedule runs it if its sources are no longer "a".
func checked(l *lab) *v1alpha1.DatasetAudit {
	l.Helper()
	audit := audits.New("cars")
	audit.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "@daily", Runs: v1alpha1.RunsIfChanged}
	audit.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi"), "nvidia.com/gpu": resource.MustParse("1")}
	l.apply(audit)
	pod := l.pod()
	if !slices.Contains(pod.Spec.Containers[0].Args, "--listed") {
		l.Error("the run is not asked for its sources")
	}
	l.succeeds(pod, made("a"))
	return l.ready("cars")
}

func made(sources string) func(*v1alpha1.AuditSummary) {
	return func(s *v1alpha1.AuditSummary) { s.Run.SourcesSHA256 = sources }
}

// lists ends a pod of step check, which found these sources.
func (l *lab) lists(pod *corev1.Pod, sources string) {
	l.Helper()
	if stage := argument(pod, "--stage"); stage != string(v1alpha1.StageRead) {
		l.Fatalf("pod %s is of stage %q", pod.Name, stage)
	}
	said, err := v1alpha1.TerminationMessage{SourcesSHA256: sources}.Marshal()
	l.must(err)
	l.exits(pod, v1alpha1.ExitOK, "Completed", string(said))
}

func isUnchanged(a *v1alpha1.DatasetAudit) bool {
	return a.Status.Run.Outcome == v1alpha1.OutcomeUnchanged && reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded"
}

// A scheduled run of what is as it was gives no results of its own: those that are there hold on. It needs no GPU.
func TestScheduledUnchanged(t *testing.T) {
	l := newLab(t)
	l.start()
	first := checked(l)
	for day := range 2 {
		l.forward("cars", 24*time.Hour)
		pod := l.pod()
		if limits := pod.Spec.Containers[0].Resources.Limits; len(limits) != 1 || limits.Memory().String() != "2Gi" {
			t.Errorf("the pod that lists may use %v", limits)
		}
		before := l.clock.Now().Truncate(time.Second)
		l.lists(pod, "a")
		got := l.until("cars", "it is unchanged", func(a *v1alpha1.DatasetAudit) bool {
			return isUnchanged(a) && a.Status.Result.CheckedAt != nil && !a.Status.Result.CheckedAt.Time.Before(before)
		})
		if got.Status.Result.RunID != first.Status.Run.ID || len(got.Status.History) != 1 || got.Status.Run.Steps[0] != "check" {
			t.Errorf("day %d: results of run %s, %d runs, steps %q", day, got.Status.Result.RunID, len(got.Status.History), got.Status.Run.Steps)
		}
		if published := reasonOf(got, v1alpha1.ConditionResultsPublished); published != "True/Published" {
			t.Errorf("ResultsPublished is %s", published)
		}
	}
}

// Where a file has changed, and where nobody knows, the run goes on.
func TestScheduledChanged(t *testing.T) {
	for name, look := range map[string]func(*lab){
		"a file changed": func(l *lab) { l.lists(l.pod(), "b") },
		"nobody knows":   func(l *lab) { l.lists(l.pod(), "") },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.start()
			first := checked(l)
			l.forward("cars", 24*time.Hour)
			look(l)
			l.succeeds(l.pod(), made("b"))
			got := l.until("cars", "new results", func(a *v1alpha1.DatasetAudit) bool {
				return reasonOf(a, v1alpha1.ConditionReady) == "True/Succeeded" && a.Status.Result.RunID != first.Status.Run.ID
			})
			if got.Status.Result.CheckedAt != nil || len(got.Status.History) != 2 || got.Status.Run.Attempt != 1 {
				t.Errorf("%+v, %d runs, attempt %d", got.Status.Result.CheckedAt, len(got.Status.History), got.Status.Run.Attempt)
			}
		})
	}
}

// Once something has changed, the pods that wait are like those of any run: they take up what their spec says by then.
func TestRunnerChangesAfterCheck(t *testing.T) {
	l := newLab(t)
	l.start()
	checked(l)
	l.forward("cars", 24*time.Hour)
	l.lists(l.pod(), "b")
	l.unschedulable(l.pod(), "no GPU is free")
	l.is("cars", v1alpha1.ConditionReady, "Unknown/WaitingForCapacity")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Resources.Limits = nil })
	l.until("cars", "the next attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.Attempt == 2 && live(a.Status.Run) })
}

// What has changed but for the data asks for a whole run.
func TestChecksFirst(t *testing.T) {
	ready := func() (*v1alpha1.DatasetAudit, *v1alpha1.RunStatus) {
		audit := audits.New("cars")
		audit.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "@daily", Runs: v1alpha1.RunsIfChanged}
		run := newRun(audit, planOptions, v1alpha1.TriggerScheduled, "", planTime)
		last := *run
		last.Outcome = v1alpha1.OutcomeSucceeded
		audit.Status.Run = &last
		audit.Status.Result = &v1alpha1.ResultStatus{InputHash: run.InputHash, HashVersion: run.HashVersion, Summary: &v1alpha1.AuditSummary{Run: v1alpha1.SummaryRun{SourcesSHA256: "a"}}}
		return audit, run
	}
	for name, test := range map[string]struct {
		change func(*v1alpha1.DatasetAudit, *v1alpha1.RunStatus)
		want   bool
	}{
		"nothing": {func(*v1alpha1.DatasetAudit, *v1alpha1.RunStatus) {}, true},
		"unchanged before": {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) {
			a.Status.Run.Outcome = v1alpha1.OutcomeUnchanged
		}, true},
		"another attempt of it": {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) {
			a.Status.Run.Outcome, a.Status.Run.Steps = "", []string{"check", "audit"}
		}, true},
		"attempt of a whole": {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) { a.Status.Run.Outcome = "" }, false},
		"always":             {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) { a.Spec.Schedule.Runs = "" }, false},
		"no schedule":        {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) { a.Spec.Schedule = nil }, false},
		"requested":          {func(_ *v1alpha1.DatasetAudit, r *v1alpha1.RunStatus) { r.Trigger = v1alpha1.TriggerRequested }, false},
		"failed to look": {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) {
			a.Status.Run.Outcome, a.Status.Run.Job = v1alpha1.OutcomeFailed, jobName(a.Name, a.Status.Run.ID, stepCheck)
		}, true},
		"embeds by another": {func(_ *v1alpha1.DatasetAudit, r *v1alpha1.RunStatus) { r.EmbedImage = "new" }, false},
		"failed before":     {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) { a.Status.Run.Outcome = v1alpha1.OutcomeFailed }, false},
		"another image":     {func(_ *v1alpha1.DatasetAudit, r *v1alpha1.RunStatus) { r.Image = "new" }, false},
		"another output":    {func(_ *v1alpha1.DatasetAudit, r *v1alpha1.RunStatus) { r.RunnerHash = "new" }, false},
		"another question":  {func(_ *v1alpha1.DatasetAudit, r *v1alpha1.RunStatus) { r.InputHash = "new" }, false},
		"first run":         {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) { a.Status.Run, a.Status.Result = nil, nil }, false},
		"sources not known": {func(a *v1alpha1.DatasetAudit, _ *v1alpha1.RunStatus) { a.Status.Result.Summary.Run.SourcesSHA256 = "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			audit, run := ready()
			test.change(audit, run)
			if got := checksFirst(audit, run); got != test.want {
				t.Errorf("checks first: %v", got)
			}
		})
	}
}

// The operator is killed around its writes of a run that finds nothing changed, and starts again.
func TestKilledWhileUnchanged(t *testing.T) {
	for _, at := range []int{1, 2, 9, 10, 11, 12} {
		t.Run(fmt.Sprintf("write %d", at), func(t *testing.T) {
			l := newLab(t)
			stop := l.start()
			first := checked(l)
			stop()
			w := &writes{killAt: at, after: at%2 == 0}
			stop = l.start(w.count)
			l.forward("cars", 24*time.Hour)
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.lists(l.pod(), "a")
			}()
			l.eventually("the kill, or the end", func() error {
				if w.killed() || isUnchanged(l.get("cars")) {
					return nil
				}
				return errKilled
			})
			stop()
			l.start()
			<-done
			got := l.until("cars", "it is unchanged", isUnchanged)
			if got.Status.Result.RunID != first.Status.Run.ID || len(got.Status.History) != 1 || got.Status.Run.Attempt != 1 {
				t.Errorf("killed at %d: results of %s, %d runs, attempt %d", at, got.Status.Result.RunID, len(got.Status.History), got.Status.Run.Attempt)
			}
			l.eventually("nothing of it stays", func() error {
				jobs := &batchv1.JobList{}
				l.must(l.admin.List(l.ctx, jobs, client.InNamespace(l.namespace), client.MatchingLabels{v1alpha1.LabelRun: got.Status.Run.ID}))
				if len(jobs.Items) > 0 {
					return errKilled
				}
				return nil
			})
		})
	}
}

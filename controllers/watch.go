package controllers

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// watch follows a Job that is not over.
func (p *planner) watch(job *batchv1.Job) {
	run := p.status.Run
	run.Job = job.Name
	if !p.o.working(job) {
		if run.WorkingSince != nil {
			run.WorkedSeconds, run.WorkingSince = worked(run, p.o.now), nil
		}
		if suspended(job) {
			run.WaitingSince = nil
		} else {
			p.waitFrom(p.o.now)
		}
		if p.o.failing(job) { // the Job will say so in a moment
			p.wait(waiting{reason: v1alpha1.ReasonRunning, message: workingMessage(job.Name, run.Progress)})
			return
		}
		p.wait(p.o.waitingFor(job))
		return
	}
	run.WaitingSince = nil
	if run.WorkingSince == nil {
		since := metav1.NewTime(p.o.workingSince(job))
		run.WorkingSince = &since
		if run.StartedAt == nil && !run.Checking() { // what was asked for starts after that
			run.StartedAt = &since
		}
	}
	if p.o.progress != nil {
		next := *p.o.progress
		next.Message += p.o.shares(job)
		if next.EstimatedSeconds == 0 && run.Progress != nil { // one of an earlier step has made it
			next.EstimatedSeconds = run.Progress.EstimatedSeconds
		}
		if run.Progress == nil || run.Progress.Message != next.Message || run.Progress.EstimatedSeconds != next.EstimatedSeconds {
			run.Progress = &next
		}
	}
	left := duration(p.audit.Spec.Runner.Deadline, defaultDeadline) - time.Duration(worked(run, p.o.now))*time.Second
	if left <= 0 {
		p.end(v1alpha1.OutcomeFailed, &v1alpha1.RunError{Reason: v1alpha1.ReasonDeadlineExceeded, Message: fmt.Sprintf(
			"the run's pods worked for %s in all, as long as runner.deadline allows: raise it, or give them more resources",
			time.Duration(worked(run, p.o.now))*time.Second)})
		return
	}
	p.wake(min(left, progressPeriod))
	if run.Progress == nil && p.o.now.Sub(run.WorkingSince.Time) < firstProgressWithin {
		p.wake(firstProgressPeriod)
	}
	p.proceed(v1alpha1.ReasonRunning, workingMessage(job.Name, run.Progress))
}

// The defaults of the CRD, for audits that were stored without them.
const (
	defaultStartDeadline = 30 * time.Minute
	defaultDeadline      = 6 * time.Hour
)

func duration(d *metav1.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Duration
}

func (p *planner) waitFrom(t time.Time) {
	if p.status.Run.WaitingSince == nil {
		since := metav1.NewTime(t.Truncate(time.Second))
		p.status.Run.WaitingSince = &since
	}
}

// wait says what the run waits for, until the start deadline: what is wrong may heal. Only what can't ends it at once.
func (p *planner) wait(w waiting) {
	run := p.status.Run
	if w.fatal {
		p.end(v1alpha1.OutcomeFailed, &v1alpha1.RunError{Reason: w.reason, Message: w.message})
		return
	}
	if run.WaitingSince != nil {
		limit := duration(p.audit.Spec.Runner.StartDeadline, defaultStartDeadline)
		left := limit - p.o.now.Sub(run.WaitingSince.Time)
		if left <= 0 {
			reason := v1alpha1.ReasonStartDeadlineExceeded
			if w.stuck() {
				reason = w.reason
			}
			p.end(v1alpha1.OutcomeFailed, &v1alpha1.RunError{Reason: reason, Message: fmt.Sprintf(
				"no pod worked within runner.startDeadline (%s): %s", limit, w.message)})
			return
		}
		p.wake(left)
	}
	if w.reason == v1alpha1.ReasonStarting && run.WaitingSince != nil && p.o.now.Sub(run.WaitingSince.Time) < detailAfter {
		w.message = createdMessage(run.Job)
		p.wake(detailAfter)
	}
	age := p.o.now.Sub(run.CreatedAt.Time)
	p.wake(min(max(minWaitingPeriod, age/10), maxWaitingPeriod))
	p.proceed(w.reason, w.message)
}

// detailAfter is when a start takes so long that how far it is deserves a write.
const detailAfter = 10 * time.Second

// How often to look why a run waits, since events don't wake the controller: less and less often.
const (
	minWaitingPeriod = 30 * time.Second
	maxWaitingPeriod = 5 * time.Minute
)

// maxLostResults is how often a run whose results are not there begins again: not a mistake of the user's, so that it
// costs no retry, but something that somebody may do on purpose.
const maxLostResults = 3

// takeResults ends a run whose Jobs are complete, one way or the other.
func (p *planner) takeResults() {
	found := p.o.results
	switch {
	case found.lost && p.status.Run.LostResults < maxLostResults:
		p.again(found.message)
		if live(p.status.Run) {
			p.status.Run.LostResults++
		}
	case found.summary == nil:
		p.end(v1alpha1.OutcomeFailed, &v1alpha1.RunError{Reason: found.reason, Message: found.message})
	default:
		p.status.Result = found.result(p.audit, p.second())
		p.end(v1alpha1.OutcomeSucceeded, nil)
	}
}

package controllers

import (
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// startRun starts a run if something asks for one and nothing forbids it.
func (p *planner) startRun() {
	last := p.status.Run
	ending := last != nil && live(p.audit.Status.Run) && !live(last)
	if live(last) || p.audit.Spec.Suspend || ending && last.Outcome != v1alpha1.OutcomeSuperseded {
		return // watchers must see how a run ended before the next begins
	}
	trigger, value, wanted := p.trigger()
	if !wanted || p.problem != nil {
		return
	}
	if p.o.slot != "" {
		p.wake(slotPeriod)
		p.proceed(v1alpha1.ReasonWaitingForSlot, p.o.slot)
		return
	}
	run := newRun(p.audit, p.options, trigger, value, p.o.now)
	if trigger == v1alpha1.TriggerResumed {
		run = nextAttempt(p.audit, p.options, trigger, p.o.now)
	}
	p.status.Run = run
	p.starts = true
	p.status.LastHandledRequest = requested(p.audit) // a run that starts now answers all that was asked before
	if p.due() {
		p.status.LastScheduledTime = p.status.NextScheduledTime
		p.status.NextScheduledTime = nil
	}
	p.proceed(v1alpha1.ReasonPending, fmt.Sprintf("run %s begins: %s", run.ID, because(run)))
}

// trigger returns what asks for a run, if anything does.
func (p *planner) trigger() (trigger v1alpha1.RunTrigger, value string, wanted bool) {
	last, request := p.status.Run, requested(p.audit)
	generation := strconv.FormatInt(p.audit.Generation, 10)
	switch {
	case last == nil, last.Outcome == v1alpha1.OutcomeSuperseded, p.inputChanged(last):
		return v1alpha1.TriggerSpecChanged, generation, true
	case last.Outcome == v1alpha1.OutcomeSuspended:
		return v1alpha1.TriggerResumed, "", true
	case request != "" && request != p.status.LastHandledRequest:
		return v1alpha1.TriggerRequested, request, true
	case p.due():
		return v1alpha1.TriggerScheduled, p.status.NextScheduledTime.UTC().Format(time.RFC3339), true
	case last.Outcome == v1alpha1.OutcomeFailed && (p.runnerChanged(last) || p.deadlineRaised(last)):
		return v1alpha1.TriggerSpecChanged, generation, true
	}
	return "", "", false
}

// deadlineRaised says whether a run that failed by a deadline would not have failed by the one that the spec has now.
func (p *planner) deadlineRaised(last *v1alpha1.RunStatus) bool {
	if last.Error == nil || last.CompletedAt == nil {
		return false
	}
	switch last.Error.Reason {
	case v1alpha1.ReasonDeadlineExceeded:
		return time.Duration(last.WorkedSeconds)*time.Second < duration(p.audit.Spec.Runner.Deadline, defaultDeadline)
	case v1alpha1.ReasonStartDeadlineExceeded, v1alpha1.ReasonImageUnavailable, v1alpha1.ReasonPodNotStartable:
		return last.CompletedAt.Sub(last.CreatedAt.Time) < duration(p.audit.Spec.Runner.StartDeadline, defaultStartDeadline)
	}
	return false
}

func because(run *v1alpha1.RunStatus) string {
	switch run.Trigger {
	case v1alpha1.TriggerScheduled:
		return "the schedule named " + run.TriggerValue
	case v1alpha1.TriggerRequested:
		return "it was requested"
	case v1alpha1.TriggerResumed:
		return "the audit is no longer suspended"
	default:
		return "the spec asks for it"
	}
}

// due says whether the schedule's next time has come, however long ago. Missed times are caught up once.
func (p *planner) due() bool {
	next := p.status.NextScheduledTime
	return p.schedule != nil && next != nil && !p.o.now.Before(next.Time) && p.schedule.holds(next.Time)
}

// keepTime notes when the schedule comes next.
func (p *planner) keepTime() {
	next := p.status.NextScheduledTime
	switch {
	case p.schedule == nil:
		p.status.NextScheduledTime = nil
		return
	case next == nil || !p.schedule.holds(next.Time):
		at := metav1.NewTime(p.schedule.next(p.o.now))
		p.status.NextScheduledTime = &at
		next = &at
	}
	if left := next.Sub(p.o.now); left > 0 && !p.audit.Spec.Suspend {
		p.wake(left)
	}
}

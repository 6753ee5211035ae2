package controllers

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
	"github.com/datasetaudit/dataset-audit/policy"
)

// plan says what to do about an audit. It holds the audit's status for when that is done.
type plan struct {
	// create are the children that the live run lacks, in the order of their creation.
	create []client.Object
	// remove are the children that no kept run needs.
	remove []client.Object
	status v1alpha1.DatasetAuditStatus
	// rules are those that the status was evaluated by.
	rules []v1alpha1.PolicyRule
	// stale says that the status was decided on an older one, and is not stored.
	stale bool
	// starts says that the status holds a new run.
	starts bool
	// requeueAfter is when to look again although nothing happens. 0 means never.
	requeueAfter time.Duration
}

// phase is the state of an audit, in the words of its conditions.
type phase struct {
	kind            phaseKind
	reason, message string
}

type phaseKind int

const (
	// Nothing is to be done, and the results are not those of the spec.
	idle phaseKind = iota
	progressing
	stalled
	ready
)

// planner makes a plan from an audit and what was observed. It reads nothing else: the same input gives the same plan.
type planner struct {
	audit   *v1alpha1.DatasetAudit
	o       *observation
	options *Options
	policy  *policy.Policy
	problem *v1alpha1.RunError // why no run can start, whatever asks for it
	// policyProblem is why there is no policy. If it is the audit's own, it is also a problem.
	policyProblem *v1alpha1.RunError
	// forbidden is what the platform's policies don't allow. It is also a problem.
	forbidden []string
	schedule  *schedule

	inputHash, runnerHash string
	phase                 phase
	plan
}

// makePlan decides what to do. Actions on the cluster follow from the stored status, never from the one that this plan
// is about to store. So a run's children are made once the run is stored. What the run replaces goes only after that.
func makePlan(audit *v1alpha1.DatasetAudit, o *observation, options *Options) plan {
	p := &planner{
		audit: audit, o: o, options: options, plan: plan{status: *audit.Status.DeepCopy()},
		inputHash: inputHash(&audit.Spec), runnerHash: runnerHash(&audit.Spec),
	}
	p.check()
	p.settle()
	p.followRun()
	p.startRun()
	p.keepTime()
	p.prune()
	p.conclude()
	return p.plan
}

// check finds faults in the spec that the CRD could not refuse.
func (p *planner) check() {
	spec := &p.audit.Spec
	var err error
	p.rules = append(p.applyPolicies(), spec.Policy.Rules...)
	if p.policy, err = policy.Compile(v1alpha1.PolicySpec{Rules: p.rules}); err != nil {
		p.refuse(v1alpha1.ReasonInvalidPolicy, err.Error())
		p.policyProblem = &v1alpha1.RunError{Reason: v1alpha1.ReasonInvalidPolicy, Message: err.Error()}
	}
	if p.schedule, err = parseSchedule(spec.Schedule, p.o.now); err != nil {
		p.refuse(v1alpha1.ReasonInvalidSchedule, err.Error())
	}
	if parallelism(spec) > 1 && vectorsPlace(p.audit) == "" {
		// The CRD refuses it, but an audit may be older than the CRD.
		p.refuse(v1alpha1.ReasonInvalidSpec, "runner.parallelism: more than one pod needs workspace.persistentVolumeClaim, or object storage in workspace or output")
	}
	if output := spec.Output; output.ObjectStorage == nil && (output.Embeddings || output.Baseline) {
		p.refuse(v1alpha1.ReasonInvalidSpec, "output.embeddings and output.baseline need output.objectStorage: without it a pod's files go with the pod")
	}
	if p.options.image(&spec.Runner, stepAudit) == "" || embedsApart(spec) && p.options.image(&spec.Runner, stepEmbed) == "" {
		p.refuse(v1alpha1.ReasonInvalidSpec, "runner.image: the operator was installed without an image for this execution provider "+
			"or these resources (--runner-image, --runner-cuda-image, --runner-amd-image, --runner-intel-image): name one here, or choose the executionProvider")
	}
}

// refuse notes a problem with the spec. The first problem counts.
func (p *planner) refuse(reason, message string) {
	if p.problem == nil {
		p.problem = &v1alpha1.RunError{Reason: reason, Message: message}
	}
}

// fits says whether what was computed for a hash is what the spec asks for. Hashes of an unknown version can't be
// compared. In that case, any change of the spec counts.
func (p *planner) fits(version int32, hash string, generation int64) bool {
	switch version {
	case hashVersion:
		return hash == p.inputHash
	case 1:
		return hash == inputHash1(&p.audit.Spec)
	default:
		return generation == p.audit.Generation
	}
}

// settle notes the latest generation that the run and the results are known to fit. If the hash is ever computed in
// another way, only the generation can be compared.
func (p *planner) settle() {
	if run := p.status.Run; run != nil && !p.inputChanged(run) {
		run.Generation = p.audit.Generation
	}
	if p.currentResults() {
		p.status.Result.Generation = p.audit.Generation
	}
}

// followRun decides whether the live run ends, goes on, or needs something.
func (p *planner) followRun() {
	run := p.status.Run
	if !live(run) {
		return
	}
	switch {
	case p.audit.Spec.Suspend:
		p.end(v1alpha1.OutcomeSuspended, nil)
		return
	case p.inputChanged(run):
		p.end(v1alpha1.OutcomeSuperseded, nil)
		return
	}
	p.wake(maxWaitingPeriod) // whatever else wakes it, no live run is forgotten
	if p.o.unwatched {
		p.wake(minWaitingPeriod)
	}
	job := p.o.current(p.audit)
	waits := job == nil || run.StartedAt == nil && !finished(job) && !p.o.working(job)
	held := job != nil && suspended(job) && !p.o.working(job)
	unchangedAt := p.o.unchangedAt(p.audit)
	switch {
	case waits && p.runnerChanged(run):
		p.again("what its pods need changed before they started")
	case run.InputSHA256 == "":
		p.again("the operator ties runs to their input by now")
	// The Job's own label may differ, because admission gives Jobs a default queue.
	case (waits || held) && run.Queue != p.audit.Labels[v1alpha1.LabelQueueName]:
		p.end(v1alpha1.OutcomeSuperseded, nil) // the next run waits in the other queue, or for a slot
	case job == nil && unchangedAt != nil:
		p.endUnchanged(unchangedAt)
	case job == nil && p.o.jobGone:
		p.again(fmt.Sprintf("Job %s was deleted", run.Job))
	case job == nil && p.inputLost():
		p.again("the spec is no longer what its input was made of")
	case job == nil:
		p.createJob()
	case p.o.results != nil:
		p.takeResults()
	case ended(job, batchv1.JobFailed):
		p.end(v1alpha1.OutcomeFailed, p.o.failure(job))
	case p.o.done(job): // its results are not read yet: the next look reads them
		p.wake(time.Second)
		p.proceed(v1alpha1.ReasonRunning, workingMessage(job.Name, p.status.Run.Progress))
	case p.o.abandoned(job) != nil:
		pod := p.o.abandoned(job)
		p.again(fmt.Sprintf("the cluster has given up pod %s, whose node %s does not answer", pod.Name, pod.Spec.NodeName))
	case p.o.stranded(job) != nil:
		p.leaveStranded(job)
	case p.inputLost():
		p.again("its input was deleted, and the spec is no longer what it was made of")
	default:
		p.ensureChildren()
		if claim := workspaceClaim(p.audit); claim != nil && !p.o.has(claim) {
			p.create = append(p.create, claim)
		}
		p.watch(job)
	}
}

// inputChanged says whether the findings of the run are not those that the spec asks for.
func (p *planner) inputChanged(run *v1alpha1.RunStatus) bool {
	return !p.fits(run.HashVersion, run.InputHash, run.Generation)
}

// runnerChanged says whether the spec now wants pods to run in another way than the run was decided with.
func (p *planner) runnerChanged(run *v1alpha1.RunStatus) bool {
	return run.HashVersion == hashVersion && run.RunnerHash != p.runnerHash
}

// inputLost says whether the ConfigMap that the run's pods read is gone and can't be made again as it was.
func (p *planner) inputLost() bool {
	_, there := p.o.others[keyOf{"ConfigMap", baseName(p.audit.Name, p.status.Run.ID) + v1alpha1.InputSuffix}]
	return !there && inputDigest(p.audit) != p.status.Run.InputSHA256
}

// leaveStranded goes on without a pod whose runner has failed. Something else in the pod still runs, so neither the pod
// nor its Job can end. The plan does what the Job would have done if the pod had ended.
func (p *planner) leaveStranded(job *batchv1.Job) {
	run, pod := p.status.Run, p.o.stranded(job)
	failures := p.o.failures(job)
	switch {
	case interrupted(pod):
		p.again(fmt.Sprintf("pod %s was interrupted, and something else in it goes on", pod.Name))
	case p.o.failing(job):
		p.end(v1alpha1.OutcomeFailed, p.o.failure(job))
	default:
		p.again(fmt.Sprintf("pod %s failed, and something else in it goes on: %s", pod.Name, p.o.failure(job).Message))
	}
	if live(p.status.Run) && p.status.Run.ID != run.ID {
		p.status.Run.FailedPods += int32(failures)
	}
}

// again replaces the live run by its next attempt.
func (p *planner) again(why string) {
	if p.problem != nil {
		p.end(v1alpha1.OutcomeSuperseded, nil) // it follows when the spec can work
		return
	}
	p.status.Run = nextAttempt(p.audit, p.options, p.status.Run.Trigger, p.o.now)
	p.proceed(v1alpha1.ReasonPending, fmt.Sprintf("attempt %d of the run follows: %s", p.status.Run.Attempt, why))
}

func (p *planner) createJob() {
	run, refused := p.status.Run, p.o.refused
	if pod := p.o.leftover(run.ID); pod != nil {
		p.waitFrom(p.o.now)
		p.wait(waiting{reason: v1alpha1.ReasonPending, message: fmt.Sprintf("run %s waits until pod %s of an earlier run has ended", run.ID, pod.Name)})
		return
	}
	var conflict *nameConflictError
	switch {
	case refused == nil:
		s := p.o.step(p.audit)
		p.ensureChildren()
		if claim := workspaceClaim(p.audit); claim != nil {
			p.create = append(p.create, claim)
		}
		p.create = append(p.create, buildJob(p.audit, p.options, s))
		if name := jobName(p.audit.Name, run.ID, s); run.Job != name {
			run.Job, run.WaitingSince = name, nil // its pods did not wait before
		}
		p.waitFrom(p.o.now)
		p.proceed(v1alpha1.ReasonStarting, createdMessage(run.Job))
	case asError(refused, &conflict):
		p.end(v1alpha1.OutcomeFailed, &v1alpha1.RunError{Reason: v1alpha1.ReasonNameConflict, Message: conflict.Error()})
	case apierrors.IsInvalid(refused), apierrors.IsBadRequest(refused), apierrors.IsRequestEntityTooLargeError(refused):
		p.end(v1alpha1.OutcomeFailed, &v1alpha1.RunError{Reason: v1alpha1.ReasonInvalidSpec, Message: plain(refused.Error())})
	case isQuota(refused):
		p.waitFrom(p.o.now)
		p.wait(waiting{reason: v1alpha1.ReasonWaitingForCapacity, message: plain(refused.Error())})
	default:
		p.waitFrom(p.o.now)
		p.wait(waiting{reason: v1alpha1.ReasonPending, message: plain(sourcePort.ReplaceAllString(refused.Error(), "->"))})
	}
}

// sourcePort matches the part of a failed connection's error that differs each time. A message that changes at every
// look is written at every look.
var sourcePort = regexp.MustCompile(`:[0-9]{1,5}->`)

// createdMessage is the same before and after the Job is seen, because a status that says nothing new isn't written.
func createdMessage(job string) string {
	return fmt.Sprintf("Job %s is created, and none of its pods works yet", job)
}

// workingMessage says that a Job works, and what the run takes by its own estimate, if it has made one.
func workingMessage(job string, progress *v1alpha1.Progress) string {
	if progress == nil || progress.EstimatedSeconds == 0 {
		return fmt.Sprintf("Job %s works", job)
	}
	seconds := min(float64(progress.EstimatedSeconds), 1e6) // whoever may edit the ConfigMap may lie
	estimate := time.Duration(seconds * float64(time.Second))
	return fmt.Sprintf("Job %s works; by a probe, the run takes about %s in all", job, estimate.Round(roundFor(estimate)))
}

// roundFor is the digit to which a time is told.
func roundFor(d time.Duration) time.Duration {
	if d >= 10*time.Minute {
		return time.Minute
	}
	return time.Second
}

// isQuota says whether the API server refused an object because it would exceed a quota.
func isQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota")
}

// ensureChildren adds to the plan what the live run lacks besides its Job.
func (p *planner) ensureChildren() {
	children, err := runChildren(p.audit)
	if err != nil {
		p.problem = &v1alpha1.RunError{Reason: v1alpha1.ReasonInternal, Message: err.Error()}
		return
	}
	for _, child := range children {
		if !p.o.has(child) {
			p.create = append(p.create, child)
		}
	}
}

// end closes the live run and writes it into the history.
func (p *planner) end(outcome v1alpha1.RunOutcome, err *v1alpha1.RunError) {
	run, now := p.status.Run, p.second()
	run.WorkedSeconds = worked(run, p.o.now)
	if run.Progress != nil {
		run.EstimatedSeconds = run.Progress.EstimatedSeconds
	}
	run.WorkingSince, run.WaitingSince, run.Progress = nil, nil, nil
	run.Outcome, run.CompletedAt = outcome, &now
	record := v1alpha1.RunRecord{ID: run.ID, Trigger: run.Trigger, RequestedBy: run.RequestedBy, Outcome: outcome, CreatedAt: run.CreatedAt, CompletedAt: now}
	if err != nil {
		run.Error = &v1alpha1.RunError{Code: err.Code, Reason: err.Reason, Message: text.Cut(err.Message, maxError)}
		record.Reason = err.Reason
	}
	if outcome == v1alpha1.OutcomeSucceeded {
		record.Evidence = evidenceOf(p.status.Result)
	}
	p.status.History = append([]v1alpha1.RunRecord{record}, p.status.History...)
}

// endUnchanged closes the live run, which finds nothing that the results don't say. The history is for runs that found
// something, or might have.
func (p *planner) endUnchanged(at *metav1.Time) {
	history := p.status.History
	p.end(v1alpha1.OutcomeUnchanged, nil)
	p.status.History, p.status.Result.CheckedAt = history, at
}

// evidenceOf is what a result rests on.
func evidenceOf(result *v1alpha1.ResultStatus) *v1alpha1.RunEvidence {
	if result == nil || result.Summary == nil {
		return nil
	}
	s := result.Summary
	out := &v1alpha1.RunEvidence{
		DatasetDigest: s.Dataset.Digest, Revision: s.Dataset.Revision, Samples: s.Dataset.Samples, InputSHA256: s.Run.InputSHA256, SummarySHA256: result.SummarySHA256,
	}
	if s.Model != nil {
		out.ModelSHA256 = s.Model.SHA256
	}
	if s.Verdicts != nil {
		out.VerdictsSHA256 = s.Verdicts.SHA256
	}
	return out
}

// maxError is the bound of RunError.Message.
const maxError = 2048

func (p *planner) proceed(reason, message string) {
	p.phase = phase{kind: progressing, reason: reason, message: message}
}

// wake asks for another look after d, or sooner.
func (p *planner) wake(d time.Duration) {
	if d = max(d, time.Second); p.requeueAfter == 0 || d < p.requeueAfter {
		p.requeueAfter = d
	}
}

func (p *planner) second() metav1.Time { return metav1.NewTime(p.o.now.Truncate(time.Second)) }

// workingSince is the earliest start among the Job's pods that work now.
func (o *observation) workingSince(job *batchv1.Job) time.Time {
	since := o.now
	for _, pod := range o.podsOf(job) {
		if works(&pod) && pod.Status.StartTime != nil && pod.Status.StartTime.Time.Before(since) {
			since = pod.Status.StartTime.Time
		}
	}
	return since.Truncate(time.Second)
}

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

var (
	planTime    = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	planOptions = &Options{RunnerImage: "cpu", RunnerCUDAImage: "cuda"}
)

// scene is an audit and what is observed of it.
type scene struct {
	*v1alpha1.DatasetAudit
	o       *observation
	options *Options
}

func newScene() *scene {
	audit := audits.New("cars")
	audit.Namespace, audit.UID, audit.Generation = "vision", "uid", 1
	audit.Status.ObservedGeneration = -1
	return &scene{audit, &observation{now: planTime, others: map[keyOf]metav1.ObjectMeta{}}, planOptions}
}

func (s *scene) plan() plan { return makePlan(s.DatasetAudit, s.o, s.options) }

// store takes a plan's status as stored.
func (s *scene) store() *scene {
	s.Status = s.plan().status
	return s
}

// running is a scene with a live run whose Job has a pod that works.
func running() *scene {
	s := newScene().store()
	s.Status = s.plan().status
	job := buildJob(s.DatasetAudit, planOptions, stepAudit)
	job.UID = "job"
	s.o.jobs = []batchv1.Job{*job}
	children, _ := runChildren(s.DatasetAudit)
	for _, child := range children {
		s.o.others[keyOf{kindOf(child), child.GetName()}] = metav1.ObjectMeta{Name: child.GetName(), Labels: child.GetLabels()}
	}
	start := metav1.NewTime(planTime)
	s.o.pods = []corev1.Pod{{
		ObjectMeta: metav1.ObjectMeta{Name: "pod", Labels: job.Labels, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &start},
	}}
	return s.store()
}

// leftover is a pod of an earlier run that has not ended.
func leftover(run string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: run, Labels: map[string]string{v1alpha1.LabelRun: run},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: "cars-" + run + "-audit", UID: "old", Controller: new(true)}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// waitingFor is a scene whose pod got a node some time ago, and waits now.
func waitingFor(scheduled time.Duration, reason string) *scene {
	s := running()
	s.Status.Run.WorkingSince, s.Status.Run.StartedAt = nil, nil
	s.o.pods[0].Status = corev1.PodStatus{
		Phase:             corev1.PodPending,
		Conditions:        []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(planTime.Add(-scheduled))}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: runnerContainer, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}},
	}
	return s
}

// loseNode is what the node's controller does to a pod whose kubelet is silent.
func loseNode(s *scene) *scene {
	s.o.pods[0].Spec.NodeName = "node"
	s.o.pods[0].Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionFalse}, {Type: corev1.ContainersReady, Status: corev1.ConditionTrue},
	}
	return s
}

// runnerEnds ends the runner, while something else in its pod goes on.
func runnerEnds(s *scene, code int32) {
	s.o.pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: runnerContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}},
		{Name: "injected", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
	}
}

// done is a scene whose run succeeded.
func done() *scene {
	s := running()
	s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	s.o.pods[0].Status.Phase = corev1.PodSucceeded
	s.o.results = verified(s)
	s.store()
	s.o.results = nil
	return s
}

// verified are the results of the scene's run, as the runner stored and reported them.
func verified(s *scene) *results {
	text := summaryText(s.Status.Run.ID, s.Status.Run.InputSHA256)
	return verify(s.DatasetAudit, ownedMap(s.DatasetAudit, text), v1alpha1.TerminationMessage{SummarySHA256: digestOf(text)})
}

func ownedMap(audit *v1alpha1.DatasetAudit, text string) *corev1.ConfigMap {
	m := resultConfigMap(audit, v1alpha1.ResultSuffix)
	m.Data = map[string]string{v1alpha1.FileSummary: text}
	return m
}

func digestOf(text string) string {
	return strings.Split(strings.Split(reporting(text), `"summarySHA256":"`)[1], `"`)[0]
}

// What is decided, from what was observed.
func TestPlan(t *testing.T) {
	alreadyThere := &nameConflictError{"ServiceAccount", "cars-runner"}
	quota := fmt.Errorf("create Job: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "x", errors.New("exceeded quota: q")))
	for name, c := range map[string]struct {
		given  *scene
		change func(*scene)
		ready  string // status and reason
		kind   string // of the first child to create, or "-" and that of the first to remove
		run    string // "same", "new", "none", or the outcome
	}{
		"new audit":            {given: newScene(), ready: "Unknown/Pending", run: "new"},
		"suspended from birth": {given: newScene(), change: func(s *scene) { s.Spec.Suspend = true }, ready: "False/Suspended", run: "none"},
		"no slot":              {given: newScene(), change: func(s *scene) { s.o.slot = "all taken" }, ready: "Unknown/WaitingForSlot", run: "none"},
		"run is written down":  {given: newScene().store(), ready: "Unknown/Starting", kind: "ConfigMap", run: "same"},
		"children are refused": {given: newScene().store(), change: func(s *scene) { s.o.refused = errors.New("timeout") }, ready: "Unknown/Pending", run: "same"},
		"name is taken":        {given: newScene().store(), change: func(s *scene) { s.o.refused = alreadyThere }, ready: "False/NameConflict", run: "Failed"},
		"no quota":             {given: newScene().store(), change: func(s *scene) { s.o.refused = quota }, ready: "Unknown/WaitingForCapacity", run: "same"},
		"a pod of an earlier run": {
			given: newScene().store(),
			change: func(s *scene) {
				s.o.pods = []corev1.Pod{leftover("old")}
			},
			ready: "Unknown/Pending", run: "same",
		},
		"working":          {given: running(), ready: "Unknown/Running", run: "same"},
		"role was deleted": {given: running(), change: func(s *scene) { deleteKind(s, "Role") }, ready: "Unknown/Running", kind: "Role", run: "same"},
		"Job was deleted":  {given: running(), change: func(s *scene) { s.o.jobs, s.o.jobGone = nil, true }, ready: "Unknown/Pending", run: "new"},
		"suspended at work": {
			given: running(), change: func(s *scene) { s.Spec.Suspend = true }, ready: "False/Suspended", run: "Suspended",
		},
		"another input at work": {
			given:  running(),
			change: func(s *scene) { s.Generation++; s.Spec.Duplicates.Neighbors = new(int32(5)) },
			ready:  "Unknown/Pending", run: "new",
		},
		"more memory at work changes nothing": {
			given:  running(),
			change: func(s *scene) { s.Generation++; s.Spec.Runner.BackoffLimit = new(int32(9)) },
			ready:  "Unknown/Running", run: "same",
		},
		"deadline": {given: running(), change: func(s *scene) { s.o.now = s.o.now.Add(6 * time.Hour) }, ready: "False/DeadlineExceeded", run: "Failed"},
		"complete without results": {
			given: running(),
			change: func(s *scene) {
				s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
				s.o.results = missing("nothing")
			},
			ready: "False/ResultsMissing", run: "Failed",
		},
		"failed without a trace": {
			given: running(),
			change: func(s *scene) {
				s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}
				s.o.pods = nil
			},
			ready: "False/BackoffLimitExceeded", run: "Failed",
		},
		"done":                {given: done(), ready: "True/Succeeded", kind: "-Role", run: "Succeeded"},
		"done and suspended":  {given: done(), change: func(s *scene) { s.Spec.Suspend = true }, ready: "True/Succeeded", kind: "-Role", run: "Succeeded"},
		"done, and requested": {given: done(), change: func(s *scene) { s.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"} }, ready: "Unknown/Pending", kind: "-Role", run: "new"},
		"done, and another input": {
			given: done(), change: func(s *scene) { s.Generation++; s.Spec.Dataset.Splits = []string{"train"} }, ready: "Unknown/Pending", kind: "-Role", run: "new",
		},
		"done, and a policy that does not compile": {
			given: done(),
			change: func(s *scene) {
				s.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "x", Expression: "(", Severity: v1alpha1.SeverityFail})
			},
			ready: "False/InvalidPolicy", kind: "-Role", run: "Succeeded",
		},
		"a pod of an earlier run for too long": {
			given: newScene().store(),
			change: func(s *scene) {
				s.o.pods = []corev1.Pod{leftover("old")}
				s.store()
				s.o.now = s.o.now.Add(31 * time.Minute)
			},
			ready: "False/StartDeadlineExceeded", run: "Failed",
		},
		"a pod that only bears our labels": {
			given: newScene().store(),
			change: func(s *scene) {
				s.o.pods = []corev1.Pod{leftover("old")}
				s.o.pods[0].OwnerReferences = nil
			},
			ready: "Unknown/Starting", kind: "ConfigMap", run: "same",
		},
		"refused again and again": {
			given: newScene().store(),
			change: func(s *scene) {
				s.o.refused = errors.New("denied by a webhook")
				s.store()
				s.o.now = s.o.now.Add(31 * time.Minute)
			},
			ready: "False/StartDeadlineExceeded", run: "Failed",
		},
		"another queue before its start": {
			given:  waitingFor(0, "ContainerCreating"),
			change: func(s *scene) { s.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"} },
			ready:  "Unknown/Pending", run: "new",
		},
		"a queue that admission gave the Job": {
			given:  waitingFor(0, "ContainerCreating"),
			change: func(s *scene) { s.o.jobs[0].Labels[v1alpha1.LabelQueueName] = "default" },
			ready:  "Unknown/Starting", run: "same",
		},
		"another queue while Kueue holds it in mid-run": {
			given: running(),
			change: func(s *scene) {
				s.o.pods, s.o.jobs[0].Spec.Suspend = nil, new(true)
				s.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"}
			},
			ready: "Unknown/Pending", run: "new",
		},
		"a longer deadline between two stages": {
			given: running(),
			change: func(s *scene) {
				s.o.jobs = nil
				s.Spec.Runner.Deadline = &metav1.Duration{Duration: 100 * time.Hour}
			},
			ready: "Unknown/Starting", kind: "Job", run: "same",
		},
		"a longer deadline after it was exceeded": {
			given: running(),
			change: func(s *scene) {
				s.o.now = s.o.now.Add(6 * time.Hour)
				s.store()
				s.Spec.Runner.Deadline = &metav1.Duration{Duration: 12 * time.Hour}
			},
			ready: "Unknown/Pending", kind: "-Role", run: "new",
		},
		"the same deadline after it was exceeded": {
			given:  running(),
			change: func(s *scene) { s.o.now = s.o.now.Add(6 * time.Hour); s.store() },
			ready:  "False/DeadlineExceeded", kind: "-Role", run: "Failed",
		},
		"superseded by what can't work, and then corrected": {
			given: waitingFor(0, "ContainerCreating"),
			change: func(s *scene) {
				s.Spec.Runner.ExecutionProvider = v1alpha1.ProviderCUDA
				s.options = &Options{RunnerImage: "cpu"}
				s.store()
				s.Spec.Runner.ExecutionProvider = v1alpha1.ProviderCPU
			},
			ready: "Unknown/Pending", kind: "-Role", run: "new",
		},
		"a pod of an earlier run took long, and its own begins to wait": {
			given: newScene().store(),
			change: func(s *scene) {
				s.o.pods = []corev1.Pod{leftover("old")}
				s.store()
				s.o.now = s.o.now.Add(29 * time.Minute)
				s.o.pods = nil
				s.store()
				s.o.now = s.o.now.Add(29 * time.Minute)
			},
			ready: "Unknown/Starting", kind: "ConfigMap", run: "same",
		},
		"parallel without a claim, from before the CRD refused it": {
			given:  newScene(),
			change: func(s *scene) { s.Spec.Runner.Parallelism = new(int32(2)) },
			ready:  "False/InvalidSpec", run: "none",
		},
		"another queue at work": {
			given:  running(),
			change: func(s *scene) { s.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"} },
			ready:  "Unknown/Running", run: "same",
		},
		"no image for what its pods need now": {
			given: waitingFor(0, "ContainerCreating"),
			change: func(s *scene) {
				s.Spec.Runner.ExecutionProvider = v1alpha1.ProviderCUDA
				s.options = &Options{RunnerImage: "cpu"}
			},
			ready: "False/InvalidSpec", run: "Superseded",
		},
		"complete, and then what its pods need changes": {
			given: running(),
			change: func(s *scene) {
				s.Status.Run.StartedAt = nil
				s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
				s.o.results = missing("nothing")
				s.Spec.Runner.BackoffLimit = new(int32(9))
			},
			ready: "False/ResultsMissing", run: "Failed",
		},
		"between two stages, and what its pods need changes": {
			given: running(),
			change: func(s *scene) {
				s.o.jobs = nil
				s.Spec.Runner.Template.ServiceAccountName = "another"
			},
			ready: "Unknown/Pending", run: "new",
		},
		"results of an earlier way to compute hashes": {
			given:  done(),
			change: func(s *scene) { s.Status.Run.HashVersion, s.Status.Result.HashVersion = 99, 99 },
			ready:  "True/Succeeded", kind: "-Role", run: "Succeeded",
		},
		"results of an earlier way to compute hashes, and another spec meanwhile": {
			given: done(),
			change: func(s *scene) {
				s.Status.Run.HashVersion, s.Status.Result.HashVersion = 99, 99
				s.Generation++
				s.Spec.Suspend = true
				s.store() // a look that can't start a run
				s.Spec.Suspend = false
			},
			ready: "Unknown/Pending", kind: "-Role", run: "new",
		},
		"a failure of an earlier way to compute hashes": {
			given: running(),
			change: func(s *scene) {
				s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}
				s.store()
				s.Status.Run.HashVersion, s.Status.Run.RunnerHash = 99, "other"
			},
			ready: "False/BackoffLimitExceeded", kind: "-Role", run: "Failed",
		},
		"image missing": {given: waitingFor(10*time.Minute, "ErrImagePull"), ready: "Unknown/ImageUnavailable", run: "same"},
		"image missing for twenty minutes": {
			given:  waitingFor(0, "ErrImagePull"),
			change: func(s *scene) { s.store(); s.o.now = s.o.now.Add(20 * time.Minute) },
			ready:  "Unknown/ImageUnavailable", run: "same",
		},
		"image missing until the deadline": {
			given:  waitingFor(0, "ErrImagePull"),
			change: func(s *scene) { s.store(); s.o.now = s.o.now.Add(31 * time.Minute) },
			ready:  "False/ImageUnavailable", run: "Failed",
		},
		"a longer deadline after an image was missing": {
			given: waitingFor(0, "ErrImagePull"),
			change: func(s *scene) {
				s.store()
				s.o.now = s.o.now.Add(31 * time.Minute)
				s.store()
				s.Spec.Runner.StartDeadline = &metav1.Duration{Duration: 2 * time.Hour}
			},
			ready: "Unknown/Pending", kind: "-Role", run: "new",
		},
		"image of an init container missing": {
			given: waitingFor(0, "PodInitializing"),
			change: func(s *scene) {
				s.o.pods[0].Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "injected", State: corev1.ContainerState{
					Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"},
				}}}
			},
			ready: "Unknown/ImageUnavailable", run: "same",
		},
		"no image's name": {given: waitingFor(0, "InvalidImageName"), ready: "False/ImageUnavailable", run: "Failed"},
		"its node does not answer": {
			given: running(), change: func(s *scene) { loseNode(s) }, ready: "Unknown/NodeLost", run: "same",
		},
		"its node does not answer for longer than a pod may take to start": {
			given:  running(),
			change: func(s *scene) { loseNode(s).store(); s.o.now = s.o.now.Add(31 * time.Minute) },
			ready:  "False/StartDeadlineExceeded", run: "Failed",
		},
		"its node answers again": {
			given: running(),
			change: func(s *scene) {
				conditions := s.o.pods[0].Status.Conditions
				loseNode(s).store()
				s.o.pods[0].Status.Conditions = conditions
			},
			ready: "Unknown/Running", run: "same",
		},
		"the cluster gives up a pod whose node does not answer": {
			given: running(),
			change: func(s *scene) {
				loseNode(s)
				s.o.pods[0].DeletionTimestamp = &metav1.Time{Time: planTime.Add(time.Minute)}
			},
			ready: "Unknown/Pending", run: "new",
		},
		"the next attempt does not wait for a pod that the cluster has given up": {
			given: newScene().store(),
			change: func(s *scene) {
				s.o.pods = []corev1.Pod{leftover("old")}
				loseNode(s)
				s.o.pods[0].DeletionTimestamp = &metav1.Time{Time: planTime.Add(time.Minute)}
			},
			ready: "Unknown/Starting", kind: "ConfigMap", run: "same",
		},
		"its pod is being stopped": {
			given:  running(),
			change: func(s *scene) { s.o.pods[0].DeletionTimestamp = &metav1.Time{Time: planTime.Add(time.Minute)} },
			ready:  "Unknown/Retrying", run: "same",
		},
		"its pod has been being stopped for too long": {
			given:  running(),
			change: func(s *scene) { s.o.pods[0].DeletionTimestamp = &metav1.Time{Time: planTime.Add(-2 * time.Minute)} },
			ready:  "Unknown/Pending", run: "new",
		},
		"a sidecar goes on after a failure":               {given: running(), change: func(s *scene) { runnerEnds(s, 74) }, ready: "Unknown/Pending", run: "new"},
		"a sidecar goes on after a failure that is final": {given: running(), change: func(s *scene) { runnerEnds(s, 66) }, ready: "False/InvalidModel", run: "Failed"},
		"a sidecar goes on after an interruption, no retries": {
			given:  running(),
			change: func(s *scene) { s.o.jobs[0].Spec.BackoffLimit = new(int32(0)); runnerEnds(s, 75) },
			ready:  "Unknown/Pending", run: "new",
		},
		"a sidecar goes on after the last failure that is allowed": {
			given:  running(),
			change: func(s *scene) { s.o.jobs[0].Spec.BackoffLimit = new(int32(0)); runnerEnds(s, 74) },
			ready:  "False/StorageFailed", run: "Failed",
		},
		"a sidecar goes on after success": {
			given: running(),
			change: func(s *scene) {
				runnerEnds(s, 0)
				s.o.results = verified(s)
			},
			ready: "True/Succeeded", run: "Succeeded",
		},
		"its results are lost": {
			given:  running(),
			change: func(s *scene) { runnerEnds(s, 0); s.o.results = lostResults("gone") },
			ready:  "Unknown/Pending", run: "new",
		},
		"its results are lost again and again": {
			given: running(),
			change: func(s *scene) {
				runnerEnds(s, 0)
				s.o.results = lostResults("gone")
				s.Status.Run.LostResults = maxLostResults
			},
			ready: "False/ResultsMissing", run: "Failed",
		},
		"its input is gone, and the spec no longer what it was made of": {
			given: running(),
			change: func(s *scene) {
				delete(s.o.others, keyOf{"ConfigMap", baseName(s.Name, s.Status.Run.ID) + v1alpha1.InputSuffix})
				s.Spec.Output.TopClusters = new(int32(3))
			},
			ready: "Unknown/Pending", run: "new",
		},
		"its input is gone": {
			given: running(),
			change: func(s *scene) {
				delete(s.o.others, keyOf{"ConfigMap", baseName(s.Name, s.Status.Run.ID) + v1alpha1.InputSuffix})
				s.Spec.Retention.Failed = new(int32(3)) // is not part of it
			},
			ready: "Unknown/Running", kind: "ConfigMap", run: "same",
		},
		"a run of an operator that did not tie it to its input": {
			given: running(), change: func(s *scene) { s.Status.Run.InputSHA256 = "" }, ready: "Unknown/Pending", run: "new",
		},
		"image missing, then pulled": {
			given: waitingFor(0, "ErrImagePull"),
			change: func(s *scene) {
				s.store()
				s.o.now = s.o.now.Add(5 * time.Minute)
				s.o.pods[0].Status.ContainerStatuses[0].State.Waiting.Reason = "ContainerCreating"
			},
			ready: "Unknown/Starting", run: "same",
		},
		"an old event about a volume that is there by now": {
			given: waitingFor(0, "ContainerCreating"),
			change: func(s *scene) {
				s.o.pods[0].UID = "pod"
				s.o.notes = []note{{about: "pod", reason: "FailedMount", at: planTime}}
				s.o.pods[0].Status.Conditions = append(s.o.pods[0].Status.Conditions, corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue})
				s.store()
				s.o.now = s.o.now.Add(5 * time.Minute)
			},
			ready: "Unknown/Starting", run: "same",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.given
			if c.change != nil {
				c.change(s)
			}
			before := s.DeepCopy()
			p := s.plan()
			if diff := cmp.Diff(p, s.plan(), cmp.AllowUnexported(plan{})); diff != "" {
				t.Errorf("the same input gives another plan:\n%s", diff)
			}
			if diff := cmp.Diff(before, s.DatasetAudit); diff != "" {
				t.Errorf("planning changed the audit:\n%s", diff)
			}
			after := s.DeepCopy()
			after.Status = p.status
			for _, problem := range violations(after) {
				t.Error(problem)
			}
			if got := reasonOf(after, v1alpha1.ConditionReady); got != c.ready {
				t.Errorf("Ready is %s, want %s: %s", got, c.ready, messageOf(after, v1alpha1.ConditionReady))
			}
			kind := ""
			if len(p.remove) > 0 {
				kind = "-Role" // map order: role or binding
			}
			if len(p.create) > 0 {
				kind = kindOf(p.create[0])
			}
			if kind != c.kind {
				t.Errorf("first child is %q, want %q", kind, c.kind)
			}
			if got := runChange(before.Status.Run, p.status.Run); got != c.run {
				t.Errorf("run is %s, want %s: %+v", got, c.run, p.status.Run)
			}
		})
	}
}

// Whatever else is wrong, Compliant says what is wrong with the policy.
func TestPolicyProblemIsNotMasked(t *testing.T) {
	s := done()
	s.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "x", Expression: "(", Severity: v1alpha1.SeverityFail})
	s.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "@daily", TimeZone: "Europe/Atlantis"}
	s.store()
	if got := reasonOf(s.DatasetAudit, v1alpha1.ConditionCompliant); got != "Unknown/InvalidPolicy" {
		t.Errorf("Compliant is %s", got)
	}
}

func deleteKind(s *scene, kind string) {
	for key := range s.o.others {
		if key.kind == kind {
			delete(s.o.others, key)
		}
	}
}

func runChange(before, after *v1alpha1.RunStatus) string {
	switch {
	case after == nil:
		return "none"
	case before == nil || before.ID != after.ID:
		return "new"
	case live(after):
		return "same"
	}
	return string(after.Outcome)
}

// Children follow the stored status, never the one that is about to be stored.
func TestNothingIsMadeOrRemovedTooEarly(t *testing.T) {
	if p := newScene().plan(); len(p.create) > 0 {
		t.Errorf("%d children of a run that is not written down", len(p.create))
	}
	s := running()
	s.Spec.Suspend = true
	if p := s.plan(); len(p.remove) > 0 || live(p.status.Run) {
		t.Errorf("%d children are removed of a run whose end is not written down", len(p.remove))
	}
	s.store()
	kinds := []string{}
	for _, object := range s.plan().remove {
		kinds = append(kinds, kindOf(object))
	}
	if !slices.Contains(kinds, "Job") || !slices.Contains(kinds, "Role") {
		t.Errorf("removed are %q", kinds)
	}
	if slices.Contains(kinds, "ServiceAccount") {
		t.Error("the audit's account goes with a run")
	}
}

// An error that differs only in the port it came from says the same, or each look would write, and cause the next.
func TestSteadyMessages(t *testing.T) {
	said := func(err string) string {
		s := newScene().store()
		s.o.refused = errors.New(err)
		s.store()
		return messageOf(s.DatasetAudit, v1alpha1.ConditionReady)
	}
	one, other := said("read tcp 10.0.0.1:51234->10.0.0.2:443: timeout"), said("read tcp 10.0.0.1:51299->10.0.0.2:443: timeout")
	if one != other || !strings.Contains(one, "10.0.0.2:443: timeout") {
		t.Errorf("messages are %q and %q", one, other)
	}
}

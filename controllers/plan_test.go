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
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
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
	audit := makeAudit("cars")
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
	job := buildJob(s.DatasetAudit, planOptions, stageAudit)
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

// done is a scene whose run succeeded.
func done() *scene {
	s := running()
	s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	s.o.pods[0].Status.Phase = corev1.PodSucceeded
	s.o.results = verify(s.DatasetAudit, ownedMap(s.DatasetAudit, summaryText(s.Status.Run.ID)), digestOf(summaryText(s.Status.Run.ID)))
	s.store()
	s.o.results = nil
	return s
}

func ownedMap(audit *v1alpha1.DatasetAudit, text string) *corev1.ConfigMap {
	m := resultConfigMap(audit, v1alpha1.ResultSuffix)
	m.Data = map[string]string{v1alpha1.FileSummary: text}
	return m
}

func digestOf(text string) string {
	return strings.Split(strings.Split(reporting(text), `"summarySHA256":"`)[1], `"`)[0]
}

// TestPlan : what is decided, from what was observed.
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
		"superseded by what can't work, and then mended": {
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
		"image missing right after long waits for a node and volumes": {given: waitingFor(10*time.Minute, "ErrImagePull"), ready: "Unknown/Starting", run: "same"},
		"image missing for five minutes": {
			given:  waitingFor(0, "ErrImagePull"),
			change: func(s *scene) { s.store(); s.o.now = s.o.now.Add(5 * time.Minute) },
			ready:  "False/ImageUnavailable", run: "Failed",
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

// TestPolicyProblemIsNotMasked : whatever else is wrong, Compliant says what is wrong with the policy.
func TestPolicyProblemIsNotMasked(t *testing.T) {
	s := done()
	s.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "x", Expression: "(", Severity: v1alpha1.SeverityFail})
	s.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "@daily", TimeZone: "Europe/Atlantis"}
	s.store()
	if got := reasonOf(s.DatasetAudit, v1alpha1.ConditionCompliant); got != "Unknown/InvalidPolicy" {
		t.Errorf("Compliant is %s", got)
	}
}

// TestFailure : what a run's error says of each way in which a pod's process can end.
func TestFailure(t *testing.T) {
	for name, c := range map[string]struct {
		code                int32
		how, said           string
		reason, text        string
		permanent, costless bool
	}{
		"shell":            {1, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 1 (Error)", false, false},
		"Go panic":         {2, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 2 (Error)", false, false},
		"container engine": {125, "ContainerCannotRun", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 125 (ContainerCannotRun)", false, false},
		"not executable":   {126, "StartError", "exec format error", v1alpha1.ReasonBackoffLimitExceeded, "exit code 126 (StartError): exec format error", false, false},
		"no program":       {127, "StartError", "no such file", v1alpha1.ReasonBackoffLimitExceeded, "exit code 127 (StartError): no such file", false, false},
		"abort":            {134, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 134", false, false},
		"killed":           {137, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 137 (Error)", false, false},
		"out of memory":    {137, "OOMKilled", "", v1alpha1.ReasonOutOfMemory, "limit of 2Gi", false, false},
		"segmentation":     {139, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 139", false, false},
		"terminated":       {143, "Error", "", v1alpha1.ReasonBackoffLimitExceeded, "exit code 143", false, true},
		"checkpoint":       {75, "Error", `{"error":{"code":75,"reason":"Interrupted","message":"stopped"}}`, v1alpha1.ReasonInterrupted, "stopped", false, true},
		"in its own words": {66, "Error", `{"error":{"code":66,"reason":"Anything","message":"no layer"}}`, v1alpha1.ReasonInvalidModel, "no layer", true, false},
		"no words":         {66, "Error", "", v1alpha1.ReasonInvalidModel, "left no message", true, false},
		"words of others":  {1, "Error", "Traceback\n  File \x1b[31m", v1alpha1.ReasonBackoffLimitExceeded, "Traceback File [31m", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := running()
			s.o.pods[0].Spec.Containers = []corev1.Container{{Name: runnerContainer, Resources: corev1.ResourceRequirements{
				Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			}}}
			s.o.pods[0].Status = corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
				Name: runnerContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: c.code, Reason: c.how, Message: c.said}},
			}}}
			job := &s.o.jobs[0]
			if got := s.o.failure(job); got.Reason != c.reason || !strings.Contains(got.Message, c.text) {
				t.Errorf("error is %+v, want %s: %s", got, c.reason, c.text)
			}
			if got := s.o.failing(job); got != c.permanent {
				t.Errorf("the Job is given up: %t", got)
			}
			if got := s.o.failures(job) == 0; got != c.costless {
				t.Errorf("it costs no retry: %t", got)
			}
		})
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

// TestNothingIsMadeOrRemovedTooEarly : children follow the stored status, never the one that is about to be stored.
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

// TestInputHash : what belongs to which hash.
func TestInputHash(t *testing.T) {
	audit := makeAudit("cars")
	same := audit.DeepCopy()
	same.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "x"})
	same.Spec.Runner.Image = "other"
	same.Spec.Suspend = true
	if inputHash(&same.Spec) != inputHash(&audit.Spec) {
		t.Error("what changes no finding changes the hash")
	}
	storage := audit.DeepCopy()
	storage.Spec.Dataset.Source = v1alpha1.DatasetSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: "s3://data", SecretRef: &v1alpha1.SecretReference{Name: "a"}}}
	other := storage.DeepCopy()
	other.Spec.Dataset.Source.ObjectStorage.SecretRef.Name = "b"
	if inputHash(&storage.Spec) != inputHash(&other.Spec) || runnerHash(&storage.Spec) == runnerHash(&other.Spec) {
		t.Error("a Secret's name belongs to how the pods run, not to what they find")
	}
}

// TestWorking : pods that succeeded don't work for those that wait.
func TestWorking(t *testing.T) {
	for name, c := range map[string]struct {
		completions *int32
		suspended   bool
		pods        []corev1.PodPhase
		want        bool
	}{
		"none":                              {nil, false, nil, false},
		"pending":                           {nil, false, []corev1.PodPhase{corev1.PodPending}, false},
		"one of two runs":                   {new(int32(2)), false, []corev1.PodPhase{corev1.PodPending, corev1.PodRunning}, true},
		"succeeded, the Job does not know":  {nil, false, []corev1.PodPhase{corev1.PodSucceeded}, true},
		"one of two succeeded, one waits":   {new(int32(2)), false, []corev1.PodPhase{corev1.PodSucceeded, corev1.PodPending}, false},
		"one of two succeeded, one retries": {new(int32(2)), false, []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed}, false},
		"preempted":                         {nil, true, []corev1.PodPhase{corev1.PodSucceeded}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := running()
			job, pod := &s.o.jobs[0], s.o.pods[0]
			job.Spec.Completions, job.Spec.Suspend = c.completions, &c.suspended
			s.o.pods = nil
			for _, phase := range c.pods {
				pod.Status.Phase = phase
				s.o.pods = append(s.o.pods, pod)
			}
			if got := s.o.working(job); got != c.want {
				t.Errorf("works: %t", got)
			}
		})
	}
}

// TestSteadyMessages : an error that differs only in the port it came from says the same, or each look would write, and cause the next.
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

// TestNames stay DNS labels with a pod's suffix, whatever the audit is called.
func TestNames(t *testing.T) {
	for _, name := range []string{"a", strings.Repeat("a", 63), strings.Repeat("a", 35) + "-b", strings.Repeat("a", 36)} {
		for _, s := range []stage{stageEmbed, stageAudit} {
			if job := jobName(name, "0123456789", s); len(job) > 57 || strings.Contains(job, "--") {
				t.Errorf("%s becomes %s", name, job)
			}
		}
	}
}

// TestLiteral : Kubernetes expands $(NAME) in arguments, from an environment that may hold credentials.
func TestLiteral(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Dataset.Source.PersistentVolumeClaim.Path = "$(AWS_SECRET_ACCESS_KEY)/$$x"
	args := buildJob(audit, planOptions, stageAudit).Spec.Template.Spec.Containers[0].Args
	if want := "--dataset=/dataset/$$(AWS_SECRET_ACCESS_KEY)/$$$$x"; !slices.Contains(args, want) {
		t.Errorf("arguments are %q, want %s", args, want)
	}
}

// TestUserLabels : what a user sets on pods never replaces what the operator finds them by.
func TestUserLabels(t *testing.T) {
	audit := newScene().store().DatasetAudit
	audit.Spec.Runner.Template.Labels = map[string]string{v1alpha1.LabelRun: "forged", "team": "vision"}
	labels := buildJob(audit, planOptions, stageAudit).Spec.Template.Labels
	if labels[v1alpha1.LabelRun] != audit.Status.Run.ID || labels["team"] != "vision" {
		t.Errorf("labels are %v", labels)
	}
}

func TestImage(t *testing.T) {
	gpu := v1alpha1.RunnerResources{Limits: corev1.ResourceList{resourceGPU: {}}}
	for name, c := range map[string]struct {
		spec v1alpha1.RunnerSpec
		want string
	}{
		"auto":               {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderAuto}, "cpu"},
		"auto with a GPU":    {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderAuto, Resources: gpu}, "cuda"},
		"CUDA":               {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCUDA}, "cuda"},
		"CPU beside a GPU":   {v1alpha1.RunnerSpec{ExecutionProvider: v1alpha1.ProviderCPU, Resources: gpu}, "cpu"},
		"the audit's choice": {v1alpha1.RunnerSpec{Image: "mine", ExecutionProvider: v1alpha1.ProviderCUDA}, "mine"},
	} {
		if got := planOptions.image(&c.spec); got != c.want {
			t.Errorf("%s: image is %s, want %s", name, got, c.want)
		}
	}
}

// TestScheduleTimes : time zones, days that never come, and times of an earlier schedule.
func TestScheduleTimes(t *testing.T) {
	parse := func(cron, zone string) (*schedule, error) {
		return parseSchedule(&v1alpha1.ScheduleSpec{Cron: cron, TimeZone: zone}, planTime)
	}
	s, err := parse("30 2 * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.next(planTime), time.Date(2026, 11, 26, 1, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("next is %s, want %s", got, want)
	}
	if !s.holds(s.next(planTime)) || s.holds(planTime) {
		t.Error("a schedule doesn't know its own times")
	}
	for cron, zone := range map[string]string{"0 0 31 2 *": "UTC", "* * * * *": "Europe/Atlantis", "99 * * * *": "UTC"} {
		if _, err := parse(cron, zone); err == nil {
			t.Errorf("%s in %s is a schedule", cron, zone)
		}
	}
}

// TestRetain keeps the newest of each outcome.
func TestRetain(t *testing.T) {
	record := func(id string, outcome v1alpha1.RunOutcome) v1alpha1.RunRecord {
		return v1alpha1.RunRecord{ID: id, Outcome: outcome}
	}
	history := []v1alpha1.RunRecord{
		record("a", v1alpha1.OutcomeFailed), record("b", v1alpha1.OutcomeSucceeded), record("c", v1alpha1.OutcomeSuperseded),
		record("d", v1alpha1.OutcomeSucceeded), record("e", v1alpha1.OutcomeSucceeded),
	}
	ids := func(successful, failed int32) (out string) {
		for _, r := range retain(history, v1alpha1.RetentionSpec{Successful: &successful, Failed: &failed}) {
			out += r.ID
		}
		return out
	}
	for want, n := range map[string][2]int32{"ab": {1, 1}, "bd": {2, 0}, "abcde": {9, 9}} {
		if got := ids(n[0], n[1]); got != want {
			t.Errorf("of %v stay %s, want %s", n, got, want)
		}
	}
}

// TestSlotsAreFair : bounds hold, in all and for each namespace, and who waits longest comes first.
func TestSlotsAreFair(t *testing.T) {
	var woken []string
	s := newSlots(&Options{MaxActiveRuns: 2, MaxActiveRunsPerNamespace: 1}, func(n types.NamespacedName) { woken = append(woken, n.String()) })
	name := func(text string) types.NamespacedName {
		namespace, name, _ := strings.Cut(text, "/")
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	take := func(text string) bool {
		waits, err := s.take(name(text), func() ([]types.NamespacedName, error) { return []types.NamespacedName{name("a/live")}, nil })
		if err != nil {
			t.Fatal(err)
		}
		return waits == ""
	}
	steps := []struct {
		take string
		want bool
	}{{"a/1", false}, {"b/1", true}, {"c/1", false}, {"b/1", true}, {"d/1", false}}
	for _, step := range steps {
		if got := take(step.take); got != step.want {
			t.Errorf("%s gets a slot: %v, want %v", step.take, got, step.want)
		}
	}
	s.release(name("b/1"))
	if diff := cmp.Diff([]string{"c/1"}, woken); diff != "" { // a/1 waits longer, but its namespace is full
		t.Errorf("woken (-want +got):\n%s", diff)
	}
	if take("d/1") {
		t.Error("d/1 overtakes c/1")
	}
	if !take("c/1") {
		t.Error("c/1 gets no slot")
	}
	s.release(name("a/live"))
	if !take("a/1") {
		t.Error("a/1 gets no slot")
	}
}

// TestPlain makes any text fit for a condition.
func TestPlain(t *testing.T) {
	for given, want := range map[string]string{
		"a\nb\x00 \x1b[1mc": "a b [1mc", "\xff": "\uFFFD", strings.Repeat("ä", 600): strings.Repeat("ä", 510) + "…",
	} {
		if got := plain(given); got != want {
			t.Errorf("plain(%q) is %q, want %q", given, got, want)
		}
	}
}

func FuzzTerminationMessage(f *testing.F) {
	f.Add(reporting("x"), progressText(v1alpha1.StageEmbed, 1, 2))
	f.Add("", "{}")
	f.Fuzz(func(t *testing.T, message, progress string) {
		pod := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{{
			Name: runnerContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message}},
		}}}}
		if said := lastWords([]corev1.Pod{pod}); said != nil && said.SummarySHA256 == "" {
			t.Error("a message without a digest counts")
		}
		if text := podError(message); len(text) > maxText {
			t.Errorf("an error of %d bytes", len(text))
		}
		if p := parseProgress(progress, planTime); p != nil && (p.Done < 0 || p.Total < 0 || !p.Stage.Known() || len(p.Message) > 256) {
			t.Errorf("progress %+v", p)
		}
	})
}

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// stalls waits until the audit is stalled for a reason, with all of the texts in its message, and no pod of it works on.
func (l *lab) stalls(name, reason string, texts ...string) *v1alpha1.DatasetAudit {
	l.Helper()
	got := l.is(name, v1alpha1.ConditionStalled, "True/"+reason)
	for _, text := range texts {
		if message := messageOf(got, v1alpha1.ConditionStalled); !strings.Contains(message, text) {
			l.Errorf("Stalled says %q, want %q in it", message, text)
		}
	}
	if ready := reasonOf(got, v1alpha1.ConditionReady); ready != "False/"+reason {
		l.Errorf("Ready is %s", ready)
	}
	return got
}

// noRetries lets an audit's first failure be its last.
func noRetries(name string) *v1alpha1.DatasetAudit {
	audit := makeAudit(name)
	audit.Spec.Runner.BackoffLimit = new(int32(0))
	return audit
}

// TestExitCodes : every way in which the runner ends, and what an audit then says.
func TestExitCodes(t *testing.T) {
	l := newLab(t)
	l.start()
	for code, permanent := range map[v1alpha1.ExitCode]bool{
		v1alpha1.ExitInvalidUsage: true, v1alpha1.ExitInvalidDataset: true, v1alpha1.ExitInvalidModel: true, v1alpha1.ExitInvalidResult: true,
		v1alpha1.ExitProviderUnavailable: true, v1alpha1.ExitInvalidSpec: true,
		v1alpha1.ExitInternal: false, v1alpha1.ExitDiskFull: false, v1alpha1.ExitStorage: false,
	} {
		name := fmt.Sprintf("exit-%d", code)
		audit := makeAudit(name)
		if !permanent {
			audit = noRetries(name)
		}
		l.apply(audit)
		l.dies(l.pod(), code, "layer conv: <b>\nno such layer")
		got := l.stalls(name, code.Reason(), "layer conv: <b> no such layer")
		if run := got.Status.Run; run.Error.Code != code || run.Outcome != v1alpha1.OutcomeFailed {
			t.Errorf("run is %+v", run)
		}
		if pods := l.podsOf(got); len(pods) != 1 {
			t.Errorf("exit code %d made %d pods", code, len(pods))
		}
	}
}

func (l *lab) podsOf(audit *v1alpha1.DatasetAudit) []corev1.Pod {
	l.Helper()
	pods := &corev1.PodList{}
	l.must(l.admin.List(l.ctx, pods, client.InNamespace(l.namespace), client.MatchingLabels{v1alpha1.LabelAuditUID: string(audit.UID)}))
	return pods.Items
}

// TestForeignExits are ends that the runner did not choose.
func TestForeignExits(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := noRetries("oom")
	audit.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	l.apply(audit)
	l.exits(l.pod(), 137, "OOMKilled", "")
	l.stalls("oom", v1alpha1.ReasonOutOfMemory, "limit of 1Gi", "raise runner.resources.limits.memory")

	l.apply(noRetries("segfault"))
	l.exits(l.pod(), 139, "Error", "")
	l.stalls("segfault", v1alpha1.ReasonBackoffLimitExceeded, "exit code 139")

	l.apply(noRetries("babble"))
	l.exits(l.pod(), v1alpha1.ExitInvalidModel, "Error", strings.Repeat("\x00\xff no JSON", 300))
	l.stalls("babble", v1alpha1.ReasonInvalidModel, "left no message")

	// More memory is another run, without anybody asking for it.
	l.update("oom", func(a *v1alpha1.DatasetAudit) {
		a.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}
	})
	l.succeeds(l.pod())
	l.ready("oom")
}

// TestInterruptionsCostNoRetry : eviction, drain and a checkpoint on SIGTERM, with no retry allowed.
func TestInterruptionsCostNoRetry(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(noRetries("cars"))
	l.dies(l.pod(), v1alpha1.ExitInterrupted, "interrupted")
	l.until("cars", "it says so", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "was interrupted, which costs no retry")
	})
	pod := l.pod()
	l.runs(pod)
	l.setStatus(pod, func(s *corev1.PodStatus) {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI"})
	})
	l.exits(pod, 143, "Error", "")
	l.succeeds(l.pod())
	if got := l.ready("cars"); got.Status.Run.Attempt != 1 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
}

// TestRetry says between two attempts why there is a second.
func TestRetry(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := makeAudit("cars")
	audit.Spec.Runner.BackoffLimit = new(int32(1))
	l.apply(audit)
	l.dies(l.pod(), v1alpha1.ExitStorage, "bucket: connection refused")
	got := l.is("cars", v1alpha1.ConditionReconciling, "True/Retrying")
	if message := messageOf(got, v1alpha1.ConditionReconciling); !strings.Contains(message, "attempt 1 of 2 failed") || !strings.Contains(message, "connection refused") {
		t.Errorf("message is %q", message)
	}
	l.succeeds(l.pod())
	l.ready("cars")
}

// TestWaiting : what a pod waits for is in the condition, and for how long it may.
func TestWaiting(t *testing.T) {
	l := newLab(t)
	l.start()

	l.apply(makeAudit("no-node"))
	pod := l.pod()
	l.unschedulable(pod, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
	got := l.is("no-node", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	if message := messageOf(got, v1alpha1.ConditionReconciling); !strings.Contains(message, "Insufficient nvidia.com/gpu") {
		t.Errorf("message is %q", message)
	}
	l.forward("no-node", 29*time.Minute)
	l.is("no-node", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	l.forward("no-node", 2*time.Minute)
	l.stalls("no-node", v1alpha1.ReasonStartDeadlineExceeded, "startDeadline (30m0s)", "Insufficient nvidia.com/gpu")
	l.eventually("its pod is deleted", func() error {
		if err := l.admin.Get(l.ctx, client.ObjectKeyFromObject(pod), pod); err == nil && pod.DeletionTimestamp == nil {
			return fmt.Errorf("pod %s is there", pod.Name)
		}
		return nil
	})

	l.apply(makeAudit("no-image"))
	pod = l.pod()
	l.containerWaits(pod, "ErrImagePull", "not found")
	l.until("no-image", "the image in the message", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "ErrImagePull: not found")
	})
	l.forward("no-image", 6*time.Minute)
	l.stalls("no-image", v1alpha1.ReasonImageUnavailable, "ErrImagePull: not found")

	l.apply(makeAudit("no-volume"))
	pod = l.pod()
	l.scheduled(pod)
	l.must(l.admin.Create(l.ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: l.namespace, Name: "mount"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: l.namespace, Name: pod.Name, UID: pod.UID},
		Reason:         "FailedMount", Message: `configmap "x" not found`, Type: corev1.EventTypeWarning, LastTimestamp: metav1.NewTime(l.clock.Now()),
	}))
	l.poke("no-volume")
	l.until("no-volume", "the volume in the message", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), `FailedMount: configmap "x" not found`)
	})
	l.forward("no-volume", 6*time.Minute)
	l.stalls("no-volume", v1alpha1.ReasonPodNotStartable, "FailedMount")
}

// TestQuota : a namespace that has no room for the pod, and one that has none for the Job.
func TestQuota(t *testing.T) {
	for name, c := range map[string]struct {
		resource corev1.ResourceName
		message  string
	}{
		"pods": {"pods", "no pod can be created"},
		"jobs": {"count/jobs.batch", "exceeded quota"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "quota"},
				Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{c.resource: resource.MustParse("0")}}}
			l.must(l.admin.Create(l.ctx, quota))
			l.eventually("the quota counts", func() error {
				l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(quota), quota))
				if _, ok := quota.Status.Hard[c.resource]; !ok {
					return fmt.Errorf("status is %v", quota.Status)
				}
				return nil
			})
			l.start()
			l.apply(makeAudit("cars"))
			l.until("cars", "the quota in the message", func(a *v1alpha1.DatasetAudit) bool {
				l.poke("cars") // the event comes when it comes
				return reasonOf(a, v1alpha1.ConditionReconciling) == "True/WaitingForCapacity" &&
					strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), c.message) &&
					strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "exceeded quota")
			})
			l.must(l.admin.Delete(l.ctx, quota))
			l.poke("cars")
			l.forward("cars", time.Minute)
			if name == "pods" { // the Job controller backs off for minutes
				return
			}
			l.succeeds(l.pod())
			l.ready("cars")
		})
	}
}

// TestDeadline counts the time in which pods worked, over all attempts, and nothing else.
func TestDeadline(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := makeAudit("cars")
	audit.Spec.Runner.Deadline = &metav1.Duration{Duration: time.Hour}
	l.apply(audit)
	pod := l.pod()
	l.forward("cars", 20*time.Minute) // waits
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.forward("cars", 40*time.Minute)
	l.dies(pod, v1alpha1.ExitInterrupted, "interrupted")
	second := l.pod()
	l.until("cars", "the first attempt counts", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.WorkedSeconds >= 40*60 })
	l.runs(second)
	l.until("cars", "the second works", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.WorkingSince != nil })
	l.forward("cars", 19*time.Minute)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.forward("cars", 2*time.Minute)
	l.stalls("cars", v1alpha1.ReasonDeadlineExceeded, "runner.deadline")
	l.eventually("its Job goes", func() error {
		if jobs := l.jobs(); len(jobs) > 0 && jobs[0].DeletionTimestamp == nil {
			return fmt.Errorf("%d Jobs", len(jobs))
		}
		return nil
	})
}

// TestResultsAreNotBelieved when they are not what the pod wrote.
func TestResultsAreNotBelieved(t *testing.T) {
	honest := func(l *lab, pod *corev1.Pod) string { return summaryText(runOfPod(pod)) }
	for name, c := range map[string]struct {
		written, stored func(l *lab, pod *corev1.Pod) string
		reason, text    string
	}{
		"changed by a tenant": {
			written: honest,
			stored: func(l *lab, pod *corev1.Pod) string {
				return summaryText(runOfPod(pod), func(s *v1alpha1.AuditSummary) { s.Layers[0].Leakage.Samples = 0 })
			},
			reason: v1alpha1.ReasonDigestMismatch, text: "someone changed it",
		},
		"nothing": {
			written: honest, stored: func(*lab, *corev1.Pod) string { return "" },
			reason: v1alpha1.ReasonDigestMismatch, text: "has the SHA-256",
		},
		"no JSON":  {written: func(*lab, *corev1.Pod) string { return "\x00{" }, reason: v1alpha1.ReasonResultsMissing, text: "can't be read"},
		"too long": {written: func(*lab, *corev1.Pod) string { return strings.Repeat(" ", v1alpha1.MaxResultBytes+1) }, reason: v1alpha1.ReasonResultsMissing, text: "more than the 65536"},
		"of another run": {
			written: func(*lab, *corev1.Pod) string { return summaryText("another") },
			reason:  v1alpha1.ReasonResultsMissing, text: "is that of run another",
		},
		"of a newer runner": {
			written: func(_ *lab, pod *corev1.Pod) string {
				return summaryText(runOfPod(pod), func(s *v1alpha1.AuditSummary) { s.SchemaVersion = 2 })
			},
			reason: v1alpha1.ReasonResultsMissing, text: "use a runner image that fits the operator",
		},
		"out of bounds": {
			written: func(_ *lab, pod *corev1.Pod) string {
				return summaryText(runOfPod(pod), func(s *v1alpha1.AuditSummary) { s.Layers[0].Clusters = -1 })
			},
			reason: v1alpha1.ReasonResultsMissing, text: "does not fit the API",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.start()
			l.apply(makeAudit("cars"))
			pod := l.pod()
			text := c.written(l, pod)
			stored := text
			if c.stored != nil {
				stored = c.stored(l, pod)
			}
			l.publish(pod, v1alpha1.FileSummary, stored)
			l.exits(pod, v1alpha1.ExitOK, "Completed", reporting(text))
			got := l.stalls("cars", c.reason, c.text)
			if got.Status.Result != nil {
				t.Error("there is a result")
			}
			if published := reasonOf(got, v1alpha1.ConditionResultsPublished); published != "False/"+c.reason {
				t.Errorf("ResultsPublished is %s", published)
			}
		})
	}
}

// TestSilentPod : a pod that succeeds and says nothing, and one whose ConfigMap is gone.
func TestSilentPod(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(makeAudit("silent"))
	l.exits(l.pod(), v1alpha1.ExitOK, "Completed", "")
	l.stalls("silent", v1alpha1.ReasonResultsMissing, "no pod of Job", "says which summary it wrote")

	l.apply(makeAudit("forged"))
	pod := l.pod()
	l.runs(pod)
	l.is("forged", v1alpha1.ConditionReady, "Unknown/Running")
	// A ConfigMap of somebody else's in the place of ours.
	l.must(l.admin.Delete(l.ctx, l.resultOf(pod)))
	forged := l.resultOf(pod)
	forged.Data = map[string]string{v1alpha1.FileSummary: summaryText(runOfPod(pod))}
	l.eventually("the forger is quicker, or ours is back", func() error {
		if err := l.admin.Create(l.ctx, forged); err != nil && client.IgnoreAlreadyExists(err) != nil {
			return err
		}
		return nil
	})
	if err := l.admin.Get(l.ctx, client.ObjectKeyFromObject(forged), forged); err != nil || len(forged.OwnerReferences) > 0 {
		return // ours was quicker: nothing to forge
	}
	l.exits(pod, v1alpha1.ExitOK, "Completed", reporting(forged.Data[v1alpha1.FileSummary]))
	l.is("forged", v1alpha1.ConditionReady, "False/ResultsMissing")
}

// TestNameConflict : a needed name belongs to someone else.
func TestNameConflict(t *testing.T) {
	l := newLab(t)
	foreign := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "cars-runner"}}
	l.must(l.admin.Create(l.ctx, foreign))
	l.start()
	l.apply(makeAudit("cars"))
	l.stalls("cars", v1alpha1.ReasonNameConflict, "ServiceAccount cars-runner exists and does not belong to this audit")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Template.ServiceAccountName = "cars-runner" }) // it is meant
	l.succeeds(l.pod())
	l.ready("cars")
}

// TestRefusedJob : what the CRD lets through and the API server refuses of the Job.
func TestRefusedJob(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := makeAudit("cars")
	audit.Spec.Runner.Template.NodeSelector = map[string]string{"no label!": "x"}
	l.apply(audit)
	l.stalls("cars", v1alpha1.ReasonInvalidSpec, "nodeSelector")
	if jobs := l.jobs(); len(jobs) != 0 {
		t.Errorf("there are %d Jobs", len(jobs))
	}
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Template.NodeSelector = nil })
	l.succeeds(l.pod())
	l.ready("cars")
}

// TestInvalidSpecs are found before any pod starts.
func TestInvalidSpecs(t *testing.T) {
	l := newLab(t)
	l.start()
	for name, c := range map[string]struct {
		change       func(*v1alpha1.DatasetAuditSpec)
		reason, text string
	}{
		"policy": {
			func(s *v1alpha1.DatasetAuditSpec) {
				s.Policy = policyRules(v1alpha1.PolicyRule{Name: "typo", Expression: "layer.leakage.sample == 0", Severity: v1alpha1.SeverityFail})
			},
			v1alpha1.ReasonInvalidPolicy, `rule "typo"`,
		},
		"time-zone": {
			func(s *v1alpha1.DatasetAuditSpec) {
				s.Schedule = &v1alpha1.ScheduleSpec{Cron: "@daily", TimeZone: "Europe/Atlantis"}
			},
			v1alpha1.ReasonInvalidSchedule, "Europe/Atlantis",
		},
		"parallelism": {
			func(s *v1alpha1.DatasetAuditSpec) {
				s.Runner.Parallelism = new(int32(2))
				s.Output.ObjectStorage = &v1alpha1.ObjectStorage{URL: "s3://audits"}
			},
			v1alpha1.ReasonInvalidSpec, "workspace.persistentVolumeClaim",
		},
	} {
		audit := makeAudit(name)
		c.change(&audit.Spec)
		l.apply(audit)
		got := l.stalls(name, c.reason, c.text)
		if got.Status.Run != nil || len(l.jobs()) > 0 {
			t.Errorf("%s: a run starts", name)
		}
		l.update(name, func(a *v1alpha1.DatasetAudit) { a.Spec = makeAudit(name).Spec })
		pod := l.pod()
		l.succeeds(pod)
		l.ready(name)
		for _, job := range l.jobs() {
			l.must(client.IgnoreNotFound(l.admin.Delete(l.ctx, &job, client.PropagationPolicy(metav1.DeletePropagationBackground))))
		}
		l.eventually("its Job is gone", func() error {
			if n := len(l.jobs()); n > 0 {
				return fmt.Errorf("%d Jobs", n)
			}
			return nil
		})
	}
}

// TestMendedBeforeStart : what keeps a pod from starting can be changed without waiting for a deadline.
func TestMendedBeforeStart(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := makeAudit("cars")
	audit.Spec.Runner.Template.NodeSelector = map[string]string{"gpu": "none-such"}
	l.apply(audit)
	pod := l.pod()
	l.unschedulable(pod, "no node matches")
	l.is("cars", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Template.NodeSelector = nil })
	l.until("cars", "the next attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.Attempt == 2 })
	l.eventually("the old pod is deleted", func() error { // nothing has started it, so no kubelet has to end it
		if !podGone(l, pod) {
			return fmt.Errorf("pod %s is there", pod.Name)
		}
		return nil
	})
	second := l.pod()
	if len(second.Spec.NodeSelector) > 0 {
		t.Errorf("node selector is %v", second.Spec.NodeSelector)
	}
	l.succeeds(second)
	l.ready("cars")
}

// TestKueueHolds : a Job that Kueue holds waits without a deadline, and says so.
func TestKueueHolds(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := makeAudit("cars")
	audit.Labels = map[string]string{v1alpha1.LabelQueueName: "gpus"}
	l.apply(audit)
	pod := l.pod()
	suspend := func(suspended bool) {
		job := l.jobs()[0]
		l.must(l.admin.Patch(l.ctx, &job, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"suspend":%v}}`, suspended))))
	}
	suspend(true) // as Kueue does
	l.until("cars", "it waits for Kueue", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(messageOf(a, v1alpha1.ConditionReconciling), "Kueue has not admitted the Job yet")
	})
	l.must(client.IgnoreNotFound(l.admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0))))
	l.forward("cars", 48*time.Hour)
	l.is("cars", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")
	suspend(false)
	l.succeeds(l.pod())
	l.ready("cars")
}

// TestSettledAuditsAreLeftAlone : without a change nothing is written, whatever is looked at again.
func TestSettledAuditsAreLeftAlone(t *testing.T) {
	l := newLab(t)
	stop := l.start()
	l.apply(makeAudit("cars"))
	l.succeeds(l.pod())
	l.ready("cars")
	failed := noRetries("failed")
	l.apply(failed)
	l.dies(l.pod(), v1alpha1.ExitInvalidModel, "no such layer")
	l.stalls("failed", v1alpha1.ReasonInvalidModel)
	l.eventually("both are settled", func() error {
		for _, name := range []string{"cars", "failed"} {
			for _, child := range l.ofAudit(l.get(name)) {
				if strings.Contains(child, "Role") {
					return fmt.Errorf("there is %s", child)
				}
			}
		}
		return nil
	})
	stop()
	counter := &writes{}
	l.start(counter.count)
	for range 20 {
		l.poke("cars")
		l.poke("failed")
	}
	// The last look is over when what it must notice is in status.
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Suspend = true })
	l.until("cars", "the suspension is seen", func(a *v1alpha1.DatasetAudit) bool { return a.Status.ObservedGeneration == a.Generation })
	if got := counter.seen(); len(got) != 1 {
		t.Errorf("API writes: %q, want that of the suspension alone", got)
	}
}

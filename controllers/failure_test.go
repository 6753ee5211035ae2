package controllers

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// stalls waits until the audit is stalled for a reason, with all of the texts in its message, and no pod of it works
// on.
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
	audit := audits.New(name)
	audit.Spec.Runner.BackoffLimit = new(int32(0))
	return audit
}

// Every way in which the runner ends, and what an audit then says.
func TestExitCodes(t *testing.T) {
	l := newLab(t)
	l.start()
	for code, permanent := range map[v1alpha1.ExitCode]bool{
		v1alpha1.ExitInvalidUsage: true, v1alpha1.ExitInvalidDataset: true, v1alpha1.ExitInvalidModel: true, v1alpha1.ExitInvalidResult: true,
		v1alpha1.ExitProviderUnavailable: true, v1alpha1.ExitInvalidSpec: true,
		v1alpha1.ExitInternal: false, v1alpha1.ExitDiskFull: false, v1alpha1.ExitStorage: false,
	} {
		name := fmt.Sprintf("exit-%d", code)
		audit := audits.New(name)
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
	l.stalls("babble", v1alpha1.ReasonInvalidModel, "exit code 66; its log ends with", "no JSON")

	// More memory is another run, without anybody asking for it.
	l.update("oom", func(a *v1alpha1.DatasetAudit) {
		a.Spec.Runner.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}
	})
	l.succeeds(l.pod())
	l.ready("oom")
}

// Eviction, drain and a checkpoint on SIGTERM, with no retry allowed.
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
	audit := audits.New("cars")
	audit.Spec.Runner.BackoffLimit = new(int32(1))
	l.apply(audit)
	l.dies(l.pod(), v1alpha1.ExitStorage, "bucket: connection refused")
	got := l.is("cars", v1alpha1.ConditionReconciling, "True/Retrying")
	if message := messageOf(got, v1alpha1.ConditionReconciling); !strings.Contains(message, "pod 1 of at most 2 failed") || !strings.Contains(message, "connection refused") {
		t.Errorf("message is %q", message)
	}
	l.succeeds(l.pod())
	l.ready("cars")
}

// TestResultsAreNotBelieved when they are not what the pod wrote.
func TestResultsAreNotBelieved(t *testing.T) {
	honest := func(l *lab, pod *corev1.Pod) string { return summaryText(runOfPod(pod), inputOfPod(pod)) }
	for name, c := range map[string]struct {
		written, stored func(l *lab, pod *corev1.Pod) string
		reason, text    string
	}{
		"changed by a tenant": {
			written: honest,
			stored: func(l *lab, pod *corev1.Pod) string {
				return summaryText(runOfPod(pod), inputOfPod(pod), func(s *v1alpha1.AuditSummary) { s.Layers[0].Leakage.Samples = 0 })
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
			written: func(_ *lab, pod *corev1.Pod) string { return summaryText("another", inputOfPod(pod)) },
			reason:  v1alpha1.ReasonResultsMissing, text: "is that of run another",
		},
		"of another manifest": {
			written: func(_ *lab, pod *corev1.Pod) string { return summaryText(runOfPod(pod), strings.Repeat("0", 64)) },
			reason:  v1alpha1.ReasonDigestMismatch, text: "the summary is of a manifest with the SHA-256 0000",
		},
		"of a runner that does not say of which manifest": {
			written: func(_ *lab, pod *corev1.Pod) string { return summaryText(runOfPod(pod), "") },
			reason:  v1alpha1.ReasonResultsMissing, text: "use a runner image that fits the operator",
		},
		"of a newer runner": {
			written: func(_ *lab, pod *corev1.Pod) string {
				return summaryText(runOfPod(pod), inputOfPod(pod), func(s *v1alpha1.AuditSummary) { s.SchemaVersion = 2 })
			},
			reason: v1alpha1.ReasonResultsMissing, text: "use a runner image that fits the operator",
		},
		"out of bounds": {
			written: func(_ *lab, pod *corev1.Pod) string {
				return summaryText(runOfPod(pod), inputOfPod(pod), func(s *v1alpha1.AuditSummary) { s.Layers[0].Clusters = -1 })
			},
			reason: v1alpha1.ReasonResultsMissing, text: "does not fit the API",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.start()
			l.apply(audits.New("cars"))
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

// A run whose results are not there begins again, a few times, and then says so.
func TestLostResults(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(noRetries("silent"))
	for range maxLostResults + 1 {
		l.exits(l.pod(), v1alpha1.ExitOK, "Completed", "")
	}
	got := l.stalls("silent", v1alpha1.ReasonResultsMissing, "neither its AuditRecord nor a pod says which summary it wrote")
	if run := got.Status.Run; run.Attempt != maxLostResults+1 || run.FailedPods != 0 {
		t.Errorf("run is %+v", run)
	}

	// A ConfigMap of somebody else's in the place of ours, with what the pod says it wrote.
	l.apply(noRetries("forged"))
	pod := l.pod()
	l.runs(pod)
	l.is("forged", v1alpha1.ConditionReady, "Unknown/Running")
	l.must(l.admin.Delete(l.ctx, l.resultOf(pod)))
	forged := l.resultOf(pod)
	forged.Data = map[string]string{v1alpha1.FileSummary: summaryText(runOfPod(pod), inputOfPod(pod))}
	l.eventually("it takes the place", func() error {
		err := l.admin.Create(l.ctx, forged)
		if err != nil { // the operator was quicker
			forged.ResourceVersion = ""
			_ = l.admin.Delete(l.ctx, l.resultOf(pod))
		}
		return err
	})
	l.exits(pod, v1alpha1.ExitOK, "Completed", reporting(forged.Data[v1alpha1.FileSummary]))
	l.until("forged", "another attempt", func(a *v1alpha1.DatasetAudit) bool { return a.Status.Run.LostResults == 1 })
	l.succeeds(l.pod())
	if got := l.ready("forged"); got.Status.Run.Attempt != 2 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
}

// A needed name belongs to someone else.
func TestNameConflict(t *testing.T) {
	l := newLab(t)
	foreign := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "cars-runner"}}
	l.must(l.admin.Create(l.ctx, foreign))
	l.start()
	l.apply(audits.New("cars"))
	l.stalls("cars", v1alpha1.ReasonNameConflict, "ServiceAccount cars-runner exists and does not belong to this audit")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Runner.Template.ServiceAccountName = "cars-runner" }) // it is meant
	l.succeeds(l.pod())
	l.ready("cars")
}

// What the CRD lets through and the API server refuses of the Job.
func TestRefusedJob(t *testing.T) {
	l := newLab(t)
	l.start()
	audit := audits.New("cars")
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
		"baseline-to-nowhere": {
			func(s *v1alpha1.DatasetAuditSpec) { s.Output.Baseline = true },
			v1alpha1.ReasonInvalidSpec, "need output.objectStorage",
		},
	} {
		audit := audits.New(name)
		c.change(&audit.Spec)
		l.apply(audit)
		got := l.stalls(name, c.reason, c.text)
		if got.Status.Run != nil || len(l.jobs()) > 0 {
			t.Errorf("%s: a run starts", name)
		}
		l.update(name, func(a *v1alpha1.DatasetAudit) { a.Spec = audits.New(name).Spec })
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

// Without a change nothing is written, whatever is looked at again.
func TestSettledAuditsAreLeftAlone(t *testing.T) {
	l := newLab(t)
	stop := l.start()
	l.apply(audits.New("cars"))
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

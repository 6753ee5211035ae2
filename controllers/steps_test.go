package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// A run's steps follow one another, each once the Job of the one before it is complete, and a Job of a step that is over is
// removed if it still works.
func TestSteps(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.RunnerSpec)
		want   []string
	}{
		"one pod":       {func(*v1alpha1.RunnerSpec) {}, []string{"audit"}},
		"a stage apart": {func(r *v1alpha1.RunnerSpec) { r.Stages = []v1alpha1.RunnerStage{{Name: v1alpha1.StageEmbed}} }, []string{"embed", "audit"}},
		"several pods":  {func(r *v1alpha1.RunnerSpec) { r.Parallelism = new(int32(3)) }, []string{"embed", "neighbors", "audit"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.Spec.Output.ObjectStorage = &v1alpha1.ObjectStorage{URL: "s3://audits"}
			test.change(&s.Spec.Runner)
			s.store()
			if diff := cmp.Diff(test.want, s.Status.Run.Steps); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
			s.Spec.Runner.Parallelism, s.Spec.Runner.Stages = nil, nil // a later change of the spec is another run's
			var seen []string
			for range test.want {
				next := s.o.step(s.DatasetAudit)
				seen = append(seen, string(next))
				job := buildJob(s.DatasetAudit, planOptions, next)
				job.UID = types.UID(next)
				s.o.jobs = append(s.o.jobs, *job)
				s.Status.Run.Job = job.Name
				if again := s.o.step(s.DatasetAudit); again != next {
					t.Errorf("while %s works, the step is %s", next, again)
				}
				at := &s.o.jobs[len(s.o.jobs)-1]
				at.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
			}
			if diff := cmp.Diff(test.want, seen); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A run that an operator of two steps decided goes on with these.
func TestStepsOfAnEarlierVersion(t *testing.T) {
	s := newScene()
	s.Spec.Output.ObjectStorage = &v1alpha1.ObjectStorage{URL: "s3://audits"}
	s.Spec.Runner.Parallelism = new(int32(3))
	s.store()
	s.Status.Run.Steps = nil
	job := buildJob(s.DatasetAudit, planOptions, stepEmbed)
	job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	if first := s.o.step(s.DatasetAudit); first != stepEmbed {
		t.Errorf("the first step is %s", first)
	}
	s.o.jobs, s.Status.Run.Job = []batchv1.Job{*job}, job.Name
	if next := s.o.step(s.DatasetAudit); next != stepAudit {
		t.Errorf("after it comes %s", next)
	}
	if args := strings.Join(runnerArgs(s.DatasetAudit, stepAudit), " "); strings.Contains(args, "--searched") || strings.Contains(args, "--vectors") {
		t.Errorf("its image may not know %s", args)
	}
}

// The pods of each step are told their share.
func TestShards(t *testing.T) {
	s := newScene()
	s.Spec.Output.ObjectStorage = &v1alpha1.ObjectStorage{URL: "s3://audits"}
	s.Spec.Runner.Parallelism = new(int32(3))
	s.store()
	for step, want := range map[step]string{
		stepEmbed: "--stage=Embed --shard=$(JOB_COMPLETION_INDEX)/3", stepNeighbors: "--stage=Neighbors --shard=$(JOB_COMPLETION_INDEX)/3", stepAudit: "--searched",
	} {
		job := buildJob(s.DatasetAudit, planOptions, step)
		if args := strings.Join(job.Spec.Template.Spec.Containers[0].Args, " "); !strings.Contains(args, want) {
			t.Errorf("%s: arguments are %s, want %s", step, args, want)
		}
		indexed := job.Spec.CompletionMode != nil && *job.Spec.CompletionMode == batchv1.IndexedCompletion && *job.Spec.Completions == 3
		if indexed != (step != stepAudit) {
			t.Errorf("%s: %+v", step, job.Spec)
		}
	}
}

// The status tells who is behind.
func TestShares(t *testing.T) {
	s := newScene()
	s.Spec.Output.ObjectStorage = &v1alpha1.ObjectStorage{URL: "s3://audits"}
	s.Spec.Runner.Parallelism = new(int32(3))
	s.store()
	job := buildJob(s.DatasetAudit, planOptions, stepNeighbors)
	job.UID = "job"
	if job.Spec.BackoffLimitPerIndex != nil { // see buildJob
		t.Errorf("%+v", job.Spec)
	}
	pod := func(index string, state corev1.ContainerState) corev1.Pod {
		pod := corev1.Pod{}
		pod.Labels = map[string]string{batchv1.JobCompletionIndexAnnotation: index}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: runnerContainer, State: state}}
		return pod
	}
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	}
	since := func(hour int) corev1.ContainerState {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Date(2026, 11, 29, hour, 5, 0, 0, time.UTC)}}
	}
	o := &observation{pods: []corev1.Pod{pod("0", ended(0)), pod("1", since(9)), pod("2", since(8)), pod("1", ended(74)), pod("2", ended(74))}}
	if got, want := o.shares(job), "; 1 of 3 pods are done, that of index 2 works since 08:05 UTC"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := o.shares(buildJob(s.DatasetAudit, planOptions, stepAudit)); got != "" {
		t.Errorf("of a Job of one: %q", got)
	}
}

// What a run takes is told as it says, and a lie in its ConfigMap breaks nothing.
func TestWorkingMessage(t *testing.T) {
	for seconds, want := range map[int64]string{
		0: "Job cars works", 75: "Job cars works; by a probe, the run takes about 1m15s in all",
		7260: "Job cars works; by a probe, the run takes about 2h1m0s in all", 1 << 62: "Job cars works; by a probe, the run takes about 277h47m0s in all",
	} {
		if got := workingMessage("cars", &v1alpha1.Progress{EstimatedSeconds: seconds}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := workingMessage("cars", nil); got != "Job cars works" {
		t.Error(got)
	}
}

package controllers

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
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
	if args := runnerArgs(s.DatasetAudit, stepAudit); slices.Contains(args, "--searched") {
		t.Errorf("its image may not know %q", args)
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

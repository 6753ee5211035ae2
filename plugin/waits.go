package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func waitsCommand(c *cluster) *cobra.Command {
	var all, started bool
	cmd := &cobra.Command{
		Use: "waits [NAME]", Short: "List the jobs that the gate holds or has rejected, and why; with NAME, those for this audit",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.connect(); err != nil {
				return err
			}
			namespace, audit := c.namespace, ""
			if len(args) > 0 {
				audit = c.namespace + "/" + args[0]
			}
			if all {
				namespace = ""
			}
			workloads := &kueue.WorkloadList{}
			if err := c.client.List(cmd.Context(), workloads, client.InNamespace(namespace)); err != nil {
				if meta.IsNoMatchError(err) {
					return fmt.Errorf("the cluster has no Kueue, whose workloads the gate holds: %w", err)
				}
				return err
			}
			jobs := gated(workloads.Items, audit, started)
			if len(jobs) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "The gate holds no job here.")
				return nil
			}
			return listGated(cmd.OutOrStdout(), jobs, all, time.Now())
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "jobs of all namespaces")
	cmd.Flags().BoolVar(&started, "started", false, "also those that the gate let start")
	return cmd
}

// gatedJob is a job that the gate has judged.
type gatedJob struct {
	namespace, job, state, why string
	since                      time.Time
}

// gated are the jobs that wait or were rejected, oldest verdict first; those that it let start, too, if asked for. With an
// audit, as namespace/name, they are those whose verdict names it.
func gated(workloads []kueue.Workload, audit string, started bool) (jobs []gatedJob) {
	names := regexp.MustCompile(`DatasetAudit ` + regexp.QuoteMeta(audit) + `([^a-z0-9-]|$)`)
	for i := range workloads {
		job, judged := verdictOn(&workloads[i])
		if judged && (started || job.state != stateStarts) && (audit == "" || names.MatchString(job.why)) {
			jobs = append(jobs, job)
		}
	}
	slices.SortStableFunc(jobs, func(a, b gatedJob) int { return a.since.Compare(b.since) })
	return jobs
}

// States of a job at the gate.
const (
	stateHeld     = "Held"
	stateRejected = "Rejected"
	stateStarts   = "Starts"
)

// verdictOn reads what the gate said of a workload. Of one that it rejected, Kueue keeps the words in its own condition.
func verdictOn(w *kueue.Workload) (job gatedJob, judged bool) {
	job = gatedJob{namespace: w.Namespace, job: w.Name}
	if owner := metav1.GetControllerOf(w); owner != nil {
		job.job = strings.ToLower(owner.Kind) + "/" + owner.Name
	}
	held := w.Annotations[v1alpha1.AnnotationHeld]
	for _, check := range w.Status.AdmissionChecks {
		ours := string(check.Name) == held || strings.Contains(check.Message, v1alpha1.Kind+" ")
		if !ours || held != "" && string(check.Name) != held {
			continue
		}
		job.why, job.since = strings.TrimPrefix(check.Message, "held until its audits are compliant: "), check.LastTransitionTime.Time
		switch {
		case held != "":
			job.state = stateHeld
		case check.State == kueue.CheckStateRejected:
			job.state = stateRejected
		case check.State == kueue.CheckStateReady:
			job.state = stateStarts
		default:
			continue
		}
		return job, true
	}
	evicted := meta.FindStatusCondition(w.Status.Conditions, kueue.WorkloadEvicted)
	if evicted == nil || evicted.Status != metav1.ConditionTrue || !strings.Contains(evicted.Message, v1alpha1.Kind+" ") && !strings.Contains(evicted.Message, v1alpha1.AnnotationAudits) {
		return job, false
	}
	job.state, job.why, job.since = stateRejected, evicted.Message, evicted.LastTransitionTime.Time
	return job, true
}

func listGated(out io.Writer, jobs []gatedJob, namespaces bool, now time.Time) error {
	t := newTable(out)
	head := []any{"JOB", "STATE", "SINCE", "WHY"}
	if namespaces {
		head = append([]any{"NAMESPACE"}, head...)
	}
	t.row(head...)
	for _, job := range jobs {
		row := []any{job.job, job.state, duration.HumanDuration(now.Sub(job.since)), text.Cut(text.Visible(job.why), maxWhy)}
		if namespaces {
			row = append([]any{job.namespace}, row...)
		}
		t.row(row...)
	}
	return t.Flush()
}

// maxWhy bounds a reason in the table: the whole is in the workload.
const maxWhy = 240

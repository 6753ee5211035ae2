package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// progressPeriod is how often, at most, progress reaches status.
const progressPeriod = 30 * time.Second

// How often, and for how long, to look for the first words of a pod that works.
const (
	firstProgressPeriod = 5 * time.Second
	firstProgressWithin = time.Minute
)

// results are what a complete run left, or why they can't be believed.
type results struct {
	summary *v1alpha1.AuditSummary
	sha256  string
	reason  string // of ResultsPublished, where summary is nil
	message string
}

func missing(format string, args ...any) *results {
	return &results{reason: v1alpha1.ReasonResultsMissing, message: fmt.Sprintf(format, args...)}
}

// readResults reads the summary of a complete run, live. It counts only if its digest is the one that a pod of the Job itself
// reported at its end: who may write ConfigMaps in the namespace can't write findings.
func (r *Reconciler) readResults(ctx context.Context, audit *v1alpha1.DatasetAudit, job *batchv1.Job, o *observation) error {
	said, err := r.reported(ctx, audit, job, o)
	if err != nil {
		return err
	}
	if said == nil {
		o.results = missing("no pod of Job %s says which summary it wrote", job.Name)
		return nil
	}
	name := baseName(audit.Name, audit.Status.Run.ID) + v1alpha1.ResultSuffix
	stored := &corev1.ConfigMap{}
	err = r.APIReader.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: name}, stored)
	if apierrors.IsNotFound(err) {
		o.results = missing("ConfigMap %s, which held the summary, is gone", name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("get ConfigMap %s: %w", name, err)
	}
	o.results = verify(audit, stored, said.SummarySHA256)
	return nil
}

// reported is the termination message of the Job's successful pod, or nil if no pod has one.
func (r *Reconciler) reported(ctx context.Context, audit *v1alpha1.DatasetAudit, job *batchv1.Job, o *observation) (*v1alpha1.TerminationMessage, error) {
	if said := lastWords(o.podsOf(job)); said != nil {
		return said, nil
	}
	var err error
	o.pods, err = r.livePods(ctx, audit) // the cache of pods may lag behind that of Jobs
	return lastWords(o.podsOf(job)), err
}

// livePods are the pods of the live run, read past the cache.
func (r *Reconciler) livePods(ctx context.Context, audit *v1alpha1.DatasetAudit) ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	err := r.APIReader.List(ctx, pods, client.InNamespace(audit.Namespace), client.MatchingLabels{
		v1alpha1.LabelAuditUID: string(audit.UID), v1alpha1.LabelRun: audit.Status.Run.ID,
	})
	if err != nil {
		return nil, fmt.Errorf("list the pods of run %s: %w", audit.Status.Run.ID, err)
	}
	return pods.Items, nil
}

func lastWords(pods []corev1.Pod) *v1alpha1.TerminationMessage {
	for i := range pods {
		state := terminated(&pods[i])
		if pods[i].Status.Phase != corev1.PodSucceeded || state == nil {
			continue
		}
		said := &v1alpha1.TerminationMessage{}
		if err := json.Unmarshal([]byte(state.Message), said); err == nil && said.SummarySHA256 != "" {
			return said
		}
	}
	return nil
}

// verify is the summary in the ConfigMap, if it is the one with that digest and one that this operator understands.
func verify(audit *v1alpha1.DatasetAudit, stored *corev1.ConfigMap, digest string) *results {
	text, ok := stored.Data[v1alpha1.FileSummary]
	switch {
	case !metav1.IsControlledBy(stored, audit):
		return missing("ConfigMap %s does not belong to this audit", stored.Name)
	case !ok:
		return missing("ConfigMap %s has no key %s", stored.Name, v1alpha1.FileSummary)
	case len(text) > v1alpha1.MaxResultBytes:
		return missing("%s in ConfigMap %s has %d bytes, more than the %d that a summary may have", v1alpha1.FileSummary, stored.Name, len(text), v1alpha1.MaxResultBytes)
	}
	sum := sha256.Sum256([]byte(text))
	if got := hex.EncodeToString(sum[:]); got != digest {
		return &results{reason: v1alpha1.ReasonDigestMismatch, message: fmt.Sprintf(
			"the summary in ConfigMap %s has the SHA-256 %s, but its pod wrote %s: someone changed it; request a new run by the annotation %s",
			stored.Name, got, plain(digest), v1alpha1.AnnotationRequestedAt)}
	}
	summary := &v1alpha1.AuditSummary{}
	if err := json.Unmarshal([]byte(text), summary); err != nil {
		return missing("%s in ConfigMap %s can't be read: %s", v1alpha1.FileSummary, stored.Name, plain(err.Error()))
	}
	switch {
	case summary.SchemaVersion != v1alpha1.SummarySchemaVersion:
		return missing("the summary has schema version %d, this operator knows %d: use a runner image that fits the operator", summary.SchemaVersion, v1alpha1.SummarySchemaVersion)
	case summary.Run.ID != audit.Status.Run.ID:
		return missing("the summary is that of run %s, not of %s", plain(summary.Run.ID), audit.Status.Run.ID)
	case len(summary.Layers) == 0:
		return missing("the summary has no layers")
	}
	return &results{summary: summary, sha256: digest}
}

// result puts a verified summary into status, beside what changed since the results before.
func (r *results) result(audit *v1alpha1.DatasetAudit, now metav1.Time) *v1alpha1.ResultStatus {
	run := audit.Status.Run
	first := &r.summary.Layers[0]
	out := &v1alpha1.ResultStatus{
		RunID:            run.ID,
		InputHash:        run.InputHash,
		HashVersion:      run.HashVersion,
		Generation:       run.Generation,
		CompletedAt:      now,
		Samples:          r.summary.Dataset.Samples,
		Clusters:         first.Clusters,
		DuplicateSamples: first.DuplicateSamples,
		SummarySHA256:    r.sha256,
		Summary:          r.summary.DeepCopy(),
	}
	for i := range out.Summary.Layers {
		out.Summary.Layers[i].DistanceQuantiles = nil // for the report; no one reads 256 numbers in a status
	}
	if keepsClusters(run) {
		out.ClustersConfigMap = baseName(audit.Name, run.ID) + v1alpha1.ClustersSuffix
	} else {
		out.SummaryURL = run.OutputURL + "/" + v1alpha1.FileSummary
	}
	if before := audit.Status.Result; before != nil {
		out.Changes = changes(before, out)
	}
	return out
}

func changes(before, after *v1alpha1.ResultStatus) *v1alpha1.ResultChanges {
	out := &v1alpha1.ResultChanges{
		Samples:          after.Samples - before.Samples,
		Clusters:         after.Clusters - before.Clusters,
		DuplicateSamples: after.DuplicateSamples - before.DuplicateSamples,
	}
	was, is := leakage(before), leakage(after)
	if was != nil && is != nil {
		more := is.Samples - was.Samples
		out.LeakedSamples = &more
	}
	return out
}

// leakage is that of the first layer, or nil.
func leakage(result *v1alpha1.ResultStatus) *v1alpha1.LeakageSummary {
	if result == nil || result.Summary == nil || len(result.Summary.Layers) == 0 {
		return nil
	}
	return result.Summary.Layers[0].Leakage
}

// readProgress reads how far the live run is, at most every progressPeriod, and sooner when it has said nothing yet. What a
// tenant may have put there instead can only be a wrong number: words are made here.
func (r *Reconciler) readProgress(ctx context.Context, audit *v1alpha1.DatasetAudit, o *observation) error {
	run := audit.Status.Run
	if run.Progress != nil && o.now.Sub(run.Progress.UpdatedAt.Time) < progressPeriod {
		return nil
	}
	name := baseName(audit.Name, run.ID) + v1alpha1.ResultSuffix
	stored := &corev1.ConfigMap{}
	err := r.APIReader.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: name}, stored)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get ConfigMap %s: %w", name, err)
	}
	o.progress = parseProgress(stored.Data[v1alpha1.FileProgress], o.now)
	return nil
}

// parseProgress is nil for what is no progress.
func parseProgress(text string, now time.Time) *v1alpha1.Progress {
	progress := &v1alpha1.Progress{}
	if len(text) > maxText || json.Unmarshal([]byte(text), progress) != nil || !progress.Stage.Known() || progress.Done < 0 || progress.Total < 0 {
		return nil
	}
	progress.Message = progress.String()
	at := metav1.NewTime(now.Truncate(time.Second))
	progress.UpdatedAt = at
	if progress.StartedAt.IsZero() || progress.StartedAt.After(now) {
		progress.StartedAt = at
	}
	return progress
}

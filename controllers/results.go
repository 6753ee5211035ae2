package controllers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
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
	said    v1alpha1.TerminationMessage
	reason  string // of ResultsPublished, where summary is nil
	message string
	lost    bool // whether the run may well leave them when it is tried again
}

// missing are results that are not as they must be, and would not be when the run is tried again.
func missing(format string, args ...any) *results {
	return &results{reason: v1alpha1.ReasonResultsMissing, message: fmt.Sprintf(format, args...)}
}

// lostResults are results that are not there.
func lostResults(format string, args ...any) *results {
	out := missing(format, args...)
	out.lost = true
	return out
}

// changed are results that somebody has had a hand in.
func changed(format string, args ...any) *results {
	return &results{reason: v1alpha1.ReasonDigestMismatch, message: fmt.Sprintf(format, args...) +
		": someone changed it; find out who may write there, and request a new run by the annotation " + v1alpha1.AnnotationRequestedAt}
}

// readResults reads the summary of a complete run, live. It counts only if its digest is the one that the run itself
// reported, in its AuditRecord or in the termination message of a pod of its Job: whoever may write ConfigMaps in the
// namespace can't write findings.
func (r *Reconciler) readResults(ctx context.Context, audit *v1alpha1.DatasetAudit, job *batchv1.Job, o *observation) error {
	said, err := r.reported(ctx, job, o)
	if err != nil {
		return err
	}
	if said == nil {
		o.results = lostResults("Job %s is complete, but neither its AuditRecord nor a pod says which summary it wrote", job.Name)
		return nil
	}
	name := baseName(audit.Name, audit.Status.Run.ID) + v1alpha1.ResultSuffix
	stored := &corev1.ConfigMap{}
	err = r.APIReader.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: name}, stored)
	if apierrors.IsNotFound(err) {
		o.results = lostResults("ConfigMap %s, which held the summary, is gone", name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("get ConfigMap %s: %w", name, err)
	}
	o.results = verify(audit, stored, *said)
	return nil
}

// reported is what the run says that it stored, or nil if nothing does: by its pod's termination message, which nobody
// else writes, and by its record, which is there when the pod is not.
func (r *Reconciler) reported(ctx context.Context, job *batchv1.Job, o *observation) (*v1alpha1.TerminationMessage, error) {
	if said := lastWords(o.podsOf(job)); said != nil {
		return said, nil
	}
	if o.recorded() {
		return o.record.Result, nil
	}
	// The caches of pods and records may lag behind that of Jobs.
	if err := r.readPods(ctx, job, o); err != nil {
		return nil, err
	}
	if said := lastWords(o.podsOf(job)); said != nil || o.record == nil {
		return said, nil
	}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(o.record), o.record); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("get AuditRecord %s: %w", o.record.Name, err)
	}
	if o.recorded() {
		return o.record.Result, nil
	}
	return nil, nil
}

// readPods reads the pods of a Job past the cache, by the labels that the Job itself knows them by.
func (r *Reconciler) readPods(ctx context.Context, job *batchv1.Job, o *observation) error {
	pods := &corev1.PodList{}
	err := r.APIReader.List(ctx, pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.ControllerUidLabel: string(job.UID)})
	if err != nil {
		return fmt.Errorf("list the pods of Job %s: %w", job.Name, err)
	}
	for _, pod := range pods.Items {
		o.unwatched = o.unwatched || pod.Labels[v1alpha1.LabelAuditUID] != job.Labels[v1alpha1.LabelAuditUID]
	}
	o.pods = slices.DeleteFunc(o.pods, func(pod corev1.Pod) bool { return metav1.IsControlledBy(&pod, job) })
	o.pods = append(o.pods, pods.Items...)
	slices.SortFunc(o.pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

func lastWords(pods []corev1.Pod) *v1alpha1.TerminationMessage {
	for i := range pods {
		state := terminated(&pods[i])
		if state == nil || state.ExitCode != 0 {
			continue
		}
		said := &v1alpha1.TerminationMessage{}
		if err := json.Unmarshal([]byte(state.Message), said); err == nil && said.SummarySHA256 != "" {
			return said
		}
	}
	return nil
}

// verify is the summary in the ConfigMap, if it is the one that was reported, of the input that the run was given, and
// one that this operator understands.
func verify(audit *v1alpha1.DatasetAudit, stored *corev1.ConfigMap, said v1alpha1.TerminationMessage) *results {
	text, ok := stored.Data[v1alpha1.FileSummary]
	switch {
	case !metav1.IsControlledBy(stored, audit):
		return lostResults("ConfigMap %s does not belong to this audit", stored.Name)
	case !ok:
		return lostResults("ConfigMap %s has no key %s", stored.Name, v1alpha1.FileSummary)
	case len(text) > v1alpha1.MaxResultBytes:
		return missing("%s in ConfigMap %s has %d bytes, more than the %d that a summary may have", v1alpha1.FileSummary, stored.Name, len(text), v1alpha1.MaxResultBytes)
	}
	sum := sha256.Sum256([]byte(text))
	if got := hex.EncodeToString(sum[:]); got != said.SummarySHA256 {
		return changed("the summary in ConfigMap %s has the SHA-256 %s, but its pod wrote %s", stored.Name, got, plain(said.SummarySHA256))
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
	case summary.Run.InputSHA256 == "":
		return missing("the summary doesn't say which manifest it is of: use a runner image that fits the operator")
	case summary.Run.InputSHA256 != audit.Status.Run.InputSHA256:
		return changed("the summary is of a manifest with the SHA-256 %s, and the run was given one with %s in ConfigMap %s",
			plain(summary.Run.InputSHA256), audit.Status.Run.InputSHA256, baseName(audit.Name, audit.Status.Run.ID)+v1alpha1.InputSuffix)
	case len(summary.Layers) == 0:
		return missing("the summary has no layers")
	}
	return &results{summary: summary, said: said}
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
		SummarySHA256:    r.said.SummarySHA256,
		Summary:          r.summary.DeepCopy(),
	}
	for i := range out.Summary.Layers {
		out.Summary.Layers[i].DistanceQuantiles = nil // for the report; no one reads 256 numbers in a status
	}
	if keepsClusters(run) {
		out.ClustersConfigMap = baseName(audit.Name, run.ID) + v1alpha1.ClustersSuffix
		out.ClustersSHA256 = r.said.ClustersSHA256
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

// readProgress reads how far the live run is, at most every progressPeriod, and sooner when it has said nothing yet.
// What a tenant may have put there instead can only be a wrong number: words are made here.
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

// parseProgress is nil for data that is not progress.
func parseProgress(text string, now time.Time) *v1alpha1.Progress {
	progress := &v1alpha1.Progress{}
	if len(text) > maxText || json.Unmarshal([]byte(text), progress) != nil || !progress.Stage.Known() || progress.Done < 0 || progress.Total < 0 || progress.EstimatedSeconds < 0 {
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

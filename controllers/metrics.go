package controllers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Metrics of runs, counted as they end.
var (
	runsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "datasetaudit_runs_total",
		Help: "Runs that ended, by outcome and, for failures, reason.",
	}, []string{"outcome", "reason"})
	runSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "datasetaudit_run_duration_seconds",
		Help:    "Time from the decision on a run to its end, in seconds.",
		Buckets: prometheus.ExponentialBuckets(5, 2.5, 10),
	}, []string{"outcome"})
)

// failureReasons are all that a failed run may name.
var failureReasons = []string{
	v1alpha1.ReasonBackoffLimitExceeded, v1alpha1.ReasonDeadlineExceeded, v1alpha1.ReasonDigestMismatch, v1alpha1.ReasonDiskFull,
	v1alpha1.ReasonImageUnavailable, v1alpha1.ReasonInternal, v1alpha1.ReasonInterrupted, v1alpha1.ReasonInvalidDataset,
	v1alpha1.ReasonInvalidModel, v1alpha1.ReasonInvalidResult, v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonInvalidUsage,
	v1alpha1.ReasonNameConflict, v1alpha1.ReasonOutOfMemory, v1alpha1.ReasonPodNotStartable, v1alpha1.ReasonProviderUnavailable,
	v1alpha1.ReasonResultsMissing, v1alpha1.ReasonStartDeadlineExceeded, v1alpha1.ReasonStorageFailed,
}

func init() {
	metrics.Registry.MustRegister(runsTotal, runSeconds)
	// A counter that begins at 1 has not increased, as Prometheus sees it: the first failure would raise no alert.
	for _, outcome := range []v1alpha1.RunOutcome{v1alpha1.OutcomeSucceeded, v1alpha1.OutcomeUnchanged, v1alpha1.OutcomeSuperseded, v1alpha1.OutcomeSuspended} {
		runsTotal.WithLabelValues(string(outcome), "")
	}
	for _, reason := range failureReasons {
		runsTotal.WithLabelValues(string(v1alpha1.OutcomeFailed), reason)
	}
}

// observeTransition counts the runs that ended between two statuses.
func observeTransition(before, after *v1alpha1.DatasetAuditStatus) {
	known := map[string]bool{}
	for _, record := range before.History {
		known[record.ID] = true
	}
	ended := map[string]v1alpha1.RunRecord{}
	for _, record := range after.History {
		if !known[record.ID] {
			ended[record.ID] = record
		}
	}
	// Retention may keep none.
	if run := after.Run; run != nil && !live(run) && run.CompletedAt != nil && live(before.Run) && before.Run.ID == run.ID {
		record := v1alpha1.RunRecord{Outcome: run.Outcome, CreatedAt: run.CreatedAt, CompletedAt: *run.CompletedAt}
		if run.Error != nil {
			record.Reason = run.Error.Reason
		}
		ended[run.ID] = record
	}
	for _, record := range ended {
		runsTotal.WithLabelValues(string(record.Outcome), record.Reason).Inc()
		runSeconds.WithLabelValues(string(record.Outcome)).Observe(record.CompletedAt.Sub(record.CreatedAt.Time).Seconds())
	}
}

// Descriptions of what the collector reads out of the audits themselves.
var (
	auditsDesc = prometheus.NewDesc("datasetaudit_audits",
		"Audits by the reason of their condition Ready: Succeeded, Running, WaitingForSlot, WaitingForCapacity and so on.", []string{"reason"}, nil)

	auditLabels    = []string{"namespace", "name"}
	layerLabels    = []string{"namespace", "name", "layer"}
	duplicatesDesc = prometheus.NewDesc("datasetaudit_duplicate_ratio", "Share of samples in clusters of near duplicates, from 0 to 1.", layerLabels, nil)
	leakedDesc     = prometheus.NewDesc("datasetaudit_leaked_samples", "Evaluation samples that duplicate training samples.", layerLabels, nil)
	clustersDesc   = prometheus.NewDesc("datasetaudit_clusters", "Clusters of near duplicates.", layerLabels, nil)
	successDesc    = prometheus.NewDesc("datasetaudit_last_success_timestamp_seconds", "When the latest good results were complete, in Unix time.", auditLabels, nil)
	compliantDesc  = prometheus.NewDesc("datasetaudit_compliant", "1 if the audit complies with its policy, 0 if it violates it; absent while that is unknown.", auditLabels, nil)
)

// listTimeout bounds a scrape's look into the cache.
const listTimeout = 5 * time.Second

// Collector tells Prometheus what the audits' statuses say. It reads them at each scrape, so nothing of a deleted audit
// stays.
type Collector struct {
	// Reader is a cache.
	Reader client.Reader
	// PerAudit also gives the figures of each audit.
	PerAudit bool
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	out <- auditsDesc
	if c.PerAudit {
		for _, desc := range []*prometheus.Desc{duplicatesDesc, leakedDesc, clustersDesc, successDesc, compliantDesc} {
			out <- desc
		}
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	audits := &v1alpha1.DatasetAuditList{}
	if err := c.Reader.List(ctx, audits, client.UnsafeDisableDeepCopy); err != nil {
		out <- prometheus.NewInvalidMetric(auditsDesc, err)
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	reasons := map[string]int{}
	for i := range audits.Items {
		audit := &audits.Items[i]
		reason := v1alpha1.ReasonPending
		if ready := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			reason = ready.Reason
		}
		reasons[reason]++
		if c.PerAudit {
			collectAudit(audit, gauge)
		}
	}
	for reason, n := range reasons {
		gauge(auditsDesc, float64(n), reason)
	}
}

func collectAudit(audit *v1alpha1.DatasetAudit, gauge func(*prometheus.Desc, float64, ...string)) {
	result := audit.Status.Result
	if result == nil || result.Summary == nil {
		return
	}
	gauge(successDesc, float64(result.HeldAt().Unix()), audit.Namespace, audit.Name)
	for i := range result.Summary.Layers {
		layer := &result.Summary.Layers[i]
		labels := []string{audit.Namespace, audit.Name, layer.Layer}
		gauge(clustersDesc, float64(layer.Clusters), labels...)
		gauge(duplicatesDesc, float64(layer.DuplicateSamples)/float64(max(layer.Samples, 1)), labels...)
		if layer.Leakage != nil {
			gauge(leakedDesc, float64(layer.Leakage.Samples), labels...)
		}
	}
	switch compliant := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionCompliant); {
	case compliant == nil || compliant.Status == metav1.ConditionUnknown:
	case compliant.Status == metav1.ConditionTrue:
		gauge(compliantDesc, 1, audit.Namespace, audit.Name)
	default:
		gauge(compliantDesc, 0, audit.Namespace, audit.Name)
	}
}

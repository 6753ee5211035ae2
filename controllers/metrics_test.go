package controllers

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// cachedAudits are what a cache holds.
type cachedAudits []v1alpha1.DatasetAudit

func (a cachedAudits) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	panic("a collector lists")
}

func (a cachedAudits) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.DatasetAuditList).Items = a
	return nil
}

// gather is what a scrape gives: names of metrics, and their value by namespace or reason.
func gather(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				if label.GetName() == "reason" || label.GetName() == "name" {
					name += " " + label.GetValue()
				}
			}
			out[name] = metric.GetGauge().GetValue()
		}
	}
	return out
}

func TestCollector(t *testing.T) {
	policy := func(expression string) v1alpha1.PolicySpec {
		return policyRules(v1alpha1.PolicyRule{Name: "leaks", Expression: expression, Severity: v1alpha1.SeverityFail})
	}
	good, bad, unjudged := done(), done(), done()
	good.Name, good.Spec.Policy = "good", policy("layer.leakage.samples < 100")
	bad.Name, bad.Spec.Policy = "bad", policy("layer.leakage.samples == 0")
	unjudged.Name = "unjudged"
	cached := cachedAudits{*newScene().DatasetAudit}
	for _, s := range []*scene{good, bad, unjudged} {
		cached = append(cached, *s.store().DatasetAudit)
	}
	at := float64(planTime.Unix())
	want := map[string]float64{"datasetaudit_audits Pending": 1, "datasetaudit_audits Succeeded": 3}
	if diff := cmp.Diff(want, gather(t, &Collector{Reader: cached})); diff != "" {
		t.Errorf("without figures of each audit (-want +got):\n%s", diff)
	}
	for _, name := range []string{"good", "bad", "unjudged"} {
		want["datasetaudit_clusters "+name] = 37
		want["datasetaudit_duplicate_ratio "+name] = 0.111
		want["datasetaudit_leaked_samples "+name] = 3
		want["datasetaudit_last_success_timestamp_seconds "+name] = at
	}
	want["datasetaudit_compliant good"], want["datasetaudit_compliant bad"] = 1, 0
	if diff := cmp.Diff(want, gather(t, &Collector{Reader: cached, PerAudit: true})); diff != "" {
		t.Errorf("with them (-want +got):\n%s", diff)
	}
}

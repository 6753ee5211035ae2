package gate

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// verdicts counts what the gate said.
var verdicts = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "datasetaudit_gate_verdicts_total",
	Help: "Verdicts on workloads, by AdmissionCheck and action: Start, Hold or Reject.",
}, []string{"check", "action"})

func init() { metrics.Registry.MustRegister(verdicts) }

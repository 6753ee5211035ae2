package index

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
)

// Verdicts are what an operator says of results, by the SHA-256 of their summary.json: it stores nothing beside them.
type Verdicts map[string]Verdict

// A Verdict is what the rules came to.
type Verdict struct {
	Status metav1.ConditionStatus
	// Violated names the rules of severity Fail that are violated.
	Violated string
}

// ReadVerdicts takes them from a list of DatasetAudits, as `kubectl get datasetaudits -o json` prints it.
func ReadVerdicts(data []byte) (Verdicts, error) {
	list := &v1alpha1.DatasetAuditList{}
	if err := json.Unmarshal(data, list); err != nil {
		return nil, fmt.Errorf("it is not a list of DatasetAudits, as kubectl get datasetaudits -o json prints it: %w", err)
	}
	verdicts := Verdicts{}
	for i := range list.Items {
		status := &list.Items[i].Status
		compliant := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionCompliant)
		if status.Result == nil || compliant == nil || compliant.Reason == v1alpha1.ReasonNoPolicy {
			continue
		}
		var violated []string
		for _, rule := range status.Rules {
			if rule.Severity == v1alpha1.SeverityFail && rule.Outcome == v1alpha1.RuleViolated {
				violated = append(violated, rule.Name)
			}
		}
		v := Verdict{Status: compliant.Status}
		if len(violated) > 0 {
			v.Violated = bounded(findings.Names(violated, "and"))
		}
		verdicts[status.Result.SummarySHA256] = v
	}
	return verdicts, nil
}

// judge gives a run the verdict on its summary, if there is one.
func (v Verdicts) judge(r *Run, summarySHA256 string) {
	if said, known := v[summarySHA256]; known {
		r.Verdict, r.Violated = said.Status, said.Violated
	}
}

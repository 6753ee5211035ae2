// Package evidence says what an audit came to in a form that can be checked later and elsewhere: a statement of in-toto
// (https://in-toto.io/Statement/v1) about a dataset, in a signed envelope (DSSE, https://github.com/secure-systems-lab/dsse).
package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What a statement calls itself.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://datasetaudit.io/attestations/audit/v1"
)

// A Statement is about a dataset, which its digest names.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Predicate `json:"predicate"`
}

// A Subject is a dataset: where it lies, and the digest of its samples' names, splits, labels and bytes.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// A Predicate says what was audited, how, and what it came to.
type Predicate struct {
	Audit Audit `json:"audit"`
	Run   Run   `json:"run"`
	// Revision is what the audit's spec calls the version of the dataset.
	Revision string                   `json:"revision,omitempty"`
	Samples  int64                    `json:"samples"`
	Splits   []v1alpha1.SplitSamples  `json:"splits,omitempty"`
	Model    *v1alpha1.SummaryModel   `json:"model,omitempty"`
	Verdict  Verdict                  `json:"verdict"`
	Reviews  string                   `json:"verdictsSHA256,omitempty"`
	Summary  Summary                  `json:"summary"`
	Version  v1alpha1.SummaryVersions `json:"versions"`
	// Operator is the version of the operator that says so.
	Operator string `json:"operator"`
}

// Audit names a DatasetAudit.
type Audit struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Run names a run: the manifest that its pods read, and what asked for it.
type Run struct {
	ID          string `json:"id"`
	InputSHA256 string `json:"inputSHA256"`
	CompletedAt string `json:"completedAt"`
	// Trigger is why it started, and RequestedBy who asked for it; empty where the history has forgotten.
	Trigger     v1alpha1.RunTrigger `json:"trigger,omitempty"`
	RequestedBy string              `json:"requestedBy,omitempty"`
}

// Summary names the findings.
type Summary struct {
	SHA256 string `json:"sha256"`
	URL    string `json:"url,omitempty"`
}

// Verdict is what the findings come to by the rules.
type Verdict struct {
	// Compliant is True, False or Unknown.
	Compliant string                   `json:"compliant"`
	Reason    string                   `json:"reason"`
	Rules     []Rule                   `json:"rules,omitempty"`
	Policies  []v1alpha1.AppliedPolicy `json:"policies,omitempty"`
}

// A Rule is one of the audit's or of the platform's, with what it came to.
type Rule struct {
	Name       string                  `json:"name"`
	Expression string                  `json:"expression"`
	Severity   v1alpha1.PolicySeverity `json:"severity"`
	Outcome    v1alpha1.RuleOutcome    `json:"outcome"`
	Message    string                  `json:"message,omitempty"`
}

// Of makes the statement of an audit's status. The same status always gives the same statement. Rules are those that
// were evaluated. There is none without results of the present spec.
func Of(audit *v1alpha1.DatasetAudit, rules []v1alpha1.PolicyRule, operator string) *Statement {
	result := audit.Status.Result
	compliant := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionCompliant)
	if result == nil || result.Summary == nil || compliant == nil || result.Generation != audit.Generation {
		return nil
	}
	s := result.Summary
	scheme, digest, found := strings.Cut(s.Dataset.Digest, ":")
	if !found {
		return nil
	}
	expressions := map[string]string{}
	for _, r := range rules {
		expressions[r.Name] = r.Expression
	}
	p := Predicate{
		Audit:    Audit{audit.Namespace, audit.Name, string(audit.UID)},
		Run:      runOf(audit),
		Revision: s.Dataset.Revision, Samples: s.Dataset.Samples, Splits: s.Dataset.Splits, Model: s.Model,
		Verdict: Verdict{Compliant: string(compliant.Status), Reason: compliant.Reason, Policies: audit.Status.Policies},
		Summary: Summary{result.SummarySHA256, result.SummaryURL}, Version: s.Versions, Operator: operator,
	}
	if s.Verdicts != nil {
		p.Reviews = s.Verdicts.SHA256
	}
	for _, r := range audit.Status.Rules {
		p.Verdict.Rules = append(p.Verdict.Rules, Rule{r.Name, expressions[r.Name], r.Severity, r.Outcome, r.Message})
	}
	return &Statement{
		Type: StatementType, PredicateType: PredicateType, Predicate: p,
		Subject: []Subject{
			{Name: s.Dataset.Location, Digest: map[string]string{scheme: digest}},
			{Name: v1alpha1.FileSummary, Digest: map[string]string{"sha256": result.SummarySHA256}}, // a file, which other verifiers ask for
		},
	}
}

// runOf is the run that left an audit's results.
func runOf(audit *v1alpha1.DatasetAudit) Run {
	result := audit.Status.Result
	run := Run{ID: result.RunID, InputSHA256: result.Summary.Run.InputSHA256, CompletedAt: result.CompletedAt.UTC().Format("2006-01-02T15:04:05Z")}
	for _, record := range audit.Status.History {
		if record.ID == run.ID {
			run.Trigger, run.RequestedBy = record.Trigger, record.RequestedBy
		}
	}
	return run
}

// parse reads a statement and refuses one about anything else.
func parse(payload []byte) (*Statement, error) {
	s := &Statement{}
	if err := json.Unmarshal(payload, s); err != nil {
		return nil, fmt.Errorf("the statement is not JSON: %w", err)
	}
	switch {
	case s.Type != StatementType:
		return nil, fmt.Errorf("it is a %.100q, not a %s", s.Type, StatementType)
	case s.PredicateType != PredicateType:
		return nil, fmt.Errorf("its predicate is a %.100q, not a %s", s.PredicateType, PredicateType)
	case len(s.Subject) == 0 || len(s.Subject[0].Digest) != 1:
		return nil, errors.New("its first subject is not a dataset with one digest")
	}
	return s, nil
}

// DatasetDigest is that of the dataset, as a summary has it.
func (s *Statement) DatasetDigest() string {
	for scheme, digest := range s.Subject[0].Digest {
		return scheme + ":" + digest
	}
	return ""
}

package report

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// What CI systems read: every rule is a test case by its outcome and severity, and leaks come first.
func TestForCI(t *testing.T) {
	f := onLine(t, 1, small()...)
	f.Folder = "data/my images"
	f.Audit.Name = "<b>&@team #1"
	f.Audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{
		{Name: "fine", Expression: "layer.samples > 0", Severity: v1alpha1.SeverityFail},
		{Name: "broken", Expression: "layer.samples < 0", Severity: v1alpha1.SeverityFail},
		{Name: "warned", Expression: "layer.samples < 1", Severity: v1alpha1.SeverityWarn},
		{Name: "open", Expression: "layer.baseline.samples == 0", Severity: v1alpha1.SeverityFail},
	}
	f.Gated = true
	files, _ := written(t, f)

	var suites junitSuites
	if err := xml.Unmarshal(files[v1alpha1.FileJUnit], &suites); err != nil {
		t.Fatal(err)
	}
	suite := suites.Suites[0]
	if suite.Tests != 5 || suite.Failures != 1 || suite.Errors != 1 || suite.Skipped != 1 || len(suite.Cases) != 5 {
		t.Errorf("suite: %+v", suite)
	}
	for i, c := range suite.Cases {
		got := []bool{c.Failure != nil, c.Error != nil, c.Skipped != nil}
		want := [][]bool{{}, {true}, {false, false, true}, {false, true}, {}}[i]
		for j := range got {
			if got[j] != (j < len(want) && want[j]) {
				t.Errorf("case %s: failure %+v, error %+v, skipped %+v", c.Name, c.Failure, c.Error, c.Skipped)
			}
		}
	}

	markdown := string(files[v1alpha1.FileMarkdown])
	for _, want := range []string{"&lt;b&gt;&amp;@\u200bteam #\u200b1", "does not comply", "| broken | Fail | Violated | layer.samples &lt; 0 |"} {
		if !strings.Contains(markdown, want) {
			t.Errorf("no %q in\n%s", want, markdown)
		}
	}

	var log sarifLog
	if err := json.Unmarshal(files[v1alpha1.FileSARIF], &log); err != nil {
		t.Fatal(err)
	}
	results := log.Runs[0].Results
	if len(results) == 0 || results[0].RuleID != sarifLeakage || results[0].Level != "error" {
		t.Fatalf("results: %+v", results)
	}
	for _, r := range results {
		if uri := r.Locations[0].Physical.Artifact.URI; !strings.HasPrefix(uri, "data/my%20images/") {
			t.Errorf("%s is at %s", r.Message.Text, uri)
		}
	}
	seen := map[string]bool{}
	for _, r := range results {
		if seen[r.Fingerprints["pair/v1"]] {
			t.Errorf("two results have one fingerprint: %+v", r)
		}
		seen[r.Fingerprints["pair/v1"]] = true
	}
}

// A sample of a baseline is not among the files: what it is a copy of is shown, and IDs that look like a scheme stay paths.
func TestSARIFPlaces(t *testing.T) {
	f := &Findings{EvaluationSplits: []string{"test"}}
	sample := func(id string) duplicates.Sample {
		split, _, _ := strings.Cut(id, ":")
		return duplicates.Sample{ID: id, Split: split}
	}
	for _, test := range []struct {
		a, b      string
		baseline  bool
		rule, one string
	}{
		{"train:1", "test:2", false, sarifLeakage, "test:2"},
		{"train:1", "train:2", false, sarifDuplicate, "train:2"},
		{"train:1", "train:2", true, sarifDuplicate, "train:1"},
		{"train:1", "test:2", true, sarifLeakage, "train:1"},
	} {
		a, b := sample(test.a), sample(test.b)
		b.Baseline = test.baseline
		rule, one, _ := f.sarifRule(a, b)
		if rule != test.rule || one.ID != test.one {
			t.Errorf("%+v: %s at %s", test, rule, one.ID)
		}
		if uri := f.sarifAt(one).Physical.Artifact.URI; uri != "./"+test.one {
			t.Errorf("%s is at %s", one.ID, uri)
		}
	}
	if related := f.sarifRelated(sample("x:1")); len(related) != 1 {
		t.Errorf("related: %+v", related)
	}
}

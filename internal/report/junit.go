package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// JUnit's XML, as the CI systems read it: https://github.com/testmoapp/junitxml describes what they agree on.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Skipped *junitMessage `xml:"skipped"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a suite with a test case for each rule, and one for each layer that says what was found there. A
// violated rule of severity Warn is skipped, so that a CI system shows it and goes on.
func (f *Findings) writeJUnit(w io.Writer, summary *v1alpha1.AuditSummary, gate gate) error {
	suite := junitSuite{Name: text.Visible(f.title())}
	for i, rule := range gate.Rules { // in the order of the spec
		c := junitCase{Class: "policy", Name: text.Visible(rule.Name)}
		message := &junitMessage{Message: text.Visible(rule.Message), Text: text.Visible(fmt.Sprintf("%s: %s", f.Audit.Spec.Policy.Rules[i].Expression, rule.Message))}
		switch {
		case rule.Outcome == v1alpha1.RuleFulfilled:
		case rule.Severity == v1alpha1.SeverityWarn:
			c.Skipped = message
			suite.Skipped++
		case rule.Outcome == v1alpha1.RuleViolated:
			c.Failure = message
			suite.Failures++
		default:
			c.Error = message
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, c)
	}
	if gate.Problem != "" {
		suite.Cases = append(suite.Cases, junitCase{Class: "policy", Name: "policy", Error: &junitMessage{Message: text.Visible(gate.Problem)}})
		suite.Errors++
	}
	for i := range summary.Layers {
		l := &summary.Layers[i]
		c := junitCase{Class: "findings", Name: text.Visible(l.Layer)}
		for _, finding := range findings.Layer(l, &summary.Dataset, f.Audit.Spec.Dataset.EvaluationSplits) {
			c.Output += fmt.Sprintf("%s: %s.\n", finding.Topic, text.Visible(finding.Text))
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

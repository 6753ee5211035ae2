package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// maxMarkdownRows bounds each table, so that the comment stays short: GitHub takes 65,536 characters.
const maxMarkdownRows = 20

// writeMarkdown writes the summary as a comment on a pull request has it: the rules, the findings, the figures.
func (f *Findings) writeMarkdown(w io.Writer, summary *v1alpha1.AuditSummary, gate gate) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	row := func(cells ...any) {
		for _, cell := range cells {
			fmt.Fprintf(&b, "| %s ", markdown(fmt.Sprint(cell)))
		}
		line("|")
	}
	marks := map[findings.Kind]string{findings.Bad: "❌ ", findings.Good: "✅ "}

	line("### Dataset audit: %s\n", markdown(f.title()))
	if gate.Title != "" {
		line("**%s%s** %s\n", marks[findings.Kind(gate.Kind)], gate.Title, markdown(gate.Problem))
	}
	if len(gate.Rules) > 0 {
		line("| rule | severity | outcome | expression | figures |\n|---|---|---|---|---|")
		for i, rule := range gate.Rules { // in the order of the spec
			row(rule.Name, rule.Severity, rule.Outcome, f.Audit.Spec.Policy.Rules[i].Expression, rule.Message)
		}
		line("")
	}
	for i := range summary.Layers {
		l := &summary.Layers[i]
		if len(summary.Layers) > 1 {
			line("#### Layer %s\n", markdown(l.Layer))
		}
		for _, finding := range findings.Layer(l, &summary.Dataset, f.Audit.Spec.Dataset.EvaluationSplits) {
			line("- %s%s", marks[finding.Kind], markdown(finding.Text))
		}
		line("\n| | samples | duplicates | effective size |\n|---|--:|--:|--:|")
		row("all", findings.Thousands(l.Samples), findings.Thousands(l.DuplicateSamples), findings.Thousands(l.EffectiveSize))
		for _, group := range [][]v1alpha1.GroupSummary{l.Splits, l.Labels} {
			for _, g := range group[:min(len(group), maxMarkdownRows)] {
				row(orNone(g.Name), findings.Thousands(g.Samples), findings.Thousands(g.DuplicateSamples), findings.Thousands(g.EffectiveSize))
			}
			if more := len(group) - maxMarkdownRows; more > 0 {
				row(fmt.Sprintf("%d more", more), "", "", "")
			}
		}
		line("")
	}
	for _, finding := range findings.Dataset(&summary.Dataset) {
		line("- %s%s", marks[finding.Kind], markdown(finding.Text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orNone(name string) string {
	if name == "" {
		return "(none)"
	}
	return name
}

// markdown disarms what a dataset's names could mean to Markdown, HTML and GitHub: @name and #1 notify and link.
func markdown(s string) string {
	return markdownEscapes.Replace(text.Visible(s))
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "~", `\~`,
	"@", "@\u200b", "#", "#\u200b", "\n", " ", "\r", " ",
)

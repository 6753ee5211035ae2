package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// printSummary says in a table, and in words, what an audit found. Asked are the spec's evaluation splits, rules those
// of its policy.
func printSummary(w io.Writer, s *v1alpha1.AuditSummary, asked []string, rules []v1alpha1.PolicyRule, out string) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format+"\n", args...) } // errors come with Flush

	line("")
	line("LAYER\tSAMPLES\tIN CLUSTERS\tCLUSTERS\tEXACT COPIES\tCOULD GO\tEFFECTIVE SIZE\tTHRESHOLD")
	for _, l := range s.Layers {
		line("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s %.4g", text.Name(l.Layer), l.Samples, l.DuplicateSamples, l.Clusters, l.ExactCopies, l.RedundantSamples,
			l.EffectiveSize, l.Threshold.Strategy, number(l.Threshold.Distance))
	}
	for _, l := range s.Layers {
		if len(s.Layers) > 1 {
			line("")
			line("Layer %s", text.Name(l.Layer))
		}
		printGroups(line, "SPLIT", l.Splits)
		if len(l.Labels) <= maxLabelRows {
			printGroups(line, "LABEL", l.Labels)
		}
		printClusters(line, l.TopClusters)
		line("")
		for _, f := range findings.Layer(&l, &s.Dataset, asked) {
			line("%s: %s.", f.Topic, text.Line(f.Text))
		}
	}
	for _, f := range findings.Dataset(&s.Dataset) {
		line("%s: %s.", f.Topic, text.Line(f.Text))
	}
	printRules(line, s.Policy, rules)
	line("")
	line("What could go: %s", place(out, v1alpha1.FileRemove))
	line("Report: %s", place(out, v1alpha1.FileReport))
	return table.Flush()
}

func printRules(line func(string, ...any), p *v1alpha1.SummaryPolicy, rules []v1alpha1.PolicyRule) {
	if p == nil {
		return
	}
	line("")
	line("RULE\tSEVERITY\tOUTCOME\tEXPRESSION\tFIGURES")
	for i, r := range p.Rules { // in the order of the spec
		line("%s\t%s\t%s\t%s\t%s", text.Name(r.Name), r.Severity, r.Outcome, text.Line(rules[i].Expression), text.Line(r.Message))
	}
}

const (
	maxLabelRows   = 20
	maxClusterRows = 5
)

func printGroups(line func(string, ...any), title string, groups []v1alpha1.GroupSummary) {
	if len(groups) == 0 {
		return
	}
	line("")
	line("%s\tSAMPLES\tDUPLICATES\tEFFECTIVE SIZE", title)
	for _, g := range groups {
		name := g.Name
		if name == "" {
			name = "(none)"
		}
		line("%s\t%d\t%d\t%d", text.Name(name), g.Samples, g.DuplicateSamples, g.EffectiveSize)
	}
}

func printClusters(line func(string, ...any), clusters []v1alpha1.ClusterSummary) {
	if len(clusters) == 0 {
		return
	}
	line("")
	line("TIGHTEST CLUSTERS\tSIZE\tSPLITS\tLABELS")
	for _, c := range clusters[:min(maxClusterRows, len(clusters))] {
		line("%s\t%d\t%s\t%s", text.Name(c.Medoid), c.Size, text.Name(strings.Join(c.Splits, ", ")), text.Name(strings.Join(c.Labels, ", ")))
	}
}

func number(d v1alpha1.Decimal) float64 {
	x, _ := d.Float64() // our own
	return x
}

func place(out, file string) string {
	if strings.Contains(out, "://") {
		base, _, _ := strings.Cut(out, "?") // options are not part of the place
		return strings.TrimSuffix(base, "/") + "/" + file
	}
	return filepath.Join(out, file)
}

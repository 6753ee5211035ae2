package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// printSummary says in a table, and in words, what an audit found.
func printSummary(w io.Writer, s *v1alpha1.AuditSummary, out string) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format+"\n", args...) } // errors come with Flush

	line("")
	line("LAYER\tSAMPLES\tIN CLUSTERS\tCLUSTERS\tEXACT COPIES\tREDUNDANT\tEFFECTIVE SIZE\tTHRESHOLD")
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
		for _, finding := range findings(s, l) {
			line("%s", finding)
		}
	}
	line("")
	line("What could go: %s", place(out, v1alpha1.FileRemove))
	line("Report: %s", place(out, v1alpha1.FileReport))
	return table.Flush()
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

// findings are the sentences that a reader came for.
func findings(s *v1alpha1.AuditSummary, l v1alpha1.LayerSummary) []string {
	hold := "clusters hold"
	if l.Clusters == 1 {
		hold = "cluster holds"
	}
	out := []string{fmt.Sprintf("Duplicates: %d %s %d of %d samples, %d more than one of each.",
		l.Clusters, hold, l.DuplicateSamples, l.Samples, l.RedundantSamples)}
	if local := l.Local; local != nil {
		out = append(out, fmt.Sprintf("Chance: at most %.2g of the %d linked pairs are expected to be look-alikes.", number(local.ChancePairs), local.Pairs))
	}
	switch {
	case l.Leakage == nil:
		out = append(out, "Leakage: not evaluated, since there is no evaluation split beside others.")
	case l.Leakage.Samples == 0:
		out = append(out, "Leakage: no evaluation sample is a copy of, or linked to, a training sample.")
	default:
		out = append(out, fmt.Sprintf("Leakage: %d evaluation samples duplicate training samples, %d of them exactly; %d more are connected with one only through a chain.",
			l.Leakage.Samples, l.Leakage.ExactCopies, l.Leakage.ChainedOnly))
	}
	if known := l.Baseline; known != nil {
		out = append(out, fmt.Sprintf("Baseline: %d samples are in the baseline of %d already, %d of them exactly.",
			known.DuplicateSamples, known.Samples, known.ExactCopies))
	}
	if l.LabelConflicts != nil && *l.LabelConflicts > 0 {
		out = append(out, fmt.Sprintf("Label conflicts (pairs of duplicates without a label in common): %d.", *l.LabelConflicts))
	}
	if l.EqualVectors != nil && *l.EqualVectors > 0 {
		out = append(out, fmt.Sprintf("Equal vectors: %d samples have the very vector of another one, though their pixels differ: does this layer tell pictures apart?", *l.EqualVectors))
	}
	if ignored := s.Dataset.Ignored; ignored != nil && ignored.Files > v1alpha1.HandfulIgnored {
		out = append(out, fmt.Sprintf("Ignored: %d files were taken for no samples: %s.", ignored.Files, text.Name(ignored.String())))
	}
	if skipped := s.Dataset.Skipped.Samples; skipped > 0 {
		out = append(out, fmt.Sprintf("Skipped: %d samples could not be read; summary.json lists the first.", skipped))
	}
	return out
}

func number(d v1alpha1.Decimal) float64 {
	x, _ := d.Float64() // our own
	return x
}

func place(out, file string) string {
	if strings.Contains(out, "://") {
		base, _, _ := strings.Cut(out, "?") // options are no part of the place
		return strings.TrimSuffix(base, "/") + "/" + file
	}
	return filepath.Join(out, file)
}

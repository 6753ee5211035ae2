package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func listCommand(c *cluster) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls", "get"}, Short: "List audits with what they found", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.connect(); err != nil {
				return err
			}
			namespace := c.namespace
			if all {
				namespace = ""
			}
			audits := &v1alpha1.DatasetAuditList{}
			if err := c.client.List(cmd.Context(), audits, client.InNamespace(namespace)); err != nil {
				return err
			}
			if len(audits.Items) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "There are no audits here.")
				return nil
			}
			return list(cmd.OutOrStdout(), audits.Items, all, time.Now())
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "those of all namespaces")
	return cmd
}

func list(out io.Writer, audits []v1alpha1.DatasetAudit, namespaces bool, now time.Time) error {
	t := newTable(out)
	head := []any{"NAME", "STATE", "COMPLIANT", "SAMPLES", "CLUSTERS", "DUPLICATES", "EFFECTIVE", "LEAKED", "RESULTS"}
	if namespaces {
		head = append([]any{"NAMESPACE"}, head...)
	}
	t.row(head...)
	for i := range audits {
		audit := &audits[i]
		row := []any{audit.Name, state(audit), status(audit, v1alpha1.ConditionCompliant), "", "", "", "", "", ""}
		if result := audit.Status.Result; result != nil {
			row[3], row[4], row[5] = result.Samples, result.Clusters, result.DuplicateSamples
			row[8] = duration.HumanDuration(now.Sub(result.CompletedAt.Time)) + " ago"
			if layer := firstLayer(result); layer != nil {
				row[6] = layer.EffectiveSize
				if layer.Leakage != nil {
					row[7] = layer.Leakage.Samples
				}
			}
		}
		if namespaces {
			row = append([]any{audit.Namespace}, row...)
		}
		t.row(row...)
	}
	return t.Flush()
}

// state is the audit in a word, or how far its run is.
func state(audit *v1alpha1.DatasetAudit) string {
	if run := audit.Status.Run; run != nil && run.Outcome == "" && run.Progress != nil {
		return run.Progress.Message
	}
	if ready := condition(audit, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return "-"
}

func condition(audit *v1alpha1.DatasetAudit, kind string) *metav1.Condition {
	return meta.FindStatusCondition(audit.Status.Conditions, kind)
}

func status(audit *v1alpha1.DatasetAudit, kind string) string {
	if c := condition(audit, kind); c != nil {
		return string(c.Status)
	}
	return "-"
}

func firstLayer(result *v1alpha1.ResultStatus) *v1alpha1.LayerSummary {
	if result == nil || result.Summary == nil || len(result.Summary.Layers) == 0 {
		return nil
	}
	return &result.Summary.Layers[0]
}

func describeCommand(c *cluster) *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Say what an audit found, and what its policy says to it", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return describe(cmd.OutOrStdout(), audit, time.Now())
		},
	}
}

func describe(out io.Writer, audit *v1alpha1.DatasetAudit, now time.Time) error {
	t := newTable(out)
	t.row("Audit:", audit.Namespace+"/"+audit.Name)
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant, v1alpha1.ConditionResultsPublished} {
		if c := condition(audit, kind); c != nil {
			t.row(kind+":", fmt.Sprintf("%s, %s: %s", c.Status, c.Reason, c.Message))
		}
	}
	if run := audit.Status.Run; run != nil {
		text := fmt.Sprintf("%s, %s", run.ID, run.Trigger)
		if run.Progress != nil {
			text += ", " + run.Progress.Message
		}
		if run.CompletedAt != nil {
			text += fmt.Sprintf(", %s after %s", run.Outcome, duration.HumanDuration(run.CompletedAt.Sub(run.CreatedAt.Time)))
		}
		t.row("Run:", text)
		t.row("Image:", run.Image)
	}
	if next := audit.Status.NextScheduledTime; next != nil {
		t.row("Next run:", next.Format(time.RFC3339))
	}
	result := audit.Status.Result
	if result == nil {
		t.row("Results:", "none yet")
		return t.Flush()
	}
	t.row("Results:", fmt.Sprintf("of run %s, %s ago", result.RunID, duration.HumanDuration(now.Sub(result.CompletedAt.Time))))
	t.row("", cmp.Or(strings.TrimSuffix(result.SummaryURL, "/"+v1alpha1.FileSummary), "ConfigMap "+result.ClustersConfigMap))
	if changed := result.Changes; changed != nil {
		text := fmt.Sprintf("%+d samples, %+d clusters, %+d duplicates", changed.Samples, changed.Clusters, changed.DuplicateSamples)
		if changed.LeakedSamples != nil {
			text += fmt.Sprintf(", %+d leaked", *changed.LeakedSamples)
		}
		t.row("Changed:", text+" since the results before")
	}
	if result.Summary != nil {
		describeDataset(t, &result.Summary.Dataset)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := describePolicy(out, audit); err != nil {
		return err
	}
	if result.Summary == nil {
		return nil
	}
	for i := range result.Summary.Layers {
		if err := describeLayer(out, &result.Summary.Layers[i], &result.Summary.Dataset, audit.Spec.Dataset.EvaluationSplits); err != nil {
			return err
		}
	}
	return nil
}

// describeDataset says what the dataset was understood to be.
func describeDataset(t table, dataset *v1alpha1.SummaryDataset) {
	var splits []string
	for _, split := range dataset.Splits {
		text := fmt.Sprintf("%s %d", cmp.Or(split.Name, "(none)"), split.Samples)
		if split.Evaluation {
			text += " (evaluation)"
		}
		splits = append(splits, text)
	}
	if len(splits) > 0 {
		t.row("Splits:", strings.Join(splits, ", "))
	}
	for _, f := range findings.Dataset(dataset) {
		t.row(string(f.Topic)+":", f.Text)
	}
}

func describePolicy(out io.Writer, audit *v1alpha1.DatasetAudit) error {
	if len(audit.Status.Rules) == 0 {
		return nil
	}
	t := newTable(out)
	t.row()
	t.row("RULE", "SEVERITY", "OUTCOME", "")
	for _, rule := range audit.Status.Rules {
		t.row(rule.Name, rule.Severity, rule.Outcome, rule.Message)
	}
	return t.Flush()
}

func describeLayer(out io.Writer, layer *v1alpha1.LayerSummary, dataset *v1alpha1.SummaryDataset, asked []string) error {
	t := newTable(out)
	t.row()
	t.row("Layer:", layer.Layer)
	t.row("Threshold:", fmt.Sprintf("%s, distance at most %s", layer.Threshold.Strategy, layer.Threshold.Distance))
	topic := findings.Topic("")
	for _, f := range findings.Layer(layer, dataset, asked) {
		if f.Topic == topic {
			t.row("", f.Text)
			continue
		}
		topic = f.Topic
		t.row(string(topic)+":", f.Text)
	}
	if layer.Leakage != nil {
		label := "Leaks:"
		for _, pair := range layer.Leakage.Pairs {
			t.row(label, fmt.Sprintf("%d of %s in %s", pair.Samples, pair.To, pair.From))
			label = ""
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, groups := range []struct {
		name string
		rows []v1alpha1.GroupSummary
	}{{"SPLIT", layer.Splits}, {"LABEL", layer.Labels}} {
		if len(groups.rows) == 0 {
			continue
		}
		t := newTable(out)
		t.row()
		t.row(groups.name, "SAMPLES", "DUPLICATES", "EFFECTIVE")
		for _, g := range groups.rows {
			t.row(text.Name(cmp.Or(g.Name, "(none)")), g.Samples, g.DuplicateSamples, g.EffectiveSize)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if len(layer.TopClusters) == 0 {
		return nil
	}
	t = newTable(out)
	t.row()
	t.row("CLUSTER", "SIZE", "MEAN DISTANCE", "SPLITS", "MEDOID")
	for i := range layer.TopClusters {
		cluster := &layer.TopClusters[i]
		t.row(cluster.Cluster, cluster.Size, cluster.Mean, text.Name(strings.Join(cluster.Splits, ",")), text.Name(cluster.Medoid))
	}
	return t.Flush()
}

// table aligns columns, and lets nothing through that would steer a terminal. A cell that is a name goes through
// [text.Name] before.
type table struct{ *tabwriter.Writer }

func newTable(out io.Writer) table { return table{tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)} }

func (t table) row(cells ...any) {
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = text.Line(fmt.Sprint(cell))
	}
	_, _ = fmt.Fprintln(t, strings.TrimRight(strings.Join(shown, "\t"), "\t")) // a closed output shows at Flush
}

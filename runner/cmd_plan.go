package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/findings"
)

// planFlags are those of an audit that decide how long it takes.
type planFlags struct {
	auditFlags
	pods   []int
	output format
}

func newPlanCommand() *cobra.Command {
	f := planFlags{output: formatTable}
	cmd := &cobra.Command{
		Use:   "plan [DATASET]",
		Short: "Say what an audit would take: time by stage, memory, storage, for one pod and for several",
		Long: `Say what an audit would take: time by stage, memory and storage, for one pod and for several. Some samples are embedded and
some rows compared on this machine, and the rest is computed from that; each pod is taken to be as fast. Nothing is kept.`,
		Example: `  runner plan ./images --model model.onnx
  runner plan -f audit.yaml --dataset s3://datasets/photos --pods 1,16`,
		Args: datasetArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.takeDataset(args); err != nil {
				return err
			}
			return f.plan(cmd)
		},
		ValidArgsFunction: completeFolders,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "the DatasetAudit, YAML or JSON; - for standard input")
	flags.StringVar(&f.dataset, "dataset", "", "folder or URL of the dataset, instead of dataset.source")
	flags.StringVar(&f.model, "model", "", "file or URL of the ONNX model, instead of model.source")
	f.declared.addFlags(cmd)
	flags.StringVar(&f.work, "work", "", "folder for checkpoints of the audit: what is embedded there is not counted")
	flags.StringVar(&f.vectors, "vectors", "", "folder or URL that keeps vectors, likewise")
	flags.IntSliceVar(&f.pods, "pods", []int{1, 8, 64}, "numbers of pods, as runner.parallelism")
	flags.IntVar(&f.threads, "threads", runtime.GOMAXPROCS(0), "threads that compute at once")
	addOutputFlag(cmd, &f.output)
	for _, err := range []error{
		cmd.MarkFlagFilename("file", "yaml", "yml", "json"), cmd.MarkFlagDirname("dataset"), cmd.MarkFlagFilename("model", "onnx"),
		cmd.MarkFlagDirname("work"), cmd.MarkFlagDirname("vectors"),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

func (f *planFlags) plan(cmd *cobra.Command) (err error) {
	if f.threads < 1 {
		return usage(fmt.Errorf("--threads: %d, must be at least 1", f.threads))
	}
	if len(f.pods) == 0 || slices.Min(f.pods) < 1 {
		return usage(fmt.Errorf("--pods: %v, must be numbers of at least 1", f.pods))
	}
	if f.work == "" {
		if f.work, err = os.MkdirTemp("", "dataset-audit-plan-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(f.work) }()
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.close()
	spec, digest, _, err := f.load(cmd.Context(), cmd.InOrStdin(), progress.Note)
	if err != nil {
		return err
	}
	run := audit.Run{
		Audit: spec, InputSHA256: digest, Dataset: f.dataset, Model: f.model, Work: f.work, Vectors: f.vectors,
		Threads: f.threads, Version: version, Progress: progress,
	}
	plan, err := run.PlanFor(cmd.Context(), f.pods...)
	if err != nil {
		return err
	}
	progress.close()
	if f.output != formatTable {
		return printAs(cmd.OutOrStdout(), f.output, plan)
	}
	return printed(printPlan(cmd.OutOrStdout(), plan, f.threads))
}

func printPlan(w io.Writer, p *audit.Plan, threads int) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format+"\n", args...) } // errors come with Flush
	line("%s, %s of them embedded already. A sample takes %s to embed, with %s.", findings.Count(int64(p.Samples), "sample", "samples"),
		findings.Thousands(p.Kept), time.Duration(p.Embedding*1e9).Round(10*time.Microsecond), findings.Count(int64(threads), "thread", "threads"))
	line("To read: %s. To keep: %s of vectors (%s, %s).", size(p.ReadBytes), size(p.VectorBytes),
		findings.Count(int64(p.Layers), "layer", "layers"), findings.Count(int64(p.Dimensions), "dimension", "dimensions"))
	line("")
	line("PODS\tEMBED\tNEIGHBORS\tREDUCE, INSPECT, REPORTS\tIN ALL\tMEMORY OF THE LAST POD")
	for _, r := range p.Runs {
		line("%d\t%s\t%s\t%s\t%s\t%s", r.Pods, duration(r.Embed), duration(r.Neighbors), duration(r.Rest), duration(r.Embed+r.Neighbors+r.Rest), size(r.Memory))
	}
	return table.Flush()
}

// duration is a time to two digits or so.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= time.Hour:
		return d.Round(time.Minute).String()
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// size is a number of bytes in the unit that suits it.
func size(bytes int64) string {
	value, units := float64(bytes), []string{"B", "kB", "MB", "GB", "TB", "PB"}
	at := 0
	for ; value >= 1000 && at < len(units)-1; at++ {
		value /= 1000
	}
	if at == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[at])
}

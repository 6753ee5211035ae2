package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// keptRow is what a work folder keeps of one recipe.
type keptRow struct {
	Recipe string    `json:"recipe"`
	Parts  int       `json:"parts"`
	Bytes  int64     `json:"bytes"`
	Used   time.Time `json:"used"`
}

func newCacheCommand() *cobra.Command {
	output, unused := formatTable, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "cache FOLDER|URL",
		Short: "List the vectors that a folder or object storage keeps, or remove old ones",
		Long: `List the vectors that a folder for checkpoints (--work), or a folder or URL for vectors (--vectors), keeps for later
audits, or remove those that no audit has used for some time.

Vectors are kept by the digest of a sample's bytes and by recipe: the model, its layers, how images become its input, and
the machine and versions that computed them. An audit takes from the folder whatever it finds there of its recipe, and
embeds the rest. It removes what no audit has used for 40 days, and the recipe that was not used for longest where the
disk is full.`,
		Example: `  runner cache out/.work
  runner cache out/.work --prune 24h
  runner cache s3://audits/vision/.vectors`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if unused < 0 {
				return usage(fmt.Errorf("--prune %s: a time that is over can't be negative", unused))
			}
			if folder, local := storage.LocalPath(args[0]); local {
				if _, err := os.Stat(folder); err != nil {
					return usage(err)
				}
			}
			kept, closing, err := audit.OpenKept(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer closing()
			if cmd.Flags().Changed("prune") {
				freed, err := vectors.Sweep(cmd.Context(), kept, time.Now().Add(-unused))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "Removed %s of vectors.\n", size(freed))
				return printed(err)
			}
			recipes, err := vectors.List(cmd.Context(), kept)
			if err != nil {
				return err
			}
			return printKept(cmd.OutOrStdout(), output, recipes)
		},
		ValidArgsFunction: completeFolders,
	}
	cmd.Flags().DurationVar(&unused, "prune", 0, "remove what no audit has used for so long, such as 24h")
	addOutputFlag(cmd, &output)
	return cmd
}

func printKept(w io.Writer, output format, kept []vectors.Kept) error {
	if output != formatTable {
		rows := []keptRow{}
		for _, k := range kept {
			rows = append(rows, keptRow{k.Recipe, k.Parts, k.Bytes, k.Used.UTC()})
		}
		return printAs(w, output, rows)
	}
	if len(kept) == 0 {
		_, err := fmt.Fprintln(w, "It keeps no vectors.")
		return printed(err)
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "RECIPE\tPARTS\tSIZE\tLAST USED\t") // errors come with Flush
	for _, k := range kept {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\t%s\t\n", k.Recipe, k.Parts, size(k.Bytes), k.Used.Format(time.DateTime))
	}
	return printed(table.Flush())
}

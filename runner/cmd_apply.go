package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/clean"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func newApplyCommand() *cobra.Command {
	var (
		from  auditFlags // of which only the manifest and the dataset count
		apply audit.Application
		as    = string(clean.Copy)
	)
	methods := []string{string(clean.Copy), string(clean.HardLinks), string(clean.SymbolicLinks)}
	cmd := &cobra.Command{
		Use:   "apply --remove remove.csv [DATASET] --to PLACE",
		Short: "Write a copy of a dataset without the samples that an audit would remove",
		Long: `Write a copy of a dataset without the samples that an audit's remove.csv lists. The dataset itself is never changed.

Of a Manifest, --to is a new manifest: every row that stays, byte for byte. Its paths are relative to its own folder, so it
belongs beside the old one. Of an ImageFolder, --to is a new folder with every other file, copied or linked. Hard links need
the same file system. Symbolic links lead out of the new folder: who trains follows them, but an audit refuses to.

remove.csv can be edited first: samples whose rows are deleted stay. It must fit the dataset: every sample that it names, also
those that stay for others, must be there.`,
		Example: `  runner apply --remove out/remove.csv ./images --to ./clean
  runner apply --remove out/remove.csv -f audit.yaml --dataset ./images --to ./clean --as HardLinks`,
		Args: datasetArg,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := from.takeDataset(args); err != nil {
				return err
			}
			if apply.Remove == "" || apply.To == "" {
				return usage(errors.New("--remove names an audit's remove.csv, and --to what is to be written"))
			}
			if !slices.Contains(methods, as) {
				return usage(fmt.Errorf("--as: %q is none of %s", as, strings.Join(methods, ", ")))
			}
			progress := newProgress(cmd.ErrOrStderr())
			defer progress.close()
			if apply.Audit, _, _, err = from.load(cmd.Context(), cmd.InOrStdin(), func(string) {}); err != nil {
				return err
			}
			apply.Dataset, apply.As, apply.Progress = from.dataset, clean.Method(as), progress
			result, err := apply.Execute(cmd.Context())
			if err != nil {
				return err
			}
			progress.close()
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d kept, %d left out%s\n", text.Name(apply.To), result.Kept, result.Removed, unreadable(result.Unreadable))
			return printed(err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&apply.Remove, "remove", "", "file or URL of an audit's remove.csv (required)")
	flags.StringVarP(&from.file, "file", "f", "", "the DatasetAudit, YAML or JSON; - for standard input")
	flags.StringVar(&from.dataset, "dataset", "", "folder or URL of the dataset, instead of dataset.source")
	flags.StringVar(&from.declared.format, "format", "", "format of the dataset (default: found)")
	flags.StringVar(&apply.To, "to", "", "the new manifest or folder (required)")
	flags.StringVar(&as, "as", as, "how the files of a folder come to be: Copy, HardLinks or SymbolicLinks")
	flags.StringVar(&apply.Layer, "layer", "", "the layer whose duplicates go, where the audit had several")
	for _, err := range []error{
		cmd.MarkFlagFilename("remove", "csv"), cmd.MarkFlagFilename("file", "yaml", "yml", "json"), cmd.MarkFlagDirname("dataset"),
		cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(methods, cobra.ShellCompDirectiveNoFileComp)),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

func unreadable(files int) string {
	if files == 0 {
		return ""
	}
	return fmt.Sprintf(", %d unreadable", files)
}

// The runner audits a dataset for near duplicates on the machine that it runs on: it is the program in the operator's pods,
// and works without a cluster just as well.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	cmd, err := newCommand().ExecuteContextC(ctx)
	if err != nil {
		report(cmd, err)
	}
	os.Exit(exitCode(err))
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "runner",
		Short: "Find the near duplicates in a dataset of images or embeddings",
		Long: `Find the near duplicates in a dataset of images or embeddings: which samples are copies, which leak from
train into test, and how large the dataset effectively is.

Exit codes:
   0  the audit is complete; duplicates are a finding, no failure
  64  wrong flags or arguments
  65  the dataset can't be read, is empty, holds a duplicate ID, or too many samples are unreadable
  66  the model is missing, malformed or refused, or a layer is missing or ambiguous
  67  NaN or infinity among the embeddings
  69  the execution provider isn't there
  70  an error that should not happen
  73  no space left on the device
  74  reading or writing failed
  75  interrupted; the next start with the same work folder goes on from the last checkpoint
  78  the spec is invalid, or doesn't fit the dataset or the model`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newAuditCommand(), newApplyCommand(), newLayersCommand(), newVersionCommand())
	return root
}

func usage(err error) error { return v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, err) }

// exactArgs is cobra's, with the exit code of wrong usage.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usage(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
		}
		return nil
	}
}

// printed gives an error of writing to standard output its exit code.
func printed(err error) error {
	if err == nil {
		return nil
	}
	return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("print the result: %w", err))
}

// report prints an error, and to whoever asked for JSON or YAML, on standard output and in that. A pod's last words are the same.
func report(cmd *cobra.Command, err error) {
	fmt.Fprintf(os.Stderr, "Error: %v\n", err)
	failed := v1alpha1.AsRunError(err)
	failed.Code = v1alpha1.ExitCode(exitCode(err))
	failed.Reason = failed.Code.Reason()
	if flag := cmd.Flags().Lookup(terminationFlag); flag != nil {
		terminate(flag.Value.String(), v1alpha1.TerminationMessage{Error: failed})
	}
	flag := cmd.Flags().Lookup("output")
	if flag == nil || format(flag.Value.String()) == formatTable {
		return
	}
	_ = printAs(os.Stdout, format(flag.Value.String()), map[string]any{"error": failed}) // standard error has it
}

// exitCode returns the code by which to end.
func exitCode(err error) int {
	if err == nil {
		return int(v1alpha1.ExitOK)
	}
	if run, ok := errors.AsType[*v1alpha1.RunError](err); ok {
		return int(run.Code)
	}
	return int(v1alpha1.ExitInvalidUsage) // cobra's own: an unknown command
}

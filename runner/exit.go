package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/publish"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// How the program ends: its exit codes, and its last words.

const terminationFlag = "termination-message"

// usage gives an error of flags or arguments its exit code.
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

// complain prints an error, and to whoever asked for JSON or YAML, on standard output and in that. A pod's last words are
// the same.
func complain(cmd *cobra.Command, err error) {
	fmt.Fprintf(os.Stderr, "Error: %s\n", text.Visible(err.Error()))
	failed := v1alpha1.AsRunError(err)
	failed.Code = v1alpha1.ExitCode(exitCode(err))
	failed.Reason = failed.Code.Reason()
	if flag := cmd.Flags().Lookup(terminationFlag); flag != nil {
		terminate(flag.Value.String(), v1alpha1.TerminationMessage{Error: failed})
	}
	flag := cmd.Flags().Lookup("output")
	if failed.Code == v1alpha1.ExitNotCompliant {
		return // the summary was printed, and has the rules
	}
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

// terminate leaves a pod's last words in a file, if there is one. Failing to is no reason to end in another way.
func terminate(file string, message v1alpha1.TerminationMessage) {
	if file == "" {
		return
	}
	if err := publish.Terminate(file, message); err != nil {
		fmt.Fprintf(os.Stderr, "--%s: %v\n", terminationFlag, err)
	}
}

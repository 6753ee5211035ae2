// The runner audits a dataset for near duplicates on the machine that it runs on: it is the program in the operator's
// pods, and works without a cluster just as well.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	cmd, err := newCommand().ExecuteContextC(ctx)
	if err != nil {
		complain(cmd, err)
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
  76  the manifest, the verdicts, the baseline or a reference is not the one whose digest was given
  77  the audit is complete; a rule of severity Fail is violated, or could not be evaluated
  78  the spec is invalid, or doesn't fit the dataset or the model`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newAuditCommand(), newReferenceCommand(), newApplyCommand(), newLayersCommand(), newCacheCommand(), newIndexCommand(), newPlanCommand(), newDigestCommand(), newVerifyCommand(), newServeCommand(), newVersionCommand())
	return root
}

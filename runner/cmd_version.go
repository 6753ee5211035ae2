package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/internal/embed"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the runner and of ONNX Runtime",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			onnxRuntime, err := embed.RuntimeVersion()
			if err != nil {
				onnxRuntime = err.Error() // asking for versions is how one finds out
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "runner        %s\nONNX Runtime  %s\nGo            %s %s/%s\n",
				version, onnxRuntime, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return printed(err)
		},
	}
}

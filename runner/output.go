package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// format is how a command prints its result.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

// String, Set and Type make format a flag's value.

func (f *format) String() string { return string(*f) }

func (*format) Type() string { return "format" }

func (f *format) Set(value string) error {
	switch format(value) {
	case formatTable, formatJSON, formatYAML:
		*f = format(value)
		return nil
	}
	return fmt.Errorf("must be %s, %s or %s", formatTable, formatJSON, formatYAML)
}

func addOutputFlag(cmd *cobra.Command, output *format) {
	cmd.Flags().VarP(output, "output", "o", "print the result as table, json or yaml")
	complete := cobra.FixedCompletions([]string{string(formatTable), string(formatJSON), string(formatYAML)}, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err) // the flag was added above
	}
}

// printAs prints a value as JSON or YAML.
func printAs(w io.Writer, output format, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err == nil && output == formatYAML {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", data)
	return printed(err)
}

// printed gives an error of writing to standard output its exit code.
func printed(err error) error {
	if err == nil {
		return nil
	}
	return v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("print the result: %w", err))
}

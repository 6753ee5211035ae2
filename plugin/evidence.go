package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func evidenceCommand(c *cluster) *cobra.Command {
	return &cobra.Command{
		Use: "evidence NAME", Short: "Print what the operator has signed of an audit's results, for runner verify and other tools",
		Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if audit.Status.Result == nil {
				return errors.New("there are no results yet")
			}
			records := &v1alpha1.AuditRecordList{}
			if err := c.client.List(cmd.Context(), records, client.InNamespace(audit.Namespace), client.MatchingLabels{v1alpha1.LabelRun: audit.Status.Result.RunID}); err != nil {
				return err
			}
			for _, record := range records.Items {
				if record.Evidence != "" {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), record.Evidence)
					return err
				}
			}
			return errors.New("nothing is signed: the operator has no key (--evidence-key), or the results are of an earlier version")
		},
	}
}

package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// layerRow is a layer that model.layers can name.
type layerRow struct {
	Tensor   string `json:"tensor"`
	Node     string `json:"node,omitempty"`
	Operator string `json:"operator"`
	Shape    string `json:"shape"`
	// Suggested: by this layer one would compare images.
	Suggested string `json:"suggested,omitempty"`
	// PooledWidth is the number of values per sample with the default pooling; 0 if it can't be told or pooling needs
	// axes.
	PooledWidth int `json:"pooledWidth,omitempty"`
}

func newLayersCommand() *cobra.Command {
	output := formatTable
	cmd := &cobra.Command{
		Use:   "layers MODEL",
		Short: "List the layers of an ONNX model that an audit can read",
		Long: `List the layers of an ONNX model in the graph's order: the tensor, the node that writes it, its operator, its
shape (N is the batch), and how many numbers a sample has after the default pooling. model.layers takes either name.
The layer that one would choose is marked.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rows, err := listLayers(args[0])
			if err != nil {
				return err
			}
			return printLayers(cmd.OutOrStdout(), output, rows)
		},
	}
	addOutputFlag(cmd, &output)
	return cmd
}

func listLayers(path string) ([]layerRow, error) {
	model, err := embed.OpenModel(path, "")
	if err != nil {
		return nil, err
	}
	layers, shapes, err := embed.Layers(path, model)
	if err != nil {
		return nil, err
	}
	suggested := model.Suggest(shapes)
	rows := make([]layerRow, len(layers))
	for i, l := range layers {
		rows[i] = layerRow{Tensor: l.Tensor, Node: l.Node, Operator: l.Op, Shape: shapes[l.Tensor].String()}
		if suggested != nil && suggested.Layer.Tensor == l.Tensor {
			rows[i].Suggested = suggested.Why
			if suggested.Token != nil {
				rows[i].Suggested += fmt.Sprintf(" (pooling: {token: %d})", *suggested.Token)
			}
		}
		// An error says that this layer needs more than the default: then there is no width to show.
		rows[i].PooledWidth, _ = model.Width(onnx.Request{Layer: "tensor:" + l.Tensor}, shapes)
	}
	return rows, nil
}

func printLayers(w io.Writer, output format, rows []layerRow) error {
	if output != formatTable {
		return printAs(w, output, rows)
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "TENSOR\tNODE\tOPERATOR\tSHAPE\tPOOLED\t") // errors come with Flush
	for _, r := range rows {
		node, width := r.Node, "-"
		if node == "" {
			node = "-"
		}
		if r.PooledWidth > 0 {
			width = strconv.Itoa(r.PooledWidth)
		}
		mark := ""
		if r.Suggested != "" {
			mark = "← " + r.Suggested
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", text.Name(r.Tensor), text.Name(node), text.Name(r.Operator), r.Shape, width, mark)
	}
	return printed(table.Flush())
}

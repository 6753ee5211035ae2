package onnx_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// A model of two layers is cut after the first: what is left maps a batch of images to their vectors.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.onnx")
	model := ir.Model{Opset: 17, Graph: ir.Graph{
		Inputs: []ir.Value{{Name: "image", Type: ir.Float32, Dims: []int64{-1, 3, 8, 8}}},
		Nodes: []ir.Node{
			{Name: "relu", Op: "Relu", Inputs: []string{"image"}, Outputs: []string{"features"}},
			{Name: "sum", Op: "ReduceSum", Inputs: []string{"features"}, Outputs: []string{"score"}},
		},
		Outputs: []ir.Value{{Name: "score"}},
	}}
	if err := os.WriteFile(path, model.Marshal(), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	opened, err := onnx.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, layer := range opened.Layers() {
		fmt.Println(layer.Tensor, layer.Op)
	}
	shapes := onnx.Shapes{"features": {Type: ir.Float32, Dims: []int64{-1, 3, 8, 8}}}
	width, err := opened.Width(onnx.Request{Layer: "relu"}, shapes)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("values of a vector:", width)
	// Output:
	// features Relu
	// score ReduceSum
	// values of a vector: 3
}

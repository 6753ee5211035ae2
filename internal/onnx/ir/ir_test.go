package ir_test

import (
	"fmt"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

func ExampleModel() {
	model := ir.Model{Opset: 17, Graph: ir.Graph{
		Inputs:       []ir.Value{{Name: "x", Type: ir.Float32, Dims: []int64{-1, 2}}},
		Nodes:        []ir.Node{{Op: "MatMul", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
		Outputs:      []ir.Value{{Name: "y"}},
		Initializers: []ir.Tensor{ir.Float32s("w", []int64{2, 1}, 0.5, -1)},
	}}
	fmt.Printf("%d bytes\n", len(model.Marshal()))
	// Output: 84 bytes
}

func TestElementTypeString(t *testing.T) {
	for typ, want := range map[ir.ElementType]string{
		ir.Undefined: "undefined", ir.Float32: "float32", ir.Float16: "float16", ir.BFloat16: "bfloat16", 17: "type 17", -1: "type -1",
	} {
		if got := typ.String(); got != want {
			t.Errorf("ElementType(%d) = %q, want %q", int32(typ), got, want)
		}
	}
}

package onnx

import (
	"errors"
	"runtime"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// FuzzOpenCut takes any bytes for a model, lists its layers and cuts it at each of the first ones. Errors are typed,
// what is cut is a model again, and memory stays within a multiple of the file's size, whatever lengths the bytes
// claim.
func FuzzOpenCut(f *testing.F) {
	f.Add([]byte("a text file"))
	for _, opset := range []int64{11, 18} {
		f.Add(tiny(opset).Marshal())
		f.Add(backbone(opset, ir.Float16, 1).Marshal())
	}
	f.Add(names().Marshal())
	captured := tiny(17)
	captured.Graph.Nodes = append(captured.Graph.Nodes, branch("gap", "conv1_out", "flat"))
	captured.Functions = []ir.Function{{Domain: "own", Name: "Relu", Opset: 17, Inputs: []string{"a"}, Outputs: []string{"b"}}}
	f.Add(captured.Marshal())
	external := tiny(17)
	external.Graph.Initializers[0].Location = "w.bin"
	external.Graph.Nodes = append(external.Graph.Nodes, ir.Node{Op: "QuantizeLinear", Inputs: []string{"flat", "b", "w"}, Outputs: []string{"q"}, Attributes: []ir.Attribute{ir.AttrInt("axis", 0)}})
	f.Add(external.Marshal())

	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := parse(folder+"/model.onnx", data)
		runtime.ReadMemStats(&after)
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+4096*len(data)); took > most {
			t.Fatalf("%d bytes took %d bytes of memory, more than %d", len(data), took, most)
		}
		if err != nil {
			if _, ok := errors.AsType[*InvalidError](err); !ok {
				t.Fatalf("parse: %v, want an InvalidError", err)
			}
			return
		}
		_, err = m.Input()
		var unsupported *UnsupportedError
		if err != nil && !errors.As(err, &unsupported) {
			t.Fatalf("Input: %v, want an UnsupportedError", err)
		}
		for i, l := range m.Layers() {
			if i == 8 {
				break
			}
			shapes := Shapes{}
			if len(l.Shape.Dims) == 0 {
				dims := []int64{-1, 2, 3, 4}
				shapes[l.Tensor] = Shape{Dims: dims[:2+i%3]}
			}
			if _, err := m.Resolve(l.Node + "?"); err == nil {
				t.Logf("there is a layer %q", l.Node+"?")
			}
			cut, err := m.Cut([]Request{{Layer: "tensor:" + l.Tensor, Pooling: Pooling{Method: Sum}}, {Layer: l.Tensor}}, shapes)
			if err != nil {
				continue
			}
			again, err := parse("cut.onnx", cut.Bytes)
			if err != nil {
				t.Fatalf("the cut at %q is not a model: %v", l.Tensor, err)
			}
			if in, err := again.Input(); err != nil || in.Name != cut.Input.Name {
				t.Fatalf("the cut at %q has input %q, %v, want %q", l.Tensor, in.Name, err, cut.Input.Name)
			}
			if len(again.graph.outputs) != 2 || again.producer(cut.Outputs[0].Name) == nil || again.producer(cut.Outputs[1].Name) == nil {
				t.Fatalf("the cut at %q does not write its outputs", l.Tensor)
			}
		}
	})
}

package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// content lists what a model holds, by kind.
type content struct {
	Nodes, Initializers, Inputs, Outputs, Values, Annotations, Functions []string
}

func contentOf(t testing.TB, b []byte) content {
	t.Helper()
	m, err := parse("cut.onnx", b)
	if err != nil {
		t.Fatal(err)
	}
	var c content
	for _, n := range m.graph.nodes {
		c.Nodes = append(c.Nodes, n.op.name+" "+n.output())
	}
	for _, r := range m.graph.initializers {
		c.Initializers = append(c.Initializers, r.name)
	}
	for i, values := range [][]value{m.graph.inputs, m.graph.outputs, m.graph.values} {
		list := []*[]string{&c.Inputs, &c.Outputs, &c.Values}[i]
		for _, v := range values {
			*list = append(*list, v.name)
		}
	}
	for _, r := range m.graph.annotations {
		c.Annotations = append(c.Annotations, r.name)
	}
	for _, fn := range m.functions {
		c.Functions = append(c.Functions, fn.name)
	}
	return c
}

func TestCutKeepsWhatIsNeeded(t *testing.T) {
	model := tiny(17)
	model.Graph.Values = []ir.Value{{Name: "act_out"}, {Name: "flat"}}
	model.Graph.Inputs = append(model.Graph.Inputs, ir.Value{Name: "w", Type: ir.Float32}, ir.Value{Name: "fc_w", Type: ir.Float32})
	model.Functions = []ir.Function{
		{Domain: "own", Name: "Outer", Opset: 17, Inputs: []string{"a"}, Outputs: []string{"b"}, Nodes: []ir.Node{{Op: "Inner", Domain: "own", Inputs: []string{"a"}, Outputs: []string{"b"}}}},
		{Domain: "own", Name: "Unused", Opset: 17, Inputs: []string{"a"}, Outputs: []string{"b"}, Nodes: []ir.Node{{Op: "Relu", Inputs: []string{"a"}, Outputs: []string{"b"}}}},
		{Domain: "own", Name: "Inner", Opset: 17, Inputs: []string{"a"}, Outputs: []string{"b"}, Nodes: []ir.Node{{Op: "Neg", Inputs: []string{"a"}, Outputs: []string{"b"}}}},
	}
	model.Graph.Nodes[1] = ir.Node{Name: "act", Op: "Outer", Domain: "own", Inputs: []string{"conv1_out"}, Outputs: []string{"act_out"}}
	model.Domains = map[string]int64{"own": 1}
	m := mustParse(t, model)
	cut, err := m.Cut([]Request{{Layer: "act"}}, Shapes{"act_out": {Dims: []int64{-1, 5, 6, 4}, Type: Float32}})
	if err != nil {
		t.Fatal(err)
	}
	want := content{
		Nodes:        []string{"Conv conv1_out", "Outer act_out", "ReduceMax dataset-audit/act_out/ReduceMax", "Flatten dataset-audit/act_out/pooled"},
		Initializers: []string{"w", "b"},
		Inputs:       []string{"x", "w"},
		Outputs:      []string{"dataset-audit/act_out/pooled"},
		Values:       []string{"act_out"},
		Functions:    []string{"Outer", "Inner"},
	}
	if diff := cmp.Diff(want, contentOf(t, cut.Bytes)); diff != "" {
		t.Error(diff)
	}
	if cut.Outputs[0].Width != 5 || cut.Input.Name != "x" || cut.DataFolder != "" {
		t.Errorf("cut of width %d, input %q, folder %q", cut.Outputs[0].Width, cut.Input.Name, cut.DataFolder)
	}
	for _, n := range model.Graph.Nodes[:2] {
		if !bytes.Contains(cut.Bytes, n.Marshal()) {
			t.Errorf("the node %s was not passed on as it was", n.Name)
		}
	}

	exposed, err := m.Expose("conv1_out", "gap", "conv1_out")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"conv1_out", "gap"}, contentOf(t, exposed.Bytes).Outputs); diff != "" {
		t.Error(diff)
	}
	var unknown *UnknownLayerError
	if _, err := m.Expose("w"); !errors.As(err, &unknown) {
		t.Errorf("Expose of an initializer: %v, want an UnknownLayerError", err)
	}
}

func TestCutDropsWhatNamesTheRest(t *testing.T) {
	sparse := func(name string) []byte {
		var b message
		b.field(ir.SparseValues, ir.Float32s(name, []int64{1}, 1).Marshal())
		b.field(ir.SparseIndices, ir.Int64s("", []int64{1}, 0).Marshal())
		return b.bytes()
	}
	annotation := func(tensor string) []byte {
		var b message
		b.field(ir.AnnotationTensor, []byte(tensor))
		return b.bytes()
	}
	model := tiny(17)
	model.Graph.Nodes[4].Inputs[1] = "sparse_fc"
	model.Graph.Nodes[0].Inputs[2] = "sparse_b"
	var graph, file message
	graph.field(ir.GraphSparseInitializer, sparse("sparse_b"))
	graph.field(ir.GraphSparseInitializer, sparse("sparse_fc"))
	graph.field(ir.GraphQuantization, annotation("conv1_out"))
	graph.field(ir.GraphQuantization, annotation("flat"))
	file.raw(model.Marshal())
	file.field(ir.ModelGraph, graph.bytes())
	file.field(ir.ModelTraining, []byte("\x0a\x04loss"))
	m, err := parse("m.onnx", file.bytes())
	if err != nil {
		t.Fatal(err)
	}
	cut, err := m.Cut([]Request{{Layer: "conv1", Pooling: Pooling{Method: None}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := contentOf(t, cut.Bytes)
	if diff := cmp.Diff([]string{"w", "sparse_b"}, got.Initializers); diff != "" {
		t.Errorf("initializers: %s", diff)
	}
	if diff := cmp.Diff([]string{"conv1_out"}, got.Annotations); diff != "" {
		t.Errorf("annotations: %s", diff)
	}
	if bytes.Contains(cut.Bytes, []byte("loss")) {
		t.Error("the training graph is still there")
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	const mark = "written by a later version"
	model := tiny(17)
	extra := func(b []byte) []byte { // field 999, bytes
		return append(append(b, 0xba, 0x3e, byte(len(mark))), mark...)
	}
	var graph, file message
	for _, n := range model.Graph.Nodes {
		graph.field(ir.GraphNode, extra(n.Marshal()))
	}
	model.Graph.Nodes = nil
	graph.raw(extra(model.Graph.Marshal()))
	model.Graph = ir.Graph{}
	file.raw(extra(model.Marshal()))
	file.field(ir.ModelGraph, graph.bytes()) // a second graph field, which adds to the first
	m, err := parse("m.onnx", file.bytes())
	if err != nil {
		t.Fatal(err)
	}
	cut, err := m.Cut([]Request{{Layer: "conv1", Pooling: Pooling{Method: None}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(cut.Bytes, []byte(mark)); got != 3 {
		t.Errorf("%d unknown fields survive, want those of model, graph and one node", got)
	}
}

func TestCutRefuses(t *testing.T) {
	rank := func(dims ...int64) Shapes { return Shapes{"act_out": {Dims: dims, Type: Float32}} }
	tests := map[string]struct {
		pooling Pooling
		shapes  Shapes
		want    string
	}{
		"shape unknown":    {Pooling{}, nil, "its shape is not known"},
		"rank 5":           {Pooling{}, rank(-1, 2, 3, 4, 5), "its rank is 5 (shape N×2×3×4×5)"},
		"rank 1":           {Pooling{}, rank(-1), "its rank is 1"},
		"method":           {Pooling{Method: "Median"}, rank(-1, 5), `pooling "Median"`},
		"batch":            {Pooling{Axes: []int{0}}, rank(-1, 5), "axis 0 is the batch"},
		"batch, backwards": {Pooling{Axes: []int{-2}}, rank(-1, 5), "axis 0 is the batch"},
		"no such axis":     {Pooling{Axes: []int{2}}, rank(-1, 5), "axis 2 does not exist in shape N×5"},
		"axis twice":       {Pooling{Axes: []int{1, -1}}, rank(-1, 5), "an axis is given twice"},
		"axis from last":   {Pooling{Axes: []int{-1}}, nil, "axis -1 counts from the last"},
		"none with axes":   {Pooling{Method: None, Axes: []int{1}}, rank(-1, 5), "None takes no axes"},
		"token with axes":  {Pooling{Token: new(0), Axes: []int{1}}, rank(-1, 4, 5), "not both"},
		"token, rank 4":    {Pooling{Token: new(0)}, rank(-1, 5, 6, 7), "a token needs rank 3"},
		"token, no shape":  {Pooling{Token: new(0)}, nil, "a token needs rank 3"},
		"no such token":    {Pooling{Token: new(4)}, rank(-1, 4, 5), "token 4 of 4 does not exist"},
		"not the batch":    {Pooling{}, rank(49, 4, 5), "its first dimension is not the batch"},
		"strings":          {Pooling{}, Shapes{"act_out": {Dims: []int64{-1, 5}, Type: ir.String}}, "its elements are string"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, tiny(17))
			_, err := m.Cut([]Request{{Layer: "act", Pooling: test.pooling}}, test.shapes)
			var bad *LayerError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Cut: %v, want a LayerError with %q", err, test.want)
			}
			if _, got := m.Width(Request{Layer: "act", Pooling: test.pooling}, test.shapes); fmt.Sprint(got) != fmt.Sprint(err) {
				t.Errorf("Width: %v, want Cut's error", got)
			}
		})
	}
	if _, err := mustParse(t, tiny(17)).Cut(nil, nil); err == nil {
		t.Error("Cut of nothing succeeded")
	}
}

func TestAddedNamesAreFree(t *testing.T) {
	model := tiny(17)
	model.Graph.Nodes = append(model.Graph.Nodes, // names as of an earlier cut
		ir.Node{Name: "dataset-audit/flat/pooled", Op: "Relu", Inputs: []string{"flat"}, Outputs: []string{"dataset-audit/flat/pooled_2"}})
	m := mustParse(t, model)
	cut, err := m.Cut([]Request{{Layer: "flat"}, {Layer: "dataset-audit/flat/pooled_2"}, {Layer: "flat"}},
		Shapes{"flat": {Dims: []int64{-1, 5}, Type: Float32}, "dataset-audit/flat/pooled_2": {Dims: []int64{-1, 5}, Type: Float32}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"dataset-audit/flat/pooled_3", "dataset-audit/dataset-audit/flat/pooled_2/pooled", "dataset-audit/flat/pooled_4"}
	if diff := cmp.Diff(want, contentOf(t, cut.Bytes).Outputs); diff != "" {
		t.Error(diff)
	}
}

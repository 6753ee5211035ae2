package onnx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

func TestLayers(t *testing.T) {
	model := tiny(17)
	model.Graph.Values = []ir.Value{{Name: "act_out", Type: ir.Float32, Dims: []int64{-1, 5, 6, 4}}}
	// Neither a constant nor what is made of constants alone is a layer; a branch is a use.
	model.Graph.Nodes = append(model.Graph.Nodes,
		ir.Node{Op: "Constant", Outputs: []string{"yes"}},
		ir.Node{Op: "Not", Inputs: []string{"yes"}, Outputs: []string{"no"}},
		branch("no", "act_out", "gap"))
	want := []Layer{
		{Tensor: "conv1_out", Node: "conv1", Op: "Conv", Consumers: 1},
		{Tensor: "act_out", Node: "act", Op: "Relu", Consumers: 2, Shape: Shape{Dims: []int64{-1, 5, 6, 4}, Type: Float32}},
		{Tensor: "gap", Op: "GlobalAveragePool", Consumers: 2},
		{Tensor: "flat", Op: "Flatten", Consumers: 1},
		{Tensor: "logits", Node: "fc", Op: "MatMul", Output: true},
		{Tensor: "chosen", Op: "If"},
	}
	if diff := cmp.Diff(want, mustParse(t, model).Layers()); diff != "" {
		t.Error(diff)
	}
}

// branch is an If that takes one of two tensors of the outer graph.
func branch(condition, then, otherwise string) ir.Node {
	take := func(name, from string) ir.Graph {
		return ir.Graph{
			Name:    name,
			Nodes:   []ir.Node{{Op: "Neg", Inputs: []string{from}, Outputs: []string{name + "_taken"}}},
			Outputs: []ir.Value{{Name: name + "_taken", Type: ir.Float32}},
		}
	}
	return ir.Node{Op: "If", Inputs: []string{condition}, Outputs: []string{"chosen"}, Attributes: []ir.Attribute{
		ir.AttrGraph("then_branch", take("then", then)), ir.AttrGraph("else_branch", take("else", otherwise))}}
}

// names is a graph whose nodes and tensors bear confusing names.
func names() ir.Model {
	relu := func(name, in, out string) ir.Node {
		return ir.Node{Name: name, Op: "Relu", Inputs: []string{in}, Outputs: []string{out}}
	}
	return ir.Model{Opset: 17, Graph: ir.Graph{
		Inputs: image(-1, 3, 8, 8),
		Nodes: []ir.Node{
			relu("own", "x", "own"),       // a node named like its own output
			relu("crossed", "own", "b"),   // a node named like another one's output
			relu("other", "b", "crossed"), //
			relu("twin", "crossed", "t1"), // two nodes of one name
			relu("twin", "t1", "t2"),      //
			relu("tensor:b", "t2", "t3"),  // names that look like prefixes
			relu("", "t3", "node:other"),  //
			{Op: "Split", Name: "split", Inputs: []string{"node:other"}, Outputs: []string{"", "second"}},
			{Op: "Constant", Name: "constant", Outputs: []string{"c"}},
			{Op: "SequenceConstruct", Inputs: []string{"b"}, Outputs: []string{"list"}},
		},
		Outputs: []ir.Value{{Name: "second"}},
	}}
}

func TestResolve(t *testing.T) {
	m := mustParse(t, names())
	for layer, want := range map[string]string{
		"own":               "own",
		"b":                 "b",
		"tensor:crossed":    "crossed",
		"node:crossed":      "b",
		"other":             "crossed",
		"t2":                "t2",
		"tensor:b":          "b", // a prefix before a name in its own right
		"node:tensor:b":     "t3",
		"node:other":        "crossed",
		"tensor:node:other": "node:other",
		"split":             "second", // its first output is omitted
	} {
		got, err := m.Resolve(layer)
		if err != nil || got.Name != want {
			t.Errorf("Resolve(%q) = %q, %v, want %q", layer, got.Name, err, want)
		}
	}
	for layer, tensors := range map[string][]string{"crossed": {"crossed", "b"}, "twin": {"t1", "t2"}, "node:twin": {"t1", "t2"}} {
		_, err := m.Resolve(layer)
		var bad *AmbiguousLayerError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "write tensor:NAME") {
			t.Errorf("Resolve(%q): %v, want an AmbiguousLayerError that tells the way out", layer, err)
			continue
		}
		var got []string
		for _, t := range bad.Tensors {
			got = append(got, t.Name)
		}
		if diff := cmp.Diff(tensors, got); diff != "" {
			t.Errorf("Resolve(%q): %s", layer, diff)
		}
	}
	var unusable *LayerError
	if _, err := m.Resolve("constant"); !errors.As(err, &unusable) || !strings.Contains(err.Error(), "does not depend") {
		t.Errorf("Resolve(constant): %v, want a LayerError", err)
	}
	for _, layer := range []string{"", "x", "node:t1", "tensor:twin"} {
		var bad *UnknownLayerError
		if _, err := m.Resolve(layer); !errors.As(err, &bad) {
			t.Errorf("Resolve(%q): %v, want an UnknownLayerError", layer, err)
		}
	}
}

func TestUnknownLayer(t *testing.T) {
	model := ir.Model{Opset: 17, Graph: ir.Graph{Inputs: image(-1, 3, 8, 8)}}
	previous := "x"
	for i := range 9 {
		out := fmt.Sprintf("/features/conv%d/Conv_output_0", i)
		model.Graph.Nodes = append(model.Graph.Nodes, ir.Node{Name: fmt.Sprintf("block_%d", i), Op: "Conv", Inputs: []string{previous}, Outputs: []string{out}})
		previous = out
	}
	model.Graph.Outputs = []ir.Value{{Name: previous, Type: ir.Float32, Dims: []int64{-1, 7}}}
	m := mustParse(t, model)
	for layer, nearest := range map[string]string{
		"conv3":       "/features/conv3/Conv_output_0",
		"blok_4":      "/features/conv4/Conv_output_0",
		"Block_8":     "/features/conv8/Conv_output_0",
		"node:blck_5": "/features/conv5/Conv_output_0",
	} {
		_, err := m.Resolve(layer)
		var bad *UnknownLayerError
		if !errors.As(err, &bad) {
			t.Fatalf("Resolve(%q): %v, want an UnknownLayerError", layer, err)
		}
		if len(bad.Nearest) != nearestNames || bad.Nearest[0].Tensor != nearest {
			t.Errorf("Resolve(%q): nearest %+v, want %s first", layer, bad.Nearest, nearest)
		}
	}
	_, err := m.Resolve("Block_8")
	const want = `model model.onnx has no layer "Block_8"; the nearest are node "block_8" with tensor "/features/conv8/Conv_output_0" (Conv, N×7), node "block_7"`
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q, want prefix %q", err, want)
	}
	var bad *UnknownLayerError
	errors.As(err, &bad)
	bad.Shapes = Shapes{"/features/conv7/Conv_output_0": {Dims: []int64{-1, 64, 7, 7}}}
	if !strings.Contains(bad.Error(), "(Conv, N×64×7×7)") {
		t.Errorf("error %q does not show the shape that was filled in", bad)
	}
}

func TestNameDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"conv1", "conv1", 0}, {"conv1", "CONV1", 0}, {"kitten", "sitting", 3}, {"", "abc", 3}, {"abc", "", 3},
		{"conv2", "/features/conv2", 2}, // 10 edits, but contained
	} {
		if got := nameDistance(test.a, test.b); got != test.want {
			t.Errorf("nameDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestLayout(t *testing.T) {
	transpose := func(in, out string, perm ...int64) ir.Node {
		return ir.Node{Op: "Transpose", Inputs: []string{in}, Outputs: []string{out}, Attributes: []ir.Attribute{ir.AttrInts("perm", perm...)}}
	}
	packed := transpose("a", "y") // newer writers pack repeated numbers
	packed.Attributes[0] = ir.RawAttribute(append([]byte("\x0a\x04perm"), 0x42, 4, 0, 2, 3, 1))
	node := func(op, out string, in ...string) ir.Node { return ir.Node{Op: op, Inputs: in, Outputs: []string{out}} }
	tests := map[string]struct {
		input []int64
		nodes []ir.Node
		want  Layout // of y
	}{
		"convolution":                {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), node("Relu", "y", "a")}, NCHW},
		"channels last input":        {[]int64{-1, 8, 8, 3}, []ir.Node{node("Mul", "a", "x", "w"), node("Relu", "y", "a")}, NHWC},
		"convolution of such":        {[]int64{-1, 8, 8, 3}, []ir.Node{transpose("x", "a", 0, 3, 1, 2), node("Conv", "b", "a", "w"), node("Add", "y", "w", "b")}, NCHW},
		"transposed back":            {[]int64{-1, 8, 8, 3}, []ir.Node{transpose("x", "a", 0, 3, 1, 2), node("Conv", "b", "a", "w"), transpose("b", "c", 0, 2, 3, 1), node("LayerNormalization", "y", "c", "w")}, NHWC},
		"packed perm":                {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), packed}, NHWC},
		"bad perm":                   {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), transpose("a", "y", 0, 9, -7, 1)}, NCHW},
		"width before height":        {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), transpose("a", "y", 0, 3, 2, 1)}, "NWHC"},
		"batch last":                 {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), transpose("a", "y", 2, 3, 1, 0)}, "HWCN"},
		"default perm":               {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), node("Transpose", "y", "a")}, "WHCN"},
		"two permutations":           {[]int64{-1, 3, 8, 8}, []ir.Node{node("Conv", "a", "x", "w"), transpose("a", "b", 0, 2, 3, 1), transpose("b", "y", 0, 2, 1, 3)}, "NWHC"},
		"after a reshape, to a conv": {[]int64{-1, 3, 8, 8}, []ir.Node{node("Reshape", "y", "x", "w"), transpose("y", "a", 0, 3, 1, 2), node("Conv", "z", "a", "w")}, NHWC},
		"after a reshape, nothing":   {[]int64{-1, 3, 8, 8}, []ir.Node{node("Reshape", "y", "x", "w")}, NCHW},
		"the same, channels last":    {[]int64{-1, 8, 8, 3}, []ir.Node{node("Reshape", "y", "x", "w")}, NHWC},
		"nothing known":              {nil, []ir.Node{node("Reshape", "y", "x", "w")}, NCHW},
		"the runtime's own":          {[]int64{-1, 3, 8, 8}, []ir.Node{node("NhwcConv", "y", "x", "w")}, NHWC},
		"another branch":             {nil, []ir.Node{node("Reshape", "a", "x", "w"), node("Conv", "b", "x", "w"), node("Mul", "y", "a", "b")}, NCHW},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := mustParse(t, ir.Model{Opset: 17, Graph: ir.Graph{
				Inputs: image(test.input...), Nodes: test.nodes, Outputs: []ir.Value{{Name: "y"}}, Initializers: []ir.Tensor{weights("w", 1, 1)}}})
			if got := m.layout("y"); got != test.want {
				t.Errorf("layout %s, want %s", got, test.want)
			}
		})
	}
}

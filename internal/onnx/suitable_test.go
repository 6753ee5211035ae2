package onnx

import (
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// chain is a model whose nodes follow each other, each written OP>TENSOR.
func chain(nodes ...string) ir.Model {
	g := ir.Graph{Inputs: image(-1, 3, 8, 8)}
	before := "x"
	for _, n := range nodes {
		op, tensor, _ := strings.Cut(n, ">")
		g.Nodes = append(g.Nodes, ir.Node{Op: op, Inputs: []string{before, "w"}, Outputs: []string{tensor}})
		before = tensor
	}
	g.Initializers = []ir.Tensor{ir.Float32s("w", []int64{1}, 1)}
	g.Outputs = []ir.Value{{Name: before}}
	return ir.Model{Opset: 17, Graph: g}
}

// Of models as exporters write them, the layer is found that one would choose by hand.
func TestSuggest(t *testing.T) {
	shapes := Shapes{}
	for tensor, dims := range map[string][]int64{
		"map": {-1, 512, 7, 7}, "relu": {-1, 512, 7, 7}, "drop": {-1, 512, 7, 7}, "add": {-1, 512, 7, 7},
		"gap": {-1, 512, 1, 1}, "flat": {-1, 512}, "mean": {-1, 512}, "logits": {-1, 10}, "prob": {-1, 10}, "output": {-1, 10}, "biased": {-1, 10},
		"embedding": {-1, 128}, "unit": {-1, 128}, "projected": {-1, 128},
		"classes": {-1, 10, 7, 7}, "class_relu": {-1, 10, 7, 7}, "scores": {-1, 10, 1, 1}, "softmaxout": {-1, 10, 1, 1},
		"tokens": {-1, 50, 384}, "last_hidden_state": {-1, 50, 384}, "cls": {-1, 384}, "image_embeds": {-1, 512},
	} {
		shapes[tensor] = Shape{Dims: dims}
	}
	second := func(m ir.Model, from, output string) ir.Model {
		m.Graph.Nodes = append(m.Graph.Nodes, ir.Node{Op: "Gather", Inputs: []string{from, "w"}, Outputs: []string{output}})
		m.Graph.Outputs = append(m.Graph.Outputs, ir.Value{Name: output})
		return m
	}
	tests := map[string]struct {
		model ir.Model
		want  string
		token bool
	}{
		"features of Keras":            {chain("Conv>map", "Clip>relu", "GlobalAveragePool>gap", "Flatten>flat"), "map", false},
		"ResNet of torchvision":        {chain("Conv>map", "Add>add", "Relu>relu", "GlobalAveragePool>gap", "Flatten>flat", "Gemm>output"), "add", false},
		"probabilities":                {chain("Conv>map", "Relu>relu", "ReduceMean>mean", "Gemm>logits", "Softmax>prob"), "map", false},
		"a bias apart":                 {chain("Conv>map", "Relu>relu", "ReduceMean>mean", "MatMul>logits", "Add>biased"), "map", false},
		"SqueezeNet":                   {chain("Conv>map", "Relu>relu", "Dropout>drop", "Conv>classes", "Relu>class_relu", "GlobalAveragePool>scores", "Softmax>softmaxout"), "map", false},
		"a copy detector":              {chain("Conv>map", "Relu>relu", "GlobalAveragePool>gap", "Flatten>flat", "Gemm>projected", "LpNormalization>unit"), "unit", false},
		"an embedding, by its name":    {chain("Conv>map", "Relu>relu", "GlobalAveragePool>gap", "Flatten>flat", "Gemm>embedding"), "embedding", false},
		"tokens":                       {chain("Conv>map", "Transpose>tokens", "LayerNormalization>last_hidden_state"), "last_hidden_state", true},
		"a classifier of the token":    {chain("Conv>map", "Transpose>tokens", "Gather>cls", "Gemm>logits"), "cls", false},
		"tokens and an embedding":      {second(chain("Conv>map", "Transpose>tokens", "LayerNormalization>last_hidden_state"), "last_hidden_state", "image_embeds"), "image_embeds", false},
		"a map as the output":          {chain("Conv>map", "Relu>relu"), "map", false},
		"an output of unknown meaning": {chain("Conv>map", "Mystery>unknown"), "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := mustParse(t, test.model).Suggest(shapes)
			switch {
			case got == nil && test.want == "":
			case got == nil || got.Layer.Tensor != test.want || (got.Token != nil) != test.token:
				t.Errorf("%+v, want %s", got, test.want)
			}
		})
	}
}

func TestProducer(t *testing.T) {
	m := chain("Relu>y")
	if got := mustParse(t, m).Producer(); got != "" {
		t.Errorf("nobody wrote it, but %q", got)
	}
}

// Layers that differ from what was asked for in numbers alone come first, the nearest number first.
func TestUnknownNumber(t *testing.T) {
	m := mustParse(t, chain("Conv>conv_pw_1", "Conv>conv_dw_14", "Conv>conv_pw_12", "Conv>conv_pw_13", "Conv>conv_pw_13_relu"))
	_, err := m.Resolve("conv_pw_14")
	want := `the nearest are "conv_pw_13" (Conv), "conv_pw_12" (Conv), "conv_pw_1" (Conv), `
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A name may hold what stands for a number.
func TestUnknownLayerLikeAPattern(t *testing.T) {
	m := mustParse(t, chain("Conv>conv#", "Conv>conv2"))
	_, err := m.Resolve("conv1")
	if err == nil || !strings.Contains(err.Error(), `the nearest are "conv2" (Conv)`) {
		t.Errorf("%v", err)
	}
}

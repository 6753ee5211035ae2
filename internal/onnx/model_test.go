package onnx

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

const (
	mobilenet  = "mobilenet_v1_1.0_224.onnx"
	squeezenet = "squeezenet1.1_fp16.onnx"
)

// image is a batch of RGB images as an input.
func image(dims ...int64) []ir.Value {
	return []ir.Value{{Name: "x", Type: ir.Float32, Dims: dims}}
}

// tiny is a convolution and what often follows: conv → relu → global pool → flatten → fc.
func tiny(opset int64) ir.Model {
	return ir.Model{Opset: opset, Graph: ir.Graph{
		Inputs: image(-1, 3, 8, 6),
		Nodes: []ir.Node{
			{Name: "conv1", Op: "Conv", Inputs: []string{"x", "w", "b"}, Outputs: []string{"conv1_out"}},
			{Name: "act", Op: "Relu", Inputs: []string{"conv1_out"}, Outputs: []string{"act_out"}},
			{Op: "GlobalAveragePool", Inputs: []string{"act_out"}, Outputs: []string{"gap"}},
			{Op: "Flatten", Inputs: []string{"gap"}, Outputs: []string{"flat"}},
			{Name: "fc", Op: "MatMul", Inputs: []string{"flat", "fc_w"}, Outputs: []string{"logits"}},
		},
		Outputs:      []ir.Value{{Name: "logits"}},
		Initializers: []ir.Tensor{weights("w", 1, 5, 3, 3, 3), weights("b", 2, 5), weights("fc_w", 3, 5, 2)},
	}}
}

// mustParse parses a model that a test built.
func mustParse(t testing.TB, model ir.Model) *Model {
	t.Helper()
	m, err := parse("model.onnx", model.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOpenRefuses(t *testing.T) {
	whole := tiny(17).Marshal()
	twice := tiny(17)
	twice.Graph.Nodes[1].Outputs[0] = "conv1_out"
	nested := ir.Graph{Nodes: []ir.Node{{Op: "Identity"}}}
	for range maxDepth + 1 {
		nested = ir.Graph{Nodes: []ir.Node{{Op: "If", Attributes: []ir.Attribute{ir.AttrGraph("then_branch", nested)}}}}
	}
	located := func(location string) []byte {
		model := tiny(17)
		model.Graph.Initializers[0].Location = location
		return model.Marshal()
	}
	graphless := ir.OpsetImport("", 17)
	tests := map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "the file is empty"},
		"text":           {[]byte("import torch\ntorch.onnx.export(…)\n"), "a text file"},
		"lfs":            {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:5e48\n"), "Git LFS pointer"},
		"truncated":      {whole[:len(whole)-100], "truncated?"},
		"half":           {whole[:len(whole)/2], "claims"},
		"no opset":       {ir.Model{Graph: tiny(1).Graph}.Marshal(), "opset_import"},
		"no graph":       {graphless, "no graph"},
		"no nodes":       {ir.Model{Opset: 17}.Marshal(), "no nodes"},
		"binary":         {[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00"), "field"},
		"two writers":    {twice.Marshal(), `two nodes write the tensor "conv1_out"`},
		"too deep":       {ir.Model{Opset: 17, Graph: nested}.Marshal(), "nested deeper"},
		"absolute data":  {located("/etc/passwd"), "not below the model's folder"},
		"escaping data":  {located("../w.bin"), "not below the model's folder"},
		"nameless data":  {located(".."), "not below the model's folder"},
		"too many parts": {protowire.AppendBytes(protowire.AppendTag(nil, ir.ModelGraph, protowire.BytesType), []byte(strings.Repeat("\x0a\x00", maxElements+1))), "more than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := os.WriteFile(path, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path)
			var bad *InvalidError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v, want an InvalidError with the path and %q", err, test.want)
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		var bad *InvalidError
		if _, err := Open(t.TempDir()); !errors.As(err, &bad) {
			t.Errorf("Open: %v, want an InvalidError", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		if _, err := Open(filepath.Join(t.TempDir(), "model.onnx")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Open: %v, want os.ErrNotExist", err)
		}
	})
}

func TestInvalidErrorSaysWhere(t *testing.T) {
	whole := tiny(17).Marshal()
	_, err := parse("m.onnx", whole[:len(whole)-100])
	const want = `model m.onnx is not a valid ONNX model: at byte 2: model: field 7 claims`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want prefix %q", err, want)
	}
}

func TestSHA256(t *testing.T) {
	data := tiny(17).Marshal()
	m, err := parse("m.onnx", data)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x", sha256.Sum256(data))
	if diff := cmp.Diff(want, m.SHA256()); diff != "" {
		t.Error(diff)
	}
	digest, err := m.Digest()
	if err != nil || digest != want {
		t.Errorf("Digest of a model in one file: %v, %v, want %v", digest, err, want)
	}
}

func TestInput(t *testing.T) {
	model := func(typ ElementType, dims ...int64) ir.Model {
		return ir.Model{Opset: 17, Graph: ir.Graph{
			Inputs:  []ir.Value{{Name: "x", Type: typ, Dims: dims}},
			Nodes:   []ir.Node{{Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}},
			Outputs: []ir.Value{{Name: "y"}},
		}}
	}
	throughConv := func(perm ...int64) ir.Model {
		m := model(ir.Float32, -1, -1, -1, -1)
		m.Graph.Nodes[0] = ir.Node{Op: "Transpose", Inputs: []string{"x"}, Outputs: []string{"t"}, Attributes: []ir.Attribute{ir.AttrInts("perm", perm...)}}
		m.Graph.Nodes = append(m.Graph.Nodes, ir.Node{Op: "Conv", Inputs: []string{"t", "w"}, Outputs: []string{"y"}})
		m.Graph.Initializers = []ir.Tensor{weights("w", 1, 4, 3, 1, 1)}
		return m
	}
	listed := model(ir.Float32, -1, 3, 8, 8) // initializers among the inputs, as IR versions below 4 have them
	listed.Graph.Inputs = append(listed.Graph.Inputs, ir.Value{Name: "w", Type: ir.Float32, Dims: []int64{4}})
	listed.Graph.Initializers = []ir.Tensor{weights("w", 1, 4)}
	tests := map[string]struct {
		model ir.Model
		want  Input
	}{
		"channels first":      {model(ir.Float32, -1, 3, 224, 192), Input{Layout: NCHW, Channels: 3, Height: 224, Width: 192}},
		"channels last":       {model(ir.Uint8, 8, 224, 192, 3), Input{Layout: NHWC, Batch: 8, Channels: 3, Height: 224, Width: 192}},
		"grey":                {model(ir.Float16, 1, 1, 28, 28), Input{Layout: NCHW, Batch: 1, Channels: 1, Height: 28, Width: 28}},
		"three before one":    {model(ir.Float32, -1, 1, 64, 3), Input{Layout: NHWC, Channels: 3, Height: 1, Width: 64}},
		"free size":           {model(ir.Float32, -1, 3, -1, -1), Input{Layout: NCHW, Channels: 3}},
		"initializers listed": {listed, Input{Layout: NCHW, Channels: 3, Height: 8, Width: 8}},
		"graph tells last":    {throughConv(0, 3, 1, 2), Input{Layout: NHWC}},
		"graph tells first":   {throughConv(0, 1, 2, 3), Input{Layout: NCHW}},
		"nothing tells":       {model(ir.Float32, -1, -1, -1, -1), Input{}},
		"no shape":            {model(ir.Float32), Input{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.want.Name = "x"
			test.want.Type = test.model.Graph.Inputs[0].Type
			test.want.Dims = test.model.Graph.Inputs[0].Dims
			got, err := mustParse(t, test.model).Input()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}

	several := model(ir.Float32, -1, 3, 8, 8)
	several.Graph.Inputs = append(several.Graph.Inputs, ir.Value{Name: "tokens", Type: ir.Int64, Dims: []int64{-1, 77}})
	several.Graph.Nodes = append(several.Graph.Nodes, ir.Node{Op: "Cast", Inputs: []string{"tokens"}, Outputs: []string{"z"}, Attributes: []ir.Attribute{ir.AttrInt("to", 1)}})
	none := model(ir.Float32)
	none.Graph.Inputs = nil
	refused := map[string]struct {
		model ir.Model
		want  string
	}{
		"element type": {model(ir.Int64, -1, 3, 8, 8), `"x" has elements of int64`},
		"rank":         {model(ir.Float32, -1, 77), `"x" is N×77`},
		"channels":     {throughFive(), "images have 1 or 3 channels"},
		"several":      {several, `several inputs, and images go into one: "x" (N×3×8×8), "tokens" (N×77)`},
		"none":         {none, "no input"},
	}
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			_, err := mustParse(t, test.model).Input()
			var bad *UnsupportedError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Input: %v, want an UnsupportedError with %q", err, test.want)
			}
		})
	}
	t.Run("of a layer", func(t *testing.T) {
		in, err := mustParse(t, several).Input("y")
		if err != nil || in.Name != "x" {
			t.Errorf("Input(y) = %+v, %v, want x, which is all that y needs", in, err)
		}
	})
}

// throughFive is a convolution of 5 channels.
func throughFive() ir.Model {
	return ir.Model{Opset: 17, Graph: ir.Graph{
		Inputs:       image(-1, 5, 8, 8),
		Nodes:        []ir.Node{{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
		Outputs:      []ir.Value{{Name: "y"}},
		Initializers: []ir.Tensor{weights("w", 1, 4, 5, 1, 1)},
	}}
}

func TestRealModels(t *testing.T) {
	tests := map[string]struct {
		path  string
		input Input
		layer string
		want  Tensor
	}{
		"mobilenet": {mobilenet,
			Input{Name: "input", Type: Float32, Dims: []int64{-1, 3, 224, 224}, Layout: NCHW, Channels: 3, Height: 224, Width: 224},
			"conv_pw_13", Tensor{Name: "conv_pw_13_bn", Node: "conv_pw_13", Op: "Conv"}},
		"squeezenet": {squeezenet,
			Input{Name: "data_0", Type: Float16, Dims: []int64{1, 3, 224, 224}, Layout: NCHW, Batch: 1, Channels: 3, Height: 224, Width: 224},
			"fire9/concat_1", Tensor{Name: "fire9/concat_1", Op: "Concat"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := Open(needs.Shared(t, test.path))
			if err != nil {
				t.Fatal(err)
			}
			in, err := m.Input()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.input, in); diff != "" {
				t.Error(diff)
			}
			got, err := m.Resolve(test.layer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(Tensor{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

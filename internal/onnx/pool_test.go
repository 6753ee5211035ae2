package onnx

import (
	stdcmp "cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// backbone is a model with layers of rank 2, 3 and 4 in both layouts. In float16 all but its input's type is alike.
func backbone(opset int64, typ ElementType, batch int64) ir.Model {
	w := weights
	if typ == ir.Float16 {
		w = halves
	}
	transpose := func(in, out string, perm ...int64) ir.Node {
		return ir.Node{Op: "Transpose", Inputs: []string{in}, Outputs: []string{out}, Attributes: []ir.Attribute{ir.AttrInts("perm", perm...)}}
	}
	return ir.Model{Opset: opset, Graph: ir.Graph{
		Inputs: []ir.Value{{Name: "x", Type: typ, Dims: []int64{batch, 6, 8, 3}}},
		Nodes: []ir.Node{
			transpose("x", "nchw", 0, 3, 1, 2),
			{Name: "conv", Op: "Conv", Inputs: []string{"nchw", "w"}, Outputs: []string{"conv_out"}},
			transpose("conv_out", "nhwc", 0, 2, 3, 1),
			{Op: "Reshape", Inputs: []string{"nhwc", "shape"}, Outputs: []string{"tokens"}},
			{Op: "MatMul", Inputs: []string{"tokens", "m"}, Outputs: []string{"mixed"}},
			{Op: "Reshape", Inputs: []string{"mixed", "five"}, Outputs: []string{"rank5"}},
			{Op: "Flatten", Inputs: []string{"mixed"}, Outputs: []string{"rank2"}},
		},
		Outputs:      []ir.Value{{Name: "rank2", Type: typ, Dims: []int64{batch, 24 * 5}}},
		Initializers: []ir.Tensor{w("w", 1, 4, 3, 3, 3), w("m", 2, 4, 5), ir.Int64s("shape", []int64{3}, 0, 24, 4), ir.Int64s("five", []int64{5}, 0, 2, 3, 4, 5)},
	}}
}

func TestPoolingAgainstRuntime(t *testing.T) {
	openRuntime(t)
	requests := []struct {
		Request
		tensor string
		axes   []int // that the oracle pools
		width  int
	}{
		{Request{"conv", Pooling{}}, "conv_out", []int{2, 3}, 4},
		{Request{"conv", Pooling{Method: Average}}, "conv_out", []int{2, 3}, 4},
		{Request{"conv", Pooling{Method: Sum}}, "conv_out", []int{2, 3}, 4},
		{Request{"conv", Pooling{Method: None}}, "conv_out", nil, 4 * 4 * 6},
		{Request{"conv", Pooling{Method: Max, Axes: []int{1}}}, "conv_out", []int{1}, 4 * 6},
		{Request{"conv", Pooling{Method: Sum, Axes: []int{-1, 1}}}, "conv_out", []int{1, 3}, 4},
		{Request{"nhwc", Pooling{}}, "nhwc", []int{1, 2}, 4},
		{Request{"nhwc", Pooling{Method: Average}}, "nhwc", []int{1, 2}, 4},
		{Request{"tokens", Pooling{}}, "tokens", []int{1}, 4},
		{Request{"mixed", Pooling{Method: Average}}, "mixed", []int{1}, 5},
		{Request{"mixed", Pooling{Method: Sum}}, "mixed", []int{1}, 5},
		{Request{"rank2", Pooling{}}, "rank2", nil, 24 * 5},
		{Request{"rank2", Pooling{Method: Max}}, "rank2", nil, 24 * 5},
		{Request{"rank2", Pooling{Method: Sum, Axes: []int{1}}}, "rank2", []int{1}, 1},
		{Request{"rank5", Pooling{Axes: []int{2, 3}}}, "rank5", []int{2, 3}, 2 * 5},
		{Request{"rank5", Pooling{Method: None}}, "rank5", nil, 24 * 5},
	}
	for _, opset := range []int64{9, 11, 13, 17, 18, 21} {
		for _, typ := range []ElementType{Float32, Float16} {
			for _, batch := range []int64{-1, 2} {
				t.Run(fmt.Sprintf("opset %d/%s/batch %d", opset, typ, batch), func(t *testing.T) {
					m := mustParse(t, backbone(opset, typ, batch))
					in, err := m.Input()
					if err != nil {
						t.Fatal(err)
					}
					tolerance := map[ElementType]float64{Float32: exact32, Float16: exact16}[typ]
					tensors := []string{"conv_out", "nhwc", "tokens", "mixed", "rank2", "rank5"}
					exposed, err := m.Expose(tensors...)
					if err != nil {
						t.Fatal(err)
					}
					shapes := inferShapes(t, exposed)
					x := random(7, 2, 6, 8, 3)
					raw := map[string]array{}
					for i, a := range infer(t, exposed, in, x, shapes, tensors...) {
						raw[tensors[i]] = a
					}
					var wanted []Request
					for _, r := range requests {
						wanted = append(wanted, r.Request)
					}
					for _, token := range []int{0, 3, -1} {
						wanted = append(wanted, Request{"mixed", Pooling{Token: new(token)}})
					}
					cut, err := m.Cut(wanted, shapes)
					if err != nil {
						t.Fatal(err)
					}
					var names []string
					for _, o := range cut.Outputs {
						names = append(names, o.Name)
					}
					got := infer(t, cut.Edited, cut.Input, x, nil, names...)
					for i, r := range requests {
						t.Logf("%s %+v", r.Layer, r.Pooling)
						same(t, got[i], reduce(raw[r.tensor], stdcmp.Or(r.Pooling.Method, Max), r.axes), tolerance)
						if cut.Outputs[i].Width != r.width {
							t.Errorf("width %d, want %d", cut.Outputs[i].Width, r.width)
						}
					}
					for i, token := range []int{0, 3, 23} {
						want := array{dims: []int64{2, 5}}
						for n := range 2 {
							at := (n*24 + token) * 5
							want.data = append(want.data, raw["mixed"].data[at:at+5]...)
						}
						same(t, got[len(requests)+i], want, tolerance)
					}
				})
			}
		}
	}
}

// run cuts m at layers with the shapes that ONNX Runtime infers, and returns the pooled outputs and the raw ones.
func run(t *testing.T, m *Model, x array, requests ...Request) (cut *Cut, pooled, raw []array) {
	t.Helper()
	var tensors []string
	for _, r := range requests {
		tensor, err := m.Resolve(r.Layer)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, tensor.Name)
	}
	exposed, err := m.Expose(tensors...)
	if err != nil {
		t.Fatal(err)
	}
	shapes := inferShapes(t, exposed)
	cut, err = m.Cut(requests, shapes)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range cut.Outputs {
		names = append(names, o.Name)
	}
	pooled = infer(t, cut.Edited, cut.Input, x, nil, names...)
	distinct := slices.Compact(slices.Clone(tensors))
	each := infer(t, exposed, cut.Input, x, shapes, distinct...)
	for _, name := range tensors {
		raw = append(raw, each[slices.Index(distinct, name)])
	}
	return cut, pooled, raw
}

func TestSubgraphCaptures(t *testing.T) {
	openRuntime(t)
	model := tiny(17)
	model.Graph.Nodes = append(model.Graph.Nodes,
		ir.Node{Op: "Constant", Outputs: []string{"yes"}, Attributes: []ir.Attribute{ir.AttrTensor("value", ir.Tensor{Type: ir.Bool, Raw: []byte{1}})}},
		ir.Node{Op: "Neg", Inputs: []string{"conv1_out"}, Outputs: []string{"captured"}}, // only a branch reads it
		branch("yes", "captured", "w"))
	m := mustParse(t, model)
	cut, pooled, raw := run(t, m, random(1, 2, 3, 8, 6), Request{"chosen", Pooling{Axes: []int{2, 3}}})
	same(t, pooled[0], reduce(raw[0], Max, []int{2, 3}), exact32)
	want := []string{"Conv conv1_out", "Constant yes", "Neg captured", "If chosen"}
	if diff := cmp.Diff(want, contentOf(t, cut.Bytes).Nodes[:4]); diff != "" {
		t.Error(diff)
	}
}

func TestFunctionsRun(t *testing.T) {
	openRuntime(t)
	model := tiny(17)
	model.Domains = map[string]int64{"own": 1}
	model.Functions = []ir.Function{{Domain: "own", Name: "Double", Opset: 17, Inputs: []string{"a"}, Outputs: []string{"b"},
		Nodes: []ir.Node{{Op: "Add", Inputs: []string{"a", "a"}, Outputs: []string{"b"}}}}}
	model.Graph.Nodes[1].Op, model.Graph.Nodes[1].Domain = "Double", "own"
	_, pooled, raw := run(t, mustParse(t, model), random(1, 2, 3, 8, 6), Request{"act", Pooling{}})
	same(t, pooled[0], reduce(raw[0], Max, []int{2, 3}), exact32)
}

func TestOutputsOfTheModel(t *testing.T) {
	openRuntime(t)
	m := mustParse(t, tiny(17))
	_, pooled, raw := run(t, m, random(1, 2, 3, 8, 6), Request{"logits", Pooling{}}, Request{"fc", Pooling{}}, Request{"flat", Pooling{}})
	for i := range pooled {
		same(t, pooled[i], raw[i], exact32)
	}
}

func TestQuantized(t *testing.T) {
	openRuntime(t)
	scale, zero := ir.Float32s("scale", nil, 0.05), ir.Tensor{Name: "zero", Type: ir.Uint8, Raw: []byte{100}}
	quantized := func(nodes ...ir.Node) *Model {
		model := tiny(17)
		model.Graph.Nodes = append(model.Graph.Nodes[:1:1], nodes...)
		model.Graph.Outputs = []ir.Value{{Name: nodes[len(nodes)-1].Outputs[0]}}
		model.Graph.Initializers = append(model.Graph.Initializers, scale, zero)
		return mustParse(t, model)
	}
	quantize := ir.Node{Name: "q", Op: "QuantizeLinear", Inputs: []string{"conv1_out", "scale", "zero"}, Outputs: []string{"q_out"}}
	maxPool := ir.Node{Name: "pool", Op: "MaxPool", Inputs: []string{"q_out"}, Outputs: []string{"pooled"}, Attributes: []ir.Attribute{ir.AttrInts("kernel_shape", 2, 2)}}
	dequantize := ir.Node{Name: "dq", Op: "DequantizeLinear", Inputs: []string{"pooled", "scale", "zero"}, Outputs: []string{"dq_out"}}
	x := random(1, 2, 3, 8, 6)

	t.Run("with its DequantizeLinear", func(t *testing.T) {
		m := quantized(quantize, maxPool, dequantize)
		cut, pooled, raw := run(t, m, x, Request{"pool", Pooling{Method: Average}})
		if got := cut.Outputs[0].Tensor.Name; got != "dq_out" {
			t.Errorf("reads %q, want dq_out", got)
		}
		same(t, pooled[0], reduce(raw[0], Average, []int{2, 3}), exact32)
	})
	t.Run("without one", func(t *testing.T) {
		m := quantized(quantize, maxPool, dequantize)
		_, pooled, raw := run(t, m, x, Request{"q", Pooling{Method: Average}})
		for i, q := range raw[0].data { // uint8
			raw[0].data[i] = (q - 100) * 0.05
		}
		same(t, pooled[0], reduce(raw[0], Average, []int{2, 3}), exact32)
	})
	t.Run("per channel", func(t *testing.T) {
		scales := ir.Float32s("scales", []int64{5}, 0.01, 0.02, 0.03, 0.04, 0.05)
		zeros := ir.Tensor{Name: "zeros", Type: ir.Uint8, Dims: []int64{5}, Raw: []byte{90, 100, 110, 120, 130}}
		q := quantize
		q.Inputs = []string{"conv1_out", "scales", "zeros"}
		q.Attributes = []ir.Attribute{ir.AttrInt("axis", 1)}
		model := tiny(17)
		model.Graph.Nodes = append(model.Graph.Nodes[:1:1], q)
		model.Graph.Outputs = []ir.Value{{Name: "q_out"}}
		model.Graph.Initializers = append(model.Graph.Initializers, scales, zeros)
		_, pooled, raw := run(t, mustParse(t, model), x, Request{"q", Pooling{}})
		for i, v := range raw[0].data {
			channel := i / (6 * 4) % 5
			raw[0].data[i] = (v - float32(zeros.Raw[channel])) * float32(channel+1) / 100
		}
		same(t, pooled[0], reduce(raw[0], Max, []int{2, 3}), exact32)
	})
	t.Run("QLinearConv", func(t *testing.T) {
		model := tiny(17)
		model.Graph.Nodes = []ir.Node{
			{Op: "QuantizeLinear", Inputs: []string{"x", "x_scale", "zero"}, Outputs: []string{"x_q"}},
			{Name: "conv", Op: "QLinearConv", Inputs: []string{"x_q", "x_scale", "zero", "w_q", "x_scale", "w_zero", "scale", "zero"}, Outputs: []string{"y_q"}},
		}
		model.Graph.Outputs = []ir.Value{{Name: "y_q"}}
		kernel := ir.Tensor{Name: "w_q", Type: ir.Uint8, Dims: []int64{2, 3, 1, 1}, Raw: []byte{255, 3, 77, 128, 0, 200}}
		model.Graph.Initializers = []ir.Tensor{scale, zero, ir.Float32s("x_scale", nil, 0.01), kernel, {Name: "w_zero", Type: ir.Uint8, Raw: []byte{128}}}
		_, pooled, raw := run(t, mustParse(t, model), x, Request{"conv", Pooling{}})
		for i, q := range raw[0].data {
			raw[0].data[i] = (q - 100) * 0.05
		}
		same(t, pooled[0], reduce(raw[0], Max, []int{2, 3}), exact32)
	})
}

func TestExternalData(t *testing.T) {
	openRuntime(t)
	folder := t.TempDir()
	whole := tiny(17)
	x := random(1, 2, 3, 8, 6)
	_, want, _ := run(t, mustParse(t, whole), x, Request{"act", Pooling{}})

	model := tiny(17)
	for i, name := range []string{"data/w.bin", "b.bin", "missing.bin"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if name != "missing.bin" {
			if err := os.WriteFile(filepath.Join(folder, name), model.Graph.Initializers[i].Raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		model.Graph.Initializers[i].Location = name
	}
	path := filepath.Join(folder, "model.onnx")
	if err := os.WriteFile(path, model.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	cut, got, _ := run(t, m, x, Request{"act", Pooling{}})
	same(t, got[0], want[0], exact32)
	if cut.DataFolder != folder {
		t.Errorf("data folder %q, want %q", cut.DataFolder, folder)
	}

	// Of what is needed nothing may lack or lead out of the folder.
	refused := func(name string, layer string) {
		t.Helper()
		_, err := m.Expose(layer)
		var bad *InvalidError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), name) {
			t.Errorf("Expose: %v, want an InvalidError that names %s", err, name)
		}
	}
	refused("missing.bin", "logits")
	if _, err := m.Digest(); err == nil {
		t.Error("Digest succeeded without missing.bin")
	}
	if err := os.WriteFile(filepath.Join(folder, "missing.bin"), []byte("here"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "b.bin")
	if err := os.Rename(filepath.Join(folder, "b.bin"), outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "b.bin")); err != nil {
		t.Fatal(err)
	}
	refused("b.bin", "act_out")
	if err := os.Remove(filepath.Join(folder, "b.bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "b.bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused("b.bin", "act_out")
	if err := os.Remove(filepath.Join(folder, "b.bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "b.bin"), make([]byte, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	if after, err := m.Digest(); err != nil || after == before {
		t.Errorf("Digest did not change with the data (%v)", err)
	}
}

func TestRealModelsAgainstRuntime(t *testing.T) {
	openRuntime(t)
	tests := map[string]struct {
		path, layer, tensor string
		width               int
		x                   array
	}{
		"mobilenet":  {mobilenet, "conv_pw_13", "conv_pw_13_bn", 1024, random(1, 2, 3, 224, 224)},
		"squeezenet": {squeezenet, "fire9/concat_1", "fire9/concat_1", 512, random(1, 1, 3, 224, 224)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := Open(needs.Shared(t, test.path))
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, l := range m.Layers() {
				all = append(all, l.Tensor)
			}
			exposed, err := m.Expose(all...)
			if err != nil {
				t.Fatal(err)
			}
			shapes := inferShapes(t, exposed)
			for _, tensor := range all {
				width, err := m.Width(Request{Layer: "tensor:" + tensor}, shapes)
				if tensor == "_fire9/concat_mask_1" { // Dropout's second output in an operator set that has none
					continue
				}
				if err != nil || width == 0 {
					t.Errorf("%s: width %d, %v", tensor, width, err)
				}
			}
			cut, pooled, raw := run(t, m, test.x, Request{test.layer, Pooling{}}, Request{test.layer, Pooling{Method: Average}})
			tolerance := map[ElementType]float64{Float32: exact32, Float16: exact16}[cut.Input.Type]
			same(t, pooled[0], reduce(raw[0], Max, []int{2, 3}), tolerance)
			same(t, pooled[1], reduce(raw[1], Average, []int{2, 3}), tolerance)
			if o := cut.Outputs[0]; o.Width != test.width || o.Tensor.Name != test.tensor {
				t.Errorf("output %+v, want width %d of %s", o, test.width, test.tensor)
			}
			nodes := contentOf(t, cut.Bytes).Nodes
			last := slices.Index(nodes, m.producer(test.tensor).op.name+" "+test.tensor)
			if added := nodes[last+1:]; len(nodes)-len(added) >= len(m.graph.nodes) || !strings.Contains(added[0], namePrefix) {
				t.Errorf("the cut ends with %q of %d nodes; the model has %d", added, len(nodes), len(m.graph.nodes))
			}
		})
	}
}

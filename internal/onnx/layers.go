package onnx

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Layer is a tensor of the graph that can be asked for: a node writes it, and it depends on the model's input.
type Layer struct {
	Tensor    string
	Node      string // name of the node that writes it, often empty; it stands for the node's first output only
	Op        string
	Consumers int  // nodes that read it
	Output    bool // an output of the model
	Shape     Shape
}

// Tensor is what a layer's name stands for.
type Tensor struct {
	Name string // the tensor that is read
	Node string // name of the node that writes it, may be empty
	Op   string

	quantized *quantization // set where the tensor is dequantized by a node of ours
}

// quantization says how a quantized tensor is to be dequantized.
type quantization struct {
	domain     string   // of the DequantizeLinear
	inputs     []string // scale and, if there is one, zero point
	attributes [][]byte // of QuantizeLinear, which DequantizeLinear shares
}

// UnknownLayerError says that a layer is not in the model, and which names come nearest. Shapes may be filled in before
// it is printed; it comes with those that the file holds.
type UnknownLayerError struct {
	Path    string
	Layer   string
	Nearest []Layer
	Shapes  Shapes
}

func (e *UnknownLayerError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %s has no layer %q", e.Path, e.Layer)
	for i, l := range e.Nearest {
		b.WriteString([]string{"; the nearest are ", ", "}[min(i, 1)])
		if l.Node != "" && l.Node != l.Tensor {
			fmt.Fprintf(&b, "node %q with tensor ", l.Node)
		}
		shape := l.Shape
		if s, ok := e.Shapes[l.Tensor]; ok {
			shape = s
		}
		fmt.Fprintf(&b, "%q (%s", l.Tensor, l.Op)
		if len(shape.Dims) > 0 {
			fmt.Fprintf(&b, ", %s", shape)
		}
		b.WriteString(")")
	}
	return b.String()
}

// AmbiguousLayerError says that a layer's name stands for several tensors.
type AmbiguousLayerError struct {
	Path    string
	Layer   string
	Tensors []Tensor
}

func (e *AmbiguousLayerError) Error() string {
	var meanings []string
	for _, t := range e.Tensors {
		bearer := "a nameless node"
		if t.Node != "" {
			bearer = fmt.Sprintf("node %q", t.Node)
		}
		meanings = append(meanings, fmt.Sprintf("tensor %q of %s (%s)", t.Name, bearer, t.Op))
	}
	return fmt.Sprintf("model %s: layer %q is ambiguous, it may be %s: write tensor:NAME, or node:NAME if only one node bears the name",
		e.Path, e.Layer, strings.Join(meanings, " or "))
}

// LayerError says why a layer can't be read or pooled as asked.
type LayerError struct {
	Path   string
	Layer  string
	Reason string
}

func (e *LayerError) Error() string {
	return fmt.Sprintf("model %s: layer %q: %s", e.Path, e.Layer, e.Reason)
}

// Layers returns the tensors that can be asked for, in the graph's order.
func (m *Model) Layers() []Layer {
	outputs := make(map[string]bool, len(m.graph.outputs))
	for _, v := range m.graph.outputs {
		outputs[v.name] = true
	}
	var layers []Layer
	for i := range m.graph.nodes {
		n := &m.graph.nodes[i]
		if !m.live[i] {
			continue
		}
		for _, name := range n.outputs {
			v := m.values[name]
			if name == "" || v != nil && v.noTensor {
				continue
			}
			l := Layer{Tensor: name, Node: n.name, Op: n.op.name, Consumers: len(m.consumers[name]), Output: outputs[name]}
			if v != nil {
				l.Shape = v.shape
			}
			layers = append(layers, l)
		}
	}
	return layers
}

// Resolve finds the tensor that layer names: a tensor, or a node for its first output; "tensor:" or "node:" before the
// name settles which. A quantized layer is read after its DequantizeLinear. The error is an *UnknownLayerError,
// *AmbiguousLayerError or *LayerError.
func (m *Model) Resolve(layer string) (Tensor, error) {
	found := m.lookup(layer)
	switch len(found) {
	case 0:
		return Tensor{}, m.unknown(layer)
	case 1:
	default:
		e := &AmbiguousLayerError{Path: m.path, Layer: layer}
		for _, name := range found {
			n := m.producer(name)
			e.Tensors = append(e.Tensors, Tensor{Name: name, Node: n.name, Op: n.op.name})
		}
		return Tensor{}, e
	}
	name := found[0]
	if !m.live[m.producers[name]] {
		return Tensor{}, &LayerError{m.path, layer, "it does not depend on the model's input"}
	}
	if v := m.values[name]; v != nil && v.noTensor {
		return Tensor{}, &LayerError{m.path, layer, "it is a sequence, map, optional or sparse tensor"}
	}
	return m.dequantized(name), nil
}

// lookup returns the tensors that layer may mean.
func (m *Model) lookup(layer string) []string {
	if name, ok := strings.CutPrefix(layer, "tensor:"); ok && m.producer(name) != nil {
		return []string{name}
	}
	if name, ok := strings.CutPrefix(layer, "node:"); ok {
		if outputs := m.outputsOf(name); len(outputs) > 0 {
			return outputs
		}
	}
	found := m.outputsOf(layer)
	if m.producer(layer) != nil && !slices.Contains(found, layer) {
		found = append([]string{layer}, found...)
	}
	return found
}

// outputsOf returns the first output of each node of that name.
func (m *Model) outputsOf(node string) (tensors []string) {
	for _, i := range m.named[node] {
		if output := m.graph.nodes[i].output(); output != "" {
			tensors = append(tensors, output)
		}
	}
	return tensors
}

// producer returns the node that writes a tensor, nil if none does.
func (m *Model) producer(tensor string) *node {
	i, ok := m.producers[tensor]
	if !ok {
		return nil
	}
	return &m.graph.nodes[i]
}

// quantizers says which inputs of an operator with a quantized output are that output's scale and zero point.
var quantizers = map[string][2]int{
	"QuantizeLinear":           {1, 2},
	"QLinearConv":              {6, 7},
	"QLinearMatMul":            {6, 7},
	"QLinearAdd":               {6, 7},
	"QLinearMul":               {6, 7},
	"QGemm":                    {7, 8},
	"QLinearSigmoid":           {3, 4},
	"QLinearLeakyRelu":         {3, 4},
	"QLinearSoftmax":           {3, 4},
	"QLinearAveragePool":       {3, 4},
	"QLinearGlobalAveragePool": {3, 4},
	"QLinearConcat":            {0, 1},
}

// dequantized returns what to read for a tensor: itself, or the output of its DequantizeLinear if it is quantized,
// which a node of ours computes where the model has none.
func (m *Model) dequantized(tensor string) Tensor {
	n := m.producer(tensor)
	for _, i := range m.consumers[tensor] {
		reader := &m.graph.nodes[i]
		if reader.op.name == "DequantizeLinear" && len(reader.inputs) > 0 && reader.inputs[0] == tensor && reader.output() != "" {
			return Tensor{Name: reader.output(), Node: reader.name, Op: reader.op.name}
		}
	}
	t := Tensor{Name: tensor, Node: n.name, Op: n.op.name}
	at, ok := quantizers[n.op.name]
	if !ok || n.outputs[0] != tensor || len(n.inputs) <= at[0] || n.inputs[at[0]] == "" {
		return t // QGemm without a scale for its output gives float32
	}
	t.quantized = &quantization{inputs: []string{n.inputs[at[0]]}}
	if len(n.inputs) > at[1] && n.inputs[at[1]] != "" {
		t.quantized.inputs = append(t.quantized.inputs, n.inputs[at[1]])
	}
	if n.op.name == "QuantizeLinear" {
		t.quantized.domain = n.op.domain // ONNX Runtime's own knows types that ONNX's did not at first
		for _, name := range []string{"axis", "block_size"} {
			if a := n.attributeOf(name); a != nil {
				t.quantized.attributes = append(t.quantized.attributes, a)
			}
		}
	}
	return t
}

// nearestNames is how many names an UnknownLayerError lists.
const nearestNames = 5

// unknown returns the error for a layer that isn't there.
func (m *Model) unknown(layer string) error {
	wanted := strings.TrimPrefix(strings.TrimPrefix(layer, "node:"), "tensor:")
	type scored struct {
		Layer
		numbers, score int
	}
	var all []scored
	for _, l := range m.Layers() {
		s := scored{l, numberDistance(wanted, l.Tensor), nameDistance(wanted, l.Tensor)}
		if l.Node != "" && l.Tensor == m.graph.nodes[m.producers[l.Tensor]].output() {
			s.numbers, s.score = min(s.numbers, numberDistance(wanted, l.Node)), min(s.score, nameDistance(wanted, l.Node))
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.numbers, b.numbers), cmp.Compare(a.score, b.score))
	})
	e := &UnknownLayerError{Path: m.path, Layer: layer}
	for _, s := range all[:min(len(all), nearestNames)] {
		e.Nearest = append(e.Nearest, s.Layer)
	}
	return e
}

// numberDistance is how far apart the numbers in two names are that differ in these alone, as conv_13 and conv_14 do;
// the largest int for other names.
func numberDistance(a, b string) int {
	textA, numbersA := splitNumbers(a)
	textB, numbersB := splitNumbers(b)
	if textA != textB || len(numbersA) == 0 || len(numbersA) != len(numbersB) {
		return math.MaxInt
	}
	distance := 0
	for i, n := range numbersA {
		distance += max(n-numbersB[i], numbersB[i]-n)
	}
	return distance
}

// splitNumbers returns a name with # for each run of digits, and these numbers.
func splitNumbers(name string) (text string, numbers []int) {
	const most = 4 // digits: longer ones do not number layers
	text = digits.ReplaceAllStringFunc(strings.ToLower(name), func(run string) string {
		n, _ := strconv.Atoi(run[max(0, len(run)-most):])
		numbers = append(numbers, n)
		return "#"
	})
	return text, numbers
}

var digits = regexp.MustCompile(`[0-9]+`)

// nameDistance says how unlike two names are: the edits (Levenshtein) between them, upper and lower case alike, a
// quarter of them where one contains the other, as conv2 and /features/conv2/Conv_output_0 do.
func nameDistance(a, b string) int {
	const longest = 256 // bytes compared: names come from files
	a, b = strings.ToLower(a[:min(len(a), longest)]), strings.ToLower(b[:min(len(b), longest)])
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			edit := diagonal
			if a[i] != b[j] {
				edit = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], edit
		}
	}
	if a != "" && b != "" && (strings.Contains(a, b) || strings.Contains(b, a)) {
		return row[len(b)] / 4
	}
	return row[len(b)]
}

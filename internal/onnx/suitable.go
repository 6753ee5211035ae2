package onnx

import (
	"slices"
	"strings"
)

// A Suggestion is a layer by which one would compare images.
type Suggestion struct {
	Layer Layer
	// Token is the one to take of an output N×T×D, nil for other outputs: there the default pooling does.
	Token *int
	// Why is a clause for people.
	Why string
}

// Suggest returns the layer that one would choose, nil where the graph says too little. It walks from the model's
// outputs towards its input:
//
//   - an output that is a vector and not a classifier's scores is an embedding, made to compare by;
//   - where that vector is pooled from a feature map, the map is better: its maxima tell copies from look-alikes, its means less
//     so; and before its activation, which cuts off what is negative;
//   - of tokens, N×T×D, the first is that of the class in most transformers;
//   - below a classifier it is what the classifier reads.
//
// Shapes must hold those of all layers, as far as they are known.
func (m *Model) Suggest(shapes Shapes) *Suggestion {
	var best *Suggestion
	for i := range m.graph.outputs {
		output := m.graph.outputs[i].name
		at, ok := m.producers[output]
		if !ok || !m.live[at] {
			continue
		}
		found := m.suggest(output, shapes)
		if found != nil && (best == nil || namesEmbedding(output) && !namesEmbedding(best.Layer.Tensor)) {
			best = found
		}
	}
	return best
}

func (m *Model) suggest(output string, shapes Shapes) *Suggestion {
	rank := func(tensor string) int { return len(m.shape(tensor, shapes).Dims) }
	t := m.skip(output, casts)
	if m.classifies(t, shapes) {
		t = m.belowClassifier(t, shapes)
	}
	if t == "" {
		return nil
	}
	if features := m.skip(t, flattens); isPooling(m.producer(features)) {
		// Average, maximum or generalized mean: where the map that it pools is known, that is the layer.
		if pooled := m.skip(m.main(features), casts); rank(pooled) == 4 && m.spatial(pooled, shapes) {
			return m.suggestion(m.skip(pooled, activations), nil, "the last feature map, before it is pooled")
		}
	}
	switch rank(t) {
	case 2:
		return m.suggestion(t, nil, "the vector that the model makes of an image")
	case 3:
		return m.suggestion(t, new(int), "the last tokens, of which the first stands for the image in most transformers")
	case 4:
		if m.spatial(t, shapes) {
			return m.suggestion(m.skip(t, activations), nil, "the last feature map")
		}
		return m.suggestion(t, nil, "the vector that the model makes of an image")
	}
	return nil
}

func (m *Model) suggestion(tensor string, token *int, why string) *Suggestion {
	layers := m.Layers()
	at := slices.IndexFunc(layers, func(l Layer) bool { return l.Tensor == tensor })
	if at < 0 {
		return nil
	}
	return &Suggestion{Layer: layers[at], Token: token, Why: why}
}

// Operators that pass their input on, as far as it matters here.
var (
	casts       = []string{"Identity", "Cast", "QuantizeLinear", "DequantizeLinear"}
	flattens    = append([]string{"Flatten", "Reshape", "Squeeze", "Dropout"}, casts...)
	activations = append([]string{"Relu", "Clip", "HardSwish", "Dropout"}, casts...)
	scores      = append([]string{"Softmax", "LogSoftmax", "Sigmoid"}, flattens...)
	linears     = []string{"Gemm", "MatMul", "Conv", "QGemm", "QLinearConv", "QLinearMatMul", "FusedGemm", "FusedConv", "MatMulInteger", "ConvInteger"}
	poolings    = []string{"GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool", "ReduceMean", "ReduceMax", "QLinearGlobalAveragePool", "QLinearAveragePool"}
)

// skip goes from a tensor towards the input, over nodes of the given operators.
func (m *Model) skip(tensor string, operators []string) string {
	for tensor != "" {
		n := m.producer(tensor)
		if n == nil || !slices.Contains(operators, n.op.name) {
			return tensor
		}
		before := m.main(tensor)
		if m.producer(before) == nil {
			return tensor
		}
		tensor = before
	}
	return tensor
}

// main is the input of a tensor's node that depends on the model's input, the first of several; empty for none.
func (m *Model) main(tensor string) string {
	n := m.producer(tensor)
	if n == nil {
		return ""
	}
	for _, input := range n.inputs {
		if at, ok := m.producers[input]; ok && m.live[at] {
			return input
		}
	}
	return ""
}

func isPooling(n *node) bool { return n != nil && slices.Contains(poolings, n.op.name) }

// spatial says whether a tensor of rank 4 has more than one place.
func (m *Model) spatial(tensor string, shapes Shapes) bool {
	dims := m.shape(tensor, shapes).Dims
	wide := 0
	for _, d := range dims[1:] {
		if d != 1 {
			wide++
		}
	}
	return wide > 1
}

// classifies says whether an output is a classifier's: probabilities, scores by name, or a linear map as the last step
// whose result is neither normalized nor called an embedding.
func (m *Model) classifies(output string, shapes Shapes) bool {
	if namesEmbedding(output) {
		return false
	}
	last := m.producer(output)
	if last == nil {
		return false
	}
	if slices.Contains([]string{"Softmax", "LogSoftmax", "Sigmoid"}, last.op.name) {
		return true
	}
	return m.linear(m.skip(output, flattens), shapes) != "" || m.classOfMap(output)
}

// classOfMap: a convolution gives each class a map, and their means are the scores, as in SqueezeNet.
func (m *Model) classOfMap(output string) bool {
	pooled := m.skip(output, scores)
	if !isPooling(m.producer(pooled)) {
		return false
	}
	n := m.producer(m.skip(m.main(pooled), activations))
	if n == nil || n.op.name != "Conv" {
		return false
	}
	classes := func(name string) bool {
		name = strings.ToLower(name)
		return strings.Contains(name, "class") || strings.Contains(name, "logit") || strings.Contains(name, "softmax") || strings.Contains(name, "prob")
	}
	return classes(output) || slices.Contains([]string{"Softmax", "Sigmoid"}, m.producer(output).op.name)
}

// linear returns what a linear map reads that made the tensor, empty if none did. The bias may be added apart.
func (m *Model) linear(tensor string, shapes Shapes) string {
	n := m.producer(tensor)
	if n != nil && (n.op.name == "Add" || n.op.name == "QLinearAdd") {
		before := m.main(tensor)
		if p := m.producer(before); p != nil && p.op.name == "MatMul" {
			tensor, n = before, p
		}
	}
	if n == nil || !slices.Contains(linears, n.op.name) {
		return ""
	}
	if strings.Contains(n.op.name, "Conv") && m.spatialOrUnknown(tensor, shapes) {
		return "" // a layer of features
	}
	return m.main(tensor)
}

func (m *Model) spatialOrUnknown(tensor string, shapes Shapes) bool {
	return len(m.shape(tensor, shapes).Dims) != 4 || m.spatial(tensor, shapes)
}

// belowClassifier returns what the classifier reads.
func (m *Model) belowClassifier(output string, shapes Shapes) string {
	t := m.skip(output, scores)
	if reads := m.linear(t, shapes); reads != "" {
		return m.skip(reads, []string{"Dropout", "Identity", "Cast"})
	}
	if isPooling(m.producer(t)) { // of a map a class
		of := m.skip(m.main(t), activations)
		if n := m.producer(of); n != nil && n.op.name == "Conv" {
			return m.skip(m.main(of), []string{"Dropout", "Identity", "Cast"})
		}
	}
	return t
}

// namesEmbedding says whether a name is one that exporters give to embeddings.
func namesEmbedding(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"embed", "feature", "pooler_output", "descriptor"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// First is the output of the first node of an operator that depends on the input, empty if there is none.
func (m *Model) First(operator string) string {
	for i := range m.graph.nodes {
		if n := &m.graph.nodes[i]; m.live[i] && n.op.name == operator {
			return n.output()
		}
	}
	return ""
}

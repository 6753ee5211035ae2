package onnx

import "slices"

// The operators whose data input and output have the layout N×C×H×W by their definition.
var channelsFirst = set("Conv", "FusedConv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "MaxPool", "AveragePool", "LpPool",
	"GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool", "MaxUnpool", "BatchNormalization", "InstanceNormalization",
	"GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth")

// The same for N×H×W×C, in ONNX Runtime's own domain.
var channelsLast = set("NhwcConv", "NhwcFusedConv", "NhwcMaxPool")

// The operators that leave the meaning of the axes as it is, at least for their first input.
var layoutKeepers = set("Abs", "Add", "BiasGelu", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Concat", "DequantizeLinear", "Div", "Dropout",
	"Elu", "Erf", "Exp", "FastGelu", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log",
	"MatMul", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "PRelu", "Pad", "Pow", "QLinearAdd", "QLinearConcat", "QLinearLeakyRelu",
	"QLinearMul", "QLinearSigmoid", "QuantizeLinear", "QuickGelu", "RMSNormalization", "Reciprocal", "Relu", "Resize", "Round", "Selu",
	"Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu",
	"Upsample", "Where")

func set(names ...string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

// view is a tensor as seen from another one: axis i of that one is axis axes[i] of this.
type view struct {
	tensor string
	axes   [4]int
}

// of returns the layout of the other tensor if this one has the layout l.
func (v view) of(l Layout) Layout {
	var seen [4]byte
	for i, axis := range v.axes {
		seen[i] = l[axis]
	}
	return Layout(seen[:])
}

// transposed returns the view of a tensor with which v's is connected by a Transpose: backward from the output to the
// input, else from the input to the output. ok is false if the permutation isn't one of 4 axes.
func (v view) transposed(n *node, to string, backward bool) (w view, ok bool) {
	perm := n.ints("perm")
	if perm == nil {
		perm = []int64{3, 2, 1, 0} // the default reverses
	}
	if len(perm) != 4 {
		return view{}, false
	}
	w = view{tensor: to}
	for i, axis := range v.axes {
		// Output axis j is input axis perm[j].
		if backward {
			w.axes[i] = int(perm[axis])
		} else {
			w.axes[i] = slices.Index(perm, int64(axis))
		}
		if w.axes[i] < 0 || w.axes[i] > 3 {
			return view{}, false
		}
	}
	return w, true
}

// layout returns the layout of a rank-4 tensor. ONNX's convolutions, poolings and norms are N×C×H×W by definition, so
// the nearest of them from which the tensor comes tells, or else the nearest to which it goes; between them Transposes
// permute the axes and elementwise operators keep them. A tensor that comes from the input by these alone has the
// input's layout. Where nothing tells, the input's layout is the best guess, and NCHW where that isn't known either.
func (m *Model) layout(tensor string) Layout {
	if l := m.layoutByOrigin(tensor); l != UnknownLayout {
		return l
	}
	if l := m.layoutByGraph(tensor); l != UnknownLayout {
		return l
	}
	for _, v := range m.graph.inputs {
		if l := layoutByChannels(v.shape.Dims); l != UnknownLayout && !m.initializers[v.name] {
			return l
		}
	}
	return NCHW
}

// layoutByOrigin walks towards the input.
func (m *Model) layoutByOrigin(tensor string) Layout {
	return walk(tensor, func(v view, follow func(view)) Layout {
		n := m.producer(v.tensor)
		switch {
		case n == nil && m.values[v.tensor] != nil && !m.initializers[v.tensor]:
			if l := layoutByChannels(m.values[v.tensor].shape.Dims); l != UnknownLayout {
				return v.of(l)
			}
		case n == nil:
		case channelsFirst[n.op.name]:
			return v.of(NCHW)
		case channelsLast[n.op.name]:
			return v.of(NHWC)
		case n.op.name == "Transpose" && len(n.inputs) == 1:
			if w, ok := v.transposed(n, n.inputs[0], true); ok {
				follow(w)
			}
		case n.op.name == "MatMul" && len(n.inputs) > 0:
			follow(view{n.inputs[0], v.axes})
		case layoutKeepers[n.op.name]:
			for _, name := range slices.Backward(n.inputs) {
				if i, ok := m.producers[name]; !ok || m.live[i] {
					follow(view{name, v.axes})
				}
			}
		}
		return UnknownLayout
	})
}

// layoutByGraph walks away from the input.
func (m *Model) layoutByGraph(tensor string) Layout {
	return walk(tensor, func(v view, follow func(view)) Layout {
		for _, i := range slices.Backward(m.consumers[v.tensor]) {
			n := &m.graph.nodes[i]
			if len(n.inputs) == 0 || len(n.outputs) == 0 {
				continue
			}
			data := n.inputs[0] == v.tensor
			switch {
			case data && channelsFirst[n.op.name]:
				return v.of(NCHW)
			case data && channelsLast[n.op.name]:
				return v.of(NHWC)
			case data && n.op.name == "Transpose":
				if w, ok := v.transposed(n, n.outputs[0], false); ok {
					follow(w)
				}
			case layoutKeepers[n.op.name] && (data || n.op.name != "MatMul"):
				follow(view{n.outputs[0], v.axes})
			}
		}
		return UnknownLayout
	})
}

// walk goes from tensor to those that look lets it follow, each once and the one named last first, until look returns a
// layout.
func walk(tensor string, look func(v view, follow func(view)) Layout) Layout {
	pending := []view{{tensor, [4]int{0, 1, 2, 3}}}
	seen := map[string]bool{tensor: true}
	follow := func(v view) {
		if v.tensor != "" && !seen[v.tensor] {
			seen[v.tensor] = true
			pending = append(pending, v)
		}
	}
	for len(pending) > 0 {
		v := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if l := look(v, follow); l != UnknownLayout {
			return l
		}
	}
	return UnknownLayout
}

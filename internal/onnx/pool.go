package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// Method says how the values of a layer over the pooled axes become one.
type Method string

// The methods. None flattens all axes but the batch; Default is Max where the layer's rank calls for pooling.
const (
	Default Method = ""
	Max     Method = "Max"
	Average Method = "Average"
	Sum     Method = "Sum"
	None    Method = "None"
)

// Pooling says how a layer becomes one row of numbers for each image.
type Pooling struct {
	Method Method

	// Axes are pooled; negative ones count from the last. None given: by the layer's rank, the spatial ones at 4 (by
	// its layout), the tokens at 3 (N×T×D), none at 2. Other ranks need them.
	Axes []int

	// Token picks one of the tokens of a layer of rank 3, N×T×D; a negative one counts from the last. Nothing is left
	// to pool then.
	Token *int

	// Batch is the axis of the samples, 0 or, in transformers that have the tokens first (T×N×D), 1. Axes count it
	// where it is.
	Batch int
}

// Request asks for a layer, by a name that Model.Resolve understands.
type Request struct {
	Layer   string
	Pooling Pooling
}

// pool is a Pooling worked out for one tensor.
type pool struct {
	axes  []int // ascending, none is the batch
	swap  []int // the permutation that brings the batch to the first axis; nil where it is there
	token *int
	width int // 0: not known
}

var reductions = map[Method]string{Default: "ReduceMax", Max: "ReduceMax", Average: "ReduceMean", Sum: "ReduceSum"}

// Width returns the width D of the N×D matrix that a request gives, 0 if the shapes don't tell. Its errors are Cut's
// for that request.
func (m *Model) Width(r Request, shapes Shapes) (int, error) {
	t, err := m.Resolve(r.Layer)
	if err != nil {
		return 0, err
	}
	p, err := m.pool(r, t, m.shape(t.Name, shapes))
	return p.width, err
}

// shape returns what shapes say of a tensor, else what the file does.
func (m *Model) shape(tensor string, shapes Shapes) Shape {
	if s, ok := shapes[tensor]; ok && (len(s.Dims) > 0 || s.Type != ir.Undefined) {
		return s
	}
	if v := m.values[tensor]; v != nil {
		return v.shape
	}
	return Shape{}
}

// pool works out r for the tensor t of shape s.
func (m *Model) pool(r Request, t Tensor, s Shape) (pool, error) {
	bad := func(format string, args ...any) (pool, error) {
		return pool{}, &LayerError{m.path, r.Layer, fmt.Sprintf(format, args...)}
	}
	rank, p := len(s.Dims), r.Pooling
	if s.Type == ir.String || s.Type == ir.Complex64 || s.Type == ir.Complex128 {
		return bad("its elements are %s, not real numbers", s.Type)
	}
	switch {
	case p.Method != None && reductions[p.Method] == "":
		return bad("pooling %q is not one of Max, Average, Sum and None", p.Method)
	case p.Token != nil && len(p.Axes) > 0:
		return bad("pooling takes axes or a token, not both")
	case p.Method == None && len(p.Axes) > 0:
		return bad("pooling None takes no axes")
	case p.Token != nil && rank == 0:
		return bad("its shape is not known, and a token needs rank 3 (N×T×D)")
	case p.Token != nil && rank != 3:
		return bad("its shape is %s, and a token needs rank 3 (N×T×D)", s)
	case rank == 0 && len(p.Axes) == 0 && p.Method != None:
		return bad("its shape is not known: give the axes to pool, or pooling None")
	}
	var swap []int
	if batch := m.batch(t.Name); rank == 3 && s.Dims[0] > 1 && s.Dims[0] != batch && (s.Dims[1] < 1 || s.Dims[1] == batch) {
		p.Batch = 1 // the only axis that can be it
	}
	if p.Batch != 0 {
		if p.Batch != 1 || rank < 2 {
			return bad("axis %d can't be that of the samples (shape %s): 0 and 1 can", p.Batch, s)
		}
		s, swap = swapped(s)
		p.Axes = slices.Clone(p.Axes)
		for i, axis := range p.Axes {
			switch axis {
			case 0, -rank:
				p.Axes[i] = 1
			case 1, 1 - rank:
				p.Axes[i] = 0
			}
		}
	}
	if rank > 0 {
		if batch := m.batch(t.Name); s.Dims[0] > 1 && s.Dims[0] != batch {
			return bad("its shape is %s, so its first dimension is not the batch (%s)", s, Shape{Dims: []int64{batch}})
		}
	}
	if p.Token != nil {
		token, tokens := *p.Token, s.Dims[1]
		if tokens >= 0 && (int64(token) >= tokens || int64(token) < -tokens) {
			return bad("token %d of %d does not exist (shape %s)", token, tokens, s)
		}
		if token < 0 && tokens >= 0 {
			token += int(tokens) // operator sets before 11 don't count from the last
		}
		return pool{token: &token, swap: swap, width: width(s.Dims, []int{1})}, nil
	}
	axes, reason := m.axes(p, t.Name, s)
	if reason != "" {
		return bad("%s", reason)
	}
	return pool{axes: axes, swap: swap, width: width(s.Dims, axes)}, nil
}

// swapped is a shape with its first two axes exchanged, and the permutation that does so.
func swapped(s Shape) (Shape, []int) {
	permutation := make([]int, len(s.Dims))
	for axis := range permutation {
		permutation[axis] = axis
	}
	permutation[0], permutation[1] = 1, 0
	s.Dims = slices.Clone(s.Dims)
	s.Dims[0], s.Dims[1] = s.Dims[1], s.Dims[0]
	return s, permutation
}

// axes returns the axes that p pools, or why there are none to be had.
func (m *Model) axes(p Pooling, tensor string, s Shape) (axes []int, reason string) {
	rank := len(s.Dims)
	switch {
	case p.Method == None:
		return nil, ""
	case len(p.Axes) > 0:
		return explicitAxes(p.Axes, s)
	}
	switch rank {
	case 2:
		return nil, ""
	case 3:
		return []int{1}, ""
	case 4:
		layout := m.layout(tensor)
		if layout[0] != 'N' {
			return nil, fmt.Sprintf("its layout is %s, which does not begin with the batch", layout)
		}
		axes = []int{strings.Index(string(layout), "H"), strings.Index(string(layout), "W")}
		slices.Sort(axes)
		return axes, ""
	}
	return nil, fmt.Sprintf("its rank is %d (shape %s), which does not tell what to pool: give the axes, or pooling None", rank, s)
}

// explicitAxes returns axes ascending and counted from the first.
func explicitAxes(given []int, s Shape) (axes []int, reason string) {
	rank := len(s.Dims)
	for _, axis := range given {
		switch {
		case axis < 0 && rank == 0:
			return nil, fmt.Sprintf("axis %d counts from the last, and the layer's rank is not known", axis)
		case rank > 0 && (axis >= rank || axis < -rank):
			return nil, fmt.Sprintf("axis %d does not exist in shape %s", axis, s)
		case axis < 0:
			axis += rank
		}
		if axis == 0 {
			return nil, "axis 0 is the batch, which can't be pooled"
		}
		axes = append(axes, axis)
	}
	slices.Sort(axes)
	if len(slices.Compact(slices.Clone(axes))) < len(axes) {
		return nil, fmt.Sprintf("an axis is given twice in %v (shape %s)", given, s)
	}
	return axes, ""
}

// width returns the product of the dimensions but for the batch and the pooled ones, 0 if one of them is not known.
func width(dims []int64, pooled []int) int {
	if len(dims) == 0 {
		return 0
	}
	product := int64(1)
	for axis, d := range dims {
		if axis == 0 || slices.Contains(pooled, axis) {
			continue
		}
		if d <= 0 || product > math.MaxInt32/d {
			return 0
		}
		product *= d
	}
	return int(product)
}

// batch returns the first dimension of the input that tensor depends on, −1 if it is free or not known.
func (m *Model) batch(tensor string) int64 {
	_, used := m.needed([]string{tensor})
	for _, v := range m.graph.inputs {
		if used[v.name] && !m.initializers[v.name] && len(v.shape.Dims) > 0 {
			return v.shape.Dims[0]
		}
	}
	return -1
}

// emitter writes the nodes that pool, in the forms of one operator set and under names of their own.
type emitter struct {
	opset int64
	taken map[string]bool
	nodes []ir.Node
}

// pool appends what makes the N×D float32 matrix of p from the tensor t of element type typ. It returns the matrix'
// name.
func (e *emitter) pool(t Tensor, typ ElementType, method Method, p pool) string {
	base, x := namePrefix+t.Name, t.Name
	if q := t.quantized; q != nil {
		var attributes []ir.Attribute
		for _, a := range q.attributes {
			attributes = append(attributes, ir.RawAttribute(a))
		}
		x = e.node(base+"/dequantized", "DequantizeLinear", append([]string{x}, q.inputs...), attributes...)
		e.nodes[len(e.nodes)-1].Domain = q.domain
		typ = ir.Undefined // the scale's
	}
	if typ != Float32 {
		x = e.node(base+"/float32", "Cast", []string{x}, ir.AttrInt("to", int64(Float32)))
	}
	if p.swap != nil {
		x = e.node(base+"/samples", "Transpose", []string{x}, ir.AttrInts("perm", int64s(p.swap)...))
	}
	switch {
	case p.token != nil:
		index := e.constant(base+"/index", ir.Int64s("", nil, int64(*p.token)))
		x = e.node(base+"/token", "Gather", []string{x, index}, ir.AttrInt("axis", 1))
	case len(p.axes) > 0:
		x = e.reduce(base, reductions[method], x, p.axes)
	}
	return e.node(base+"/pooled", "Flatten", []string{x}, ir.AttrInt("axis", 1))
}

// reduce appends a reduction. Its axes are an attribute up to operator set 12 for ReduceSum and 17 for the others, and
// an input after.
func (e *emitter) reduce(base, op, x string, axes []int) string {
	values := int64s(axes)
	last := int64(17)
	if op == "ReduceSum" {
		last = 12
	}
	keep := ir.AttrInt("keepdims", 0)
	if e.opset <= last {
		return e.node(base+"/"+op, op, []string{x}, ir.AttrInts("axes", values...), keep)
	}
	input := e.constant(base+"/axes", ir.Int64s("", []int64{int64(len(values))}, values...))
	return e.node(base+"/"+op, op, []string{x, input}, keep)
}

func int64s(values []int) []int64 {
	out := make([]int64, len(values))
	for i, v := range values {
		out[i] = int64(v)
	}
	return out
}

// constant appends a Constant: an initializer would have to be an input too before IR version 4.
func (e *emitter) constant(name string, t ir.Tensor) string {
	return e.node(name, "Constant", nil, ir.AttrTensor("value", t))
}

// node appends a node of the default domain with one output and returns that output's name: name, or one like it that
// is free.
func (e *emitter) node(name, op string, inputs []string, attributes ...ir.Attribute) string {
	output := name
	for i := 2; e.taken[output]; i++ {
		output = fmt.Sprintf("%s_%d", name, i)
	}
	e.taken[output] = true
	e.nodes = append(e.nodes, ir.Node{Name: output, Op: op, Inputs: inputs, Outputs: []string{output}, Attributes: attributes})
	return output
}

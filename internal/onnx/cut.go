package onnx

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// namePrefix begins the names of the nodes and tensors that a cut adds.
const namePrefix = "dataset-audit/"

// defaultOpset is imported for the nodes that a cut adds to a model that has none of the default domain's.
const defaultOpset = 13

// Edited is a model made from another one: an ONNX file's content.
type Edited struct {
	Bytes []byte

	// DataFolder is the folder of the tensors' data that lie in other files, "" if none do. A session made of Bytes, or
	// of a file with them anywhere, finds the data if its options have this folder for FolderOption. The files have
	// been seen to be below it.
	DataFolder string
}

// Cut is a model that computes what was requested of another one, and nothing more.
type Cut struct {
	Edited
	Input   Input
	Outputs []Output // one for each request, in order
}

// Output is an N×Width matrix of float32, N the batch.
type Output struct {
	Name   string
	Tensor Tensor // the layer
	Width  int    // 0: not known before the model is run
}

// Expose returns the model with the given tensors as its outputs, as they are, and with only the nodes that these need.
// A session of it tells their shapes, which files often don't.
func (m *Model) Expose(tensors ...string) (Edited, error) {
	if len(tensors) == 0 {
		return Edited{}, fmt.Errorf("model %s: no tensors to expose", m.path)
	}
	var outputs [][]byte
	seen := map[string]bool{}
	for _, name := range tensors {
		if m.producer(name) == nil {
			return Edited{}, m.unknown(name)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		if v := m.values[name]; v != nil {
			outputs = append(outputs, v.message)
			continue
		}
		outputs = append(outputs, ir.Value{Name: name}.Marshal()) // ONNX Runtime infers the type
	}
	return m.edit(tensors, nil, outputs)
}

// Cut returns the model that computes the requested layers, pooled, and nothing more: nodes, initializers, inputs and
// functions that they don't need are gone, and what is kept is kept byte for byte. Shapes tell the layers' ranks and
// types; what they don't tell is taken from the file. Requests may repeat. The errors are Resolve's and Input's, and
// *LayerError for a pooling that doesn't fit.
func (m *Model) Cut(requests []Request, shapes Shapes) (*Cut, error) {
	if len(requests) == 0 {
		return nil, fmt.Errorf("model %s: no layers are requested", m.path)
	}
	opset := m.opset
	if opset == 0 {
		opset = defaultOpset
	}
	cut := &Cut{}
	e := emitter{opset: opset, taken: maps.Clone(m.reserved)}
	var layers []string
	var outputs [][]byte
	for _, r := range requests {
		t, err := m.Resolve(r.Layer)
		if err != nil {
			return nil, err
		}
		s := m.shape(t.Name, shapes)
		p, err := m.pool(r, t, s)
		if err != nil {
			return nil, err
		}
		output := Output{Name: e.pool(t, s.Type, r.Pooling.Method, p), Tensor: t, Width: p.width}
		cut.Outputs = append(cut.Outputs, output)
		dims := []int64{-1, -1}
		if p.width > 0 {
			dims[1] = int64(p.width)
		}
		outputs = append(outputs, ir.Value{Name: output.Name, Type: Float32, Dims: dims}.Marshal())
		layers = append(layers, t.Name)
		if t.quantized != nil {
			layers = append(layers, t.quantized.inputs...)
		}
	}
	var err error
	if cut.Input, err = m.Input(layers...); err != nil {
		return nil, err
	}
	cut.Edited, err = m.edit(layers, e.nodes, outputs)
	return cut, err
}

// needed returns which nodes the given tensors depend on, and the names of all tensors that these nodes read, those
// included.
func (m *Model) needed(tensors []string) (nodes []bool, used map[string]bool) {
	nodes = make([]bool, len(m.graph.nodes))
	used = map[string]bool{}
	pending := slices.Clone(tensors)
	for len(pending) > 0 {
		name := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if name == "" || used[name] {
			continue
		}
		used[name] = true
		i, ok := m.producers[name]
		if !ok || nodes[i] {
			continue
		}
		nodes[i] = true
		pending = append(append(pending, m.graph.nodes[i].inputs...), m.graph.nodes[i].captures...)
	}
	return nodes, used
}

// edit returns the model cut at tensors, with further nodes and with the outputs given as encoded ValueInfoProtos.
func (m *Model) edit(tensors []string, further []ir.Node, outputs [][]byte) (Edited, error) {
	nodes, present := m.needed(tensors)
	var out message
	var files []string
	calls := map[operator]bool{}
	for i := range m.graph.nodes {
		n := &m.graph.nodes[i]
		if !nodes[i] {
			continue
		}
		out.raw(n.raw)
		files = append(files, n.locations...)
		calls[n.op] = true
		for _, op := range n.calls {
			calls[op] = true
		}
		for _, name := range n.outputs {
			present[name] = true
		}
	}
	for _, n := range further {
		out.field(ir.GraphNode, n.Marshal())
	}
	for _, raw := range m.graph.rest {
		out.raw(raw)
	}
	for _, r := range m.graph.initializers {
		if present[r.name] {
			out.raw(r.raw)
			files = append(files, r.locations...)
		}
	}
	for _, v := range m.graph.inputs {
		if present[v.name] {
			out.raw(v.raw)
		}
	}
	exposed := map[string]bool{}
	if len(further) == 0 { // the tensors themselves are the outputs, whose types stand there
		for _, name := range tensors {
			exposed[name] = true
		}
	}
	for _, b := range outputs {
		out.field(ir.GraphOutput, b)
	}
	for _, v := range m.graph.values {
		if present[v.name] && !exposed[v.name] {
			out.raw(v.raw)
		}
	}
	for _, r := range m.graph.annotations {
		if present[r.name] {
			out.raw(r.raw)
		}
	}
	folder, err := m.dataFolder(append(files, m.callFiles(calls)...))
	if err != nil {
		return Edited{}, err
	}
	return Edited{Bytes: m.assemble(out, calls), DataFolder: folder}, nil
}

// callFiles adds to calls the operators that called functions apply in turn, and returns the files that hold the
// functions' data.
func (m *Model) callFiles(calls map[operator]bool) (files []string) {
	defined := make(map[operator]*function, len(m.functions))
	for i := range m.functions {
		defined[m.functions[i].operator] = &m.functions[i]
	}
	pending := slices.Collect(maps.Keys(calls))
	for len(pending) > 0 {
		fn := defined[pending[len(pending)-1]]
		pending = pending[:len(pending)-1]
		if fn == nil {
			continue
		}
		files = append(files, fn.locations...)
		for _, op := range fn.calls {
			if !calls[op] {
				calls[op] = true
				pending = append(pending, op)
			}
		}
	}
	return files
}

// assemble returns the model with another graph and only the functions that are called.
func (m *Model) assemble(graph message, calls map[operator]bool) []byte {
	var model message
	for _, raw := range m.header {
		model.raw(raw)
	}
	if m.opset == 0 {
		model.field(ir.ModelOpsetImport, ir.OpsetImport("", defaultOpset))
	}
	model.raw(protowire.AppendVarint(protowire.AppendTag(nil, ir.ModelGraph, protowire.BytesType), uint64(graph.size)))
	model.parts, model.size = append(model.parts, graph.parts...), model.size+graph.size
	for _, fn := range m.functions {
		if calls[fn.operator] {
			model.raw(fn.raw)
		}
	}
	return model.bytes()
}

// message is a protobuf message in parts, joined once: models are large.
type message struct {
	parts [][]byte
	size  int
}

func (m *message) raw(field []byte) {
	m.parts = append(m.parts, field)
	m.size += len(field)
}

func (m *message) field(number protowire.Number, content []byte) {
	m.raw(protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content))
}

func (m *message) bytes() []byte {
	b := make([]byte, 0, m.size)
	for _, part := range m.parts {
		b = append(b, part...)
	}
	return b
}

// Package ir writes ONNX models, the protobuf messages of onnx.proto, without generated code: enough of them to add
// nodes to a graph and to build a small model from scratch.
//
//	model := ir.Model{Opset: 17, Graph: ir.Graph{
//		Inputs:  []ir.Value{{Name: "x", Type: ir.Float32, Dims: []int64{-1, 4}}},
//		Nodes:   []ir.Node{{Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}},
//		Outputs: []ir.Value{{Name: "y"}},
//	}}
//	os.WriteFile("relu.onnx", model.Marshal(), 0o644)
package ir

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// String returns the name that NumPy and ONNX use, e.g. float32.
func (t ElementType) String() string {
	if t < 0 || int(t) >= len(elementNames) {
		return fmt.Sprintf("type %d", int32(t))
	}
	return elementNames[t]
}

// Model is a ModelProto.
type Model struct {
	IR        int64            // ir_version; 0: 8, which goes with the operator sets up to 18
	Opset     int64            // version of the default domain; 0: not imported
	Domains   map[string]int64 // versions of further domains
	Graph     Graph
	Functions []Function
}

// Graph is a GraphProto: the model's, or the body of an If, Loop or Scan.
type Graph struct {
	Name         string
	Inputs       []Value
	Outputs      []Value
	Values       []Value // value_info: what is known of the tensors in between
	Nodes        []Node  // topologically sorted
	Initializers []Tensor
}

// Value is a ValueInfoProto: a tensor's name, element type and shape.
type Value struct {
	Name string
	Type ElementType // Undefined: neither type nor shape is written
	Dims []int64     // −1: free; nil: no shape is written
}

// Node is a NodeProto, an operator's application. An empty name among Inputs or Outputs omits an optional one.
type Node struct {
	Name       string
	Op         string
	Domain     string // "": the default one
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// Function is a FunctionProto, an operator that the model defines for itself.
type Function struct {
	Domain  string
	Name    string
	Opset   int64 // version of the default domain for its nodes
	Inputs  []string
	Outputs []string
	Nodes   []Node
}

// Tensor is a TensorProto. Its data are Raw, or lie in the file Location beside the model.
type Tensor struct {
	Name     string
	Type     ElementType
	Dims     []int64
	Raw      []byte // little-endian, C order
	Location string
}

// Float32s returns a float32 tensor of the given shape.
func Float32s(name string, dims []int64, values ...float32) Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return Tensor{Name: name, Type: Float32, Dims: dims, Raw: raw}
}

// Int64s returns an int64 tensor of the given shape; nil dims make a scalar.
func Int64s(name string, dims []int64, values ...int64) Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return Tensor{Name: name, Type: Int64, Dims: dims, Raw: raw}
}

// Attribute is an AttributeProto; the functions below make one of each type.
type Attribute struct {
	bytes []byte
}

// AttrFloat returns an attribute of type FLOAT.
func AttrFloat(name string, v float32) Attribute {
	b := attribute(name, attributeFloat)
	b = protowire.AppendTag(b, AttributeFloat, protowire.Fixed32Type)
	return Attribute{protowire.AppendFixed32(b, math.Float32bits(v))}
}

// AttrInt returns an attribute of type INT.
func AttrInt(name string, v int64) Attribute {
	return Attribute{appendInt(attribute(name, attributeInt), AttributeInt, v)}
}

// AttrInts returns an attribute of type INTS.
func AttrInts(name string, values ...int64) Attribute {
	b := attribute(name, attributeInts)
	for _, v := range values {
		b = appendInt(b, AttributeInts, v)
	}
	return Attribute{b}
}

// AttrString returns an attribute of type STRING.
func AttrString(name, v string) Attribute {
	return Attribute{appendString(attribute(name, attributeString), AttributeString, v)}
}

// AttrTensor returns an attribute of type TENSOR.
func AttrTensor(name string, t Tensor) Attribute {
	return Attribute{appendMessage(attribute(name, attributeTensor), AttributeTensor, t.Marshal())}
}

// AttrGraph returns an attribute of type GRAPH.
func AttrGraph(name string, g Graph) Attribute {
	return Attribute{appendMessage(attribute(name, attributeGraph), AttributeGraph, g.Marshal())}
}

// RawAttribute returns the attribute whose AttributeProto is encoded in b, e.g. taken from another node.
func RawAttribute(b []byte) Attribute {
	return Attribute{b}
}

func attribute(name string, kind int64) []byte {
	b := appendString(nil, AttributeName, name)
	return appendInt(b, AttributeType, kind)
}

// Marshal returns the encoded ModelProto, the content of an .onnx file.
func (m Model) Marshal() []byte {
	version := m.IR
	if version == 0 {
		version = 8
	}
	b := appendInt(nil, ModelIRVersion, version)
	b = appendMessage(b, ModelGraph, m.Graph.Marshal())
	if m.Opset != 0 {
		b = appendMessage(b, ModelOpsetImport, OpsetImport("", m.Opset))
	}
	for _, domain := range slices.Sorted(maps.Keys(m.Domains)) {
		b = appendMessage(b, ModelOpsetImport, OpsetImport(domain, m.Domains[domain]))
	}
	for _, f := range m.Functions {
		b = appendMessage(b, ModelFunction, f.Marshal())
	}
	return b
}

// OpsetImport returns an encoded OperatorSetIdProto.
func OpsetImport(domain string, version int64) []byte {
	var b []byte
	if domain != "" {
		b = appendString(b, OpsetDomain, domain)
	}
	return appendInt(b, OpsetVersion, version)
}

// Marshal returns the encoded GraphProto.
func (g Graph) Marshal() []byte {
	var b []byte
	for _, n := range g.Nodes {
		b = appendMessage(b, GraphNode, n.Marshal())
	}
	name := g.Name
	if name == "" {
		name = "graph" // a graph must have one
	}
	b = appendString(b, GraphName, name)
	for _, t := range g.Initializers {
		b = appendMessage(b, GraphInitializer, t.Marshal())
	}
	for _, v := range g.Inputs {
		b = appendMessage(b, GraphInput, v.Marshal())
	}
	for _, v := range g.Outputs {
		b = appendMessage(b, GraphOutput, v.Marshal())
	}
	for _, v := range g.Values {
		b = appendMessage(b, GraphValueInfo, v.Marshal())
	}
	return b
}

// Marshal returns the encoded ValueInfoProto.
func (v Value) Marshal() []byte {
	b := appendString(nil, ValueName, v.Name)
	if v.Type == Undefined {
		return b
	}
	tensor := appendInt(nil, TensorTypeElementType, int64(v.Type))
	if v.Dims != nil {
		var shape []byte
		for i, d := range v.Dims {
			var dim []byte
			if d < 0 {
				dim = appendString(dim, DimParam, fmt.Sprintf("%s_%d", v.Name, i))
			} else {
				dim = appendInt(dim, DimValue, d)
			}
			shape = appendMessage(shape, ShapeDim, dim)
		}
		tensor = appendMessage(tensor, TensorTypeShape, shape)
	}
	return appendMessage(b, ValueType, appendMessage(nil, TypeTensor, tensor))
}

// Marshal returns the encoded NodeProto.
func (n Node) Marshal() []byte {
	var b []byte
	for _, name := range n.Inputs {
		b = appendString(b, NodeInput, name)
	}
	for _, name := range n.Outputs {
		b = appendString(b, NodeOutput, name)
	}
	if n.Name != "" {
		b = appendString(b, NodeName, n.Name)
	}
	b = appendString(b, NodeOp, n.Op)
	for _, a := range n.Attributes {
		b = appendMessage(b, NodeAttribute, a.bytes)
	}
	if n.Domain != "" {
		b = appendString(b, NodeDomain, n.Domain)
	}
	return b
}

// Marshal returns the encoded FunctionProto.
func (f Function) Marshal() []byte {
	b := appendString(nil, FunctionName, f.Name)
	for _, name := range f.Inputs {
		b = appendString(b, FunctionInput, name)
	}
	for _, name := range f.Outputs {
		b = appendString(b, FunctionOutput, name)
	}
	for _, n := range f.Nodes {
		b = appendMessage(b, FunctionNode, n.Marshal())
	}
	b = appendMessage(b, FunctionOpset, OpsetImport("", f.Opset))
	return appendString(b, FunctionDomain, f.Domain)
}

// Marshal returns the encoded TensorProto.
func (t Tensor) Marshal() []byte {
	var b []byte
	for _, d := range t.Dims {
		b = appendInt(b, TensorDims, d)
	}
	b = appendInt(b, TensorElementType, int64(t.Type))
	if t.Name != "" {
		b = appendString(b, TensorName, t.Name)
	}
	if t.Location == "" {
		return appendMessage(b, TensorRaw, t.Raw)
	}
	entry := appendString(appendString(nil, EntryKey, "location"), EntryValue, t.Location)
	b = appendMessage(b, TensorExternal, entry)
	return appendInt(b, TensorDataLocation, External)
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendString(b []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

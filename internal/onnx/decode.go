package onnx

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

const (
	// maxElements bounds how many nodes, names, tensors and values a model may have, so that a small hostile file can't
	// make us allocate a large multiple of its size. Large image models have some ten thousand.
	maxElements = 1 << 19

	// maxDepth bounds graphs within graphs: If in Loop in Scan …
	maxDepth = 32
)

// decoder takes protobuf messages apart. Strings are copied; all else aliases the file.
type decoder struct {
	elements int
	reserved map[string]bool // names in the model that begin with namePrefix
}

// span is an encoded message and where it begins in the file.
type span struct {
	bytes  []byte
	offset int64
}

// field is one field of a message.
type field struct {
	number protowire.Number
	raw    []byte // tag and content
	varint uint64
	span   // content of a string, message or packed array; empty for other wire types
}

// each calls visit with the fields of a message, in order.
func (d *decoder) each(kind string, s span, visit func(field) error) error {
	for at := 0; at < len(s.bytes); {
		b := s.bytes[at:]
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return invalid(s.offset+int64(at), "%s: a field begins that isn't protobuf (%v)", kind, protowire.ParseError(n))
		}
		f := field{number: number}
		var length int
		switch wire {
		case protowire.VarintType:
			f.varint, length = protowire.ConsumeVarint(b[n:])
		case protowire.BytesType:
			f.bytes, length = protowire.ConsumeBytes(b[n:])
			f.offset = s.offset + int64(at+n+length-len(f.bytes))
		default:
			length = protowire.ConsumeFieldValue(number, wire, b[n:])
		}
		if claimed, k := protowire.ConsumeVarint(b[n:]); length < 0 && wire == protowire.BytesType && k > 0 {
			return invalid(s.offset+int64(at), "%s: field %d claims %d bytes, %d are left: truncated?", kind, number, claimed, len(b)-n-k)
		}
		if length < 0 {
			return invalid(s.offset+int64(at), "%s: field %d: %v", kind, number, protowire.ParseError(length))
		}
		f.raw = b[:n+length]
		if err := visit(f); err != nil {
			return err
		}
		at += n + length
	}
	return nil
}

// count charges one element that begins at offset to the model's budget.
func (d *decoder) count(offset int64) error {
	d.elements++
	if d.elements > maxElements {
		return invalid(offset, "more than %d nodes, names, tensors and values", maxElements)
	}
	return nil
}

// name returns a string that names a tensor or node.
func (d *decoder) name(f field) (string, error) {
	s := string(f.bytes)
	if strings.HasPrefix(s, namePrefix) {
		d.reserved[s] = true
	}
	return s, d.count(f.offset)
}

// names appends the string in f to list.
func (d *decoder) names(list *[]string, f field) error {
	s, err := d.name(f)
	*list = append(*list, s)
	return err
}

// graph adds the content of a GraphProto to g. A model whose graph comes in several fields is, by protobuf's rules,
// their union.
func (d *decoder) graph(s span, g *graph) error {
	return d.each("graph", s, func(f field) error {
		switch f.number {
		case ir.GraphNode:
			n := node{record: record{raw: f.raw}, message: f.bytes}
			if err := d.node(f.span, 0, &n); err != nil {
				return err
			}
			g.nodes = append(g.nodes, n)
		case ir.GraphInitializer, ir.GraphSparseInitializer:
			r, err := d.tensor(f)
			if err != nil {
				return err
			}
			g.initializers = append(g.initializers, r)
		case ir.GraphInput:
			return d.value(&g.inputs, f)
		case ir.GraphOutput:
			return d.value(&g.outputs, f)
		case ir.GraphValueInfo:
			return d.value(&g.values, f)
		case ir.GraphQuantization:
			r := record{raw: f.raw}
			err := d.each("quantization_annotation", f.span, func(f field) (err error) {
				if f.number == ir.AnnotationTensor {
					r.name, err = d.name(f)
				}
				return err
			})
			g.annotations = append(g.annotations, r)
			return err
		default:
			g.rest = append(g.rest, f.raw)
			return d.count(f.offset)
		}
		return nil
	})
}

// node reads a NodeProto into n.
func (d *decoder) node(s span, depth int, n *node) error {
	if err := d.count(s.offset); err != nil {
		return err
	}
	return d.each("node", s, func(f field) (err error) {
		switch f.number {
		case ir.NodeInput:
			return d.names(&n.inputs, f)
		case ir.NodeOutput:
			return d.names(&n.outputs, f)
		case ir.NodeName:
			n.name, err = d.name(f)
		case ir.NodeOp:
			n.op.name = string(f.bytes)
		case ir.NodeDomain:
			n.op.domain = string(f.bytes)
		case ir.NodeOverload:
			n.op.overload = string(f.bytes)
		case ir.NodeAttribute:
			return d.attribute(f.span, depth, n)
		}
		return err
	})
}

// attribute reads what an AttributeProto holds of graphs and of tensors with data elsewhere into n.
func (d *decoder) attribute(s span, depth int, n *node) error {
	return d.each("attribute", s, func(f field) error {
		switch f.number {
		case ir.AttributeTensor, ir.AttributeTensors, ir.AttributeSparseTensor, ir.AttributeSparseTensors:
			t, err := d.tensor(f)
			n.locations = append(n.locations, t.locations...)
			return err
		case ir.AttributeGraph, ir.AttributeGraphs:
			return d.subgraph(f.span, depth+1, n)
		}
		return nil
	})
}

// subgraph adds the names that a GraphProto inside an attribute mentions to n's captures. Its own are among them: they
// stand for nothing outside, since a subgraph must not reuse an outer name.
func (d *decoder) subgraph(s span, depth int, n *node) error {
	if depth > maxDepth {
		return invalid(s.offset, "graphs nested deeper than %d", maxDepth)
	}
	return d.each("subgraph", s, func(f field) error {
		switch f.number {
		case ir.GraphNode:
			var inner node
			if err := d.node(f.span, depth, &inner); err != nil {
				return err
			}
			n.captures = append(append(n.captures, inner.inputs...), inner.captures...)
			n.calls = append(append(n.calls, inner.op), inner.calls...)
			n.locations = append(n.locations, inner.locations...)
		case ir.GraphInitializer, ir.GraphSparseInitializer:
			t, err := d.tensor(f)
			n.locations = append(n.locations, t.locations...)
			return err
		case ir.GraphOutput:
			var outputs []value
			err := d.value(&outputs, f)
			n.captures = append(n.captures, outputs[0].name)
			return err
		}
		return nil
	})
}

// tensor reads a TensorProto or SparseTensorProto, whose name is its values'. The two share no field number that
// matters.
func (d *decoder) tensor(f field) (record, error) {
	r := record{raw: f.raw}
	if f.number == ir.GraphSparseInitializer || f.number == ir.AttributeSparseTensor || f.number == ir.AttributeSparseTensors {
		err := d.each("sparse tensor", f.span, func(f field) error {
			if f.number != ir.SparseValues && f.number != ir.SparseIndices {
				return nil
			}
			t, err := d.tensor(field{span: f.span})
			r.locations = append(r.locations, t.locations...)
			if f.number == ir.SparseValues {
				r.name = t.name
			}
			return err
		})
		return r, err
	}
	if err := d.count(f.offset); err != nil {
		return r, err
	}
	external, location := false, ""
	err := d.each("tensor", f.span, func(f field) (err error) {
		switch f.number {
		case ir.TensorName:
			r.name, err = d.name(f)
		case ir.TensorDataLocation:
			external = f.varint == ir.External
		case ir.TensorExternal:
			var key, value string
			err = d.each("external_data", f.span, func(f field) error {
				switch f.number {
				case ir.EntryKey:
					key = string(f.bytes)
				case ir.EntryValue:
					value = string(f.bytes)
				}
				return nil
			})
			if key == "location" {
				location = value
			}
		}
		return err
	})
	if external {
		r.locations = append(r.locations, location)
	}
	return r, err
}

// value appends a ValueInfoProto to list, even if it then fails.
func (d *decoder) value(list *[]value, f field) error {
	v := value{record: record{raw: f.raw}, message: f.bytes}
	err := d.each("value", f.span, func(f field) (err error) {
		switch f.number {
		case ir.ValueName:
			v.name, err = d.name(f)
		case ir.ValueType:
			err = d.each("type", f.span, func(f field) error {
				switch f.number {
				case ir.TypeTensor:
					return d.tensorType(f.span, &v.shape)
				case ir.TypeSequence, ir.TypeMap, ir.TypeSparse, ir.TypeOptional:
					v.noTensor = true
				}
				return nil
			})
		}
		return err
	})
	*list = append(*list, v)
	if err != nil {
		return err
	}
	return d.count(f.offset)
}

// tensorType reads a TypeProto.Tensor.
func (d *decoder) tensorType(s span, shape *Shape) error {
	return d.each("tensor type", s, func(f field) error {
		switch f.number {
		case ir.TensorTypeElementType:
			shape.Type = ElementType(f.varint)
		case ir.TensorTypeShape:
			return d.each("shape", f.span, func(f field) error {
				if f.number != ir.ShapeDim {
					return nil
				}
				dim := int64(-1)
				err := d.each("dimension", f.span, func(f field) error {
					// Exporters write 0 and −1 too where a dimension is free.
					if v := int64(f.varint); f.number == ir.DimValue && v > 0 {
						dim = v
					}
					return nil
				})
				shape.Dims = append(shape.Dims, dim)
				if err != nil {
					return err
				}
				return d.count(f.offset)
			})
		}
		return nil
	})
}

// function reads a FunctionProto.
func (d *decoder) function(f field) (function, error) {
	fn := function{raw: f.raw}
	err := d.each("function", f.span, func(f field) error {
		switch f.number {
		case ir.FunctionName:
			fn.name = string(f.bytes)
		case ir.FunctionDomain:
			fn.domain = string(f.bytes)
		case ir.FunctionOverload:
			fn.overload = string(f.bytes)
		case ir.FunctionNode:
			var n node
			if err := d.node(f.span, 0, &n); err != nil {
				return err
			}
			fn.calls = append(append(fn.calls, n.op), n.calls...)
			fn.locations = append(fn.locations, n.locations...)
		}
		return nil
	})
	if err != nil {
		return fn, err
	}
	return fn, d.count(f.offset)
}

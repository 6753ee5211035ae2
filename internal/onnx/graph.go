package onnx

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// graph is a GraphProto taken apart as far as cutting needs it. All parts keep the bytes that they came in, so that a
// cut passes on what it knows nothing of.
type graph struct {
	nodes        []node
	initializers []record // sparse ones too
	inputs       []value
	outputs      []value
	values       []value  // value_info
	annotations  []record // quantization_annotation, named by the tensor that they annotate
	rest         [][]byte // further fields
}

// record is one field of a message and the name that its content bears.
type record struct {
	name      string
	raw       []byte   // with the tag
	locations []string // files that hold its tensors' data
}

// value is a ValueInfoProto.
type value struct {
	record
	message  []byte // raw without tag and length
	shape    Shape
	noTensor bool // a sequence, map, optional or sparse tensor
}

// node is a NodeProto.
type node struct {
	record
	message  []byte
	op       operator
	inputs   []string
	outputs  []string
	captures []string   // names that subgraphs in the attributes mention, the outer graph's and their own
	calls    []operator // operators that those subgraphs apply
}

// operator is what a node applies, perhaps one of the model's functions.
type operator struct {
	domain, name, overload string
}

// function is a FunctionProto.
type function struct {
	operator
	raw       []byte
	calls     []operator
	locations []string
}

// output returns the name of n's first output that is not omitted, "" if it has none.
func (n *node) output() string {
	for _, name := range n.outputs {
		if name != "" {
			return name
		}
	}
	return ""
}

// attributeOf returns the encoded AttributeProto of that name in n, nil if there is none.
func (n *node) attributeOf(name string) (encoded []byte) {
	var d decoder
	_ = d.each("node", span{bytes: n.message}, func(f field) error { // was read before: can't fail
		if f.number != ir.NodeAttribute {
			return nil
		}
		return d.each("attribute", f.span, func(inner field) error {
			if inner.number == ir.AttributeName && string(inner.bytes) == name {
				encoded = f.bytes
			}
			return nil
		})
	})
	return encoded
}

// ints returns the value of n's attribute of type INTS, packed or not; nil if there is none, and what can be read of a
// damaged one.
func (n *node) ints(name string) (values []int64) {
	var d decoder
	_ = d.each("attribute", span{bytes: n.attributeOf(name)}, func(f field) error {
		if f.number != ir.AttributeInts {
			return nil
		}
		if f.bytes == nil {
			values = append(values, int64(f.varint))
			return nil
		}
		for b := f.bytes; len(b) > 0; {
			v, k := protowire.ConsumeVarint(b)
			if k < 0 {
				return protowire.ParseError(k)
			}
			values, b = append(values, int64(v)), b[k:]
		}
		return nil
	})
	return values
}

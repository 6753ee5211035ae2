package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// feature is a tf.train.Feature: a list of one of three types.
type feature struct {
	bytes  [][]byte
	ints   []int64
	floats []float32
}

// texts are the values as text.
func (f feature) texts() []string {
	var out []string
	for _, b := range f.bytes {
		out = append(out, text.Valid(string(b)))
	}
	for _, n := range f.ints {
		out = append(out, strconv.FormatInt(n, 10))
	}
	for _, x := range f.floats {
		out = append(out, strconv.FormatFloat(float64(x), 'g', -1, 32))
	}
	return out
}

// example holds the encoded features of a tf.train.Example by name.
type example map[string][]byte

// parseExample takes a message Example {features: {feature: map<string, Feature>}} apart. Values stay where they are.
func parseExample(record []byte) (example, error) {
	all := example{}
	err := fields(record, func(number protowire.Number, features []byte) error {
		if number != 1 {
			return nil
		}
		return fields(features, func(number protowire.Number, item []byte) error {
			if number != 1 {
				return nil
			}
			var name string
			var value []byte
			err := fields(item, func(number protowire.Number, b []byte) error {
				switch number {
				case 1:
					name = string(b)
				case 2:
					value = b
				}
				return nil
			})
			all[name] = value
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("not a tf.Example: %w", err)
	}
	return all, nil
}

// fields visits the length-delimited fields of a message.
func fields(message []byte, visit func(number protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return protowire.ParseError(n)
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := visit(number, value); err != nil {
			return err
		}
	}
	return nil
}

func (e example) names() []string {
	var names []string
	for name := range e {
		names = append(names, text.Valid(name))
	}
	slices.Sort(names)
	return names
}

// get returns a feature; what can't be read of it is left out.
func (e example) get(name string) (feature, bool) {
	encoded, ok := e[name]
	if !ok {
		return feature{}, false
	}
	var f feature
	_ = fields(encoded, func(list protowire.Number, values []byte) error { // parseExample went through it
		switch list {
		case 1:
			return fields(values, func(_ protowire.Number, b []byte) error { f.bytes = append(f.bytes, b); return nil })
		case 2:
			f.floats = floats(values)
		case 3:
			f.ints = ints(values)
		}
		return nil
	})
	return f, true
}

// repeated joins the values of a list's field 1, packed or one by one; what follows a damaged one is left out.
func repeated(message []byte, kind protowire.Type) (values []byte) {
	for len(message) > 0 {
		_, is, n := protowire.ConsumeTag(message)
		if n < 0 {
			return values
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(1, is, message); n < 0 || is != protowire.BytesType && is != kind {
			return values
		}
		value := message[:n]
		if is == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		values, message = append(values, value...), message[n:]
	}
	return values
}

func floats(message []byte) (out []float32) {
	for values := repeated(message, protowire.Fixed32Type); len(values) >= 4; values = values[4:] {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(values)))
	}
	return out
}

func ints(message []byte) (out []int64) {
	values := repeated(message, protowire.VarintType)
	for len(values) > 0 {
		v, n := protowire.ConsumeVarint(values)
		if n < 0 {
			return out
		}
		out, values = append(out, int64(v)), values[n:]
	}
	return out
}

// wanted is what a feature may be called: what the spec says, else the usual names.
func wanted(name string, usual []string) []string {
	if name != "" {
		return []string{name}
	}
	return usual
}

// find returns the first feature of those that may be meant, and its name.
func find(features example, name string, usual []string) (feature, string, bool) {
	for _, candidate := range wanted(name, usual) {
		if f, ok := features.get(candidate); ok {
			return f, candidate, true
		}
	}
	return feature{}, "", false
}

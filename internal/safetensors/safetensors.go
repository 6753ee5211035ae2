// Package safetensors reads and writes the headers of Safetensors files (https://huggingface.co/docs/safetensors):
// eight bytes with the header's size, the header as JSON, and behind it the data of the tensors.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

// PrefixSize is the size in bytes of what stands before the header.
const PrefixSize = 8

// metadata is the header's key for what is not a tensor.
const metadata = "__metadata__"

// itemSizes are the bytes of a value, by the type of a tensor.
var itemSizes = map[string]int64{"U8": 1, "I8": 1, "BOOL": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "F32": 4, "I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8}

// Header is what a file says of its data.
type Header struct {
	// Metadata is nil where the file has none, or other values than texts.
	Metadata map[string]string
	Tensors  map[string]Tensor
}

// Tensor is an array of a file.
type Tensor struct {
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
	// Offsets are those of the first byte and of the byte behind the last, from the end of the header.
	Offsets [2]int64 `json:"data_offsets"`
}

// HeaderSize reads the size of the header, in bytes, from the first bytes of a file. A file of fewer bytes, or with a
// header of more than limit, is an error.
func HeaderSize(prefix []byte, file, limit int64) (int64, error) {
	size := int64(0)
	if len(prefix) >= PrefixSize {
		size = int64(min(binary.LittleEndian.Uint64(prefix), math.MaxInt64))
	}
	if size < int64(len("{}")) || size > limit || size > file-PrefixSize {
		return 0, fmt.Errorf("it does not begin with the header of a Safetensors file: its header claims %d bytes of %d", size, file)
	}
	return size, nil
}

// ParseHeader reads a header. What it says of a tensor's bytes is to be checked with [Tensor.Check].
func ParseHeader(text []byte) (*Header, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("the header is not JSON: %w", err)
	}
	h := &Header{Tensors: make(map[string]Tensor, len(entries))}
	for name, entry := range entries {
		if name == metadata {
			if json.Unmarshal(entry, &h.Metadata) != nil {
				h.Metadata = nil // of no use to a reader of tensors
			}
			continue
		}
		var t Tensor
		if err := json.Unmarshal(entry, &t); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		h.Tensors[name] = t
	}
	return h, nil
}

// Check says whether the tensor's bytes lie within so many bytes of data, and are as many as its type and shape need.
func (t Tensor) Check(data int64) error {
	from, to := t.Offsets[0], t.Offsets[1]
	size, known := itemSizes[t.DType]
	if !known {
		return fmt.Errorf("its type %s is not known", t.DType)
	}
	fits := from >= 0 && from <= to && to <= data
	for _, n := range t.Shape {
		fits = fits && n >= 0 && (n == 0 || size <= data/n)
		if fits {
			size *= n
		}
	}
	if !fits || to-from != size {
		return fmt.Errorf("of type %s and shape %v is said to lie at bytes %d to %d of %d", t.DType, t.Shape, from, to, data)
	}
	return nil
}

// Aligned says whether a tensor of a known type begins at a multiple of its values' size.
func (t Tensor) Aligned() bool { return t.Offsets[0]%itemSizes[t.DType] == 0 }

// Add appends a tensor of a known type behind the others, whose data have so many bytes, and returns how many they have
// with it.
func (h *Header) Add(name, dtype string, at int64, shape ...int64) int64 {
	size := itemSizes[dtype]
	for _, n := range shape {
		size *= n
	}
	h.Tensors[name] = Tensor{dtype, shape, [2]int64{at, at + size}}
	return at + size
}

// Encode is the header with its prefix, filled with spaces so that the data begin at a multiple of eight bytes.
func (h *Header) Encode() ([]byte, error) {
	entries := make(map[string]any, len(h.Tensors)+1)
	for name, t := range h.Tensors {
		entries[name] = t
	}
	if h.Metadata != nil {
		entries[metadata] = h.Metadata
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	text = append(text, bytes.Repeat([]byte{' '}, -len(text)&7)...)
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// Package baseline stores what later audits need to compare their samples with those of this one: the embeddings, and what was
// fitted on them. The file is Safetensors (https://huggingface.co/docs/safetensors), so that others can read it too:
//
//   - samples: uint8, JSON Lines with id, split, labels, index, and hashes of bytes and pixels of each sample;
//   - layer.i.embeddings: float32 N×D, before reduction; layer.i.mean: float64 D; layer.i.components: float64 K×D;
//     layer.i.norms: float64 K, by which the reduced columns are divided;
//   - metadata baseline: JSON, the type Description.
package baseline

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unsafe"

	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// Version of the file's layout.
const Version = 1

// Description is what a baseline says of itself.
type Description struct {
	Version int `json:"version"`
	// Method is what decides the vectors, by the field of the spec: distances between vectors of another method mean nothing.
	Method map[string]string `json:"method"`
	// Strategy names how the thresholds were chosen, with its parameters.
	Strategy string  `json:"strategy"`
	Samples  int     `json:"samples"`
	Layers   []Layer `json:"layers"`
}

// Layer is one layer of a baseline.
type Layer struct {
	Name       string `json:"name"`
	Dimensions int    `json:"dimensions"`
	// Components is K, the components that were kept.
	Components int `json:"components"`
	// Threshold is the distance that the strategy chose.
	Threshold float64 `json:"threshold"`
	// Scale is the number of samples that the norms are of: fewer than the baseline's where deliveries were added to it.
	Scale int `json:"scale"`

	// Mean has D values, Fitted K×D, Norms K.
	Mean   []float64 `json:"-"`
	Fitted []float64 `json:"-"`
	Norms  []float64 `json:"-"`
	// Embeddings are N×D.
	Embeddings Rows `json:"-"`
}

// Rows is a matrix of embeddings.
type Rows interface {
	Row(i int) []float32
}

// Sample is one of the baseline's.
type Sample struct {
	ID     string   `json:"id"`
	Split  string   `json:"split,omitempty"`
	Labels []string `json:"labels,omitempty"`
	Index  int      `json:"index"`
	// Bytes and Pixels are hashes of an image's, 0 if unknown.
	Bytes  uint64 `json:"bytes,omitempty,string"`
	Pixels uint64 `json:"pixels,omitempty,string"`
}

// tensor is an entry of the header.
type tensor struct {
	DType   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Write writes a baseline. Its tensors begin at multiples of eight bytes.
func Write(w io.Writer, d Description, samples []Sample) error {
	d.Version, d.Samples = Version, len(samples)
	var table bytes.Buffer
	encoder := json.NewEncoder(&table)
	for _, s := range samples {
		if err := encoder.Encode(s); err != nil {
			return err
		}
	}
	table.Write(bytes.Repeat([]byte{'\n'}, -table.Len()&7))

	description, err := json.Marshal(d)
	if err != nil {
		return err
	}
	header := map[string]any{"__metadata__": map[string]string{"baseline": string(description)}}
	at := int64(0)
	add := func(name, dtype string, size int64, shape ...int64) {
		bytes := size
		for _, n := range shape {
			bytes *= n
		}
		header[name] = tensor{dtype, shape, [2]int64{at, at + bytes}}
		at += bytes
	}
	add("samples", "U8", 1, int64(table.Len()))
	for i, l := range d.Layers { // the wider numbers first, so that all are aligned
		k, dim := int64(l.Components), int64(l.Dimensions)
		add(fmt.Sprintf("layer.%d.mean", i), "F64", 8, dim)
		add(fmt.Sprintf("layer.%d.components", i), "F64", 8, k, dim)
		add(fmt.Sprintf("layer.%d.norms", i), "F64", 8, k)
	}
	for i, l := range d.Layers {
		add(fmt.Sprintf("layer.%d.embeddings", i), "F32", 4, int64(len(samples)), int64(l.Dimensions))
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte{' '}, -len(text)&7)...)

	out := bufio.NewWriterSize(w, 1<<20)
	_, _ = out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))) // errors stay until Flush
	_, _ = out.Write(text)
	_, _ = out.Write(table.Bytes())
	for _, l := range d.Layers {
		for _, values := range [][]float64{l.Mean, l.Fitted, l.Norms} {
			_, _ = out.Write(asBytes(values))
		}
	}
	for _, l := range d.Layers {
		for i := range samples {
			if _, err := out.Write(asBytes(l.Embeddings.Row(i))); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// A Baseline is an open file.
type Baseline struct {
	// SHA256 of the file, in lower-case hexadecimal.
	SHA256 string
	Description
	Samples []Sample

	release func()
}

// Close unmaps the file: its matrices must not be read any more.
func (b *Baseline) Close() { b.release() }

// Open maps a local file and checks all that it says of itself.
func Open(path string) (*Baseline, error) {
	data, release, err := vectors.Map(path)
	if err != nil {
		return nil, err
	}
	b := &Baseline{SHA256: fmt.Sprintf("%x", sha256.Sum256(data)), release: release}
	if err := b.parse(data); err != nil {
		release()
		return nil, &InvalidError{err}
	}
	return b, nil
}

// InvalidError says that a file is not a baseline that can be read.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

// maxHeader bounds the header: some hundred bytes a layer.
const maxHeader = 1 << 20

func (b *Baseline) parse(data []byte) error {
	if len(data) < 8 {
		return errors.New("not a baseline: it is empty")
	}
	size := binary.LittleEndian.Uint64(data)
	if size > maxHeader || size > uint64(len(data)-8) || size%8 != 0 {
		return errors.New("not a baseline: it does not begin with the header of a Safetensors file")
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+size], &header); err != nil {
		return fmt.Errorf("not a baseline: its header: %w", err)
	}
	var metadata map[string]string
	if err := json.Unmarshal(header["__metadata__"], &metadata); err != nil {
		return errors.New("not a baseline: its header has no metadata")
	}
	if err := json.Unmarshal([]byte(metadata["baseline"]), &b.Description); err != nil {
		return fmt.Errorf("not a baseline: its description: %w", err)
	}
	if b.Version != Version {
		return fmt.Errorf("a baseline of version %d, and %d can be read: audit it anew with output.baseline", b.Version, Version)
	}
	f := file{header: header, data: data[8+size:]}
	table := f.bytes("samples", "U8", 1, -1)
	if f.err != nil {
		return f.err
	}
	if err := b.parseSamples(table); err != nil {
		return err
	}
	for i := range b.Layers {
		l := &b.Layers[i]
		if l.Scale < 1 || l.Scale > len(b.Samples) {
			return fmt.Errorf("layer %q was fitted on %d of %d samples", l.Name, l.Scale, len(b.Samples))
		}
		if l.Dimensions < 1 || l.Components < 1 || l.Dimensions > math.MaxInt32 || l.Components > l.Dimensions {
			return fmt.Errorf("layer %q of %d dimensions and %d components", l.Name, l.Dimensions, l.Components)
		}
		k, d, n := int64(l.Components), int64(l.Dimensions), int64(len(b.Samples))
		l.Mean = asNumbers[float64](f.bytes(fmt.Sprintf("layer.%d.mean", i), "F64", 8, d))
		l.Fitted = asNumbers[float64](f.bytes(fmt.Sprintf("layer.%d.components", i), "F64", 8, k, d))
		l.Norms = asNumbers[float64](f.bytes(fmt.Sprintf("layer.%d.norms", i), "F64", 8, k))
		embeddings := asNumbers[float32](f.bytes(fmt.Sprintf("layer.%d.embeddings", i), "F32", 4, n, d))
		l.Embeddings = matrix{embeddings, l.Dimensions}
		if l.Threshold < 0 || slices.ContainsFunc(l.Norms, func(norm float64) bool { return norm < 0 }) {
			return fmt.Errorf("layer %q: its threshold or a norm is negative", l.Name)
		}
		if !finite(l.Mean) || !finite(l.Fitted) || !finite(l.Norms) || !finite(embeddings) {
			return fmt.Errorf("layer %q holds values that are no finite numbers", l.Name)
		}
	}
	if len(b.Layers) == 0 {
		return errors.New("a baseline without layers")
	}
	return f.err
}

func finite[T float32 | float64](values []T) bool {
	return !slices.ContainsFunc(values, func(x T) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) })
}

func (b *Baseline) parseSamples(table []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(table))
	for {
		var s Sample
		err := decoder.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("sample %d: %w", len(b.Samples), err)
		}
		b.Samples = append(b.Samples, s)
	}
	if len(b.Samples) != b.Description.Samples {
		return fmt.Errorf("%d samples instead of %d", len(b.Samples), b.Description.Samples)
	}
	return nil
}

// file gives out tensors. It keeps the first error.
type file struct {
	header map[string]json.RawMessage
	data   []byte
	err    error
}

// bytes returns a tensor of a type and shape; −1 stands for any length.
func (f *file) bytes(name, dtype string, size int64, shape ...int64) []byte {
	var t tensor
	if err := json.Unmarshal(f.header[name], &t); err != nil {
		f.fail("tensor %s: %w", name, err)
		return nil
	}
	from, to := t.Offsets[0], t.Offsets[1]
	fits := t.DType == dtype && len(t.Shape) == len(shape) && from >= 0 && from <= to && to <= int64(len(f.data)) && from%size == 0
	bytes := size
	for i := range shape {
		fits = fits && (shape[i] == t.Shape[i] || shape[i] < 0)
		if fits {
			if t.Shape[i] < 0 || t.Shape[i] > 0 && bytes > int64(len(f.data))/t.Shape[i] {
				fits = false
				break
			}
			bytes *= t.Shape[i]
		}
	}
	if !fits || to-from != bytes {
		f.fail("tensor %s of type %s and shape %v at bytes %d to %d of %d: %s %v is wanted", name, t.DType, t.Shape, from, to, len(f.data), dtype, shape)
		return nil
	}
	return f.data[from:to]
}

func (f *file) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

type matrix struct {
	values []float32
	d      int
}

func (m matrix) Row(i int) []float32 { return m.values[i*m.d : (i+1)*m.d : (i+1)*m.d] }

// asBytes and asNumbers reinterpret memory: every platform that ONNX Runtime runs on is little-endian.

func asBytes[T float32 | float64](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(*new(T))))
}

func asNumbers[T float32 | float64](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(*new(T))))
}

// Differs names what of the method is not as in the baseline, field by field; nothing if distances can be compared.
func (d *Description) Differs(method map[string]string) []string {
	var fields []string
	all := map[string]string{}
	maps.Copy(all, d.Method)
	maps.Copy(all, method)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if here, there := method[field], d.Method[field]; here != there {
			fields = append(fields, fmt.Sprintf("%s is %s here and %s there", field, cmp.Or(here, "nothing"), cmp.Or(there, "nothing")))
		}
	}
	return fields
}

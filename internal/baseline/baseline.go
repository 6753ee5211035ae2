// Package baseline stores what later audits need to compare their samples with those of this one: the embeddings, and
// what was fitted on them. The file is Safetensors (https://huggingface.co/docs/safetensors), so that others can read
// it too:
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
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unsafe"

	"github.com/datasetaudit/dataset-audit/internal/safetensors"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// Version of the file's layout.
const Version = 1

// Description is what a baseline says of itself.
type Description struct {
	Version int `json:"version"`
	// Method is what decides the vectors, by the field of the spec: distances between vectors of another method mean
	// nothing.
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
	// Scale is the number of samples that the norms are of: fewer than the baseline's where deliveries were added to
	// it.
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

// metadataKey is where the description stands in the file's metadata.
const metadataKey = "baseline"

func tensorName(layer int, part string) string { return fmt.Sprintf("layer.%d.%s", layer, part) }

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
	header := safetensors.Header{Metadata: map[string]string{metadataKey: string(description)}, Tensors: map[string]safetensors.Tensor{}}
	at := header.Add("samples", "U8", 0, int64(table.Len()))
	for i, l := range d.Layers { // the wider numbers first, so that all are aligned
		k, dim := int64(l.Components), int64(l.Dimensions)
		at = header.Add(tensorName(i, "mean"), "F64", at, dim)
		at = header.Add(tensorName(i, "components"), "F64", at, k, dim)
		at = header.Add(tensorName(i, "norms"), "F64", at, k)
	}
	for i, l := range d.Layers {
		at = header.Add(tensorName(i, "embeddings"), "F32", at, int64(len(samples)), int64(l.Dimensions))
	}
	start, err := header.Encode()
	if err != nil {
		return err
	}

	out := bufio.NewWriterSize(w, 1<<20)
	_, _ = out.Write(start) // errors stay until Flush
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
	if len(data) < safetensors.PrefixSize {
		return errors.New("not a baseline: it is empty")
	}
	size, err := safetensors.HeaderSize(data, int64(len(data)), maxHeader)
	if err != nil {
		return fmt.Errorf("not a baseline: %w", err)
	}
	start := safetensors.PrefixSize + size
	if start%8 != 0 {
		return errors.New("not a baseline: its numbers don't begin at a multiple of eight bytes")
	}
	header, err := safetensors.ParseHeader(data[safetensors.PrefixSize:start])
	if err != nil {
		return fmt.Errorf("not a baseline: %w", err)
	}
	if header.Metadata == nil {
		return errors.New("not a baseline: its header has no metadata")
	}
	if err := json.Unmarshal([]byte(header.Metadata[metadataKey]), &b.Description); err != nil {
		return fmt.Errorf("not a baseline: its description: %w", err)
	}
	if b.Version != Version {
		return fmt.Errorf("a baseline of version %d, and %d can be read: audit it again with output.baseline", b.Version, Version)
	}
	f := file{header: header, data: data[start:]}
	table := f.bytes("samples", "U8", -1)
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
		l.Mean = asNumbers[float64](f.bytes(tensorName(i, "mean"), "F64", d))
		l.Fitted = asNumbers[float64](f.bytes(tensorName(i, "components"), "F64", k, d))
		l.Norms = asNumbers[float64](f.bytes(tensorName(i, "norms"), "F64", k))
		embeddings := asNumbers[float32](f.bytes(tensorName(i, "embeddings"), "F32", n, d))
		l.Embeddings = matrix{embeddings, l.Dimensions}
		if l.Threshold < 0 || slices.ContainsFunc(l.Norms, func(norm float64) bool { return norm < 0 }) {
			return fmt.Errorf("layer %q: its threshold or a norm is negative", l.Name)
		}
		if !finite(l.Mean) || !finite(l.Fitted) || !finite(l.Norms) || !finite(embeddings) {
			return fmt.Errorf("layer %q holds values that are not finite numbers", l.Name)
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
	header *safetensors.Header
	data   []byte
	err    error
}

// bytes returns a tensor of a type and shape; −1 stands for any length.
func (f *file) bytes(name, dtype string, shape ...int64) []byte {
	t, ok := f.header.Tensors[name]
	same := func(is, want int64) bool { return is == want || want < 0 }
	if !ok || t.DType != dtype || !slices.EqualFunc(t.Shape, shape, same) {
		f.fail("tensor %s of type %s and shape %v: %s %v is wanted", name, t.DType, t.Shape, dtype, shape)
		return nil
	}
	if err := t.Check(int64(len(f.data))); err != nil {
		f.fail("tensor %s %w", name, err)
		return nil
	}
	if !t.Aligned() {
		f.fail("tensor %s at byte %d: its numbers are not aligned", name, t.Offsets[0])
		return nil
	}
	return f.data[t.Offsets[0]:t.Offsets[1]]
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

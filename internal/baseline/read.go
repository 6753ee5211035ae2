package baseline

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/safetensors"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

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
		if l.Dimensions < 1 || l.Dimensions > math.MaxInt32 {
			return fmt.Errorf("layer %q of %d dimensions", l.Name, l.Dimensions)
		}
		d, n := int64(l.Dimensions), int64(len(b.Samples))
		if !b.IsReference() {
			if err := l.readFit(i, &f, len(b.Samples)); err != nil {
				return err
			}
		}
		embeddings := asNumbers[float32](f.bytes(tensorName(i, "embeddings"), "F32", n, d))
		l.Embeddings = matrix{embeddings, l.Dimensions}
		if !finite(l.Mean) || !finite(l.Fitted) || !finite(l.Norms) || !finite(embeddings) {
			return fmt.Errorf("layer %q holds values that are not finite numbers", l.Name)
		}
	}
	if len(b.Layers) == 0 {
		return errors.New("a baseline without layers")
	}
	if b.SketchVersion > 0 {
		b.Sketches = f.block("sketches", len(b.Samples))
	}
	if _, there := header.Tensors["thumbnails"]; there {
		b.Thumbnails = f.block("thumbnails", len(b.Samples))
	}
	return f.err
}

// readFit reads what was fitted on a layer of n samples.
func (l *Layer) readFit(at int, f *file, n int) error {
	if l.Scale < 1 || l.Scale > n {
		return fmt.Errorf("layer %q was fitted on %d of %d samples", l.Name, l.Scale, n)
	}
	if l.Components < 1 || l.Components > l.Dimensions {
		return fmt.Errorf("layer %q of %d dimensions and %d components", l.Name, l.Dimensions, l.Components)
	}
	k, d := int64(l.Components), int64(l.Dimensions)
	l.Mean = asNumbers[float64](f.bytes(tensorName(at, "mean"), "F64", d))
	l.Fitted = asNumbers[float64](f.bytes(tensorName(at, "components"), "F64", k, d))
	l.Norms = asNumbers[float64](f.bytes(tensorName(at, "norms"), "F64", k))
	if l.Threshold < 0 || slices.ContainsFunc(l.Norms, func(norm float64) bool { return norm < 0 }) {
		return fmt.Errorf("layer %q: its threshold or a norm is negative", l.Name)
	}
	return nil
}

func finite[T float32 | float64](values []T) bool {
	return !slices.ContainsFunc(values, func(x T) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) })
}

// maxSample bounds what a file says of a sample: texts that reports show, and files may come from anywhere.
const maxSample = 64 << 10

func (b *Baseline) parseSamples(table []byte) error {
	for line := range bytes.Lines(table) {
		if line = bytes.TrimSpace(line); len(line) == 0 { // what fills up the table
			continue
		}
		var s Sample
		if len(b.Samples) == b.Description.Samples {
			return fmt.Errorf("more samples than the %d that it is to hold", b.Description.Samples)
		}
		if len(line) > maxSample {
			return fmt.Errorf("sample %d: its name, split and labels take %d bytes, and %d are read at most", len(b.Samples), len(line), maxSample)
		}
		if err := json.Unmarshal(line, &s); err != nil {
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

// block returns the block of n samples in a tensor.
func (f *file) block(name string, n int) *Block {
	data := f.bytes(name, "U8", int64(n), -1)
	size := 0
	if f.err == nil {
		size = int(f.header.Tensors[name].Shape[1])
	}
	return &Block{Size: size, Row: func(i int) ([]byte, error) { return data[i*size : (i+1)*size : (i+1)*size], nil }}
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

// Package baseline stores what audits need to compare their samples with those of another dataset. That is either a
// baseline, an earlier audit's samples with what was fitted on them, or a reference, which is samples alone. The file is
// Safetensors (https://huggingface.co/docs/safetensors), so that others can read it too:
//
//   - samples: uint8, JSON Lines with id, split, labels, index, and hashes of bytes and pixels of each sample;
//   - layer.i.embeddings: float32 N×D, before reduction;
//   - of a baseline layer.i.mean: float64 D; layer.i.components: float64 K×D; layer.i.norms: float64 K, by which the
//     reduced columns are divided;
//   - of images, if their owner wants it, sketches: uint8 N×3072, and thumbnails: uint8 N×S, JPEG files filled up with
//     zeros;
//   - metadata baseline: JSON, the type Description.
package baseline

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unsafe"

	"github.com/datasetaudit/dataset-audit/internal/safetensors"
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
	Strategy string `json:"strategy,omitempty"`
	// Dataset is the digest of the dataset that the samples are of: the last one's, of several deliveries.
	Dataset string  `json:"dataset,omitempty"`
	Samples int     `json:"samples"`
	Layers  []Layer `json:"layers"`
	// SketchVersion says how the sketches were drawn, 0 for a file without them.
	SketchVersion int `json:"sketchVersion,omitempty"`

	// Sketches and Thumbnails are nil where the file has none.
	Sketches   *Block `json:"-"`
	Thumbnails *Block `json:"-"`
}

// IsReference says that there are samples alone: nothing was fitted on them.
func (d *Description) IsReference() bool { return len(d.Layers) > 0 && d.Layers[0].Components == 0 }

// A Block holds up to Size bytes of each sample, filled up with zeros.
type Block struct {
	Size int
	Row  func(i int) ([]byte, error)
}

// Layer is one layer of a baseline.
type Layer struct {
	Name       string `json:"name"`
	Dimensions int    `json:"dimensions"`
	// Components is K, the components that were kept; 0 for a reference.
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
		if d.IsReference() {
			break
		}
		k, dim := int64(l.Components), int64(l.Dimensions)
		at = header.Add(tensorName(i, "mean"), "F64", at, dim)
		at = header.Add(tensorName(i, "components"), "F64", at, k, dim)
		at = header.Add(tensorName(i, "norms"), "F64", at, k)
	}
	for i, l := range d.Layers {
		at = header.Add(tensorName(i, "embeddings"), "F32", at, int64(len(samples)), int64(l.Dimensions))
	}
	for _, b := range d.blocks() {
		at = header.Add(b.name, "U8", at, int64(len(samples)), int64(b.Size))
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
	for _, b := range d.blocks() {
		if err := b.write(out, len(samples)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// namedBlock is a block and the name of its tensor.
type namedBlock struct {
	name string
	*Block
}

// blocks are those that are there, in the order of the file.
func (d *Description) blocks() []namedBlock {
	all := []namedBlock{{"sketches", d.Sketches}, {"thumbnails", d.Thumbnails}}
	return slices.DeleteFunc(all, func(b namedBlock) bool { return b.Block == nil })
}

func (b namedBlock) write(out io.Writer, samples int) error {
	row := make([]byte, b.Size)
	for i := range samples {
		data, err := b.Row(i)
		if err != nil {
			return err
		}
		if len(data) > b.Size {
			return fmt.Errorf("%s: sample %d has %d bytes of at most %d", b.name, i, len(data), b.Size)
		}
		clear(row[copy(row, data):])
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	return nil
}

// Differs names what of the method is not as in the file, field by field; nothing if distances can be compared.
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

// asBytes and asNumbers reinterpret memory: every platform that ONNX Runtime runs on is little-endian.

func asBytes[T float32 | float64](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(*new(T))))
}

func asNumbers[T float32 | float64](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(*new(T))))
}

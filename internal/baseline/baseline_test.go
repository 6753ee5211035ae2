package baseline

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example has two layers, of three samples.
func example() (Description, []Sample) {
	d := Description{
		Method: map[string]string{"model": "sha256:1", "reduction.pca": "2 components"}, Strategy: "Slope(20)",
		Layers: []Layer{
			{
				Name: "conv", Dimensions: 3, Components: 2, Threshold: .25, Scale: 3, Mean: []float64{1, math.Pi, -3}, Fitted: []float64{1, 0, 0, 0, 1, 0},
				Norms: []float64{1e-300, 0}, Embeddings: matrix{[]float32{1, 2, 3, 4, 5, 6, 7, 8, math.MaxFloat32}, 3},
			},
			{
				Name: "<fc>", Dimensions: 1, Components: 1, Threshold: 0, Scale: 1, Mean: []float64{math.Copysign(0, -1)}, Fitted: []float64{1},
				Norms: []float64{2}, Embeddings: matrix{[]float32{1, -1, 0}, 1},
			},
		},
	}
	return d, []Sample{{ID: "a/1.jpg", Split: "train", Labels: []string{"cat", "dog"}}, {ID: "b\u2028", Index: 7}, {ID: "a/1.jpg", Index: 8}}
}

func written(t testing.TB, d Description, samples []Sample) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, d, samples); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// opened opens the bytes as a file.
func opened(t testing.TB, data []byte) (*Baseline, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "baseline.safetensors")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(path)
	if err == nil {
		t.Cleanup(b.Close)
	}
	return b, err
}

// What is read is what was written, bit for bit.
func TestRoundTrip(t *testing.T) {
	d, samples := example()
	data := written(t, d, samples)
	b, err := opened(t, data)
	if err != nil {
		t.Fatal(err)
	}
	d.Version, d.Samples = Version, len(samples)
	bits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
	if diff := cmp.Diff(d, b.Description, bits, cmp.Comparer(func(a, b Rows) bool { return a.Row(2)[0] == b.Row(2)[0] && cmp.Equal(a.Row(0), b.Row(0)) })); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	if diff := cmp.Diff(samples, b.Samples); diff != "" {
		t.Errorf("samples (-written +read):\n%s", diff)
	}
	if !bytes.Equal(data, written(t, b.Description, b.Samples)) {
		t.Error("what was read is written otherwise")
	}
}

// Other readers of Safetensors insist that the tensors fill the file without gaps, in the order of their offsets.
func TestIsSafetensors(t *testing.T) {
	d, samples := example()
	data := written(t, d, samples)
	size := binary.LittleEndian.Uint64(data)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+size], &header); err != nil {
		t.Fatal(err)
	}
	ends := map[int64]int64{}
	width := map[string]int64{"U8": 1, "F32": 4, "F64": 8}
	for name, raw := range header {
		if name == "__metadata__" {
			continue
		}
		var entry struct {
			DType   string
			Shape   []int64
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &entry); err != nil {
			t.Fatal(err)
		}
		bytes := width[entry.DType]
		for _, n := range entry.Shape {
			bytes *= n
		}
		if bytes != entry.Offsets[1]-entry.Offsets[0] || entry.Offsets[0]%width[entry.DType] != 0 {
			t.Errorf("%s: %+v", name, entry)
		}
		ends[entry.Offsets[0]] = entry.Offsets[1]
	}
	at := int64(0)
	for range len(header) - 1 {
		at = ends[at]
	}
	if at != int64(len(data))-8-int64(size) {
		t.Errorf("the tensors end at %d of %d", at, len(data)-8-int(size))
	}
}

// A reference is samples alone, with blocks of bytes beside them.
func TestReference(t *testing.T) {
	d, samples := example()
	rows := [][]byte{{1, 2, 3, 4}, {5}, nil}
	block := func(size int) *Block {
		return &Block{Size: size, Row: func(i int) ([]byte, error) { return rows[i], nil }}
	}
	for i := range d.Layers {
		l := &d.Layers[i]
		*l = Layer{Name: l.Name, Dimensions: l.Dimensions, Embeddings: l.Embeddings}
	}
	d.Strategy, d.Dataset, d.SketchVersion, d.Sketches, d.Thumbnails = "", "sha256:5", 7, block(4), block(5)
	data := written(t, d, samples)
	b, err := opened(t, data)
	if err != nil {
		t.Fatal(err)
	}
	if !b.IsReference() || b.Dataset != "sha256:5" || b.SketchVersion != 7 || b.Layers[0].Embeddings.Row(1)[2] != 6 {
		t.Errorf("read: %+v", b.Description)
	}
	for i, want := range rows {
		for _, block := range []*Block{b.Sketches, b.Thumbnails} {
			got, err := block.Row(i)
			if err != nil || len(got) != block.Size || !bytes.Equal(got[:len(want)], want) || len(bytes.Trim(got[len(want):], "\x00")) > 0 {
				t.Errorf("row %d of a block of %d: %v, %v", i, block.Size, got, err)
			}
		}
	}
	if !bytes.Equal(data, written(t, b.Description, b.Samples)) {
		t.Error("what was read is written otherwise")
	}
	for name, damaged := range map[string][]byte{
		"cut":                         data[:len(data)-1],
		"sketches of fewer samples":   edited(data, `"shape":[3,4]`, `"shape":[2,4]`),
		"sketches that are elsewhere": edited(data, `"sketches"`, `"sketched"`),
	} {
		if _, err := opened(t, damaged); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	d.Sketches = block(3)
	if err := Write(io.Discard, d, samples); err == nil {
		t.Error("a sketch of four bytes fits into three")
	}
}

func TestDiffers(t *testing.T) {
	d, _ := example()
	for name, test := range map[string]struct {
		method map[string]string
		want   []string
	}{
		"the same": {method: map[string]string{"model": "sha256:1", "reduction.pca": "2 components"}},
		"all": {
			method: map[string]string{"reduction.pca": "3 components", "model": "sha256:2", "model.layers": "x"},
			want:   []string{"model is sha256:2 here and sha256:1 there", "model.layers is x here and nothing there", "reduction.pca is 3 components here and 2 components there"},
		},
		"vectors, of no model": {
			method: map[string]string{"reduction.pca": "2 components"}, want: []string{"model is nothing here and sha256:1 there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, d.Differs(test.method)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// edited replaces text in the header, or in the description that it holds, at the same length of the file's rest.
func edited(data []byte, old, replacement string) []byte {
	size := binary.LittleEndian.Uint64(data)
	header := strings.Replace(strings.TrimRight(string(data[8:8+size]), " "), old, replacement, 1)
	header += strings.Repeat(" ", -len(header)&7)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data[8+size:]...)
}

func TestHostileFiles(t *testing.T) {
	d, samples := example()
	whole := written(t, d, samples)
	with := func(edit func(d *Description)) []byte {
		d, _ := example()
		edit(&d)
		return written(t, d, samples)
	}
	length := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), whole[8:]...) }
	for name, test := range map[string]struct {
		data []byte
		says string
	}{
		"empty":                   {nil, "it is empty"},
		"seven bytes":             {whole[:7], "it is empty"},
		"cut in its header":       {whole[:40], "does not begin with the header"},
		"cut in its samples":      {whole[:8+binary.LittleEndian.Uint64(whole)+3], "tensor samples"},
		"cut in its last tensor":  {whole[:len(whole)-1], "tensor layer.1.embeddings"},
		"a header of all memory":  {length(math.MaxUint64), "does not begin with the header"},
		"a header of the file":    {length(uint64(len(whole))), "does not begin with the header"},
		"another file":            {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "does not begin with the header"},
		"a later version":         {edited(whole, `\"version\":1`, `\"version\":2`), "a baseline of version 2, and 1 can be read"},
		"no metadata":             {edited(whole, "__metadata__", "_metadata_"), "no metadata"},
		"no description":          {edited(whole, `"baseline"`, `"base"`), "its description"},
		"no layers":               {with(func(d *Description) { d.Layers = nil }), "without layers"},
		"more samples":            {edited(whole, `\"samples\":3`, `\"samples\":4`), "3 samples instead of 4"},
		"fewer samples":           {edited(whole, `\"samples\":3`, `\"samples\":2`), "more samples than the 2"},
		"a long name":             {written(t, d, []Sample{samples[0], {ID: strings.Repeat("b", maxSample)}, samples[2]}), "sample 1: its name"},
		"samples of another type": {edited(whole, `"dtype":"U8"`, `"dtype":"I8"`), "tensor samples of type I8"},
		"no dimensions":           {edited(whole, `\"dimensions\":3`, `\"dimensions\":0`), "0 dimensions"},
		"more dimensions":         {edited(whole, `\"dimensions\":3`, `\"dimensions\":4`), "tensor layer.0.mean"},
		"dimensions that overflow": {
			edited(edited(whole, `\"dimensions\":3`, `\"dimensions\":2147483647`), `"shape":[3]`, `"shape":[2147483647]`), "tensor layer.0.mean",
		},
		"a shape that overflows": {edited(whole, `"shape":[2,3]`, `"shape":[4611686018427387904,4]`), "tensor layer.0.components"},
		"a negative shape":       {edited(whole, `"shape":[2,3]`, `"shape":[-2,-3]`), "tensor layer.0.components"},
		"beyond the file":        {edited(whole, `"data_offsets":[0,`, `"data_offsets":[9223372036854775800,`), "tensor samples"},
		"before the file":        {edited(whole, `"data_offsets":[0,`, `"data_offsets":[-8,`), "tensor samples"},
		"fitted on none":         {with(func(d *Description) { d.Layers[1].Scale = 0 }), `layer "<fc>" was fitted on 0 of 3 samples`},
		"fitted on more":         {with(func(d *Description) { d.Layers[1].Scale = 4 }), "fitted on 4 of 3"},
		"more components":        {edited(whole, `\"components\":2`, `\"components\":4`), "3 dimensions and 4 components"},
		"an infinite mean":       {with(func(d *Description) { d.Layers[0].Mean[1] = math.Inf(1) }), `layer "conv" holds values`},
		"a norm that is none":    {with(func(d *Description) { d.Layers[0].Norms[1] = math.NaN() }), `layer "conv" holds values`},
		"a negative norm":        {with(func(d *Description) { d.Layers[1].Norms[0] = -1 }), `layer "<fc>": its threshold or a norm is negative`},
		"a negative threshold":   {with(func(d *Description) { d.Layers[1].Threshold = -1 }), `layer "<fc>": its threshold or a norm is negative`},
		"an embedding of NaN":    {with(func(d *Description) { d.Layers[0].Embeddings.Row(2)[2] = float32(math.NaN()) }), `layer "conv" holds values`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := opened(t, test.data)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, want %s", err, test.says)
			}
			if _, invalid := errors.AsType[*InvalidError](err); !invalid {
				t.Errorf("%T is not the user's mistake", err)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Whatever is in the file, it is refused or can be used as it says.
func FuzzOpen(f *testing.F) {
	d, samples := example()
	whole := written(f, d, samples)
	f.Add(whole)
	f.Add(whole[:len(whole)-4])
	f.Add(edited(whole, `\"components\":2`, `\"components\":1`))
	d.Layers, d.Sketches, d.SketchVersion = d.Layers[:1], &Block{Size: 2, Row: func(int) ([]byte, error) { return []byte{1}, nil }}, 1
	d.Layers[0].Components = 0
	f.Add(written(f, d, samples))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Baseline
		if err := b.parse(bytes.Clone(data)); err != nil {
			return
		}
		for _, block := range b.blocks() {
			for i := range b.Samples {
				if row, err := block.Row(i); err != nil || len(row) != block.Size {
					t.Errorf("row %d of a block: %v, %v", i, row, err)
				}
			}
		}
		for _, l := range b.Layers {
			if b.IsReference() {
				l.Mean, l.Norms, l.Fitted = make([]float64, l.Dimensions), make([]float64, l.Components), make([]float64, l.Components*l.Dimensions)
			}
			if len(l.Mean) != l.Dimensions || len(l.Norms) != l.Components || len(l.Fitted) != l.Components*l.Dimensions {
				t.Errorf("layer %+v", l)
			}
			for i := range b.Samples {
				if row := l.Embeddings.Row(i); len(row) != l.Dimensions || fmt.Sprint(row) == "" {
					t.Errorf("row %d has %d values", i, len(row))
				}
			}
		}
	})
}

package dataset

import (
	"bytes"
	stdcmp "cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func embeddings(path string) v1alpha1.DatasetSpec {
	spec := v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings}
	if path != "" {
		spec.Embeddings = &v1alpha1.EmbeddingsOptions{Path: path}
	}
	return spec
}

// npyText writes a file of the given header and content.
func npyText(major byte, header string, content []byte) string {
	b := []byte(npyMagic)
	b = append(b, major, 0)
	if major == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return string(b) + header + string(content)
}

// npyFile writes rows as NumPy does.
func npyFile(descr string, rows, columns int, values ...float64) string {
	return npyText(1, fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }\n", descr, rows, columns), npyValues(descr, values))
}

func npyValues(descr string, values []float64) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	if descr[0] == '>' {
		order = binary.BigEndian
	}
	var b []byte
	for _, v := range values {
		switch descr[1:] {
		case "f2":
			b = order.AppendUint16(b, halfOf(v))
		case "f4":
			b = order.AppendUint32(b, math.Float32bits(float32(v)))
		case "f8":
			b = order.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}

// halfOf finds the half-precision number by trying them all.
func halfOf(v float64) uint16 {
	for bits := range 1 << 16 {
		if h := float16(uint16(bits)); h == v && math.Signbit(h) == math.Signbit(v) {
			return uint16(bits)
		}
	}
	panic(fmt.Sprintf("%v is not a half-precision number", v))
}

func TestFloat16(t *testing.T) {
	for bits, want := range map[uint16]float64{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x3555: 0.333251953125, 0x7bff: 65504, 0x0400: 0x1p-14, 0x0001: 0x1p-24,
		0x03ff: 0x1p-14 - 0x1p-24, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		if got := float16(bits); got != want {
			t.Errorf("%04x: got %v, want %v", bits, got, want)
		}
	}
	if got := float16(0x8000); got != 0 || !math.Signbit(got) {
		t.Errorf("negative zero: got %v", got)
	}
	for _, bits := range []uint16{0x7c01, 0x7e00, 0xffff} {
		if got := float16(bits); !math.IsNaN(got) {
			t.Errorf("%04x: got %v, want NaN", bits, got)
		}
	}
}

func TestNPYTypesAndVersions(t *testing.T) {
	values := []float64{0, 1, -2, 0.5, 65504, -0x1p-24}
	want := [][]float32{{0, 1, -2}, {0.5, 65504, -0x1p-24}}
	files := map[string]string{}
	for descr := range npyItems {
		files[descr] = npyFile(descr, 2, 3, values...)
	}
	raw := npyValues("<f4", values)
	files["version 2"] = npyText(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", raw)
	files["version 3, keys in another order"] = npyText(3, "{\"shape\": (2L, 3L,), \"descr\": \"<f4\",\n 'fortran_order' : False}  \n", raw)
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			d := mustOpen(t, bucketOf(t, map[string]string{"embeddings.npy": file}), embeddings(""))
			var got [][]float32
			for _, s := range readAll(t, d) {
				if s.Err != nil || s.Bytes != nil {
					t.Errorf("%+v", s)
				}
				got = append(got, s.Vector)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if d.Dimensions() != 3 {
				t.Errorf("%d dimensions", d.Dimensions())
			}
			if s := readAll(t, d)[1]; s.Digest != sha256.Sum256(raw[12:]) {
				t.Error("the digest is not that of the values as little-endian float32")
			}
			if diff := cmp.Diff([]string{"embeddings:0", "embeddings:1"}, ids(d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNPYMistakes(t *testing.T) {
	header := func(text string) string { return npyText(1, text, make([]byte, 24)) }
	for name, tc := range map[string]struct {
		file  string
		texts []string
	}{
		"no npy":          {"P6 32 32 255 and so on", []string{"not an .npy file"}},
		"nothing":         {"", []string{"ends within its header"}},
		"half a header":   {npyFile("<f4", 2, 3)[:40], []string{"ends within its header"}},
		"version":         {npyText(9, "", nil), []string{"version 9"}},
		"huge header":     {npyText(2, strings.Repeat(" ", maxNPYHeader+1), nil), []string{"claims 65537 bytes"}},
		"integers":        {header("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 3)}"), []string{`"<i8"`, "astype('float32')"}},
		"named fields":    {header("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1, 3)}"), []string{"named fields"}},
		"one dimension":   {header("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}"), []string{"shape (6,)", "N×D"}},
		"no dimension":    {header("{'descr': '<f4', 'fortran_order': False, 'shape': ()}"), []string{"shape ()"}},
		"four dimensions": {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 1)}"), []string{"shape (1, 2, 3, 1)"}},
		"no columns":      {header("{'descr': '<f4', 'fortran_order': False, 'shape': (6, 0)}"), []string{"shape (6, 0)"}},
		"too many":        {header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 9999999)}"), []string{"1 to 1048576"}},
		"no number":       {header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3)}"), []string{"length is wanted"}},
		"negative":        {header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}"), []string{"length is wanted"}},
		"key missing":     {header("{'descr': '<f4', 'shape': (2, 3)}"), []string{"must have the keys"}},
		"key twice":       {header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}"), []string{"there twice"}},
		"unknown key":     {header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}"), []string{`unknown key "x"`}},
		"text behind":     {header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} 1"), []string{"text follows"}},
		"cut short":       {npyFile("<f4", 2, 3, 1, 2, 3, 4, 5), []string{"shape (2, 3)", "cut short"}},
		"too long":        {npyFile("<f4", 2, 3, 1, 2, 3, 4, 5, 6, 7), []string{"do not hold"}},
		"no rows":         {npyFile("<f4", 0, 3), []string{"embeddings.npy has no rows"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), bucketOf(t, map[string]string{"embeddings.npy": tc.file}), embeddings(""), "")
			wantInvalid(t, err, append(tc.texts, "embeddings.npy")...)
		})
	}
}

// scikit-learn's results come in column order.
func TestFortranOrder(t *testing.T) {
	file := npyText(1, "{'descr': '>f8', 'fortran_order': True, 'shape': (3, 2)}", npyValues(">f8", []float64{1, 2, 3, 10, 20, 30}))
	bucket := bucketOf(t, map[string]string{"embeddings.npy": file, "embeddings.csv": "label\na\nb\na\n"})
	for label, want := range map[string][][]float32{"a": {{1, 10}, {3, 30}}, "b": {{2, 20}}} {
		spec := embeddings("")
		spec.Labels = []string{label}
		var got [][]float32
		for _, s := range readAll(t, mustOpen(t, bucket, spec)) {
			got = append(got, s.Vector)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("label %s: %s", label, diff)
		}
	}
}

func TestValuesThatAreNotFinite(t *testing.T) {
	for name, tc := range map[string]struct {
		descr string
		value float64
		text  string
	}{
		"NaN":      {"<f4", math.NaN(), "column 1 is NaN"},
		"infinity": {"<f2", math.Inf(-1), "column 1 is -Inf"},
		"overflow": {"<f8", 1e39, "column 1 is 1e+39"},
	} {
		t.Run(name, func(t *testing.T) {
			file := npyFile(tc.descr, 3, 2, 1, 2, 3, tc.value, 5, 6)
			samples := readAll(t, mustOpen(t, bucketOf(t, map[string]string{"embeddings.npy": file}), embeddings("")))
			if samples[0].Err != nil || samples[2].Err != nil || samples[2].Vector[1] != 6 {
				t.Errorf("the rows beside it: %v, %v", samples[0].Err, samples[2].Err)
			}
			bad := samples[1]
			if !errors.Is(bad.Err, ErrNotFinite) || !strings.Contains(bad.Err.Error(), "embeddings.npy row 1: not a finite number: "+tc.text) {
				t.Errorf("got %v", bad.Err)
			}
			if bad.Vector != nil || bad.Digest != [32]byte{} {
				t.Error("an unreadable row has content")
			}
		})
	}
}

func TestEmbeddingsFiles(t *testing.T) {
	one := npyFile("<f4", 1, 2, 1, 2)
	two := npyFile("<f4", 2, 2, 3, 4, 5, 6)
	for name, tc := range map[string]struct {
		path    string
		files   map[string]string
		want    []string
		ignored int
	}{
		"the default": {
			"", map[string]string{"embeddings.npy": one, "train.npy": two},
			[]string{"embeddings:0|||"}, 1,
		},
		"a path": {
			"vectors/clip.npy", map[string]string{"vectors/clip.npy": one, "embeddings.npy": two},
			[]string{"clip:0|||"}, 1,
		},
		"a folder for each split": {
			"", map[string]string{"fold2/embeddings.npy": one, "fold1/embeddings.npy": two, "fold1/other.npy": one},
			[]string{"fold1:0|fold1||", "fold1:1|fold1||", "fold2:0|fold2||"}, 1,
		},
		"a path in each split's folder": {
			"clip.npy", map[string]string{"a/clip.npy": one, "b/clip.npy": one},
			[]string{"a:0|a||", "b:0|b||"}, 0,
		},
		"a file for each split": {
			"", map[string]string{"train.npy": two, "test.npy": one, "golden.npy": one, ".hidden": ""},
			[]string{"test:0|test||", "train:0|train||", "train:1|train||"}, 1,
		},
		"lines beside the rows": {
			"", map[string]string{
				"train.npy": two, "train.csv": "label,id,group,more\ncat|pet,x,g,1\n,,,\n",
				"test.npy": one, "test.csv": "split\nheld-out\n",
			},
			[]string{"test:0|held-out||", "x|train|cat+pet|g", "train:1|train||"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustOpen(t, bucketOf(t, tc.files), embeddings(tc.path))
			if diff := cmp.Diff(tc.want, lines(d)); diff != "" {
				t.Error(diff)
			}
			if d.Ignored().Files() != int64(tc.ignored) {
				t.Errorf("ignored %d, want %d", d.Ignored().Files(), tc.ignored)
			}
		})
	}
}

func TestEmbeddingsMistakes(t *testing.T) {
	one := npyFile("<f4", 1, 2, 1, 2)
	for name, tc := range map[string]struct {
		files map[string]string
		texts []string
	}{
		"none":        {images("a.jpg"), []string{"looked for embeddings.npy", "found: none", "dataset.embeddings.path"}},
		"other names": {map[string]string{"clip.npy": one, "x/y/z.npy": one}, []string{"found: clip.npy, x/y/z.npy"}},
		"two widths": {map[string]string{"train.npy": one, "test.npy": npyFile("<f4", 1, 3, 1, 2, 3)},
			[]string{"test.npy holds rows of 3", "train.npy of 2"}},
		"two types": {map[string]string{"train.npy": one, "test.npy": npyFile("<f8", 1, 2, 1, 2)}, []string{"float64", "float32"}},
		"too few lines": {map[string]string{"embeddings.npy": npyFile("<f4", 2, 1, 1, 2), "embeddings.csv": "id\na\n"},
			[]string{"embeddings.csv has 1 lines", "2 rows"}},
		"too many lines": {map[string]string{"embeddings.npy": one, "embeddings.csv": "id\na\nb\nc\n"}, []string{"has 3 lines", "1 rows"}},
		"no column":      {map[string]string{"embeddings.npy": one, "embeddings.csv": "name\na\n"}, []string{"none of the columns id, label, split, group"}},
		"one ID twice": {map[string]string{"embeddings.npy": npyFile("<f4", 2, 1, 1, 2), "embeddings.csv": "id\na\na\n"},
			[]string{`"a"`, "embeddings.npy row 0", "embeddings.npy row 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), bucketOf(t, tc.files), embeddings(""), "")
			wantInvalid(t, err, tc.texts...)
		})
	}
}

// Rows of a subset lie near and far from each other: whatever is read together must come out apart.
func TestRowsOfASubset(t *testing.T) {
	const rows, columns = 3000, 200 // 800 bytes a row: gaps above and below maxGap, batches above and below maxRequest
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, rows*columns)
	for i := range values {
		values[i] = float64(float32(random.NormFloat64()))
	}
	var sidecar strings.Builder
	sidecar.WriteString("label\n")
	for row := range rows {
		fmt.Fprintf(&sidecar, "%c\n", "ab"[row/1000%2*random.IntN(2)])
	}
	bucket := bucketOf(t, map[string]string{"embeddings.npy": npyFile("<f4", rows, columns, values...), "embeddings.csv": sidecar.String()})
	for _, labels := range [][]string{nil, {"a"}, {"b"}} {
		spec := embeddings("")
		spec.Labels = labels
		d := mustOpen(t, bucket, spec)
		for _, s := range readAll(t, d) {
			row := d.entries[s.Index].row
			for i, v := range s.Vector {
				if float64(v) != values[row*columns+i] {
					t.Fatalf("labels %v: %s differs at column %d", labels, s.ID, i)
				}
			}
		}
	}
}

func TestTogether(t *testing.T) {
	r := &records{size: 1000}
	at := func(rows ...int) []entry {
		var entries []entry
		for _, row := range rows {
			entries = append(entries, entry{key: "a", row: row})
		}
		return entries
	}
	for name, tc := range map[string]struct {
		entries []entry
		want    int
	}{
		"one":          {at(5), 1},
		"neighbors":    {at(5, 6, 7), 3},
		"a small gap":  {at(0, 66), 2}, // 65 unwanted records are 65,000 bytes
		"a wide gap":   {at(0, 67), 1},
		"another file": {append(at(0, 1), entry{key: "b", row: 2}), 2},
		"a full request": {func() []entry {
			var rows []int
			for i := range 100 {
				rows = append(rows, i*60)
			}
			return at(rows...)
		}(), 70}, // rows 0 to 4140 are 4,141,000 bytes
	} {
		if got := r.together(tc.entries); got != tc.want {
			t.Errorf("%s: %d together, want %d", name, got, tc.want)
		}
	}
}

func TestRealEmbeddings(t *testing.T) {
	bucket := realData(t, "golden")
	d := mustOpen(t, bucket, embeddings("cars_conv_pw_13_max.npy"))
	if d.Len() != 1000 || d.Dimensions() != 1024 {
		t.Errorf("%d×%d, want 1000×1024", d.Len(), d.Dimensions())
	}
	file, err := bucket.ReadAll(t.Context(), "cars_conv_pw_13_max.npy", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	start := len(file) - 1000*1024*4
	for _, s := range readAll(t, d) {
		for i, v := range s.Vector {
			if bits := binary.LittleEndian.Uint32(file[start+4*(1024*s.Index+i):]); math.Float32bits(v) != bits {
				t.Fatalf("%s column %d is %v, in the file %v", s.ID, i, v, math.Float32frombits(bits))
			}
		}
	}
	pca := mustOpen(t, bucket, embeddings("cars_exact_pca_40.npy"))
	if pca.Len() != 1000 || pca.Dimensions() != 40 {
		t.Errorf("%d×%d, want 1000×40", pca.Len(), pca.Dimensions())
	}
	squares := make([]float64, 40) // components are sorted by variance: rows and columns mixed up would not be
	for _, s := range readAll(t, pca) {
		for i, v := range s.Vector {
			squares[i] += float64(v) * float64(v)
		}
	}
	if !slices.IsSortedFunc(squares, func(a, b float64) int { return stdcmp.Compare(b, a) }) {
		t.Errorf("variances %v do not descend", squares)
	}
}

// FuzzNPY gives files of any header, and reads the rows of those that fit it.
func FuzzNPY(f *testing.F) {
	f.Add([]byte(npyFile("<f4", 2, 3, 1, 2, 3, 4, 5, 6)))
	f.Add([]byte(npyFile(">f8", 1, 1, math.Inf(1))))
	f.Add([]byte(npyText(3, "{'shape': (2L, 3L,), 'descr': \">f2\", 'fortran_order': True}", nil)))
	f.Add([]byte(npyText(1, "{'descr': [('x', '<f4')]}", nil)))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := readNPYHeader(bytes.NewReader(file))
		if err != nil {
			return
		}
		if h.rows < 0 || h.columns < 1 || h.rowSize() < 2 || h.start > int64(len(file)) {
			t.Fatalf("header %+v of %d bytes", h, len(file))
		}
		if h.checkSize("x.npy", int64(len(file))) != nil {
			return
		}
		for row := range h.rows {
			start := h.start + row*h.rowSize()
			c := decodeRow(file[start:start+h.rowSize()], h.item)
			if c.err == nil && int64(len(c.vector)) != h.columns {
				t.Errorf("row %d has %d values of %d", row, len(c.vector), h.columns)
			}
			for i, v := range c.vector {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Errorf("row %d, column %d is %v", row, i, v)
				}
			}
		}
	})
}

func FuzzSidecar(f *testing.F) {
	f.Add("id,label,split,group\na,b|c,d,e\n", uint8(1))
	f.Add("\ufefflabel\n\"\n\"\n", uint8(2))
	f.Fuzz(func(t *testing.T, csv string, rows uint8) {
		err := annotate(make([]entry, rows), "x.csv", strings.NewReader(csv), "")
		if err != nil && !errors.As(err, new(*InvalidError)) {
			t.Errorf("%v is no InvalidError", err)
		}
	})
}

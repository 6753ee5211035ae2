package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// tarOf packs files whose content is their name.
func tarOf(t testing.TB, headers ...tar.Header) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := h.Name
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// zeros is a compressed archive of one image of so many zeros.
func zeros(t testing.TB, size int64, compressor func(io.Writer) (io.WriteCloser, error)) string {
	t.Helper()
	var out bytes.Buffer
	c, err := compressor(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(c)
	if err := w.WriteHeader(&tar.Header{Name: "a.png", Size: size, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeroReader{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func withGzip(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }

func withZstd(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }

func TestHostileFiles(t *testing.T) {
	spec := func(format v1alpha1.DatasetFormat) v1alpha1.DatasetSpec { return v1alpha1.DatasetSpec{Format: format} }
	npzOf := func(claim uint64) string {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		w, err := z.CreateRaw(&zip.FileHeader{Name: "a.npy", Method: zip.Store, CompressedSize64: claim, UncompressedSize64: claim})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, npyFile("<f4", 1, 1, 1)) // into memory
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	tests := map[string]struct {
		spec  v1alpha1.DatasetSpec
		files map[string]string
		says  []string
	}{
		"tar that climbs":            {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "../../etc/x.png"})}, []string{`file 0 of the archive is named "../../etc/x.png"`, "stay inside"}},
		"tar from the root":          {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "/etc/x.png"})}, []string{"must be relative"}},
		"tar of links":               {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "a.png", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, tar.Header{Name: "b.png", Typeflag: tar.TypeLink, Linkname: "a.png"})}, []string{"the dataset is empty", "hold no image"}},
		"tar with one name twice":    {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "a.png"}, tar.Header{Name: "b.png"}, tar.Header{Name: "a.png"})}, []string{`duplicate sample ID "a.tar/a.png"`, "a.tar file 0 and by a.tar file 2"}},
		"tar cut short":              {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "a.png"})[:514]}, []string{"a.tar: cut short"}},
		"tar.gz cut short":           {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar.gz": gzipped(t, tarOf(t, tar.Header{Name: "a.png"}))[:60]}, []string{"a.tar.gz: cut short"}},
		"no archive":                 {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": strings.Repeat("x", 2048)}, []string{"a.tar: file 0 of the archive"}},
		"no gzip":                    {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar.gz": "hello, world"}, []string{"a.tar.gz: cut short"}},
		"label that is a film":       {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "a.png"}, tar.Header{Name: "a.json"})}, []string{"a.json", "not JSON"}},
		"gzip bomb":                  {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar.gz": zeros(t, 200<<20, withGzip)}, []string{"decompression bomb"}},
		"zstd bomb":                  {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar.zst": zeros(t, 200<<20, withZstd)}, []string{"decompression bomb"}},
		"mixed archives":             {spec(v1alpha1.FormatWebDataset), map[string]string{"a.tar": tarOf(t, tar.Header{Name: "a.png"}), "b.tar.gz": gzipped(t, tarOf(t, tar.Header{Name: "a.png"}))}, []string{"b.tar.gz is compressed and a.tar is not", "keep one kind"}},
		"parquet that is none":       {spec(v1alpha1.FormatParquet), map[string]string{"a.parquet": "PAR1 and so on and on PAR1"}, []string{"a.parquet: "}},
		"parquet, long footer":       {spec(v1alpha1.FormatParquet), map[string]string{"a.parquet": "PAR1\xff\xff\xff\x7fPAR1"}, []string{"a.parquet: "}},
		"TFRecord of text":           {spec(v1alpha1.FormatTFRecord), map[string]string{"a.tfrecord": strings.Repeat("text ", 20)}, []string{"a.tfrecord: record 0: the checksum of its length is wrong"}},
		"TFRecord that claims":       {spec(v1alpha1.FormatTFRecord), map[string]string{"a.tfrecord": claimRecord(1 << 62)}, []string{"a.tfrecord: record 0"}},
		"TFRecord, 1 GiB of nothing": {spec(v1alpha1.FormatTFRecord), map[string]string{"a.tfrecord": claimRecord(200 << 20)}, []string{"a.tfrecord: cut short"}},
		"IDX that claims":            {spec(v1alpha1.FormatIDX), map[string]string{"t-images-idx3-ubyte": "\x00\x00\x08\x03\xff\xff\xff\xff\x00\x00\x40\x00\x00\x00\x40\x00"}, []string{"the header says", "is it cut short?"}},
		"IDX.gz that claims":         {spec(v1alpha1.FormatIDX), map[string]string{"t-images-idx3-ubyte.gz": gzipped(t, "\x00\x00\x08\x03\x02\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01")}, []string{"claims 33554432 rows in"}},
		"IDX of huge images":         {spec(v1alpha1.FormatIDX), map[string]string{"t-images-idx3-ubyte": "\x00\x00\x08\x03\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff"}, []string{"a side has 1 to 16384"}},
		"pickle that calls":          {v1alpha1.DatasetSpec{Format: v1alpha1.FormatCIFAR}, map[string]string{"test_batch": "cos\nsystem\n(S'id'\ntR."}, []string{"test_batch: byte", "opcode 0x53 is not one of plain data"}},
		"pickle of a call":           {v1alpha1.DatasetSpec{Format: v1alpha1.FormatCIFAR}, map[string]string{"test_batch": "cos\nsystem\nU\x02id\x85R."}, []string{"a pickled dictionary is wanted"}},
		"pickle that claims":         {v1alpha1.DatasetSpec{Format: v1alpha1.FormatCIFAR}, map[string]string{"test_batch": "B\xff\xff\xff\x7f."}, []string{"ends before its last value"}},
		"npz that claims":            {spec(v1alpha1.FormatEmbeddings), map[string]string{"embeddings.npz": npzOf(1 << 60)}, []string{"embeddings.npz"}},
		"safetensors that claims":    {spec(v1alpha1.FormatEmbeddings), map[string]string{"embeddings.safetensors": "\xff\xff\xff\xff\xff\xff\xff\x7f{}"}, []string{"its header claims"}},
		"safetensors beyond its end": {spec(v1alpha1.FormatEmbeddings), map[string]string{"embeddings.safetensors": tensors(`{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`)}, []string{"is said to lie at bytes 0 to 16 of 4"}},
		"safetensors, two":           {spec(v1alpha1.FormatEmbeddings), map[string]string{"embeddings.safetensors": tensors(`{"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}`)}, []string{"2 tensors N×D (a, b)", "dataset.embeddings.array"}},
		"JSON Lines, no object":      {spec(v1alpha1.FormatManifest), map[string]string{"manifest.jsonl": "[1]\n"}, []string{"manifest.jsonl is an array", "an object a line"}},
		"JSON Lines, long":           {spec(v1alpha1.FormatManifest), map[string]string{"manifest.jsonl": `{"path":"` + strings.Repeat("x", 2<<20)}, []string{"line 1 is longer than"}},
		"braces without end":         {v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset, WebDataset: &v1alpha1.WebDatasetOptions{Shards: []string{"a-{0..3.tar"}}}, map[string]string{"a-0.tar": ""}, []string{"a brace without its partner"}},
		"braces of all numbers":      {v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset, WebDataset: &v1alpha1.WebDatasetOptions{Shards: []string{"a-{0..9999999}.tar"}}}, map[string]string{"a-0.tar": ""}, []string{"{0..9999999} is not a range"}},
		"a shard that is missing":    {v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset, WebDataset: &v1alpha1.WebDatasetOptions{Shards: []string{"a-{0..1}.tar"}}}, map[string]string{"a-0.tar": ""}, []string{"a-1.tar", "is not there"}},
		"an unknown column":          {spec(v1alpha1.FormatManifest), map[string]string{"manifest.csv": "path\na.png\n"}, []string{"there is no column score"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			column := ""
			if name == "an unknown column" {
				column = "score"
			}
			bucket := bucketOf(t, test.files)
			before := allocated()
			wantInvalid(t, mistakeIn(t, bucket, test.spec, column), test.says...)
			if grown := allocated() - before; grown > 160<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// claimRecord is a TFRecord that claims a length, and holds some bytes.
func claimRecord(length uint64) string {
	b := binary.LittleEndian.AppendUint64(nil, length)
	b = binary.LittleEndian.AppendUint32(b, maskedChecksum(b))
	return string(b) + strings.Repeat("x", 100)
}

// tensors is a Safetensors file of four bytes of data.
func tensors(header string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + "1234"
}

// Names in archives are names: hidden files, folders and what describes no sample are passed over, and millions of them
// take no memory.
func TestManyIdleEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	const idle = 300_000
	for i := range idle {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%07d.txt", i), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "last.png", Size: 1, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("x")) // Close says what failed
	for _, c := range []io.Closer{w, z, file} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d := mustOpen(t, openBucket(t, filepath.Dir(path)), v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset})
	if got := ids(d); len(got) != 1 || got[0] != "a.tar.gz/last.png" {
		t.Errorf("got %q", got)
	}
}

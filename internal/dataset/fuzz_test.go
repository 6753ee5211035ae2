package dataset

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"

	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/test/layouts"
)

// What the formats' files say is bytes from strangers: whatever they are, there is an error or a dataset, within
// bounds.

func FuzzUnpickle(f *testing.F) {
	dir := f.TempDir()
	if err := layouts.All()["CIFAR pickle"].Write(dir, layouts.Generate(8)); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(dir, "test_batch"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."))
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := unpickle(bytes.NewReader(data))
		if err != nil {
			return
		}
		if dict, ok := value.(map[string]any); ok {
			if b, rows, columns, err := bytesArray(dict["data"]); err == nil && (b.offset < 0 || b.offset+b.size > int64(len(data)) || rows*columns != b.size) {
				t.Errorf("%d×%d bytes at %+v of %d", rows, columns, b, len(data))
			}
		}
	})
}

func FuzzTar(f *testing.F) {
	f.Add([]byte(tarOf(f, tar.Header{Name: "a.png"}, tar.Header{Name: "a.cls"}, tar.Header{Name: "b/c.jpg"})))
	f.Fuzz(func(t *testing.T, data []byte) {
		shard := &tarShard{labels: labelSets{}, names: interner{}}
		if err := shard.list(bytes.NewReader(data)); err != nil {
			return
		}
		for _, e := range shard.entries {
			if e.offset < 0 || e.size < 0 || e.offset+e.size > int64(len(data)) {
				t.Errorf("%s at %d, %d bytes of %d", e.ID, e.offset, e.size, len(data))
			}
		}
	})
}

func FuzzTFRecord(f *testing.F) {
	dir := f.TempDir()
	if err := layouts.All()["TFRecord"].Write(dir, layouts.Generate(8)); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(dir, "waves-test.tfrecord-00000-of-00002"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, seed[12:len(seed)-4])
	f.Fuzz(func(t *testing.T, file, record []byte) {
		features := tfFeatures{column: "score"}
		entries, err := features.list(storage.Object{Key: "a.tfrecord"}, &recordReader{ctx: t.Context(), r: bytes.NewReader(file), room: semaphore.NewWeighted(recordRoom)})
		if err == nil {
			for i := range entries {
				e := &entries[i]
				features.decode(e, file[e.offset:e.offset+e.size])
			}
		}
		var e entry
		_ = features.describe(&e, record, labelSets{}, interner{}) // whatever it says, it ends
		features.decode(&e, record)
	})
}

func FuzzIDX(f *testing.F) {
	f.Add([]byte("\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x02abcd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readIDXHeader(bytes.NewReader(data), []byte{1, 3, 4})
		if err != nil {
			return
		}
		if h.count < 0 || h.size() < 1 || h.start > int64(len(data)) {
			t.Fatalf("%+v of %d bytes", h, len(data))
		}
		if size := h.size(); size <= 1<<16 && int64(len(data))-h.start >= size {
			h.bmp(data[h.start : h.start+size])
		}
	})
}

func FuzzSafetensors(f *testing.F) {
	f.Add([]byte(`{"__metadata__":{"a":"b"},"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}`), "a", int64(8))
	f.Fuzz(func(t *testing.T, header []byte, name string, size int64) {
		a, err := parseSafetensors(header, name, size)
		if err == nil && (a.offset < 0 || a.offset+a.rows*a.rowSize() > size) {
			t.Errorf("%d rows of %d bytes at %d of %d", a.rows, a.rowSize(), a.offset, size)
		}
	})
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte("{\"path\":\"a.png\",\"label\":[\"b\",3,null],\"score\":\"2026-05-01\"}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := readManifest("m.jsonl", bytes.NewReader(data), fieldsOf(request{column: "score"}))
		for _, e := range entries {
			if err == nil && (e.ID == "" || strings.HasPrefix(e.key, "/") || strings.HasPrefix(e.key, "..")) {
				t.Errorf("%+v", e)
			}
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("a-{000..012}-{x,y}.tar")
	f.Fuzz(func(t *testing.T, pattern string) {
		if paths, err := expand(pattern); err == nil && (len(paths) == 0 || len(paths) > maxExpanded) {
			t.Errorf("%d paths", len(paths))
		}
	})
}

// fuzzFile holds a whole file of a format against its reader, through a bucket.
func fuzzFile(f *testing.F, layout, file string) {
	dir := f.TempDir()
	samples := layouts.Generate(8)
	l := layouts.All()[layout]
	if err := l.Write(dir, samples); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, filepath.Base(file)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(t.Context(), openBucket(t, root), l.Spec, "")
		if err != nil {
			return
		}
		n := 0
		for _, err := range d.Samples(t.Context(), 0, min(d.Len(), 100)) {
			if err != nil {
				return
			}
			n++
		}
	})
}

func FuzzParquet(f *testing.F) { fuzzFile(f, "Parquet", "data/test-00000-of-00002.parquet") }

func FuzzVectorsInParquet(f *testing.F) {
	fuzzFile(f, "Embeddings Parquet", "test/embeddings.parquet")
}

func FuzzNPZ(f *testing.F) { fuzzFile(f, "Embeddings npz deflate", "test/embeddings.npz") }

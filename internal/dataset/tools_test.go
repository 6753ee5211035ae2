package dataset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/layouts"
)

// Files that the formats' own tools made, not ours: GNU tar, gzip, zstd and NumPy, where the machine has them.

func needTool(t *testing.T, name string) string {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s on this machine", name)
	}
	return program
}

func tool(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(needTool(t, name), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

func TestTarOfGNU(t *testing.T) {
	samples := layouts.Generate(16)
	files := t.TempDir()
	for i, s := range samples {
		// A name above 100 bytes makes tar use its long-name extensions.
		base := filepath.Join(files, strings.Repeat("folder/", 20), fmt.Sprintf("%05d", i))
		if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
			t.Fatal(err)
		}
		for ending, content := range map[string][]byte{".png": s.PNG, ".cls": []byte(s.Label + "\n")} {
			if err := os.WriteFile(base+ending, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, kind := range []string{"gnu", "pax", "ustar"} {
		for _, packer := range []string{"", "gzip", "zstd"} {
			t.Run(kind+" "+packer, func(t *testing.T) {
				out := t.TempDir()
				path := filepath.Join(out, "train-0.tar")
				tool(t, files, "tar", "--sort=name", "--format="+kind, "-cf", path, ".")
				if packer != "" {
					tool(t, out, packer, "-q", "train-0.tar")
					_ = os.Remove(path) // zstd keeps it
				}
				d := mustOpen(t, openBucket(t, out), v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset})
				got := readAll(t, d)
				if len(got) != len(samples) {
					t.Fatalf("%d samples of %d", len(got), len(samples))
				}
				for i, s := range got {
					if !bytes.Equal(s.Bytes, samples[i].PNG) || s.Split != "train" || s.Labels[0] != samples[i].Label {
						t.Errorf("%s: split %s, labels %s, %d bytes", s.ID, s.Split, s.Labels, len(s.Bytes))
					}
				}
			})
		}
	}
}

const pythonWriter = `
import pickle, sys
import numpy as np
rows = np.fromfile('vectors', dtype='<f4').reshape(-1, 16)
np.save('npy/embeddings.npy', rows.astype('<f8'))
np.savez('npz/embeddings.npz', rows, other=np.zeros(3))
np.savez_compressed('packed/embeddings.npz', vectors=rows)
pixels = np.fromfile('pixels', dtype=np.uint8).reshape(-1, 3072)
for protocol in (2, 3, 4, 5):
    with open('pickle%d/test_batch' % protocol, 'wb') as f:
        pickle.dump({'batch_label': 'testing batch 1 of 1', 'labels': [i % 10 for i in range(len(pixels))], 'data': pixels, 'filenames': ['%d.png' % i for i in range(len(pixels))]}, f, protocol)
    with open('pickle%d/batches.meta' % protocol, 'wb') as f:
        pickle.dump({'num_cases_per_batch': 10000, 'label_names': list('abcdefghij'), 'num_vis': 3072}, f, protocol)
`

// pythonFiles are what NumPy and pickle write of the samples; skips where there is no NumPy.
func pythonFiles(t *testing.T, samples []layouts.Sample) string {
	t.Helper()
	dir := t.TempDir()
	python := ""
	for _, candidate := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(candidate, "-c", "import numpy").Run() == nil {
			python = candidate
			break
		}
	}
	if python == "" {
		t.Skip("there is no Python with NumPy on this machine")
	}
	for _, folder := range []string{"npy", "npz", "packed", "pickle2", "pickle3", "pickle4", "pickle5"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var vectors, pixels bytes.Buffer
	for _, s := range samples {
		for _, x := range s.Vector {
			vectors.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
		}
		pixels.Write(bytes.Repeat(s.Gray, 3))
	}
	for name, content := range map[string][]byte{"vectors": vectors.Bytes(), "pixels": pixels.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, dir, python, "-c", pythonWriter)
	return dir
}

func TestFilesOfPython(t *testing.T) {
	samples := layouts.Generate(40)
	dir := pythonFiles(t, samples)
	for folder, array := range map[string]string{"npy": "", "npz": "arr_0", "packed": ""} {
		t.Run(folder, func(t *testing.T) {
			spec := v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings, Embeddings: &v1alpha1.EmbeddingsOptions{Array: array}}
			for i, s := range readAll(t, mustOpen(t, openBucket(t, filepath.Join(dir, folder)), spec)) {
				if diff := cmp.Diff(samples[i].Vector, s.Vector); diff != "" {
					t.Errorf("row %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
	cifar := v1alpha1.DatasetSpec{Format: v1alpha1.FormatCIFAR}
	for _, protocol := range []string{"3", "4", "5"} {
		t.Run("pickle protocol "+protocol, func(t *testing.T) {
			got := readAll(t, mustOpen(t, openBucket(t, filepath.Join(dir, "pickle"+protocol)), cifar))
			for i, s := range got {
				if label := string(rune('a' + i%10)); s.ID != fmt.Sprintf("test:%05d", i) || s.Labels[0] != label ||
					!bytes.Equal(s.Bytes, planesToBMP(bytes.Repeat(samples[i].Gray, 3), 32, 32)) {
					t.Errorf("sample %d is %s, %s", i, s.ID, s.Labels)
				}
			}
			if len(got) != len(samples) {
				t.Errorf("%d samples of %d", len(got), len(samples))
			}
		})
	}
	_, err := Open(t.Context(), openBucket(t, filepath.Join(dir, "pickle2")), cifar, "")
	wantInvalid(t, err, "test_batch: data: the array's bytes are not stored as such: save it with pickle protocol 4")
}

// The files in testdata/duckdb were written by DuckDB 1.5:
//
//	CREATE TABLE t AS SELECT {'bytes': encode('image ' || i || repeat('x', (i*37)%200)::VARCHAR), 'path': i || '.png'} AS image,
//	  (i % 3) - 1 AS label, i * 1.5 AS quality, TIMESTAMP '2026-05-01' + INTERVAL (i) HOUR AS taken FROM range(50) r(i);
//	COPY t TO 'train-00000-of-00001.parquet' (ROW_GROUP_SIZE 20, COMPRESSION zstd, KV_METADATA {huggingface: '…'});
//	COPY (SELECT i AS id, [i::FLOAT, (i*i)::FLOAT, sin(i)::FLOAT] AS vector, CASE WHEN i%2=0 THEN 'a' END AS label
//	  FROM range(30) r(i)) TO 'embeddings.parquet' (COMPRESSION snappy);
func TestParquetOfDuckDB(t *testing.T) {
	d, err := Open(t.Context(), openBucket(t, "testdata/duckdb/images"), v1alpha1.DatasetSpec{Format: v1alpha1.FormatParquet}, "quality")
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 50 {
		t.Fatalf("%d rows", d.Len())
	}
	for i, s := range readAll(t, d) {
		want := fmt.Sprintf("image %d%s", i, strings.Repeat("x", i*37%200))
		labels := [][]string{nil, {"cat"}, {"dog"}}[i%3]
		if s.ID != fmt.Sprintf("train:%d", i) || string(s.Bytes) != want || !slices.Equal(s.Labels, labels) || s.Score != 1.5*float64(i) {
			t.Errorf("row %d: %s, labels %q, score %v, %q", i, s.ID, s.Labels, s.Score, s.Bytes)
		}
	}
	d = mustOpen(t, openBucket(t, "testdata/duckdb/vectors"), v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings})
	for i, s := range readAll(t, d) {
		x := float32(i)
		if diff := cmp.Diff([]float32{x, x * x, float32(math.Sin(float64(i)))}, s.Vector); diff != "" || s.ID != fmt.Sprint(i) || len(s.Labels) != 1-i%2 {
			t.Errorf("row %d: %s, labels %q (-want +got):\n%s", i, s.ID, s.Labels, diff)
		}
	}
}

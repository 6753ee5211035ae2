package neighbors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// faiss runs a script of Python on a matrix, which it calls x, with so many threads, and decodes what it prints. It needs
// Debian's python3-faiss; beside the reference BLAS it would be no match, so it wants OpenBLAS too
// (libopenblas0-pthread).
func faiss(b *testing.B, x Matrix[float32], threads int, script string, out any, args ...int) {
	b.Helper()
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import faiss, numpy").CombinedOutput(); err != nil {
		b.Skipf("python3-faiss is not installed: %v %s", err, out)
	}
	const begin = `
import json, sys, time
path, n, d, threads, *args = sys.argv[1], *map(int, sys.argv[2:])
import numpy, faiss
if "openblas" not in open("/proc/self/maps").read():
    sys.exit("FAISS runs on a BLAS other than OpenBLAS")
faiss.omp_set_num_threads(threads)
x = numpy.fromfile(path, dtype="float32").reshape(n, d)
`
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, x.Data); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "rows")
	if err := os.WriteFile(path, raw.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	command := exec.Command(python, "-c", begin+script, path)
	for _, v := range append([]int{x.N, x.D, threads}, args...) {
		command.Args = append(command.Args, strconv.Itoa(v))
	}
	command.Env = append(os.Environ(), fmt.Sprintf("OPENBLAS_NUM_THREADS=%d", threads))
	command.Stderr = os.Stderr
	printed, err := command.Output()
	if err == nil {
		err = json.Unmarshal(printed, out)
	}
	if err != nil {
		b.Fatalf("%v: %s", err, printed)
	}
}

// BenchmarkFAISS compares with FAISS's exact index on the same rows with the same number of threads.
func BenchmarkFAISS(b *testing.B) {
	const script = `
queries, k = args
index = faiss.IndexFlatL2(d)
index.add(x)
index.search(x[:64], k)
begin = time.time()
index.search(x[:queries], k)
print(time.time() - begin)
`
	for _, s := range benchmarkShapes {
		x := benchmarkMatrix(s.n, s.d)
		for _, threads := range benchmarkThreads() {
			b.Run(fmt.Sprintf("%dx%d/threads=%d", s.n, s.d, threads), func(b *testing.B) {
				var ours, theirs float64
				for b.Loop() {
					begin := time.Now()
					if _, err := Search(b.Context(), x, Options{K: benchmarkK, To: s.queries, Threads: threads}); err != nil {
						b.Fatal(err)
					}
					ours += time.Since(begin).Seconds()
					var seconds float64
					faiss(b, x, threads, script, &seconds, s.queries, benchmarkK+1)
					theirs += seconds
				}
				flops := 2 * float64(s.queries) * float64(s.n) * float64(s.d) * float64(b.N) / 1e9
				b.ReportMetric(flops/ours, "GFLOP/s")
				b.ReportMetric(flops/theirs, "FAISS-GFLOP/s")
				b.ReportMetric(theirs/ours, "times-FAISS")
			})
		}
	}
}

// BenchmarkApproximateFAISS finds the neighbors of all rows, building included, and compares with what FAISS's HNSW and
// inverted file take, each with the least effort that finds as large a share of 1,000 rows' neighbors. FAISS's flat index
// tells which these are, and what an exact search would take. The number of rows is ROWS, else 100,000.
func BenchmarkApproximateFAISS(b *testing.B) {
	const script = `
k, recall = args[0], args[1] / 1e6
flat = faiss.IndexFlatL2(d)
flat.add(x)
asked = x[:: max(1, n // 1000)][:1000]
begin = time.time()
truth, _ = flat.search(asked, k)
found = {"flat": (time.time() - begin) * n / len(asked)}
del flat

def measure(name, build, efforts, set):
    begin = time.time()
    index = build()
    built = time.time() - begin
    for effort in efforts:
        set(index, effort)
        distances, _ = index.search(asked, k)
        share = float((distances[:, 1:] <= truth[:, -1:] * (1 + 1e-5)).mean())
        if share >= recall:
            break
    begin = time.time()
    for at in range(0, n, 10000):
        index.search(x[at : at + 10000], k)
    found[name], found[name + "Recall"] = built + time.time() - begin, share

def hnsw():
    index = faiss.IndexHNSWFlat(d, 32)
    index.add(x)
    return index

def inverted():
    cells = int(4 * n**0.5)
    index = faiss.index_factory(d, f"IVF{cells},Flat")
    index.train(x[:: max(1, n // (64 * cells))])
    index.add(x)
    return index

measure("hnsw", hnsw, [16, 32, 64, 128, 256, 512], lambda i, e: setattr(i.hnsw, "efSearch", e))
measure("ivf", inverted, [1, 2, 4, 8, 16, 32, 64, 128, 256], lambda i, e: setattr(i, "nprobe", e))
print(json.dumps(found))
`
	n := 100_000
	if rows, err := strconv.Atoi(os.Getenv("ROWS")); err == nil {
		n = rows
	}
	wide := lumps(n, 128)
	x := Matrix[float32]{Data: make([]float32, len(wide.Data)), N: wide.N, D: wide.D}
	for i, v := range wide.Data {
		x.Data[i] = float32(v)
	}
	b.Run(fmt.Sprint(n), func(b *testing.B) {
		for b.Loop() {
			begin := time.Now()
			ix, err := NewIndex(b.Context(), x, Options{K: benchmarkK, Threads: 2})
			if err != nil {
				b.Fatal(err)
			}
			found, err := ix.All(b.Context(), nil)
			if err == nil {
				err = ix.Refine(b.Context(), found)
			}
			if err != nil {
				b.Fatal(err)
			}
			ours := time.Since(begin).Seconds()
			recall, err := ix.Recall(b.Context(), found)
			if err != nil {
				b.Fatal(err)
			}
			var theirs struct{ Flat, HNSW, HNSWRecall, IVF, IVFRecall float64 }
			faiss(b, x, 2, script, &theirs, benchmarkK+1, int(1e6*recall.Share()))
			b.ReportMetric(recall.Share(), "recall")
			b.ReportMetric(theirs.HNSWRecall, "HNSW-recall")
			b.ReportMetric(theirs.IVFRecall, "IVF-recall")
			b.ReportMetric(theirs.Flat/ours, "times-flat")
			b.ReportMetric(theirs.HNSW/ours, "times-HNSW")
			b.ReportMetric(theirs.IVF/ours, "times-IVF")
		}
	})
}

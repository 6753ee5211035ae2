package neighbors

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const benchmarkK = 10

// Random rows are the hardest for a shortlist's order and the easiest for its proof: what is measured is the kernel.
func benchmarkMatrix(n, d int) Matrix[float32] {
	r := rand.New(rand.NewPCG(11, 12))
	x := Matrix[float32]{make([]float32, n*d), n, d}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	return x
}

var benchmarkShapes = []struct{ n, d, queries int }{
	{60000, 40, 60000},
	{60000, 1024, 6000},
	{20000, 1024, 20000},
}

func benchmarkThreads() []int {
	if runtime.NumCPU() == 1 {
		return []int{1}
	}
	return []int{1, 2}
}

// BenchmarkSearch reports 2·queries·N·D over the time of the whole search.
func BenchmarkSearch(b *testing.B) {
	for _, s := range benchmarkShapes {
		x := benchmarkMatrix(s.n, s.d)
		for _, k := range kernels {
			queries := s.queries
			if k.name == goKernel.name {
				queries /= 20
			}
			for _, threads := range benchmarkThreads() {
				b.Run(fmt.Sprintf("%dx%d/%s/threads=%d", s.n, s.d, k.name, threads), func(b *testing.B) {
					for b.Loop() {
						if _, err := search(context.Background(), x, Options{K: benchmarkK, To: queries, Threads: threads}, k); err != nil {
							b.Fatal(err)
						}
					}
					flops := 2 * float64(queries) * float64(s.n) * float64(s.d)
					b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

// BenchmarkHardCases is what the proof costs where float32 alone fails, in multiples of the time that random rows of
// the same shape take.
func BenchmarkHardCases(b *testing.B) {
	const n, d = 20000, 40
	seconds := func(x Matrix[float64]) float64 {
		begin := time.Now()
		if _, err := Search(context.Background(), x, Options{K: benchmarkK}); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin).Seconds()
	}
	for name, generate := range matrices {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			r := rand.New(rand.NewPCG(13, 14))
			easy := Matrix[float64]{fill(n*d, r.NormFloat64), n, d}
			hard := Matrix[float64]{generate(r, n, d), n, d}
			var ratio float64
			for b.Loop() {
				ratio += seconds(hard) / seconds(easy)
			}
			b.ReportMetric(ratio/float64(b.N), "times-random")
		})
	}
}

// BenchmarkFAISS compares with FAISS's exact index on the same rows with the same number of threads. It needs Debian's
// python3-faiss; beside the reference BLAS it would be no match, so it wants OpenBLAS too (libopenblas0-pthread).
func BenchmarkFAISS(b *testing.B) {
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import faiss, numpy").CombinedOutput(); err != nil {
		b.Skipf("python3-faiss is not installed: %v %s", err, out)
	}
	const script = `
import sys, time
path, n, d, queries, k, threads = sys.argv[1], *map(int, sys.argv[2:])
import numpy, faiss
if "openblas" not in open("/proc/self/maps").read():
    sys.exit("FAISS runs on a BLAS other than OpenBLAS")
faiss.omp_set_num_threads(threads)
x = numpy.fromfile(path, dtype="float32").reshape(n, d)
index = faiss.IndexFlatL2(d)
index.add(x)
index.search(x[:64], k)
begin = time.time()
index.search(x[:queries], k)
print(time.time() - begin)
`
	for _, s := range benchmarkShapes {
		x := benchmarkMatrix(s.n, s.d)
		var raw bytes.Buffer
		if err := binary.Write(&raw, binary.LittleEndian, x.Data); err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(b.TempDir(), "rows")
		if err := os.WriteFile(path, raw.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
		for _, threads := range benchmarkThreads() {
			b.Run(fmt.Sprintf("%dx%d/threads=%d", s.n, s.d, threads), func(b *testing.B) {
				var ours, theirs float64
				for b.Loop() {
					begin := time.Now()
					if _, err := Search(context.Background(), x, Options{K: benchmarkK, To: s.queries, Threads: threads}); err != nil {
						b.Fatal(err)
					}
					ours += time.Since(begin).Seconds()

					command := exec.Command(python, "-c", script, path)
					for _, v := range []int{s.n, s.d, s.queries, benchmarkK + 1, threads} {
						command.Args = append(command.Args, strconv.Itoa(v))
					}
					command.Env = append(os.Environ(), fmt.Sprintf("OPENBLAS_NUM_THREADS=%d", threads))
					out, err := command.CombinedOutput()
					if err != nil {
						b.Fatalf("%v: %s", err, out)
					}
					seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
					if err != nil {
						b.Fatal(err)
					}
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

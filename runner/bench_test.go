package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkPeakMemory audits given embeddings in a process of its own and compares its largest resident memory with the
// size of the vectors. Files that are mapped count as resident while there is room for them.
func BenchmarkPeakMemory(b *testing.B) {
	for _, size := range []struct{ n, d int }{{60_000, 1024}, {200_000, 128}} {
		b.Run(fmt.Sprintf("%dx%d", size.n, size.d), func(b *testing.B) {
			dir := b.TempDir()
			writeEmbeddings(b, filepath.Join(dir, "embeddings.npy"), size.n, size.d)
			manifest := filepath.Join(dir, "audit.yaml")
			text := `{apiVersion: datasetaudit.io/v1alpha1, kind: DatasetAudit, metadata: {name: a}, spec: {dataset: {source: {persistentVolumeClaim: {claimName: c}}, format: Embeddings}}}`
			if err := os.WriteFile(manifest, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			var ratio, seconds float64
			for b.Loop() {
				start := time.Now()
				cmd := runner(b.Context(), "audit", "-f", manifest, "--dataset", dir, "--out", b.TempDir())
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				seconds = time.Since(start).Seconds()
				usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
				if !ok {
					b.Skip("this system doesn't tell the memory of a process")
				}
				ratio = float64(usage.Maxrss<<10) / float64(4*size.n*size.d)
			}
			b.ReportMetric(ratio, "times-vectors")
			b.ReportMetric(seconds, "s/audit")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// writeEmbeddings makes an N×D npy file of clustered points.
func writeEmbeddings(b *testing.B, path string, n, d int) {
	b.Helper()
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(file, 1<<20)
	header := fmt.Sprintf("%-117s\n", fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", n, d))
	if _, err := io.WriteString(out, "\x93NUMPY\x01\x00\x76\x00"+header); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(4, 4))
	row := make([]byte, 4*d)
	for range n {
		for c := range d {
			binary.LittleEndian.PutUint32(row[4*c:], math.Float32bits(float32(random.NormFloat64()/float64(1+c%64))))
		}
		if _, err := out.Write(row); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
}

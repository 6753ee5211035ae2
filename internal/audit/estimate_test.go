package audit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// told remembers an estimate.
type told struct {
	silent
	estimates []time.Duration
}

func (p *told) Estimate(d time.Duration) { p.estimates = append(p.estimates, d) }

// A run of many samples in a cluster says what it takes, and its results what it had said.
func TestEstimate(t *testing.T) {
	x := classes(estimateFrom, 4)
	values := make([]float32, len(x.Data))
	for i, v := range x.Data {
		values[i] = float32(v)
	}
	var file bytes.Buffer
	fmt.Fprintf(&file, "\x93NUMPY\x01\x00\x76\x00%-117s\n", fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", x.N, x.D))
	if err := binary.Write(&file, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.npy"), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	audit := parse(t, "  dataset: {format: Embeddings, source: {objectStorage: {url: \"s3://x\"}}}\n  duplicates: {method: Reference, threshold: {strategy: Percentile, percentile: \"99.9\"}}\n  output: {objectStorage: {url: \"s3://x\"}}\n")
	for id, want := range map[string]int{"a-run": 1, "": 0} {
		progress := &told{}
		r := Run{ID: id, Audit: audit, Dataset: dir, Out: filepath.Join(dir, "out"+id), Work: filepath.Join(dir, "work"+id), Threads: 2, Progress: progress}
		summary, err := r.Execute(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if said := summary.Cost.EstimatedSeconds; len(progress.estimates) != want || (said != nil) != (want > 0) {
			t.Errorf("run %q: told %v, its results say %v", id, progress.estimates, said)
		}
	}
}

// Parts of a report that take time are counted, for each layer.
func TestPlanReports(t *testing.T) {
	p := &Plan{Samples: 1_000_000, Layers: 2}
	seconds := func(reports string) float64 {
		r := Run{Threads: 4, Audit: parse(t, "  reports: [Duplicates, "+reports+"]\n  dataset: {format: Embeddings, source: {objectStorage: {url: \"s3://x\"}}}\n")}
		return r.planReports(p)
	}
	if got := seconds("Labels"); got != 0 {
		t.Errorf("%g s for what takes none", got)
	}
	familiar, placed, both := seconds("Familiarity"), seconds("Map"), seconds("Familiarity, Map")
	if both != familiar+placed || placed != 2*1e6*mapSeconds/4 || familiar <= 0 {
		t.Errorf("%g s and %g s, together %g s", familiar, placed, both)
	}
}

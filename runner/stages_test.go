package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/spill"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// vectorsFile is n×d embeddings as NumPy writes them: noise, and every tenth row beside an earlier one or equal to it.
func vectorsFile(seed uint64, n, d int) []byte {
	random := rand.New(rand.NewPCG(seed, 60))
	x := make([]float32, n*d)
	for i := range n {
		row := x[i*d : (i+1)*d]
		for c := range row {
			row[c] = float32(random.NormFloat64())
		}
		if i > 0 && i%10 == 0 {
			copy(row, x[random.IntN(i)*d:][:d])
			row[0] += float32(i%20) / 1000
		}
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", n, d)
	header += fmt.Sprintf("%*s\n", 63-(10+len(header))%64, "")
	out := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	out = append(out, header...)
	for _, v := range x {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// Neighbors that other processes found give the same findings, for every method and strategy, beside a baseline and a
// reference, whatever the shards, and whether rows lie in memory or in a file.
func TestStageNeighbors(t *testing.T) {
	f := newFixture(t)
	f.write(t, "vectors/embeddings.npy", vectorsFile(1, 9000, 12))
	f.write(t, "old/embeddings.npy", vectorsFile(2, 800, 12))
	f.write(t, "bench/embeddings.npy", vectorsFile(1, 300, 12)) // the first of ours
	file := f.path("bench.safetensors")
	if code, _, stderr := run(t, "reference", f.path("bench"), "--format", "Embeddings", "--out", file); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for name, test := range map[string]struct {
		duplicates string
		baseline   bool
	}{
		"Local":                {"{}", false},
		"Slope and a baseline": {"{method: Reference, threshold: {strategy: Slope}}", true},
		"Cosine":               {`{method: Reference, threshold: {strategy: Cosine, similarity: "0.99"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := func(output string) []byte {
				return fmt.Appendf(nil, `
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetAudit
metadata: {name: noise}
spec:
  dataset: {source: {persistentVolumeClaim: {claimName: c}}, format: Embeddings}
  reduction: {pca: {components: 8}}
  duplicates: %s
%s`, test.duplicates, output)
			}
			f.write(t, "stages.yaml", manifest(""))
			args := []string{"-f", f.path("stages.yaml"), "--dataset", f.path("vectors"), "--reference", "bench=" + file}
			if test.baseline {
				f.write(t, "old.yaml", manifest("  output: {baseline: true}"))
				old := t.TempDir()
				if code, _, stderr := run(t, "audit", "-f", f.path("old.yaml"), "--dataset", f.path("old"), "--out", old); code != 0 {
					t.Fatalf("exit %d: %s", code, stderr)
				}
				args = append(args, "--baseline", old)
			}
			audit := func(more ...string) {
				t.Helper()
				if code, _, stderr := run(t, slices.Concat([]string{"audit"}, args, more)...); code != 0 {
					t.Fatalf("exit %d: %s", code, stderr)
				}
			}
			alone := t.TempDir()
			audit("--out", alone)
			for _, shards := range []int{1, 2, 5} {
				work, out := t.TempDir(), t.TempDir()
				if shards == 5 { // as datasets larger than memory
					least := spill.Least
					spill.Least = 1
					defer func() { spill.Least = least }()
				}
				for i := range shards {
					audit("--work", work, "--out", t.TempDir(), "--stage", "Neighbors", "--shard", fmt.Sprintf("%d/%d", shards-1-i, shards))
				}
				audit("--work", work, "--out", out, "--searched")
				if diff := cmp.Diff(resultFiles(t, alone), resultFiles(t, out)); diff != "" {
					t.Errorf("%d shards: the findings differ (-want +got):\n%s", shards, diff)
				}
				if left, err := filepath.Glob(filepath.Join(work, "neighbors", "*", "*", "*")); err != nil || len(left) > 0 {
					t.Errorf("left behind: %v, %v", left, err)
				}
			}
		})
	}
}

// All stages of images, one after the other, in processes that share a folder.
func TestStagesOfImages(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	f.write(t, "audit.yaml", []byte(localManifest("  reports: [Duplicates, Familiarity, Labels, Quality, Map]")))
	alone, out, work := t.TempDir(), t.TempDir(), t.TempDir()
	stage := func(out string, more ...string) {
		t.Helper()
		if code, _, stderr := run(t, f.audit(out, append([]string{"--work", work}, more...)...)...); code != 0 {
			t.Fatalf("%v: exit %d: %s", more, code, stderr)
		}
	}
	if code, _, stderr := run(t, f.audit(alone)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, shard := range []string{"0/2", "1/2"} {
		stage(t.TempDir(), "--stage", "Embed", "--shard", shard)
	}
	for _, shard := range []string{"0/3", "1/3", "2/3"} {
		stage(t.TempDir(), "--stage", "Neighbors", "--shard", shard, "--embedded")
	}
	stage(out, "--embedded", "--searched")
	if diff := cmp.Diff(resultFiles(t, alone), resultFiles(t, out)); diff != "" {
		t.Errorf("the findings differ (-want +got):\n%s", diff)
	}
	for _, name := range reportFiles { // all parts of the report are among them
		resultFile(t, out, name)
	}
	if code, _, stderr := run(t, f.audit(t.TempDir(), "--stage", "Report")...); code != int(v1alpha1.ExitInvalidUsage) {
		t.Errorf("a stage that doesn't run alone: exit %d: %s", code, stderr)
	}
}

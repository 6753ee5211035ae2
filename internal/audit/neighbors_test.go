package audit

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// Whatever shards were found, by whom, how often and how many, and whatever became of them: the neighbors are those of one
// search.
func TestExchange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 50))
	const n, d = 3*chunkRows + 100, 4
	x := neighbors.Matrix[float64]{Data: make([]float64, n*d), N: n, D: d}
	for i := range x.Data {
		x.Data[i] = random.Float64()
	}
	o := neighbors.Options{K: 5, To: n - 50, Threads: 2}
	want, err := neighbors.Search(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		shards [][2]int
		spoil  func(t *testing.T, files []string)
		// searched are the chunks that are not taken.
		searched int
	}{
		"one":                {shards: [][2]int{{0, 1}}},
		"three, last first":  {shards: [][2]int{{2, 3}, {1, 3}, {0, 3}}},
		"more than chunks":   {shards: [][2]int{{0, 7}, {1, 7}, {2, 7}, {3, 7}, {4, 7}, {5, 7}, {6, 7}}},
		"another number":     {shards: [][2]int{{0, 4}, {1, 2}}, searched: 1},
		"twice":              {shards: [][2]int{{0, 2}, {1, 2}, {0, 2}, {1, 2}}},
		"some are lost":      {shards: [][2]int{{1, 3}}, searched: 3},
		"none":               {},
		"a chunk is damaged": {shards: [][2]int{{0, 1}}, spoil: func(t *testing.T, files []string) { damage(t, files[1], 12) }, searched: 1},
		"a chunk is cut":     {shards: [][2]int{{0, 1}}, spoil: func(t *testing.T, files []string) { cut(t, files[0]) }, searched: 1},
		"a chunk is forged":  {shards: [][2]int{{0, 1}}, spoil: forge, searched: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, s := range test.shards {
				if _, err := exchangeIn(dir, s[0], s[1]).search(t.Context(), exact{x, o}, x, o); !errors.Is(err, errFound) {
					t.Fatal(err)
				}
			}
			if test.spoil != nil {
				files := chunksIn(t, dir)
				if len(files) != 4 {
					t.Fatal(files)
				}
				test.spoil(t, files)
			}
			e := exchangeIn(dir, 0, 0)
			rows := 0
			asked := o
			asked.Progress = func(n int) { rows = n }
			got, err := e.search(t.Context(), exact{x, asked}, x, asked)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || rows != o.To {
				t.Errorf("the neighbors differ, or %d of %d rows are told", rows, o.To)
			}
			if e.found != test.searched {
				t.Errorf("%d chunks are searched again, not %d", e.found, test.searched)
			}
			if err := e.clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := chunksIn(t, dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}

	// What was found for another matrix, or asked otherwise, is not taken.
	dir := t.TempDir()
	if _, err := exchangeIn(dir, 0, 1).search(t.Context(), exact{x, o}, x, o); !errors.Is(err, errFound) {
		t.Fatal(err)
	}
	rest := exchangeIn(dir, 0, 0)
	x.Data[7] += 1e-9
	o.K++
	for range 2 {
		want, err := neighbors.Search(t.Context(), x, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rest.search(t.Context(), exact{x, o}, x, o)
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("neighbors of another search are taken: %v", err)
		}
		o.K--
	}
}

func exchangeIn(dir string, shard, shards int) *exchange {
	return &exchange{kept: &kept{Bucket: vectors.OpenFolder(dir)}, shard: shard, shards: shards}
}

func chunksIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, vectors.RunPrefix+"neighbors-*.bin"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// forge makes a chunk name a row that isn't there, with the right checksum.
func forge(t *testing.T, files []string) {
	t.Helper()
	content, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(content, 1<<30)
	size := len(content) - 4
	binary.LittleEndian.PutUint32(content[size:], crc32.Checksum(content[:size], castagnoli))
	if err := os.WriteFile(files[1], content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func damage(t *testing.T, file string, at int) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[at] ^= 1
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, file string) {
	t.Helper()
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
}

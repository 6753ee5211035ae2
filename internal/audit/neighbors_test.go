package audit

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/test/audits"
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
	}{
		"one":                {shards: [][2]int{{0, 1}}},
		"three, last first":  {shards: [][2]int{{2, 3}, {1, 3}, {0, 3}}},
		"more than chunks":   {shards: [][2]int{{0, 7}, {1, 7}, {2, 7}, {3, 7}, {4, 7}, {5, 7}, {6, 7}}},
		"another number":     {shards: [][2]int{{0, 4}, {1, 2}}},
		"twice":              {shards: [][2]int{{0, 2}, {1, 2}, {0, 2}, {1, 2}}},
		"some are lost":      {shards: [][2]int{{1, 3}}},
		"none":               {},
		"a chunk is damaged": {shards: [][2]int{{0, 1}}, spoil: func(t *testing.T, files []string) { damage(t, files[1], 12) }},
		"a chunk is cut":     {shards: [][2]int{{0, 1}}, spoil: func(t *testing.T, files []string) { cut(t, files[0]) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := Run{Audit: audits.New("cars"), Work: t.TempDir()}
			for _, s := range test.shards {
				e, err := r.openExchange(t.Context(), s[0], s[1])
				if err != nil {
					t.Fatal(err)
				}
				if _, err := e.search(t.Context(), x, o); !errors.Is(err, errFound) {
					t.Fatal(err)
				}
				e.close()
			}
			if test.spoil != nil {
				files, err := filepath.Glob(filepath.Join(r.Work, "neighbors", "cars", "*", "*.bin"))
				if err != nil || len(files) != 4 {
					t.Fatalf("%v, %v", files, err)
				}
				test.spoil(t, files)
			}
			e, err := r.openExchange(t.Context(), 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			rows := 0
			asked := o
			asked.Progress = func(n int) { rows = n }
			got, err := e.search(t.Context(), x, asked)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || rows != o.To {
				t.Errorf("the neighbors differ, or %d of %d rows are told", rows, o.To)
			}
			if err := e.clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left, err := filepath.Glob(filepath.Join(r.Work, "neighbors", "cars", "*", "*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}

	// What was found for another matrix, or asked otherwise, is not taken.
	r := Run{Audit: audits.New("cars"), Work: t.TempDir()}
	shard, err := r.openExchange(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer shard.close()
	if _, err := shard.search(t.Context(), x, o); !errors.Is(err, errFound) {
		t.Fatal(err)
	}
	rest, err := r.openExchange(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rest.close()
	x.Data[7] += 1e-9
	o.K++
	for range 2 {
		want, err := neighbors.Search(t.Context(), x, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rest.search(t.Context(), x, o)
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("neighbors of another search are taken: %v", err)
		}
		o.K--
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

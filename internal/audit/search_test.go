package audit

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// classes are rows around 500 centers.
func classes(rows, columns int) neighbors.Matrix[float64] {
	random := rand.New(rand.NewPCG(2, 8))
	centers := make([]float64, 500*columns)
	for i := range centers {
		centers[i] = random.NormFloat64()
	}
	x := neighbors.Matrix[float64]{Data: make([]float64, rows*columns), N: rows, D: columns}
	for i := range rows {
		center := random.IntN(500)
		for k := range columns {
			x.Data[i*columns+k] = centers[center*columns+k] + 0.2*random.NormFloat64()
		}
	}
	return x
}

// An approximate search finds the same in one pod and in several, whatever became of some, and says what it missed.
func TestApproximateSearch(t *testing.T) {
	x := classes(leastApproximate+500, 12)
	o := neighbors.Options{K: 6, To: x.N - 100, Threads: 2}
	audit := audits.New("cars")
	audit.Spec.Duplicates.Search = v1alpha1.SearchApproximate
	one := &Run{Audit: audit}
	want, err := one.search(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	said := one.howSearched()
	recall, err := said.Recall.Float64()
	if said.Method != v1alpha1.SearchApproximate || err != nil || recall < 0.9 || said.SampledRows < 1000 {
		t.Errorf("%+v", said)
	}
	exactly := &Run{Audit: audits.New("cars")}
	all, err := exactly.search(t.Context(), x, o)
	if err != nil || cmp.Diff(searchedExactly, exactly.howSearched()) != "" {
		t.Fatal(err)
	}
	found := 0
	for i, d := range want.Distance {
		if d <= all.Distance[i/o.K*o.K+o.K-1] {
			found++
		}
	}
	if share := float64(found) / float64(len(want.Distance)); math.Abs(share-recall) > 0.02 {
		t.Errorf("it says that it finds %v, and finds %v", recall, share)
	}

	for _, shards := range []int{1, 3, 8} {
		dir := t.TempDir()
		for shard := range shards {
			if shard == 1 { // lost
				continue
			}
			r := &Run{Audit: audit, exchange: exchangeIn(dir, shard, shards)}
			if _, err := r.search(t.Context(), x, o); !errors.Is(err, errFound) {
				t.Fatal(err)
			}
		}
		last := &Run{Audit: audit, exchange: exchangeIn(dir, 0, 0)}
		got, err := last.search(t.Context(), x, o)
		if err != nil || !cmp.Equal(want, got) || cmp.Diff(said, last.howSearched()) != "" {
			t.Errorf("%d shards find something else, or say so: %v", shards, err)
		}
		if searched := last.exchange.found; (searched > 0) != (shards > 1) {
			t.Errorf("%d shards: %d chunks are searched by the last pod", shards, searched)
		}
	}

	// Few rows are searched exactly.
	few := classes(1000, 3)
	if _, err := one.search(t.Context(), few, neighbors.Options{K: 3, To: 1000}); err != nil || one.howSearched() != searchedExactly {
		t.Errorf("few rows: %v", err)
	}
}

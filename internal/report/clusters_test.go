package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Every line reads back to the numbers of the result, bit for bit.
func TestClustersReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var line []on
	for cluster := range 12 {
		for range 2 + random.IntN(8) {
			line = append(line, on{at: 100*float64(cluster+1) + random.Float64(), split: []string{"train", "test"}[random.IntN(2)]})
		}
	}
	f := limited(t, 7, 1, line...)
	files, _ := written(t, f)
	lines := bytes.Split(bytes.TrimSuffix(files["clusters.jsonl"], []byte("\n")), []byte("\n"))
	clusters := f.Layers[0].Result.Clusters
	if len(lines) != len(clusters) {
		t.Fatalf("%d lines for %d clusters", len(lines), len(clusters))
	}
	for i, c := range clusters {
		var got clusterLine
		if err := json.Unmarshal(lines[i], &got); err != nil {
			t.Fatal(err)
		}
		want := clusterLine{
			Layer: "conv", Cluster: c.ID, Size: len(c.Members), Mean: c.Mean, Std: c.Std, Diameter: c.Diameter, MaxLink: c.MaxLink,
			Medoid: f.Samples[c.Medoid].ID, Key: clusterKey(f.Samples[c.Medoid].ID), Leaks: c.Leaks, Oversized: len(c.Members) > 7,
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(clusterLine{}, "Members")); diff != "" {
			t.Errorf("cluster %d (-want +got):\n%s", c.ID, diff)
		}
		if want.Oversized {
			if got.Members != nil {
				t.Errorf("cluster %d lists %d members, more than maxClusterSize", c.ID, len(got.Members))
			}
			continue
		}
		for j, m := range c.Members {
			s := f.Samples[m.Row]
			want := memberLine{ID: s.ID, Index: s.Index, Split: s.Split, Distance: m.Distance, Leaks: m.Leaks}
			if len(c.Members) > 2 {
				want.X, want.Y = &m.X, &m.Y
			}
			if diff := cmp.Diff(want, got.Members[j]); diff != "" {
				t.Errorf("cluster %d, member %d (-want +got):\n%s", c.ID, j, diff)
			}
		}
	}
}

func TestClusterLine(t *testing.T) {
	f := onLine(t, 1,
		on{at: 10, id: "a&b.jpg", split: "train", labels: []string{"cat", "dog"}}, on{at: 10, id: "c\xff.jpg", labels: []string{"bird"}}, on{at: 90})
	files, _ := written(t, f)
	want := `{"layer":"conv","cluster":10,"size":2,"mean":0,"std":0,"diameter":0,"maxLink":0,"medoid":"a&b.jpg","key":"` + clusterKey("a&b.jpg") +
		`","conflicts":1,"members":[{"id":"a&b.jpg","index":10,"split":"train","label":"cat|dog","labels":["cat","dog"],"distance":0},` +
		`{"id":"c` + "\uFFFD" + `.jpg","index":11,"label":"bird","distance":0}]}` + "\n"
	if diff := cmp.Diff(want, string(files["clusters.jsonl"])); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Pairs against their definition: every two rows that are copies, or whose copies are linked.
func TestPairsAgainstDefinition(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 5))
		var line []on
		for range 5 + random.IntN(50) {
			line = append(line, on{at: float64(1 + random.IntN(30))})
		}
		f := onLine(t, 1, line...)
		r := f.Layers[0].Result
		linked := map[[2]int]bool{}
		for _, l := range r.Links {
			linked[[2]int{l.A, l.B}], linked[[2]int{l.B, l.A}] = true, true
		}
		for _, limit := range []int{1000, 3} {
			var want, got []string
			for a := range line {
				for b := a + 1; b < len(line); b++ {
					first := func(i int) int { return r.Copies(i)[0] }
					speaks := func(i int) bool { return len(r.Copies(i)) <= limit || first(i) == i }
					switch {
					case first(a) == first(b) && speaks(a):
						want = append(want, fmt.Sprint(a, b, true))
					case linked[[2]int{first(a), first(b)}] && speaks(a) && speaks(b):
						want = append(want, fmt.Sprint(a, b, false))
					}
				}
			}
			r.EachPair(limit, func(a, b int, l duplicates.Link) { got = append(got, fmt.Sprint(a, b, l == duplicates.Link{})) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, limit %d (-want +got):\n%s", seed, limit, diff)
			}
		}
	}
}

// Ten thousand identical samples must not give fifty million rows.
func TestPairsOfManyCopies(t *testing.T) {
	line := make([]on, 10_000)
	for i := range line {
		line[i].at = 1
	}
	pairs := 0
	onLine(t, 1, line...).Layers[0].Result.EachPair(50, func(a, _ int, _ duplicates.Link) {
		if a != 0 {
			t.Fatalf("row %d is first in a pair", a)
		}
		pairs++
	})
	if pairs != len(line)-1 {
		t.Errorf("%d pairs", pairs)
	}
}

func TestLargest(t *testing.T) {
	got := largest([]int{3, 9, 3, 7, 3}, 3, func(i int) int64 { return int64(i) })
	if diff := cmp.Diff([]int{3, 9, 7}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

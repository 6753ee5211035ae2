package report

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// cloud are embeddings in a plane.
type cloud [][2]float32

func (c cloud) Dimensions() int     { return 2 }
func (c cloud) Row(i int) []float32 { return c[i][:] }

// clouds scatters n samples, some of them copies, so that clusters of all sizes form as the threshold grows; every
// fifth is in test.
func clouds(n int) (cloud, []duplicates.Sample) {
	r := rand.New(rand.NewPCG(3, 4))
	points, samples := make(cloud, n), make([]duplicates.Sample, n)
	for i := range n {
		points[i] = [2]float32{float32(10 + r.Float64()), float32(10 + r.Float64())}
		if i > 0 && i%7 == 0 {
			points[i] = points[i-1]
		}
		samples[i] = duplicates.Sample{Index: i, ID: string(rune('a'+i%26)) + number(i), Split: "train"}
		if i%5 == 0 {
			samples[i].Split = "test"
		}
	}
	return points, samples
}

// at audits a cloud at a threshold that is normalized already.
func (c cloud) at(t *testing.T, samples []duplicates.Sample, normalized float64, apart [][]int) *duplicates.Result {
	t.Helper()
	var x []float64
	for _, p := range c {
		x = append(x, float64(p[0]), float64(p[1]))
	}
	r, err := duplicates.Find(context.Background(), samples, x, 2, c, duplicates.Options{
		Neighbors: 10, Strategy: duplicates.Distance{Normalized: normalized}, MaxClusterSize: 20, EvaluationSplits: []string{"test"},
		Apart: apart, NearMisses: 300, Threads: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the slider says of a distance is what an audit at that distance finds.
func TestPreview(t *testing.T) {
	points, samples := clouds(300)
	n := math.Sqrt(float64(len(samples)))
	threshold := points.at(t, samples, 0, nil).NearMisses[120].Distance // between two of the distances
	for name, apart := range map[string][][]int{"plain": nil, "apart": {{3, 40, 41, 90}, {8, 100, 120, 7, 6}}} {
		t.Run(name, func(t *testing.T) {
			r := points.at(t, samples, threshold*n*(1+1e-9), apart)
			p := r.Preview(maxPageNearMisses)
			if len(p.Stops) < 100 || p.Home < 10 || p.Stops[p.Home].Distance != r.Threshold.Distance {
				t.Fatalf("%d stops, the threshold is number %d", len(p.Stops), p.Home)
			}
			for i, s := range p.Stops {
				found := points.at(t, samples, s.Distance*n*(1+1e-9), apart)
				want := duplicates.Stop{
					Distance: s.Distance, Joins: s.Joins, Clusters: len(found.Clusters), Samples: found.Total.DuplicateSamples, Leaks: found.Leakage.Samples,
				}
				for _, c := range found.Clusters {
					want.Largest = max(want.Largest, len(c.Members))
				}
				if diff := cmp.Diff(want, s); diff != "" {
					t.Fatalf("stop %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// The links of the page make of its samples and stubs the clusters that the stops count.
func TestPreviewInPage(t *testing.T) {
	points, samples := clouds(300)
	n := math.Sqrt(float64(len(samples)))
	threshold := points.at(t, samples, 0, nil).NearMisses[280].Distance
	r := points.at(t, samples, threshold*n*(1+1e-9), nil)
	f := &Findings{
		Audit: &v1alpha1.DatasetAudit{}, Samples: samples, EvaluationSplits: []string{"test"},
		Layers: []Layer{{Name: "conv", Strategy: v1alpha1.ThresholdDistance, Result: r}},
	}
	l := f.layer(0, Summarize(f))
	table := &sampleTable{samples: samples, numbers: map[int]int{}}
	block := l.block(table)
	p := block.Preview
	if len(p.Stubs) == 0 || len(l.Oversized) == 0 {
		t.Fatal("no cluster is larger than the page lists: the test tests nothing")
	}
	for at, clusters := range p.Stops.Clusters {
		if at < p.Home {
			continue // of the oversized clusters the page doesn't know what they fall into
		}
		// A vertex is a sample of the page, or below it a stub.
		parent := map[int]int{}
		find := func(i int) int {
			for parent[i] != i {
				i = parent[i]
			}
			return i
		}
		join := func(a, b int) {
			for _, v := range []int{a, b} {
				if _, known := parent[v]; !known {
					parent[v] = v
				}
			}
			parent[find(a)] = find(b)
		}
		for i := range p.Stubs {
			join(-1-i, -1-i)
		}
		for _, rows := range block.Copies {
			for _, row := range rows {
				join(rows[0], row)
			}
		}
		for i := range p.Stops.Forest[at] {
			join(p.Forest.A[i], p.Forest.B[i])
		}
		roots := map[int]bool{}
		for v := range parent {
			roots[find(v)] = true
		}
		unlinked := len(l.Oversized) - len(p.Stubs) // that nothing in the page is joined to
		if got := len(roots) + unlinked; got != clusters {
			t.Errorf("stop %d: %d clusters, want %d", at, got, clusters)
		}
	}
	if len(p.Leaking) == 0 {
		t.Error("nothing leaks")
	}
}

package report

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/quality"
)

// measured makes findings of n images, of which some are dark. Every third is a truck, every other one for testing.
func measured(n int, dark func(i int) bool) *Findings {
	f := &Findings{}
	var samples []duplicates.Sample
	for i := range n {
		samples = append(samples, duplicates.Sample{Index: i, ID: fmt.Sprint("s", i), Split: []string{"train", "test"}[i%2], Labels: []string{[]string{"truck", "car", "car"}[i%3]}})
	}
	f.Layers = []Layer{{Result: &duplicates.Result{Samples: samples}}}
	f.Measures = func(row int) (quality.Measures, bool) {
		m := quality.Measures{Width: 64, Height: 64, P5: 60, P95: 200, P99: 220, Entropy: 220, Sharpness: 90, Color: 120, Quality: 90}
		if dark(row) {
			m.P5, m.P95, m.P99 = 0, 20, 30
		}
		return m, row != 5 // one could not be measured
	}
	return f
}

func problem(t *testing.T, q *v1alpha1.QualitySummary, name v1alpha1.ImageProblem) v1alpha1.ProblemSummary {
	t.Helper()
	for _, p := range q.Problems {
		if p.Problem == name {
			return p
		}
	}
	t.Fatalf("nothing is said of %s: %+v", name, q)
	return v1alpha1.ProblemSummary{}
}

// What gathers in a label is said; what is spread evenly is only counted.
func TestQualityUneven(t *testing.T) {
	evenly := problem(t, measured(3000, func(i int) bool { return i%10 == 0 }).summarizeQuality(), "Dark")
	if evenly.Samples != 300 || evenly.Uneven != nil && evenly.Uneven.Label != nil {
		t.Errorf("spread evenly over the labels: %+v", evenly)
	}
	f := measured(3000, func(i int) bool { return i%12 == 0 || i%100 == 7 })
	got := f.summarizeQuality()
	dark := problem(t, got, "Dark")
	if got.Samples != 2999 || dark.Uneven == nil || dark.Uneven.Label == nil || *dark.Uneven.Label != "truck" {
		t.Fatalf("a quarter of the trucks is dark: %+v", dark)
	}
	if diff := cmp.Diff([]string{"truck", "car"}, []string{dark.Labels[0].Name, dark.Labels[1].Name}); diff != "" {
		t.Error(diff)
	}
	if len(dark.Worst) != v1alpha1.MaxWorstSamples || got.PoorSamples < dark.Samples {
		t.Errorf("%d worst, %d poor", len(dark.Worst), got.PoorSamples)
	}
	if tiles := f.qualityTiles(); len(tiles) == 0 || tiles[0].Title != "Dark" || tiles[0].Count() != int(dark.Samples) || len(tiles[0].Tiles) != maxWorst {
		t.Errorf("tiles: %+v", tiles)
	}
}

// What most images have is counted for none of them, and said where it gathers.
func TestQualityTypical(t *testing.T) {
	for name, test := range map[string]struct {
		dark func(i int) bool
		in   string
	}{
		"everywhere":               {func(int) bool { return true }, ""},
		"in all cars":              {func(i int) bool { return i%3 > 0 }, "car"},
		"in most of each":          {func(i int) bool { return i%10 > 0 }, ""},
		"in a third of the others": {func(i int) bool { return i%3 > 0 || i%9 == 0 }, "car"},
	} {
		t.Run(name, func(t *testing.T) {
			f := measured(3000, test.dark)
			got := f.summarizeQuality()
			dark := problem(t, got, "Dark")
			if !dark.Typical || dark.Samples != 0 || dark.Worst != nil || dark.Labels != nil || got.PoorSamples != 0 || f.qualityTiles() != nil {
				t.Errorf("%d poor, %+v", got.PoorSamples, dark)
			}
			in := ""
			if dark.Uneven != nil {
				in = *dark.Uneven.Label
			}
			if in != test.in {
				t.Errorf("it gathers in %q, want %q: %+v", in, test.in, dark.Uneven)
			}
		})
	}
}

// Without measures nothing is said.
func TestNoQuality(t *testing.T) {
	f := measured(10, func(int) bool { return false })
	f.Measures = nil
	if f.summarizeQuality() != nil || f.qualityTiles() != nil {
		t.Error("what was not measured is reported")
	}
}

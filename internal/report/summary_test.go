package report

import (
	stdcmp "cmp"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

func TestSummarize(t *testing.T) {
	f := onLine(t, 1, small()...)
	f.Skipped = []Skipped{{ID: "broken.jpg", Reason: "corrupt image"}}
	f.Layers[0].Search = v1alpha1.SearchSummary{Method: v1alpha1.SearchApproximate, Recall: "0.99"}
	got := Summarize(f)
	dataset := v1alpha1.SummaryDataset{
		Samples: 7, Digest: f.Digest,
		Splits:  []v1alpha1.SplitSamples{{Name: "train", Samples: 5}, {Name: "test", Samples: 1, Evaluation: true}, {Name: "val", Samples: 1}},
		Groups:  &v1alpha1.SummaryGroups{Groups: 1, Samples: 2, Crossing: new(int64(0)), CrossingSamples: new(int64(0))},
		Skipped: v1alpha1.SkippedSamples{Samples: 1, Entries: []v1alpha1.SkippedSample{{ID: "broken.jpg", Reason: "corrupt image"}}},
	}
	if diff := cmp.Diff(dataset, got.Dataset); diff != "" {
		t.Errorf("dataset (-want +got):\n%s", diff)
	}
	r := f.Layers[0].Result
	conflicts, normalized := int64(1), v1alpha1.NewDecimal(r.Threshold.Distance*math.Sqrt(7))
	cluster := func(at int, medoid string, members, splits, labels []string) v1alpha1.ClusterSummary {
		c := r.Clusters[at]
		return v1alpha1.ClusterSummary{
			Cluster: int64(c.ID), Key: clusterKey(medoid), Size: int64(len(c.Members)), Mean: v1alpha1.NewDecimal(c.Mean),
			Diameter: v1alpha1.NewDecimal(c.Diameter), Medoid: medoid, Members: members, Splits: splits, Labels: labels,
		}
	}
	group := func(name string, samples, duplicate, effective int64, weighted v1alpha1.Decimal) v1alpha1.GroupSummary {
		return v1alpha1.GroupSummary{Name: name, Samples: samples, DuplicateSamples: duplicate, EffectiveSize: effective, WeightedEffectiveSize: weighted}
	}
	layer := v1alpha1.LayerSummary{
		Search:   &v1alpha1.SearchSummary{Method: v1alpha1.SearchApproximate, Recall: "0.99"},
		Withheld: &v1alpha1.WithheldSummary{},
		Layer:    "conv", Dimensions: 8, Components: 1, Samples: 7, Clusters: 2, DuplicateSamples: 5, RedundantSamples: 3, ExactCopies: 1,
		EffectiveSize: 4, WeightedEffectiveSize: v1alpha1.NewDecimal(r.Total.WeightedSize),
		Threshold:      v1alpha1.ThresholdSummary{Strategy: "Distance", Distance: v1alpha1.NewDecimal(r.Threshold.Distance), NormalizedDistance: &normalized},
		Splits:         []v1alpha1.GroupSummary{group("train", 5, 3, 3, v1alpha1.NewDecimal(r.Splits[1].WeightedSize)), group("test", 1, 0, 1, "1"), group("val", 1, 0, 1, "1")},
		Labels:         []v1alpha1.GroupSummary{group("", 1, 0, 1, "1"), group("a", 4, 2, 3, "3"), group("b", 3, 2, 2, "2")},
		Leakage:        &v1alpha1.LeakageSummary{Samples: 1, ExactCopies: 1, Clusters: 1, Pairs: []v1alpha1.LeakagePair{{From: "train", To: "test", Samples: 1}}},
		LabelConflicts: &conflicts,
		Coverage: &v1alpha1.CoverageSummary{
			Samples: 1, Covered: "1", Distance: v1alpha1.NewDecimal(r.Coverage.Distance),
			Labels: []v1alpha1.LabelCoverage{{Name: "a", Samples: 1, Training: 3, Covered: "1"}}, UntestedLabels: 1, Untested: []string{"b"},
		},
		TopClusters: []v1alpha1.ClusterSummary{
			cluster(0, "s0", []string{"s0", "s1"}, []string{"train", "test"}, []string{"a"}),
			cluster(1, "s3", []string{"s3", "s2", "s4"}, []string{"train"}, []string{"a", "b"}),
		},
	}
	if diff := cmp.Diff(layer, got.Layers[0], cmpopts.IgnoreFields(v1alpha1.LayerSummary{}, "DistanceQuantiles")); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
	if len(got.Layers[0].DistanceQuantiles) != v1alpha1.DistanceQuantiles {
		t.Errorf("%d quantiles", len(got.Layers[0].DistanceQuantiles))
	}
}

func TestSummarizeThreshold(t *testing.T) {
	elbow := int64(7)
	tests := map[string]struct {
		strategy   v1alpha1.ThresholdStrategy
		elbow      int
		want       *int64
		normalized bool
	}{
		"an elbow":             {strategy: v1alpha1.ThresholdSlope, elbow: 7, want: &elbow, normalized: true},
		"no elbow":             {strategy: v1alpha1.ThresholdSlope, elbow: -1, normalized: true},
		"percentile":           {strategy: v1alpha1.ThresholdPercentile, elbow: -1, normalized: true},
		"cosine isn't by root": {strategy: v1alpha1.ThresholdCosine, elbow: -1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := onLine(t, 1, on{at: 1}, on{at: 2})
			f.Layers[0].Strategy = test.strategy
			f.Layers[0].Result.Threshold.Elbow = test.elbow
			got := Summarize(f).Layers[0].Threshold
			if diff := cmp.Diff(test.want, got.Elbow); diff != "" {
				t.Errorf("elbow (-want +got):\n%s", diff)
			}
			if (got.NormalizedDistance != nil) != test.normalized {
				t.Errorf("normalized distance %v", got.NormalizedDistance)
			}
		})
	}
}

func TestSummaryWithoutSplitsAndLabels(t *testing.T) {
	got := Summarize(onLine(t, 1, on{at: 1}, on{at: 2}))
	if l := got.Layers[0]; l.Leakage != nil || l.LabelConflicts != nil || l.Splits != nil || l.Labels != nil {
		t.Errorf("figures about nothing: %+v", l)
	}
	if diff := cmp.Diff([]v1alpha1.SplitSamples{{Samples: 2}}, got.Dataset.Splits); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSummaryBounds(t *testing.T) {
	long := strings.Repeat("é", 600) // 1200 bytes
	var line []on
	for i := range 300 { // 300 splits and labels; the last ones are the largest
		for range 1 + i/290 {
			line = append(line, on{at: float64(10 * (i + 1)), id: fmt.Sprint(long, len(line)), split: fmt.Sprint("split", i), labels: []string{fmt.Sprintf("label%03d", i)}})
		}
	}
	for i := range 100 { // leaks from 100 splits
		line = append(line, on{at: float64(10 * (i + 1)), split: "test"})
	}
	for i := range 30 {
		line = append(line, on{at: 9000 + float64(i)/1000})
	}
	f := limited(t, 25, .5, line...)
	for i := range 50 {
		f.Skipped = append(f.Skipped, Skipped{ID: fmt.Sprint(long, i), Reason: long})
	}
	whole(f) // with all parts of a report
	bounded := Summarize(f)
	if data, err := encode(bounded); err != nil || len(data) > v1alpha1.MaxResultBytes || !bounded.Truncated {
		t.Errorf("%d bytes, truncated %v, %v", len(data), bounded.Truncated, err)
	}
	got := summarize(f)
	l := got.Layers[0]
	counts := map[string][2]int{
		"skipped": {len(got.Dataset.Skipped.Entries), v1alpha1.MaxSkippedEntries},
		"splits":  {len(got.Dataset.Splits), v1alpha1.MaxSummaryGroups},
		"shares":  {len(l.Splits), v1alpha1.MaxSummaryGroups},
		"labels":  {len(l.Labels), v1alpha1.MaxSummaryGroups},
		"pairs":   {len(l.Leakage.Pairs), v1alpha1.MaxLeakagePairs},
		"top":     {len(l.TopClusters), v1alpha1.DefaultTopClusters},
		"members": {len(l.TopClusters[0].Members), 2},
		"rarest":  {len(l.Familiarity.Rarest), v1alpha1.MaxNamedSamples},
		"dark":    {len(got.Dataset.Quality.Problems[0].Worst), v1alpha1.MaxWorstSamples},
	}
	for name, count := range counts {
		if count[0] != count[1] {
			t.Errorf("%s: %d, want %d", name, count[0], count[1])
		}
	}
	if got.Dataset.Skipped.Samples != 50 {
		t.Errorf("%d skipped", got.Dataset.Skipped.Samples)
	}
	if last := l.Splits[len(l.Splits)-2:]; last[0].Name != "test" && last[1].Name != "test" {
		t.Errorf("the largest splits are missing, the last are %v", last)
	}
	if id := l.TopClusters[0].Medoid; len(id) > v1alpha1.MaxSampleIDLength || !utf8.ValidString(id) || len(id) < v1alpha1.MaxSampleIDLength-3 {
		t.Errorf("a medoid of %d bytes", len(id))
	}
	for _, c := range l.TopClusters {
		if c.Size > 25 {
			t.Errorf("the oversized cluster %d is listed", c.Cluster)
		}
	}
	none := int32(0)
	f.Audit.Spec.Output.TopClusters = &none
	if got := Summarize(f).Layers[0].TopClusters; got != nil {
		t.Errorf("%d top clusters, none were wanted", len(got))
	}
}

func TestTopClusterListsTheNearest(t *testing.T) {
	var line []on
	for i := range 11 {
		line = append(line, on{at: 10 + float64(i)})
	}
	got := Summarize(onLine(t, 1, append(line, on{at: 90})...)).Layers[0].TopClusters[0].Members
	if len(got) != v1alpha1.MaxClusterMembers || got[0] != "s5" {
		t.Errorf("got %v", got)
	}
}

func TestCut(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("a", 2000), strings.Repeat("漢", 700), "x" + strings.Repeat("😀", 400), "\xff\xfe", strings.Repeat("\xff", 3000)} {
		got := cut(s)
		if len(got) > v1alpha1.MaxSampleIDLength || !utf8.ValidString(got) || !strings.HasPrefix(strings.ToValidUTF8(s, "\uFFFD"), got) {
			t.Errorf("%.20q… of %d bytes became %.20q… of %d", s, len(s), got, len(got))
		}
	}
}

func TestFindings(t *testing.T) {
	tests := map[string]struct {
		line    []on
		size    int32
		skipped int
		want    []string
	}{
		"nothing": {
			line: []on{{at: 10}, {at: 20}},
			want: []string{
				"Duplicates, good: No near duplicates among 2 samples",
				"Leakage, note: No sample is in an evaluation split (one called test, val or the like), so leakage was not judged",
			},
		},
		"one of each": {
			line: []on{{at: 10, split: "train", labels: []string{"a"}}, {at: 10, split: "test", labels: []string{"b"}}, {at: 99, split: "train"}}, skipped: 1,
			want: []string{
				"Duplicates, note: 1 cluster holds 2 of 3 samples; 1 could go if one of each stays",
				"Leakage, bad: 1 sample of test leaks from train, as an exact copy",
				"Conflicts, bad: 1 pair of duplicates bears labels that contradict each other",
				"Copies, note: 1 sample is an exact copy of an earlier one",
				"Coverage, bad: 1 label is in test and not in train, so nothing teaches it: b",
				"Coverage, note: 1 label is in train and not in test, which says nothing of it then: a",
				"Skipped, note: 1 sample could not be read and was left out",
			},
		},
		"many": {
			line: []on{{at: 10, split: "a"}, {at: 10, split: "test"}, {at: 11, split: "test"}, {at: 12, split: "test"}, {at: 30, split: "b"}, {at: 31, split: "test"}, {at: 99, split: "a"}}, skipped: 2,
			want: []string{
				"Duplicates, note: 2 clusters hold 6 of 7 samples; 4 could go if one of each stays",
				"Leakage, bad: 3 samples of test leak from a or b, 1 of them an exact copy",
				"Leakage, note: 1 evaluation sample more only shares a cluster with one, through a chain of others",
				"Copies, note: 1 sample is an exact copy of an earlier one",
				"Skipped, note: 2 samples could not be read and were left out",
			},
		},
		"clean": {
			line: []on{{at: 10, split: "train", labels: []string{"a"}}, {at: 20, split: "test"}},
			want: []string{
				"Duplicates, good: No near duplicates among 2 samples",
				"Leakage, good: No sample of test leaks from train",
				"Conflicts, good: No duplicates contradict each other in their labels",
			},
		},
		"a chain": {
			line: []on{{at: 10, split: "test"}, {at: 11, split: "test"}, {at: 12, split: "test"}}, size: 2,
			want: []string{
				"Duplicates, note: 1 cluster holds 3 of 3 samples; 0 could go if one of each stays",
				"Leakage, note: Every sample is in an evaluation split (test), so leakage was not judged",
				"Duplicates, note: 1 cluster of more than 2 samples is counted but not listed, and gives up only exact copies: most likely a chain of look-alikes",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := limited(t, stdcmp.Or(test.size, v1alpha1.DefaultMaxClusterSize), 1, test.line...)
			f.Skipped = make([]Skipped, test.skipped)
			var got []string
			for _, f := range f.layer(0, Summarize(f)).Findings {
				got = append(got, fmt.Sprintf("%s, %s: %s", f.Topic, f.Kind, f.Text))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWords(t *testing.T) {
	got := []string{percent(0, 0), percent(0, 5), percent(1, 5000), percent(1, 3), significant(0.1613061), significant(v1alpha1.Decimal("12.25")), tenths("3.14")}
	want := []string{"", "0.0%", "< 0.1%", "33.3%", "0.1613", "12.25", "3.1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCurve(t *testing.T) {
	rising := make([]float64, 256)
	for i := range rising {
		rising[i] = float64(i+1) / 256
	}
	tests := map[string]struct {
		quantiles []float64
		threshold float64
		left      float64 // percent
	}{
		"within":          {rising, .5, 100 * 127. / 255},
		"below all":       {rising, 0, 0},
		"above all":       {rising, 3, 100},
		"all equal":       {[]float64{.2, .2, .2}, .2, 100},
		"tiny":            {[]float64{1e-9, 2e-9, 3e-9}, 2e-9, 50},
		"next to nothing": {[]float64{5e-324, 5e-324}, 5e-324, 100},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := newCurve(test.quantiles, test.threshold, v1alpha1.ThresholdSlope)
			if math.Abs(got.Left-test.left) > 1e-9 || got.Top < 0 || got.Top > 100 || len(got.Ticks) < 2 || len(got.Ticks) > 12 {
				t.Errorf("threshold at %v%%, %v%%; ticks %v", got.Left, got.Top, got.Ticks)
			}
			if strings.ContainsAny(got.Path+got.Below, "Ie-") || strings.Contains(got.Path, "NaN") {
				t.Errorf("path %s", got.Path)
			}
		})
	}
	if newCurve(nil, 0, v1alpha1.ThresholdSlope) != nil {
		t.Error("a curve of identical samples")
	}
}

// A coverage lists the labels that ask for a look, and counts the others.
func TestCoverageSummary(t *testing.T) {
	c := &duplicates.Coverage{Samples: 8, Covered: 6, Distance: 0.5, Labels: []duplicates.LabelCoverage{
		{Label: "only there", Samples: 2, Covered: 1, Far: []int{1}},
		{Label: "well", Samples: 6, Covered: 5, Training: 9, Far: []int{0}},
	}}
	for i := range v1alpha1.MaxCoverageLabels {
		c.Labels = append(c.Labels, duplicates.LabelCoverage{Label: fmt.Sprint("covered ", i), Samples: 1, Covered: 1, Training: 9})
	}
	for i := range 30 {
		c.Labels = append(c.Labels, duplicates.LabelCoverage{Label: fmt.Sprint("not tested ", i), Training: 1})
	}
	got := summarizeCoverage(c, []duplicates.Sample{{ID: "a"}, {ID: "b"}})
	if len(got.Labels) != v1alpha1.MaxCoverageLabels || got.UnseenLabels != 1 || got.UntestedLabels != 30 || len(got.Untested) != v1alpha1.MaxCoverageLabels {
		t.Errorf("%d labels, %d unseen, %d untested, %d of them named", len(got.Labels), got.UnseenLabels, got.UntestedLabels, len(got.Untested))
	}
	want := []v1alpha1.LabelCoverage{
		{Name: "only there", Samples: 2, Covered: "0.5", Lacking: []string{"b"}},
		{Name: "well", Samples: 6, Training: 9, Covered: "0.8333333333333334", Lacking: []string{"a"}},
	}
	if diff := cmp.Diff(want, got.Labels[:2]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

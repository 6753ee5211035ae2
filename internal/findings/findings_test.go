package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestLayer(t *testing.T) {
	splits := &v1alpha1.SummaryDataset{Splits: []v1alpha1.SplitSamples{{Name: "train"}, {Name: "val", Evaluation: true}, {Name: "test", Evaluation: true}}}
	for name, tc := range map[string]struct {
		layer   v1alpha1.LayerSummary
		dataset *v1alpha1.SummaryDataset
		asked   []string
		want    []Finding
	}{
		"much": {
			v1alpha1.LayerSummary{
				Samples: 4390, Clusters: 77, DuplicateSamples: 1790, RedundantSamples: 1020, ExactCopies: 42, EqualVectors: new(int64(1)), LabelConflicts: new(int64(2)),
				Leakage:  &v1alpha1.LeakageSummary{Samples: 13, ExactCopies: 13, ChainedOnly: 2},
				Baseline: &v1alpha1.BaselineSummary{Samples: 5000, DuplicateSamples: 3, ExactCopies: 1},
			}, splits, nil,
			[]Finding{
				{Duplicates, Note, "77 clusters hold 1,790 of 4,390 samples; 1,020 could go if one of each stays"},
				{Leakage, Bad, "13 samples of val or test leak from train or the baseline, all of them exact copies"},
				{Leakage, Note, "2 evaluation samples more only share a cluster with one, through a chain of others"},
				{Conflicts, Bad, "2 pairs of duplicates bear labels that contradict each other"},
				{Copies, Note, "42 samples are each an exact copy of an earlier one"},
				{Vectors, Bad, "1 sample has the very vector of another one, though their pixels differ: near duplicates at distance 0. If there are many, this layer doesn't tell pictures apart"},
				{Baseline, Note, "3 samples are already in the baseline of 5,000, 1 exact"},
			},
		},
		"verdicts": {
			v1alpha1.LayerSummary{Samples: 9, Leakage: &v1alpha1.LeakageSummary{}, Withheld: &v1alpha1.WithheldSummary{
				Pairs: 5, Leaks: 1, ExactCopies: 2, Overruled: 1, Anonymous: 3,
			}}, splits, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 9 samples"},
				{Leakage, Good, "No sample of val or test leaks from train"},
				{Careful, Bad, "Verdicts of reviewers withhold 5 pairs of copies, 2 exact copies, 1 leak; 3 verdicts say no reviewer"},
				{Careful, Note, "1 pair of samples is judged apart, but shows the same in an evaluation split and outside of it: no verdict makes of that no leak"},
			},
		},
		"verdicts on look-alikes": {
			v1alpha1.LayerSummary{Samples: 9, Leakage: &v1alpha1.LeakageSummary{}, Withheld: &v1alpha1.WithheldSummary{Pairs: 1}}, splits, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 9 samples"},
				{Leakage, Good, "No sample of val or test leaks from train"},
				{Careful, Note, "Verdicts of reviewers withhold 1 pair of copies"},
			},
		},
		"references": {
			v1alpha1.LayerSummary{Samples: 2, Leakage: &v1alpha1.LeakageSummary{}, References: []v1alpha1.ReferenceSummary{
				{Name: "bench", Samples: 3, ExactCopies: 2, ReferenceSamples: 1, Size: 1000}, {Name: "val", Size: 5}, {Name: "own", Samples: 1, ReferenceSamples: 1, Size: 2}, {Name: "x", Size: 5},
			}}, splits, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 2 samples"},
				{Leakage, Good, "No sample of val or test leaks from train"},
				{References, Bad, "3 samples are in the reference bench, 2 exact: 1 of its 1,000 is known"},
				{References, Bad, "1 sample is in the reference own: 1 of its 2 is known"},
				{References, Good, "No sample is in the references val or x"},
			},
		},
		"an assumption that doesn't hold": {
			v1alpha1.LayerSummary{Samples: 900, Clusters: 2, DuplicateSamples: 4, RedundantSamples: 2, Leakage: &v1alpha1.LeakageSummary{},
				Local: &v1alpha1.LocalSummary{Rate: "0.01", Pairs: 2, ChancePairs: "0.02", Shrinkage: "0.67", Fit: new(v1alpha1.Decimal("2"))}}, splits, nil,
			[]Finding{
				{Chance, Bad, "The rate of 0.01 may not hold: nearer neighbors lie in fewer dimensions than farther ones, by a factor of 0.67, and where chance has its pairs there are 2 times as many as expected. These embeddings are not spread as method Local assumes, and more pairs than that may be look-alikes"},
				{Duplicates, Note, "2 clusters hold 4 of 900 samples; 2 could go if one of each stays"},
				{Chance, Note, "At a rate of 0.01, at most 0.02 of 2 pairs linked may be there by chance"},
				{Leakage, Good, "No sample of val or test leaks from train"},
			},
		},
		"an assumption that doesn't hold beside a reference": {
			v1alpha1.LayerSummary{Samples: 900, Leakage: &v1alpha1.LeakageSummary{}, Local: &v1alpha1.LocalSummary{Rate: "0.1", Shrinkage: "0.67", Fit: new(v1alpha1.Decimal("2"))},
				References: []v1alpha1.ReferenceSummary{
					{Name: "bench", Size: 100, Samples: 1, ReferenceSamples: 1, Pairs: 1, Shrinkage: new(v1alpha1.Decimal("0.7")), Fit: new(v1alpha1.Decimal("1"))},
					{Name: "val", Size: 100, Shrinkage: new(v1alpha1.Decimal("0.7")), Fit: new(v1alpha1.Decimal("3"))},
				}}, splits, nil,
			[]Finding{
				{Chance, Bad, "The rate of 0.1 may not hold for the reference bench: nearer neighbors lie in fewer dimensions than farther ones, by a factor of 0.7. These embeddings are not spread as method Local assumes, and more pairs than that may be look-alikes"},
				{Duplicates, Good, "No near duplicates among 900 samples"},
				{Leakage, Good, "No sample of val or test leaks from train"},
				{References, Bad, "1 sample is in the reference bench: 1 of its 100 is known"},
				{References, Good, "No sample is in the reference val"},
			},
		},
		"an assumption that nothing rests on": {
			v1alpha1.LayerSummary{Samples: 900, Leakage: &v1alpha1.LeakageSummary{}, Local: &v1alpha1.LocalSummary{Rate: "0.01", Shrinkage: "0.67", Fit: new(v1alpha1.Decimal("2"))}}, splits, nil,
			[]Finding{{Duplicates, Good, "No near duplicates among 900 samples"}, {Leakage, Good, "No sample of val or test leaks from train"}},
		},
		"nothing": {
			v1alpha1.LayerSummary{Samples: 1, LabelConflicts: new(int64(0)), Leakage: &v1alpha1.LeakageSummary{}, Baseline: &v1alpha1.BaselineSummary{Samples: 5}}, splits, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 1 sample"},
				{Leakage, Good, "No sample of val or test leaks from train or the baseline"},
				{Conflicts, Good, "No duplicates contradict each other in their labels"},
				{Baseline, Good, "None of the samples is in the baseline of 5"},
			},
		},
		"by a threshold that always finds something": {
			v1alpha1.LayerSummary{
				Samples: 9, Threshold: v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdSlope}, Leakage: &v1alpha1.LeakageSummary{Samples: 3, ExactCopies: 1},
			}, splits, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 9 samples"},
				{Leakage, Bad, "3 samples of val or test leak from train, 1 of them an exact copy (method Reference by Slope takes the nearest pairs of any dataset for copies, so some may only look alike)"},
			},
		},
		"a baseline whose splits have other names": {
			v1alpha1.LayerSummary{
				Samples: 2, Threshold: v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdFalseDiscovery},
				Leakage:  &v1alpha1.LeakageSummary{Samples: 1, Pairs: []v1alpha1.LeakagePair{{From: "old", To: "test", Samples: 1}}},
				Baseline: &v1alpha1.BaselineSummary{Samples: 5, DuplicateSamples: 1},
			}, &v1alpha1.SummaryDataset{Splits: []v1alpha1.SplitSamples{{Name: "test", Evaluation: true}, {Name: "extra"}}}, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 2 samples"},
				{Leakage, Bad, "1 sample of test leaks from extra, old or the baseline"},
				{Baseline, Note, "1 sample is already in the baseline of 5"},
			},
		},
		"a summary that was cut": {
			v1alpha1.LayerSummary{Samples: 2}, &v1alpha1.SummaryDataset{}, nil,
			[]Finding{
				{Duplicates, Good, "No near duplicates among 2 samples"},
				{Leakage, Note, "There are no evaluation samples beside others, so leakage was not judged"},
			},
		},
		"a misspelled split": {
			v1alpha1.LayerSummary{Samples: 2, Clusters: 1, DuplicateSamples: 2, RedundantSamples: 1}, &v1alpha1.SummaryDataset{Splits: []v1alpha1.SplitSamples{{Name: "train"}}}, []string{"tset"},
			[]Finding{
				{Duplicates, Note, "1 cluster holds 2 of 2 samples; 1 could go if one of each stays"},
				{Leakage, Note, "No sample is in an evaluation split (tset), so leakage was not judged"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Layer(&tc.layer, tc.dataset, tc.asked)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What a warning names keeps its letters.
func TestDataset(t *testing.T) {
	var got []string
	for _, f := range Dataset(&v1alpha1.SummaryDataset{Warnings: []string{"metadata.csv is not read", "none of the splits is known", "Zebra is a label", ""}}) {
		got = append(got, f.Text)
	}
	if diff := cmp.Diff([]string{"metadata.csv is not read", "None of the splits is known", "Zebra is a label", ""}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A condition has room for the first warning, and says something without a summary too.
func TestGroups(t *testing.T) {
	splits := []v1alpha1.SplitSamples{{Name: "train"}, {Name: "test", Evaluation: true}}
	worst := []v1alpha1.CrossingGroup{{Name: "p1"}, {Name: "p2"}, {Name: "p3"}, {Name: "p4"}}
	for _, tc := range []struct {
		groups *v1alpha1.SummaryGroups
		want   []Finding
	}{
		{nil, nil},
		{&v1alpha1.SummaryGroups{Groups: 3}, nil},                          // one side alone
		{&v1alpha1.SummaryGroups{Groups: 3, Crossing: new(int64(1))}, nil}, // of somebody else's runner
		{&v1alpha1.SummaryGroups{Groups: 3, Crossing: new(int64(0)), CrossingSamples: new(int64(0))},
			[]Finding{{Groups, Good, "None of the 3 groups is in both test and train"}}},
		{&v1alpha1.SummaryGroups{Groups: 3, Crossing: new(int64(1)), CrossingSamples: new(int64(1)), Worst: worst[:1]},
			[]Finding{{Groups, Bad, "1 of 3 groups is in both test and train, with 1 sample of test: p1"}}},
		{&v1alpha1.SummaryGroups{Groups: 2000, Crossing: new(int64(1500)), CrossingSamples: new(int64(1700)), Worst: worst},
			[]Finding{{Groups, Bad, "1,500 of 2,000 groups are in both test and train, with 1,700 samples of test: p1, p2, p3 and 1,497 more"}}},
		{&v1alpha1.SummaryGroups{Groups: 3, Crossing: new(int64(2)), CrossingSamples: new(int64(5))}, // of a summary that was cut
			[]Finding{{Groups, Bad, "2 of 3 groups are in both test and train, with 5 samples of test"}}},
	} {
		if diff := cmp.Diff(tc.want, Dataset(&v1alpha1.SummaryDataset{Groups: tc.groups, Splits: splits})); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestSequences(t *testing.T) {
	splits := []v1alpha1.SplitSamples{{Name: "train"}, {Name: "test", Evaluation: true}}
	found := v1alpha1.SequencesSummary{Crossing: 57, CrossingSamples: 129, Together: "0.51449", Chance: "0.02577",
		Worst: []v1alpha1.CrossingGroup{{Name: "rec02_*"}, {Name: "rec17_*"}, {Name: "rec19_*"}, {Name: "rec20_*"}}}
	const what = ", 57 sequences are in both test and train, with 129 samples of test: rec02_*, rec17_*, rec19_* and 54 more. The embeddings agree: 51.45 % of "
	const then = " in test and train are such, where chance gives 2.577 %. If they are recordings, patients or the like, name them in a column group: " +
		"groups.csv proposes one, sequence. If they are finer classes, nothing leaks"
	for evidence, want := range map[v1alpha1.SequenceEvidence]string{
		v1alpha1.SequenceName:   "A suspicion: by names that differ in the number at their end alone" + what + "neighbors of one label" + then,
		v1alpha1.SequenceFolder: "A suspicion: by folders" + what + "neighbors of one label" + then,
		v1alpha1.SequenceOrder:  "A suspicion: by numbers that follow each other in names" + what + "samples that follow each other" + then,
		v1alpha1.SequenceTime:   "A suspicion: by the camera and the time in EXIF metadata" + what + "samples that follow each other" + then,
	} {
		s := found
		s.Evidence = evidence
		var out list
		out.sequences(&s, splits)
		if diff := cmp.Diff(list{{Sequences, Bad, want}}, out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", evidence, diff)
		}
	}
	var out list
	if out.sequences(&v1alpha1.SequencesSummary{}, splits); out != nil {
		t.Errorf("of none: %v", out)
	}
}

func TestBrief(t *testing.T) {
	figures := v1alpha1.ResultStatus{Clusters: 1, DuplicateSamples: 2, Samples: 1000}
	whole := figures
	whole.Summary = &v1alpha1.AuditSummary{
		Dataset: v1alpha1.SummaryDataset{Ignored: &v1alpha1.IgnoredFiles{Files: 11}, Warnings: []string{"labels like splits", "more"}, Skipped: v1alpha1.SkippedSamples{Samples: 1}},
		Layers:  []v1alpha1.LayerSummary{{Layer: "a", Leakage: &v1alpha1.LeakageSummary{}}, {Layer: "b"}},
	}
	for _, tc := range []struct {
		result *v1alpha1.ResultStatus
		want   []string
	}{
		{&figures, []string{"1 cluster holds 2 of 1,000 samples"}},
		{&whole, []string{
			"1 cluster holds 2 of 1,000 samples", "no sample of the evaluation splits leaks from the others (layer a, the first of 2)",
			"11 files were taken for no samples: ", "careful: labels like splits",
		}},
	} {
		if diff := cmp.Diff(tc.want, Brief(tc.result)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestBriefReferences(t *testing.T) {
	clean, one, two := v1alpha1.ReferenceSummary{Name: "val", Size: 5}, v1alpha1.ReferenceSummary{Name: "a", Samples: 3, ReferenceSamples: 2, Size: 9}, v1alpha1.ReferenceSummary{Name: "b", Samples: 1, Size: 9}
	for want, given := range map[string][]v1alpha1.ReferenceSummary{
		"":                                  nil,
		"no sample is in the reference val": {clean},
		"3 samples are in the reference a: 2 of its 9 are known":                                     {clean, one},
		"3 samples are in the reference a: 2 of its 9 are known, and it is so with 1 more reference": {one, clean, two},
	} {
		if got := briefReferences(given); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

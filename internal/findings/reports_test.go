package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// A condition says of the parts what asks for a look, and nothing where nothing does.
func TestBriefReports(t *testing.T) {
	layer := &v1alpha1.LayerSummary{}
	if got := briefReports(layer); got != nil {
		t.Errorf("of nothing it says %v", got)
	}
	layer.SuspectLabels, layer.Familiarity = &v1alpha1.SuspectLabelsSummary{}, &v1alpha1.FamiliaritySummary{}
	if got := briefReports(layer); got != nil {
		t.Errorf("of a clean dataset it says %v", got)
	}
	layer.SuspectLabels = &v1alpha1.SuspectLabelsSummary{Samples: 90, Suspects: 1, ExpectedErrors: "2"}
	layer.Familiarity.RareSamples = 3
	want := []string{"1 of 90 labels is probably wrong; about 2 are in all, by the estimate", "3 samples are out of place"}
	if diff := cmp.Diff(want, briefReports(layer)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReports(t *testing.T) {
	splits := []v1alpha1.SplitSamples{{Name: "train"}, {Name: "test", Evaluation: true}}
	sample := func(id string) v1alpha1.NamedSample { return v1alpha1.NamedSample{ID: id, Score: "-9"} }
	for name, test := range map[string]struct {
		say  func(l *list)
		want []Finding
	}{
		"no poor images": {func(l *list) { l.quality(&v1alpha1.QualitySummary{Samples: 1}) }, []Finding{{Quality, Good, "None of the 1 image is dark, blurred or poor otherwise"}}},
		"poor images": {func(l *list) {
			l.quality(&v1alpha1.QualitySummary{Samples: 2000, PoorSamples: 30, Problems: []v1alpha1.ProblemSummary{
				{Problem: "Dark", Samples: 4}, {Problem: "Bright"},
				{Problem: "Blurred", Samples: 28, Uneven: &v1alpha1.UnevenSummary{Label: new("truck"), Share: "0.14", Elsewhere: "0.002"}},
			}})
		}, []Finding{
			{Quality, Note, "30 of 2,000 images are poor: 28 blurred, 4 dark"},
			{Quality, Bad, "14 % of label truck are blurred, and 0.2 % of all others: a model may learn that in place of what it should"},
		}},
		"what is typical": {func(l *list) {
			l.quality(&v1alpha1.QualitySummary{Samples: 90, Problems: []v1alpha1.ProblemSummary{
				{Problem: "Blurred", Typical: true},
				{Problem: "Gray", Typical: true, Uneven: &v1alpha1.UnevenSummary{Label: new("x-ray"), Share: "1", Elsewhere: "0.02"}},
			}})
		}, []Finding{
			{Quality, Good, "None of the 90 images is poor in a way that most are not"},
			{Quality, Note, "Most images are blurred and gray, which is taken for the nature of this dataset and counted for none"},
			{Quality, Bad, "100 % of label x-ray are gray among color, and 2 % of all others: a model may learn that in place of what it should"},
		}},
		"nothing rare": {func(l *list) { l.familiarity(&v1alpha1.FamiliaritySummary{UnseenSamples: new(int64(0))}, splits) }, []Finding{{Familiarity, Good, "No sample is out of place among the others"}}},
		"rare and unseen": {func(l *list) {
			l.familiarity(&v1alpha1.FamiliaritySummary{
				RareSamples: 5, Rarest: []v1alpha1.NamedSample{sample("a"), sample("b"), sample("c"), sample("d")},
				UnseenSamples: new(int64(1)), Unseen: []v1alpha1.NamedSample{sample("e")},
			}, splits)
		}, []Finding{
			{Familiarity, Note, "5 samples are out of place among the others: a, b, c and 2 more"},
			{Familiarity, Note, "1 sample of test is unlike all of train: e"},
		}},
		"labels that nobody can tell apart": {func(l *list) { l.suspects(&v1alpha1.SuspectLabelsSummary{OverlappingLabels: 2, SmallLabels: 1}) }, []Finding{{Labels, Note, "The labels can't be told apart by these vectors, so none was judged"}}},
		"no labels":                         {func(l *list) { l.suspects(&v1alpha1.SuspectLabelsSummary{}) }, []Finding{{Labels, Note, "No two samples with one label each differ in it, so no label was judged"}}},
		"small labels":                      {func(l *list) { l.suspects(&v1alpha1.SuspectLabelsSummary{SmallLabels: 15}) }, []Finding{{Labels, Note, "Each label has fewer than 20 samples, which are too few to judge any"}}},
		"labels that are not judged": {func(l *list) {
			l.suspects(&v1alpha1.SuspectLabelsSummary{Samples: 800, Suspects: 40, ExpectedErrors: "32", SmallLabels: 1, OverlappingLabels: 2})
		}, []Finding{
			{Labels, Bad, "40 of 800 labels are probably wrong"},
			{Labels, Note, "2 labels can't be told from others by these vectors, so their samples were not judged"},
			{Labels, Note, "1 label has fewer than 20 samples, too few to be judged"},
		}},
		"good labels": {func(l *list) { l.suspects(&v1alpha1.SuspectLabelsSummary{Samples: 70}) }, []Finding{{Labels, Good, "None of 70 labels is more likely wrong than not"}}},
		"wrong labels": {func(l *list) {
			l.suspects(&v1alpha1.SuspectLabelsSummary{Samples: 7200, Suspects: 10, ExpectedErrors: "48"})
		}, []Finding{
			{Labels, Bad, "10 of 7,200 labels are probably wrong; about 48 are in all, by the estimate"},
		}},
		"covered": {func(l *list) { l.coverage(&v1alpha1.CoverageSummary{Covered: "0.9"}, splits) }, nil},
		"hardly covered": {func(l *list) { l.coverage(&v1alpha1.CoverageSummary{Covered: "0.5"}, splits) }, []Finding{
			{Coverage, Note, "Only 50 % of test lie as near to a sample of train as 95 % of these lie to each other: it asks for what is hardly there to learn"},
		}},
		"labels that lack samples": {func(l *list) {
			l.coverage(&v1alpha1.CoverageSummary{Covered: "0.85", UnseenLabels: 1, UntestedLabels: 5, Untested: []string{"p", "q", "r", "s"}, Labels: []v1alpha1.LabelCoverage{
				{Name: "new", Samples: 40, Covered: "0.1"},
				{Name: "cat", Samples: 1200, Training: 9, Covered: "0.55", Lacking: []string{"a", "b"}},
				{Name: "few", Samples: 9, Training: 9, Covered: "0.6"},
				{Name: "cut", Samples: 10, Training: 9, Covered: "0.7"},
				{Name: "well", Samples: 100, Training: 9, Covered: "0.8"},
			}}, splits)
		}, []Finding{
			{Coverage, Bad, "1 label is in test and not in train, so nothing teaches it: new"},
			{Coverage, Note, "5 labels are in train and not in test, which says nothing of them then: p, q, r and 2 more"},
			{Coverage, Note, "Label cat lacks samples in train that are like those in test: 55 % of its 1,200 there lie near one, and these do not: a and b"},
			{Coverage, Note, "Label cut lacks samples in train that are like those in test: 70 % of its 10 there lie near one"},
		}},
		"labels of a summary that was too large": {func(l *list) {
			l.coverage(&v1alpha1.CoverageSummary{Covered: "0.85", UnseenLabels: 2, UntestedLabels: 1}, splits)
			l.familiarity(&v1alpha1.FamiliaritySummary{RareSamples: 2}, splits)
		}, []Finding{
			{Coverage, Bad, "2 labels are in test and not in train, so nothing teaches them"},
			{Coverage, Note, "1 label is in train and not in test, which says nothing of it then"},
			{Familiarity, Note, "2 samples are out of place among the others"},
		}},
		"balanced": {func(l *list) {
			l.imbalance([]v1alpha1.GroupSummary{{Name: "a", EffectiveSize: 100}, {Name: "b", EffectiveSize: 5}})
		}, nil},
		"small classes": {func(l *list) {
			l.imbalance([]v1alpha1.GroupSummary{{Name: "", EffectiveSize: 1}, {Name: "a", EffectiveSize: 2100}, {Name: "b", EffectiveSize: 100}, {Name: "c", EffectiveSize: 3}})
		}, []Finding{{Imbalance, Note, "2 labels have less than a twentieth of what a has, 2,100 samples each cluster counted once: b (100) and c (3)"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got list
			test.say(&got)
			if diff := cmp.Diff(test.want, []Finding(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

package policy

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestCompileRefuses(t *testing.T) {
	const unavailable = "layer.distanceQuantiles is not available to rules: the status does not keep the distance curve; use layer.threshold.distance"
	const convert = "; double(…) makes a number of an integer or a decimal, which is a string"
	const asAWhole = "layer as a whole can't be used: name one of its fields, such as layer.samples"
	const noDyn = "dyn(…) is not available to rules: it would hide an unknown field until the evaluation"
	const tooCostly = "the expression may cost more than 10000000 units when lists and texts are as long as they may be: nest fewer loops, compare less text"
	const syntax = "Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
	tests := map[string]struct{ expression, message string }{
		"syntax":                 {"layer.samples ==", "1:17: " + syntax},
		"only a comment":         {"// later", "1:9: " + syntax},
		"only spaces":            {" \n", "the expression is empty"},
		"no text":                {"\x00'", "1:1: Syntax error: token recognition error at: '�'"},
		"one equals sign":        {"layer.samples = 0", "1:15: Syntax error: a single =; two values are compared by =="},
		"unknown field":          {"layer.leakage.sample == 0", "1:14: undefined field 'sample'"},
		"unknown, second line":   {"layer.samples > 1 &&\n  layer.size > 1", "2:8: undefined field 'size'"},
		"unknown, of an item":    {"layer.labels.all(l, l.size > 1)", "1:22: undefined field 'size'"},
		"unknown variable":       {"audit.samples == 0", "1:1: undeclared reference to 'audit'"},
		"unknown function":       {"layer.percentile(5) > 1", "1:17: undeclared reference to 'percentile'"},
		"result":                 {"layer.samples", "the expression is of type int, want bool: true means fulfilled"},
		"decimal without double": {"layer.weightedEffectiveSize > 100.0", "1:29: found no matching overload for '_>_' applied to '(string, double)'" + convert},
		"integer without double": {"layer.samples * 0.05 > 1.0", "1:15: found no matching overload for '_*_' applied to '(int, double)'" + convert},
		"curve":                  {"size(layer.distanceQuantiles) > 0", "1:11: " + unavailable},
		"presence of the curve":  {"has(layer.distanceQuantiles)", "1:4: " + unavailable},
		"curve, optionally":      {"layer.?distanceQuantiles.hasValue()", "1:6: " + unavailable},
		"whole layer":            {"layer == layer", "1:1: " + asAWhole},
		"whole groups":           {"groups == groups", "1:1: groups as a whole can't be used: name one of its fields, such as groups.crossing"},
		"unknown, of groups":     {"groups.crossed == 0", "1:7: undefined field 'crossed'"},
		"whole layer in a list":  {"[layer].all(l, l.samples > 0)", "1:2: " + asAWhole},
		"untyped layer":          {"dyn(layer).sample == 0", "1:4: " + noDyn},
		"untyped item":           {"layer.splits.all(s, dyn(s).sample == 0)", "1:24: " + noDyn},
		"regular expression":     {"layer.layer.matches('[')", "1:21: invalid matches argument"},
		"too deep":               {strings.Repeat("(", 1000), "expression recursion limit exceeded: 250"},
		"growing text":           {"layer.layer" + strings.Repeat(".replace('', layer.layer)", 30) + " != ''", tooCostly},
		"nested loops": {
			"layer.labels.all(a, layer.labels.all(b, layer.labels.all(c, a.samples + b.samples > c.samples)))",
			tooCostly,
		},
		"nested loops over texts": {
			"layer.labels.all(a, layer.labels.all(b, a.name == b.name))",
			tooCostly,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second one is remembered
				_, err := Compile(spec(test.expression))
				if err == nil {
					t.Fatal("accepted")
				}
				if diff := cmp.Diff(`spec.policy: rule "rule-0": `+test.message, err.Error()); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestCompileNamesEveryBadRule(t *testing.T) {
	_, err := Compile(spec("layer.a == 1", "layer.samples > 1", "1"))
	want := `spec.policy: rule "rule-0": 1:6: undefined field 'a'; rule "rule-2": the expression is of type int, want bool: true means fulfilled`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}

	long := make([]string, 32)
	for i := range long {
		long[i] = "layer." + strings.Repeat("é", 1000)
	}
	_, err = Compile(spec(long...))
	if err == nil || !strings.Contains(err.Error(), `rule "rule-31"`) || len(err.Error()) > 32*(maxErrorBytes+2)+13 || !utf8.ValidString(err.Error()) {
		t.Errorf("error of long expressions: %v", err)
	}
}

// clean is a summary of one layer that has everything; of a dataset that has no findings.
func clean(change ...func(s *v1alpha1.AuditSummary)) *v1alpha1.AuditSummary {
	normalized := v1alpha1.Decimal("4.5")
	conflicts := int64(0)
	groups := &v1alpha1.SummaryGroups{Groups: 90, Samples: 6000, Crossing: new(int64(0)), CrossingSamples: new(int64(0))}
	summary := &v1alpha1.AuditSummary{Dataset: v1alpha1.SummaryDataset{Groups: groups}, Layers: []v1alpha1.LayerSummary{{
		Layer:                 "conv_pw_13",
		Dimensions:            1024,
		Components:            40,
		Threshold:             v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdSlope, Distance: "0.058", NormalizedDistance: &normalized},
		Samples:               6000,
		EffectiveSize:         6000,
		WeightedEffectiveSize: "6000",
		Splits: []v1alpha1.GroupSummary{
			{Name: "train", Samples: 5000, EffectiveSize: 5000, WeightedEffectiveSize: "5000"},
			{Name: "test", Samples: 1000, EffectiveSize: 1000, WeightedEffectiveSize: "1000"},
		},
		Labels: []v1alpha1.GroupSummary{
			{Name: "", Samples: 10, EffectiveSize: 10, WeightedEffectiveSize: "10"},
			{Name: "car", Samples: 5990, EffectiveSize: 5990, WeightedEffectiveSize: "5990"},
		},
		Search:            &v1alpha1.SearchSummary{Method: v1alpha1.SearchExact, Recall: "1", RecallAtLeast: "1", ComparedShare: "1"},
		Local:             &v1alpha1.LocalSummary{Rate: "0.01", Fit: new(v1alpha1.Decimal("0.9")), Shrinkage: "1"},
		Leakage:           &v1alpha1.LeakageSummary{},
		Withheld:          &v1alpha1.WithheldSummary{},
		Sequences:         &v1alpha1.SequencesSummary{},
		Familiarity:       &v1alpha1.FamiliaritySummary{Components: 5, UnseenSamples: new(int64(0))},
		SuspectLabels:     &v1alpha1.SuspectLabelsSummary{Samples: 5990, Neighbors: 20, ExpectedErrors: "1"},
		Coverage:          &v1alpha1.CoverageSummary{Samples: 1000, Covered: "0.95", Distance: "0.4"},
		LabelConflicts:    &conflicts,
		DistanceQuantiles: []v1alpha1.Decimal{"0.05", "0.9"},
	}}}
	summary.Dataset.Quality = &v1alpha1.QualitySummary{Samples: 6000, Problems: []v1alpha1.ProblemSummary{{Problem: "Dark"}, {Problem: "Blurred"}}}
	referred(0)(summary)
	for _, c := range change {
		c(summary)
	}
	return summary
}

// dirty changes a summary into one with findings of every kind.
func dirty(s *v1alpha1.AuditSummary) {
	normalized := v1alpha1.Decimal("7.2")
	conflicts := int64(3)
	l := &s.Layers[0]
	l.Samples, l.Clusters, l.DuplicateSamples, l.RedundantSamples, l.ExactCopies, l.EffectiveSize = 4000, 2, 1002, 1000, 20, 3000
	l.WeightedEffectiveSize = "3000.5"
	l.Threshold.NormalizedDistance = &normalized
	l.Splits[1].EffectiveSize = 499
	l.Labels[1].EffectiveSize = 99
	l.Leakage = &v1alpha1.LeakageSummary{Samples: 158, ExactCopies: 8, Clusters: 2, Pairs: []v1alpha1.LeakagePair{{From: "train", To: "test", Samples: 158}}}
	l.LabelConflicts = &conflicts
	s.Dataset.Groups = &v1alpha1.SummaryGroups{
		Groups: 90, Samples: 6000, Crossing: new(int64(2)), CrossingSamples: new(int64(31)),
		Worst: []v1alpha1.CrossingGroup{{Name: "patient-7", Evaluation: 30, Others: 2}, {Name: "patient-9", Evaluation: 1, Others: 5}},
	}
	l.Search = &v1alpha1.SearchSummary{Method: v1alpha1.SearchApproximate, Recall: "0.97", RecallAtLeast: "0.96", SampledRows: 2000, ComparedShare: "0.01"}
	l.Withheld = &v1alpha1.WithheldSummary{Pairs: 3, Leaks: 1, ExactCopies: 1, Anonymous: 2}
	l.Local.Fit = new(v1alpha1.Decimal("2.5"))
	l.Sequences = &v1alpha1.SequencesSummary{Evidence: v1alpha1.SequenceName, Crossing: 2, CrossingSamples: 9, Together: "0.5", Chance: "0.02"}
	l.Familiarity = &v1alpha1.FamiliaritySummary{Components: 5, RareSamples: 4, UnseenSamples: new(int64(2))}
	l.SuspectLabels = &v1alpha1.SuspectLabelsSummary{Samples: 3990, Suspects: 12, Neighbors: 20, ExpectedErrors: "30"}
	l.Coverage.Covered, l.Coverage.UnseenLabels = "0.7", 1
	poorImages(s)
	referred(0, 12)(s)
	l.TopClusters = []v1alpha1.ClusterSummary{{Cluster: 1, Key: "k", Size: 3, Mean: "0.1", Diameter: "0.2", Medoid: "train/1.jpg"}}
}

// bare removes all that a layer need not have.
func bare(s *v1alpha1.AuditSummary) {
	l := &s.Layers[0]
	l.Splits, l.Labels, l.Leakage, l.LabelConflicts, l.TopClusters, l.DistanceQuantiles = nil, nil, nil, nil, nil, nil
	l.Threshold.NormalizedDistance, l.Local, l.Sequences, l.References, l.Search, l.Withheld = nil, nil, nil, nil, nil, nil
	l.Familiarity, l.SuspectLabels, l.Coverage = nil, nil, nil
	s.Dataset.Groups, s.Dataset.Quality = nil, nil
}

// poorImages has images of which some are blurred, most of all in one class.
func poorImages(s *v1alpha1.AuditSummary) {
	s.Dataset.Quality = &v1alpha1.QualitySummary{Samples: 4000, PoorSamples: 90, Problems: []v1alpha1.ProblemSummary{
		{Problem: "Dark"},
		{Problem: "Blurred", Samples: 30, Labels: []v1alpha1.ShareSummary{{Name: "truck", Samples: 30, Share: "0.1"}}, Uneven: &v1alpha1.UnevenSummary{Label: new("truck"), Share: "0.1", Elsewhere: "0"}},
	}}
}

func truncated(s *v1alpha1.AuditSummary) { s.Truncated = true }

// second adds a layer without findings, as deep as the first.
func second(s *v1alpha1.AuditSummary) {
	other := clean().Layers[0]
	other.Layer = "conv_pw_12"
	s.Layers = append(s.Layers, other)
}

func named(name string) func(*v1alpha1.AuditSummary) {
	return func(s *v1alpha1.AuditSummary) { s.Layers[0].Layer = name }
}

// referred has references of which the dataset holds so many samples.
func referred(samples ...int64) func(s *v1alpha1.AuditSummary) {
	return func(s *v1alpha1.AuditSummary) {
		s.Layers[0].References = nil
		for i, n := range samples {
			s.Layers[0].References = append(s.Layers[0].References, v1alpha1.ReferenceSummary{Name: fmt.Sprintf("ref-%d", i), Samples: n, ReferenceSamples: n, Size: 50})
		}
	}
}

func groups(n int) []v1alpha1.GroupSummary {
	out := make([]v1alpha1.GroupSummary, n)
	for i := range out {
		out[i] = v1alpha1.GroupSummary{Name: fmt.Sprint("label", i), Samples: 9, EffectiveSize: 9, WeightedEffectiveSize: "9"}
	}
	return out
}

func labeled(n int) func(*v1alpha1.AuditSummary) {
	return func(s *v1alpha1.AuditSummary) { s.Layers[0].Labels = groups(n) }
}

func spec(expressions ...string) v1alpha1.PolicySpec {
	var out v1alpha1.PolicySpec
	for i, e := range expressions {
		out.Rules = append(out.Rules, v1alpha1.PolicyRule{Name: fmt.Sprint("rule-", i), Expression: e, Severity: v1alpha1.SeverityFail})
	}
	return out
}

func compile(t testing.TB, spec v1alpha1.PolicySpec) *Policy {
	t.Helper()
	p, err := Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

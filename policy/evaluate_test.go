package policy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestEvaluate(t *testing.T) {
	const cutToFit = " was cut so that the summary fits its ConfigMap"
	type change = func(*v1alpha1.AuditSummary)
	const assumption = "double(layer.local.fit) <= 1.5 && double(layer.local.shrinkage) >= 0.8"
	tests := map[string]struct {
		expression string
		changes    []change
		outcome    v1alpha1.RuleOutcome
		message    string
	}{
		"true":  {"layer.leakage.samples == 0", nil, v1alpha1.RuleFulfilled, ""},
		"false": {"layer.leakage.samples == 0", []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.leakage.samples = 158"},
		"figures in order, each once": {
			"layer.leakage.samples * 100 < layer.samples && layer.leakage.samples < 150", []change{dirty}, v1alpha1.RuleViolated,
			"layer conv_pw_13: layer.leakage.samples = 158, layer.samples = 4000",
		},
		"figures beside a list": {
			"layer.labels.all(l, l.effectiveSize * 2 > l.samples && layer.samples > 1)", []change{dirty}, v1alpha1.RuleViolated,
			"layer conv_pw_13: layer.samples = 4000",
		},
		"no figures":        {"layer.splits.all(s, s.effectiveSize >= 500)", []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: the expression is false"},
		"texts are figures": {"layer.threshold.strategy == 'Cosine'", nil, v1alpha1.RuleViolated, "layer conv_pw_13: layer.threshold.strategy = Slope"},
		"decimal":           {"double(layer.weightedEffectiveSize) > 3000.25", []change{dirty}, v1alpha1.RuleFulfilled, ""},
		"decimal, false":    {"double(layer.weightedEffectiveSize) > 3000.75", []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.weightedEffectiveSize = 3000.5"},
		"share": {
			"double(layer.redundantSamples) / double(layer.samples) <= 0.05", []change{dirty}, v1alpha1.RuleViolated,
			"layer conv_pw_13: layer.redundantSamples = 1000, layer.samples = 4000",
		},
		"macro with a variable named layer": {"layer.splits.all(layer, layer.samples > 0)", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.splits" + cutToFit},

		"assumption":        {assumption, nil, v1alpha1.RuleFulfilled, ""},
		"assumption, false": {assumption, []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.local.fit = 2.5, layer.local.shrinkage = 1"},
		"no assumption":     {assumption, []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.local is absent from the results"},

		"absent":          {"layer.leakage.samples == 0", []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage is absent from the results"},
		"absent number":   {"layer.labelConflicts == 0", []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.labelConflicts is absent from the results"},
		"absent, deeper":  {"layer.threshold.elbow > 1", nil, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.threshold.elbow is absent from the results"},
		"absent list":     {"layer.labels.all(l, l.samples > 0)", []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.labels is absent from the results"},
		"absent in item":  {"layer.topClusters.all(c, c.members.size() > 1)", []change{dirty}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: members is absent from the results"},
		"absent, negated": {"!(layer.leakage.samples > 0)", []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage is absent from the results"},
		"has":             {"!has(layer.leakage) || layer.leakage.samples == 0", []change{bare}, v1alpha1.RuleFulfilled, ""},
		"has, false":      {"!has(layer.leakage) || layer.leakage.samples == 0", []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.leakage.samples = 158"},
		"has is required": {"has(layer.labelConflicts)", []change{bare}, v1alpha1.RuleViolated, "layer conv_pw_13: the expression is false"},
		"optional":        {"layer.?leakage.samples.orValue(0) == 0", []change{bare}, v1alpha1.RuleFulfilled, ""},
		"optional, false": {"layer.?leakage.samples.orValue(0) == 0", []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.leakage.samples = 158"},
		"another field is absent": {
			"layer.?leakage.samples.orValue(0) / (layer.samples - layer.samples) == 0", []change{bare}, v1alpha1.RuleNotEvaluated,
			"layer conv_pw_13: division by zero",
		},

		"groups":                {"groups.crossing == 0", []change{second}, v1alpha1.RuleFulfilled, ""},
		"groups, false":         {"groups.crossing == 0", []change{dirty, second}, v1alpha1.RuleViolated, "groups.crossing = 2"},
		"groups, by name":       {"groups.worst.all(g, g.name == 'patient-9' || g.evaluation < 30)", []change{dirty}, v1alpha1.RuleViolated, "the expression is false"},
		"groups, none named":    {"groups.worst.all(g, g.evaluation < 30)", nil, v1alpha1.RuleFulfilled, ""},
		"groups, absent":        {"groups.crossing == 0", []change{bare, second}, v1alpha1.RuleNotEvaluated, "groups.crossing is absent from the results"},
		"groups, has":           {"!has(groups.crossing) || groups.crossing == 0", []change{bare}, v1alpha1.RuleFulfilled, ""},
		"groups, cut":           {"groups.worst.all(g, g.evaluation < 40)", []change{dirty, truncated}, v1alpha1.RuleNotEvaluated, "groups.worst" + cutToFit},
		"quality":               {"quality.poorSamples * 10 < quality.samples", []change{poorImages}, v1alpha1.RuleFulfilled, ""},
		"quality, of a kind":    {"quality.problems.all(p, p.problem != 'Blurred' || p.samples < 20)", []change{poorImages}, v1alpha1.RuleViolated, "the expression is false"},
		"quality, uneven":       {"quality.problems.all(p, !has(p.uneven))", []change{poorImages}, v1alpha1.RuleViolated, "the expression is false"},
		"quality, labels":       {"quality.problems.all(p, p.labels.size() < 3)", []change{poorImages}, v1alpha1.RuleNotEvaluated, "labels is absent from the results"},
		"quality, absent":       {"quality.poorSamples == 0", []change{bare}, v1alpha1.RuleNotEvaluated, "quality.poorSamples is absent from the results"},
		"suspect labels":        {"layer.suspectLabels.suspects == 0", []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.suspectLabels is absent from the results"},
		"groups and a layer":    {"groups.crossingSamples + layer.samples < 100", []change{dirty}, v1alpha1.RuleViolated, "layer conv_pw_13: groups.crossingSamples = 31, layer.samples = 4000"},
		"macro variable groups": {"layer.splits.all(groups, groups.samples > 0)", nil, v1alpha1.RuleFulfilled, ""},

		"references":            {"layer.references.all(r, r.samples == 0)", []change{referred(0, 0)}, v1alpha1.RuleFulfilled, ""},
		"references, false":     {"layer.references.all(r, r.samples == 0)", []change{referred(0, 3)}, v1alpha1.RuleViolated, "layer conv_pw_13: samples in layer.references: ref-1 3"},
		"references, many":      {"layer.references.all(r, r.samples == 0)", []change{referred(1, 2, 3, 4, 5, 6)}, v1alpha1.RuleViolated, "layer conv_pw_13: samples in layer.references: ref-0 1, ref-1 2, ref-2 3, ref-3 4, 2 more"},
		"references, too few":   {"layer.references.exists(r, r.name == 'imagenet')", []change{referred(0)}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.references: no samples in any"},
		"references, absent":    {"layer.references.all(r, r.samples == 0)", []change{bare}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.references is absent from the results"},
		"references, a share":   {"layer.references.all(r, double(r.referenceSamples) <= 0.01 * double(r.size) && r.inspected)", []change{referred(0, 1)}, v1alpha1.RuleViolated, "layer conv_pw_13: samples in layer.references: ref-1 1"},
		"references, truncated": {"layer.references.all(r, r.samples == 0)", []change{referred(0), truncated}, v1alpha1.RuleFulfilled, ""},

		"no pairs leak":            {"layer.leakage.pairs.all(p, p.samples < 10)", nil, v1alpha1.RuleFulfilled, ""},
		"no clusters were found":   {"layer.topClusters.all(c, c.size < 10)", nil, v1alpha1.RuleFulfilled, ""},
		"no clusters are listed":   {"layer.topClusters.all(c, c.size < 10)", []change{dirty, func(s *v1alpha1.AuditSummary) { s.Layers[0].TopClusters = nil }}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.topClusters is absent from the results"},
		"division by zero":         {"layer.samples / layer.clusters > 1", nil, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: division by zero"},
		"overflow":                 {"layer.samples * 9223372036854775807 > 1", nil, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: integer overflow"},
		"index":                    {"layer.splits[7].samples > 1", nil, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: index out of bounds: 7"},
		"no number":                {"double(layer.layer) > 1.0", nil, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: type conversion error from 'string' to 'double'"},
		"too costly":               {"layer.labels.all(a, layer.labels.all(b, " + strings.Repeat("a.samples + b.samples + ", 10) + "0 > 0))", []change{labeled(255)}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: the evaluation costs more than 1000000 units: nest fewer loops, compare less text"},
		"largest labels":           {"layer.labels.all(l, l.samples > 1)", []change{labeled(256)}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.labels may hold only the largest 256"},
		"nearly too many labels":   {"layer.labels.all(l, l.samples > 1)", []change{labeled(255)}, v1alpha1.RuleFulfilled, ""},
		"many labels not read":     {"layer.samples > 1", []change{labeled(256)}, v1alpha1.RuleFulfilled, ""},
		"truncated splits":         {"layer.splits.size() == 2", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.splits" + cutToFit},
		"truncated labels":         {"layer.samples > 1 && layer.labels.exists(l, l.name == 'car')", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.labels" + cutToFit},
		"truncated pairs":          {"layer.leakage.pairs.size() < 2", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage.pairs" + cutToFit},
		"truncated, optionally":    {"layer.?leakage.?pairs.orValue([]).size() < 2", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage.pairs" + cutToFit},
		"truncated, all leakage":   {"[layer.leakage].all(l, l.pairs.size() < 2)", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage.pairs" + cutToFit},
		"truncated, leakage twice": {"has(layer.leakage) && [layer.leakage].all(l, l.pairs.size() < 2)", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage.pairs" + cutToFit},
		"truncated top clusters":   {"has(layer.topClusters)", []change{truncated}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.topClusters" + cutToFit},
		"truncated, counts":        {"has(layer.leakage) && layer.leakage.samples == 0", []change{truncated}, v1alpha1.RuleFulfilled, ""},
		"truncated, false counts":  {"layer.leakage.samples == 0", []change{dirty, truncated}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.leakage.samples = 158"},

		"one layer of two":       {"layer.leakage.samples == 0", []change{dirty, second}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.leakage.samples = 158"},
		"both layers":            {"layer.dimensions < 9", []change{second}, v1alpha1.RuleViolated, "layer conv_pw_13: layer.dimensions = 1024; layer conv_pw_12: layer.dimensions = 1024"},
		"one layer lacks it":     {"layer.leakage.samples == 0", []change{bare, second}, v1alpha1.RuleNotEvaluated, "layer conv_pw_13: layer.leakage is absent from the results"},
		"violated and absent":    {"layer.leakage.samples == 1", []change{bare, second}, v1alpha1.RuleViolated, "layer conv_pw_12: layer.leakage.samples = 0"},
		"no layers":              {"layer.samples > 0", []change{func(s *v1alpha1.AuditSummary) { s.Layers = nil }}, v1alpha1.RuleNotEvaluated, "there are no results"},
		"by the layer's name":    {"layer.layer != 'conv_pw_13' || layer.samples > 1", []change{second}, v1alpha1.RuleFulfilled, ""},
		"hostile name":           {"layer.samples < 0", []change{named("a\n\x1b[31m\u202eb\xff\"<é")}, v1alpha1.RuleViolated, "layer a��[31m�b�\"<é: layer.samples = 6000"},
		"hostile name, absent":   {"layer.leakage.samples < 0", []change{named("\x00"), bare, named("\x00")}, v1alpha1.RuleNotEvaluated, "layer �: layer.leakage is absent from the results"},
		"hostile name as figure": {"layer.layer == ''", []change{named("\t")}, v1alpha1.RuleViolated, "layer �: layer.layer = �"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			summary := clean(test.changes...)
			before := summary.DeepCopy()
			got := compile(t, spec(test.expression)).Evaluate(summary)
			want := []v1alpha1.RuleStatus{{Name: "rule-0", Severity: v1alpha1.SeverityFail, Outcome: test.outcome, Message: test.message}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, summary); diff != "" {
				t.Errorf("the summary was changed:\n%s", diff)
			}
		})
	}
}

func TestEvaluateWithoutSummary(t *testing.T) {
	got := compile(t, spec("true")).Evaluate(nil)
	want := []v1alpha1.RuleStatus{{Name: "rule-0", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleNotEvaluated, Message: "there are no results"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestEvaluateBoundsMessages(t *testing.T) {
	summary := clean(named(strings.Repeat("é", 512)), second, second)
	got := compile(t, spec("layer.samples < 0")).Evaluate(summary)[0].Message
	want := "layer " + strings.Repeat("é", 507) + "…"
	if diff := cmp.Diff(want, got); diff != "" || len(got) > maxRuleMessageBytes || !utf8.ValidString(got) {
		t.Errorf("message of %d bytes (-want +got):\n%s", len(got), diff)
	}
}

// TestEvaluateSharesABudget holds that many rules, none of them too costly, can't make an evaluation slow.
func TestEvaluateSharesABudget(t *testing.T) {
	costly := "layer.labels.all(a, layer.labels.all(b, a.samples + b.samples + layer.samples > 0))"
	expressions := make([]string, 32)
	for i := range expressions {
		expressions[i] = costly
	}
	statuses := compile(t, spec(expressions...)).Evaluate(clean(labeled(255), second))
	if first := statuses[0]; first.Outcome != v1alpha1.RuleFulfilled {
		t.Errorf("first rule: %+v", first)
	}
	want := v1alpha1.RuleStatus{
		Name: "rule-31", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleNotEvaluated,
		Message: "layer conv_pw_13: the rules before it used up what the evaluation of a policy may cost; " +
			"layer conv_pw_12: the rules before it used up what the evaluation of a policy may cost",
	}
	if diff := cmp.Diff(want, statuses[31]); diff != "" {
		t.Errorf("last rule (-want +got):\n%s", diff)
	}
}

package policy

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func FuzzPolicy(f *testing.F) {
	for _, r := range page(f).Rules {
		f.Add(r.Expression)
	}
	for _, expression := range []string{
		"layer.samples ==", "layer.labels.all(a, layer.labels.all(b, a.samples + b.samples > 0))", "[layer].all(l, l.samples > 0)",
		"layer.?leakage.?pairs.orValue([]).size() == 0", "has(layer.distanceQuantiles)", "layer.layer.matches('^(a+)+$')",
		"layer.splits.map(layer, layer.name).join(',').replace('a', layer.layer) != ''", "layer.samples / layer.clusters > 1",
		"sets.contains(layer.splits.map(s, s.samples), [1])", "quantity('1Ki').isGreaterThan(quantity(string(layer.samples)))",
		"layer.splits.transformMap(i, s, s.name)[0] == 'train'", "dyn(layer.leakage).map(k, k)[0] == 'samples'",
		"true || layer.leakage.samples == 0", "\xff", "layer.`samples` > 1", "'\\ud800' == layer.layer",
	} {
		f.Add(expression)
	}
	summaries := map[string]*v1alpha1.AuditSummary{
		"clean": clean(second), "dirty": clean(dirty, second), "bare": clean(bare), "truncated": clean(dirty, truncated),
		"many labels": clean(labeled(255), named("\xff\x00")), "too many": clean(labeled(256)),
	}
	f.Fuzz(func(t *testing.T, expression string) {
		if utf8.RuneCountInString(expression) > 1024 {
			return // as the schema bounds it
		}
		start := time.Now()
		policy, err := Compile(spec(expression))
		if err != nil {
			wantMessage(t, err.Error(), 2*maxErrorBytes)
			return
		}
		for name, summary := range summaries {
			got := policy.Evaluate(summary)
			if diff := cmp.Diff(got, policy.Evaluate(summary)); diff != "" {
				t.Errorf("%s: second evaluation (-first +second):\n%s", name, diff)
			}
			if got[0].Outcome != v1alpha1.RuleFulfilled {
				wantMessage(t, got[0].Message, maxRuleMessageBytes)
				continue
			}
			for _, l := range newLayers(summary) {
				value, _, err := policy.rules[0].program.Eval(l.variables)
				if err != nil || value != types.True {
					t.Errorf("%s: fulfilled, but layer %s gives %v, %v", name, l.name, value, err)
				}
			}
		}
		if took := time.Since(start); took > 20*time.Second { // an evaluation takes a tenth of a second at most: far from any doubt
			t.Errorf("took %v", took)
		}
	})
}

func wantMessage(t *testing.T, message string, most int) {
	t.Helper()
	if message == "" || len(message) > most || !utf8.ValidString(message) || text.Name(message) != message {
		t.Errorf("message is empty, too long, or not plain: %q", message)
	}
}

func BenchmarkCompile(b *testing.B) {
	spec := page(b)
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			cache.Clear()
			compile(b, spec)
		}
	})
	b.Run("cached", func(b *testing.B) {
		for b.Loop() {
			compile(b, spec)
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	policy := compile(b, page(b))
	for name, summary := range map[string]*v1alpha1.AuditSummary{"fulfilled": clean(), "violated": clean(dirty), "255 labels": clean(labeled(255))} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				policy.Evaluate(summary)
			}
		})
	}
}

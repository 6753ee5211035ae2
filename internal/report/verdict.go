package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// verdict is a finding in plain words.
type verdict struct {
	// Kind is bad (act on it), good, or note.
	Kind string
	Text string
}

// verdicts says what the figures mean. Removed is the number of samples that remove.csv gives up.
func (f *Findings) verdicts(l *v1alpha1.LayerSummary, removed int, large []oversized) []verdict {
	var out []verdict
	say := func(kind, format string, args ...any) {
		out = append(out, verdict{kind, fmt.Sprintf(format, args...)})
	}
	if l.Clusters == 0 {
		say("good", "No near duplicates: none of the %s is within the threshold of another.", count(l.Samples, "sample", "samples"))
	} else {
		proposal := ""
		if removed > 0 {
			proposal = fmt.Sprintf("; %s could go, and one of each would stay", thousands(removed))
		}
		say("note", "%s %s %s of %s%s.", count(l.Clusters, "cluster", "clusters"), verb(l.Clusters, "holds", "hold"),
			thousands(l.DuplicateSamples), count(l.Samples, "sample", "samples"), proposal)
	}
	if l.Local != nil {
		localVerdict(l.Local, say)
	}
	f.leakageVerdict(l.Leakage, say)
	switch {
	case l.LabelConflicts == nil:
	case *l.LabelConflicts == 0:
		say("good", "No duplicates contradict each other in their labels.")
	default:
		say("bad", "%s of duplicates %s labels that contradict each other.",
			count(*l.LabelConflicts, "pair", "pairs"), verb(*l.LabelConflicts, "bears", "bear"))
	}
	if l.ExactCopies > 0 {
		say("note", "%s an exact copy of an earlier one.", count(l.ExactCopies, "sample is", "samples are each"))
	}
	if l.EqualVectors != nil && *l.EqualVectors > 0 {
		say("bad", "%s the very vector of another one, though their pixels differ: near duplicates at distance 0. If there are many, this layer doesn't tell pictures apart.",
			count(*l.EqualVectors, "sample has", "samples have each"))
	}
	if len(large) > 0 {
		say("note", "%s of more than %s samples %s counted but not listed, and %s up only exact copies: most likely %s of look-alikes.",
			count(int64(len(large)), "cluster", "clusters"), thousands(f.maxClusterSize()), verb(int64(len(large)), "is", "are"),
			verb(int64(len(large)), "gives", "give"), verb(int64(len(large)), "a chain", "chains"))
	}
	if f.Ignored != nil && f.Ignored.Files > v1alpha1.HandfulIgnored {
		say("note", "%s of the dataset %s taken for no samples: %s.", count(f.Ignored.Files, "file", "files"), verb(f.Ignored.Files, "was", "were"), f.Ignored)
	}
	for _, warning := range f.Warnings {
		say("bad", "%s.", upperFirst(warning))
	}
	if n := int64(len(f.Skipped)); n > 0 {
		say("note", "%s could not be read and %s left out.", count(n, "sample", "samples"), verb(n, "was", "were"))
	}
	return out
}

// Method Local's assumption is in doubt where there are poorFit times as many pairs as expected, or where dimensions shrink to less than
// bent of what farther neighbors show.
const (
	poorFit = 1.5
	bent    = 0.8
)

func localVerdict(l *v1alpha1.LocalSummary, say func(kind, format string, args ...any)) {
	if l.Pairs > 0 {
		say("note", "Of %s linked, at most %s may be there by chance.", count(l.Pairs, "pair", "pairs"), significant(l.ChancePairs))
	}
	// Our own numbers: they read back.
	if shrinkage, _ := l.Shrinkage.Float64(); shrinkage < bent {
		say("note", "Nearer neighbors lie in fewer dimensions than farther ones, by a factor of %s: these embeddings are not spread as method Local assumes, "+
			"and more pairs than that may be look-alikes.", significant(l.Shrinkage))
	}
	if l.Fit == nil {
		return
	}
	if fit, _ := l.Fit.Float64(); fit > poorFit {
		say("note", "Where chance has its pairs there are %s times as many as expected: these embeddings are not spread as method Local assumes, "+
			"and more pairs than that may be look-alikes.", significant(*l.Fit))
	}
}

// wantedSplits are those that would be for evaluation.
func (f *Findings) wantedSplits() string {
	if asked := f.Audit.Spec.Dataset.EvaluationSplits; len(asked) > 0 {
		return list(asked, "or")
	}
	return "one called test, val or the like"
}

func upperFirst(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:]
}

func (f *Findings) leakageVerdict(l *v1alpha1.LeakageSummary, say func(kind, format string, args ...any)) {
	var evaluation, others []string
	for _, split := range splitOrder(f.Samples) {
		if slices.Contains(f.EvaluationSplits, split) {
			evaluation = append(evaluation, split)
		} else {
			others = append(others, split)
		}
	}
	if l == nil {
		if len(evaluation) == 0 {
			say("note", "Leakage was not judged: no sample is in an evaluation split (%s).", f.wantedSplits())
		} else {
			say("note", "Leakage was not judged: every sample is in an evaluation split (%s).", list(evaluation, "and"))
		}
		return
	}
	from := list(others, "or")
	if l.Samples == 0 {
		say("good", "No sample of %s leaks from %s.", list(evaluation, "or"), from)
	} else {
		copies := ""
		switch l.ExactCopies {
		case 0:
		case l.Samples:
			copies = verb(l.Samples, ", as an exact copy", ", all of them exact copies")
		default:
			copies = ", " + count(l.ExactCopies, "of them an exact copy", "of them exact copies")
		}
		say("bad", "%s of %s %s from %s%s.", count(l.Samples, "sample", "samples"), list(evaluation, "or"),
			verb(l.Samples, "leaks", "leak"), from, copies)
	}
	if l.ChainedOnly > 0 {
		say("note", "%s more only %s a cluster with one, through a chain of others.",
			count(l.ChainedOnly, "evaluation sample", "evaluation samples"), verb(l.ChainedOnly, "shares", "share"))
	}
}

// knownVerdict says what a baseline holds already.
func knownVerdict(known *duplicates.Known) verdict {
	if known.Samples == 0 {
		return verdict{"good", fmt.Sprintf("None of the samples is in the baseline of %s.", thousands(known.Baseline))}
	}
	copies := ""
	if known.ExactCopies > 0 {
		copies = fmt.Sprintf(", %s exact", thousands(known.ExactCopies))
	}
	n := int64(known.Samples)
	return verdict{"note", fmt.Sprintf("%s already in the baseline of %s%s.", count(n, "sample is", "samples are"), thousands(known.Baseline), copies)}
}

// figures are the numbers at the top of a layer.
func figures(l *v1alpha1.LayerSummary) []figure {
	out := []figure{
		{thousands(l.Samples), "samples", ""},
		{thousands(l.Clusters), "clusters", ""},
		{thousands(l.DuplicateSamples), "in clusters", percent(l.DuplicateSamples, l.Samples)},
		{thousands(l.ExactCopies), "exact copies", ""},
		{thousands(l.EffectiveSize), "effective size", percent(l.EffectiveSize, l.Samples)},
	}
	if l.Leakage != nil {
		out = append(out, figure{thousands(l.Leakage.Samples), "leaking samples", ""})
	}
	if l.LabelConflicts != nil {
		out = append(out, figure{thousands(*l.LabelConflicts), "label conflicts", ""})
	}
	return out
}

func count(n int64, one, many string) string { return thousands(n) + " " + verb(n, one, many) }

func verb(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// list joins names as a sentence does, and bounds them.
func list(names []string, conjunction string) string {
	const most = 6
	shown := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		if name == "" {
			name = "the samples without a split"
		}
		shown = append(shown, text.Valid(name))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprint(more, " more"))
	}
	switch n := len(shown); n {
	case 0:
		return "none named"
	case 1:
		return shown[0]
	default:
		return strings.Join(shown[:n-1], ", ") + " " + conjunction + " " + shown[n-1]
	}
}

// thousands writes n with separators.
func thousands[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// significant writes a measure in four digits.
func significant(x any) string {
	switch x := x.(type) {
	case float64:
		if math.Abs(x) < 1e-12 { // rounding, at the scale of unit vectors
			x = 0
		}
		return strconv.FormatFloat(x, 'g', 4, 64)
	case v1alpha1.Decimal:
		value, _ := x.Float64() // our own: it reads back
		return significant(value)
	case *v1alpha1.Decimal:
		return significant(*x)
	}
	return fmt.Sprint(x)
}

// tenths writes a count that has fractions.
func tenths(x v1alpha1.Decimal) string {
	value, _ := x.Float64()
	return strconv.FormatFloat(value, 'f', 1, 64)
}

// percent is the share of a whole.
func percent(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	share := 100 * float64(part) / float64(whole)
	if part > 0 && share < 0.1 {
		return "< 0.1%"
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + "%"
}

// Package findings says in plain words what the figures of a summary mean. The command line, the page, the plugin and
// the audit's conditions all take their sentences from here.
package findings

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Kind says what a finding asks of its reader.
type Kind string

// The kinds of findings.
const (
	Bad  Kind = "bad" // act on it
	Good Kind = "good"
	Note Kind = "note"
)

// Topic is what a finding is about.
type Topic string

// The topics of findings.
const (
	Duplicates Topic = "Duplicates"
	Chance     Topic = "Chance"
	Leakage    Topic = "Leakage"
	Groups     Topic = "Groups"
	Sequences  Topic = "Sequences"
	Conflicts  Topic = "Conflicts"
	Copies     Topic = "Copies"
	Vectors    Topic = "Equal vectors"
	Baseline   Topic = "Baseline"
	References Topic = "References"
	Ignored    Topic = "Ignored"
	Careful    Topic = "Careful"
	Skipped    Topic = "Skipped"

	Quality     Topic = "Quality"
	Familiarity Topic = "Familiarity"
	Labels      Topic = "Labels"
	Coverage    Topic = "Coverage"
	Imbalance   Topic = "Imbalance"
)

// A Finding is one sentence.
type Finding struct {
	Topic Topic
	Kind  Kind
	// Text begins with a capital letter or a number, and has no period.
	Text string
}

// list collects findings.
type list []Finding

func (l *list) say(topic Topic, kind Kind, format string, args ...any) {
	*l = append(*l, Finding{topic, kind, fmt.Sprintf(format, args...)})
}

// Layer says what was found by a layer. Asked are the spec's evaluation splits.
func Layer(l *v1alpha1.LayerSummary, dataset *v1alpha1.SummaryDataset, asked []string) []Finding {
	var out list
	if local := l.Local; local != nil {
		out.doubt(local.Rate, "", local.Pairs, &local.Shrinkage, local.Fit)
		for _, r := range l.References {
			out.doubt(local.Rate, " for the reference "+r.Name, r.Pairs, r.Shrinkage, r.Fit)
		}
	}
	if l.Clusters == 0 {
		out.say(Duplicates, Good, "No near duplicates among %s", Count(l.Samples, "sample", "samples"))
	} else {
		out.say(Duplicates, Note, "%s; %s could go if one of each stays", clusters(l.Clusters, l.DuplicateSamples, l.Samples), Thousands(l.RedundantSamples))
	}
	if l.Local != nil {
		out.chance(l.Local)
	}
	out.leakage(l, dataset.Splits, asked)
	out.references(l.References)
	if l.Withheld != nil {
		out.withheld(l.Withheld)
	}
	if l.Sequences != nil {
		out.sequences(l.Sequences, dataset.Splits)
	}
	if l.LabelConflicts != nil {
		out.conflicts(*l.LabelConflicts)
	}
	if l.ExactCopies > 0 {
		out.say(Copies, Note, "%s an exact copy of an earlier one", Count(l.ExactCopies, "sample is", "samples are each"))
	}
	if l.EqualVectors != nil && *l.EqualVectors > 0 {
		out.say(Vectors, Bad, "%s the very vector of another one, though their pixels differ: near duplicates at distance 0. "+
			"If there are many, this layer doesn't tell pictures apart", Count(*l.EqualVectors, "sample has", "samples have each"))
	}
	if l.Baseline != nil {
		out.known(l.Baseline)
	}
	if l.SuspectLabels != nil {
		out.suspects(l.SuspectLabels)
	}
	if l.Familiarity != nil {
		out.familiarity(l.Familiarity, dataset.Splits)
	}
	if l.Coverage != nil {
		out.coverage(l.Coverage, dataset.Splits)
	}
	out.imbalance(l.Labels)
	return out
}

// Dataset says what of the dataset was not read, or may be meant in another way.
func Dataset(d *v1alpha1.SummaryDataset) []Finding {
	var out list
	if d.Groups != nil {
		out.groups(d.Groups, d.Splits)
	}
	if d.Quality != nil {
		out.quality(d.Quality)
	}
	if d.Ignored != nil && d.Ignored.Files > v1alpha1.HandfulIgnored {
		out.say(Ignored, Note, "%s taken for no samples: %s", Count(d.Ignored.Files, "file was", "files were"), d.Ignored)
	}
	for _, warning := range d.Warnings {
		out.say(Careful, Bad, "%s", sentence(warning))
	}
	if n := d.Skipped.Samples; n > 0 {
		out.say(Skipped, Note, "%s could not be read and %s left out", Count(n, "sample", "samples"), Plural(n, "was", "were"))
	}
	return out
}

// Brief says of the results in a status what a condition has room for, in clauses: the duplicates and the leakage by
// the first layer, and what of the dataset may be misread. Without the summary it knows the figures alone.
func Brief(result *v1alpha1.ResultStatus) []string {
	out := []string{clusters(result.Clusters, result.DuplicateSamples, result.Samples)}
	if result.Summary == nil {
		return out
	}
	dataset := &result.Summary.Dataset
	if layers := result.Summary.Layers; len(layers) > 0 {
		if layers[0].Leakage != nil {
			var leaks list
			leaks.leaking(&layers[0], dataset.Splits)
			out = append(out, lowerFirst(leaks[0].Text))
		}
		if brief := briefReferences(layers[0].References); brief != "" {
			out = append(out, brief)
		}
		if w := layers[0].Withheld; w != nil && w.Leaks+w.ExactCopies+w.Conflicts > 0 {
			out = append(out, lowerFirst(withheld(w)))
		}
		out = append(out, briefReports(&layers[0])...)
		if len(layers) > 1 {
			out[len(out)-1] += fmt.Sprintf(" (layer %s, the first of %d)", layers[0].Layer, len(layers))
		}
	}
	for _, f := range Dataset(dataset) {
		if f.Topic == Ignored || f.Topic == Groups && f.Kind == Bad || f.Topic == Quality && f.Kind != Good {
			out = append(out, f.Text)
		}
	}
	if len(dataset.Warnings) > 0 {
		out = append(out, "careful: "+dataset.Warnings[0])
	}
	return out
}

func clusters(n, duplicates, samples int64) string {
	return fmt.Sprintf("%s %s %s of %s", Count(n, "cluster", "clusters"), Plural(n, "holds", "hold"), Thousands(duplicates), Count(samples, "sample", "samples"))
}

// Method Local's assumption is in doubt where there are poorFit times as many pairs as expected, or where dimensions
// shrink to less than bent of what farther neighbors show.
const (
	poorFit = 1.5
	bent    = 0.8
)

func (l *list) chance(local *v1alpha1.LocalSummary) {
	if local.Pairs > 0 {
		l.say(Chance, Note, "At a rate of %s, at most %s of %s linked may be there by chance",
			local.Rate, Significant(number(local.ChancePairs)), Count(local.Pairs, "pair", "pairs"))
	}
}

// doubt says, before anything else, where method Local's assumption doesn't hold, and so its rate may not. Without pairs
// there is nothing to doubt.
func (l *list) doubt(rate v1alpha1.Decimal, of string, pairs int64, shrinkage, fit *v1alpha1.Decimal) {
	if fit == nil || shrinkage == nil || pairs == 0 { // too few samples to check anything by, or nothing found
		return
	}
	var why []string
	if bend := number(*shrinkage); bend < bent {
		why = append(why, fmt.Sprintf("nearer neighbors lie in fewer dimensions than farther ones, by a factor of %s", Significant(bend)))
	}
	if found := number(*fit); found > poorFit {
		why = append(why, fmt.Sprintf("where chance has its pairs there are %s times as many as expected", Significant(found)))
	}
	if why != nil {
		l.say(Chance, Bad, "The rate of %s may not hold%s: %s. These embeddings are not spread as method Local assumes, and more pairs than that may be look-alikes",
			rate, of, strings.Join(why, ", and "))
	}
}

func (l *list) leakage(layer *v1alpha1.LayerSummary, splits []v1alpha1.SplitSamples, asked []string) {
	evaluation, _ := sides(splits)
	switch {
	case layer.Leakage != nil:
		l.leaking(layer, splits)
	case len(splits) == 0: // a summary that was cut doesn't list them
		l.say(Leakage, Note, "There are no evaluation samples beside others, so leakage was not judged")
	case len(evaluation) > 0:
		l.say(Leakage, Note, "Every sample is in an evaluation split (%s), so leakage was not judged", Names(evaluation, "and"))
	case len(asked) > 0:
		l.say(Leakage, Note, "No sample is in an evaluation split (%s), so leakage was not judged", Names(asked, "or"))
	default:
		l.say(Leakage, Note, "No sample is in an evaluation split (one called test, val or the like), so leakage was not judged")
	}
}

func (l *list) leaking(layer *v1alpha1.LayerSummary, splits []v1alpha1.SplitSamples) {
	leaks := layer.Leakage
	to, from := sideNames(layer, splits)
	if leaks.Samples == 0 {
		l.say(Leakage, Good, "No sample of %s leaks from %s", to, from)
	} else {
		copies := ""
		switch leaks.ExactCopies {
		case 0:
		case leaks.Samples:
			copies = Plural(leaks.Samples, ", as an exact copy", ", all of them exact copies")
		default:
			copies = ", " + Count(leaks.ExactCopies, "of them an exact copy", "of them exact copies")
		}
		l.say(Leakage, Bad, "%s of %s %s from %s%s%s", Count(leaks.Samples, "sample", "samples"), to, Plural(leaks.Samples, "leaks", "leak"), from, copies, caveat(layer))
	}
	if leaks.ChainedOnly > 0 {
		l.say(Leakage, Note, "%s more only %s a cluster with one, through a chain of others",
			Count(leaks.ChainedOnly, "evaluation sample", "evaluation samples"), Plural(leaks.ChainedOnly, "shares", "share"))
	}
}

// caveat says that what leaks may not be copies.
func caveat(layer *v1alpha1.LayerSummary) string {
	strategy := layer.Threshold.Strategy
	if strategy == "" || !strategy.Relative() || layer.Leakage.ExactCopies == layer.Leakage.Samples {
		return ""
	}
	return fmt.Sprintf(" (method Reference by %s takes the nearest pairs of any dataset for copies, so some may only look alike)", strategy)
}

// sides are the names of the splits for evaluation, and of the others.
func sides(splits []v1alpha1.SplitSamples) (evaluation, others []string) {
	for _, s := range splits {
		if s.Evaluation {
			evaluation = append(evaluation, s.Name)
		} else {
			others = append(others, s.Name)
		}
	}
	return evaluation, others
}

// sideNames names both sides. Splits of a baseline are known by their leaks alone, and those of a summary that was cut
// may not be known.
func sideNames(layer *v1alpha1.LayerSummary, splits []v1alpha1.SplitSamples) (to, from string) {
	evaluation, others := sides(splits)
	for _, pair := range layer.Leakage.Pairs {
		if !slices.Contains(evaluation, pair.To) {
			evaluation = append(evaluation, pair.To)
		}
		if !slices.Contains(others, pair.From) {
			others = append(others, pair.From)
		}
	}
	if layer.Baseline != nil {
		others = append(others, "the baseline")
	}
	return named(evaluation, others)
}

// bothSides names the evaluation splits, and the others.
func bothSides(splits []v1alpha1.SplitSamples) (to, from string) { return named(sides(splits)) }

func named(evaluation, others []string) (to, from string) {
	to, from = "the evaluation splits", "the others"
	if len(evaluation) > 0 {
		to = Names(evaluation, "or")
	}
	if len(others) > 0 {
		from = Names(others, "or")
	}
	return to, from
}

// mostNamed is how many groups, samples or labels a sentence names.
const mostNamed = 3

// listed ends a sentence about n items, some of which it names.
func listed(some []string, n int64) string {
	some = some[:min(len(some), mostNamed)]
	if len(some) == 0 { // the summary was too large for them
		return ""
	}
	if more := n - int64(len(some)); more > 0 {
		some = append(slices.Clone(some), Thousands(more)+" more")
	}
	return ": " + Names(some, "and")
}

// groups says which groups are on both sides.
func (l *list) groups(g *v1alpha1.SummaryGroups, splits []v1alpha1.SplitSamples) {
	if g.Crossing == nil || g.CrossingSamples == nil {
		return
	}
	to, from := bothSides(splits)
	if *g.Crossing == 0 {
		l.say(Groups, Good, "None of the %s is in both %s and %s", Count(g.Groups, "group", "groups"), to, from)
		return
	}
	l.say(Groups, Bad, "%s of %s %s in both %s and %s, with %s of %s%s", Thousands(*g.Crossing), Count(g.Groups, "group", "groups"),
		Plural(*g.Crossing, "is", "are"), to, from, Count(*g.CrossingSamples, "sample", "samples"), to, crossing(g.Worst, *g.Crossing))
}

// crossing ends a sentence about n groups, the worst of which it names.
func crossing(worst []v1alpha1.CrossingGroup, n int64) string {
	var names []string
	for _, g := range worst {
		names = append(names, g.Name)
	}
	return listed(names, n)
}

// sequences says what looks like a leak that copies don't show, why, and what to do about it.
func (l *list) sequences(s *v1alpha1.SequencesSummary, splits []v1alpha1.SplitSamples) {
	if s.Crossing == 0 {
		return
	}
	to, from := bothSides(splits)
	by, of := "names that differ in the number at their end alone", "neighbors of one label"
	switch s.Evidence {
	case v1alpha1.SequenceFolder:
		by = "folders"
	case v1alpha1.SequenceOrder:
		by, of = "numbers that follow each other in names", "samples that follow each other"
	case v1alpha1.SequenceTime:
		by, of = "the camera and the time in EXIF metadata", "samples that follow each other"
	case v1alpha1.SequenceName:
	}
	l.say(Sequences, Bad, "A suspicion: by %s, %s in both %s and %s, with %s of %s%s. The embeddings agree: %s %% of %s in %s and %s are such, where chance gives %s %%. "+
		"If they are recordings, patients or the like, name them in a column group: groups.csv proposes one, sequence. If they are finer classes, nothing leaks",
		by, Count(s.Crossing, "sequence is", "sequences are"), to, from, Count(s.CrossingSamples, "sample", "samples"), to, crossing(s.Worst, s.Crossing),
		percent(s.Together), of, to, from, percent(s.Chance))
}

func percent(share v1alpha1.Decimal) string { return Significant(100 * number(share)) }

func (l *list) conflicts(pairs int64) {
	if pairs == 0 {
		l.say(Conflicts, Good, "No duplicates contradict each other in their labels")
		return
	}
	l.say(Conflicts, Bad, "%s of duplicates %s labels that contradict each other", Count(pairs, "pair", "pairs"), Plural(pairs, "bears", "bear"))
}

// known says what a baseline holds already.
func (l *list) known(b *v1alpha1.BaselineSummary) {
	if b.DuplicateSamples == 0 {
		l.say(Baseline, Good, "None of the samples is in the baseline of %s", Thousands(b.Samples))
		return
	}
	l.say(Baseline, Note, "%s already in the baseline of %s%s", Count(b.DuplicateSamples, "sample is", "samples are"), Thousands(b.Samples), exactly(b.ExactCopies))
}

// exactly says how many of the samples that were just counted are exact copies.
func exactly(copies int64) string {
	if copies == 0 {
		return ""
	}
	return fmt.Sprintf(", %s exact", Thousands(copies))
}

// references says which references the dataset holds something of.
func (l *list) references(all []v1alpha1.ReferenceSummary) {
	var clean []string
	for _, r := range all {
		if r.Samples == 0 {
			clean = append(clean, r.Name)
			continue
		}
		l.say(References, Bad, "%s in the reference %s%s: %s of its %s %s known", Count(r.Samples, "sample is", "samples are"), r.Name, exactly(r.ExactCopies),
			Thousands(r.ReferenceSamples), Thousands(r.Size), Plural(r.ReferenceSamples, "is", "are"))
	}
	if len(clean) > 0 {
		l.say(References, Good, "No sample is in the %s %s", Plural(int64(len(clean)), "reference", "references"), Names(clean, "or"))
	}
}

// briefReferences is what a condition has room for: the first reference that the dataset holds something of, and how many
// more there are.
func briefReferences(all []v1alpha1.ReferenceSummary) string {
	var said list
	said.references(all)
	if len(said) == 0 {
		return ""
	}
	brief := said[0].Text // what is bad comes first
	more := 0
	for _, f := range said[1:] {
		if f.Kind == Bad {
			more++
		}
	}
	if more > 0 {
		brief += fmt.Sprintf(", and it is so with %s", Count(int64(more), "more reference", "more references"))
	}
	return lowerFirst(brief)
}

// number is a decimal of our own: it reads back.
func number(d v1alpha1.Decimal) float64 {
	x, _ := d.Float64()
	return x
}

// sentence begins a warning with a capital letter, unless its first word is a name.
func sentence(warning string) string {
	word, _, _ := strings.Cut(warning, " ")
	if word == "" || strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return warning
	}
	first, size := utf8.DecodeRuneInString(warning)
	return string(unicode.ToUpper(first)) + warning[size:]
}

func lowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[size:]
}

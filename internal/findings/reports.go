package findings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// problems are the kinds of poor images, as a sentence names them.
var problems = map[v1alpha1.ImageProblem]string{
	"Dark": "dark", "Bright": "bright", "LowContrast": "of low contrast", "Blurred": "blurred", "OddAspect": "of an odd shape", "OddSize": "of an odd size",
	"NearEmpty": "nearly empty", "Gray": "gray among color", "Compressed": "compressed heavily", "Bordered": "within a frame", "CorruptTail": "without their lower end",
}

// briefReports are what a condition says of a layer's parts beside duplicates: what asks for a look.
func briefReports(layer *v1alpha1.LayerSummary) []string {
	var all list
	if s := layer.SuspectLabels; s != nil && s.Suspects > 0 {
		all.suspects(s)
	}
	if f := layer.Familiarity; f != nil && f.RareSamples > 0 {
		all.say(Familiarity, Note, "%s out of place", Count(f.RareSamples, "sample is", "samples are"))
	}
	var out []string
	for _, f := range all {
		out = append(out, lowerFirst(f.Text))
	}
	return out
}

func problemName(p v1alpha1.ImageProblem) string {
	if name, known := problems[p]; known {
		return name
	}
	return string(p)
}

// quality says how many images are poor, and which problems gather in a label or split.
func (l *list) quality(q *v1alpha1.QualitySummary) {
	found := slices.DeleteFunc(slices.Clone(q.Problems), func(p v1alpha1.ProblemSummary) bool { return p.Samples == 0 })
	slices.SortStableFunc(found, func(a, b v1alpha1.ProblemSummary) int { return int(b.Samples - a.Samples) })
	var parts, typical []string
	for _, p := range found {
		parts = append(parts, Thousands(p.Samples)+" "+problemName(p.Problem))
	}
	for _, p := range q.Problems {
		if p.Typical {
			typical = append(typical, strings.TrimSuffix(problemName(p.Problem), " among color"))
		}
	}
	switch {
	case q.PoorSamples > 0:
		l.say(Quality, Note, "%s of %s %s poor: %s", Thousands(q.PoorSamples), Count(q.Samples, "image", "images"), Plural(q.PoorSamples, "is", "are"), strings.Join(parts, ", "))
	case len(typical) > 0:
		l.say(Quality, Good, "None of the %s is poor in a way that most are not", Count(q.Samples, "image", "images"))
	default:
		l.say(Quality, Good, "None of the %s is dark, blurred or poor otherwise", Count(q.Samples, "image", "images"))
	}
	if len(typical) > 0 {
		l.say(Quality, Note, "Most images are %s, which is taken for the nature of this dataset and counted for none", Names(typical, "and"))
	}
	for _, p := range q.Problems {
		if u := p.Uneven; u != nil {
			l.say(Quality, Bad, "%s %% of %s are %s, and %s %% of all others: a model may learn that in place of what it should",
				percent(u.Share), part(u), problemName(p.Problem), percent(u.Elsewhere))
		}
	}
}

func part(u *v1alpha1.UnevenSummary) string {
	if u.Label != nil {
		return "label " + text.Name(*u.Label)
	}
	if u.Split != nil && *u.Split != "" {
		return "split " + text.Name(*u.Split)
	}
	return "the samples without a split"
}

// familiarity says which samples are unlike the others.
func (l *list) familiarity(f *v1alpha1.FamiliaritySummary, splits []v1alpha1.SplitSamples) {
	if f.RareSamples == 0 {
		l.say(Familiarity, Good, "No sample is out of place among the others")
	} else {
		l.say(Familiarity, Note, "%s out of place among the others%s", Count(f.RareSamples, "sample is", "samples are"), firstOf(f.Rarest, f.RareSamples))
	}
	if n := f.UnseenSamples; n != nil && *n > 0 {
		to, from := bothSides(splits)
		l.say(Familiarity, Note, "%s of %s unlike all of %s%s", Count(*n, "sample", "samples"), to+Plural(*n, " is", " are"), from, firstOf(f.Unseen, *n))
	}
}

// firstOf ends a sentence about n samples, the first of which it names.
func firstOf(samples []v1alpha1.NamedSample, n int64) string {
	var ids []string
	for _, s := range samples[:min(len(samples), int(n))] {
		ids = append(ids, s.ID)
	}
	return listed(ids, n)
}

// suspects says how many labels are probably wrong.
func (l *list) suspects(s *v1alpha1.SuspectLabelsSummary) {
	switch {
	case s.Samples == 0 && s.OverlappingLabels+s.SmallLabels < 2:
		l.say(Labels, Note, "No two samples with one label each differ in it, so no label was judged")
	case s.Samples == 0 && s.OverlappingLabels == 0:
		l.say(Labels, Note, "Each label has fewer than 20 samples, which are too few to judge any")
	case s.Samples == 0:
		l.say(Labels, Note, "The labels can't be told apart by these vectors, so none was judged")
	case s.Suspects == 0:
		l.say(Labels, Good, "None of %s is more likely wrong than not", Count(s.Samples, "label", "labels"))
	default:
		estimate := ""
		if all := int64(number(s.ExpectedErrors)); all > s.Suspects {
			estimate = fmt.Sprintf("; about %s are in all, by the estimate", Thousands(all))
		}
		l.say(Labels, Bad, "%s of %s %s probably wrong%s", Thousands(s.Suspects), Count(s.Samples, "label", "labels"), Plural(s.Suspects, "is", "are"), estimate)
	}
	if n := s.OverlappingLabels; n > 0 && s.Samples > 0 {
		l.say(Labels, Note, "%s from others by these vectors, so %s samples were not judged", Count(n, "label can't be told", "labels can't be told"), Plural(n, "its", "their"))
	}
	if n := s.SmallLabels; n > 0 && s.Samples > 0 {
		l.say(Labels, Note, "%s fewer than 20 samples, too few to be judged", Count(n, "label has", "labels have"))
	}
}

// wellCovered is the share of the evaluation that lies near other samples where nothing is to be said.
const wellCovered = 0.8

func (l *list) coverage(c *v1alpha1.CoverageSummary, splits []v1alpha1.SplitSamples) {
	to, from := bothSides(splits)
	if number(c.Covered) < wellCovered {
		l.say(Coverage, Note, "Only %s %% of %s lie as near to a sample of %s as 95 %% of these lie to each other: it asks for what is hardly there to learn",
			percent(c.Covered), to, from)
	}
	if c.UnseenLabels > 0 {
		l.say(Coverage, Bad, "%s in %s and not in %s, so nothing teaches %s%s", Count(c.UnseenLabels, "label is", "labels are"), to, from,
			Plural(c.UnseenLabels, "it", "them"), listed(names(c.Labels, c.UnseenLabels), c.UnseenLabels))
	}
	if c.UntestedLabels > 0 {
		l.say(Coverage, Note, "%s in %s and not in %s, which says nothing of %s then%s", Count(c.UntestedLabels, "label is", "labels are"), from, to,
			Plural(c.UntestedLabels, "it", "them"), listed(c.Untested, c.UntestedLabels))
	}
	said := 0
	for _, label := range c.Labels {
		if said < mostNamed && label.Training > 0 && label.Samples >= fewestCovered && number(label.Covered) < wellCovered {
			l.say(Coverage, Note, "Label %s lacks samples in %s that are like those in %s: %s %% of its %s there lie near one%s", text.Name(label.Name), from, to,
				percent(label.Covered), Thousands(label.Samples), examples(label.Lacking))
			said++
		}
	}
}

// fewestCovered is how many samples of the evaluation make a share of a label worth a word.
const fewestCovered = 10

// names are those of the first n labels, as far as they are listed.
func names(labels []v1alpha1.LabelCoverage, n int64) []string {
	var out []string
	for _, label := range labels[:min(int64(len(labels)), n)] {
		out = append(out, label.Name)
	}
	return out
}

func examples(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ", and these do not: " + Names(ids, "and")
}

// A class is small where it has less than a twentieth of the largest one's effective size, of all labels that are listed.
const smallClass = 20

func (l *list) imbalance(labels []v1alpha1.GroupSummary) {
	if len(labels) < 2 {
		return
	}
	largest := slices.MaxFunc(labels, func(a, b v1alpha1.GroupSummary) int { return int(a.EffectiveSize - b.EffectiveSize) })
	var small []string
	for _, label := range labels {
		if label.Name != "" && label.EffectiveSize*smallClass < largest.EffectiveSize {
			small = append(small, fmt.Sprintf("%s (%s)", text.Name(label.Name), Thousands(label.EffectiveSize)))
		}
	}
	if len(small) > 0 {
		l.say(Imbalance, Note, "%s a twentieth of what %s has, %s samples each cluster counted once: %s", Count(int64(len(small)), "label has less than", "labels have less than"),
			text.Name(largest.Name), Thousands(largest.EffectiveSize), Names(small, "and"))
	}
}

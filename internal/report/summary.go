package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// Summarize puts the findings into the API's words and bounds, in at most v1alpha1.MaxResultBytes.
func Summarize(f *Findings) *v1alpha1.AuditSummary {
	summary := summarize(f)
	fit(summary)
	return summary
}

// summarize keeps the bound of each list, but not that of the whole.
func summarize(f *Findings) *v1alpha1.AuditSummary {
	summary := &v1alpha1.AuditSummary{
		SchemaVersion: v1alpha1.SummarySchemaVersion,
		Run:           f.Run,
		Dataset: v1alpha1.SummaryDataset{
			Samples:  int64(len(f.audited())),
			Revision: f.Audit.Spec.Dataset.Revision,
			Location: cut(f.Location),
			Digest:   f.Digest,
			Skipped:  v1alpha1.SkippedSamples{Samples: int64(len(f.Skipped))},
			Ignored:  f.Ignored,
		},
		Model:      summarizeModel(f.Model),
		Baseline:   f.Baseline,
		References: f.References,
		Verdicts:   f.Reviewed,
		Versions:   f.Versions,
		Cost:       f.Cost,
	}
	for _, s := range f.Skipped[:min(len(f.Skipped), v1alpha1.MaxSkippedEntries)] {
		summary.Dataset.Skipped.Entries = append(summary.Dataset.Skipped.Entries,
			v1alpha1.SkippedSample{ID: cut(s.ID), Reason: cmp.Or(cut(s.Reason), "unreadable")})
	}
	for _, warning := range f.Warnings[:min(len(f.Warnings), v1alpha1.MaxWarnings)] {
		summary.Dataset.Warnings = append(summary.Dataset.Warnings, cut(warning))
	}
	splits := splitOrder(f.audited())
	counts := map[string]int64{}
	for _, s := range f.audited() {
		counts[s.Split]++
	}
	for _, name := range splits {
		summary.Dataset.Splits = append(summary.Dataset.Splits, v1alpha1.SplitSamples{
			Name: cut(name), Samples: counts[name], Evaluation: slices.Contains(f.EvaluationSplits, name),
		})
	}
	summary.Dataset.Splits = largest(summary.Dataset.Splits, v1alpha1.MaxSummaryGroups,
		func(s v1alpha1.SplitSamples) int64 { return s.Samples })

	summary.Dataset.Groups = f.groups()
	summary.Dataset.Quality = f.summarizeQuality()

	top := v1alpha1.DefaultTopClusters
	if wanted := f.Audit.Spec.Output.TopClusters; wanted != nil {
		top = int(*wanted)
	}
	for _, l := range f.Layers {
		layer := summarizeLayer(l, splits, summary.Dataset.Splits, top, len(f.redundant(l.Result)))
		layer.Withheld = summarizeWithheld(l.Result.Withheld, f.Verdicts)
		summary.Layers = append(summary.Layers, layer)
	}
	return summary
}

// groups counts what the samples come from; nil for a dataset that does not say.
func (f *Findings) groups() *v1alpha1.SummaryGroups {
	found := duplicates.FindGroups(f.audited(), f.EvaluationSplits)
	if found.Groups == 0 {
		return nil
	}
	out := &v1alpha1.SummaryGroups{Groups: int64(found.Groups), Samples: int64(found.Samples)}
	if found.Judged {
		out.Crossing, out.CrossingSamples = new(int64(len(found.Crossing))), new(int64(found.CrossingSamples))
	}
	out.Worst = worst(found.Crossing)
	return out
}

func worst(crossing []duplicates.CrossingGroup) []v1alpha1.CrossingGroup {
	var out []v1alpha1.CrossingGroup
	for _, g := range crossing[:min(len(crossing), v1alpha1.MaxCrossingGroups)] {
		out = append(out, v1alpha1.CrossingGroup{Name: cut(g.Name), Evaluation: int64(g.Evaluation), Others: int64(g.Others)})
	}
	return out
}

func summarizeSequences(s *duplicates.Sequences) *v1alpha1.SequencesSummary {
	if s == nil {
		return nil
	}
	out := &v1alpha1.SequencesSummary{Crossing: int64(len(s.Groups.Crossing)), CrossingSamples: int64(s.Groups.CrossingSamples)}
	if out.Crossing > 0 {
		share := func(n float64) v1alpha1.Decimal { return v1alpha1.NewDecimal(n / float64(max(s.Compared, 1))) }
		out.Evidence, out.Worst = v1alpha1.SequenceEvidence(s.Evidence), worst(s.Groups.Crossing)
		out.Together, out.Chance = share(float64(s.Together)), share(s.Chance)
	}
	return out
}

// summarizeModel bounds the texts.
func summarizeModel(m *v1alpha1.SummaryModel) *v1alpha1.SummaryModel {
	if m == nil {
		return nil
	}
	bounded := *m
	bounded.Name, bounded.Location = cut(m.Name), cut(m.Location)
	return &bounded
}

// encode writes a summary as its file has it: on one line, since what holds it has a bound.
func encode(summary *v1alpha1.AuditSummary) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(summary)
	return out.Bytes(), err
}

// fit cuts the lists of a summary until it fits its ConfigMap, those first that other files hold: the members of the
// top clusters, points of the curve, where problems of images are, rare samples, suspects and what labels lack, the top
// clusters, the splits of references, then labels, splits and pairs of splits.
func fit(summary *v1alpha1.AuditSummary) {
	each := func(cut func(l *v1alpha1.LayerSummary)) func() {
		return func() {
			for i := range summary.Layers {
				cut(&summary.Layers[i])
			}
		}
	}
	labels := func(l *v1alpha1.LayerSummary) {
		l.Labels = largest(l.Labels, len(l.Labels)/2, func(g v1alpha1.GroupSummary) int64 { return g.Samples })
		l.Splits = largest(l.Splits, len(l.Splits)/2, func(g v1alpha1.GroupSummary) int64 { return g.Samples })
		if l.Leakage != nil {
			l.Leakage.Pairs = l.Leakage.Pairs[:len(l.Leakage.Pairs)/2]
		}
		if l.Sequences != nil {
			l.Sequences.Worst = l.Sequences.Worst[:len(l.Sequences.Worst)/2]
		}
	}
	steps := []func(){
		each(func(l *v1alpha1.LayerSummary) {
			for i := range l.TopClusters {
				l.TopClusters[i].Members = nil
			}
		}),
		each(func(l *v1alpha1.LayerSummary) { l.DistanceQuantiles = thin(l.DistanceQuantiles) }),
		each(func(l *v1alpha1.LayerSummary) { l.DistanceQuantiles = thin(l.DistanceQuantiles) }),
		func() {
			if quality := summary.Dataset.Quality; quality != nil {
				for i := range quality.Problems {
					quality.Problems[i].Worst, quality.Problems[i].Labels, quality.Problems[i].Splits = nil, nil, nil
				}
			}
		},
		each(func(l *v1alpha1.LayerSummary) {
			if l.Familiarity != nil {
				l.Familiarity.Rarest, l.Familiarity.Unseen = nil, nil
			}
			if l.SuspectLabels != nil {
				l.SuspectLabels.Worst = nil
			}
			if l.Coverage != nil {
				l.Coverage.Labels, l.Coverage.Untested = nil, nil
			}
		}),
		each(func(l *v1alpha1.LayerSummary) { l.TopClusters = l.TopClusters[:len(l.TopClusters)/2] }),
		each(func(l *v1alpha1.LayerSummary) { l.TopClusters = l.TopClusters[:len(l.TopClusters)/4] }),
		each(func(l *v1alpha1.LayerSummary) {
			for i := range l.References {
				l.References[i].Splits = nil
			}
		}),
		each(labels), each(labels), each(labels), each(labels), each(labels),
		each(func(l *v1alpha1.LayerSummary) { l.TopClusters = nil }),
		func() {
			summary.Dataset.Splits, summary.Dataset.Skipped.Entries = nil, nil
			if summary.Dataset.Groups != nil {
				summary.Dataset.Groups.Worst = nil
			}
		},
		each(func(l *v1alpha1.LayerSummary) { l.DistanceQuantiles, l.Labels, l.Splits = nil, nil, nil }),
	}
	for _, step := range steps {
		if data, err := encode(summary); err != nil || len(data) <= v1alpha1.MaxResultBytes {
			return // an error comes again when the file is written
		}
		summary.Truncated = true
		step()
	}
}

// thin keeps every other point of a curve, its first and last among them.
func thin(curve []v1alpha1.Decimal) []v1alpha1.Decimal {
	n := len(curve) / 2
	out := make([]v1alpha1.Decimal, n)
	for i := range out {
		out[i] = curve[i*(len(curve)-1)/max(n-1, 1)]
	}
	return out
}

func summarizeLayer(l Layer, splits []string, kept []v1alpha1.SplitSamples, top, redundant int) v1alpha1.LayerSummary {
	r := l.Result
	out := v1alpha1.LayerSummary{
		Layer:                 l.Name,
		Dimensions:            int64(l.Dimensions),
		Components:            int64(l.Components),
		DroppedComponents:     int64(l.DroppedComponents),
		DroppedColumns:        int64(r.DroppedColumns),
		Threshold:             summarizeThreshold(l),
		Local:                 summarizeLocal(l),
		Samples:               int64(r.Audited()),
		Clusters:              int64(len(r.Clusters)),
		DuplicateSamples:      int64(r.Total.DuplicateSamples),
		RedundantSamples:      int64(redundant),
		ExactCopies:           int64(r.ExactCopies),
		EqualVectors:          equalVectors(r),
		EffectiveSize:         int64(r.Total.EffectiveSize),
		WeightedEffectiveSize: v1alpha1.NewDecimal(r.Total.WeightedSize),
		Labels:                summarizeShares(r.Labels),
		Leakage:               summarizeLeakage(r.Leakage),
		Sequences:             summarizeSequences(r.Sequences),
	}
	if l.Search.Method != "" {
		out.Search = &l.Search
	}
	out.Familiarity = summarizeFamiliarity(l.Familiarity, r.Samples)
	out.SuspectLabels = l.summarizeSuspects()
	out.Coverage = summarizeCoverage(r.Coverage, r.Samples)
	if known := r.Known; known != nil {
		out.Baseline = &v1alpha1.BaselineSummary{
			Samples: int64(known.Baseline), DuplicateSamples: int64(known.Samples), ExactCopies: int64(known.ExactCopies),
		}
	}
	for _, ref := range l.References {
		out.References = append(out.References, summarizeReference(ref, r.Samples, kept))
	}
	position := make(map[string]int, len(splits))
	for i, split := range splits {
		position[split] = i
	}
	bySplit := slices.Clone(r.Splits)
	slices.SortFunc(bySplit, func(a, b duplicates.Share) int { return cmp.Compare(position[a.Name], position[b.Name]) })
	out.Splits = summarizeShares(bySplit)
	if r.Labels != nil {
		conflicts := int64(r.LabelConflicts)
		out.LabelConflicts = &conflicts
	}
	for _, d := range r.Curve {
		out.DistanceQuantiles = append(out.DistanceQuantiles, v1alpha1.NewDecimal(d))
	}
	for _, c := range r.Clusters {
		if len(out.TopClusters) == top {
			break
		}
		if !c.Oversized {
			out.TopClusters = append(out.TopClusters, summarizeCluster(r, c, splits))
		}
	}
	return out
}

// equalVectors is nil where vectors are all that is known of the samples.
func equalVectors(r *duplicates.Result) *int64 {
	if r.Samples[0].Picture == (duplicates.Picture{}) {
		return nil
	}
	return new(int64(r.EqualVectors))
}

func summarizeThreshold(l Layer) v1alpha1.ThresholdSummary {
	threshold := l.Result.Threshold
	out := v1alpha1.ThresholdSummary{Strategy: l.Strategy, Distance: v1alpha1.NewDecimal(threshold.Distance)}
	if l.Strategy.Euclidean() {
		normalized := v1alpha1.NewDecimal(threshold.Distance * math.Sqrt(float64(l.Result.Scale)))
		out.NormalizedDistance = &normalized
	}
	if threshold.Elbow >= 0 {
		elbow := int64(threshold.Elbow)
		out.Elbow = &elbow
	}
	return out
}

func summarizeShares(shares []duplicates.Share) []v1alpha1.GroupSummary {
	var out []v1alpha1.GroupSummary
	for _, s := range shares {
		out = append(out, v1alpha1.GroupSummary{
			Name:                  cut(s.Name),
			Samples:               int64(s.Samples),
			DuplicateSamples:      int64(s.DuplicateSamples),
			EffectiveSize:         int64(s.EffectiveSize),
			WeightedEffectiveSize: v1alpha1.NewDecimal(s.WeightedSize),
		})
	}
	return largest(out, v1alpha1.MaxSummaryGroups, func(g v1alpha1.GroupSummary) int64 { return g.Samples })
}

func summarizeWithheld(w duplicates.Withheld, verdicts []v1alpha1.Verdict) *v1alpha1.WithheldSummary {
	out := &v1alpha1.WithheldSummary{
		Pairs: int64(w.Pairs), Leaks: int64(w.Leaks), ExactCopies: int64(w.ExactCopies), Conflicts: int64(w.Conflicts), Overruled: int64(w.Overruled),
	}
	for _, v := range verdicts {
		if v.Verdict == v1alpha1.VerdictNotCopies && v.Reviewer == "" {
			out.Anonymous++
		}
	}
	return out
}

func summarizeLeakage(l *duplicates.Leakage) *v1alpha1.LeakageSummary {
	if l == nil {
		return nil
	}
	out := &v1alpha1.LeakageSummary{
		Samples:     int64(l.Samples),
		ExactCopies: int64(l.ExactCopies),
		ChainedOnly: int64(l.ChainedOnly),
		Clusters:    int64(l.Clusters),
	}
	for _, p := range l.Pairs {
		out.Pairs = append(out.Pairs, v1alpha1.LeakagePair{From: cut(p.From), To: cut(p.To), Samples: int64(p.Samples)})
	}
	out.Pairs = largest(out.Pairs, v1alpha1.MaxLeakagePairs, func(p v1alpha1.LeakagePair) int64 { return p.Samples })
	return out
}

func summarizeCoverage(c *duplicates.Coverage, samples []duplicates.Sample) *v1alpha1.CoverageSummary {
	if c == nil {
		return nil
	}
	share := func(covered, of int) v1alpha1.Decimal { return v1alpha1.NewDecimal(float64(covered) / float64(of)) }
	out := &v1alpha1.CoverageSummary{Samples: int64(c.Samples), Covered: share(c.Covered, c.Samples), Distance: v1alpha1.NewDecimal(c.Distance)}
	for _, l := range c.Labels {
		if l.Training == 0 {
			out.UnseenLabels++
		}
		if l.Samples == 0 {
			if out.UntestedLabels++; len(out.Untested) < v1alpha1.MaxCoverageLabels {
				out.Untested = append(out.Untested, cut(l.Label))
			}
			continue
		}
		if len(out.Labels) == v1alpha1.MaxCoverageLabels {
			continue
		}
		label := v1alpha1.LabelCoverage{Name: cut(l.Label), Samples: int64(l.Samples), Training: int64(l.Training), Covered: share(l.Covered, l.Samples)}
		for _, row := range l.Far {
			label.Lacking = append(label.Lacking, cut(samples[row].ID))
		}
		out.Labels = append(out.Labels, label)
	}
	return out
}

// maxClusterGroups bounds the splits and the labels that a top cluster names.
const maxClusterGroups = 16

func summarizeCluster(r *duplicates.Result, c duplicates.Cluster, splits []string) v1alpha1.ClusterSummary {
	medoid := r.Samples[c.Medoid].ID
	out := v1alpha1.ClusterSummary{
		Cluster:  int64(c.ID),
		Key:      clusterKey(medoid),
		Size:     int64(len(c.Members)),
		Mean:     v1alpha1.NewDecimal(c.Mean),
		Diameter: v1alpha1.NewDecimal(c.Diameter),
		Medoid:   cut(medoid),
	}
	var labels []string
	touched := map[string]bool{}
	for _, m := range c.Members {
		labels = append(labels, r.Samples[m.Row].Labels...)
		touched[r.Samples[m.Row].Split] = true
	}
	for _, split := range splits {
		if split != "" && touched[split] && len(out.Splits) < maxClusterGroups {
			out.Splits = append(out.Splits, cut(split))
		}
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	for _, label := range labels[:min(len(labels), maxClusterGroups)] {
		out.Labels = append(out.Labels, cut(label))
	}
	nearest := slices.Clone(c.Members)
	slices.SortFunc(nearest, func(a, b duplicates.Member) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Row, b.Row))
	})
	for _, m := range nearest[:min(len(nearest), v1alpha1.MaxClusterMembers)] {
		out.Members = append(out.Members, cut(r.Samples[m.Row].ID))
	}
	return out
}

// splitOrder returns the splits in the order in which they first appear.
func splitOrder(samples []duplicates.Sample) []string {
	var order []string
	seen := map[string]bool{}
	for _, s := range samples {
		if !seen[s.Split] {
			seen[s.Split] = true
			order = append(order, s.Split)
		}
	}
	return order
}

// largest keeps the n largest items, the earlier ones among equals, in the order that they had.
func largest[T any](items []T, n int, size func(T) int64) []T {
	if len(items) <= n {
		return items
	}
	positions := make([]int, len(items))
	for i := range positions {
		positions[i] = i
	}
	slices.SortStableFunc(positions, func(a, b int) int { return cmp.Compare(size(items[b]), size(items[a])) })
	positions = positions[:n]
	slices.Sort(positions)
	out := make([]T, n)
	for i, at := range positions {
		out[i] = items[at]
	}
	return out
}

// cut bounds a text to what the API lets a name have.
func cut(s string) string { return text.Prefix(text.Valid(s), v1alpha1.MaxSampleIDLength) }

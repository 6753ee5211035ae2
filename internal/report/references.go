package report

import (
	"context"
	"encoding/base64"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

// summarizeReference says what the samples share with a reference. Splits are those of the summary, in its order.
func summarizeReference(ref Reference, samples []duplicates.Sample, splits []v1alpha1.SplitSamples) v1alpha1.ReferenceSummary {
	c := ref.Comparison
	out := v1alpha1.ReferenceSummary{
		Name: ref.Name, Size: int64(len(ref.Samples)),
		Samples: int64(len(c.Matches)), ExactCopies: int64(c.ExactCopies), ReferenceSamples: int64(len(c.Found)), Pairs: int64(c.Links()),
	}
	if j := c.Judgment; j != nil {
		out.ChancePairs, out.Shrinkage = new(rounded(j.ChancePairs)), new(rounded(j.Shrinkage))
		if !math.IsNaN(j.Fit) {
			out.Fit = new(rounded(j.Fit))
		}
		out.Inspected = j.Inspection != nil
	}
	count := map[string]int64{}
	for _, m := range c.Matches {
		count[cut(samples[m.Row].Split)]++
	}
	for _, split := range splits {
		if split.Name != "" || len(splits) > 1 {
			out.Splits = append(out.Splits, v1alpha1.SplitSamples{Name: split.Name, Samples: count[split.Name]})
		}
	}
	return out
}

const (
	// maxReferencePairs bounds the pairs with samples of references that a page shows, over all layers and references.
	maxReferencePairs = 240
	// referenceSide is the longer side in pixels of their pictures.
	referenceSide = 128
)

// pageReference is a reference on the page.
type pageReference struct {
	v1alpha1.ReferenceSummary
	// Cells are the numbers of samples by the dataset's splits.
	Cells []matrixCell
	Pairs []referencePair
	// Unlisted counts samples that the page doesn't show.
	Unlisted int
}

// referencePair is a sample of the dataset and the one of the reference that is nearest to it.
type referencePair struct {
	Own, Other pairSample
	Exact      bool
	Distance   float64
	Similarity string
	Change     string
}

type pairSample struct {
	ID, Split, Labels string
	Picture           template.URL // empty where there is none

	index int
}

// references are those of a layer on the page. Room is how many pairs each may show.
func (l *Layer) references(summary *v1alpha1.LayerSummary, splits []v1alpha1.SplitSamples, room int) []*pageReference {
	sizes := map[string]int64{}
	for _, s := range splits {
		sizes[s.Name] = s.Samples
	}
	var out []*pageReference
	for i, ref := range l.References {
		p := &pageReference{ReferenceSummary: summary.References[i]}
		for _, s := range p.Splits {
			p.Cells = append(p.Cells, matrixCell{Samples: int(s.Samples), Shade: shade(int(s.Samples), int(sizes[s.Name]))})
		}
		matches := slices.Clone(ref.Comparison.Matches)
		slices.SortStableFunc(matches, duplicates.Match.Compare)
		for _, m := range matches[:min(len(matches), room)] {
			pair := referencePair{
				Own: pairSampleOf(l.Result.Samples[m.Row]), Other: pairSampleOf(ref.Samples[m.Sample]), Exact: m.Exact,
				Distance: m.Link.Distance, Similarity: similarity(m.Link.Seen), Change: change(m.Link.Seen),
			}
			if data := ref.Thumbnail(m.Sample); data != nil {
				pair.Other.Picture = pictureURL(data)
			}
			p.Pairs = append(p.Pairs, pair)
		}
		p.Unlisted = len(matches) - len(p.Pairs)
		out = append(out, p)
	}
	return out
}

func pairSampleOf(s duplicates.Sample) pairSample {
	return pairSample{ID: s.ID, Split: s.Split, Labels: strings.Join(s.Labels, ", "), index: s.Index}
}

// pictureURL is a JPEG file as the page bears it.
func pictureURL(data []byte) template.URL {
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data))
}

// shown are the dataset's samples that the page shows beside its clusters.
func (p *page) shown() []*pairSample {
	var all []*pairSample
	add := func(of []tiles) {
		for _, t := range of {
			for i := range t.Tiles {
				all = append(all, &t.Tiles[i].Own)
				if beside := t.Tiles[i].Beside; beside != nil {
					all = append(all, beside)
				}
			}
		}
	}
	add(p.Quality)
	for _, l := range p.Layers {
		add(l.Tiles)
		for _, ref := range l.References {
			for i := range ref.Pairs {
				all = append(all, &ref.Pairs[i].Own)
			}
		}
	}
	return all
}

// pictureSamples draws samples of the dataset.
func (f *Findings) pictureSamples(ctx context.Context, samples []*pairSample) error {
	if f.Images == nil || len(samples) == 0 {
		return nil
	}
	shown := map[int][]*pairSample{}
	for _, own := range samples {
		shown[own.index] = append(shown[own.index], own)
	}
	drawn, err := thumbnails(ctx, f.Images, slices.Sorted(maps.Keys(shown)), referenceSide, images.Decoder{IgnoreOrientation: f.Audit.Spec.Dataset.IgnoreOrientation})
	if err != nil {
		return err
	}
	for index, data := range drawn {
		for _, own := range shown[index] {
			own.Picture = pictureURL(data)
		}
	}
	return nil
}

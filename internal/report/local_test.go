package report

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/findings"
)

// space are embeddings of several dimensions.
type space [][]float32

func (s space) Dimensions() int     { return len(s[0]) }
func (s space) Row(i int) []float32 { return s[i] }

// planted scatters 400 samples, and copies of some of them: of the first ten one, of the next ten several that are ever
// less alike.
func planted() (space, []duplicates.Sample) {
	r := rand.New(rand.NewPCG(8, 8))
	var points space
	for range 400 {
		p := make([]float32, 12)
		for i := range p {
			p[i] = float32(r.NormFloat64())
		}
		points = append(points, p)
	}
	for source := range 20 {
		for copied := range 1 + source/10*5 {
			p := slices.Clone(points[source])
			for i := range p {
				p[i] += float32(0.02 * float64(1+3*copied) * r.NormFloat64())
			}
			points = append(points, p)
		}
	}
	samples := make([]duplicates.Sample, len(points))
	for i := range samples {
		samples[i] = duplicates.Sample{Index: i, ID: fmt.Sprintf("%04d", i), Split: []string{"train", "train", "test"}[i%3]}
	}
	return points, samples
}

// local audits by method Local; every pair looks as if the second were the first, mirrored.
func (s space) local(t *testing.T, samples []duplicates.Sample, rate float64) *Findings {
	t.Helper()
	var x []float64
	for _, p := range s {
		for _, v := range p {
			x = append(x, float64(v))
		}
	}
	look := func(_ context.Context, pairs []duplicates.Link) ([]duplicates.Resemblance, error) {
		seen := make([]duplicates.Resemblance, len(pairs))
		for i := range seen {
			seen[i] = duplicates.Resemblance{Similarity: 0.75, Change: duplicates.Change{Mirrored: true, Zoom: 1, Stretch: 1, Contrast: 1}}
		}
		return seen, nil
	}
	r, err := duplicates.Find(t.Context(), samples, x, s.Dimensions(), s, duplicates.Options{
		Neighbors: 50, MaxClusterSize: 50, EvaluationSplits: []string{"test"}, NearMisses: 1000, Threads: 1,
		Local: &duplicates.Local{Rate: rate, Inspect: look},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Findings{
		Audit:  &v1alpha1.DatasetAudit{Spec: v1alpha1.DatasetAuditSpec{Duplicates: v1alpha1.DuplicatesSpec{Method: v1alpha1.MethodLocal, Inspection: v1alpha1.InspectionPixels}}},
		Digest: "sha256:" + strings.Repeat("0", 64), Samples: samples, EvaluationSplits: []string{"test"},
		Layers: []Layer{{Name: "conv", Strategy: v1alpha1.ThresholdFalseDiscovery, Dimensions: 12, Components: 12, Result: r}},
		Images: halves(64, func(index int) bool { return index < 400 }),
	}
}

// halves are pictures of which the left half is white, or the right one.
func halves(side int, left func(index int) bool) func(context.Context, []int) iter.Seq2[Image, error] {
	return func(_ context.Context, indices []int) iter.Seq2[Image, error] {
		return func(yield func(Image, error) bool) {
			for _, index := range indices {
				img := image.NewGray(image.Rect(0, 0, side, side))
				for i := range side * side {
					if (i%side < side/2) == left(index) {
						img.Pix[i] = 255
					}
				}
				var out bytes.Buffer
				err := png.Encode(&out, img)
				if !yield(Image{Index: index, Bytes: out.Bytes()}, err) {
					return
				}
			}
		}
	}
}

// What the slider says of a rate is what an audit at that rate finds, but for linked samples that no medoid reaches:
// the audit gives them a cluster, a preview leaves them alone.
func TestPreviewOfRates(t *testing.T) {
	points, samples := planted()
	f := points.local(t, samples, 0.01)
	r := f.Layers[0].Result
	p := r.Preview(maxPageNearMisses)
	rates := p.Rates()
	if len(p.Stops) < 20 || p.Home < 10 || p.Home == len(p.Stops)-1 {
		t.Fatalf("%d stops, the threshold is number %d", len(p.Stops), p.Home)
	}
	for i, s := range p.Stops {
		if s.Distance == 0 {
			continue
		}
		found := points.local(t, samples, float64(rates[i])*(1+1e-9)).Layers[0].Result
		want := duplicates.Stop{Distance: found.Threshold.Distance, Joins: s.Joins, Clusters: len(found.Clusters), Samples: found.Total.DuplicateSamples, Leaks: found.Leakage.Samples}
		for _, c := range found.Clusters {
			want.Largest = max(want.Largest, len(c.Members))
		}
		if want.Distance > s.Distance { // a rate may let in more than the stop
			continue
		}
		if alone := want.Samples - s.Samples; i != p.Home && alone <= 2 && want.Clusters-s.Clusters <= alone {
			want.Clusters, want.Samples = s.Clusters, s.Samples
		}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("stop %d of %d, at home %d (-want +got):\n%s", i, len(p.Stops), p.Home, diff)
		}
	}
}

func TestSummaryOfLocal(t *testing.T) {
	points, samples := planted()
	f := points.local(t, samples, 0.01)
	got := Summarize(f).Layers[0]
	r := f.Layers[0].Result
	if got.Threshold.NormalizedDistance != nil || got.Threshold.Strategy != v1alpha1.ThresholdFalseDiscovery {
		t.Errorf("threshold %+v", got.Threshold)
	}
	want := &v1alpha1.LocalSummary{
		Rate: "0.01", Neighbors: 49, Pairs: int64(len(r.Links)), ChancePairs: rounded(r.Judgment.ChancePairs), Dimension: rounded(r.Judgment.Dimension),
		Shrinkage: "1", Fit: new(rounded(r.Judgment.Fit)),
		Inspection: &v1alpha1.InspectionSummary{Pairs: int64(r.Judgment.Inspection.Pairs), Lookalikes: int64(r.Judgment.Inspection.Lookalikes), Similarity: new(v1alpha1.Decimal("0.75"))},
	}
	if diff := cmp.Diff(want, got.Local); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	files, _ := written(t, f)
	for _, row := range rows(t, files[v1alpha1.FilePairs]) {
		if row[7] != "0.7500" || row[8] != "mirrored" {
			t.Errorf("%v", row)
		}
	}
	for _, text := range []string{"may be there by chance.", "pairs expected by chance, judged by 49 neighbors each"} {
		if !bytes.Contains(files[v1alpha1.FileReport], []byte(text)) {
			t.Errorf("the page doesn't say %q", text)
		}
	}
	says := func(text string) bool {
		return slices.ContainsFunc(f.says(&got, &v1alpha1.SummaryDataset{}, nil), func(s findings.Finding) bool { return strings.Contains(s.Text, text) })
	}
	if says("not spread as method Local assumes") {
		t.Error("a good fit is doubted")
	}
	got.Local.Fit, got.Local.Shrinkage = new(v1alpha1.Decimal("2.25")), "0.7"
	if !says("2.25 times as many") || !says("by a factor of 0.7") {
		t.Error("a poor fit isn't spoken of")
	}
}

// TestBrowserLocal opens a pair, and moves the slider to another rate.
func TestBrowserLocal(t *testing.T) {
	b := startBrowser(t)
	points, samples := planted()
	f := points.local(t, samples, 0.01)
	p := b.open(t, published(t, f), look{})
	p.act("document.querySelector('.list').scrollIntoView()")
	p.sees("document.querySelector('article')")
	p.sees("[...document.querySelectorAll('.distance')].some((d) => / · mirrored$/.test(d.textContent))")
	p.do(chromedp.KeyEvent("j"))
	p.sees("document.activeElement.closest('article')")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.sees("/Linked at distance 0\\.[0-9]+\\. Their pixels correlate by 0\\.75 if A is mirrored\\. Where A is laid over B by that change, pixels of the thumbnails differ by [0-4]\\b/.test(document.querySelector('dialog .pair').textContent)")
	p.do(chromedp.KeyEvent(kb.Escape))
	p.act("const s = document.querySelector('.slider'); s.value = s.max; s.dispatchEvent(new Event('input', { bubbles: true })); s.dispatchEvent(new Event('change', { bubbles: true }))")
	p.sees("/strategy: FalseDiscovery, rate: '0\\.[0-9]+'/.test(document.querySelector('.advice').textContent)")
}

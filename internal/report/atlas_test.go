package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/familiarity"
	"github.com/datasetaudit/dataset-audit/internal/labels"
	"github.com/datasetaudit/dataset-audit/internal/quality"
	"github.com/datasetaudit/dataset-audit/internal/text"
	"github.com/datasetaudit/dataset-audit/test/pages"
)

// whole adds all parts of a report to findings: a map that has the samples on a ring, some rare ones and suspects, and
// images of which some are dark.
func whole(f *Findings) {
	samples := f.audited()
	n := len(samples)
	f.Measures = func(row int) (quality.Measures, bool) {
		m := quality.Measures{Width: 64, Height: 64, P5: 60, P95: 200, P99: 220, Entropy: 220, Sharpness: 90, Color: 120, Quality: 90}
		if row%20 == 3 {
			m.P5, m.P95, m.P99 = 0, 20, 30
		}
		return m, true
	}
	for i := range f.Layers {
		l := &f.Layers[i]
		l.Map = make([]float32, 2*len(l.Result.Samples))
		dense := &familiarity.Result{Components: 3, Fence: -50}
		for row := range n {
			angle := 2 * math.Pi * float64(row) / float64(n)
			l.Map[2*row], l.Map[2*row+1] = float32(math.Cos(angle)), float32(math.Sin(angle))
			dense.Density, dense.OfLabel = append(dense.Density, -10-float64(row%90)), append(dense.OfLabel, math.NaN())
			if len(samples[row].Labels) == 1 {
				dense.OfLabel[row] = -5 - float64(row%70)
			}
			if dense.Density[row] < dense.Fence {
				dense.Rare = append(dense.Rare, row)
			}
		}
		dense.AmongOthers, dense.Unseen = dense.Density, []int{4}
		dense.Beside, dense.BesideUnseen = map[int]int{dense.Order()[0]: 1}, map[int]int{4: 5}
		l.Familiarity, l.Classes = dense, []string{"cat", "dog"}
		l.Suspects = &labels.Result{Judged: n, Neighbors: 20, Expected: 3, Suspects: []labels.Suspect{{Row: 2, Suggested: 1, Like: 1, Probability: 0.9, Own: 1, Asked: 20}}}
	}
}

// A line around points of the map selects them, shows their pictures and lets them be saved; colors can be chosen.
func TestBrowserMap(t *testing.T) {
	b := startBrowser(t)
	f, _ := sixty(t)
	whole(f)
	for name, l := range map[string]look{"wide": {}, "narrow": {width: 390, height: 844}} {
		t.Run(name, func(t *testing.T) {
			p := b.open(t, published(t, f), l)
			p.act("document.querySelector('.atlas').scrollIntoView()")
			p.sees("document.querySelector('.atlas figcaption').textContent.includes('a suspect label 1')")
			box := value[[]float64](p, `(() => { const box = document.querySelector(".atlas canvas").getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; })()`)
			left, top, right, bottom := box[0]+12, box[1]+12, box[2]-12, min(box[3], value[float64](p, "innerHeight"))-12 // its corners are round
			middle := (left + right) / 2
			p.do(chromedp.MouseEvent(chromedp.MousePressed, left, top, chromedp.ButtonLeft))
			for _, corner := range [][2]float64{{middle, top}, {middle, bottom}, {left, bottom}} {
				p.do(chromedp.MouseEvent(chromedp.MouseMoved, corner[0], corner[1], chromedp.ButtonLeft))
			}
			p.do(chromedp.MouseEvent(chromedp.MouseReleased, left, bottom, chromedp.ButtonLeft))
			p.sees("document.querySelector('.atlas [role=status]')?.textContent.match(/^\\d+ samples selected/)")
			selected, all := value[int](p, "parseInt(document.querySelector('.atlas [role=status]').textContent)"), len(f.audited())
			if selected < all/3 || selected > 2*all/3 {
				t.Errorf("%d of %d samples are in one half", selected, all)
			}
			p.sees("document.querySelectorAll('.selection img').length > 10 && document.querySelector('.selection img').naturalWidth > 0")
			for _, by := range []string{"label", "split", "familiar", "finding"} {
				p.act("const s = document.querySelector('.atlas select'); s.value = '" + by + "'; s.dispatchEvent(new Event('change'))")
			}
			p.act("document.querySelector('.atlas .selected button:last-of-type').click()")
			p.sees("document.querySelector('.atlas .selected').textContent.startsWith('Draw a line')")
		})
	}
}

// The lists beside duplicates can be searched and put into another order.
func TestBrowserTiles(t *testing.T) {
	b := startBrowser(t)
	f, _ := sixty(t)
	whole(f)
	p := b.open(t, published(t, f), look{})
	const visible = "[...document.querySelectorAll('#layer-0 .reports li')].filter((item) => !item.closest('[hidden]')).length"
	write := func(text string) {
		p.act("const field = document.querySelector('#layer-0 .reports input'); field.value = '" + text + "'; field.dispatchEvent(new Event('input'))")
	}
	all := value[int](p, visible)
	first := value[string](p, "document.querySelector('#layer-0 .reports details:nth-of-type(2) li .id b').title")
	write(first)
	if got := value[int](p, visible); got == 0 || got >= all {
		t.Errorf("%d of %d are found by the name %s", got, all, first)
	}
	p.sees("document.querySelector('#layer-0 .reports output').textContent.endsWith(' of " + fmt.Sprint(all) + " samples')")
	write("nowhere")
	if got := value[int](p, visible); got != 0 {
		t.Errorf("%d are found by a name that none has", got)
	}
	write("")
	names := func() []string {
		return value[[]string](p, "[...document.querySelectorAll('#layer-0 .reports details:nth-of-type(2) li > figure:first-child .id b')].map((name) => name.title)")
	}
	before := names()
	order := func(by string) []string {
		p.act("const field = document.querySelector('#layer-0 .reports select'); field.value = '" + by + "'; field.dispatchEvent(new Event('change'))")
		return names()
	}
	if got := order("name"); !slices.IsSorted(got) || len(got) != len(before) || slices.IsSorted(before) {
		t.Errorf("by name: %v, before: %v", got, before)
	}
	if diff := cmp.Diff(before, order("")); diff != "" {
		t.Errorf("back in order: (-want +got)\n%s", diff)
	}
}

// The map's columns say of each sample what the tables say, and the gravest finding.
func TestMapBlock(t *testing.T) {
	f, _ := sixty(t)
	whole(f)
	table := &sampleTable{samples: f.Samples, numbers: map[int]int{}}
	table.number(2)
	got := f.mapBlock(0, table)
	n := len(f.audited())
	if len(got.X) != n || len(got.ID) != n || len(got.Familiar) != n || got.All != n {
		t.Fatalf("%d places of %d samples", len(got.X), n)
	}
	if got.Sample[2] != 0 || got.Sample[1] != -1 || got.Finding[2] < mapSuspect || got.ID[2] != f.Samples[2].ID {
		t.Errorf("sample 2: number %d, finding %d, ID %s", got.Sample[2], got.Finding[2], got.ID[2])
	}
	f.Layers[0].Map = nil
	if f.mapBlock(0, table) != nil {
		t.Error("a map without places")
	}
}

// What a part of the report shows is bounded, and says what is left out.
func TestTiles(t *testing.T) {
	f, _ := sixty(t)
	whole(f)
	var titles []string
	for _, of := range f.Layers[0].tiles() {
		titles = append(titles, of.Title)
		if len(of.Tiles) > maxTiles || of.Count() < len(of.Tiles) {
			t.Errorf("%s: %d tiles of %d", of.Title, len(of.Tiles), of.Count())
		}
	}
	want := []string{"Labels that are probably wrong", "Out of place", "Unlike all training samples", "Least usual of label cat", "Least usual of label dog"}
	if diff := cmp.Diff(want, titles); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Names are text in the other parts of a report, too.
func TestHostileReports(t *testing.T) {
	f, _ := hostileFindings(t)
	whole(f)
	f.Images = nil // so that no element may load anything
	files, _ := written(t, f)
	root := pages.Parse(t, files[v1alpha1.FileReport])
	pages.Inert(t, root, "#")
	if got := len(pages.Elements(root, "figure", "atlas")); got != len(f.Layers) {
		t.Errorf("%d maps of %d layers", got, len(f.Layers))
	}
	for _, script := range pages.Elements(root, "script", "") {
		if pages.Attribute(script, "type") != "" && strings.ContainsAny(content(script), "<>&") {
			t.Errorf("script %s holds markup", pages.Attribute(script, "id"))
		}
	}
	for i, row := range rows(t, files[v1alpha1.FileMap])[:len(hostile)] {
		if row[2] != text.Valid(hostile[i]) {
			t.Errorf("map.csv has %q for %q", row[2], hostile[i])
		}
	}
}

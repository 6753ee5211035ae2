package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// hue gives the pictures of each cluster a color that nothing else on the page has.
func hue(cluster int) color.RGBA {
	return color.RGBA{uint8(250 - 40*(cluster%6)), uint8(20 + 25*(cluster/6)), 120, 255}
}

// sixtyLine are 60 clusters: pair i of gap i/1000, every fifth a leak, every sixth a conflict, every tenth copies.
func sixtyLine() []on {
	var line []on
	for i := range 60 {
		gap, split, label := float64(i+1)/1000, "train", "cat"
		if i%5 == 0 {
			split = "test"
		}
		if i%6 == 0 {
			label = "dog"
		}
		if i%10 == 9 {
			gap = 0
		}
		at := 10 + 2*float64(i)
		line = append(line,
			on{at: at, id: fmt.Sprintf("train/%d/a.png", i), split: "train", labels: []string{"cat"}},
			on{at: at + gap, id: fmt.Sprintf("%s/%d/b.png", split, i), split: split, labels: []string{label}})
		for extra := range i % 4 * 3 {
			line = append(line, on{at: at + gap/2 + float64(extra)/1e5, id: fmt.Sprintf("train/%d/c%d.png", i, extra), split: "train", labels: []string{"cat"}})
		}
	}
	return line
}

// sixty are these clusters with pictures. ClusterOf says which pair a dataset's index belongs to.
func sixty(t *testing.T) (f *Findings, clusterOf map[int]int) {
	line := sixtyLine()
	f = onLine(t, .5, line...)
	clusterOf = map[int]int{}
	for row, s := range f.Samples {
		clusterOf[s.Index] = int(line[row].at-10) / 2
	}
	f.Images = func(ctx context.Context, indices []int) iter.Seq2[Image, error] {
		return solid(120, func(index int) color.RGBA { return hue(clusterOf[index]) })(ctx, indices)
	}
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = "conv2"
	return f, clusterOf
}

// TestBrowser drives the page as a reviewer does.
func TestBrowser(t *testing.T) {
	b := startBrowser(t)
	f, clusterOf := sixty(t)
	before := v1alpha1.Verdict{Verdict: v1alpha1.VerdictNotCopies, Members: []string{"gone/1.png", "gone/2.png"}}
	f.Verdicts = []v1alpha1.Verdict{before, {Verdict: v1alpha1.VerdictUnsure, Members: []string{"train/1/b.png", "train/1/a.png", "train/1/c0.png", "train/1/c1.png", "train/1/c2.png"}}}
	page := published(t, f)
	result := f.Layers[0].Result

	t.Run("address", func(t *testing.T) {
		tests := map[string]struct {
			hash  string
			layer int
			says  string
			first string // how the first cluster is called
		}{
			"all":                {says: "60 clusters"},
			"leaks":              {hash: "#filter=leaks", says: "12 of 60 clusters"},
			"conflicts":          {hash: "#filter=conflicts", says: "10 of 60 clusters"},
			"copies and largest": {hash: "#filter=copies&sort=size", says: "6 of 60 clusters", first: "11 samples"},
			"most leaking first": {hash: "#sort=leakage", says: "60 clusters", first: "leaks"},
			"text":               {hash: "#q=test%20DOG", says: "2 of 60 clusters"},
			"nothing":            {hash: "#q=nowhere", says: "0 of 60 clusters"},
			"splits":             {hash: "#split=test&split=train", says: "12 of 60 clusters"},
			"within a split":     {hash: "#split=test&split=test", says: "0 of 60 clusters"},
			"label":              {hash: "#label=dog", says: "10 of 60 clusters"},
			"labels":             {hash: "#label=dog&label=cat", says: "10 of 60 clusters"},
			"sizes":              {hash: "#min=5&max=8", says: "30 of 60 clusters"},
			"judged":             {hash: "#review=judged", says: "1 of 60 clusters", first: "marked unsure"},
			"second layer":       {hash: "#layer=1&filter=leaks", layer: 1, says: "12 of 60 clusters"},
			"link to a layer":    {hash: "#layer-1", layer: 1, says: "60 clusters"},
			"nonsense":           {hash: "#layer=map&filter=constructor&sort=toString&min=-1&at=9e9&open=x", says: "60 clusters"},
		}
		p := b.open(t, page, look{})
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				p := tab{t, p.ctx}
				p.act("location.hash = " + fmt.Sprintf("%q", cmp.Or(test.hash, "#layer=0")))
				p.sees(fmt.Sprintf("document.querySelector('.shown').value === %q", test.says))
				for i := range f.Layers {
					p.sees(fmt.Sprintf("document.getElementById('layer-%d').hidden === %t", i, i != test.layer))
				}
				p.sees(fmt.Sprintf("document.querySelector('.none').hidden === %t", !strings.HasPrefix(test.says, "0")))
				if test.first != "" {
					p.act("document.querySelector('.list').scrollIntoView()") // a shorter list had the window scroll up
					p.sees(fmt.Sprintf("document.querySelector('article')?.getAttribute('aria-label').includes(%q)", test.first))
				}
			})
		}
	})

	t.Run("pictures", func(t *testing.T) {
		for name, l := range map[string]look{
			"wide": {}, "wide and dark": {width: 1280, height: 900, dark: true}, "narrow": {width: 390, height: 844}, "narrow and dark": {width: 360, height: 740, dark: true},
		} {
			t.Run(name, func(t *testing.T) {
				p := b.open(t, page+"#layer=1", l)
				p.act("document.querySelector('.list').scrollIntoView()")
				p.sees("[...document.querySelectorAll('article img')].every((img) => img.complete && img.naturalWidth)")
				p.sees("document.documentElement.scrollWidth <= innerWidth")
				var img image.Image
				shown := 0
				for look := 0; look < 5 && shown < 2*80*80; look++ { // a busy machine paints late
					var err error
					if img, err = png.Decode(bytes.NewReader(get(p, chromedp.CaptureScreenshot()))); err != nil {
						t.Fatal(err)
					}
					shown = pixels(img, hue(clusterOf[result.Clusters[0].ID]))
				}
				if corner := color.GrayModel.Convert(img.At(2, 2)).(color.Gray).Y; corner < 128 != l.dark {
					t.Errorf("the page's corner has brightness %d", corner)
				}
				if shown < 2*80*80 {
					t.Errorf("%d pixels of the first cluster's pictures are seen", shown)
				}
			})
		}
	})

	t.Run("marks", func(t *testing.T) { reviews(t, b, page, f, before) })

	t.Run("threshold", func(t *testing.T) {
		p := b.open(t, page, look{})
		_, layers := func() (samplesBlock, []layerBlock) {
			content, err := os.ReadFile(strings.TrimPrefix(page, "file://"))
			if err != nil {
				t.Fatal(err)
			}
			return data(t, content)
		}()
		stops := layers[0].Preview.Stops
		for _, at := range []int{0, layers[0].Preview.Home / 2, len(stops.Distance) - 1} {
			p.act(fmt.Sprintf("const s = document.querySelector('.slider'); s.value = %d; s.dispatchEvent(new Event('input', {bubbles: true}))", at))
			p.sees(fmt.Sprintf("location.hash === '#at=%d'", at))
			p.sees(fmt.Sprintf("document.querySelector('.shown').value.startsWith('%d cluster')", stops.Clusters[at]))
			p.sees(fmt.Sprintf("/distance [^ ]+: %d clusters? of %d samples/.test(document.querySelector('.effect').value)", stops.Clusters[at], stops.Samples[at]))
			p.sees("!document.querySelector('.preview-note').hidden && !document.querySelector('.moved').hidden")

			// What it advises finds the same.
			advice := value[string](p, "document.querySelector('.advice code').textContent")
			var normalized float64
			if _, err := fmt.Sscanf(advice[strings.Index(advice, "distance: '"):], "distance: '%f'", &normalized); err != nil {
				t.Fatal(advice, err)
			}
			again := *f
			again.Layers = slices.Clone(f.Layers)
			again.find(t, 0, sixtyLine(), normalized)
			if got := len(again.Layers[0].Result.Clusters); got != stops.Clusters[at] {
				t.Errorf("%s finds %d clusters, not %d", advice, got, stops.Clusters[at])
			}
		}
		p.act("document.querySelector('.reset').click()")
		p.sees("document.querySelector('.shown').value === '60 clusters' && document.querySelector('.preview-note').hidden")
	})

	t.Run("open", func(t *testing.T) {
		p := b.open(t, page+"#filter=leaks", look{})
		p.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.Enter))
		p.sees("document.querySelector('dialog.opened').open && document.querySelector('.place').textContent === '2 of 12'")
		p.sees("document.querySelectorAll('.stage.side img').length === 2")
		p.act("document.querySelector('[value=difference]').click()")
		p.sees("document.querySelector('.stage.difference canvas') && document.querySelector('.pair').textContent.includes('differ by 0 of 255')")
		p.act("document.querySelector('[value=blink]').click()")
		p.sees("document.querySelector('.letter')?.textContent === 'B'")
		p.act("document.querySelector('.pause').click()")
		p.act("document.querySelector('[value=wipe]').click()")
		p.sees("document.querySelectorAll('.stage.wipe img').length === 2")
		p.do(chromedp.KeyEvent("j"))
		p.sees("document.querySelector('.place').textContent === '3 of 12' && location.hash.includes('open=')")
		p.act("document.querySelector('.members li:last-child [data-letter=a]').click()")
		p.sees("document.querySelector('.members li:last-child [data-letter=a]').getAttribute('aria-pressed') === 'true'")
		hash := value[string](p, "location.hash")
		p.do(chromedp.KeyEvent(kb.Escape))
		p.sees("!document.querySelector('dialog.opened').open && document.activeElement.dataset.at === '2'")
		again := b.open(t, page+hash, look{})
		again.sees("document.querySelector('dialog.opened').open && document.querySelector('.place').textContent === '3 of 12'")
		again.do(chromedp.KeyEvent("?"))
		again.sees("document.querySelector('dialog.help').open")
	})

	t.Run("matrix", func(t *testing.T) {
		p := b.open(t, page, look{})
		p.act("document.querySelector('[data-kind=label] tbody tr td:last-of-type button').click()")
		p.sees("location.hash === '#label=cat&label=dog' && document.querySelector('.shown').value === '10 of 60 clusters'")
		p.act("document.querySelector('[data-kind=split] tbody tr td:last-of-type button').click()")
		p.sees("document.querySelector('.shown').value === '12 of 60 clusters'")
	})

	t.Run("map", func(t *testing.T) {
		p := b.open(t, page, look{})
		places := func() []float64 {
			p.act("document.querySelector('.map').scrollIntoView()")
			return value[[]float64](p, `(() => {
			const canvas = document.querySelector(".map canvas"), box = canvas.getBoundingClientRect();
			return [box.left, box.top, box.right, box.bottom, box.left + canvas.points[0][0], box.top + canvas.points[0][1]];
		})()`)
		}
		at := places()
		p.do(chromedp.MouseClickXY(at[4], at[5]))
		p.sees("document.querySelector('dialog.opened').open")
		p.do(chromedp.KeyEvent(kb.Escape))
		p.sees("document.activeElement.closest('article')") // scrolled to

		// A line around one half lists its clusters, a link to them lists the same, and a button lists all again.
		drag := func(corners ...[2]float64) {
			t.Helper()
			p.do(chromedp.MouseEvent(chromedp.MousePressed, corners[0][0], corners[0][1], chromedp.ButtonLeft))
			for _, corner := range corners[1:] {
				p.do(chromedp.MouseEvent(chromedp.MouseMoved, corner[0], corner[1], chromedp.ButtonLeft))
			}
			end := corners[len(corners)-1]
			p.do(chromedp.MouseEvent(chromedp.MouseReleased, end[0], end[1], chromedp.ButtonLeft))
		}
		at = places()
		left, top, middle, bottom := at[0]+5, at[1]+5, (at[0]+at[2])/2, at[3]-5
		drag([2]float64{left, top}, [2]float64{middle, top}, [2]float64{middle, bottom}, [2]float64{left, bottom})
		p.sees("/^[1-9][0-9]* of 60 clusters$/.test(document.querySelector('.shown').value)")
		inside := value[string](p, "document.querySelector('.shown').value")
		again := b.open(t, page+value[string](p, "location.hash"), look{})
		again.sees(fmt.Sprintf("document.querySelector('.shown').value === %q", inside))
		p.act("document.querySelector('.map .clear').click()")
		p.sees("document.querySelector('.shown').value === '60 clusters'")
	})

	t.Run("paper", func(t *testing.T) {
		p := b.open(t, page, look{})
		bare := len(get(p, chromedp.PrintToPDF()))
		if bare < 30_000 {
			t.Errorf("%d bytes are printed", bare)
		}
		p.act("dispatchEvent(new Event('beforeprint'))")
		p.sees("document.querySelectorAll('article').length === 60")
		p.act("dispatchEvent(new Event('afterprint'))")
		p.sees("document.querySelectorAll('article').length < 60")
	})

	t.Run("without script", func(t *testing.T) {
		p := b.open(t, page, look{noScript: true})
		shot := get(p, chromedp.FullScreenshot(90))
		if len(shot) < 20_000 {
			t.Errorf("a picture of %d bytes", len(shot))
		}
	})
}

// reviews marks clusters, exports the verdicts, and imports them elsewhere.
func reviews(t *testing.T, b browser, page string, f *Findings, before v1alpha1.Verdict) {
	p := b.open(t, page+"#sort=size", look{})
	downloads := t.TempDir()
	if _, err := chromedp.CallBrowser(p.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: downloads,
	}); err != nil {
		t.Fatal(err)
	}
	p.sees("document.querySelector('.marked').textContent.startsWith('1 of 60 clusters judged, and 1 other set')")
	p.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("1"), chromedp.KeyEvent("j"), chromedp.KeyEvent("2"))
	p.sees("document.activeElement.getAttribute('aria-label').includes('marked not copies')")
	p.act("document.querySelector('.reviewer').value = ' Ada '; document.querySelector('.reviewer').dispatchEvent(new Event('change')); document.querySelector('.reason').value = 'another </script> angle'")
	p.act("document.querySelectorAll('article')[2].querySelector('[data-mark=Unsure]').click()")
	p.sees("document.querySelector('.marked').textContent.startsWith('4 of 60')")

	export := func() *v1alpha1.Review {
		p.act("document.querySelector('.export').click()")
		file := filepath.Join(downloads, v1alpha1.DefaultVerdictsKey)
		var content []byte
		for range 200 {
			var err error
			if content, err = os.ReadFile(file); err == nil && len(content) > 0 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		review, err := v1alpha1.ParseReview(content)
		if err != nil {
			t.Fatalf("%v\n%s", err, content)
		}
		return review
	}
	review := export()
	if review.Audit != "line" || len(review.Verdicts) != 5 || !slices.ContainsFunc(review.Verdicts, func(v v1alpha1.Verdict) bool {
		return v.Verdict == before.Verdict && slices.Equal(v.Members, before.Members)
	}) {
		t.Errorf("exported %+v", review)
	}
	if !slices.IsSortedFunc(review.Verdicts, func(a, b v1alpha1.Verdict) int { return slices.Compare(a.Members, b.Members) }) {
		t.Errorf("not in order: %+v", review.Verdicts)
	}
	made, signed := 0, 0
	for _, v := range review.Verdicts {
		if _, err := time.Parse(time.RFC3339, v.Time); err == nil {
			made++
		}
		if v.Reviewer == "Ada" && v.Reason == "another </script> angle" && v.Verdict == v1alpha1.VerdictUnsure {
			signed++
		}
	}
	if made != 3 || signed != 1 {
		t.Errorf("%d are marked here, %d by Ada: %+v", made, signed, review.Verdicts)
	}
	p.do(chromedp.KeyEvent("0")) // the third is marked no longer
	p.sees("document.querySelector('.marked').textContent.startsWith('3 of 60')")
	p.do(chromedp.Reload())
	p.sees("document.querySelector('.marked')?.textContent.startsWith('3 of 60')")

	give := func(content string) {
		file := filepath.Join(t.TempDir(), "given.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p.do(chromedp.SetUploadFiles("input[type=file]", []string{file}))
	}
	again, err := json.Marshal(v1alpha1.Review{SchemaVersion: 1, Audit: "other/<b>\x00", Verdicts: append(review.Verdicts, v1alpha1.Verdict{
		Verdict: v1alpha1.VerdictCopies, Members: []string{"<img src=x onerror=alert(1)>", "\u202E"},
	})})
	if err != nil {
		t.Fatal(err)
	}
	give(string(again))
	p.sees("document.querySelector('.told').value === 'Imported 6 verdicts, 4 of them on clusters of this page. The file is of the audit other/<b>\uFFFD.'")
	if got := export(); len(got.Verdicts) != 6 || !slices.ContainsFunc(got.Verdicts, func(v v1alpha1.Verdict) bool { return v.Reviewer == "Ada" }) {
		t.Errorf("exported %+v", got)
	}
	for content, says := range map[string]string{
		"nothing":              "this is not JSON",
		`{"schemaVersion": 2}`: "its schemaVersion is not 1",
		`{"schemaVersion": 1}`: "it has no verdicts",
		`{"schemaVersion": 1, "verdicts": [{"verdict": "constructor", "members": ["a", "b"]}]}`: "its verdict 1 is none of",
		`{"schemaVersion": 1, "verdicts": [{"verdict": "Copies", "members": ["a", "a"]}]}`:      "its verdict 1 has 1 members",
		`{"schemaVersion": 1, "verdicts": [{"verdict": "Copies", "members": ["a", 1]}]}`:        "its verdict 1 has no members",
	} {
		give(content)
		p.sees(fmt.Sprintf("document.querySelector('.told').value.includes(%q)", says))
	}
	if got := export(); len(got.Verdicts) != 6 {
		t.Errorf("a file that was refused changed something: %+v", got)
	}
	p.act("localStorage.clear()")
}

// Hostile texts are shown, and nothing of them runs.
func TestBrowserHostile(t *testing.T) {
	b := startBrowser(t)
	f, _ := hostileFindings(t)
	p := b.open(t, published(t, f), look{})
	p.act("document.querySelector('.list').scrollIntoView()")
	p.sees("document.querySelector('article')?.textContent.includes('<script>alert(1)</script>')")
	p.act("document.querySelector('article .show').click()")
	p.sees("document.querySelector('dialog.opened').textContent.includes('<script>alert(1)</script>')")
	p.sees("document.querySelectorAll('iframe, [onerror], [onload], [onmouseover]').length === 0")
	p.sees("[...document.scripts].filter((script) => script.type === '').length === 1") // the page's own
	p.sees("![...document.querySelectorAll('.id')].some((id) => /[\u0000-\u0008\u202e]/.test(id.textContent))")
}

// pixels is the number of pixels of a color, give or take what JPEG does to it.
func pixels(img image.Image, want color.RGBA) int {
	near := func(a uint32, b uint8) bool { return max(a>>8, uint32(b))-min(a>>8, uint32(b)) <= 8 }
	n, size := 0, img.Bounds()
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			if near(r, want.R) && near(g, want.G) && near(b, want.B) {
				n++
			}
		}
	}
	return n
}

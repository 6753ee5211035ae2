package report

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
)

// BenchmarkGallery opens a page of 5,000 clusters, the most that it lists, of photo-like thumbnails, and does what a
// reviewer does. Times are in milliseconds, of a browser that draws without a graphics card. A frame is a step of 400
// pixels through the list.
func BenchmarkGallery(b *testing.B) {
	chromium := startBrowser(b)
	random := rand.New(rand.NewPCG(1, 1))
	var line []on
	for cluster := range maxPageClusters {
		for i := range 2 + random.IntN(3) {
			line = append(line, on{
				at: 10 + 2*float64(cluster) + random.Float64()/2, id: fmt.Sprintf("photos/%05d/IMG_%04d.jpg", cluster, i),
				split: []string{"train", "train", "val", "test"}[random.IntN(4)], labels: []string{fmt.Sprintf("class %d", cluster%40)},
			})
		}
	}
	f := onLine(b, .5, line...)
	f.Images = waves(160)
	address := published(b, f)
	size := sizeOf(b, address)
	for b.Loop() {
		p := chromium.measured(b, address)
		p.frames(b, 400, `scrollBy({top: 400, behavior: "instant"})`)
		timed := func(unit, act string) {
			p.act("scrollTo(0, 0)")
			p.timed(b, unit, act)
		}
		set := func(query, to string) string {
			return "{ const field = document.querySelector('" + query + "'); field.value = " + to + "; field.dispatchEvent(new Event('input', {bubbles: true})) }"
		}
		timed("search-ms", set("[name=q]", "'01234/'"))
		timed("search-all-ms", set("[name=q]", "''"))
		timed("sort-ms", set("[name=sort]", "'size'"))
		timed("slide-first-ms", set(".slider", "1"))
		timed("slide-ms", set(".slider", "field.max"))
		timed("slide-back-ms", "document.querySelector('.reset').click()")
		b.ReportMetric(0, "ns/op")
	}
	b.ReportMetric(size/maxPageClusters, "bytes/cluster")
	b.ReportMetric(size/(1<<20), "page-MiB")
}

// BenchmarkMap opens a page with a map of 60,000 samples, the most that it draws, of which some are findings of each
// kind, and draws a line around a part of them. A frame is a step of that line.
func BenchmarkMap(b *testing.B) {
	chromium := startBrowser(b)
	var line []on
	for i := range maxMap {
		at := 2 * float64(i)
		if i%100 == 1 { // in a cluster with the one before
			at -= 1.9
		}
		line = append(line, on{
			at: at, id: fmt.Sprintf("photos/%05d/IMG_%04d.jpg", i/100, i%100),
			split: []string{"train", "train", "val", "test"}[i%4], labels: []string{fmt.Sprintf("class %d", i%40)},
		})
	}
	f := onLine(b, .5, line...)
	f.Images = waves(160)
	whole(f)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range f.Layers[0].Map {
		f.Layers[0].Map[i] = float32(random.NormFloat64())
	}
	address := published(b, f)
	size := sizeOf(b, address)
	for b.Loop() {
		p := chromium.measured(b, address)
		p.timed(b, "map-ms", "document.querySelector('.atlas').scrollIntoView()")
		p.sees("document.querySelector('.atlas select')")
		p.timed(b, "color-ms", "{ const field = document.querySelector('.atlas select'); field.value = 'label'; field.dispatchEvent(new Event('change')) }")
		p.act(`
			window.canvas = document.querySelector(".atlas canvas");
			window.turn = 0;
			canvas.setPointerCapture = () => {};
			window.point = (type) => {
				const {width, height, left, top} = canvas.getBoundingClientRect();
				const x = left + width / 2 + width / 3 * Math.cos(turn / 32), y = top + height / 2 + height / 3 * Math.sin(turn / 32);
				turn++;
				canvas.dispatchEvent(new PointerEvent(type, {clientX: x, clientY: y, isPrimary: true, button: 0}));
			};
			point("pointerdown");`)
		p.frames(b, 200, `point("pointermove")`)
		p.timed(b, "select-ms", `point("pointerup")`)
		if text := value[string](p, "document.querySelector('.atlas [role=status]').textContent"); !strings.Contains(text, "samples selected") {
			b.Errorf("the line selects: %s", text)
		}
		b.ReportMetric(0, "ns/op")
	}
	b.ReportMetric(size/(1<<20), "page-MiB")
}

// sizeOf is the size of a published page in bytes.
func sizeOf(b *testing.B, address string) float64 {
	info, err := os.Stat(strings.TrimPrefix(address, "file://"))
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size())
}

// measured opens a page, and reports when it first painted, could be used and was loaded.
func (b browser) measured(t *testing.B, address string) tab {
	p := b.open(t, "about:blank", look{})
	call(p, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: `
		new MutationObserver((_, observer) => {
			if (!document.querySelector(".list")?.style.height) return;
			observer.disconnect();
			requestAnimationFrame(() => setTimeout(() => window.usable = performance.now()));
		}).observe(document, {childList: true, subtree: true, attributes: true});`})
	call(p, cdppage.Navigate, cdppage.NavigateParams{URL: address})
	p.sees("document.readyState === 'complete' && window.usable && performance.getEntriesByName('first-contentful-paint').length")
	t.ReportMetric(value[float64](p, "performance.getEntriesByName('first-contentful-paint')[0].startTime"), "first-paint-ms")
	t.ReportMetric(value[float64](p, "window.usable"), "usable-ms")
	t.ReportMetric(value[float64](p, "performance.getEntriesByType('navigation')[0].loadEventEnd"), "loaded-ms")
	return p
}

// frames takes a step in each of so many frames, and reports how long they were.
func (p tab) frames(b *testing.B, n int, step string) {
	frames := value[[]float64](p, fmt.Sprintf(`new Promise((done) => {
		const frames = [];
		let before = 0;
		const step = (now) => {
			if (before) frames.push(now - before);
			before = now;
			if (frames.length === %d) return done(frames);
			%s;
			requestAnimationFrame(step);
		};
		requestAnimationFrame(step);
	})`, n, step))
	slices.Sort(frames)
	b.ReportMetric(frames[len(frames)/2], "frame-median-ms")
	b.ReportMetric(frames[len(frames)*99/100], "frame-p99-ms")
	b.ReportMetric(frames[len(frames)-1], "frame-max-ms")
}

// timed reports how long it takes until what a statement does is on the screen.
func (p tab) timed(b *testing.B, unit, act string) {
	b.ReportMetric(value[float64](p, `new Promise((done) => requestAnimationFrame(() => {
		const began = performance.now();
		`+act+`;
		requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
	}))`), unit)
}

// waves gives every sample a picture with the detail of a photo: waves of its own, and grain.
func waves(side int) func(context.Context, []int) iter.Seq2[Image, error] {
	return func(_ context.Context, indices []int) iter.Seq2[Image, error] {
		return func(yield func(Image, error) bool) {
			for _, index := range indices {
				random := rand.New(rand.NewPCG(uint64(index), 3))
				img := image.NewRGBA(image.Rect(0, 0, side, side))
				a, b, c := random.Float64()/4, random.Float64()/4, random.Float64()/9
				for y := range side {
					for x := range side {
						v := 110 + 60*math.Sin(a*float64(x)+c*float64(y)) + 50*math.Sin(b*float64(y)) + 12*random.Float64()
						img.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v * (.5 + a)), uint8(255 - v), 255})
					}
				}
				var out bytes.Buffer
				err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 85})
				if !yield(Image{Index: index, Bytes: out.Bytes()}, err) {
					return
				}
			}
		}
	}
}

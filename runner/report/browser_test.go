package report

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

// browser runs headless Chromium on a page and fails the test on anything that the page says on the console.
type browser struct{ program string }

func findBrowser(t *testing.T) browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is started: not with -short")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if program, err := exec.LookPath(name); err == nil {
			return browser{program}
		}
	}
	t.Skip("the page is not opened: there is no Chromium on this machine")
	return browser{}
}

func (b browser) run(t *testing.T, page string, flags ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir(),
	}, append(flags, page)...)...)
	var said, out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", b.program, err, said.Bytes())
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the page says: %s", line)
		}
	}
	return out.Bytes()
}

// hue gives the pictures of each cluster a color that nothing else on the page has.
func hue(cluster int) color.RGBA {
	return color.RGBA{uint8(250 - 40*(cluster%6)), uint8(20 + 25*(cluster/6)), 120, 255}
}

// sixty are 60 clusters of pictures: pair i of gap i/1000, every fifth a leak, every sixth a conflict, every tenth copies. ClusterOf
// says which pair a dataset's index belongs to.
func sixty(t *testing.T) (f *Findings, clusterOf map[int]int) {
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
	f = findings(t, .5, line...)
	clusterOf = map[int]int{}
	for row, s := range f.Samples {
		clusterOf[s.Index] = int(line[row].at-10) / 2
	}
	f.Image = func(ctx context.Context, index int) ([]byte, error) {
		return solid(120, func(int) color.RGBA { return hue(clusterOf[index]) })(ctx, index)
	}
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = "conv2"
	return f, clusterOf
}

func TestBrowser(t *testing.T) {
	b := findBrowser(t)
	dir := t.TempDir()
	out, err := storage.Create(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	f, clusterOf := sixty(t)
	if _, err := Write(context.Background(), out, f, nil); err != nil {
		t.Fatal(err)
	}
	page := "file://" + filepath.Join(dir, v1alpha1.FileReport)

	tests := map[string]struct {
		hash  string
		layer int
		shown int
		says  string
		first string // the size of the first cluster shown
	}{
		"all":                {shown: 60},
		"leaks":              {hash: "#filter=leaks", shown: 12, says: "12 of 60"},
		"conflicts":          {hash: "#filter=conflicts", shown: 10, says: "10 of 60"},
		"copies and largest": {hash: "#filter=copies&sort=size", shown: 6, says: "6 of 60", first: "11"},
		"text":               {hash: "#q=test%20DOG", shown: 2, says: "2 of 60"},
		"nothing":            {hash: "#q=nowhere", says: "0 of 60"},
		"second layer":       {hash: "#layer=1&filter=leaks", layer: 1, shown: 12, says: "12 of 60"},
		"link to a layer":    {hash: "#layer-1", layer: 1, shown: 60},
		"nonsense":           {hash: "#layer=map&filter=constructor&sort=toString", shown: 60},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			root := parsed(t, b.run(t, page+test.hash, "--dump-dom"))
			for i, layer := range elements(root, "section", "layer") {
				if has(layer, "hidden") != (i != test.layer) {
					t.Errorf("layer %d: hidden %t", i, has(layer, "hidden"))
				}
			}
			layer := elements(root, "section", "layer")[test.layer]
			var shown []*html.Node
			for _, c := range elements(layer, "article", "cluster") {
				if !has(c, "hidden") {
					shown = append(shown, c)
				}
			}
			if len(shown) != test.shown {
				t.Errorf("%d clusters are shown, want %d", len(shown), test.shown)
			}
			if got := text(elements(layer, "output", "")[0]); got != test.says {
				t.Errorf("says %q, want %q", got, test.says)
			}
			if none := elements(layer, "p", "none")[0]; has(none, "hidden") == (test.shown == 0) {
				t.Errorf("hint that nothing matches: %t", !has(none, "hidden"))
			}
			if test.first != "" && attribute(shown[0], "data-size") != test.first {
				t.Errorf("the first has size %s, want %s", attribute(shown[0], "data-size"), test.first)
			}
			for _, img := range elements(layer, "img", "") {
				if !strings.HasPrefix(attribute(img, "src"), "data:image/jpeg") {
					t.Errorf("a picture without source: %v", img.Attr)
				}
			}
		})
	}

	looks := map[string]struct {
		flags []string
		dark  bool
	}{
		"wide":   {flags: []string{"--window-size=1280,4000"}},
		"dark":   {flags: []string{"--window-size=1280,4000", "--blink-settings=preferredColorScheme=0"}, dark: true},
		"narrow": {flags: []string{"--window-size=500,6000"}},
	}
	for name, look := range looks {
		t.Run("pictures/"+name, func(t *testing.T) {
			shot := filepath.Join(t.TempDir(), "shot.png")
			b.run(t, page+"#layer=1", append(look.flags, "--screenshot="+shot)...)
			data, err := os.ReadFile(shot)
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if corner := color.GrayModel.Convert(img.At(2, 2)).(color.Gray).Y; corner < 128 != look.dark {
				t.Errorf("the page's corner has brightness %d", corner)
			}
			for _, c := range f.Layers[1].Result.Clusters[:6] {
				if got := pixels(img, hue(clusterOf[c.ID])); got < 2*80*80 {
					t.Errorf("cluster %d: %d pixels of its pictures are seen", c.ID, got)
				}
			}
		})
	}
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

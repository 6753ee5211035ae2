package report

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"image/jpeg"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// parsed reads a page as a browser does.
func parsed(t *testing.T, page []byte) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// elements returns the elements of a tag and a class; an empty one means any.
func elements(root *html.Node, tag, class string) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (tag == "" || n.Data == tag) &&
			(class == "" || slices.Contains(strings.Fields(attribute(n, "class")), class)) {
			out = append(out, n)
		}
	}
	return out
}

func text(n *html.Node) string {
	var out strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out.WriteString(d.Data)
		}
	}
	return out.String()
}

var hostile = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`,
	`</style><svg onload=alert(1)>`, `</title><iframe src=//x.test>`, `{{.Summary}} {{template "page"}}`, `javascript:alert(1)`,
	"line\nbreak,comma;\"quote\"", "=cmd|' /C calc'!A0", "+1", "@x", "\xff\xfe.png", "\u202Egnp.exe", "a\x00b", "&lt;b&gt;&amp;", "-->", "]]>",
	"漢字/é.png", " spaced ", "a|b", "`${alert(1)}`", "\u2028",
}

// Whatever files and labels are called, they are text: in the page, in CSV and in JSON.
func TestHostileNames(t *testing.T) {
	var line []on
	for i, name := range hostile {
		split := "test"
		if i%2 == 0 {
			split = name
		}
		line = append(line, on{at: float64(10 + i/3*5), id: name, split: split, labels: []string{name, "l" + name}})
	}
	f := findings(t, 1, line...)
	f.Image = solid(8, gray)
	f.Audit.Name = hostile[0]
	f.Audit.Spec.Dataset.Labels = hostile
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = hostile[1]
	f.Run.ID, f.Run.Audit, f.Versions.Device = hostile[2], hostile[0], hostile[1]
	for _, name := range hostile {
		f.Skipped = append(f.Skipped, Skipped{ID: name, Reason: name})
	}
	files, _ := written(t, f)

	page := files[v1alpha1.FileReport]
	root := parsed(t, page)
	titles := map[string]bool{}
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			t.Errorf("comment %q", n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"iframe", "object", "embed", "base", "link"}, n.Data) {
			t.Errorf("element %s", n.Data)
		}
		titles[attribute(n, "title")] = true
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") ||
				a.Key == "src" && !strings.HasPrefix(a.Val, "data:image/jpeg;base64,") || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("element %s with %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	for tag, want := range map[string]int{"script": 1, "style": 1, "svg": 2, "title": 1} {
		if got := len(elements(root, tag, "")); got != want {
			t.Errorf("%d elements %s, want %d", got, tag, want)
		}
	}
	for _, name := range hostile {
		shown := strings.ReplaceAll(valid(name), "\x00", "\uFFFD")
		if !titles[shown] {
			t.Errorf("%q is not named", shown)
		}
	}

	groups := rows(t, files[v1alpha1.FileGroups])
	for i, name := range hostile {
		want := []string{"conv", fmt.Sprint(10 + i), valid(name), valid(line[i].split), valid(name) + "|l" + valid(name)}
		if diff := cmp.Diff(want, groups[i][:5]); diff != "" {
			t.Errorf("groups.csv (-want +got):\n%s", diff)
		}
	}
	seen := map[string]bool{}
	for line := range bytes.SplitSeq(bytes.TrimSpace(files[v1alpha1.FileClusters]), []byte("\n")) {
		var c clusterLine
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		for _, m := range c.Members {
			seen[m.ID] = true
		}
	}
	for _, name := range hostile[:21] {
		if !seen[valid(name)] {
			t.Errorf("clusters.jsonl lacks %q", name)
		}
	}
	var summary v1alpha1.AuditSummary
	if err := json.Unmarshal(files[v1alpha1.FileSummary], &summary); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Summarize(f), &summary); diff != "" {
		t.Errorf("summary.json (-want +got):\n%s", diff)
	}
}

// The page's policy allows the script that is in it, and nothing from elsewhere.
func TestPolicy(t *testing.T) {
	files, _ := written(t, findings(t, 1, small()...))
	root := parsed(t, files[v1alpha1.FileReport])
	hash := sha256.Sum256([]byte(text(elements(root, "script", "")[0])))
	for _, meta := range elements(root, "meta", "") {
		if attribute(meta, "http-equiv") != "Content-Security-Policy" {
			continue
		}
		policy := attribute(meta, "content")
		want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
		if !strings.Contains(policy, want) || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") {
			t.Errorf("policy %s, want %s", policy, want)
		}
		return
	}
	t.Error("no policy")
}

func TestPage(t *testing.T) {
	f := findings(t, 1, small()...)
	f.Image = solid(300, gray)
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = "conv2"
	files, _ := written(t, f)
	root := parsed(t, files[v1alpha1.FileReport])

	if got := len(elements(root, "article", "cluster")); got != 4 {
		t.Errorf("%d clusters, want 2 in each of 2 layers", got)
	}
	cluster := elements(root, "article", "cluster")
	marks := map[string][]bool{"data-leaks": {true, false}, "data-copies": {true, false}, "data-conflicts": {false, true}}
	for mark, want := range marks {
		if got := []bool{has(cluster[0], mark), has(cluster[1], mark)}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", mark, got, want)
		}
	}
	tile := elements(cluster[0], "li", "tile")[1]
	if got := strings.Join(strings.Fields(text(tile)), " "); got != "s1test a0keepleakscopy" {
		t.Errorf("tile says %q", got)
	}

	// Each picture is in the page once, and is a JPEG of 96 pixels.
	sources, repeats := 0, 0
	for _, img := range elements(root, "img", "") {
		if has(img, "data-same") {
			repeats++
			continue
		}
		sources++
		data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(attribute(img, "src"), "data:image/jpeg;base64,"))
		if err != nil {
			t.Fatal(err)
		}
		picture, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if size := picture.Bounds().Size(); size.X != 96 || size.Y != 96 || attribute(img, "width") != "96" {
			t.Errorf("a picture of %v", size)
		}
	}
	if sources != 5 || repeats != 5 {
		t.Errorf("%d pictures and %d repeats, want 5 and 5", sources, repeats)
	}
}

func TestPageWithoutImages(t *testing.T) {
	files, _ := written(t, findings(t, 1, small()...))
	root := parsed(t, files[v1alpha1.FileReport])
	if pictures := elements(root, "", "picture"); len(pictures) != 0 {
		t.Errorf("%d places for pictures", len(pictures))
	}
	if tiles := elements(root, "li", "tile"); len(tiles) != 5 {
		t.Errorf("%d tiles", len(tiles))
	}
}

func TestPageWithoutFindings(t *testing.T) {
	for name, line := range map[string][]on{"apart": {{at: 1}, {at: 5}}, "one": {{at: 1}}, "all identical": {{at: 1}, {at: 1}}} {
		t.Run(name, func(t *testing.T) {
			files, _ := written(t, findings(t, .5, line...))
			root := parsed(t, files[v1alpha1.FileReport])
			if got := len(elements(root, "form", "")) == 1; got != (name == "all identical") {
				t.Errorf("controls: %t", got)
			}
		})
	}
}

// An image that was read before and can't be decoded now leaves a gap, and the findings stay.
func TestUndecodablePicture(t *testing.T) {
	f := findings(t, 1, small()...)
	picture := solid(8, gray)
	f.Image = func(ctx context.Context, index int) ([]byte, error) {
		if index == 11 {
			return []byte("no image"), nil
		}
		return picture(ctx, index)
	}
	files, _ := written(t, f)
	root := parsed(t, files[v1alpha1.FileReport])
	places := elements(root, "div", "picture")
	if len(places) != 5 || len(elements(root, "img", "")) != 4 || text(places[1]) != "no picture" {
		t.Errorf("%d places, %d pictures, the second says %q", len(places), len(elements(root, "img", "")), text(places[1]))
	}
}

// A page has bounds, says what it leaves out, and leaves out the least: leaks and conflicts stay.
func TestPageBounds(t *testing.T) {
	var line []on
	for i := range 520 {
		line = append(line, on{at: 10 + 2*float64(i), split: "train"}, on{at: 10 + 2*float64(i) + float64(i+1)/2000, split: "train"})
	}
	line[1039].split = "test" // the loosest pair leaks
	for i := range 30 {
		line = append(line, on{at: 5000 + float64(i)/4, split: "val"}) // a chain, looser than the pairs
	}
	line[1040].split = "test"
	line = append(line, on{at: 4999.75, split: "train"})
	for range 60 {
		line = append(line, on{at: 9000})
	}
	f := limited(t, 50, .5, line...)
	var reading, most atomic.Int64
	picture := solid(4, gray)
	f.Image = func(ctx context.Context, index int) ([]byte, error) {
		defer reading.Add(-1)
		most.Store(max(most.Load(), reading.Add(1)))
		return picture(ctx, index)
	}
	files, _ := written(t, f)
	root := parsed(t, files[v1alpha1.FileReport])
	clusters := elements(root, "article", "cluster")
	if len(clusters) != maxPageClusters {
		t.Fatalf("%d clusters", len(clusters))
	}
	for _, at := range []int{498, 499} {
		if !has(clusters[at], "data-leaks") {
			t.Errorf("cluster %d doesn't leak", at)
		}
	}
	last := clusters[499]
	if attribute(last, "data-size") != "31" || len(elements(last, "li", "tile")) != maxPageMembers {
		t.Errorf("the chain has size %s and %d tiles", attribute(last, "data-size"), len(elements(last, "li", "tile")))
	}
	if leaking := len(elements(last, "li", "leaks")); leaking != 1 {
		t.Errorf("%d leaking tiles in the chain", leaking)
	}
	for _, says := range []string{"This page shows 500 clusters", "21 more are in clusters.jsonl", "and 7 more, in clusters.jsonl", "Clusters that are only counted: 1"} {
		if !bytes.Contains(files[v1alpha1.FileReport], []byte(says)) {
			t.Errorf("the page doesn't say: %s", says)
		}
	}
	if most.Load() > pictureWorkers {
		t.Errorf("%d pictures were read at a time", most.Load())
	}
}

// Every class that the template gives has a rule.
func TestStyleMeetsLayout(t *testing.T) {
	f := findings(t, 1, small()...)
	f.Image = solid(100, func(i int) color.RGBA { return color.RGBA{uint8(i), 0, 0, 255} })
	files, _ := written(t, f)
	used := map[string]bool{}
	for n := range parsed(t, files[v1alpha1.FileReport]).Descendants() {
		for class := range strings.FieldsSeq(attribute(n, "class")) {
			used[class] = true
		}
	}
	bare := []string{"note", "run", "parameters", "split", "table", "area", "clusters"} // names for their own sake
	for _, class := range slices.Sorted(maps.Keys(used)) {
		if !strings.Contains(pageStyle, "."+class) && !slices.Contains(bare, class) {
			t.Errorf("class %s has no rule", class)
		}
	}
}

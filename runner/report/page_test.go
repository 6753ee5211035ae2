package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"maps"
	"regexp"
	"slices"
	"strings"
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

// data reads the blocks of JSON of a page.
func data(t *testing.T, page []byte) (samplesBlock, []layerBlock) {
	t.Helper()
	var samples samplesBlock
	var layers []layerBlock
	for _, script := range elements(parsed(t, page), "script", "") {
		var err error
		switch id := attribute(script, "id"); {
		case id == "samples":
			err = json.Unmarshal([]byte(text(script)), &samples)
		case strings.HasPrefix(id, "layer-data-"):
			var l layerBlock
			err = json.Unmarshal([]byte(text(script)), &l)
			layers = append(layers, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return samples, layers
}

// pictureLines are the pictures of a page in their order.
func pictureLines(t *testing.T, page []byte) (lines []string) {
	t.Helper()
	for i, script := range slices.DeleteFunc(elements(parsed(t, page), "script", ""), func(n *html.Node) bool { return attribute(n, "type") != "text/plain" }) {
		if id := attribute(script, "id"); id != fmt.Sprint("pictures-", i) {
			t.Errorf("block %d of pictures is called %s", i, id)
		}
		lines = append(lines, strings.Fields(text(script))...)
	}
	return lines
}

// Whatever files and labels are called, they are text: in the page, in CSV and in JSON.
func TestHostileNames(t *testing.T) {
	f, line := hostileFindings(t)
	files, _ := written(t, f)

	page := files[v1alpha1.FileReport]
	root := parsed(t, page)
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			t.Errorf("comment %q", n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"iframe", "object", "embed", "base", "link", "img"}, n.Data) {
			t.Errorf("element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("element %s with %s=%q", n.Data, a.Key, a.Val)
			}
		}
		if kind := attribute(n, "type"); n.Data == "script" && kind != "" && strings.ContainsAny(text(n), "<>&") {
			t.Errorf("script of type %s holds markup", kind)
		}
	}
	for tag, want := range map[string]int{"script": 5, "style": 1, "svg": 2, "title": 1} {
		if got := len(elements(root, tag, "")); got != want {
			t.Errorf("%d elements %s, want %d", got, tag, want)
		}
	}
	samples, layers := data(t, page)
	for _, name := range hostile {
		if !slices.Contains(samples.Samples.ID, valid(name)) {
			t.Errorf("%q is not in the data", name)
		}
		if !slices.Contains(samples.Labels, valid(name)) {
			t.Errorf("%q is no label", name)
		}
		if cell := legible(name); strings.TrimSpace(cell) == cell && !bytes.Contains(page, []byte(html.EscapeString(cell))) &&
			!strings.Contains(text(root), cell) {
			t.Errorf("%q is not in the text", cell)
		}
	}
	if len(layers) != 2 || samples.Audit != valid(hostile[0]) {
		t.Errorf("%d layers, audit %q", len(layers), samples.Audit)
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

// hostileFindings has hostile texts wherever the dataset or its user gives one.
func hostileFindings(t *testing.T) (*Findings, []on) {
	var line []on
	for i, name := range hostile {
		split := "test"
		if i%2 == 0 {
			split = name
		}
		line = append(line, on{at: float64(10 + i/3*5), id: name, split: split, labels: []string{name, "l" + name}})
	}
	f := findings(t, 1, line...)
	f.Images = solid(8, gray)
	f.Audit.Name = hostile[0]
	f.Audit.Spec.Dataset.Labels = hostile
	f.Audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: hostile[0], Expression: "layer.samples == 0", Severity: v1alpha1.SeverityFail}}
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = hostile[1]
	f.Run.ID, f.Run.Audit, f.Versions.Device = hostile[2], hostile[0], hostile[1]
	f.Verdicts = []v1alpha1.Verdict{{Verdict: v1alpha1.VerdictUnsure, Members: []string{valid(hostile[0]), valid(hostile[1])}}}
	for _, name := range hostile {
		f.Skipped = append(f.Skipped, Skipped{ID: name, Reason: name})
	}
	return f, line
}

func TestLegible(t *testing.T) {
	for given, want := range map[string]string{
		"a\x00b": "a\uFFFDb", "\u202Egnp.exe": "\uFFFDgnp.exe", "two\nlines": "two\nlines", "漢字 é": "漢字 é", "\xff": "\uFFFD", "\x9bm": "\uFFFDm",
	} {
		if got := legible(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

// The page's policy allows the script that is in it, and nothing from elsewhere.
func TestSecurityPolicy(t *testing.T) {
	files, _ := written(t, findings(t, 1, small()...))
	root := parsed(t, files[v1alpha1.FileReport])
	scripts := slices.DeleteFunc(elements(root, "script", ""), func(n *html.Node) bool { return has(n, "type") })
	if len(scripts) != 1 {
		t.Fatalf("%d scripts", len(scripts))
	}
	hash := sha256.Sum256([]byte(text(scripts[0])))
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
	f.Images = solid(300, gray)
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = "conv2"
	f.Verdicts = []v1alpha1.Verdict{{Verdict: v1alpha1.VerdictCopies, Members: []string{"s0", "s1"}}}
	files, _ := written(t, f)
	samples, layers := data(t, files[v1alpha1.FileReport])

	wantSamples := samplesBlock{
		Audit: "line", Digest: f.Digest, Splits: []string{"train", "test", "val"}, Evaluation: []int{1}, Labels: []string{"a", "b"},
		LabelSets: [][]int{{0}, {1}, {0, 1}, {}},
		Samples: sampleColumns{
			ID:    []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6"},
			Split: []int{0, 1, 0, 0, 0, 0, 2}, Labels: []int{0, 0, 0, 1, 1, 2, 3}, Picture: []int{0, 1, 2, 3, 4, 5, 6}, Baseline: []int{},
		},
		Pictures: true, PictureBlock: pictureBlock, Verdicts: f.Verdicts,
	}
	if diff := cmp.Diff(wantSamples, samples); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(layers[0], layers[1]); diff != "" {
		t.Errorf("the same layer twice differs (-first +second):\n%s", diff)
	}
	clusters := layers[0].Clusters
	if len(clusters) != 2 || clusters[0].ID != 10 || clusters[1].ID != 12 {
		t.Fatalf("clusters %+v", clusters)
	}
	if diff := cmp.Diff([]int{0, 1}, clusters[0].Members); diff != "" || !slices.Equal(clusters[0].Kept, []int{1}) || clusters[0].Medoid != 0 {
		t.Errorf("the copies are %+v", clusters[0])
	}
	if clusters[1].Conflicts != 1 || len(clusters[1].XY) != 6 || len(clusters[1].Plane) != 6 || clusters[1].Unlisted != 0 || clusters[1].Shown != nil {
		t.Errorf("the chain is %+v", clusters[1])
	}
	if diff := cmp.Diff([][]int{{0, 1}}, layers[0].Copies); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if p := layers[0].Preview; !slices.Equal(p.Leaking, []int{1}) || !slices.Equal(p.LeaksFrom, []int{0}) {
		t.Errorf("%v leak from the stops %v", p.Leaking, p.LeaksFrom)
	}

	lines := pictureLines(t, files[v1alpha1.FileReport])
	if len(lines) != 7 {
		t.Fatalf("%d pictures, want one of each sample", len(lines))
	}
	for _, line := range lines {
		encoded, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := jpeg.Decode(bytes.NewReader(encoded))
		if err != nil {
			t.Fatal(err)
		}
		if size := picture.Bounds().Size(); size.X != 224 || size.Y != 224 {
			t.Errorf("a picture of %v", size)
		}
	}
}

func TestPageWithoutImages(t *testing.T) {
	files, _ := written(t, findings(t, 1, small()...))
	samples, layers := data(t, files[v1alpha1.FileReport])
	if samples.Pictures || len(pictureLines(t, files[v1alpha1.FileReport])) != 0 || slices.Max(samples.Samples.Picture) >= 0 {
		t.Errorf("pictures: %t, %v", samples.Pictures, samples.Samples.Picture)
	}
	if len(layers[0].Clusters) != 2 {
		t.Errorf("%d clusters", len(layers[0].Clusters))
	}
}

func TestPageWithoutFindings(t *testing.T) {
	for name, test := range map[string]struct {
		line           []on
		clusters, stop int
	}{
		"apart": {line: []on{{at: 1}, {at: 5}}, stop: 1}, "one": {line: []on{{at: 1}}}, "all identical": {line: []on{{at: 1}, {at: 1}}, clusters: 1},
	} {
		t.Run(name, func(t *testing.T) {
			files, _ := written(t, findings(t, .5, test.line...))
			_, layers := data(t, files[v1alpha1.FileReport])
			if got := len(layers[0].Clusters); got != test.clusters {
				t.Errorf("%d clusters", got)
			}
			if got := len(layers[0].Preview.Stops.Distance) - 1; got != test.stop {
				t.Errorf("the slider ends at %d", got)
			}
			if got := len(elements(parsed(t, files[v1alpha1.FileReport]), "input", "slider")); got != test.stop {
				t.Errorf("%d sliders", got)
			}
		})
	}
}

// A baseline's samples have names, no pictures, and stay.
func TestPageWithBaseline(t *testing.T) {
	line := []on{{at: 10, split: "train"}, {at: 20, split: "train"}, {at: 10}, {at: 30}}
	f := findings(t, 1, line...)
	f.Samples[2].Baseline, f.Samples[3].Baseline = true, true
	f.find(t, 0, line, .1)
	f.Images = solid(8, gray)
	files, _ := written(t, f)
	samples, layers := data(t, files[v1alpha1.FileReport])
	if !slices.Equal(samples.Samples.Baseline, []int{1, 3}) && !slices.Equal(samples.Samples.Baseline, []int{1}) || samples.Samples.Picture[1] != leftOut {
		t.Errorf("baseline %v, pictures %v", samples.Samples.Baseline, samples.Samples.Picture)
	}
	if c := layers[0].Clusters[0]; !slices.Equal(c.Members, []int{0, 1}) || !slices.Equal(c.Kept, []int{1}) {
		t.Errorf("cluster %+v", c)
	}
	page := text(parsed(t, files[v1alpha1.FileReport]))
	for _, says := range []string{"1 sample is already in the baseline of 2, 1 exact.", "the baseline"} {
		if !strings.Contains(page, says) {
			t.Errorf("the page doesn't say: %s", says)
		}
	}
}

// A page has bounds, says what it leaves out, and leaves out the least: leaks and conflicts stay.
func TestPageBounds(t *testing.T) {
	var line []on
	pairs := maxPageClusters + 20
	for i := range pairs {
		line = append(line, on{at: 10 + 2*float64(i), split: "train"}, on{at: 10 + 2*float64(i) + float64(i+1)/20000, split: "train"})
	}
	line[2*pairs-1].split = "test" // the loosest pair leaks
	for i := range 30 {
		line = append(line, on{at: 20000 + float64(i)/4, split: "val"}) // a chain, looser than the pairs
	}
	line[2*pairs].split = "test"
	line = append(line, on{at: 19999.75, split: "train"})
	for range 60 {
		line = append(line, on{at: 30000})
	}
	f := limited(t, 50, .5, line...)
	f.Images = solid(4, gray)
	files, _ := written(t, f)
	samples, layers := data(t, files[v1alpha1.FileReport])
	clusters := layers[0].Clusters
	if len(clusters) != maxPageClusters {
		t.Fatalf("%d clusters", len(clusters))
	}
	chain := clusters[maxPageClusters-1]
	if len(chain.Members) != 31 || len(chain.Shown) != maxPageMembers {
		t.Errorf("the chain has %d members and shows %d", len(chain.Members), len(chain.Shown))
	}
	leaking := 0
	for i, m := range chain.Members {
		if shown := slices.Contains(chain.Shown, i); shown != (samples.Samples.Picture[m] >= 0) {
			t.Errorf("member %d: shown %t, picture %d", i, shown, samples.Samples.Picture[m])
		}
		if slices.Contains(layers[0].Preview.Leaking, m) && slices.Contains(chain.Shown, i) {
			leaking++
		}
	}
	if leaking != 1 {
		t.Errorf("%d leaking members of the chain are shown", leaking)
	}
	if got := clusters[maxPageClusters-2].Members[1]; !slices.Contains(layers[0].Preview.Leaking, got) {
		t.Error("the loosest pair, which leaks, is not listed")
	}
	for _, says := range []string{"This page lists 5,000 clusters", "21 more are in clusters.jsonl", "Clusters that are only counted: 1"} {
		if !bytes.Contains(files[v1alpha1.FileReport], []byte(says)) {
			t.Errorf("the page doesn't say: %s", says)
		}
	}
}

func TestCompliance(t *testing.T) {
	rule := func(expression string) []v1alpha1.PolicyRule {
		return []v1alpha1.PolicyRule{{Name: "rule", Expression: expression, Severity: v1alpha1.SeverityFail}}
	}
	for name, test := range map[string]struct {
		rules []v1alpha1.PolicyRule
		says  string
	}{
		"complies":     {rule("layer.samples == 7"), "The dataset complies with the policy."},
		"violates":     {rule("layer.leakage.samples == 0"), "The dataset does not comply with the policy."},
		"undecided":    {rule("layer.leakage.pairs[5].samples == 0"), "The policy is not decided"},
		"not compiled": {rule("layer.nothing == 0"), "The policy could not be evaluated."},
		"none":         {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := findings(t, 1, small()...)
			f.Audit.Spec.Policy.Rules = test.rules
			files, _ := written(t, f)
			sections := elements(parsed(t, files[v1alpha1.FileReport]), "section", "policy")
			if test.says == "" {
				if len(sections) != 0 {
					t.Error("there is a policy")
				}
				return
			}
			if got := text(sections[0]); !strings.Contains(got, test.says) {
				t.Errorf("says %q", got)
			}
		})
	}
}

func TestMatrix(t *testing.T) {
	f := findings(t, 1, small()...)
	r := f.Layers[0].Result
	m := newMatrix("split", "Splits", r, r.Splits, splitOf)
	if diff := cmp.Diff([]string{"test", "train"}, m.Parts); diff != "" || m.Unlisted != 1 {
		t.Errorf("parts (-want +got):\n%s, %d not listed", diff, m.Unlisted)
	}
	var got [][]int
	for _, row := range m.Rows {
		var cells []int
		for _, c := range row.Cells {
			cells = append(cells, c.Samples)
		}
		got = append(got, cells)
	}
	if diff := cmp.Diff([][]int{{0, 1}, {1, 3}}, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if says := m.Rows[0].Cells[1].Says; says != "1 of 1 samples of test have a duplicate in train" {
		t.Errorf("says %q", says)
	}

	var line []on // 40 classes, of which class i has i+2 copies
	for i := range 40 {
		for range i + 2 {
			line = append(line, on{at: float64(100 * (i + 1)), labels: []string{fmt.Sprintf("class %02d", i)}})
		}
	}
	r = findings(t, 1, line...).Layers[0].Result
	m = newMatrix("label", "Classes", r, r.Labels, labelsOf)
	if len(m.Rows) != maxMatrix || m.Rows[0].Name != "class 10" || m.Unlisted != 10 || len(m.Rows[0].Cells) != maxMatrix {
		t.Errorf("%d rows, the first of %s, %d not listed", len(m.Rows), m.Rows[0].Name, m.Unlisted)
	}
}

// Every class that the template or the script gives has a rule.
func TestStyleMeetsLayout(t *testing.T) {
	f := findings(t, 1, small()...)
	f.Images = solid(100, gray)
	f.Audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: "r", Expression: "layer.samples == 0", Severity: v1alpha1.SeverityFail}}
	files, _ := written(t, f)
	used := map[string]bool{}
	for n := range parsed(t, files[v1alpha1.FileReport]).Descendants() {
		for class := range strings.FieldsSeq(attribute(n, "class")) {
			used[class] = true
		}
	}
	for _, given := range regexp.MustCompile(`[{ ]class: "([^"]*)"[,} ]`).FindAllStringSubmatch(pageScript, -1) {
		for class := range strings.FieldsSeq(given[1]) {
			used[class] = class != "className" // which is how the script sets them
		}
	}
	bare := []string{ // names for their own sake
		"note", "run", "parameters", "split", "table", "area", "preview-note", "show", "export", "import", "buttons", "marked", "pause", "reset",
		"about-cluster", "shade-0", "tables",
	}
	for _, class := range slices.Sorted(maps.Keys(used)) {
		if used[class] && !strings.Contains(pageStyle, "."+class) && !slices.Contains(bare, class) {
			t.Errorf("class %s has no rule", class)
		}
	}
}

// The pictures are bounded over all layers, and the urgent clusters come first.
func TestPictureBudget(t *testing.T) {
	var line []on
	for i := range 4500 { // of 5 samples each: more than there is room for
		split := "train"
		if i == 4499 {
			split = "test"
		}
		for j := range 5 {
			line = append(line, on{at: 10 + 2*float64(i) + float64(i*j)/1e5, split: split})
			split = "train"
		}
	}
	f := findings(t, .5, line...)
	summary := Summarize(f)
	p, err := f.page(summary)
	if err != nil {
		t.Fatal(err)
	}
	table := &sampleTable{samples: f.Samples, numbers: map[int]int{}}
	p.Layers[0].block(table)
	order, left := choosePictures(p.Layers, table)
	if len(order) != maxPictures || left != 5*4500-maxPictures {
		t.Fatalf("%d pictures, %d left out", len(order), left)
	}
	last := order[maxPictures-1]
	if c := f.Layers[0].Result.Clusters[f.Layers[0].Result.ClusterOf[last]]; !c.Leaks {
		t.Errorf("the last picture is of a cluster that doesn't leak: %+v", c)
	}
	if first := f.Layers[0].Result.ClusterOf[order[0]]; first != 0 {
		t.Errorf("the first picture is of cluster %d", first)
	}
}

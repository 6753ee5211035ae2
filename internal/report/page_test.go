package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/jpeg"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/pages"
)

func TestPage(t *testing.T) {
	f := onLine(t, 1, small()...)
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
			Split: []int{0, 1, 0, 0, 0, 0, 2}, Labels: []int{0, 0, 0, 1, 1, 2, 3}, Picture: []int{0, 1, 2, 3, 4, 5, 6}, Baseline: []int{}, Ambiguous: []int{},
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
	for i, want := range []float64{.5, 0, 1} { // at 20, 20.5 and 21.5; the one in the middle is the medoid
		if got := 1.5 * float64(clusters[1].Distances[i]/clusters[1].Diameter); math.Abs(got-want) > 1e-3 {
			t.Errorf("member %d of the chain is %g from its medoid, want %g", i, got, want)
		}
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
	files, _ := written(t, onLine(t, 1, small()...))
	samples, layers := data(t, files[v1alpha1.FileReport])
	if samples.Pictures || len(pictureLines(t, files[v1alpha1.FileReport])) != 0 || slices.Max(samples.Samples.Picture) >= 0 {
		t.Errorf("pictures: %t, %v", samples.Pictures, samples.Samples.Picture)
	}
	if len(layers[0].Clusters) != 2 {
		t.Errorf("%d clusters", len(layers[0].Clusters))
	}
}

// Of crossing groups the worst are listed, whatever their names are.
func TestPageOfCrossingGroups(t *testing.T) {
	var line []on
	for i := range 40 {
		group := fmt.Sprintf("<b>p%02d", i/2)
		line = append(line, on{at: float64(10 * i), split: []string{"train", "test"}[i%2], group: group})
	}
	files, _ := written(t, onLine(t, 1, line...))
	page := string(files[v1alpha1.FileReport])
	for _, want := range []string{"Groups on both sides", "&lt;b&gt;p00", "&lt;b&gt;p15", "and 4 more", "20 of 20 groups are in both test and train, with 20 samples of test"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "<b>p") || strings.Contains(page, "&lt;b&gt;p16") {
		t.Error("a name is markup, or too many are listed")
	}
	if files, _ := written(t, onLine(t, 1, small()...)); bytes.Contains(files[v1alpha1.FileReport], []byte("Groups on both sides")) {
		t.Error("no group crosses")
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
			files, _ := written(t, onLine(t, .5, test.line...))
			_, layers := data(t, files[v1alpha1.FileReport])
			if got := len(layers[0].Clusters); got != test.clusters {
				t.Errorf("%d clusters", got)
			}
			if got := len(layers[0].Preview.Stops.Distance) - 1; got != test.stop {
				t.Errorf("the slider ends at %d", got)
			}
			if got := len(pages.Elements(pages.Parse(t, files[v1alpha1.FileReport]), "input", "slider")); got != test.stop {
				t.Errorf("%d sliders", got)
			}
		})
	}
}

// A baseline's samples have names, no pictures, and stay.
func TestPageWithBaseline(t *testing.T) {
	line := []on{{at: 10, split: "train"}, {at: 20, split: "train"}, {at: 10}, {at: 30}}
	f := onLine(t, 1, line...)
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
	if len(samples.Samples.Ambiguous) != 0 {
		t.Errorf("ambiguous: %v", samples.Samples.Ambiguous)
	}
	page := content(pages.Parse(t, files[v1alpha1.FileReport]))
	for _, says := range []string{"1 sample is already in the baseline of 2, 1 exact.", "the baseline"} {
		if !strings.Contains(page, says) {
			t.Errorf("the page doesn't say: %s", says)
		}
	}
}

// A name that is in the baseline and in the dataset is of the latter: for the slider as for the audit, and no mark may
// be about both.
func TestNamesOfBothSides(t *testing.T) {
	line := []on{{at: 10, id: "a"}, {at: 20, id: "b"}, {at: 20.05, id: "a"}, {at: 30, id: "c"}}
	f := onLine(t, 1, line...)
	f.Samples[2].Baseline, f.Samples[3].Baseline = true, true
	f.find(t, 0, line, .1)
	f.Verdicts = []v1alpha1.Verdict{{Verdict: v1alpha1.VerdictNotCopies, Members: []string{"a", "b"}}}
	files, _ := written(t, f)
	samples, layers := data(t, files[v1alpha1.FileReport])
	if c := layers[0].Clusters; len(c) != 1 || !slices.Equal(samples.Samples.Ambiguous, c[0].Members[1:]) {
		t.Errorf("clusters %+v, ambiguous %v", c, samples.Samples.Ambiguous)
	}
	if stops := layers[0].Preview.Stops; stops.Clusters[layers[0].Preview.Home] != 1 {
		t.Errorf("the slider has %v clusters, at the audit's threshold %d", stops.Clusters, layers[0].Preview.Home)
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
			f := onLine(t, 1, small()...)
			f.Audit.Spec.Policy.Rules = test.rules
			files, _ := written(t, f)
			sections := pages.Elements(pages.Parse(t, files[v1alpha1.FileReport]), "section", "policy")
			if test.says == "" {
				if len(sections) != 0 {
					t.Error("there is a policy")
				}
				return
			}
			if got := content(sections[0]); !strings.Contains(got, test.says) {
				t.Errorf("says %q", got)
			}
		})
	}
}

// Every class that the template or the script gives has a rule.
func TestStyleMeetsLayout(t *testing.T) {
	f := onLine(t, 1, small()...)
	f.Images = solid(100, gray)
	f.Audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: "r", Expression: "layer.samples == 0", Severity: v1alpha1.SeverityFail}}
	files, _ := written(t, f)
	used := map[string]bool{}
	for n := range pages.Parse(t, files[v1alpha1.FileReport]).Descendants() {
		for class := range strings.FieldsSeq(pages.Attribute(n, "class")) {
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

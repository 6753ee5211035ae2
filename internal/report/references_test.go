package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

// refer compares the samples of each layer with a reference, whose samples are equal to those of the given rows, or, for
// rows from 1000 on, beside them. Every other one has a picture.
func refer(t testing.TB, f *Findings, name string, rows ...int) {
	t.Helper()
	samples := slices.Clone(f.Samples)
	at := make(places, len(samples), len(samples)+len(rows))
	for i := range samples {
		at[i] = [1]float32{float32(10 * i)}
	}
	var theirs []duplicates.Sample
	for i, row := range rows {
		theirs = append(theirs, duplicates.Sample{Index: i, ID: fmt.Sprintf("%s/%d<b>.jpg", name, i), Split: "held", Labels: []string{"a", "b"}, Baseline: true})
		at = append(at, [1]float32{float32(10*(row%1000)) + float32(row/1000)})
	}
	vectors := make([]float64, len(at))
	norm := 0.0
	for i, x := range at {
		vectors[i] = float64(x[0])
		norm += vectors[i] * vectors[i]
	}
	drawn, err := images.Thumbnail(image.NewRGBA(image.Rect(0, 0, 20, 20)), 20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Layers {
		// Norms of 1, so that the distances are those on the line.
		c, err := duplicates.Compare(t.Context(), slices.Concat(samples, theirs), slices.Clone(vectors), 1, at, duplicates.Options{
			Neighbors: 20, Strategy: duplicates.Frozen{Distance: 2}, Norms: []float64{1}, MaxClusterSize: 50, Threads: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		f.Layers[i].References = append(f.Layers[i].References, Reference{Name: name, Samples: theirs, Comparison: c, Thumbnail: func(sample int) []byte {
			if sample%2 == 1 {
				return nil
			}
			return drawn
		}})
	}
	f.References = append(f.References, v1alpha1.SummaryReference{Name: name, SHA256: strings.Repeat("5", 64), Samples: int64(len(theirs))})
}

func TestReferencesInFiles(t *testing.T) {
	f := onLine(t, 0.5, on{at: 1, split: "train"}, on{at: 1.2, split: "train"}, on{at: 9, split: "test"}, on{at: 20, split: "train"})
	refer(t, f, "bench", 3, 2, 1000, 3)
	refer(t, f, "clean")
	summary := Summarize(f)
	want := []v1alpha1.ReferenceSummary{
		{Name: "bench", Samples: 3, ExactCopies: 2, ReferenceSamples: 4, Size: 4, Pairs: 1, Splits: []v1alpha1.SplitSamples{{Name: "train", Samples: 2}, {Name: "test", Samples: 1}}},
		{Name: "clean", Splits: []v1alpha1.SplitSamples{{Name: "train"}, {Name: "test"}}},
	}
	if diff := cmp.Diff(want, summary.Layers[0].References); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	var out bytes.Buffer
	if err := f.writeRemove(&out); err != nil {
		t.Fatal(err)
	}
	// Row 0 is beside a sample of the benchmark, and row 1 beside row 0. Row 2 is of the test.
	wantRows := "layer,index,id,split,label,keeperIndex,keeperID,exact,cluster,baseline,reference\n" +
		"conv,10,s0,train,,2,bench/2<b>.jpg,false,10,false,bench\n" +
		"conv,11,s1,train,,2,bench/2<b>.jpg,false,10,false,bench\n" +
		"conv,13,s3,train,,0,bench/0<b>.jpg,true,,false,bench\n"
	if diff := cmp.Diff(wantRows, out.String()); diff != "" {
		t.Errorf("remove.csv (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := f.writeKeep(&out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("layer,index,id,split,label\nconv,12,s2,test,\n", out.String()); diff != "" {
		t.Errorf("keep.csv (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := f.writePairs(&out); err != nil {
		t.Fatal(err)
	}
	var across []string
	for line := range strings.Lines(out.String()) {
		if strings.HasSuffix(line, ",bench\n") {
			across = append(across, strings.TrimSpace(line))
		}
	}
	wantPairs := []string{
		"conv,10,2,s0,bench/2<b>.jpg,1,false,,,bench",
		"conv,12,1,s2,bench/1<b>.jpg,0,false,,,bench",
		"conv,13,0,s3,bench/0<b>.jpg,0,false,,,bench",
		"conv,13,3,s3,bench/3<b>.jpg,0,false,,,bench",
	}
	if diff := cmp.Diff(wantPairs, across); diff != "" {
		t.Errorf("pairs.csv (-want +got):\n%s", diff)
	}
}

// A near duplicate of what a reference holds goes with it, whichever of them would have stayed.
func TestCopiesOfContamination(t *testing.T) {
	line := []on{{at: 1, split: "train"}, {at: 1.2, split: "train"}, {at: 1.4, split: "train"}, {at: 1.6, split: "test"}, {at: 9, split: "train"}}
	for held := range 3 {
		f := onLine(t, 0.5, line...)
		refer(t, f, "bench", held)
		gone := map[int]string{}
		for _, r := range f.removals(f.Layers[0]) {
			gone[r.row] = r.reference
		}
		if diff := cmp.Diff(map[int]string{0: "bench", 1: "bench", 2: "bench"}, gone); diff != "" {
			t.Errorf("sample %d is in a reference (-want +got):\n%s", held, diff)
		}
	}
	f := limited(t, 2, 0.5, line...) // the cluster of four may be a chain of look-alikes
	refer(t, f, "bench", 1)
	if removed := f.removals(f.Layers[0]); len(removed) != 1 || removed[0].row != 1 {
		t.Errorf("of an oversized cluster go %+v", removed)
	}
}

// Code scanning shows what a reference holds.
func TestReferencesInSARIF(t *testing.T) {
	f := onLine(t, 0.5, on{at: 1, split: "train"}, on{at: 9, split: "train"})
	refer(t, f, "bench", 1, 1000)
	var out bytes.Buffer
	if err := f.writeSARIF(&out); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, r := range log.Runs[0].Results {
		said = append(said, strings.Join([]string{r.RuleID, r.Level, r.Locations[0].Physical.Artifact.URI, r.Message.Text}, " "))
	}
	want := []string{
		"contamination error s0 s0 (train) is a near duplicate (distance 1) of bench/1<b>.jpg (held, a, b, of reference bench) by layer conv.",
		"contamination error s1 s1 (train) is an exact copy of bench/0<b>.jpg (held, a, b, of reference bench) by layer conv.",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Of many splits, the columns of the references' table are those of the dataset.
func TestReferencesBySplits(t *testing.T) {
	var line []on
	for i := range 300 {
		for range 1 + i/200 { // the last ones are the largest
			line = append(line, on{at: float64(10 * (i + 1)), split: fmt.Sprint("split", i)})
		}
	}
	f := onLine(t, 0.5, line...)
	refer(t, f, "bench", 0, 1)
	summary := summarize(f)
	var names, columns []string
	for _, s := range summary.Dataset.Splits {
		names = append(names, s.Name)
	}
	for _, s := range summary.Layers[0].References[0].Splits {
		columns = append(columns, s.Name)
	}
	if diff := cmp.Diff(names, columns); diff != "" || len(names) != v1alpha1.MaxSummaryGroups {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// As many references and layers as an audit may have fit the summary.
func TestManyReferencesFit(t *testing.T) {
	for _, layers := range []int{4, 16} {
		f := onLine(t, 0.5, small()...)
		for i := range v1alpha1.MaxComparisons / layers {
			refer(t, f, fmt.Sprint(strings.Repeat("long", 15), i), 0, 1, 2)
		}
		for len(f.Layers) < layers {
			f.Layers = append(f.Layers, f.Layers[0])
		}
		s := Summarize(f)
		data, err := encode(s)
		if err != nil || len(data) > v1alpha1.MaxResultBytes {
			t.Errorf("%d layers: %d bytes, %v", layers, len(data), err)
		}
		if n := len(s.Layers[layers-1].References); n != v1alpha1.MaxComparisons/layers {
			t.Errorf("%d references of the last of %d layers", n, layers)
		}
	}
}

// The page shows the surest pairs, with the pictures that there are, and names are text.
func TestReferencesOnPage(t *testing.T) {
	f, _ := sixty(t)
	rows := []int{1007, 3, 9}
	for row := range 50 {
		rows = append(rows, 1000+row)
	}
	refer(t, f, "bench", rows...)
	page, err := os.ReadFile(strings.TrimPrefix(published(t, f), "file://"))
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)<section class="references".*?</section>`).FindString(string(page))
	for says, times := range map[string]int{"<b>.jpg": 0, "&lt;b&gt;.jpg": 2 * 50, "an exact copy": 2, "<li>": 50, "<details>": 1, "no picture": 26} { // of 25 of the reference, and of one that can't be read
		if n := strings.Count(section, says); n != times {
			t.Errorf("%q is there %d times, not %d", says, n, times)
		}
	}
	if first := strings.Index(section, "<li>"); !strings.Contains(section[first:first+12_000], "an exact copy") {
		t.Error("an exact copy is not the first")
	}
}

package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"iter"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// on places a sample on a line; samples at one place are exact copies.
type on struct {
	at     float64
	id     string
	split  string
	labels []string
	group  string
}

// onLine audits samples on a line, linked up to the given gap, whose indices in the dataset are 10, 11, ….
func onLine(t testing.TB, gap float64, line ...on) *Findings {
	t.Helper()
	f := &Findings{
		Audit:            &v1alpha1.DatasetAudit{ObjectMeta: metav1.ObjectMeta{Name: "line"}},
		Digest:           "sha256:" + strings.Repeat("0", 64),
		EvaluationSplits: []string{"test"},
	}
	norm := 0.0
	for i, s := range line {
		if s.id == "" {
			s.id = fmt.Sprintf("s%d", i)
		}
		f.Samples = append(f.Samples, duplicates.Sample{Index: 10 + i, ID: s.id, Split: s.split, Labels: s.labels, Group: s.group})
		norm += s.at * s.at
	}
	f.Layers = []Layer{{Name: "conv", Dimensions: 8, Components: 1, Strategy: v1alpha1.ThresholdDistance}}
	f.find(t, 0, line, (gap+1e-9)*math.Sqrt(float64(len(line))/norm))
	return f
}

// find makes the result of a layer again, after the audit was changed or for a second layer.
func (f *Findings) find(t testing.TB, layer int, line []on, normalized float64) {
	t.Helper()
	vectors, embeddings := make([]float64, len(line)), make(places, len(line))
	for i, s := range line {
		vectors[i], embeddings[i] = s.at, [1]float32{float32(s.at)}
	}
	r, err := duplicates.Find(context.Background(), f.Samples, vectors, 1, embeddings, duplicates.Options{
		Neighbors: 10, Strategy: duplicates.Distance{Normalized: normalized}, MaxClusterSize: f.maxClusterSize(),
		EvaluationSplits: f.EvaluationSplits, NearMisses: 1000, Threads: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Layers[layer].Result = r
}

// places are the embeddings on a line.
type places [][1]float32

func (p places) Dimensions() int     { return 1 }
func (p places) Row(i int) []float32 { return p[i][:] }

// limited sets maxClusterSize and finds again.
func limited(t *testing.T, size int32, gap float64, line ...on) *Findings {
	t.Helper()
	f := onLine(t, gap, line...)
	f.Audit.Spec.Duplicates.MaxClusterSize = &size
	norm := 0.0
	for _, s := range line {
		norm += s.at * s.at
	}
	f.find(t, 0, line, (gap+1e-9)*math.Sqrt(float64(len(line))/norm))
	return f
}

// written writes the findings and returns the files by name, and the names in the order in which they were begun.
func written(t *testing.T, f *Findings) (files map[string][]byte, order []string) {
	t.Helper()
	dir := t.TempDir()
	out, err := storage.Create(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := Write(context.Background(), out, f, func(file string) { order = append(order, file) }); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, name := range order {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return files, order
}

// rows reads CSV back, the header left out.
func rows(t *testing.T, file []byte) [][]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

// solid gives every sample a picture of one color.
func solid(side int, of func(index int) color.RGBA) func(context.Context, []int) iter.Seq2[Image, error] {
	return func(_ context.Context, indices []int) iter.Seq2[Image, error] {
		return func(yield func(Image, error) bool) {
			for _, index := range indices {
				img := image.NewRGBA(image.Rect(0, 0, side, side))
				for i := range side * side {
					img.Set(i%side, i/side, of(index))
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

func gray(int) color.RGBA { return color.RGBA{128, 128, 128, 255} }

// small has a leak, a conflict, copies, a group key, a chain, a sample apart and two labels.
func small() []on {
	a, b := []string{"a"}, []string{"b"}
	return []on{
		{at: 10, split: "train", labels: a}, {at: 10, split: "test", labels: a},
		{at: 20, split: "train", labels: a, group: "g"}, {at: 20.5, split: "train", labels: b}, {at: 21.5, split: "train", labels: b},
		{at: 50, split: "train", labels: []string{"a", "b"}, group: "g"}, {at: 70, split: "val"},
	}
}

func TestFilesAndTheirOrder(t *testing.T) {
	files, order := written(t, onLine(t, 1, small()...))
	want := []string{"clusters.jsonl", "clusters.parquet", "pairs.csv", "groups.csv", "keep.csv", "remove.csv", "junit.xml", "findings.sarif", "summary.md", "report.html", "summary.json"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	tables := map[string]string{
		"pairs.csv": `layer,indexA,indexB,idA,idB,distance,baseline,similarity,change,reference
conv,10,11,s0,s1,0,false,,,
conv,12,13,s2,s3,D,false,,,
conv,13,14,s3,s4,D,false,,,
`,
		"groups.csv": `layer,index,id,split,label,cluster,group,sequence
conv,10,s0,train,a,10,10,
conv,11,s1,test,a,10,10,
conv,12,s2,train,a,12,12,
conv,13,s3,train,b,12,12,
conv,14,s4,train,b,12,12,
conv,15,s5,train,a|b,,12,
conv,16,s6,val,,,16,
`,
		"keep.csv": `layer,index,id,split,label
conv,11,s1,test,a
conv,13,s3,train,b
conv,15,s5,train,a|b
conv,16,s6,val,
`,
		"remove.csv": `layer,index,id,split,label,keeperIndex,keeperID,exact,cluster,baseline,reference
conv,10,s0,train,a,11,s1,true,10,false,
conv,12,s2,train,a,13,s3,false,12,false,
conv,14,s4,train,b,13,s3,false,12,false,
`,
	}
	distance := regexp.MustCompile(`,0\.\d+,`)
	for name, want := range tables {
		got := distance.ReplaceAllString(string(files[name]), ",D,")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A copy in test never goes for one in train, also where train is a split to keep.
func TestEvaluationSplitsComeBeforeKeepSplits(t *testing.T) {
	f := onLine(t, 1, small()...)
	f.Audit.Spec.Duplicates.Removal.KeepSplits = []string{"train"}
	files, _ := written(t, f)
	want := []string{"conv", "10", "s0", "train", "a", "11", "s1", "true", "10", "false", ""}
	if diff := cmp.Diff(want, rows(t, files["remove.csv"])[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSameFindingsSameBytes(t *testing.T) {
	f := onLine(t, 1, small()...)
	f.Images = solid(20, gray)
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = "conv2"
	first, order := written(t, f)
	again, _ := written(t, f)
	now, seconds := metav1.Now(), v1alpha1.NewDecimal(12.5)
	f.Run = v1alpha1.SummaryRun{ID: "r2", Audit: "ns/line", CompletedAt: &now}
	f.Cost.WallSeconds = &seconds
	f.Versions.Runner = "v9"
	later, _ := written(t, f)
	footer := regexp.MustCompile(`(?s)<footer>.*</footer>`)
	for _, name := range order {
		if !bytes.Equal(first[name], again[name]) {
			t.Errorf("%s differs when written again", name)
		}
		a, b := footer.ReplaceAll(first[name], nil), footer.ReplaceAll(later[name], nil)
		if name != v1alpha1.FileSummary && !bytes.Equal(a, b) {
			t.Errorf("%s depends on the run", name)
		}
	}
	if !bytes.Contains(later[v1alpha1.FileReport], []byte("run r2")) {
		t.Error("the page's footer doesn't name the run")
	}
	var summary v1alpha1.AuditSummary
	if err := json.Unmarshal(later[v1alpha1.FileSummary], &summary); err != nil {
		t.Fatal(err)
	}
	if summary.Run.ID != "r2" || summary.Versions.Runner != "v9" || summary.Cost.WallSeconds == nil {
		t.Errorf("summary of %+v, %+v, %+v", summary.Run, summary.Versions, summary.Cost)
	}
}

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		edit func(*Findings)
		want []string
	}{
		"a number that is none": {
			edit: func(f *Findings) { f.Layers[0].Result.Clusters[0].Std = math.NaN() },
			want: []string{"clusters.jsonl", "layer conv, cluster 10", "NaN"},
		},
		"no layers": {edit: func(f *Findings) { f.Layers = nil }, want: []string{"no findings"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := onLine(t, 1, small()...)
			test.edit(f)
			dir := t.TempDir()
			out, err := storage.Create(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Write(context.Background(), out, f, nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q doesn't say %q", err, part)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, v1alpha1.FileSummary)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("there is a summary, though not everything is there: %v", err)
			}
		})
	}
}

func TestCanceled(t *testing.T) {
	f := onLine(t, 1, small()...)
	ctx, cancel := context.WithCancel(context.Background())
	f.Images = func(ctx context.Context, _ []int) iter.Seq2[Image, error] {
		return func(yield func(Image, error) bool) {
			cancel()
			<-ctx.Done()
			yield(Image{}, ctx.Err())
		}
	}
	out, err := storage.Create(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(ctx, out, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/config/crd"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/demo"
	"github.com/datasetaudit/dataset-audit/internal/edits"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// writeDemo puts a demo into a new folder.
func writeDemo(t *testing.T, seed uint64) (string, *demo.Truth) {
	t.Helper()
	folder := t.TempDir()
	planted, err := demo.Write(folder, seed)
	if err != nil {
		t.Fatal(err)
	}
	return folder, planted
}

// quiet is an audit's progress that nobody watches.
type quiet struct{}

func (quiet) Stage(v1alpha1.Stage, int64) {}
func (quiet) Add(int64)                   {}
func (quiet) Note(string)                 {}
func (quiet) Estimate(time.Duration)      {}

// What the demo promises holds, and not for one lucky seed alone. All of it is found, and by the reference most.
func TestAuditFindsWhatWasPlanted(t *testing.T) {
	needs.Runtime(t)
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			folder, planted := writeDemo(t, seed)
			spec, err := crd.Load(demo.AuditYAML)
			if err != nil {
				t.Fatal(err)
			}
			results := filepath.Join(folder, "out")
			a := audit.Run{
				Audit: spec, Dataset: filepath.Join(folder, "images"), Model: filepath.Join(folder, "model.onnx"), Out: results,
				Work: t.TempDir(), Threads: 2, Progress: quiet{},
			}
			check := func() *findings {
				t.Helper()
				if _, err := a.Execute(t.Context()); err != nil {
					t.Fatal(err)
				}
				var table bytes.Buffer
				err := evaluate(&table, folder, results)
				t.Logf("\n%s", &table)
				if err != nil {
					t.Error(err)
				}
				found, err := readFindings(results)
				if err != nil {
					t.Fatal(err)
				}
				exactly := slices.DeleteFunc(slices.Clone(planted.Planted), func(c demo.Copied) bool { return !demo.IsExact(c.Kind) })
				if int(found.layer.ExactCopies) != len(exactly) {
					t.Errorf("%d exact copies", found.layer.ExactCopies)
				}
				return found
			}
			for _, s := range compare(planted, check()) {
				if s.found < s.of {
					t.Errorf("of %s %d of %d are found", s.name, s.found, s.of)
				}
			}

			spec.Spec.Reduction = v1alpha1.ReductionSpec{}
			spec.Spec.Duplicates = v1alpha1.DuplicatesSpec{Threshold: v1alpha1.ThresholdSpec{Sensitivity: new(int32(20))}}
			spec.Spec.SetMethodDefaults()
			check() // by the reference's method
		})
	}
}

// Sets of a few pictures are audited by the defaults as larger ones are: a copy is found, and nothing else.
func TestSmallSets(t *testing.T) {
	needs.Runtime(t)
	folder := t.TempDir()
	if err := demo.WriteScenes(folder, 3, 40); err != nil {
		t.Fatal(err)
	}
	var scenes []string
	files, err := filepath.Glob(filepath.Join(folder, "images", "*", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scenes = append(scenes, string(content))
	}
	slices.Sort(scenes)
	recompressed, _, err := edits.JPEG(50, 50).File(rand.New(rand.NewPCG(1, 1)), []byte(scenes[0]), ".jpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 2, 3, 4, 5, 10, 20, 40} {
		for _, planted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, planted %t", size, planted), func(t *testing.T) {
				set := slices.Clone(scenes[:size])
				if planted {
					set[size-1] = string(recompressed)
				}
				images := t.TempDir()
				for i, content := range set {
					if err := os.WriteFile(filepath.Join(images, fmt.Sprintf("%02d.jpg", i)), []byte(content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				spec, err := crd.Load(demo.AuditYAML)
				if err != nil {
					t.Fatal(err)
				}
				spec.Spec.Dataset.EvaluationSplits = nil // there are none
				a := audit.Run{
					Audit: spec, Dataset: images, Model: filepath.Join(folder, "model.onnx"), Out: t.TempDir(), Work: t.TempDir(), Threads: 2, Progress: quiet{},
				}
				summary, err := a.Execute(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want := int64(0)
				if planted && size > 1 {
					want = 2
				}
				if got := summary.Layers[0].DuplicateSamples; got != want {
					t.Errorf("%d samples are in clusters, want %d", got, want)
				}
			})
		}
	}
}

func TestEvaluate(t *testing.T) {
	planted := demo.Truth{
		Planted: []demo.Copied{
			{Kind: demo.Exact, Source: "train/boat/0.jpg", Copy: "test/boat/0.jpg"},
			{Kind: "jpeg", Source: "train/boat/1.jpg", Copy: "train/boat/2.jpg"},
			{Kind: demo.Exact, Source: "train/boat/3.jpg", Copy: "train/car/0.jpg"},
			{Kind: "crop", Source: "train/boat/3.jpg", Copy: "train/boat/4.jpg"},
		},
		Leaks:     []demo.Copied{{Kind: demo.Exact, Source: "train/boat/0.jpg", Copy: "test/boat/0.jpg"}},
		Conflicts: []demo.Copied{{Kind: demo.Exact, Source: "train/boat/3.jpg", Copy: "train/car/0.jpg"}},
		Identical: []string{"train/boat/3.jpg", "train/car/0.jpg"},
		Edited:    []string{"train/boat/4.jpg"},
	}
	one := int64(1)
	all := findings{
		layer: v1alpha1.LayerSummary{Leakage: &v1alpha1.LeakageSummary{ExactCopies: 1}, LabelConflicts: &one},
		cluster: map[string]int{
			"train/boat/0.jpg": 0, "test/boat/0.jpg": 0, "train/boat/1.jpg": 1, "train/boat/2.jpg": 1,
			"train/boat/3.jpg": 3, "train/boat/4.jpg": 3, "train/car/0.jpg": 3,
		},
		links: [][2]string{
			{"train/boat/0.jpg", "test/boat/0.jpg"}, // the same bytes: no link
			{"train/boat/1.jpg", "train/boat/2.jpg"},
			{"train/boat/3.jpg", "train/boat/4.jpg"}, {"train/boat/4.jpg", "train/car/0.jpg"}, // one link
		},
	}
	tests := map[string]struct {
		change func(f *findings)
		short  []string
	}{
		"everything found": {func(*findings) {}, nil},
		"an edit missed": {
			func(f *findings) { delete(f.cluster, "train/boat/2.jpg") },
			[]string{"all edits", "brightness and jpeg"}},
		"a copy elsewhere": {
			func(f *findings) { f.cluster["test/boat/0.jpg"] = 7 },
			[]string{"exact copies", "leaks from train into test"}},
		"a wrong link": {
			func(f *findings) { f.links = append(f.links, [2]string{"train/boat/9.jpg", "train/boat/2.jpg"}) },
			[]string{"links that join copies (precision)"}},
		"no leakage in the summary": {
			func(f *findings) { f.layer.Leakage = nil },
			[]string{"exact leaks in the summary"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := all
			f.cluster = map[string]int{}
			maps.Copy(f.cluster, all.cluster)
			test.change(&f)
			var short []string
			for _, s := range compare(&planted, &f) {
				if s.part() < s.least {
					short = append(short, s.name)
				}
			}
			if diff := cmp.Diff(test.short, short); diff != "" {
				t.Errorf("too little (-want +got):\n%s", diff)
			}
		})
	}
	if err := evaluate(io.Discard, t.TempDir(), t.TempDir()); !os.IsNotExist(err) {
		t.Errorf("of an empty folder: %v", err)
	}
}

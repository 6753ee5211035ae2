package main

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ort "github.com/yalue/onnxruntime_go"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/config/crd"
	"github.com/datasetaudit/dataset-audit/hack/edits"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// writeDemo puts a demo into a new folder.
func writeDemo(t *testing.T, seed uint64) (string, *truth) {
	t.Helper()
	d, planted, err := generate(seed)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := write(folder, d, planted); err != nil {
		t.Fatal(err)
	}
	return folder, planted
}

func readTree(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSameSeedSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	first, _ := writeDemo(t, 7)
	runtime.GOMAXPROCS(4)
	second, _ := writeDemo(t, 7)
	a, b := readTree(t, first), readTree(t, second)
	if len(a) < 400 {
		t.Fatalf("only %d files", len(a))
	}
	for name, content := range a {
		if content != b[name] {
			t.Errorf("%s differs from one time to the other", name)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d files, then %d", len(a), len(b))
	}
	third, _ := writeDemo(t, 8)
	if c := readTree(t, third); c["images/train/boat/0000.jpg"] == a["images/train/boat/0000.jpg"] {
		t.Error("another seed draws the same pictures")
	}
}

func TestTruthIsTrue(t *testing.T) {
	folder, planted := writeDemo(t, 1)
	files := map[string]string{}
	for name, content := range readTree(t, filepath.Join(folder, "images")) {
		files[filepath.ToSlash(name)] = content
	}
	if len(files) != planted.Samples {
		t.Errorf("%d images, the truth says %d", len(files), planted.Samples)
	}
	for name, content := range files {
		config, format, err := image.DecodeConfig(strings.NewReader(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := map[string]string{".jpg": "jpeg", ".png": "png", ".webp": "webp", ".tiff": "tiff"}[filepath.Ext(name)]; format != want {
			t.Errorf("%s is a %s", name, format)
		}
		if min(config.Width, config.Height) < 96 || max(config.Width, config.Height) > 160 {
			t.Errorf("%s: %d×%d pixels", name, config.Width, config.Height)
		}
	}

	// Files of the same bytes are those that were planted, and no others.
	content := planted.origins(exact)
	holders := map[string]string{}
	for name, bytes := range files {
		if first, ok := holders[bytes]; ok && content(first) != content(name) {
			t.Errorf("%s and %s are the same, which the truth doesn't say", first, name)
		}
		holders[bytes] = name
	}
	split := func(id string) string { return strings.Split(id, "/")[0] }
	label := func(id string) string { return strings.Split(id, "/")[1] }
	kinds := map[string]int{}
	var leaks, conflicts []copied
	for _, c := range planted.Planted {
		kinds[c.Kind]++
		if same := files[c.Source] == files[c.Copy]; same != (c.Kind == exact) || files[c.Source] == "" {
			t.Errorf("%+v: same bytes: %t", c, same)
		}
		if split(c.Source) != split(c.Copy) {
			leaks = append(leaks, c)
			if split(c.Source) != train || split(c.Copy) != test {
				t.Errorf("%+v leaks the wrong way", c)
			}
		}
		if label(c.Source) != label(c.Copy) {
			conflicts = append(conflicts, c)
		}
	}
	want := map[string]int{
		"exact": 16 + 1 + 14 + 11, "brightness": 12 + 1, "jpeg": 12, "crop": 12, "shift": 12, "mirror": 12, "webp": 4, "tiff": 4, "turned": 4,
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("planted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(planted.Leaks, leaks); diff != "" || len(leaks) != 17 {
		t.Errorf("%d leaks, not those of the truth:\n%s", len(leaks), diff)
	}
	if diff := cmp.Diff(planted.Conflicts, conflicts); diff != "" || len(conflicts) != 1 {
		t.Errorf("%d conflicts, not those of the truth:\n%s", len(conflicts), diff)
	}
	if len(planted.Identical) != 15 || len(planted.Edited) != 12 {
		t.Errorf("groups of %d and %d", len(planted.Identical), len(planted.Edited))
	}
	for _, group := range [][]string{planted.Identical, planted.Edited} {
		for _, id := range group {
			if files[id] != files[group[0]] {
				t.Errorf("%s and %s differ", id, group[0])
			}
		}
	}
	if picture := planted.origins(); picture(planted.Identical[0]) != picture(planted.Edited[0]) {
		t.Error("the two groups are not of one picture")
	}
}

// Scenes alone are the demo's pictures, without what is planted.
func TestScenes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "scenes")
	if err := run("", folder, 1, 10); err != nil {
		t.Fatal(err)
	}
	tree := readTree(t, filepath.Join(folder, "images"))
	contents := map[string]bool{}
	for _, content := range tree {
		contents[content] = true
	}
	if want := (10 + len(classes) - 1) / len(classes) * len(classes); len(tree) != want || len(contents) != want {
		t.Errorf("%d files of %d contents, want %d", len(tree), len(contents), want)
	}
}

func TestKeepsForeignImages(t *testing.T) {
	folder := t.TempDir()
	kept := filepath.Join(folder, "images", "mine.jpg")
	if err := os.Mkdir(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run("", folder, 1, 0); err == nil {
		t.Error("wrote into a folder with images of another origin")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestAuditAndModelFit(t *testing.T) {
	spec, err := crd.Load(auditYAML)
	if err != nil {
		t.Fatal(err)
	}
	encoded := network().Marshal()
	if len(encoded) > 1<<20 {
		t.Errorf("the model has %d bytes", len(encoded))
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, encoded, 0o644); err != nil {
		t.Fatal(err)
	}
	model, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range spec.Spec.Model.Layers {
		if _, err := model.Resolve(layer); err != nil {
			t.Error(err)
		}
	}
}

// The features' mean over the image is the same for an image, its mirror image, and a lighter one of less contrast.
func TestModelInvariance(t *testing.T) {
	needs.Runtime(t)
	if _, err := embed.RuntimeVersion(); err != nil { // loads it
		t.Fatal(err)
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(network().Marshal(), []string{"image"}, []string{"embedding"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()

	const images, plane = 4, inputSize * inputSize
	batch := make([]float32, images*3*plane) // an image, its mirror image, a lighter one, another image
	for i := range 3 * plane {
		c, y, x := i/plane, i%plane/inputSize, i%inputSize
		v := noise(uint64(c), float64(x)/9, float64(y)/9)
		batch[i] = float32(v)
		batch[3*plane+c*plane+y*inputSize+inputSize-1-x] = float32(v)
		batch[6*plane+i] = float32(.6*v + .3)
		batch[9*plane+i] = float32(noise(uint64(c)+9, float64(x)/9, float64(y)/9))
	}
	input, err := ort.NewTensor(ort.NewShape(images, 3, inputSize, inputSize), batch)
	if err != nil {
		t.Fatal(err)
	}
	defer input.Destroy()
	outputs := []ort.Value{nil}
	if err := session.Run([]ort.Value{input}, outputs); err != nil {
		t.Fatal(err)
	}
	defer outputs[0].Destroy()
	embeddings := outputs[0].(*ort.Tensor[float32]).GetData()
	width := len(embeddings) / images
	distance := func(a, b int) float64 {
		sum := 0.0
		for i := range width {
			d := float64(embeddings[a*width+i] - embeddings[b*width+i])
			sum += d * d
		}
		return math.Sqrt(sum)
	}
	other := distance(0, 3)
	for i, name := range map[int]string{1: "mirrored", 2: "lighter"} {
		if d := distance(0, i); d > other/100 {
			t.Errorf("%s: distance %g, to another image %g", name, d, other)
		}
	}
}

// quiet is an audit's progress that nobody watches.
type quiet struct{}

func (quiet) Stage(v1alpha1.Stage, int64) {}
func (quiet) Add(int64)                   {}
func (quiet) Note(string)                 {}

// What the demo promises holds, and not for one lucky seed alone. All of it is found, and by the reference most.
func TestAuditFindsWhatWasPlanted(t *testing.T) {
	needs.Runtime(t)
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			demo, planted := writeDemo(t, seed)
			spec, err := crd.Load(auditYAML)
			if err != nil {
				t.Fatal(err)
			}
			results := filepath.Join(demo, "out")
			a := audit.Run{
				Audit: spec, Dataset: filepath.Join(demo, "images"), Model: filepath.Join(demo, "model.onnx"), Out: results,
				Work: t.TempDir(), Threads: 2, Progress: quiet{},
			}
			check := func() *findings {
				t.Helper()
				if _, err := a.Execute(t.Context()); err != nil {
					t.Fatal(err)
				}
				var table bytes.Buffer
				err := evaluate(&table, demo, results)
				t.Logf("\n%s", &table)
				if err != nil {
					t.Error(err)
				}
				found, err := readFindings(results)
				if err != nil {
					t.Fatal(err)
				}
				exactly := slices.DeleteFunc(slices.Clone(planted.Planted), func(c copied) bool { return !isExact(c.Kind) })
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
	demo := t.TempDir()
	if err := run("", demo, 3, 40); err != nil {
		t.Fatal(err)
	}
	var scenes []string
	for _, content := range readTree(t, filepath.Join(demo, "images")) {
		scenes = append(scenes, content)
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
				spec, err := crd.Load(auditYAML)
				if err != nil {
					t.Fatal(err)
				}
				spec.Spec.Dataset.EvaluationSplits = nil // there are none
				a := audit.Run{
					Audit: spec, Dataset: images, Model: filepath.Join(demo, "model.onnx"), Out: t.TempDir(), Work: t.TempDir(), Threads: 2, Progress: quiet{},
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
	planted := truth{
		Planted: []copied{
			{exact, "train/boat/0.jpg", "test/boat/0.jpg"},
			{"jpeg", "train/boat/1.jpg", "train/boat/2.jpg"},
			{exact, "train/boat/3.jpg", "train/car/0.jpg"},
			{"crop", "train/boat/3.jpg", "train/boat/4.jpg"},
		},
		Leaks:     []copied{{exact, "train/boat/0.jpg", "test/boat/0.jpg"}},
		Conflicts: []copied{{exact, "train/boat/3.jpg", "train/car/0.jpg"}},
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

package demo

import (
	"image"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ort "github.com/yalue/onnxruntime_go"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/datasetaudit/dataset-audit/config/crd"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// writeDemo puts a demo into a new folder.
func writeDemo(t *testing.T, seed uint64) (string, *Truth) {
	t.Helper()
	folder := t.TempDir()
	planted, err := Write(folder, seed)
	if err != nil {
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
	content := planted.Origins(Exact)
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
	var leaks, conflicts []Copied
	for _, c := range planted.Planted {
		kinds[c.Kind]++
		if same := files[c.Source] == files[c.Copy]; same != (c.Kind == Exact) || files[c.Source] == "" {
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
	if picture := planted.Origins(); picture(planted.Identical[0]) != picture(planted.Edited[0]) {
		t.Error("the two groups are not of one picture")
	}
}

// Scenes alone are the demo's pictures, without what is planted.
func TestScenes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "scenes")
	if err := WriteScenes(folder, 1, 10); err != nil {
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
	if _, err := Write(folder, 1); err == nil {
		t.Error("wrote into a folder with images of another origin")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestAuditAndModelFit(t *testing.T) {
	spec, err := crd.Load(AuditYAML)
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

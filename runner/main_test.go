package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// asRunner makes the test's own binary behave as the runner, so that tests start, kill and question the real program.
const asRunner = "DATASET_AUDIT_TEST_RUNNER"

func TestMain(m *testing.M) {
	if os.Getenv(asRunner) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func runner(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asRunner+"=1")
	return cmd
}

// run starts the runner and returns how it ended.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := runner(t.Context(), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// fixture is a dataset of noise with planted copies, and a convolution to look at it.
type fixture struct {
	dir string
}

const samples = 1500

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{t.TempDir()}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range samples {
		split := []string{"train", "test"}[i%5/4]
		data := noise(t, random)
		switch {
		case i%50 == 7: // an exact copy of the file before, often in the other split
			data = f.read(t, f.sample(i-1))
		case i == 333:
			data = []byte("no image")
		}
		f.write(t, filepath.Join("images", split, []string{"cat", "dog"}[i%2], fmt.Sprintf("%04d.png", i)), data)
	}
	f.write(t, "model.onnx", convolution())
	f.write(t, "audit.yaml", []byte(manifest("ImageFolder", "")))
	return f
}

func (f fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f fixture) sample(i int) string {
	return filepath.Join("images", []string{"train", "test"}[i%5/4], []string{"cat", "dog"}[i%2], fmt.Sprintf("%04d.png", i))
}

func (f fixture) read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(f.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (f fixture) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// audit returns the arguments of an audit of the fixture.
func (f fixture) audit(out string, more ...string) []string {
	return append([]string{"audit", "-f", f.path("audit.yaml"), "--dataset", f.path("images"), "--model", f.path("model.onnx"), "--out", out}, more...)
}

func manifest(format, more string) string {
	return fmt.Sprintf(`
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetAudit
metadata: {name: noise}
spec:
  dataset: {source: {persistentVolumeClaim: {claimName: c}}, format: %s}
  model:
    source: {persistentVolumeClaim: {claimName: c, path: model.onnx}}
    layers: [features]
    preprocessing: {preset: MobileNet}
  reduction: {pca: {components: 8}}
  duplicates: {threshold: {strategy: Percentile, percentile: "99"}}
%s`, format, more)
}

func noise(t *testing.T, random *rand.Rand) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		img.SetRGBA(i%16, i/16, color.RGBA{uint8(random.IntN(256)), uint8(random.IntN(256)), uint8(random.IntN(256)), 255})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// convolution is a model with one layer of 24 random 5×5 filters, padded so that it costs some time.
func convolution() []byte {
	random := rand.New(rand.NewPCG(2, 2))
	weights := make([]float32, 24*3*5*5)
	for i := range weights {
		weights[i] = float32(random.NormFloat64())
	}
	return ir.Model{Opset: 17, Graph: ir.Graph{
		Name:         "convolution",
		Initializers: []ir.Tensor{ir.Float32s("w", []int64{24, 3, 5, 5}, weights...)},
		Inputs:       []ir.Value{{Name: "x", Type: ir.Float32, Dims: []int64{-1, 3, 64, 64}}},
		Outputs:      []ir.Value{{Name: "features", Type: ir.Float32}},
		Nodes:        []ir.Node{{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"features"}}},
	}}.Marshal()
}

// resultFiles are the files of a folder of results, less what says when and how they were made.
func resultFiles(t *testing.T, out string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(out, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		switch entry.Name() {
		case v1alpha1.FileSummary:
			var summary map[string]any
			if err := json.Unmarshal(data, &summary); err != nil {
				t.Fatal(err)
			}
			for _, apart := range []string{"run", "cost", "versions"} {
				delete(summary, apart)
			}
			if data, err = json.Marshal(summary); err != nil {
				t.Fatal(err)
			}
		case v1alpha1.FileReport:
			data, _, _ = bytes.Cut(data, []byte("<footer"))
			data = stepsOfPage.ReplaceAll(data, nil)
		}
		files[entry.Name()] = string(data)
	}
	return files
}

// stepsOfPage are the commands on the page, which name the folders of the run.
var stepsOfPage = regexp.MustCompile(`(?s)<details class="steps".*?</details>`)

// The findings are the same bytes over threads, shards and kills.
func TestFindingsDoNotDependOnHowTheyWereMade(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	first := t.TempDir()
	if code, _, stderr := run(t, f.audit(first, "--threads", "1")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	want := resultFiles(t, first)
	for _, file := range []string{v1alpha1.FileSummary, v1alpha1.FileClusters, v1alpha1.FileClustersParquet, v1alpha1.FilePairs, v1alpha1.FileGroups, v1alpha1.FileKeep, v1alpha1.FileRemove, v1alpha1.FileReport} {
		if want[file] == "" {
			t.Errorf("%s is missing", file)
		}
	}
	same := func(t *testing.T, args ...string) {
		t.Helper()
		out := t.TempDir()
		if code, _, stderr := run(t, f.audit(out, args...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if diff := cmp.Diff(want, resultFiles(t, out)); diff != "" {
			t.Errorf("the findings differ (-want +got):\n%s", diff)
		}
	}
	t.Run("two threads", func(t *testing.T) { same(t, "--threads", "2") })
	for _, shards := range []int{2, 5} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			work := t.TempDir()
			for i := range shards {
				shard := fmt.Sprintf("%d/%d", shards-1-i, shards) // in any order
				if code, _, stderr := run(t, f.audit(t.TempDir(), "--work", work, "--stage", "Embed", "--shard", shard)...); code != 0 {
					t.Fatalf("shard %s: exit %d: %s", shard, code, stderr)
				}
			}
			same(t, "--work", work)
		})
	}
	t.Run("20 kills", func(t *testing.T) {
		work := t.TempDir()
		random := rand.New(rand.NewPCG(20, 20))
		parts := 0
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(900))*time.Millisecond)
			_ = runner(ctx, f.audit(t.TempDir(), "--work", work)...).Run() // killed, or just done
			cancel()
			left, err := filepath.Glob(filepath.Join(work, "embeddings", "*", "part-*.vec"))
			if err != nil || len(left) < parts {
				t.Fatalf("%d checkpoints, %d before: %v", len(left), parts, err)
			}
			parts = len(left)
		}
		same(t, "--work", work)
	})
}

// SIGTERM ends a run with the code that says that it goes on, and leaves no results behind.
func TestTerminated(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	out := t.TempDir()
	cmd := runner(t.Context(), f.audit(out)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(out, ".work", "embeddings", "*", "part-*.vec"))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its code is looked at below
	if code := cmd.ProcessState.ExitCode(); code != int(v1alpha1.ExitInterrupted) {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	if _, err := os.Stat(filepath.Join(out, v1alpha1.FileSummary)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a summary: %v", err)
	}
}

func waitFor(t *testing.T, pattern string) {
	t.Helper()
	for range 1000 {
		if paths, err := filepath.Glob(pattern); err == nil && len(paths) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s didn't appear", pattern)
}

// Two runs at once on one work folder: the second is told so.
func TestTwoRunsAtOnce(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	out := t.TempDir()
	first := runner(t.Context(), f.audit(out)...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(out, ".work", "embeddings"))
	code, _, stderr := run(t, f.audit(out)...)
	if code != int(v1alpha1.ExitStorage) || !strings.Contains(stderr, "another run is using it") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the first run: %v", err)
	}
}

// What a user can get wrong has its exit code and a message that says what to do.
func TestBadInput(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	claims := f.path("claims/huge.png")
	f.write(t, "claims/huge.png", hugePNG())
	f.write(t, "claims/good.png", f.read(t, f.sample(0)))
	f.write(t, "corrupt/a.png", []byte("no image"))
	f.write(t, "corrupt/b.jpg", f.read(t, f.sample(0))[:40])
	f.write(t, "few/a.png", f.read(t, f.sample(0)))
	f.write(t, "few/b.png", f.read(t, f.sample(1)))
	f.write(t, "twice/manifest.csv", []byte("path,id\na.png,one\nb.png,one\n"))
	f.write(t, "twice/a.png", f.read(t, f.sample(0)))
	f.write(t, "twice/b.png", f.read(t, f.sample(1)))
	f.write(t, "empty/notes.txt", []byte("no images here"))
	f.write(t, "cube/embeddings.npy", npy("(2, 3, 4)", 24))
	f.write(t, "nan/embeddings.npy", append(npy("(50, 40)", 50*40-350), slices.Repeat([]byte{0, 0, 0xc0, 0x7f}, 350)...))
	f.write(t, "text.onnx", []byte("this is a text file, not a model\n"))
	f.write(t, "cut.onnx", convolution()[:2000])
	f.write(t, "twins.onnx", twins())
	f.write(t, "ambiguous.onnx", ambiguous())
	f.write(t, "file", nil)
	edit := func(name, old, replacement string) string {
		text := strings.Replace(manifest("ImageFolder", ""), old, replacement, 1)
		f.write(t, name, []byte(text))
		return f.path(name)
	}
	f.write(t, "npy.yaml", []byte(`{apiVersion: datasetaudit.io/v1alpha1, kind: DatasetAudit, metadata: {name: a}, spec: {dataset: {source: {persistentVolumeClaim: {claimName: c}}, format: Embeddings}}}`))
	full := mount(t, "size=300k")
	readOnly := mount(t, "ro")

	tests := map[string]struct {
		args []string
		code v1alpha1.ExitCode
		want []string
	}{
		"layer that isn't there": {
			f.audit("", "-f", edit("layer.yaml", "[features]", "[featurs]")), v1alpha1.ExitInvalidModel,
			[]string{`no layer "featurs"`, `"features"`, "N×24×60×60"}},
		"wrong sha256": {
			f.audit("", "-f", edit("sha.yaml", "layers:", "sha256: "+strings.Repeat("a", 64)+"\n    layers:")), v1alpha1.ExitInvalidModel,
			[]string{"model.sha256"}},
		"text named onnx":         {f.audit("", "--model", f.path("text.onnx")), v1alpha1.ExitInvalidModel, []string{"text.onnx", "not a valid ONNX model"}},
		"truncated model":         {f.audit("", "--model", f.path("cut.onnx")), v1alpha1.ExitInvalidModel, []string{"cut.onnx", "not a valid ONNX model"}},
		"refused by the runtime":  {f.audit("", "--model", f.path("twins.onnx")), v1alpha1.ExitInvalidModel, []string{"twins.onnx"}},
		"ambiguous layer":         {f.audit("", "--model", f.path("ambiguous.onnx")), v1alpha1.ExitInvalidModel, []string{"ambiguous", "tensor:", "node:"}},
		"model that isn't there":  {f.audit("", "--model", f.path("none.onnx")), v1alpha1.ExitInvalidModel, []string{"none.onnx"}},
		"empty dataset":           {f.audit("", "--dataset", f.path("empty")), v1alpha1.ExitInvalidDataset, []string{"empty"}},
		"no dataset":              {f.audit("", "--dataset", f.path("nowhere")), v1alpha1.ExitInvalidDataset, []string{"nowhere"}},
		"duplicate ID":            {f.audit("", "--dataset", f.path("twice"), "-f", edit("twice.yaml", "format: ImageFolder", "format: Manifest")), v1alpha1.ExitInvalidDataset, []string{`duplicate sample ID "one"`}},
		"only corrupt images":     {f.audit("", "--dataset", f.path("corrupt"), "-f", edit("two.yaml", "components: 8", "components: 2")), v1alpha1.ExitInvalidDataset, []string{"2 of 2 samples can't be read", "a.png"}},
		"a huge claim":            {f.audit("", "--dataset", filepath.Dir(claims), "-f", edit("one.yaml", "components: 8", "components: 1")), v1alpha1.ExitInvalidDataset, []string{"huge.png", "100000×100000"}},
		"more components":         {f.audit("", "--dataset", f.path("few")), v1alpha1.ExitInvalidSpec, []string{"reduction.pca.components", "8 components", "2"}},
		"more than the layer has": {f.audit("", "-f", edit("wide.yaml", "components: 8", "components: 25")), v1alpha1.ExitInvalidSpec, []string{"25 components", "24"}},
		"NaN":                     {f.audit("", "--model", f.path("nan.onnx"), "-f", edit("three.yaml", "components: 8", "components: 3")), v1alpha1.ExitInvalidResult, []string{"NaN", `layer "features"`, "for sample test/"}},
		"NaN in an npy":           {[]string{"audit", "-f", f.path("npy.yaml"), "--dataset", f.path("nan"), "--out", t.TempDir()}, v1alpha1.ExitInvalidDataset, []string{"9 of 50 samples", "maxUnreadable", "embeddings:41 (embeddings.npy row 41", "NaN"}},
		"npy of wrong shape":      {[]string{"audit", "-f", f.path("npy.yaml"), "--dataset", f.path("cube"), "--out", t.TempDir()}, v1alpha1.ExitInvalidDataset, []string{"embeddings.npy", "shape"}},
		"full disk":               {f.audit("", "--out", full), v1alpha1.ExitDiskFull, []string{"no space left"}},
		"unwritable output":       {f.audit("", "--out", filepath.Join(readOnly, "out")), v1alpha1.ExitStorage, []string{"read-only"}},
		"output below a file":     {f.audit("", "--out", f.path("file/out")), v1alpha1.ExitInvalidUsage, []string{"file"}},
		"unknown field":           {f.audit("", "-f", edit("field.yaml", "layers:", "layer: x\n    layers:")), v1alpha1.ExitInvalidSpec, []string{"spec.model.layer", "unknown field"}},
		"unknown flag":            {[]string{"audit", "--datset", "x"}, v1alpha1.ExitInvalidUsage, []string{"--datset"}},
		"unknown command":         {[]string{"adit"}, v1alpha1.ExitInvalidUsage, []string{"adit"}},
		"no manifest":             {[]string{"audit"}, v1alpha1.ExitInvalidUsage, []string{"-f"}},
		"a volume":                {[]string{"audit", "-f", f.path("audit.yaml"), "--out", t.TempDir()}, v1alpha1.ExitInvalidUsage, []string{"--dataset"}},
		"bad shard":               {f.audit("", "--stage", "Embed", "--shard", "5/5"), v1alpha1.ExitInvalidUsage, []string{"--shard"}},
		"unavailable provider":    {f.audit("", "-f", edit("cuda.yaml", "spec:", "spec:\n  runner: {executionProvider: TensorRT}")), v1alpha1.ExitProviderUnavailable, []string{"TensorRT", "available: CPU"}},
	}
	f.write(t, "nan.onnx", logarithm())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if full == "" && name == "full disk" || readOnly == "" && name == "unwritable output" {
				t.Skip("this user may not mount file systems")
			}
			for i, arg := range test.args {
				if arg == "" {
					test.args[i] = t.TempDir()
				}
			}
			code, _, stderr := run(t, test.args...)
			if code != int(test.code) {
				t.Errorf("exit %d, want %d: %s", code, test.code, stderr)
			}
			message := stderr[strings.LastIndex("\n"+stderr, "\nError: "):]
			for _, want := range test.want {
				if !strings.Contains(message, want) {
					t.Errorf("the message lacks %q: %s", want, message)
				}
			}
		})
	}
	t.Run("as JSON", func(t *testing.T) {
		code, stdout, _ := run(t, f.audit(t.TempDir(), "--model", f.path("none.onnx"), "-o", "json")...)
		var got struct{ Error v1alpha1.RunError }
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != int(v1alpha1.ExitInvalidModel) || got.Error.Code != v1alpha1.ExitInvalidModel || got.Error.Reason != v1alpha1.ReasonInvalidModel {
			t.Errorf("exit %d, %v: %s", code, err, stdout)
		}
	})
}

// mount makes a small file system, or returns "" where that isn't allowed.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	var flags uintptr
	if options == "ro" {
		flags, options = syscall.MS_RDONLY, ""
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		return ""
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// hugePNG is a valid header of 100,000×100,000 pixels with nothing behind it.
func hugePNG() []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), 100_000)
	header = binary.BigEndian.AppendUint32(header, 100_000)
	header = append(header, 8, 2, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), uint32(len(header)-4))
	out = append(out, header...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(header))
}

func npy(shape string, values int) []byte {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape)
	header = fmt.Sprintf("%-117s\n", header)
	return append([]byte("\x93NUMPY\x01\x00\x76\x00"+header), make([]byte, 4*values)...)
}

func model(nodes ...ir.Node) []byte {
	return ir.Model{Opset: 17, Graph: ir.Graph{
		Name: "m", Nodes: nodes,
		Inputs:  []ir.Value{{Name: "x", Type: ir.Float32, Dims: []int64{-1, 3, 64, 64}}},
		Outputs: []ir.Value{{Name: "features", Type: ir.Float32}},
	}}.Marshal()
}

// twins has two nodes that write the same tensor, which ONNX Runtime refuses.
func twins() []byte {
	return model(
		ir.Node{Name: "one", Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"features"}},
		ir.Node{Name: "two", Op: "Abs", Inputs: []string{"x"}, Outputs: []string{"features"}})
}

// ambiguous has a node that bears the name of another node's tensor.
func ambiguous() []byte {
	return model(
		ir.Node{Name: "features", Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}},
		ir.Node{Name: "other", Op: "Abs", Inputs: []string{"y"}, Outputs: []string{"features"}})
}

// logarithm gives NaN for dark pixels.
func logarithm() []byte {
	return model(ir.Node{Name: "log", Op: "Log", Inputs: []string{"x"}, Outputs: []string{"features"}})
}

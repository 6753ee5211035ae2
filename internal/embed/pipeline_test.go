package embed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// tiny writes a model of one node, from an input of the given type and dimensions to the tensor y.
func tiny(t *testing.T, op string, input ir.ElementType, dims ...int64) string {
	t.Helper()
	nodes := []ir.Node{{Name: "x32", Op: "Cast", Inputs: []string{"x"}, Outputs: []string{"x32"}, Attributes: []ir.Attribute{ir.AttrInt("to", int64(ir.Float32))}},
		{Name: "node", Op: op, Inputs: []string{"x32"}, Outputs: []string{"y"}}}
	model := ir.Model{Opset: 17, Graph: ir.Graph{
		Name: "tiny", Nodes: nodes,
		Inputs:  []ir.Value{{Name: "x", Type: input, Dims: dims}},
		Outputs: []ir.Value{{Name: "y", Type: ir.Float32}},
	}}
	path := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := os.WriteFile(path, model.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func bytesToY(pooling v1alpha1.PoolingMethod) *v1alpha1.ModelSpec {
	return &v1alpha1.ModelSpec{
		Layers:        []string{"y"},
		Preprocessing: v1alpha1.PreprocessingSpec{Preset: v1alpha1.PresetByteRange},
		Pooling:       v1alpha1.PoolingSpec{Method: pooling},
	}
}

// folder writes files and opens them as a dataset.
func folder(t *testing.T, files map[string][]byte) *dataset.Dataset {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return openDataset(t, dir, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
}

// flat is a PNG of one color.
func flat(t *testing.T, c color.RGBA) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		img.SetRGBA(i%3, i/3, c)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryInputType(t *testing.T) {
	needs.Runtime(t)
	tests := map[string]struct {
		input ir.ElementType
		dims  []int64
		edit  func(*v1alpha1.PreprocessingSpec)
		want  []float32
	}{
		"float32 NCHW":     {ir.Float32, []int64{-1, 3, 4, 5}, nil, []float32{200, 100, 50}},
		"float32 NHWC":     {ir.Float32, []int64{-1, 4, 5, 3}, nil, []float32{200, 100, 50}},
		"float16":          {ir.Float16, []int64{-1, 3, 4, 5}, nil, []float32{200, 100, 50}},
		"uint8 NHWC":       {ir.Uint8, []int64{-1, 4, 5, 3}, nil, []float32{200, 100, 50}},
		"fixed batch of 1": {ir.Float32, []int64{1, 3, 4, 5}, nil, []float32{200, 100, 50}},
		"fixed batch of 3": {ir.Float32, []int64{3, 3, 4, 5}, nil, []float32{200, 100, 50}},
		"one channel":      {ir.Float32, []int64{-1, 1, 4, 5}, nil, []float32{.299*200 + .587*100 + .114*50}},
		"free height":      {ir.Float32, []int64{-1, 3, -1, -1}, nil, []float32{200, 100, 50}},
		"BGR of ImageNet": {ir.Float32, []int64{-1, 3, 4, 5}, func(p *v1alpha1.PreprocessingSpec) {
			p.Preset, p.ChannelOrder = v1alpha1.PresetImageNet, v1alpha1.ChannelOrderBGR
		}, []float32{(50./255 - .406) / .225, (100./255 - .456) / .224, (200./255 - .485) / .229}},
		"BGR":              {ir.Float32, []int64{-1, 3, 4, 5}, func(p *v1alpha1.PreprocessingSpec) { p.ChannelOrder = v1alpha1.ChannelOrderBGR }, []float32{50, 100, 200}},
		"MobileNet":        {ir.Float32, []int64{-1, 3, 4, 5}, preset1(v1alpha1.PresetMobileNet), []float32{200/127.5 - 1, 100/127.5 - 1, 50/127.5 - 1}},
		"UnitRange":        {ir.Float32, []int64{-1, 3, 4, 5}, preset1(v1alpha1.PresetUnitRange), []float32{200. / 255, 100. / 255, 50. / 255}},
		"ImageNet":         {ir.Float32, []int64{-1, 3, 4, 5}, preset1(v1alpha1.PresetImageNet), []float32{(200./255 - .485) / .229, (100./255 - .456) / .224, (50./255 - .406) / .225}},
		"CLIP":             {ir.Float32, []int64{-1, 3, 4, 5}, preset1(v1alpha1.PresetCLIP), []float32{(200./255 - .48145466) / .26862954, (100./255 - .4578275) / .26130258, (50./255 - .40821073) / .27577711}},
		"CaffeBGR":         {ir.Float32, []int64{-1, 3, 4, 5}, preset1(v1alpha1.PresetCaffeBGR), []float32{50 - 103.939, 100 - 116.779, 200 - 123.68}},
		"mean and scale":   {ir.Float32, []int64{-1, 3, 4, 5}, meanScale([]v1alpha1.Decimal{"10"}, []v1alpha1.Decimal{"1", "2", "4"}), []float32{190, 45, 10}},
		"mean over preset": {ir.Float32, []int64{-1, 3, 4, 5}, func(p *v1alpha1.PreprocessingSpec) { p.Mean = []v1alpha1.Decimal{"100"} }, []float32{100, 0, -50}},
		"rounded to uint8": {ir.Uint8, []int64{-1, 4, 5, 3}, meanScale([]v1alpha1.Decimal{"60"}, []v1alpha1.Decimal{"3"}), []float32{47, 13, 0}},
		"own size, 3 wide": {ir.Float32, []int64{-1, 3, -1, -1}, func(p *v1alpha1.PreprocessingSpec) { p.Width, p.Height = new(int32(3)), new(int32(2)) }, []float32{200, 100, 50}},
		"layout by the user": {ir.Float32, nil, func(p *v1alpha1.PreprocessingSpec) {
			p.Layout, p.Width, p.Height = v1alpha1.LayoutNCHW, new(int32(4)), new(int32(4))
		}, []float32{200, 100, 50}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := bytesToY(v1alpha1.PoolingMax)
			if test.dims == nil {
				spec.Pooling.Axes = []int32{2, 3}
			}
			if test.edit != nil {
				test.edit(&spec.Preprocessing)
			}
			network := openNetwork(t, tiny(t, "Identity", test.input, test.dims...), spec)
			got := embedAll(t, folder(t, map[string][]byte{"a.png": flat(t, color.RGBA{200, 100, 50, 255})}), network, 1).Layer(0).Row(0)
			if len(got) != len(test.want) {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			for i, x := range got {
				if math.Abs(float64(x-test.want[i])) > 1e-4*math.Max(1, math.Abs(float64(test.want[i]))) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}

func preset1(p v1alpha1.PreprocessingPreset) func(*v1alpha1.PreprocessingSpec) {
	return func(s *v1alpha1.PreprocessingSpec) { s.Preset = p }
}

func meanScale(mean, scale []v1alpha1.Decimal) func(*v1alpha1.PreprocessingSpec) {
	return func(s *v1alpha1.PreprocessingSpec) { s.Preset, s.Mean, s.Scale = "", mean, scale }
}

// many makes n files of which some are copies and some can't be decoded.
func many(t *testing.T, n int) map[string][]byte {
	files := map[string][]byte{}
	for i := range n {
		name := fmt.Sprintf("%04d.png", i)
		switch {
		case i%7 == 3:
			files[name] = []byte("no image")
		case i%5 == 4:
			files[name] = files[fmt.Sprintf("%04d.png", i-1)]
		default:
			files[name] = flat(t, color.RGBA{uint8(i), uint8(i >> 3), 7, 255})
		}
	}
	return files
}

// The parts are the same bytes whatever the threads, and the vectors the same whether one run or several made them, and
// in whatever order.
func TestPartsDoNotDependOnHowTheyWereMade(t *testing.T) {
	needs.Runtime(t)
	const samples = 5*partRows + 37
	d := folder(t, many(t, samples))
	network := openNetwork(t, tiny(t, "Identity", ir.Float32, -1, 3, 4, 4), bytesToY(v1alpha1.PoolingMax))
	fill := func(dir string, threads, from, to int) Job {
		t.Helper()
		job := jobOf(d, network, openStore(t, dir, network, d))
		job.Threads, job.From, job.To = threads, from, to
		if _, err := job.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return job
	}
	dir := t.TempDir()
	one := fill(dir, 1, 0, samples)
	want := filesOf(t, dir)
	if len(want) != 4 {
		t.Errorf("%d parts", len(want))
	}
	t.Run("two threads", func(t *testing.T) {
		dir := t.TempDir()
		fill(dir, 2, 0, samples)
		if diff := cmp.Diff(want, filesOf(t, dir)); diff != "" {
			t.Error("the parts differ")
		}
	})
	for name, pieces := range map[string][][2]int{
		"in pieces":          {{0, 300}, {200, 900}, {0, samples}},
		"shards, last first": {{1000, samples}, {400, 1000}, {0, 400}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var job Job
			for _, piece := range pieces {
				job = fill(dir, 2, piece[0], piece[1])
			}
			if diff := cmp.Diff(rowsOf(t, one), rowsOf(t, job)); diff != "" {
				t.Errorf("the rows differ:\n%s", diff)
			}
		})
	}
	t.Run("shards at once", func(t *testing.T) { // none knows what the others do
		dir := t.TempDir()
		stores := []*vectors.Store{openStore(t, dir, network, d), openStore(t, dir, network, d), openStore(t, dir, network, d)}
		for i, store := range stores {
			job := jobOf(d, network, store)
			job.From, job.To = i*samples/3, (i+1)*samples/3
			if _, err := job.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(rowsOf(t, one), rowsOf(t, jobOf(d, network, openStore(t, dir, network, d)))); diff != "" {
			t.Errorf("the rows differ:\n%s", diff)
		}
	})
	t.Run("a part is lost", func(t *testing.T) {
		dir := t.TempDir()
		fill(dir, 2, 0, samples)
		for name := range filesOf(t, dir) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			break
		}
		if diff := cmp.Diff(rowsOf(t, one), rowsOf(t, fill(dir, 2, 0, samples))); diff != "" {
			t.Errorf("the rows differ:\n%s", diff)
		}
	})
	set := readAll(t, one)
	for row, i := range set.Index {
		x := set.Layer(0).Row(row)
		if i%5 == 4 {
			i--
		}
		if want := []float32{float32(uint8(i)), float32(uint8(i >> 3)), 7}; !cmp.Equal(want, x) {
			t.Fatalf("sample %d: got %v, want %v", set.Index[row], x, want)
		}
	}
	for i, record := range set.Records {
		bad := i%7 == 3 || i%5 == 4 && (i-1)%7 == 3
		if (record.Unreadable != "") != bad {
			t.Fatalf("sample %d: unreadable %q", i, record.Unreadable)
		}
	}
}

// A dataset that grew, shrank or is ordered otherwise embeds what is new, and reads what is new.
func TestOnlyWhatIsNew(t *testing.T) {
	needs.Runtime(t)
	network := openNetwork(t, tiny(t, "Identity", ir.Float32, -1, 3, 4, 4), bytesToY(v1alpha1.PoolingMax))
	color := func(i int) []byte { return flat(t, color.RGBA{uint8(i), uint8(i >> 8), 3, 255}) }
	files := map[string][]byte{}
	for i := range 300 {
		files[fmt.Sprintf("m%04d.png", i)] = color(i)
	}
	dir, store := t.TempDir(), t.TempDir()
	put := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		put(name, content)
	}
	run := func(embedded int64) {
		t.Helper()
		d := openDataset(t, dir, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
		job := jobOf(d, network, openStore(t, store, network, d))
		counts, err := job.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := (Counts{Embedded: embedded, Reused: int64(d.Len()) - embedded}); counts != want {
			t.Errorf("%+v, not %+v", counts, want)
		}
		alone := embedAll(t, d, network, 1)
		set := readAll(t, job)
		for row := range alone.Index {
			if diff := cmp.Diff(alone.Layer(0).Row(row), set.Layer(0).Row(row)); diff != "" {
				t.Fatalf("row %d differs from a run without a store:\n%s", row, diff)
			}
		}
	}
	run(300)
	run(0)
	put("a.png", color(1000)) // the first of all
	run(1)
	put("z.png", color(7)) // a copy
	run(0)
	put("m0000.png", color(1001)) // changed
	run(1)
	if err := os.Remove(filepath.Join(dir, "m0001.png")); err != nil {
		t.Fatal(err)
	}
	run(0)
	// What is known is not read: its content is gone, and its size and time are as they were.
	for _, name := range []string{"m0100.png", "m0200.png"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, info.Size()), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	d := openDataset(t, dir, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
	if counts, err := jobOf(d, network, openStore(t, store, network, d)).Run(t.Context()); err != nil || counts.Reused != int64(d.Len()) {
		t.Errorf("%+v, %v", counts, err)
	}
}

func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return files
}

func rowsOf(t *testing.T, j Job) [][]float32 {
	t.Helper()
	set := readAll(t, j)
	var rows [][]float32
	for i := range set.Index {
		rows = append(rows, append([]float32(nil), set.Layer(0).Row(i)...))
	}
	return rows
}

// A failing model, a full disk and the context's end all end a job; none of them leaves it waiting.
func TestFailuresEndTheJob(t *testing.T) {
	needs.Runtime(t)
	d := folder(t, many(t, 3*partRows))
	run := func(ctx context.Context, network *Network, dir string) error {
		_, err := jobOf(d, network, openStore(t, dir, network, d)).Run(ctx)
		return err
	}
	good := openNetwork(t, tiny(t, "Identity", ir.Float32, -1, 3, 4, 4), bytesToY(v1alpha1.PoolingMax))
	t.Run("NaN", func(t *testing.T) {
		spec := bytesToY(v1alpha1.PoolingMax)
		spec.Preprocessing.Preset = v1alpha1.PresetMobileNet // dark ones are negative
		network := openNetwork(t, tiny(t, "Sqrt", ir.Float32, -1, 3, 4, 4), spec)
		err := run(context.Background(), network, t.TempDir())
		var coded *v1alpha1.RunError
		if !errors.As(err, &coded) || coded.Code != v1alpha1.ExitInvalidResult || !strings.Contains(err.Error(), `layer "y" gives NaN for sample 0`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := run(ctx, good, t.TempDir()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "gone")
		job := jobOf(d, good, openStore(t, dir, good, d))
		if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := job.Run(context.Background()); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("got %v", err)
		}
	})
}

// Parts that hold nothing but copies are finished by the reader and the decoders while a lane fails, and the writer is
// slow.
func TestFailureBesideSlowWriter(t *testing.T) {
	needs.Runtime(t)
	files := map[string][]byte{}
	bright, dark := flat(t, color.RGBA{200, 200, 200, 255}), flat(t, color.RGBA{1, 1, 1, 255})
	for i := range 8 * partRows {
		files[fmt.Sprintf("%05d.png", i)] = bright
	}
	files[fmt.Sprintf("%05d.png", partRows+5)] = dark
	d := folder(t, files)
	spec := bytesToY(v1alpha1.PoolingMax)
	spec.Preprocessing.Preset = v1alpha1.PresetMobileNet
	network := openNetwork(t, tiny(t, "Sqrt", ir.Float32, -1, 3, 4, 4), spec)
	for threads := 1; threads <= 2; threads++ {
		job := jobOf(d, network, openStore(t, t.TempDir(), network, d))
		job.Threads, job.Progress = threads, func(int) { time.Sleep(20 * time.Millisecond) }
		var coded *v1alpha1.RunError
		if _, err := job.Run(context.Background()); !errors.As(err, &coded) || coded.Code != v1alpha1.ExitInvalidResult {
			t.Errorf("got %v", err)
		}
	}
}

// In a dynamically quantized model the rows of a batch share one scale. There each sample runs alone, so that its vector
// depends on nothing else, and the batch of a model that fixes its size is filled up.
func TestRowsThatDependOnEachOther(t *testing.T) {
	needs.Runtime(t)
	files := map[string][]byte{}
	for i := range 60 {
		files[fmt.Sprintf("%04d.png", i)] = flat(t, color.RGBA{uint8(i), uint8(i / 16), 7, 255})
	}
	files["0031.png"] = flat(t, color.RGBA{255, 255, 255, 255}) // would decide the scale of its batch
	for _, batch := range []int64{-1, 4} {
		model := ir.Model{Opset: 17, Graph: ir.Graph{
			Name: "dynamic", Nodes: []ir.Node{
				{Op: "DynamicQuantizeLinear", Inputs: []string{"x"}, Outputs: []string{"q", "scale", "zero"}},
				{Op: "DequantizeLinear", Inputs: []string{"q", "scale", "zero"}, Outputs: []string{"y"}},
			},
			Inputs:  []ir.Value{{Name: "x", Type: ir.Float32, Dims: []int64{batch, 3, 4, 4}}},
			Outputs: []ir.Value{{Name: "y", Type: ir.Float32}},
		}}
		path := filepath.Join(t.TempDir(), "dynamic.onnx")
		if err := os.WriteFile(path, model.Marshal(), 0o600); err != nil {
			t.Fatal(err)
		}
		network := openNetwork(t, path, bytesToY(v1alpha1.PoolingMax))
		if !network.alone {
			t.Fatal("it isn't noticed that rows depend on each other")
		}
		whole := embedAll(t, folder(t, files), network, 2)
		for row, i := range whole.Index {
			name := fmt.Sprintf("%04d.png", i)
			alone := embedAll(t, folder(t, map[string][]byte{name: files[name]}), network, 1)
			if diff := cmp.Diff(alone.Layer(0).Row(0), whole.Layer(0).Row(row)); diff != "" {
				t.Errorf("sample %d of a batch of %d differs from its vector alone:\n%s", i, batch, diff)
			}
		}
	}
	if network := openNetwork(t, tiny(t, "Identity", ir.Float32, -1, 3, 4, 4), bytesToY(v1alpha1.PoolingMax)); network.alone || network.batch != cpuBatch {
		t.Error("rows of another model are taken to depend on each other")
	}
}

func TestOpenNetworkRefuses(t *testing.T) {
	needs.Runtime(t)
	model := tiny(t, "Identity", ir.Float32, -1, 3, 4, 4)
	text := filepath.Join(t.TempDir(), "text.onnx")
	if err := os.WriteFile(text, []byte("this is not a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		path string
		edit func(*v1alpha1.ModelSpec)
		code v1alpha1.ExitCode
		want string
	}{
		"layer":    {model, func(s *v1alpha1.ModelSpec) { s.Layers = []string{"yy"} }, v1alpha1.ExitInvalidModel, `has no layer "yy"; the nearest are node "node" with tensor "y" (Identity, N×3×4×4)`},
		"sha256":   {model, func(s *v1alpha1.ModelSpec) { s.SHA256 = strings.Repeat("0", 64) }, v1alpha1.ExitInvalidModel, "model.sha256: "},
		"absent":   {model + "x", nil, v1alpha1.ExitInvalidModel, "no such file"},
		"text":     {text, nil, v1alpha1.ExitInvalidModel, "is not a valid ONNX model"},
		"operator": {tiny(t, "NoSuchOperator", ir.Float32, -1, 3, 4, 4), nil, v1alpha1.ExitInvalidModel, "ONNX Runtime refuses it"},
		"width": {model, func(s *v1alpha1.ModelSpec) {
			s.Preprocessing.Width, s.Preprocessing.Height = new(int32(5)), new(int32(4))
		}, v1alpha1.ExitInvalidSpec, "model.preprocessing.width: 5, but the model's input has 4"},
		"layout":   {model, func(s *v1alpha1.ModelSpec) { s.Preprocessing.Layout = v1alpha1.LayoutNHWC }, v1alpha1.ExitInvalidSpec, "model.preprocessing.layout: NHWC, but the model's input is NCHW"},
		"provider": {model, nil, v1alpha1.ExitProviderUnavailable, "runner.executionProvider: TensorRT is not available here"},
		"channels": {tiny(t, "Identity", ir.Float32, -1, 4, 5, 6), func(s *v1alpha1.ModelSpec) {
			s.Preprocessing.Layout = v1alpha1.LayoutNCHW
			s.Pooling.Axes = []int32{2, 3}
		}, v1alpha1.ExitInvalidSpec, "has 4 channels"},
		"huge":      {tiny(t, "Identity", ir.Float32, 1<<40, 3, 4, 4), nil, v1alpha1.ExitInvalidSpec, "too large"},
		"no layout": {tiny(t, "Identity", ir.Float32), func(s *v1alpha1.ModelSpec) { s.Pooling.Axes = []int32{2, 3} }, v1alpha1.ExitInvalidSpec, "set NCHW or NHWC"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := bytesToY(v1alpha1.PoolingMax)
			if test.edit != nil {
				test.edit(spec)
			}
			provider := v1alpha1.ProviderCPU
			if name == "provider" {
				provider = v1alpha1.ProviderTensorRT
			}
			network, err := OpenNetwork(test.path, spec, provider)
			if err == nil {
				t.Fatal(errors.Join(errors.New("opened"), network.Close()))
			}
			var coded *v1alpha1.RunError
			if !errors.As(err, &coded) || coded.Code != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v (%+v), want %d with %q", err, coded, test.code, test.want)
			}
		})
	}
}

func TestAutoSaysWhatItTook(t *testing.T) {
	needs.Runtime(t)
	provider, note, err := resolveProvider(v1alpha1.ProviderAuto)
	if err != nil || !strings.Contains(note, "Auto") || provider != v1alpha1.ProviderCPU && provider != v1alpha1.ProviderCUDA {
		t.Errorf("got %s, %q, %v", provider, note, err)
	}
}

// Rounding is that of the hardware: for every half, the float32 neighbors on both sides, and what lies between two
// halves.
func TestHalf(t *testing.T) {
	value := func(h uint16) float64 {
		exponent, fraction := int(h>>10&31), float64(h&1023)
		if exponent == 0 {
			return math.Ldexp(fraction, -24)
		}
		return math.Ldexp(1024+fraction, exponent-25)
	}
	for h := range uint16(0x7c00) {
		x := value(h)
		if got := toHalf(float32(x)); got != h {
			t.Fatalf("toHalf(%g) = %#x, want %#x", x, got, h)
		}
		next := value(h + 1) // of 0x7bff it is 2^16, the half that is infinity
		even := h + h&1
		middle := float32((x + next) / 2)
		for x, want := range map[float32]uint16{
			middle: even, math.Nextafter32(middle, 0): h, math.Nextafter32(middle, 1e9): h + 1, -middle: even | 0x8000,
		} {
			if got := toHalf(x); got != want {
				t.Fatalf("toHalf(%g) = %#x, want %#x", x, got, want)
			}
		}
	}
	for x, want := range map[float32]uint16{
		float32(math.Inf(1)): 0x7c00, float32(math.Inf(-1)): 0xfc00, 1e30: 0x7c00, 1e-30: 0, float32(math.NaN()): 0x7e00,
	} {
		if got := toHalf(x); got != want {
			t.Errorf("toHalf(%g) = %#x, want %#x", x, got, want)
		}
	}
}

func TestNoRuntime(t *testing.T) {
	t.Setenv(LibraryVariable, filepath.Join(t.TempDir(), "nothing.so"))
	if _, err := findLibrary(); !errors.Is(err, ErrNoRuntime) {
		t.Errorf("got %v", err)
	}
	t.Setenv(LibraryVariable, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := findLibrary(); err != nil && !strings.Contains(err.Error(), "hack/onnxruntime.sh") {
		t.Errorf("the error doesn't say what to do: %v", err)
	}
}

// SqueezeNet as users have it: float16, a batch of one, nameless nodes, initializers among the inputs.
func TestSqueezeNetHalf(t *testing.T) {
	needs.Runtime(t)
	path := needs.Shared(t, "squeezenet1.1_fp16.onnx")
	model, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	layers := model.Layers()
	spec := &v1alpha1.ModelSpec{
		Layers:        []string{layers[len(layers)/2].Tensor},
		Preprocessing: v1alpha1.PreprocessingSpec{Preset: v1alpha1.PresetImageNet},
	}
	network := openNetwork(t, path, spec)
	set := embedAll(t, cars(t, 3), network, 2)
	if row := set.Layer(0).Row(0); len(row) < 16 || cmp.Equal(row, set.Layer(0).Row(1)) {
		t.Errorf("%d numbers: %v", len(row), row[:min(8, len(row))])
	}
}

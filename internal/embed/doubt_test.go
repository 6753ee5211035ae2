package embed

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// A preset of another range than the model's is noticed, and none that fits.
func TestDoubtPreset(t *testing.T) {
	needs.Runtime(t)
	random := rand.New(rand.NewPCG(1, 1))
	var samples [][]byte
	for range 4 {
		img := image.NewRGBA(image.Rect(0, 0, 32, 32))
		for i := range 32 * 32 {
			img.SetRGBA(i%32, i/32, color.RGBA{uint8(random.IntN(256)), uint8(random.IntN(256)), uint8(random.IntN(256)), 255})
		}
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		samples = append(samples, file.Bytes())
	}
	samples = append(samples, []byte("no image"))

	// model is a convolution whose filters answer to values of about unit, and then something.
	model := func(unit float32) string {
		weights := make([]float32, 8*3*3*3)
		for i := range weights {
			weights[i] = float32(random.NormFloat64()) / 3 / unit
		}
		m := ir.Model{Opset: 17, Graph: ir.Graph{
			Inputs: []ir.Value{{Name: "x", Type: ir.Float32, Dims: []int64{-1, 3, 32, 32}}},
			Nodes: []ir.Node{
				{Op: "Conv", Name: "conv", Inputs: []string{"x", "w"}, Outputs: []string{"y"}, Attributes: []ir.Attribute{ir.AttrInts("kernel_shape", 3, 3)}},
				{Op: "Relu", Inputs: []string{"y"}, Outputs: []string{"z"}},
			},
			Initializers: []ir.Tensor{ir.Float32s("w", []int64{8, 3, 3, 3}, weights...)},
			Outputs:      []ir.Value{{Name: "z"}},
		}}
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := os.WriteFile(path, m.Marshal(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ones, bytesModel := model(1), model(128)
	for _, test := range []struct {
		path   string
		preset v1alpha1.PreprocessingPreset
		want   string
	}{
		{ones, v1alpha1.PresetMobileNet, ""},
		{ones, v1alpha1.PresetImageNet, ""},
		{ones, v1alpha1.PresetCLIP, ""},
		{ones, v1alpha1.PresetUnitRange, ""},
		{ones, v1alpha1.PresetByteRange, "the model most likely wants ImageNet"},
		{ones, v1alpha1.PresetCaffeBGR, ""},
		{bytesModel, v1alpha1.PresetByteRange, ""},
		{bytesModel, v1alpha1.PresetCaffeBGR, ""},
		{bytesModel, v1alpha1.PresetUnitRange, "values from 0 to 255"},
		{"nowhere", v1alpha1.PresetByteRange, ""},
	} {
		spec := &v1alpha1.ModelSpec{Layers: []string{"conv"}, Preprocessing: v1alpha1.PreprocessingSpec{Preset: test.preset}}
		got := DoubtPreset(test.path, spec, images.Decoder{}, samples)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.preset, got, test.want)
		}
	}
	spec := &v1alpha1.ModelSpec{Layers: []string{"conv"}, Preprocessing: v1alpha1.PreprocessingSpec{Preset: v1alpha1.PresetByteRange}}
	if got := DoubtPreset(ones, spec, images.Decoder{}, samples[4:]); got != "" {
		t.Errorf("without a picture: %q", got)
	}
}

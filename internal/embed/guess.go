package embed

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
)

// families are models by what their files and tensors are called, and the preset that their exporters' images go
// through. The first that fits counts.
var families = []struct {
	name   *regexp.Regexp
	preset v1alpha1.PreprocessingPreset
	what   string
}{
	{regexp.MustCompile(`(^|[^a-z])(open)?clip([^a-z]|$)|image_embeds`), v1alpha1.PresetCLIP, "a CLIP"},
	{regexp.MustCompile(`siglip|vit[-_](tiny|small|base|large|huge)[-_]patch|vit[-_][bslh][-_]?(8|14|16|32)[-_.]augreg|beit`), v1alpha1.PresetMobileNet, "a vision transformer of Google's, which takes [−1, 1]"},
	{regexp.MustCompile(`dino|sscd|disc_|resnet|resnext|convnext|densenet|regnet|swin|deit|squeezenet|shufflenet|alexnet`), v1alpha1.PresetImageNet, "a model of torchvision's kind"},
	{regexp.MustCompile(`mobilenet|inception|nasnet|xception`), v1alpha1.PresetMobileNet, "a model of TensorFlow's, which takes [−1, 1]"},
}

// GuessPreset says which preset a model most likely wants, and why, by its input and by what it is called. It is a
// guess: nothing in an ONNX file says how images are to be prepared.
func GuessPreset(path string, model *onnx.Model) (preset v1alpha1.PreprocessingPreset, why string) {
	input, err := model.Input()
	if err == nil && input.Type == onnx.Uint8 {
		return v1alpha1.PresetByteRange, "the model's input is bytes"
	}
	names := []string{filepath.Base(path)}
	for _, l := range model.Layers() {
		if l.Output {
			names = append(names, l.Tensor)
		}
	}
	called := strings.ToLower(strings.Join(names, " "))
	pytorch := strings.Contains(strings.ToLower(model.Producer()), "pytorch")
	for _, family := range families {
		if !family.name.MatchString(called) {
			continue
		}
		if pytorch && family.preset == v1alpha1.PresetMobileNet && strings.Contains(called, "mobilenet") {
			return v1alpha1.PresetImageNet, "by its name it is a MobileNet, and by its producer PyTorch's"
		}
		return family.preset, fmt.Sprintf("by its name it is %s", family.what)
	}
	return v1alpha1.PresetImageNet, "most models want it, and nothing says otherwise"
}

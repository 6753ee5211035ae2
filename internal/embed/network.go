package embed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// The number of samples in a batch where the model leaves it free: fixed, since a kernel may be chosen by it. On the
// CPU a small batch keeps a network's activations in the cache (MobileNet: 2 is a fifth faster than 16); a GPU wants to
// be filled.
const (
	cpuBatch = 2
	gpuBatch = 32
)

// maxInputValues bounds a batch, which a damaged or hostile model could claim to be of any size.
const maxInputValues = 1 << 28

// defaultSide is the width and height of the input where neither model nor spec names them, in pixels.
const defaultSide = 224

// A Network is a model cut at the layers asked for and loaded. It may be run concurrently.
type Network struct {
	// SHA256 of the model's file, Digest of all that it computes with.
	SHA256, Digest string
	// Layers have the names of the spec, in its order.
	Layers []vectors.Layer
	// Provider that runs it, and the device: its bits may differ from others'.
	Provider v1alpha1.ExecutionProvider
	Device   string
	// Note says what Auto chose, and why; empty otherwise.
	Note string
	// Builtin: the model is part of this program, and needs no ONNX Runtime.
	Builtin bool

	batch int
	// alone: a sample's vectors depend on what else is in its batch, so it has one to itself.
	alone   bool
	input   onnx.Input
	prepare *preprocessor
	session *ort.DynamicAdvancedSession // nil for a builtin model
}

// InvalidModel gives an error the exit code of a model that can't be audited.
func InvalidModel(err error) error { return v1alpha1.NewRunError(v1alpha1.ExitInvalidModel, err) }

// OpenModel reads a model and loads ONNX Runtime. A non-empty sha256 must be the file's.
func OpenModel(path, sha256 string) (*onnx.Model, error) {
	if err := load(); err != nil {
		return nil, err
	}
	model, err := onnx.Open(path)
	if err != nil {
		return nil, InvalidModel(err)
	}
	if sha256 != "" && sha256 != model.SHA256() {
		return nil, InvalidModel(fmt.Errorf("model.sha256: %s has %s, not %s", path, model.SHA256(), sha256))
	}
	return model, nil
}

// DataFiles returns the files below a model's folder that hold its data, as far as it isn't in the model's own.
func DataFiles(path string) ([]string, error) {
	model, err := onnx.Open(path)
	if err != nil {
		return nil, InvalidModel(err)
	}
	return model.DataFiles(), nil
}

// OpenNetwork prepares the model in the file path to run as spec says, on the given provider. A builtin model has
// neither.
func OpenNetwork(path string, spec *v1alpha1.ModelSpec, wanted v1alpha1.ExecutionProvider) (n *Network, err error) {
	if spec.Builtin != "" {
		return openBuiltin(spec.Builtin)
	}
	model, err := OpenModel(path, spec.SHA256)
	if err != nil {
		return nil, err
	}
	n = &Network{SHA256: model.SHA256()}
	if n.Digest, err = model.Digest(); err != nil {
		return nil, InvalidModel(err)
	}
	if n.Provider, n.Note, err = resolveProvider(wanted); err != nil {
		return nil, err
	}
	batchAxes := make([]int, len(spec.Layers))
	if axis := spec.Pooling.BatchAxis; axis != nil {
		for i := range batchAxes {
			batchAxes[i] = int(*axis)
		}
	}
	cut, err := cutModel(model, spec, batchAxes)
	if err != nil {
		return nil, InvalidModel(err)
	}
	if err := n.shapeInput(cut.Input, spec.Preprocessing); err != nil {
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, err)
	}
	err = n.startOrFallBack(cut, spec.Layers, wanted)
	if wrong, ok := errors.AsType[*batchError](err); ok && spec.Pooling.BatchAxis == nil {
		for _, i := range wrong.layers {
			batchAxes[i] = 1
		}
		if swapped, cutErr := cutModel(model, spec, batchAxes); cutErr == nil && n.startOrFallBack(swapped, spec.Layers, wanted) == nil {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	n.Device = device(n.Provider)
	if err := n.checkIndependence(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// startOrFallBack starts the network. What a GPU refuses and the CPU takes is not the model's fault: a provider's
// library may be there without a device that it can use.
func (n *Network) startOrFallBack(cut *onnx.Cut, layers []string, wanted v1alpha1.ExecutionProvider) error {
	err := n.start(cut, layers)
	if err == nil {
		return nil
	}
	if n.Provider != v1alpha1.ProviderCPU {
		onGPU, refusal := n.Provider, err
		n.Provider = v1alpha1.ProviderCPU
		if err = n.start(cut, layers); err == nil {
			if wanted == "" || wanted == v1alpha1.ProviderAuto {
				n.Note = fmt.Sprintf("runner.executionProvider Auto: running on the CPU, since %s failed: %s", onGPU, firstLine(refusal))
				return nil
			}
			return errors.Join(n.Close(), v1alpha1.NewRunError(v1alpha1.ExitProviderUnavailable,
				fmt.Errorf("runner.executionProvider: %s is there but can't run the model: %w", onGPU, refusal)))
		}
	}
	return InvalidModel(err)
}

// Shapes asks ONNX Runtime for the shapes of a model's tensors, which files often don't hold.
func Shapes(model *onnx.Model, tensors []string) (onnx.Shapes, error) {
	exposed, err := model.Expose(tensors...)
	if err != nil {
		return nil, err
	}
	var outputs []ort.InputOutputInfo
	if exposed.DataFolder == "" {
		_, outputs, err = ort.GetInputOutputInfoWithONNXData(exposed.Bytes)
	} else {
		outputs, err = shapesOfFile(exposed)
	}
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime refuses it: %w", err)
	}
	shapes := onnx.Shapes{}
	for _, o := range outputs {
		shapes[o.Name] = onnx.Shape{Dims: o.Dimensions, Type: onnx.ElementType(o.DataType)}
	}
	return shapes, nil
}

// Layers returns the layers of the model in the file path, and the shapes of all of them.
func Layers(path string, model *onnx.Model) ([]onnx.Layer, onnx.Shapes, error) {
	layers := model.Layers()
	tensors := make([]string, len(layers))
	for i, l := range layers {
		tensors[i] = l.Tensor
	}
	shapes, err := Shapes(model, tensors)
	if err != nil {
		return nil, nil, InvalidModel(fmt.Errorf("model %s: %w", path, err))
	}
	return layers, shapes, nil
}

// shapesOfFile is for external data: the folder that they are in can only be said for a model in a file.
func shapesOfFile(exposed onnx.Edited) (_ []ort.InputOutputInfo, err error) {
	folder, err := os.MkdirTemp("", "dataset-audit-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "model.onnx")
	if err := os.WriteFile(path, exposed.Bytes, 0o600); err != nil {
		return nil, err
	}
	options, err := sessionOptions(v1alpha1.ProviderCPU, exposed.DataFolder)
	if err != nil {
		return nil, err
	}
	_, outputs, err := ort.GetInputOutputInfoWithOptions(path, options)
	return outputs, errors.Join(err, options.Destroy())
}

// cutModel cuts a model at its layers, whose samples are along the given axes.
func cutModel(model *onnx.Model, spec *v1alpha1.ModelSpec, batchAxes []int) (*onnx.Cut, error) {
	pooling := onnx.Pooling{Method: onnx.Method(spec.Pooling.Method)}
	for _, axis := range spec.Pooling.Axes {
		pooling.Axes = append(pooling.Axes, int(axis))
	}
	if spec.Pooling.Token != nil {
		token := int(*spec.Pooling.Token)
		pooling.Token = &token
	}
	var requests []onnx.Request
	var tensors []string
	for i, layer := range spec.Layers {
		pooling.Batch = batchAxes[i]
		tensor, err := model.Resolve(layer)
		if err != nil {
			return nil, withShapes(model, err)
		}
		tensors = append(tensors, tensor.Name)
		requests = append(requests, onnx.Request{Layer: layer, Pooling: pooling})
	}
	shapes, err := Shapes(model, tensors)
	if err != nil {
		return nil, err
	}
	return model.Cut(requests, shapes)
}

// withShapes adds what ONNX Runtime knows to the candidates that an unknown layer's error lists.
func withShapes(model *onnx.Model, err error) error {
	var unknown *onnx.UnknownLayerError
	if !errors.As(err, &unknown) {
		return err
	}
	var tensors []string
	for _, candidate := range unknown.Nearest {
		tensors = append(tensors, candidate.Tensor)
	}
	if len(tensors) > 0 {
		if shapes, err := Shapes(model, tensors); err == nil { // else the names have to do
			unknown.Shapes = shapes
		}
	}
	return err
}

// shapeInput settles the input's size and layout between model and spec.
func (n *Network) shapeInput(input onnx.Input, spec v1alpha1.PreprocessingSpec) error {
	layout := v1alpha1.TensorLayout(input.Layout)
	if spec.Layout != "" {
		if layout != "" && layout != spec.Layout {
			return fmt.Errorf("model.preprocessing.layout: %s, but the model's input is %s", spec.Layout, layout)
		}
		layout = spec.Layout
		if len(input.Dims) == 4 && input.Layout == onnx.UnknownLayout {
			at := map[v1alpha1.TensorLayout][3]int{v1alpha1.LayoutNCHW: {1, 2, 3}, v1alpha1.LayoutNHWC: {3, 1, 2}}[layout]
			input.Channels, input.Height, input.Width = int(max(input.Dims[at[0]], 0)), int(max(input.Dims[at[1]], 0)), int(max(input.Dims[at[2]], 0))
		}
	}
	if layout != v1alpha1.LayoutNCHW && layout != v1alpha1.LayoutNHWC {
		return fmt.Errorf("model.preprocessing.layout: the model doesn't tell the layout of its input %q: set NCHW or NHWC", input.Name)
	}
	side := func(field string, model int, spec *int32) (int, error) {
		switch {
		case spec == nil && model == 0:
			return defaultSide, nil
		case spec == nil:
			return model, nil
		case model != 0 && model != int(*spec):
			return 0, fmt.Errorf("model.preprocessing.%s: %d, but the model's input has %d", field, *spec, model)
		}
		return int(*spec), nil
	}
	width, err := side("width", input.Width, spec.Width)
	if err != nil {
		return err
	}
	height, err := side("height", input.Height, spec.Height)
	if err != nil {
		return err
	}
	switch input.Channels {
	case 0:
		input.Channels = 3
	case 1, 3:
	default:
		return fmt.Errorf("model.preprocessing.layout: as %s the model's input %q has %d channels, and images have 1 or 3", layout, input.Name, input.Channels)
	}
	n.batch = input.Batch
	if n.batch == 0 && n.Provider == v1alpha1.ProviderCPU {
		n.batch = cpuBatch
	} else if n.batch == 0 {
		n.batch = gpuBatch
	}
	if size := float64(n.batch) * float64(input.Channels) * float64(width) * float64(height); size > maxInputValues {
		return fmt.Errorf("model.preprocessing: a batch of %d images of %d×%d pixels is too large", n.batch, width, height)
	}
	n.input = input
	n.prepare, err = newPreprocessor(spec, input.Channels, width, height, layout)
	return err
}

// start loads the cut model and measures its layers.
func (n *Network) start(cut *onnx.Cut, layers []string) error {
	if err := n.load(cut); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := n.measureAll(layers); err != nil {
		return errors.Join(fmt.Errorf("model: %w", err), n.Close())
	}
	return nil
}

// measureAll measures the layers with a batch. Where the model takes any, it does so with a larger one first: a layer
// that has as many tokens as the batch has samples must not pass for one that begins with the samples.
func (n *Network) measureAll(layers []string) error {
	if n.input.Batch == 0 {
		n.batch++
		err := n.measure(layers)
		n.batch--
		if err != nil {
			return err
		}
	}
	return n.measure(layers)
}

// batchError is of layers that don't begin with the samples.
type batchError struct {
	layers []int
	err    error
}

func (e *batchError) Error() string { return e.err.Error() }

func (n *Network) load(cut *onnx.Cut) (err error) {
	options, err := sessionOptions(n.Provider, cut.DataFolder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, options.Destroy()) }()
	var outputs []string
	for _, o := range cut.Outputs {
		outputs = append(outputs, o.Name)
	}
	n.session, err = ort.NewDynamicAdvancedSessionWithONNXData(cut.Bytes, []string{n.input.Name}, outputs, options)
	if err != nil {
		return fmt.Errorf("ONNX Runtime refuses it: %w", err)
	}
	return nil
}

// measure runs a batch of nothing to see how wide each layer is.
func (n *Network) measure(names []string) (err error) {
	in, err := n.newInput()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.value.Destroy()) }()
	outputs := make([]ort.Value, len(names))
	if err := n.session.Run([]ort.Value{in.value}, outputs); err != nil {
		return err
	}
	defer func() {
		for _, o := range outputs {
			err = errors.Join(err, o.Destroy())
		}
	}()
	n.Layers = nil
	wrong := &batchError{}
	for i, o := range outputs {
		shape := o.GetShape()
		if len(shape) != 2 || int(shape[0]) != n.batch || shape[1] < 1 {
			wrong.layers = append(wrong.layers, i)
			wrong.err = fmt.Errorf("layer %q gives %v for a batch of %d samples, not a vector for each: choose another layer or model.pooling, whose batchAxis says where the samples are",
				names[i], []int64(shape), n.batch)
			continue
		}
		n.Layers = append(n.Layers, vectors.Layer{Name: names[i], Dimensions: int(shape[1])})
	}
	if wrong.layers != nil {
		return wrong
	}
	return nil
}

// concurrency is how many batches run at once on the given number of threads.
func (n *Network) concurrency(threads int) int {
	if n.Provider == v1alpha1.ProviderCPU {
		return threads
	}
	return 1 // the device runs one batch after the other
}

// Close frees the model.
func (n *Network) Close() error {
	if n.session == nil {
		return nil
	}
	session := n.session
	n.session = nil
	return session.Destroy()
}

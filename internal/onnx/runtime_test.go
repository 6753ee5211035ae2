package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

var initRuntime = sync.OnceValue(func() error {
	ort.SetSharedLibraryPath(os.Getenv("ONNXRUNTIME_LIB"))
	return ort.InitializeEnvironment(ort.WithLogLevelError())
})

// openRuntime skips the test where ONNX Runtime isn't there, and else loads it.
func openRuntime(t *testing.T) {
	t.Helper()
	needs.Runtime(t)
	if err := initRuntime(); err != nil {
		t.Fatal(err)
	}
}

// array is a tensor's content as float32, whatever its type was.
type array struct {
	dims []int64
	data []float32
}

// infer runs a model on one input and returns its outputs. The Go binding can't allocate those of float16: shapes tell
// which these are.
func infer(t *testing.T, model Edited, in Input, x array, shapes Shapes, outputs ...string) []array {
	t.Helper()
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	if model.DataFolder != "" {
		if err := options.AddSessionConfigEntry(FolderOption, model.DataFolder); err != nil {
			t.Fatal(err)
		}
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(model.Bytes, []string{in.Name}, outputs, options)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()
	input := tensorOf(t, in.Type, x)
	defer input.Destroy()
	values := make([]ort.Value, len(outputs))
	for i, name := range outputs {
		if s := shapes[name]; s.Type == Float16 {
			dims := slices.Clone(s.Dims)
			dims[0] = x.dims[0]
			if values[i], err = ort.NewCustomDataTensor(dims, make([]byte, 2*ort.NewShape(dims...).FlattenedSize()), ort.TensorElementDataTypeFloat16); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := session.Run([]ort.Value{input}, values); err != nil {
		t.Fatal(err)
	}
	arrays := make([]array, len(values))
	for i, v := range values {
		arrays[i] = arrayOf(t, v)
		v.Destroy()
	}
	return arrays
}

func tensorOf(t *testing.T, typ ElementType, x array) ort.Value {
	t.Helper()
	var v ort.Value
	var err error
	switch typ {
	case Float32:
		v, err = ort.NewTensor(x.dims, x.data)
	case Float16:
		raw := make([]byte, 0, 2*len(x.data))
		for _, f := range x.data {
			raw = binary.LittleEndian.AppendUint16(raw, halfOf(f))
		}
		v, err = ort.NewCustomDataTensor(x.dims, raw, ort.TensorElementDataTypeFloat16)
	default:
		t.Fatalf("no input of %s", typ)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func arrayOf(t *testing.T, v ort.Value) array {
	t.Helper()
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		return array{v.GetShape().Clone(), append([]float32(nil), v.GetData()...)}
	case *ort.Tensor[uint8]:
		a := array{dims: v.GetShape().Clone()}
		for _, q := range v.GetData() {
			a.data = append(a.data, float32(q))
		}
		return a
	case *ort.CustomDataTensor:
		if ort.TensorElementDataType(v.DataType()) != ort.TensorElementDataTypeFloat16 {
			t.Fatalf("an output of type %d", v.DataType())
		}
		a := array{dims: v.GetShape().Clone()}
		for b := v.GetData(); len(b) > 0; b = b[2:] {
			a.data = append(a.data, halfToFloat(binary.LittleEndian.Uint16(b)))
		}
		return a
	}
	t.Fatalf("an output of %T", v)
	return array{}
}

// halfOf rounds normal numbers towards zero, which is as good as any for test data.
func halfOf(f float32) uint16 {
	b := math.Float32bits(f)
	exponent := int(b>>23&0xff) - 127 + 15
	if exponent <= 0 {
		return uint16(b >> 16 & 0x8000)
	}
	return uint16(b>>16&0x8000) | uint16(exponent<<10) | uint16(b>>13&0x3ff)
}

func halfToFloat(h uint16) float32 {
	sign := 1 - 2*float64(h>>15)
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	if exponent == 0 {
		return float32(sign * math.Ldexp(fraction, -24))
	}
	return float32(sign * math.Ldexp(1+fraction/1024, exponent-15))
}

// inferShapes returns the shapes that ONNX Runtime infers for a model's outputs.
func inferShapes(t *testing.T, model Edited) Shapes {
	t.Helper()
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	if err := options.AddSessionConfigEntry(FolderOption, model.DataFolder); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(file, model.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	_, infos, err := ort.GetInputOutputInfoWithOptions(file, options)
	if err != nil {
		t.Fatal(err)
	}
	shapes := Shapes{}
	for _, info := range infos {
		shapes[info.Name] = Shape{Dims: info.Dimensions, Type: ElementType(info.DataType)}
	}
	return shapes
}

// random fills an array with reproducible numbers in [−1, 1).
func random(seed uint32, dims ...int64) array {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	a := array{dims: dims, data: make([]float32, n)}
	for i := range a.data {
		seed = seed*1664525 + 1013904223
		a.data[i] = float32(int32(seed)) / (1 << 31)
	}
	return a
}

// weights is an initializer of random numbers.
func weights(name string, seed uint32, dims ...int64) ir.Tensor {
	return ir.Float32s(name, dims, random(seed, dims...).data...)
}

// halves is the same in float16.
func halves(name string, seed uint32, dims ...int64) ir.Tensor {
	t := ir.Tensor{Name: name, Type: ir.Float16, Dims: dims}
	for _, f := range random(seed, dims...).data {
		t.Raw = binary.LittleEndian.AppendUint16(t.Raw, halfOf(f))
	}
	return t
}

// reduce is the oracle: it pools a over axes and flattens all but the batch, in float64.
func reduce(a array, method Method, axes []int) array {
	pooled := map[int]bool{}
	for _, axis := range axes {
		pooled[axis] = true
	}
	width := int64(1)
	for axis, d := range a.dims {
		if axis > 0 && !pooled[axis] {
			width *= d
		}
	}
	sums := make([]float64, a.dims[0]*width)
	counts := make([]int, len(sums))
	for i, v := range a.data {
		rest, target, stride := int64(i), int64(0), int64(1)
		for axis, size := range slices.Backward(a.dims) {
			if at := rest % size; !pooled[axis] {
				target += at * stride
				stride *= size
			}
			rest /= size
		}
		switch {
		case method == Max && counts[target] > 0:
			sums[target] = max(sums[target], float64(v))
		default:
			sums[target] += float64(v)
		}
		counts[target]++
	}
	out := array{dims: []int64{a.dims[0], width}, data: make([]float32, len(sums))}
	for i, s := range sums {
		if method == Average {
			s /= float64(counts[i])
		}
		out.data[i] = float32(s)
	}
	return out
}

// The relative errors that rounding explains. On a CPU ONNX Runtime computes float16 in float32 and may leave out
// roundings between.
const (
	exact32 = 1e-5
	exact16 = 2e-3
)

// same fails the test unless got is want within the relative error.
func same(t *testing.T, got, want array, tolerance float64) {
	t.Helper()
	if fmt.Sprint(got.dims) != fmt.Sprint(want.dims) {
		t.Fatalf("shape %v, want %v", got.dims, want.dims)
	}
	for i := range want.data {
		if d := math.Abs(float64(got.data[i] - want.data[i])); !(d <= tolerance*(1+math.Abs(float64(want.data[i])))) {
			t.Fatalf("element %d is %v, want %v", i, got.data[i], want.data[i])
		}
	}
}

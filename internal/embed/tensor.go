package embed

import (
	"errors"
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/datasetaudit/dataset-audit/internal/onnx"
)

// A row is the place of one sample in a batch's input.
type row interface {
	// set writes factor·x + offset for each x of a plane to first, first + step, … of the row.
	set(plane []float32, factor, offset float32, first, step int)
	// clear makes the row what padding is.
	clear()
}

// An input is the tensor of a batch, its rows in the model's element type.
type input struct {
	value ort.Value // nil for a builtin model
	rows  []row
	// filled says which rows hold an image.
	filled []bool
}

// clearRest makes the rows without an image what padding is.
func (in *input) clearRest() {
	for i, filled := range in.filled {
		if !filled {
			in.rows[i].clear()
		}
	}
}

type inputs []*input

// newInputs makes n inputs.
func (n *Network) newInputs(count int) (inputs, error) {
	var all inputs
	for range count {
		in, err := n.newInput()
		if err != nil {
			all.destroy()
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

func (all inputs) destroy() {
	for _, in := range all {
		if in.value != nil {
			_ = in.value.Destroy() // frees a handle; nothing to be done about a failure
		}
	}
}

// newInput makes an input of zeros.
func (n *Network) newInput() (*input, error) {
	p := n.prepare
	shape := ort.NewShape(int64(n.batch), int64(p.channels), int64(p.resizer.Height), int64(p.resizer.Width))
	if p.layout == "NHWC" {
		shape = ort.NewShape(int64(n.batch), int64(p.resizer.Height), int64(p.resizer.Width), int64(p.channels))
	}
	in := &input{filled: make([]bool, n.batch)}
	size := p.values()
	var err error
	switch n.input.Type {
	case onnx.Float32:
		data := make([]float32, n.batch*size)
		for i := range n.batch {
			in.rows = append(in.rows, singleRow(data[i*size:(i+1)*size]))
		}
		if n.Builtin {
			return in, nil
		}
		in.value, err = ort.NewTensor(shape, data)
	case onnx.Float16:
		data := make([]byte, 2*n.batch*size)
		for i := range n.batch {
			in.rows = append(in.rows, halfRow(data[2*i*size:2*(i+1)*size]))
		}
		in.value, err = ort.NewCustomDataTensor(shape, data, ort.TensorElementDataTypeFloat16)
	case onnx.Uint8:
		data := make([]uint8, n.batch*size)
		for i := range n.batch {
			in.rows = append(in.rows, byteRow(data[i*size:(i+1)*size]))
		}
		in.value, err = ort.NewTensor(shape, data)
	default:
		err = fmt.Errorf("inputs of type %v are not supported", n.input.Type)
	}
	return in, err
}

type singleRow []float32

func (r singleRow) set(plane []float32, factor, offset float32, first, step int) {
	if step == 1 {
		out := r[first : first+len(plane)]
		for i, x := range plane {
			out[i] = factor*x + offset
		}
		return
	}
	for i, x := range plane {
		r[first+i*step] = factor*x + offset
	}
}

func (r singleRow) clear() { clear(r) }

type halfRow []byte

func (r halfRow) set(plane []float32, factor, offset float32, first, step int) {
	for i, x := range plane {
		half := toHalf(factor*x + offset)
		at := 2 * (first + i*step)
		r[at], r[at+1] = byte(half), byte(half>>8)
	}
}

func (r halfRow) clear() { clear(r) }

type byteRow []uint8

func (r byteRow) set(plane []float32, factor, offset float32, first, step int) {
	for i, x := range plane {
		rounded := math.RoundToEven(float64(factor*x + offset))
		r[first+i*step] = uint8(min(max(rounded, 0), 255))
	}
}

func (r byteRow) clear() { clear(r) }

// finite says whether all values are numbers; it returns the first that isn't.
func finite(values []float32) (float32, bool) {
	for _, x := range values {
		if x-x != 0 {
			return x, false
		}
	}
	return 0, true
}

// outputs are the tensors that a batch's vectors come in, one a layer.
type outputs struct {
	network *Network
	tensors []ort.Value
	values  [][]float32
}

func (n *Network) newOutputs() (*outputs, error) {
	o := &outputs{network: n}
	for _, layer := range n.Layers {
		if n.Builtin {
			o.values = append(o.values, make([]float32, n.batch*layer.Dimensions))
			continue
		}
		tensor, err := ort.NewEmptyTensor[float32](ort.NewShape(int64(n.batch), int64(layer.Dimensions)))
		if err != nil {
			return nil, errors.Join(err, o.destroy())
		}
		o.tensors, o.values = append(o.tensors, tensor), append(o.values, tensor.GetData())
	}
	return o, nil
}

func (o *outputs) destroy() (err error) {
	for _, tensor := range o.tensors {
		err = errors.Join(err, tensor.Destroy())
	}
	return err
}

// run fills the outputs with the vectors of a batch.
func (o *outputs) run(in *input) error {
	if !o.network.Builtin {
		return o.network.session.Run([]ort.Value{in.value}, o.tensors)
	}
	for i, r := range in.rows {
		describePixels(r.(singleRow), o.values[0][i*pixelsDimensions:(i+1)*pixelsDimensions])
	}
	return nil
}

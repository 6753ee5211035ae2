package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// Layout says which axes of a rank-4 tensor are batch, channels, height and width, a letter each.
type Layout string

// The layouts that models use. Other permutations occur between two Transposes.
const (
	UnknownLayout Layout = ""
	NCHW          Layout = "NCHW"
	NHWC          Layout = "NHWC"
)

// Input is a model's one real input, a batch of images.
type Input struct {
	Name     string
	Type     ElementType // float32, float16 or uint8
	Dims     []int64     // −1: free; empty: the file doesn't say
	Layout   Layout      // UnknownLayout if neither the channels' dimension nor the graph tells
	Batch    int         // 0: free
	Channels int         // 1 or 3; 0: free
	Height   int         // 0: free
	Width    int         // 0: free
}

// Input returns the real input that tensors depend on, or all of the model if none are named: a graph input that isn't
// an initializer. Anything but one batch of images is an *UnsupportedError.
func (m *Model) Input(tensors ...string) (Input, error) {
	var used map[string]bool
	if len(tensors) > 0 {
		_, used = m.needed(tensors)
	}
	var fed []*value
	for i := range m.graph.inputs {
		v := &m.graph.inputs[i]
		if !m.initializers[v.name] && (used == nil || used[v.name]) {
			fed = append(fed, v)
		}
	}
	switch len(fed) {
	case 0:
		return Input{}, &UnsupportedError{m.path, "it has no input that isn't an initializer"}
	case 1:
		return m.imageInput(fed[0])
	}
	var names []string
	for _, v := range fed {
		names = append(names, fmt.Sprintf("%q (%s)", v.name, v.shape))
	}
	return Input{}, &UnsupportedError{m.path, "it has several inputs, and images go into one: " + strings.Join(names, ", ")}
}

func (m *Model) imageInput(v *value) (Input, error) {
	in := Input{Name: v.name, Type: v.shape.Type, Dims: slices.Clone(v.shape.Dims)}
	if v.noTensor {
		return Input{}, &UnsupportedError{m.path, fmt.Sprintf("its input %q is not a tensor", v.name)}
	}
	switch in.Type {
	case Float32, Float16, Uint8:
	default:
		return Input{}, &UnsupportedError{m.path, fmt.Sprintf("its input %q has elements of %s, not of float32, float16 or uint8", v.name, in.Type)}
	}
	if len(in.Dims) != 0 && len(in.Dims) != 4 {
		return Input{}, &UnsupportedError{m.path, fmt.Sprintf("its input %q is %s: a batch of images has 4 dimensions", v.name, v.shape)}
	}
	in.Layout = layoutByChannels(in.Dims)
	if in.Layout == UnknownLayout {
		in.Layout = m.layoutByGraph(v.name)
	}
	if in.Layout != NCHW && in.Layout != NHWC {
		in.Layout = UnknownLayout
	}
	if len(in.Dims) == 0 {
		return in, nil
	}
	size := func(axis string) int {
		return int(max(in.Dims[strings.Index(string(in.Layout), axis)], 0))
	}
	in.Batch = int(max(in.Dims[0], 0))
	if in.Layout != UnknownLayout {
		in.Channels, in.Height, in.Width = size("C"), size("H"), size("W")
	}
	if in.Channels != 0 && in.Channels != 1 && in.Channels != 3 {
		return Input{}, &UnsupportedError{m.path, fmt.Sprintf("its input %q is %s (%s): images have 1 or 3 channels", v.name, v.shape, in.Layout)}
	}
	return in, nil
}

// layoutByChannels tells the layout of images by the dimension that is 3, or else 1.
func layoutByChannels(dims []int64) Layout {
	if len(dims) != 4 {
		return UnknownLayout
	}
	for _, channels := range []int64{3, 1} {
		switch channels {
		case dims[1]:
			return NCHW
		case dims[3]:
			return NHWC
		}
	}
	return UnknownLayout
}

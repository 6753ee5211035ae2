package demo

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
)

// inputSize is the width and height of the model's input in pixels.
const inputSize = 64

// stages are the widths of the network's convolutions, in pairs of channels, and the sides of their kernels.
var stages = []struct {
	pairs, kernel int
}{{16, 7}, {32, 3}, {64, 3}}

// network returns a small convolutional network with fixed random weights, a model from N×3×64×64 RGB images to N×112
// numbers. Its layer "features", N×112×5×5, is the one to compare images by: random filters tell pictures apart well
// (Jarrett et al., "What is the Best Multi-Stage Architecture for Object Recognition?", 2009,
// doi:10.1109/ICCV.2009.5459469).
//
// Channels come in pairs of which one sees an image as the other sees its mirror image. So the sum of a pair, averaged
// over the image, stays when the image is mirrored: these are group convolutions over reflections (Cohen and Welling,
// "Group Equivariant Convolutional Networks", 2016, arXiv:1602.07576). The normalization at the start takes an image's
// brightness and contrast out, over its three channels together, which keeps the hues.
func network() ir.Model {
	b := &builder{r: rand.New(rand.NewPCG(2602, 5276))}
	b.constant("plane_shape", ir.Int64s("", []int64{4}, 0, 1, 3*inputSize, inputSize))
	b.constant("image_shape", ir.Int64s("", []int64{4}, 0, 3, inputSize, inputSize))
	b.constant("one", ir.Float32s("", []int64{1}, 1))
	b.constant("zero", ir.Float32s("", []int64{1}, 0))
	b.node("Reshape", []string{"image", "plane_shape"}, "plane")
	b.node("InstanceNormalization", []string{"plane", "one", "zero"}, "normalized_plane")
	b.node("Reshape", []string{"normalized_plane", "image_shape"}, "normalized")

	x, size, in := "normalized", inputSize, 0
	var scales []string
	features := 0
	for i, stage := range stages {
		name := fmt.Sprintf("conv%d", i+1)
		weights := b.gabors(stage.pairs, stage.kernel)
		if i > 0 {
			weights = b.random(stage.pairs, in, stage.kernel)
		}
		x = b.convolution(name, x, weights)
		x = b.node("Relu", []string{x}, name+"_relu")
		// Both of a pair together, then all scales at one resolution: 5×5 windows of half the width, so that the
		// borders, where a crop or a shift changes most, count least.
		together := b.convolution(fmt.Sprintf("sum%d", i+1), x, sums(stage.pairs))
		scales = append(scales, b.average(together, fmt.Sprintf("scale%d", i+1), size/2, size/8))
		features += stage.pairs
		in = stage.pairs
		if i < len(stages)-1 {
			x = b.average(x, fmt.Sprintf("pool%d", i+1), 2, 2)
			size /= 2
		}
	}
	b.node("Concat", scales, "features", ir.AttrInt("axis", 1))
	b.node("GlobalAveragePool", []string{"features"}, "pooled")
	b.node("Flatten", []string{"pooled"}, "embedding")

	b.graph.Name = "demo"
	b.graph.Inputs = []ir.Value{{Name: "image", Type: ir.Float32, Dims: []int64{-1, 3, inputSize, inputSize}}}
	b.graph.Outputs = []ir.Value{{Name: "embedding", Type: ir.Float32, Dims: []int64{-1, int64(features)}}}
	return ir.Model{Opset: 17, Graph: b.graph}
}

// A builder adds nodes to a graph. A node bears its output's name.
type builder struct {
	r     *rand.Rand
	graph ir.Graph
}

func (b *builder) node(op string, inputs []string, output string, attributes ...ir.Attribute) string {
	b.graph.Nodes = append(b.graph.Nodes, ir.Node{Name: output, Op: op, Inputs: inputs, Outputs: []string{output}, Attributes: attributes})
	return output
}

func (b *builder) constant(name string, t ir.Tensor) string {
	t.Name = name
	b.graph.Initializers = append(b.graph.Initializers, t)
	return name
}

func (b *builder) convolution(name, x string, k kernels) string {
	side, pad := int64(k.side), int64(k.side/2)
	weight := b.constant(name+"_weight", ir.Float32s("", []int64{int64(k.out), int64(k.in), side, side}, k.values...))
	return b.node("Conv", []string{x, weight}, name,
		ir.AttrInts("kernel_shape", side, side), ir.AttrInts("pads", pad, pad, pad, pad))
}

func (b *builder) average(x, name string, side, stride int) string {
	k, s := int64(side), int64(stride)
	return b.node("AveragePool", []string{x}, name, ir.AttrInts("kernel_shape", k, k), ir.AttrInts("strides", s, s))
}

// kernels are the weights of a convolution: out×in×side×side.
type kernels struct {
	out, in, side int
	values        []float32
}

func newKernels(out, in, side int) kernels {
	return kernels{out, in, side, make([]float32, out*in*side*side)}
}

func (k kernels) set(out, in, y, x int, v float64) {
	k.values[((out*k.in+in)*k.side+y)*k.side+x] = float32(v)
}

// gabors are edges and bars (Gabor's wavelets) of random direction, wavelength, phase and color, each followed by its
// mirror image. Every other one has mean 0 and so sees only differences; the rest see color, too.
func (b *builder) gabors(pairs, side int) kernels {
	k := newKernels(2*pairs, 3, side)
	middle := float64(side-1) / 2
	for pair := range pairs {
		sin, cos := math.Sincos(math.Pi * (float64(pair) + b.r.Float64()) / float64(pairs))
		wavelength := lerp(2.5, 1.6*float64(side), b.r.Float64())
		phase := 2 * math.Pi * b.r.Float64()
		width := min(.5*wavelength, middle/1.5)
		color := [3]float64{b.r.NormFloat64() + 1, b.r.NormFloat64() + 1, b.r.NormFloat64() + 1}

		values, mean, envelopes := make([]float64, side*side), 0.0, 0.0
		envelope := make([]float64, side*side)
		for i := range values {
			x, y := float64(i%side)-middle, float64(i/side)-middle
			envelope[i] = math.Exp(-(x*x + y*y) / (2 * width * width))
			values[i] = envelope[i] * math.Cos(2*math.Pi*(x*cos+y*sin)/wavelength+phase)
			mean += values[i]
			envelopes += envelope[i]
		}
		norm := 0.0
		for i := range values {
			if pair%2 == 0 {
				values[i] -= mean / envelopes * envelope[i]
			}
			norm += values[i] * values[i]
		}
		norm = math.Sqrt(norm * (color[0]*color[0] + color[1]*color[1] + color[2]*color[2]))
		for i, v := range values {
			for c := range 3 {
				k.set(2*pair, c, i/side, i%side, v*color[c]/norm)
				k.set(2*pair+1, c, i/side, side-1-i%side, v*color[c]/norm)
			}
		}
	}
	return k
}

// random are normally distributed weights between pairs of channels, their mean 0 in each kernel. A pair's second
// kernel is the mirror image of its first, and what that reads from one channel of a pair, it reads from the other.
func (b *builder) random(pairs, from, side int) kernels {
	k := newKernels(2*pairs, 2*from, side)
	n := 2 * from * side * side
	for pair := range pairs {
		values, mean := make([]float64, n), 0.0
		for i := range values {
			values[i] = b.r.NormFloat64()
			mean += values[i] / float64(n)
		}
		for i, v := range values {
			v = (v - mean) * math.Sqrt(2/float64(n))
			in, y, x := i/(side*side), i/side%side, i%side
			k.set(2*pair, in, y, x, v)
			k.set(2*pair+1, in^1, y, side-1-x, v)
		}
	}
	return k
}

// sums adds up each pair of channels.
func sums(pairs int) kernels {
	k := newKernels(pairs, 2*pairs, 1)
	for pair := range pairs {
		k.set(pair, 2*pair, 0, 0, 1)
		k.set(pair, 2*pair+1, 0, 0, 1)
	}
	return k
}

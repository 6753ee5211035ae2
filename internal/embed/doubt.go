package embed

import (
	"fmt"
	"image"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

// How far a channel of the first convolution rises above its mean, in most models whose images were prepared as they
// should be: MobileNet 2.1, SqueezeNet 3.2. A preset of another range is off by a factor of 128 to 255.
const (
	leastRise = 0.03
	mostRise  = 50
)

// DoubtPreset says that the preset most likely isn't the model's, by what its first convolution makes of some encoded
// images; empty if there is nothing to say. It sees a range that is wrong, [0, 1] for [0, 255], and not another mean.
// The models of Caffe's time take [0, 255] without a normalization, so for CaffeBGR nothing is too large.
func DoubtPreset(path string, spec *v1alpha1.ModelSpec, decoder images.Decoder, samples [][]byte) string {
	preset := spec.Preprocessing.Preset
	if spec.Builtin != "" || preset == "" || len(samples) == 0 {
		return ""
	}
	model, err := OpenModel(path, "")
	if err != nil {
		return "" // a doubt is all that this is for: the run itself tells what is wrong
	}
	first := model.First("Conv")
	if first == "" {
		return ""
	}
	rise, err := riseOf(path, spec, first, decoder, samples)
	if err != nil {
		return ""
	}
	bytes := preset == v1alpha1.PresetByteRange || preset == v1alpha1.PresetCaffeBGR
	switch {
	case preset == v1alpha1.PresetByteRange && rise > mostRise:
		likely, _ := GuessPreset(path, model)
		return fmt.Sprintf("model.preprocessing.preset %s gives the model values from 0 to 255, and its first convolution then answers %.3g times as strongly as is usual: the model most likely wants %s", preset, rise/2, likely)
	case !bytes && rise < leastRise:
		return fmt.Sprintf("model.preprocessing.preset %s gives the model values of about 1, and its first convolution hardly answers to them: the model most likely wants values from 0 to 255, as %s or %s give", preset, v1alpha1.PresetByteRange, v1alpha1.PresetCaffeBGR)
	}
	return ""
}

// riseOf is how far the layer's channels rise above their means over each image, in the median over the channels.
func riseOf(path string, spec *v1alpha1.ModelSpec, layer string, decoder images.Decoder, samples [][]byte) (float64, error) {
	var pooled [2][][]float32
	for i, method := range []v1alpha1.PoolingMethod{v1alpha1.PoolingMax, v1alpha1.PoolingAverage} {
		probe := &v1alpha1.ModelSpec{Layers: []string{"tensor:" + layer}, Preprocessing: spec.Preprocessing, Pooling: v1alpha1.PoolingSpec{Method: method}}
		n, err := OpenNetwork(path, probe, v1alpha1.ProviderCPU)
		if err != nil {
			return 0, err
		}
		pooled[i], err = n.vectorsOf(decoder, samples)
		_ = n.Close() // memory only
		if err != nil {
			return 0, err
		}
	}
	if len(pooled[0]) == 0 {
		return 0, fmt.Errorf("none of %d samples can be read", len(samples))
	}
	rises := make([]float64, len(pooled[0][0]))
	for i, most := range pooled[0] {
		for c := range most {
			rises[c] += float64(most[c]-pooled[1][i][c]) / float64(len(pooled[0]))
		}
	}
	slices.Sort(rises)
	return rises[len(rises)/2], nil
}

// vectorsOf runs the network's one layer on the samples that can be decoded, one batch after the other.
func (n *Network) vectorsOf(decoder images.Decoder, samples [][]byte) (found [][]float32, err error) {
	inputs, err := n.newInputs(1)
	if err != nil {
		return nil, err
	}
	defer inputs.destroy()
	in := inputs[0]
	outputs, err := n.newOutputs()
	if err != nil {
		return nil, err
	}
	defer func() { _ = outputs.destroy() }() // memory only
	img := &image.RGBA{}
	scratch := make([]float32, 3*n.prepare.resizer.Width*n.prepare.resizer.Height)
	width := n.Layers[0].Dimensions
	slot := 0
	flush := func() error {
		if slot == 0 {
			return nil
		}
		in.clearRest()
		if err := outputs.run(in); err != nil {
			return err
		}
		for i := range slot {
			found = append(found, slices.Clone(outputs.values[0][i*width:(i+1)*width]))
		}
		clear(in.filled)
		slot = 0
		return nil
	}
	for _, sample := range samples {
		if err := decoder.With(img, sample, func(img *image.RGBA) { n.prepare.apply(img, scratch, in.rows[slot]) }); err != nil {
			continue // one that can't be read says nothing
		}
		in.filled[slot] = true
		if slot++; slot == n.batch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return found, flush()
}

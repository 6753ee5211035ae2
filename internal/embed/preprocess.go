package embed

import (
	"fmt"
	"image"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

// A preprocessor turns an image into one row of the model's input: resized to Width×Height, each channel (x −
// mean)/scale with x from 0 to 255.
type preprocessor struct {
	resizer images.Resizer
	// factor and offset make a channel's value what the model takes, factor·x + offset, channels as the model orders
	// them.
	factor, offset [3]float32
	// source is for each of the model's channels the image's: 0 red, 1 green, 2 blue. Nil for a model of one channel,
	// which gets the luma.
	source   []int
	channels int
	layout   v1alpha1.TensorLayout
}

type preset struct {
	mean, scale   [3]float64
	order         v1alpha1.ChannelOrder
	interpolation v1alpha1.Interpolation
	fit           v1alpha1.Fit
}

var presets = map[v1alpha1.PreprocessingPreset]preset{
	"": {scale: same(1), order: v1alpha1.ChannelOrderRGB},
	v1alpha1.PresetMobileNet: {
		mean: same(127.5), scale: same(127.5), order: v1alpha1.ChannelOrderRGB},
	v1alpha1.PresetImageNet: {
		mean: [3]float64{.485 * 255, .456 * 255, .406 * 255}, scale: [3]float64{.229 * 255, .224 * 255, .225 * 255}, order: v1alpha1.ChannelOrderRGB},
	v1alpha1.PresetCLIP: {
		mean:          [3]float64{.48145466 * 255, .4578275 * 255, .40821073 * 255},
		scale:         [3]float64{.26862954 * 255, .26130258 * 255, .27577711 * 255},
		order:         v1alpha1.ChannelOrderRGB,
		interpolation: v1alpha1.InterpolationBicubic, fit: v1alpha1.FitCenterCrop},
	v1alpha1.PresetUnitRange: {scale: same(255), order: v1alpha1.ChannelOrderRGB},
	v1alpha1.PresetByteRange: {scale: same(1), order: v1alpha1.ChannelOrderRGB},
	v1alpha1.PresetCaffeBGR: {
		mean: [3]float64{103.939, 116.779, 123.68}, scale: same(1), order: v1alpha1.ChannelOrderBGR},
}

func same(x float64) [3]float64 { return [3]float64{x, x, x} }

// newPreprocessor combines the preset with what the spec overrides, for an input of the given shape.
func newPreprocessor(spec v1alpha1.PreprocessingSpec, channels, width, height int, layout v1alpha1.TensorLayout) (*preprocessor, error) {
	chosen, known := presets[spec.Preset]
	if !known {
		return nil, fmt.Errorf("model.preprocessing.preset: %q is not known", spec.Preset)
	}
	if spec.ChannelOrder != "" && spec.ChannelOrder != chosen.order {
		// The preset's numbers belong to its colors, wherever the model has them.
		chosen.order = spec.ChannelOrder
		chosen.mean[0], chosen.mean[2] = chosen.mean[2], chosen.mean[0]
		chosen.scale[0], chosen.scale[2] = chosen.scale[2], chosen.scale[0]
	}
	if spec.Interpolation != "" {
		chosen.interpolation = spec.Interpolation
	}
	if spec.Fit != "" {
		chosen.fit = spec.Fit
	}
	if err := override(&chosen.mean, spec.Mean, "mean"); err != nil {
		return nil, err
	}
	if err := override(&chosen.scale, spec.Scale, "scale"); err != nil {
		return nil, err
	}
	p := &preprocessor{
		resizer:  images.Resizer{Width: width, Height: height},
		channels: channels, layout: layout,
	}
	for c := range 3 {
		if chosen.scale[c] == 0 {
			return nil, fmt.Errorf("model.preprocessing.scale: must not be 0")
		}
		p.factor[c], p.offset[c] = float32(1/chosen.scale[c]), float32(-chosen.mean[c]/chosen.scale[c])
	}
	switch {
	case channels == 1:
	case chosen.order == v1alpha1.ChannelOrderBGR:
		p.source = []int{2, 1, 0}
	default:
		p.source = []int{0, 1, 2}
	}
	switch chosen.interpolation {
	case v1alpha1.InterpolationBicubic:
		p.resizer.Interpolation = images.Bicubic
	case v1alpha1.InterpolationArea:
		p.resizer.Interpolation = images.Area
	default: // bilinear
	}
	if chosen.fit == v1alpha1.FitCenterCrop {
		p.resizer.Fit = images.CenterCrop
	}
	return p, nil
}

// override replaces a preset's channels by one value for all, or one each.
func override(channels *[3]float64, values []v1alpha1.Decimal, field string) error {
	for c := range channels {
		if len(values) == 0 {
			return nil
		}
		x, err := values[min(c, len(values)-1)].Float64()
		if err != nil {
			return fmt.Errorf("model.preprocessing.%s: %w", field, err)
		}
		channels[c] = x
	}
	return nil
}

// values returns the numbers in one row of the input.
func (p *preprocessor) values() int { return p.channels * p.resizer.Width * p.resizer.Height }

// apply writes the row of an image: scratch holds three planes for the resized image, set receives each value at its
// place.
func (p *preprocessor) apply(img *image.RGBA, scratch []float32, row row) {
	p.resizer.Resize(scratch, img)
	plane := p.resizer.Width * p.resizer.Height
	if p.source == nil {
		gray := scratch[:plane]
		for i := range gray {
			// ITU-R BT.601, as Pillow's convert("L").
			gray[i] = .299*gray[i] + .587*scratch[plane+i] + .114*scratch[2*plane+i]
		}
	}
	for c := range p.channels {
		from := c
		if p.source != nil {
			from = p.source[c]
		}
		first, step := c*plane, 1
		if p.layout == v1alpha1.LayoutNHWC {
			first, step = c, p.channels
		}
		row.set(scratch[from*plane:(from+1)*plane], p.factor[c], p.offset[c], first, step)
	}
}

package v1alpha1

// PreprocessingPreset is a known way to turn an image into a model's input.
//
// +kubebuilder:validation:Enum=MobileNet;ImageNet;CLIP;UnitRange;ByteRange;CaffeBGR
type PreprocessingPreset string

const (
	// PresetMobileNet scales RGB to [−1, 1], as TensorFlow's MobileNets want: x / 127.5 − 1.
	PresetMobileNet PreprocessingPreset = "MobileNet"
	// PresetImageNet subtracts ImageNet's mean and divides by its standard deviation, RGB, as torchvision does.
	PresetImageNet PreprocessingPreset = "ImageNet"
	// PresetCLIP is OpenAI CLIP's: its mean and standard deviation, RGB, bicubic, center crop.
	PresetCLIP PreprocessingPreset = "CLIP"
	// PresetUnitRange scales RGB to [0, 1].
	PresetUnitRange PreprocessingPreset = "UnitRange"
	// PresetByteRange leaves RGB in [0, 255].
	PresetByteRange PreprocessingPreset = "ByteRange"
	// PresetCaffeBGR is Caffe's: BGR in [0, 255], ImageNet's mean subtracted.
	PresetCaffeBGR PreprocessingPreset = "CaffeBGR"
)

// ChannelOrder is the order of an image's color channels.
//
// +kubebuilder:validation:Enum=RGB;BGR
type ChannelOrder string

// The orders of color channels.
const (
	ChannelOrderRGB ChannelOrder = "RGB"
	ChannelOrderBGR ChannelOrder = "BGR"
)

// TensorLayout is the order of the axes of a batch of images.
//
// +kubebuilder:validation:Enum=NCHW;NHWC
type TensorLayout string

// The layouts of a batch: N samples, C channels, height H, width W.
const (
	LayoutNCHW TensorLayout = "NCHW"
	LayoutNHWC TensorLayout = "NHWC"
)

// Interpolation is how an image is resized.
//
// +kubebuilder:validation:Enum=Bilinear;Bicubic;Area
type Interpolation string

const (
	// InterpolationBilinear takes the four nearest pixels, half-pixel centers, no antialiasing.
	InterpolationBilinear Interpolation = "Bilinear"
	// InterpolationBicubic takes the sixteen nearest pixels as OpenCV does (a = −0.75), no antialiasing.
	InterpolationBicubic Interpolation = "Bicubic"
	// InterpolationArea averages all pixels that a target pixel covers.
	InterpolationArea Interpolation = "Area"
)

// Fit is how an image of another shape meets the model's input.
//
// +kubebuilder:validation:Enum=Stretch;CenterCrop
type Fit string

const (
	// FitStretch ignores the aspect ratio.
	FitStretch Fit = "Stretch"
	// FitCenterCrop keeps the aspect ratio and cuts what protrudes, evenly on both sides.
	FitCenterCrop Fit = "CenterCrop"
)

// PoolingMethod is how a layer's output becomes one vector a sample.
//
// +kubebuilder:validation:Enum=Max;Average;Sum;None
type PoolingMethod string

// The ways to pool. None flattens the output as it is.
const (
	PoolingMax     PoolingMethod = "Max"
	PoolingAverage PoolingMethod = "Average"
	PoolingSum     PoolingMethod = "Sum"
	PoolingNone    PoolingMethod = "None"
)

// BuiltinModel is a model that the runner brings along.
//
// +kubebuilder:validation:Enum=Pixels
type BuiltinModel string

// BuiltinPixels describes what an image shows where, at 32×32 pixels, whatever it is.
const BuiltinPixels BuiltinModel = "Pixels"

// ModelSpec is an ONNX model and what to read from it, or a builtin one.
//
// +kubebuilder:validation:XValidation:rule="has(self.builtin) || (has(self.source) && has(self.layers) && has(self.preprocessing))",message="set source, layers and preprocessing, or builtin"
// +kubebuilder:validation:XValidation:rule="!has(self.builtin) || !(has(self.source) || has(self.layers) || has(self.preprocessing) || has(self.sha256) || has(self.pooling.method) || has(self.pooling.axes) || has(self.pooling.token) || has(self.pooling.batchAxis))",message="a builtin model has no source, sha256, layers, preprocessing or pooling"
type ModelSpec struct {
	// builtin names a model that the runner brings along, instead of source. Pixels compares images by what they show
	// where: it finds copies that were recompressed, resized, mirrored, slightly cropped or changed in brightness. It
	// does not know one kind of thing from another. Absent: the model in source.
	// +optional
	Builtin BuiltinModel `json:"builtin,omitempty"`

	// source is where the model's .onnx file lies. External data lies beside it.
	// +optional
	Source ModelSource `json:"source,omitempty,omitzero"`

	// sha256 is the digest of the .onnx file in lower-case hexadecimal, verified before the model is used. Absent: not
	// verified.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 hexadecimal digits in lower case"
	SHA256 string `json:"sha256,omitempty"`

	// layers are the nodes or tensors of the ONNX graph whose outputs are compared; each gives a result of its own. A
	// name borne by a node and by another tensor is told apart by the prefix node: or tensor:. `runner layers
	// model.onnx` lists them. Required with source.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Layers []string `json:"layers,omitempty"`

	// preprocessing turns an image into the model's input. Required with source.
	// +optional
	Preprocessing PreprocessingSpec `json:"preprocessing,omitempty,omitzero"`

	// pooling turns a layer's output into one vector a sample.
	// +optional
	// +kubebuilder:default={}
	Pooling PoolingSpec `json:"pooling,omitempty,omitzero"`
}

// PreprocessingSpec turns an image into the model's input. What it names overrides the preset.
//
// +kubebuilder:validation:XValidation:rule="has(self.preset) || (has(self.mean) && has(self.scale))",message="set preset, or both mean and scale: a wrong guess would spoil every distance"
// +kubebuilder:validation:XValidation:rule="has(self.width) == has(self.height)",message="width and height must be given together"
type PreprocessingSpec struct {
	// preset is a known way to preprocess: MobileNet (RGB in [−1, 1]), ImageNet (torchvision), CLIP, UnitRange (RGB in
	// [0, 1]), ByteRange (RGB in [0, 255]) or CaffeBGR (BGR, mean subtracted).
	// +optional
	Preset PreprocessingPreset `json:"preset,omitempty"`

	// width of the model's input in pixels. Absent: the model's own, or 224 when the model leaves it free.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	Width *int32 `json:"width,omitempty"`

	// height of the model's input in pixels. Absent: the model's own, or 224 when the model leaves it free.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	Height *int32 `json:"height,omitempty"`

	// mean is subtracted from each channel: one decimal for all channels, or one a channel, in channelOrder. A channel
	// becomes (value − mean) / scale, with values from 0 to 255. Absent: the preset's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:XValidation:rule="size(self) != 2",message="mean must have one value, or three"
	// +kubebuilder:validation:XValidation:rule=`self.all(m, m.matches('^-?[0-9]{1,12}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$'))`,message="mean must be decimals, in quotes, such as '123.675'"
	Mean []Decimal `json:"mean,omitempty"`

	// scale divides each channel after mean was subtracted: one decimal for all channels, or one a channel, in
	// channelOrder; above 0. Absent: the preset's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:XValidation:rule="size(self) != 2",message="scale must have one value, or three"
	// +kubebuilder:validation:XValidation:rule=`self.all(s, s.matches('^-?[0-9]{1,12}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$') && double(s) > 0.0)`,message="scale must be decimals above 0, in quotes, such as '58.395'"
	Scale []Decimal `json:"scale,omitempty"`

	// channelOrder of the model's input. Absent: the preset's, else RGB.
	// +optional
	ChannelOrder ChannelOrder `json:"channelOrder,omitempty"`

	// layout of the model's input. Absent: read from the model.
	// +optional
	Layout TensorLayout `json:"layout,omitempty"`

	// interpolation is how images are resized. Absent: the preset's, else Bilinear.
	// +optional
	Interpolation Interpolation `json:"interpolation,omitempty"`

	// fit is how images of another aspect ratio meet the model's input. Absent: the preset's, else Stretch.
	// +optional
	Fit Fit `json:"fit,omitempty"`
}

// PoolingSpec turns a layer's output into one vector a sample.
//
// +kubebuilder:validation:AtMostOneOf=axes;token
// +kubebuilder:validation:XValidation:rule="!has(self.token) || !has(self.method) || self.method == 'None'",message="token picks one token and pools nothing: leave method out"
// +kubebuilder:validation:XValidation:rule="!has(self.axes) || !has(self.method) || self.method != 'None'",message="method None pools no axes: leave axes out"
type PoolingSpec struct {
	// method is Max, Average, Sum or None (the output is flattened). Absent: Max for outputs of rank 3 and above, None
	// for rank 2.
	// +optional
	Method PoolingMethod `json:"method,omitempty"`

	// axes are pooled away; axis 0 is the batch unless batchAxis says otherwise. Absent: by the rank of the layer's
	// output: 4 the two spatial axes, 3 (N×T×D) the tokens, 2 none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=7
	Axes []int32 `json:"axes,omitempty"`

	// token picks one token of an output N×T×D instead of pooling all: 0 is the class token of most transformers.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Token *int32 `json:"token,omitempty"`

	// batchAxis is the axis of the samples in the layers' outputs: 0, or 1 where the tokens come first, T×N×D, as in
	// CLIP's transformer. axes count it where it is. Absent: 0, and 1 for a layer of which a first batch shows that
	// axis 0 is not it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	BatchAxis *int32 `json:"batchAxis,omitempty"`
}

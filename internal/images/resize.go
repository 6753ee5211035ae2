package images

/*
#cgo noescape resize_rgba
#cgo nocallback resize_rgba
#include "resize.h"
*/
import "C"

import (
	"fmt"
	"image"
	"math"
	"sync"
)

// Interpolation is how a pixel of the resized image is made of the source's.
type Interpolation int

const (
	// Bilinear is OpenCV's INTER_LINEAR: half-pixel centers, edges repeated, two pixels each way however much the image
	// shrinks (no antialiasing).
	Bilinear Interpolation = iota
	// Bicubic is OpenCV's INTER_CUBIC: the cubic convolution kernel of Keys with a = −0.75, half-pixel centers, edges
	// repeated, no antialiasing. Values are not clamped: near edges they leave 0..255 a little, as OpenCV's do on
	// floats.
	Bicubic
	// Area is OpenCV's INTER_AREA: the mean over the area that the pixel covers. Along an axis that grows it is
	// Bilinear.
	Area
)

// Fit is what happens to an image of another aspect ratio.
type Fit int

const (
	// Stretch ignores the aspect ratio.
	Stretch Fit = iota
	// CenterCrop first cuts the source to the target's aspect ratio: all of one side, and of the other, in whole pixels
	// rounded down (at least one), the middle; if what is cut off is odd, its larger half is to the right or below.
	CenterCrop
)

// A Resizer resamples images to Width × Height. It is safe for concurrent use, and its results depend neither on the
// number of threads nor on the processor's vector instructions.
type Resizer struct {
	Width, Height int
	Interpolation Interpolation
	Fit           Fit
}

// Resize writes img to dst as planar RGB, 3×Height×Width numbers of 0..255 that are not rounded. It panics if dst has
// another length or img has no pixels.
func (r Resizer) Resize(dst []float32, img *image.RGBA) {
	if len(dst) != 3*r.Width*r.Height {
		panic(fmt.Sprintf("images: %d numbers for 3×%d×%d", len(dst), r.Height, r.Width))
	}
	if r.Width <= 0 || r.Height <= 0 || img.Rect.Empty() {
		panic(fmt.Sprintf("images: resize %v to %d×%d", img.Rect, r.Width, r.Height))
	}
	if r.Fit == CenterCrop {
		img = r.crop(img)
	}
	s := resizeScratch.Get().(*resizeBuffers)
	width := img.Rect.Dx()
	if width <= maxKeptWidth {
		defer resizeScratch.Put(s)
	}
	s.rows.set(r.Height, img.Rect.Dy(), r.Interpolation)
	s.columns.set(r.Width, width, r.Interpolation)
	if len(s.row) < 4*width {
		s.row = make([]float32, 4*width)
	}
	C.resize_rgba((*C.uint8_t)(&img.Pix[0]), C.size_t(img.Stride), C.int32_t(width),
		(*C.int32_t)(&s.rows.first[0]), (*C.float)(&s.rows.weights[0]), C.int32_t(r.Height), C.int32_t(s.rows.taps),
		(*C.int32_t)(&s.columns.first[0]), (*C.float)(&s.columns.weights[0]), C.int32_t(r.Width), C.int32_t(s.columns.taps),
		(*C.float)(&s.row[0]), (*C.float)(&dst[0]))
}

// crop returns the part of img that CenterCrop keeps.
func (r Resizer) crop(img *image.RGBA) *image.RGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if w*r.Height > h*r.Width {
		w = max(1, h*r.Width/r.Height)
	} else {
		h = max(1, w*r.Height/r.Width)
	}
	at := img.Rect.Min.Add(image.Pt((img.Rect.Dx()-w)/2, (img.Rect.Dy()-h)/2))
	return img.SubImage(image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))}).(*image.RGBA)
}

// maxKeptWidth is the width up to which the scratch of an image is kept for the next.
const maxKeptWidth = 1 << 16

type resizeBuffers struct {
	rows, columns axis
	row           []float32
}

var resizeScratch = sync.Pool{New: func() any { return new(resizeBuffers) }}

// An axis says, for each of size outputs along one side, which of the from source pixels weigh how much: output i is
// the sum over t < taps of weights[i*taps+t] · source[first[i]+t].
type axis struct {
	size, from    int
	interpolation Interpolation

	taps    int
	first   []int32
	weights []float32
}

// set computes the axis, unless it is already what is asked for.
func (a *axis) set(size, from int, interpolation Interpolation) {
	if a.size == size && a.from == from && a.interpolation == interpolation {
		return
	}
	scale := float64(from) / float64(size)
	kernel, taps := bilinear, 2
	switch {
	case interpolation == Bicubic:
		kernel, taps = bicubic, 4
	case interpolation == Area && from > size:
		kernel, taps = area, int(math.Ceil(scale))+1
	}
	weights := make([]float64, taps)
	*a = axis{size: size, from: from, interpolation: interpolation, taps: min(taps, from), first: make([]int32, size)}
	a.weights = make([]float32, size*a.taps)
	sum := make([]float64, a.taps)
	for i := range size {
		start := kernel(i, scale, weights)
		// Taps beyond an edge are the edge pixel's.
		first := min(max(start, 0), from-a.taps)
		clear(sum)
		for t, w := range weights {
			sum[min(max(start+t, 0), from-1)-first] += w
		}
		a.first[i] = int32(first)
		for t, w := range sum {
			a.weights[i*a.taps+t] = float32(w)
		}
	}
}

// center returns where the center of output i lies: a pixel and how far beyond its center.
func center(i int, scale float64) (pixel int, beyond float64) {
	at := (float64(i)+0.5)*scale - 0.5
	floor := math.Floor(at)
	return int(floor), at - floor
}

func bilinear(i int, scale float64, weights []float64) (first int) {
	pixel, x := center(i, scale)
	weights[0], weights[1] = 1-x, x
	return pixel
}

// bicubic is R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981,
// doi:10.1109/TASSP.1981.1163711), with a = −0.75.
func bicubic(i int, scale float64, weights []float64) (first int) {
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	pixel, x := center(i, scale)
	weights[0], weights[1], weights[2], weights[3] = far(1+x), near(x), near(1-x), far(2-x)
	return pixel - 1
}

func area(i int, scale float64, weights []float64) (first int) {
	from, to := float64(i)*scale, float64(i+1)*scale
	first = int(from)
	for t := range weights {
		left, right := float64(first+t), float64(first+t+1)
		weights[t] = max(0, min(to, right)-max(from, left)) / scale
	}
	return first
}

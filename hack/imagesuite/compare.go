package main

import (
	"fmt"
	"image"
	"math"
)

// What two decoders of one picture may differ by, in levels of 255, before it counts as wrong.
const (
	// Without loss only roundings may differ: those of alpha over white, and of 16 bits to 8. Both are off by one at
	// the most, while a wrong palette, channel or row is off by much more in some part of the picture.
	exactMean = 1.0
	exactTail = 8.0
	// JPEG and lossy WebP leave to the decoder how it repeats or smooths chroma and rounds the inverse transform: that
	// moves single pixels by dozens of levels next to colored edges, but hardly the average of a block. Wrong colors,
	// an untaken orientation or a missing part do move it.
	lossyMean = 2.0
	lossyTail = 24.0
	// lossyBox is the side of the boxes over which lossy pictures are averaged first, some chroma samples each way.
	// With 4, small pictures of colored edges, 4:2:0, come to a mean of 2.8 by the spreading of chroma alone, with 8 to
	// 1.2; pictures whose range of levels is wrong come to more than 2 with either.
	lossyBox = 8
)

// tail is the part of the samples among which the largest difference is taken: a thousandth may differ by anything.
const tail = .999

// compare says by how much our picture differs from that of the reference, and whether that is too much.
func compare(ours *image.RGBA, theirs picture, lossy bool) (wrong bool, reason string) {
	width, height := ours.Rect.Dx(), ours.Rect.Dy()
	if width != theirs.width || height != theirs.height {
		return true, fmt.Sprintf("%d×%d pixels, the reference has %d×%d", width, height, theirs.width, theirs.height)
	}
	side, mostMean, mostTail := 1, exactMean, exactTail
	if lossy {
		side, mostMean, mostTail = lossyBox, lossyMean, lossyTail
	}
	mean, high := difference(ours, theirs.pix, side)
	return mean > mostMean || high > mostTail, fmt.Sprintf("mean %.2f, p99.9 %.1f", mean, high)
}

// difference returns the mean and the 99.9th percentile of the absolute differences of all channels, after both
// pictures are averaged over boxes of side×side pixels (smaller ones at the right and at the bottom).
func difference(ours *image.RGBA, theirs []byte, side int) (mean, high float64) {
	const steps = 64 // of a level, so that the average of 8×8 pixels falls on one
	var histogram [255*steps + 1]int
	width, height := ours.Rect.Dx(), ours.Rect.Dy()
	total := 0.0
	for y := 0; y < height; y += side {
		for x := 0; x < width; x += side {
			right, bottom := min(x+side, width), min(y+side, height)
			var sums [3]int
			for v := y; v < bottom; v++ {
				for u := x; u < right; u++ {
					ourPixel, theirPixel := ours.Pix[v*ours.Stride+4*u:][:3], theirs[3*(v*width+u):][:3]
					for c := range sums {
						sums[c] += int(ourPixel[c]) - int(theirPixel[c])
					}
				}
			}
			for _, sum := range sums {
				d := math.Abs(float64(sum)) / float64((right-x)*(bottom-y))
				total += d
				histogram[int(math.Round(d*steps))]++
			}
		}
	}
	samples := 0
	for _, n := range histogram {
		samples += n
	}
	return total / float64(samples), percentile(histogram[:], samples, tail) / steps
}

// percentile returns the smallest index up to which at least that part of the samples lies.
func percentile(histogram []int, samples int, part float64) float64 {
	seen := 0
	for i, n := range histogram {
		if seen += n; float64(seen) >= part*float64(samples) {
			return float64(i)
		}
	}
	return float64(len(histogram) - 1)
}

// A verdict is how our decoder does at a file, if the reference is right.
type verdict int

const (
	right verdict = iota
	wrong
	refusedValid
	acceptedInvalid
	bothRefuse
	verdicts // their number
)

func (v verdict) String() string {
	return [...]string{"right", "wrong", "refused though valid", "accepted though invalid", "both refuse"}[v]
}

// A result is what came of a file.
type result struct {
	format   string
	verdict  verdict
	panicked bool // and so refused
	reason   string
}

// judge compares what both decoders say of a file; failure is why ours refuses it.
func judge(format string, lossy bool, ours *image.RGBA, failure error, theirs picture) result {
	r := result{format: format, panicked: panicked(failure)}
	switch {
	case failure != nil && theirs.pix != nil:
		r.verdict = refusedValid
		r.reason = fmt.Sprintf("%v; the reference reads %d×%d pixels: %s", failure, theirs.width, theirs.height, theirs.note)
	case failure != nil:
		r.verdict = bothRefuse
		r.reason = fmt.Sprintf("%v; the reference: %s", failure, theirs.note)
	case theirs.pix == nil:
		r.verdict = acceptedInvalid
		r.reason = fmt.Sprintf("%d×%d pixels; the reference: %s", ours.Rect.Dx(), ours.Rect.Dy(), theirs.note)
	default:
		differ, reason := compare(ours, theirs, lossy)
		if differ {
			r.verdict = wrong
		}
		r.reason = fmt.Sprintf("%s; the reference: %s", reason, theirs.note)
	}
	return r
}

package quality

import (
	"image"
	"math"
)

// blur is a Gaussian blur of σ pixels, edges repeated.
func blur(img *image.RGBA, sigma float64) *image.RGBA {
	reach := int(math.Ceil(3 * sigma))
	kernel, sum := make([]float64, 2*reach+1), 0.0
	for i := range kernel {
		d := float64(i - reach)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	along := func(src *image.RGBA, dx, dy int) *image.RGBA {
		dst := image.NewRGBA(src.Rect)
		for y := range src.Rect.Dy() {
			for x := range src.Rect.Dx() {
				var total [4]float64
				for i, weight := range kernel {
					at := src.PixOffset(min(max(x+(i-reach)*dx, 0), src.Rect.Dx()-1), min(max(y+(i-reach)*dy, 0), src.Rect.Dy()-1))
					for c := range total {
						total[c] += weight * float64(src.Pix[at+c])
					}
				}
				for c := range total {
					dst.Pix[dst.PixOffset(x, y)+c] = uint8(total[c]/sum + 0.5)
				}
			}
		}
		return dst
	}
	return along(along(img, 1, 0), 0, 1)
}

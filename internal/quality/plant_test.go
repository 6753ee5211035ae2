package quality

import (
	"image"
	"math"
	"math/rand/v2"
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

// scene draws what resembles a photo: a bright sky with a gradient over a textured ground, things of many sizes and
// colors before both, and noise.
func scene(width, height int, seed uint64) *image.RGBA {
	random := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	horizon := height/3 + random.IntN(height/3+1)
	for y := range height {
		for x := range width {
			c := [3]int{120 + 80*y/height, 150 + 60*y/height, 220}
			if y >= horizon {
				c = [3]int{70 + 20*(y-horizon)/height, 80, 50}
			}
			set(img, x, y, c)
		}
	}
	for range 40 {
		side := max(2, min(width, height)/(3+random.IntN(12)))
		left, top := random.IntN(width)-side/2, random.IntN(height)-side/2
		color := [3]int{random.IntN(256), random.IntN(256), random.IntN(256)}
		round := random.IntN(2) == 0
		for y := max(top, 0); y < min(top+side, height); y++ {
			for x := max(left, 0); x < min(left+side, width); x++ {
				dx, dy := 2*(x-left)-side, 2*(y-top)-side
				if !round || dx*dx+dy*dy < side*side {
					shade := 40 * (y - top) / side
					set(img, x, y, [3]int{color[0] - shade, color[1] - shade, color[2] - shade})
				}
			}
		}
	}
	for i := 0; i < len(img.Pix); i += 4 {
		noise := random.IntN(9) - 4
		for c := range 3 {
			img.Pix[i+c] = uint8(min(max(int(img.Pix[i+c])+noise, 0), 255))
		}
	}
	return img
}

func set(img *image.RGBA, x, y int, c [3]int) {
	at := img.PixOffset(x, y)
	for i, v := range c {
		img.Pix[at+i] = uint8(min(max(v, 0), 255))
	}
	img.Pix[at+3] = 255
}

func at(img *image.RGBA, x, y int) [3]int {
	p := img.Pix[img.PixOffset(x, y):]
	return [3]int{int(p[0]), int(p[1]), int(p[2])}
}

// each is an image with the colors changed.
func each(img *image.RGBA, change func([3]int) [3]int) *image.RGBA {
	out := image.NewRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			set(out, x, y, change(at(img, x, y)))
		}
	}
	return out
}

func gray(img *image.RGBA) *image.RGBA {
	return each(img, func(c [3]int) [3]int {
		y := (299*c[0] + 587*c[1] + 114*c[2]) / 1000
		return [3]int{y, y, y}
	})
}

// fill is an image with a part of one color.
func fill(img *image.RGBA, part image.Rectangle, color [3]int) *image.RGBA {
	out := each(img, func(c [3]int) [3]int { return c })
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			set(out, x, y, color)
		}
	}
	return out
}

// crop is the part of an image at its top left.
func crop(img *image.RGBA, width, height int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		copy(out.Pix[y*out.Stride:][:4*width], img.Pix[y*img.Stride:])
	}
	return out
}

// letterbox covers 15 % of the height above and below.
func letterbox(img *image.RGBA, color [3]int) *image.RGBA {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	bar := height * 15 / 100
	out := fill(img, image.Rect(0, 0, width, bar), color)
	return fill(out, image.Rect(0, height-bar, width, height), color)
}

// frame covers 10 % of each side in white.
func frame(img *image.RGBA) *image.RGBA {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	out := each(img, func([3]int) [3]int { return [3]int{255, 255, 255} })
	for y := height / 10; y < height-height/10; y++ {
		for x := width / 10; x < width-width/10; x++ {
			set(out, x, y, at(img, x, y))
		}
	}
	return out
}

// cutTail is an image of which a decoder saw about the upper 70 %, in whole blocks of so many rows.
func cutTail(img *image.RGBA, block int) *image.RGBA {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	return fill(img, image.Rect(0, height*7/10/block*block, width, height), [3]int{128, 128, 128})
}

// scaleOf is how many pixels a cell of an image's view has a side.
func scaleOf(img *image.RGBA) float64 { return float64(look(img).stepX) }

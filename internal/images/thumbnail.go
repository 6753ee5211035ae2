package images

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
)

// Thumbnail returns img as a small JPEG file whose longer side is at most maxSide pixels. It keeps the aspect ratio and
// never enlarges.
func Thumbnail(img *image.RGBA, maxSide int) ([]byte, error) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if longer := max(w, h); longer > maxSide {
		w = max(1, (w*maxSide+longer/2)/longer)
		h = max(1, (h*maxSide+longer/2)/longer)
		img = shrink(img, w, h)
	}
	const quality = 80
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("thumbnail of %d×%d pixels: %w", w, h, err)
	}
	return out.Bytes(), nil
}

func shrink(img *image.RGBA, width, height int) *image.RGBA {
	n := width * height
	planes := make([]float32, 3*n)
	Resizer{Width: width, Height: height, Interpolation: Area}.Resize(planes, img)
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range n {
		for c := range 3 {
			small.Pix[4*i+c] = uint8(planes[c*n+i] + 0.5)
		}
		small.Pix[4*i+3] = 255
	}
	return small
}

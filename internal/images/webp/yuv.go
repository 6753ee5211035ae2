package webp

import (
	"encoding/binary"
	"image"
)

// toRGB converts a picture of limited range (black is 16, white 235) whose chroma is halved, with libwebp's rounding.
func toRGB(src *image.YCbCr) *image.NRGBA {
	width, height := src.Rect.Dx(), src.Rect.Dy()
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	chromaWidth, chromaHeight := (width+1)/2, (height+1)/2
	mixed := make([]uint16, chromaWidth)
	cb, cr := make([]uint8, 2*chromaWidth), make([]uint8, 2*chromaWidth)
	for y := range height {
		// Two rows of chroma are near this one: its own, and that above or below.
		own := y / 2
		other := min(max(own-1+y%2*2, 0), chromaHeight-1)
		own, other = own*src.CStride, other*src.CStride
		interpolate(cb, mixed, src.Cb[own:], src.Cb[other:])
		interpolate(cr, mixed, src.Cr[own:], src.Cr[other:])
		convertRow(img.Pix[y*img.Stride:][:4*width], src.Y[y*src.YStride:], cb, cr)
	}
	return img
}

// interpolate doubles a row of chroma. Each value is mixed of the four samples around it, in parts of 3·3, 3·1, 1·3 and
// 1·1; beyond the edge lies the sample at the edge.
func interpolate(doubled []uint8, mixed []uint16, own, other []uint8) {
	own, other = own[:len(mixed)], other[:len(mixed)]
	for i := range mixed {
		mixed[i] = 3*uint16(own[i]) + uint16(other[i])
	}
	before := mixed[0]
	for i, here := range mixed {
		after := mixed[min(i+1, len(mixed)-1)]
		pair := doubled[2*i : 2*i+2]
		pair[0] = uint8((3*here + before + 8) >> 4)
		pair[1] = uint8((3*here + after + 8) >> 4)
		before = here
	}
}

// convertRow writes opaque pixels. The factors are those of BT.601 in 1/16384, each product is rounded down to 1/64.
func convertRow(dst, luma, cb, cr []uint8) {
	n := len(dst) / 4
	luma, cb, cr = luma[:n], cb[:n], cr[:n]
	for x := range luma {
		y, u, v := int32(luma[x])*19077>>8, int32(cb[x]), int32(cr[x])
		r := clip(y + v*26149>>8 - 14234)
		g := clip(y - u*6419>>8 - v*13320>>8 + 8708)
		b := clip(y + u*33050>>8 - 17685)
		binary.LittleEndian.PutUint32(dst[4*x:], r|g<<8|b<<16|0xff<<24)
	}
}

// clip rounds 1/64 down to 0 … 255.
func clip(v int32) uint32 {
	return uint32(min(max(v, 0), 256<<6-1)) >> 6
}

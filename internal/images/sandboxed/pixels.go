package sandboxed

import (
	"encoding/binary"
	"image"
)

// A decoded picture has 4 bytes a pixel, or 8, big endian, if it is deep.
type decoded struct {
	pix  []byte // in the sandbox's memory
	size image.Point
	deep bool
}

func (d *decoded) pixelSize() int {
	if d.deep {
		return 8
	}
	return 4
}

// premultiplied returns a view of the picture, whose colors are multiplied by alpha.
func (d *decoded) premultiplied(v view) image.Image {
	pix, bounds := v.of(d.pix, d.size, d.pixelSize()), image.Rect(0, 0, v.width, v.height)
	if d.deep {
		return &image.RGBA64{Pix: pix, Stride: 8 * v.width, Rect: bounds}
	}
	return &image.RGBA{Pix: pix, Stride: 4 * v.width, Rect: bounds}
}

// straight returns the picture, whose colors are not multiplied by alpha.
func (d *decoded) straight() image.Image {
	pix, bounds := wholeView(d.size).of(d.pix, d.size, d.pixelSize()), image.Rectangle{Max: d.size}
	if d.deep {
		return &image.NRGBA64{Pix: pix, Stride: 8 * d.size.X, Rect: bounds}
	}
	return &image.NRGBA{Pix: pix, Stride: 4 * d.size.X, Rect: bounds}
}

// toBigEndian exchanges the bytes of samples of two.
func toBigEndian(pix []byte) {
	for ; len(pix) >= 2; pix = pix[2:] {
		pix[0], pix[1] = pix[1], pix[0]
	}
}

// clamp lowers colors that are brighter than their alpha allows. Lossy coding makes them, and they overflow where the
// picture is drawn over another.
func (d *decoded) clamp() {
	if !d.deep {
		for p := d.pix; len(p) >= 4; p = p[4:] {
			a := p[3]
			p[0], p[1], p[2] = min(p[0], a), min(p[1], a), min(p[2], a)
		}
		return
	}
	for p := d.pix; len(p) >= 8; p = p[8:] {
		a := binary.BigEndian.Uint16(p[6:])
		for i := 0; i < 6; i += 2 {
			binary.BigEndian.PutUint16(p[i:], min(binary.BigEndian.Uint16(p[i:]), a))
		}
	}
}

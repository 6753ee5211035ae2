package sandboxed

import (
	"fmt"
	"image"
)

// A view is a picture of the pixels of another: pixel (x, y) is pixel origin + x·right + y·down of the stored one.
type view struct {
	width, height       int
	origin, right, down image.Point
}

func wholeView(size image.Point) view {
	return view{width: size.X, height: size.Y, right: image.Pt(1, 0), down: image.Pt(0, 1)}
}

// turned turns by 90° counterclockwise: the right column becomes the upper row.
func (v view) turned() view {
	return view{v.height, v.width, v.origin.Add(v.right.Mul(v.width - 1)), v.down, v.right.Mul(-1)}
}

// mirrored exchanges left and right, or else top and bottom.
func (v view) mirrored(leftRight bool) view {
	if leftRight {
		v.origin, v.right = v.origin.Add(v.right.Mul(v.width-1)), v.right.Mul(-1)
		return v
	}
	v.origin, v.down = v.origin.Add(v.down.Mul(v.height-1)), v.down.Mul(-1)
	return v
}

// cropped applies a clean aperture: a width, a height, and how far its center is from the picture's to the right and
// down.
func (v view) cropped(r *reader) (view, error) {
	var n [8]int64
	for i := range n {
		n[i] = int64(int32(r.uint(4)))
	}
	if r.short {
		return v, errShort
	}
	left, width, err := aperture(v.width, n[0], n[1], n[4], n[5])
	if err != nil {
		return v, err
	}
	top, height, err := aperture(v.height, n[2], n[3], n[6], n[7])
	if err != nil {
		return v, err
	}
	v.origin = v.origin.Add(v.right.Mul(left)).Add(v.down.Mul(top))
	v.width, v.height = width, height
	return v, nil
}

// aperture returns the part of a side that is shown, given as fractions. Only whole pixels can be.
func aperture(side int, sizeN, sizeD, offsetN, offsetD int64) (start, size int, err error) {
	if sizeN <= 0 || sizeD <= 0 || offsetD <= 0 {
		return 0, 0, fmt.Errorf("a size of %d/%d at %d/%d", sizeN, sizeD, offsetN, offsetD)
	}
	shown := sizeN / sizeD
	twice := 2*offsetN + (int64(side)-shown)*offsetD // start · 2 · offsetD
	at := twice / (2 * offsetD)
	if twice < 0 || shown == 0 || at+shown > int64(side) {
		return 0, 0, fmt.Errorf("%d pixels at %d of a side of %d", shown, at, side)
	}
	if sizeN%sizeD != 0 || twice%(2*offsetD) != 0 {
		return 0, 0, fmt.Errorf("%w: a part of a pixel is cut off", ErrUnsupported)
	}
	return int(at), int(shown), nil
}

// of returns the pixels that the view shows of stored ones of some bytes each. They do not share memory.
func (v view) of(pix []uint8, stored image.Point, bytes int) []uint8 {
	result := make([]uint8, v.width*v.height*bytes)
	if v == wholeView(stored) {
		copy(result, pix)
		return result
	}
	stride := stored.X * bytes
	right := v.right.X*bytes + v.right.Y*stride
	to := result
	for y := range v.height {
		first := v.origin.Add(v.down.Mul(y))
		at := first.X*bytes + first.Y*stride
		for range v.width {
			copy(to[:bytes], pix[at:at+bytes])
			to = to[bytes:]
			at += right
		}
	}
	return result
}

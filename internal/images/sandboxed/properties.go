package sandboxed

import (
	"errors"
	"fmt"
	"image"
	"slices"
)

var errNoSize = errors.New("an image without a size")

// size returns the size of the image that the item stores.
func (it *item) size() (image.Point, error) {
	i := slices.IndexFunc(it.properties, func(p box) bool { return p.kind == "ispe" })
	if i < 0 {
		return image.Point{}, errNoSize
	}
	r, _, _ := it.properties[i].versioned()
	width, height := r.uint(4), r.uint(4)
	const limit = 1 << 16 // of AV1
	if r.short || width == 0 || height == 0 || width > limit || height > limit {
		return image.Point{}, fmt.Errorf("an image of %d×%d pixels", width, height)
	}
	return image.Pt(int(width), int(height)), nil
}

// view applies the item's transforms in the order in which they are listed.
func (it *item) view(size image.Point) (view, error) {
	v := wholeView(size)
	for _, p := range it.properties {
		r := &reader{data: p.data}
		var err error
		switch p.kind {
		case "irot":
			for turns := r.uint(1) & 3; turns > 0; turns-- {
				v = v.turned()
			}
		case "imir":
			v = v.mirrored(r.uint(1)&1 == 1)
		case "clap":
			v, err = v.cropped(r)
		}
		if err == nil {
			err = r.err()
		}
		if err != nil {
			return v, fmt.Errorf("%s: %w", p.kind, err)
		}
	}
	return v, nil
}

package images

import (
	"context"
	"image"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Images that are decoded at the same time, on however many threads, share a bound
// on their memory: a header of a few bytes may claim a picture of hundreds of
// megabytes. One that needs more than the bound is decoded while there is no other.
const budget = 1 << 30

// keptPixels is the size in bytes up to which an image keeps its memory for the next
// one. Larger ones share theirs.
const keptPixels = 16 << 20

var (
	inFlight = semaphore.NewWeighted(budget)
	// large is the memory of large images that are done.
	large sync.Pool
)

// claim is the memory that an image takes.
type claim struct {
	bytes int64
	keep  bool // the image is its caller's for good
}

// take makes img width×height pixels of any content, once there is room for it and for
// what its decoder takes besides, in bytes a pixel.
func (c *claim) take(img *image.RGBA, width, height int, extra int64) {
	bytes := min(int64(width)*int64(height)*(4+extra), budget)
	if bytes > c.bytes { // a decoder may give up, and another take its place
		if c.bytes > 0 {
			inFlight.Release(c.bytes) // never hold some and wait for more
		}
		_ = inFlight.Acquire(context.Background(), bytes) // others are decoding, and will be done
		c.bytes = bytes
	}
	resetImage(img, width, height)
}

// release gives the memory back.
func (c *claim) release(img *image.RGBA) {
	if !c.keep && cap(img.Pix) > keptPixels {
		large.Put(&img.Pix)
		*img = image.RGBA{}
	}
	if c.bytes > 0 {
		inFlight.Release(c.bytes)
	}
}

// resetImage makes img width×height pixels of any content.
func resetImage(img *image.RGBA, width, height int) {
	n := 4 * width * height
	if cap(img.Pix) < n && n > keptPixels {
		if shared, ok := large.Get().(*[]uint8); ok {
			img.Pix = *shared
		}
	}
	if cap(img.Pix) < n {
		img.Pix = make([]uint8, n)
	}
	img.Pix = img.Pix[:n]
	img.Stride = 4 * width
	img.Rect = image.Rect(0, 0, width, height)
}

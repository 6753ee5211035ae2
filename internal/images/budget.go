package images

import (
	"context"
	"image"
	"sync"
	"weak"

	"golang.org/x/sync/semaphore"
)

// Images that are decoded at the same time, on however many threads, share a bound on their memory: a header of a few
// bytes may claim a picture of hundreds of megabytes. One that needs more than the bound is decoded while there is no
// other.
const budget = 1 << 30

// keptPixels is the size in bytes up to which an image keeps its memory for the next one. Larger ones share theirs.
const keptPixels = 16 << 20

var inFlight = semaphore.NewWeighted(budget)

// large is the memory of the last large image that is done: the next one takes it, if the garbage collector hasn't. (A
// sync.Pool keeps one for each processor.)
var large struct {
	sync.Mutex
	done weak.Pointer[[]uint8]
}

// takeLarge returns that memory if it is there, and large enough.
func takeLarge(n int) []uint8 {
	large.Lock()
	defer large.Unlock()
	pix := large.done.Value()
	if pix == nil || cap(*pix) < n {
		return nil
	}
	large.done = weak.Pointer[[]uint8]{}
	return *pix
}

func leaveLarge(pix []uint8) {
	large.Lock()
	defer large.Unlock()
	large.done = weak.Make(&pix)
}

// claim is the memory that an image takes.
type claim struct {
	bytes int64
	keep  bool // the image is its caller's for good
}

// take makes img width×height pixels of any content, once there is room for it and for what its decoder takes besides,
// in bytes a pixel.
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
		leaveLarge(img.Pix)
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
		img.Pix = takeLarge(n)
	}
	if cap(img.Pix) < n {
		img.Pix = make([]uint8, n)
	}
	img.Pix = img.Pix[:n]
	img.Stride = 4 * width
	img.Rect = image.Rect(0, 0, width, height)
}

package quality

import (
	"encoding/binary"
	"image"
	"math"
	"math/bits"
)

const (
	// viewCells is the largest number of cells of a view: 256×256, about what models see.
	viewCells = 1 << 16
	// viewPlaces is about how many of the cells are looked at. All rows of cells are, or every second, and so on.
	viewPlaces = 1 << 13
)

// A view is an image as it is measured: pixel by pixel, or a large one in square cells, the smallest that give at most
// viewCells. What remains of it at the right and lower end is left out.
type view struct {
	img           *image.RGBA
	width, height int // in cells
	stepX, stepY  int // of a cell, in pixels

	levels  histogram // of brightness
	spreads histogram // of the differences between the largest and the smallest channel
	// first and second are the energies of first and second differences of luma, across and down.
	first, second int
}

func look(img *image.RGBA) *view {
	width, height, step := img.Rect.Dx(), img.Rect.Dy(), 1
	for max(1, width/step)*max(1, height/step) > viewCells {
		step++
	}
	v := &view{img: img, stepX: min(step, width), stepY: min(step, height)}
	v.width, v.height = width/v.stepX, height/v.stepY
	buffer := make([]uint8, 3*v.width)
	above, row, below := buffer[:v.width], buffer[v.width:2*v.width], buffer[2*v.width:]
	every := min((v.width*v.height+viewPlaces-1)/viewPlaces, v.height)
	for y := every / 2; y < v.height; y += every {
		v.read(row, y, true)
		if y > 0 && y < v.height-1 {
			v.read(above, y-1, false)
			v.read(below, y+1, false)
			v.compare(above, row, below)
		}
	}
	return v
}

// read writes the luma of a row of cells, and counts their colors if they are to be. In each cell four pixels are read,
// at a quarter and at three quarters of its width and height; of a cell of one pixel all are this one.
func (v *view) read(row []uint8, y int, counted bool) {
	left, right := v.stepX/4, 3*v.stepX/4
	top, bottom := v.img.Pix[(y*v.stepY+v.stepY/4)*v.img.Stride:], v.img.Pix[(y*v.stepY+3*v.stepY/4)*v.img.Stride:]
	for x := range row {
		a, b := 4*(x*v.stepX+left), 4*(x*v.stepX+right)
		red, green, blue := mean(pixel(top, a), pixel(top, b), pixel(bottom, a), pixel(bottom, b))
		row[x] = uint8(luma(red, green, blue))
		if counted {
			v.levels[brightness(red, green, blue)]++
			v.spreads[uint8(max(red, green, blue)-min(red, green, blue))]++
		}
	}
}

func pixel(row []uint8, at int) uint32 { return binary.LittleEndian.Uint32(row[at:]) }

// mean is the mean color of four pixels. Red and blue are summed at once, in the halves of a word.
func mean(a, b, c, d uint32) (red, green, blue uint32) {
	const redBlue = 0x00ff00ff
	sum := a&redBlue + b&redBlue + c&redBlue + d&redBlue + 0x00020002
	green = a>>8&0xff + b>>8&0xff + c>>8&0xff + d>>8&0xff + 2
	return sum >> 2 & 0xff, green >> 2, sum >> 18 & 0xff
}

// luma is that of JPEG (ITU-R BT.601). Of green alone, chroma that was stored at half the size would be a step at every
// second pixel.
func luma(red, green, blue uint32) uint32 { return (77*red + 150*green + 29*blue) >> 8 }

// compare adds the differences of a row of cells and its neighbors.
func (v *view) compare(above, row, below []uint8) {
	first, second := 0, 0
	add := func(a, b, c uint8) {
		rise, bend := int(b)-int(a), int(a)-2*int(b)+int(c)
		first += rise * rise
		second += bend * bend
	}
	for x := 1; x < len(row)-1; x++ {
		add(row[x-1], row[x], row[x+1])
		add(above[x], row[x], below[x])
	}
	v.first += first
	v.second += second
}

// sharpness is the energy of second differences over that of first ones. It is about the edges of an image, not how
// strong they are and how many: flat areas add to neither, so that it suits drawings, too, and a sharp subject before a
// blurred ground counts as sharp.
func (v *view) sharpness() uint8 {
	if v.first == 0 {
		return 255
	}
	return uint8(min(64*v.second/v.first, 255))
}

// brightness is how bright a color is perceived (Finley, "HSP color model", 2006), as CleanVision has it: the root of
// the weighted squares, with weights of 0.241, 0.691 and 0.068. A root of float32 is the same on every processor.
func brightness(red, green, blue uint32) uint8 {
	squares := (247*red*red + 707*green*green + 70*blue*blue) >> 10
	return uint8(float32(math.Sqrt(float64(float32(squares)))))
}

// A histogram counts levels.
type histogram [256]uint32

// percentile is the lowest level that so many percent of all counted don't exceed.
func (h *histogram) percentile(percent uint64) uint8 {
	rank, below := (h.total()*percent+99)/100, uint64(0)
	for level, n := range h {
		below += uint64(n)
		if below >= rank {
			return uint8(level)
		}
	}
	return 255
}

func (h *histogram) total() uint64 {
	sum := uint64(0)
	for _, n := range h {
		sum += uint64(n)
	}
	return sum
}

// entropy is the Shannon entropy in 1/32 bit, 255 for 8 bits: log n − Σ c·log c / n of counts c and their sum n.
func (h *histogram) entropy() uint8 {
	n, sum := h.total(), uint64(0)
	for _, c := range h {
		if c > 0 {
			sum += uint64(c) * log2(uint64(c))
		}
	}
	return uint8(min((log2(n)-sum/n)>>(logBits-5), 255))
}

// logBits are the binary places of log2.
const logBits = 12

// log2 is the binary logarithm of n ≥ 1 in fixed point, rounded down: by squaring, a bit at a time, which needs no
// floats.
func log2(n uint64) uint64 {
	whole := uint64(bits.Len64(n) - 1)
	result, x := whole, n<<(63-whole)>>32 // x is in 1…2, in 1/2³¹
	for range logBits {
		x = x * x >> 31
		result <<= 1
		if x >= 1<<32 {
			x >>= 1
			result++
		}
	}
	return result
}

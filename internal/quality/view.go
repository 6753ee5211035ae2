package quality

import (
	"image"
	"math"
	"math/bits"
)

// viewCells is the largest number of cells of a view: 256×256, about what models see.
const viewCells = 1 << 16

// A view is an image as it is measured: in cells of step×step pixels, the fewest that give at most viewCells. Of each
// cell four pixels are read, of a cell of one pixel this one.
type view struct {
	width, height int
	cells         []uint8 // brightness, height×width
	levels        histogram
	spreads       histogram // of the differences between the largest and the smallest channel
}

func look(img *image.RGBA) *view {
	width, height, step := img.Rect.Dx(), img.Rect.Dy(), 1
	for cellsOf(width, step)*cellsOf(height, step) > viewCells {
		step++
	}
	v := &view{width: cellsOf(width, step), height: cellsOf(height, step)}
	v.cells = make([]uint8, v.width*v.height)
	stepX, stepY := min(step, width), min(step, height)
	apart := 4 * (3*stepX/4 - stepX/4)
	for y := range v.height {
		top := img.Pix[(y*stepY+stepY/4)*img.Stride+4*(stepX/4):]
		bottom := img.Pix[(y*stepY+3*stepY/4)*img.Stride+4*(stepX/4):]
		row := v.cells[y*v.width:][:v.width]
		for x := range row {
			at := 4 * stepX * x
			a, b := top[at:at+3:at+3], top[at+apart:at+apart+3]
			c, d := bottom[at:at+3:at+3], bottom[at+apart:at+apart+3]
			red := (int(a[0]) + int(b[0]) + int(c[0]) + int(d[0]) + 2) >> 2
			green := (int(a[1]) + int(b[1]) + int(c[1]) + int(d[1]) + 2) >> 2
			blue := (int(a[2]) + int(b[2]) + int(c[2]) + int(d[2]) + 2) >> 2
			level := brightness(red, green, blue)
			row[x] = level
			v.levels[level]++
			v.spreads[uint8(max(red, green, blue)-min(red, green, blue))]++
		}
	}
	return v
}

// cellsOf is how many cells of step pixels a side has: at least one, and what remains at its end is left out.
func cellsOf(side, step int) int { return max(1, side/step) }

// brightness is how bright a color is perceived (Finley, "HSP color model", 2006), which CleanVision uses, too. Square
// roots are the same on every processor.
func brightness(red, green, blue int) uint8 {
	return uint8(math.Sqrt(float64((241*red*red + 691*green*green + 68*blue*blue) / 1000)))
}

// sharpness is the energy of second differences of cells, across and down, over that of first ones. It is about the
// edges of an image, how strong they are and how many: flat areas add to neither, so that it suits drawings, too, and a
// sharp subject before a blurred ground counts as sharp.
func (v *view) sharpness() uint8 {
	first, second := 0, 0
	add := func(a, b, c uint8) {
		rise, bend := int(b)-int(a), int(a)-2*int(b)+int(c)
		first += rise * rise
		second += bend * bend
	}
	for y := range v.height {
		row := v.cells[y*v.width:][:v.width]
		for x := 2; x < len(row); x++ {
			add(row[x-2], row[x-1], row[x])
		}
	}
	for y := 2; y < v.height; y++ {
		a, b, c := v.cells[(y-2)*v.width:][:v.width], v.cells[(y-1)*v.width:][:v.width], v.cells[y*v.width:][:v.width]
		for x := range a {
			add(a[x], b[x], c[x])
		}
	}
	if first == 0 {
		return 255
	}
	return uint8(min(64*second/first, 255))
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
	result, x := whole, n<<(31-whole) // x is in 1…2, in 1/2³¹
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

package images

import (
	"bytes"
	"encoding/binary"
	"math"
)

// A jpegWriter writes the JPEG files that Go's encoder doesn't: any sampling, progressive, with restart markers, four
// components, long Huffman codes.
type jpegWriter struct {
	width, height int
	components    []jpegComponent
	progressive   bool
	restart       int      // MCUs, 0: none
	longCodes     bool     // codes of up to 16 bits instead of 8
	segments      [][]byte // whole marker segments to stand after SOI
	quant         byte     // every quantizer; 0 means 8

	out  bytes.Buffer
	bits uint32
	n    int
}

// A jpegComponent gives the sample (x, y) of its own, possibly subsampled, plane.
type jpegComponent struct {
	id   byte
	h, v int
	at   func(x, y int) uint8
}

func segment(marker byte, payload ...byte) []byte {
	s := []byte{0xff, marker}
	s = binary.BigEndian.AppendUint16(s, uint16(2+len(payload)))
	return append(s, payload...)
}

// symbols are all that a baseline scan can need: DC sizes and AC run/sizes.
var jpegSymbols = func() (s []byte) {
	for run := range 16 {
		for size := range 12 {
			s = append(s, byte(run<<4|size))
		}
	}
	return s
}()

func (w *jpegWriter) counts() (counts [16]byte) {
	if w.longCodes {
		for i := range 8 {
			counts[i] = 1
		}
		counts[15] = byte(len(jpegSymbols) - 8)
		return counts
	}
	counts[7] = byte(len(jpegSymbols))
	return counts
}

func (w *jpegWriter) code(symbol byte) (code uint32, bits int) {
	counts := w.counts()
	left := bytes.IndexByte(jpegSymbols, symbol)
	for i, count := range counts {
		if left < int(count) {
			return code + uint32(left), i + 1
		}
		left -= int(count)
		code = (code + uint32(count)) << 1
	}
	panic("no code")
}

func (w *jpegWriter) put(value uint32, n int) {
	w.bits = w.bits<<n | value&(1<<n-1)
	for w.n += n; w.n >= 8; w.n -= 8 {
		b := byte(w.bits >> (w.n - 8))
		w.out.WriteByte(b)
		if b == 0xff {
			w.out.WriteByte(0)
		}
	}
}

func (w *jpegWriter) flush() {
	if w.n > 0 {
		w.put(0x7f, 8-w.n)
	}
	w.bits, w.n = 0, 0
}

func (w *jpegWriter) putCoefficient(run int, value int) {
	size, extra := 0, value
	for m := max(value, -value); m > 0; m >>= 1 {
		size++
	}
	if value < 0 {
		extra--
	}
	w.put(w.code(byte(run<<4 | size)))
	w.put(uint32(extra), size)
}

var jpegZigZag = func() (order [64]int) {
	i := 0
	for diagonal := range 15 {
		for k := range diagonal + 1 {
			x, y := k, diagonal-k
			if diagonal%2 == 1 {
				x, y = y, x
			}
			if x < 8 && y < 8 {
				order[i] = 8*y + x
				i++
			}
		}
	}
	return order
}()

// block is the quantized transform of component c's block (bx, by).
func (w *jpegWriter) block(c jpegComponent, bx, by int) (q [64]int) {
	for v := range 8 {
		for u := range 8 {
			sum := 0.0
			for y := range 8 {
				for x := range 8 {
					sum += (float64(c.at(8*bx+x, 8*by+y)) - 128) *
						math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) * math.Cos(float64(2*y+1)*float64(v)*math.Pi/16)
				}
			}
			if u == 0 {
				sum /= math.Sqrt2
			}
			if v == 0 {
				sum /= math.Sqrt2
			}
			q[8*v+u] = int(math.Round(sum / 4 / float64(w.quant)))
		}
	}
	return q
}

func (w *jpegWriter) putAC(q [64]int) {
	run := 0
	for _, at := range jpegZigZag[1:] {
		if q[at] == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			w.put(w.code(0xf0))
		}
		w.putCoefficient(run, q[at])
		run = 0
	}
	if run > 0 {
		w.put(w.code(0))
	}
}

func (w *jpegWriter) startOfScan(components []jpegComponent, first, last byte) {
	p := []byte{byte(len(components))}
	for _, c := range components {
		p = append(p, c.id, 0)
	}
	w.out.Write(segment(0xda, append(p, first, last, 0)...))
}

// header writes all that stands before the first scan.
func (w *jpegWriter) header() {
	if w.quant == 0 {
		w.quant = 8
	}
	w.out.Reset()
	w.out.Write([]byte{0xff, 0xd8})
	for _, s := range w.segments {
		w.out.Write(s)
	}
	w.out.Write(segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{w.quant}, 64)...)...))
	sof := []byte{8, byte(w.height >> 8), byte(w.height), byte(w.width >> 8), byte(w.width), byte(len(w.components))}
	for _, c := range w.components {
		sof = append(sof, c.id, byte(c.h<<4|c.v), 0)
	}
	marker := byte(0xc0)
	if w.progressive {
		marker = 0xc2
	}
	w.out.Write(segment(marker, sof...))
	counts := w.counts()
	for _, class := range []byte{0x00, 0x10} {
		w.out.Write(segment(0xc4, append(append([]byte{class}, counts[:]...), jpegSymbols...)...))
	}
	if w.restart > 0 {
		w.out.Write(segment(0xdd, byte(w.restart>>8), byte(w.restart)))
	}
}

func (w *jpegWriter) encode() []byte {
	w.header()
	h0, v0 := w.components[0].h, w.components[0].v
	across, down := (w.width+8*h0-1)/(8*h0), (w.height+8*v0-1)/(8*v0)
	lastBand := byte(63)
	if w.progressive {
		lastBand = 0
	}
	w.startOfScan(w.components, 0, lastBand)
	predictions := make([]int, len(w.components))
	for mcu := range across * down {
		if w.restart > 0 && mcu > 0 && mcu%w.restart == 0 {
			w.flush()
			w.out.Write([]byte{0xff, byte(0xd0 + (mcu/w.restart-1)%8)})
			clear(predictions)
		}
		for i, c := range w.components {
			for j := range c.h * c.v {
				q := w.block(c, mcu%across*c.h+j%c.h, mcu/across*c.v+j/c.h)
				w.putCoefficient(0, q[0]-predictions[i])
				predictions[i] = q[0]
				if !w.progressive {
					w.putAC(q)
				}
			}
		}
	}
	w.flush()
	if w.progressive {
		for _, c := range w.components {
			w.startOfScan([]jpegComponent{c}, 1, 63)
			scaleX, scaleY := 8*h0/c.h, 8*v0/c.v
			for by := 0; by*scaleY < w.height; by++ {
				for bx := 0; bx*scaleX < w.width; bx++ {
					w.putAC(w.block(c, bx, by))
				}
			}
			w.flush()
		}
	}
	w.out.Write([]byte{0xff, 0xd9})
	return w.out.Bytes()
}

// ycc is a colorful picture in the sampling h×v of the first component.
func ycc(h, v int) []jpegComponent {
	return []jpegComponent{
		{1, h, v, func(x, y int) uint8 { return uint8(40 + (x*7+y*3+(x*y)%23)%200) }},
		{2, 1, 1, func(x, y int) uint8 { return uint8(30 + (x*h*5+y*v*2)%210) }},
		{3, 1, 1, func(x, y int) uint8 { return uint8(250 - (x*h*3+y*v*6)%230) }},
	}
}

var adobeInverted = segment(0xee, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0)
var adobeYCCK = segment(0xee, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 2)

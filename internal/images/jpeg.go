package images

/*
#cgo CFLAGS: -O3 -std=c11
#cgo noescape jpeg_decode
#cgo nocallback jpeg_decode
#cgo noescape jpeg_scratch_size
#cgo nocallback jpeg_scratch_size
#include "jpeg.h"
*/
import "C"

import (
	"bytes"
	"sync"
	"unsafe"
)

// A jpegFrame is a JPEG of the common kind: baseline, gray or YCbCr with chroma halved or not, one scan. Its pixels are
// decoded by jpeg.c, several times faster than by image/jpeg and equal to the bit. That path takes only what it is
// certain that image/jpeg takes too: whatever else a file holds, unusual or damaged, is left to image/jpeg to accept or
// refuse.
type jpegFrame struct {
	c    C.struct_jpeg_frame
	scan int // where the entropy-coded data starts
}

func (f *jpegFrame) width() int  { return int(f.c.width) }
func (f *jpegFrame) height() int { return int(f.c.height) }

// jpegScratch is the memory that a decoder needs besides the pixels.
type jpegScratch struct {
	tables C.struct_jpeg_tables
	strips []uint64
}

var jpegScratches = sync.Pool{New: func() any { return new(jpegScratch) }}

// decode fills the RGBA pixels of width × height, or returns false to leave the file to image/jpeg.
func (f *jpegFrame) decode(pix, data []byte) bool {
	s := jpegScratches.Get().(*jpegScratch)
	defer jpegScratches.Put(s)
	if n := (int(C.jpeg_scratch_size(&f.c)) + 7) / 8; len(s.strips) < n {
		s.strips = make([]uint64, n)
	}
	data = data[f.scan:]
	return C.jpeg_decode(&f.c, (*C.uint8_t)(&data[0]), C.size_t(len(data)), &s.tables,
		(*C.uint8_t)(unsafe.Pointer(&s.strips[0])), (*C.uint8_t)(&pix[0])) == 1
}

// Markers (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0
	markerSOF1 = 0xc1
	markerSOF2 = 0xc2
	markerDHT  = 0xc4
	markerSOI  = 0xd8
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDRI  = 0xdd
	markerAPP0 = 0xe0
	markerAPP1 = 0xe1
	markerAPPE = 0xee
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

// nextSegment returns the marker and payload of the segment that starts data, and what follows it. ok is false at
// anything but a marker with a whole payload.
func nextSegment(data []byte) (marker byte, payload, rest []byte, ok bool) {
	if len(data) < 4 || data[0] != 0xff {
		return 0, nil, nil, false
	}
	end := 2 + int(data[2])<<8 + int(data[3])
	if end < 4 || end > len(data) {
		return 0, nil, nil, false
	}
	return data[1], data[4:end], data[end:], true
}

// progressiveExtra is what image/jpeg takes for a progressive JPEG, in bytes a pixel: the coefficients, of four bytes
// each, the planes, and what a CMYK picture is first. It is 0 for another one.
func progressiveExtra(data []byte) int64 {
	for rest := data[2:]; ; {
		marker, payload, next, ok := nextSegment(rest)
		if !ok || marker == markerSOS {
			return 0
		}
		if marker == markerSOF2 && len(payload) >= 6 {
			n := int(payload[5])
			total, most := int64(0), int64(1)
			for i := 6; i+2 < len(payload) && i < 6+3*n; i += 3 {
				of := int64(payload[i+1]>>4) * int64(payload[i+1]&15)
				total, most = total+of, max(most, of)
			}
			extra := (5*total + most - 1) / most
			if n == 4 {
				extra += 4
			}
			return extra
		}
		rest = next
	}
}

// parseJPEG reads the segments before the scan. ok is false if this is not the common kind of JPEG.
func parseJPEG(data []byte) (frame *jpegFrame, ok bool) {
	h := jpegHeader{frame: new(jpegFrame)}
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return nil, false
	}
	for rest := data[2:]; ; {
		marker, payload, next, ok := nextSegment(rest)
		if !ok || !h.segment(marker, payload) {
			return nil, false
		}
		rest = next
		if marker == markerSOS {
			h.frame.scan = len(data) - len(rest)
			return h.frame, len(rest) > 0 && !h.isRGB()
		}
	}
}

// jpegHeader is what the segments have said so far.
type jpegHeader struct {
	frame      *jpegFrame
	ids, quant [3]byte       // per component
	quants     [4][64]uint16 // in zig-zag order
	quantized  [4]bool       // which of quants are defined
	dc, ac     [2]bool       // which Huffman tables are defined
	jfif       bool
	adobe      bool // an Adobe segment says that the components are not transformed
}

// segment takes in one segment, or returns false if it is not of the common kind.
func (h *jpegHeader) segment(marker byte, p []byte) bool {
	switch {
	case marker == markerSOF0 || marker == markerSOF1:
		return h.startOfFrame(p)
	case marker == markerDHT:
		return h.huffman(p)
	case marker == markerDQT:
		return h.quantization(p)
	case marker == markerSOS:
		return h.startOfScan(p)
	case marker == markerDRI:
		if len(p) != 2 {
			return false
		}
		h.frame.c.restart = C.int32_t(p[0])<<8 | C.int32_t(p[1])
	case marker == markerAPP0:
		if len(p) >= 5 {
			h.jfif = bytes.HasPrefix(p, []byte("JFIF\x00"))
		}
	case marker == markerAPPE:
		if len(p) >= 12 && bytes.HasPrefix(p, []byte("Adobe")) {
			h.adobe = p[11] == 0
		}
	case marker > markerAPP0 && marker <= markerAPPF || marker == markerCOM:
	default:
		return false
	}
	return true
}

func (h *jpegHeader) startOfFrame(p []byte) bool {
	c := &h.frame.c
	if c.components != 0 || len(p) < 6 || p[0] != 8 || len(p) != 6+3*int(p[5]) {
		return false
	}
	c.height = C.int32_t(p[1])<<8 | C.int32_t(p[2])
	c.width = C.int32_t(p[3])<<8 | C.int32_t(p[4])
	c.components = C.int32_t(p[5])
	if c.width == 0 || c.height == 0 || c.components != 1 && c.components != 3 {
		return false
	}
	for i := range int(c.components) {
		h.ids[i], h.quant[i] = p[6+3*i], p[8+3*i]
		if h.quant[i] > 3 {
			return false
		}
	}
	sampling := p[7]
	if c.components == 1 {
		c.h, c.v = 1, 1 // whatever it says: T.81, A.2.2
		return sampling == 0x11
	}
	if h.ids[0] == h.ids[1] || h.ids[0] == h.ids[2] || h.ids[1] == h.ids[2] || p[10] != 0x11 || p[13] != 0x11 {
		return false
	}
	c.h, c.v = C.int32_t(sampling>>4), C.int32_t(sampling&15)
	return (c.h == 1 || c.h == 2) && (c.v == 1 || c.v == 2)
}

func (h *jpegHeader) huffman(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 17 || p[0]&15 > 1 {
			return false
		}
		id := p[0] & 15
		var table *C.struct_jpeg_huffman
		switch p[0] >> 4 {
		case 0:
			table, h.dc[id] = &h.frame.c.dc_tables[id], true
		case 1:
			table, h.ac[id] = &h.frame.c.ac_tables[id], true
		default:
			return false
		}
		n := 0
		for i, count := range p[1:17] {
			table.counts[i] = C.uint8_t(count)
			n += int(count)
		}
		p = p[17:]
		if n == 0 || n > 256 || n > len(p) {
			return false
		}
		for i, symbol := range p[:n] {
			table.symbols[i] = C.uint8_t(symbol)
		}
		p = p[n:]
	}
	return true
}

func (h *jpegHeader) quantization(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 65 || p[0] > 3 { // 8-bit tables only
			return false
		}
		h.quantized[p[0]] = true
		for i, q := range p[1:65] {
			h.quants[p[0]][i] = uint16(q)
		}
		p = p[65:]
	}
	return true
}

func (h *jpegHeader) startOfScan(p []byte) bool {
	c := &h.frame.c
	n := int(c.components)
	if n == 0 || len(p) != 4+2*n || int(p[0]) != n {
		return false
	}
	for i := range n {
		dc, ac := p[2+2*i]>>4, p[2+2*i]&15
		if p[1+2*i] != h.ids[i] || dc > 1 || ac > 1 || !h.dc[dc] || !h.ac[ac] || !h.quantized[h.quant[i]] {
			return false
		}
		c.dc[i], c.ac[i] = C.uint8_t(dc), C.uint8_t(ac)
		for j, q := range h.quants[h.quant[i]] {
			c.quant[i][j] = C.uint16_t(q)
		}
	}
	return true
}

// isRGB reports whether the three components are RGB, by the same rule as image/jpeg.
func (h *jpegHeader) isRGB() bool {
	return h.frame.c.components == 3 && !h.jfif && (h.adobe || string(h.ids[:]) == "RGB")
}

package netpbm

import (
	"encoding/binary"
	"fmt"
	"math"
)

// samples returns the raster as samples of 0 … 255.
func (h *header) samples(raster []byte) ([]uint8, error) {
	// Held against the file before anything is allocated.
	if h.minRowSize() > len(raster)/h.height {
		return nil, errTruncated
	}
	samples := make([]uint8, h.width*h.depth*h.height)
	var err error
	switch h.coding {
	case plain:
		err = h.readNumbers(samples, raster)
	case digits:
		err = h.readDigits(samples, raster)
	case packed:
		h.readBits(samples, raster)
	case raw:
		err = h.readBytes(samples, raster)
	case float:
		h.readFloats(samples, raster)
	}
	return samples, err
}

// minRowSize is the size in bytes of a row, of plain files the smallest that is possible.
func (h *header) minRowSize() int {
	n := h.width * h.depth
	switch h.coding {
	case plain:
		return 2*n - 1 // digits and the space between them
	case packed:
		return (n + 7) / 8
	case float:
		return 4 * n
	default: // binary
		if h.max > 255 {
			return 2 * n
		}
		return n
	}
}

// scale returns what the samples 0 … maximum become.
func (h *header) scale() []uint8 {
	table := make([]uint8, h.max+1)
	for v := range table {
		table[v] = uint8((v*255 + h.max/2) / h.max)
		if h.max == 65535 {
			table[v] = uint8(v >> 8)
		}
	}
	return table
}

func (h *header) errTooGreat(v int) error {
	return fmt.Errorf("a sample of %d, beyond the maximum of %d", v, h.max)
}

func (h *header) readNumbers(samples []uint8, raster []byte) error {
	scale := h.scale()
	s := &scanner{rest: raster}
	for i := range samples {
		v := s.number()
		if s.err != nil {
			return s.err
		}
		if v > h.max {
			return h.errTooGreat(v)
		}
		samples[i] = scale[v]
	}
	return nil
}

func (h *header) readBytes(samples []uint8, raster []byte) error {
	scale := h.scale()
	size := 1
	if h.max > 255 {
		size = 2
	}
	for i := range samples {
		v := int(raster[i*size])
		if size == 2 {
			v = int(binary.BigEndian.Uint16(raster[i*2:]))
		}
		if v > h.max {
			return h.errTooGreat(v)
		}
		samples[i] = scale[v]
	}
	return nil
}

// In a PBM file 1 is black.
var ink = [2]uint8{255, 0}

func (h *header) readDigits(samples []uint8, raster []byte) error {
	s := &scanner{rest: raster}
	for i := range samples {
		samples[i] = ink[s.digit()]
	}
	return s.err
}

func (h *header) readBits(samples []uint8, raster []byte) {
	stride := h.minRowSize()
	for y := range h.height {
		row := raster[y*stride:]
		for x := range h.width {
			samples[y*h.width+x] = ink[row[x/8]>>(7-x%8)&1]
		}
	}
}

func (h *header) readFloats(samples []uint8, raster []byte) {
	var order binary.ByteOrder = binary.BigEndian
	if h.littleEndian {
		order = binary.LittleEndian
	}
	n := h.width * h.depth
	for y := range h.height {
		row := samples[(h.height-1-y)*n:][:n]
		for i := range row {
			row[i] = fromFloat(math.Float32frombits(order.Uint32(raster[4*(y*n+i):])))
		}
	}
}

// fromFloat clips to 0 … 1 and scales to 255. What is not a number is black.
func fromFloat(v float32) uint8 {
	switch {
	case v >= 1:
		return 255
	case v > 0:
		return uint8(float32(v*255) + 0.5) // rounded twice, on every machine
	}
	return 0
}

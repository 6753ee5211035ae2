package fulljpeg

import (
	"bytes"
	"fmt"
)

// An entropyDecoder decodes the blocks of a scan, by Huffman or arithmetic coding. The index i is that of a component
// in the scan.
type entropyDecoder interface {
	// start begins an interval between restart markers, where nothing is known from before.
	start(coded []byte)
	// dc and ac give coefficients their first bits, refineDC and refineAC one more.
	dc(i int, b *block) error
	refineDC(i int, b *block) error
	ac(i int, b *block) error
	refineAC(i int, b *block) error
	// end checks that an interval ends where its data does.
	end() error
}

func (f *file) decodeScan(s *scan) error {
	var d entropyDecoder
	if f.arithmetic {
		d = &arithmeticDecoder{scan: s}
	} else {
		d = &huffmanDecoder{scan: s, runs: f.progressive}
	}
	across, down := f.mcus()
	if len(s.components) == 1 {
		across, down = s.components[0].across, s.components[0].down
	}
	intervals := intervalReader{rest: s.data}
	n := across * down
	length := n
	if s.restart > 0 {
		length = s.restart
	}
	for at := 0; at < n; at += length {
		end := min(at+length, n)
		coded, err := intervals.next(end == n)
		if err != nil {
			return err
		}
		d.start(coded)
		for mcu := at; mcu < end; mcu++ {
			if err := s.mcu(d, mcu%across, mcu/across); err != nil {
				return err
			}
		}
		if err := d.end(); err != nil {
			return err
		}
	}
	return nil
}

// An intervalReader splits a scan's data at its restart markers.
type intervalReader struct {
	rest []byte
	n    int
}

// next returns the next interval without the zero bytes that are stuffed into it. The marker after it must be the
// restart marker whose turn it is, or else end the scan. Some encoders write one more restart marker before the scan's
// end.
func (r *intervalReader) next(last bool) ([]byte, error) {
	coded, rest, err := untilMarker(r.rest)
	if err != nil {
		return nil, err
	}
	marker, restart := rest[1], byte(markerRST0+r.n%8)
	if !last && marker != restart {
		return nil, fmt.Errorf("marker %#02x instead of restart marker %#02x", marker, restart)
	}
	if oneMore := marker == restart && len(rest) == 4; last && isRestart(marker) && !oneMore {
		return nil, fmt.Errorf("restart marker %#02x after the last interval", marker)
	}
	r.rest = rest[2:]
	r.n++
	return bytes.ReplaceAll(coded, []byte{0xff, 0}, []byte{0xff}), nil
}

// mcu decodes the blocks of an MCU, which is one block if the scan has one component.
func (s *scan) mcu(d entropyDecoder, x, y int) error {
	if len(s.components) == 1 {
		c := s.components[0]
		return s.block(d, 0, &c.blocks[y*c.stride+x])
	}
	for i, c := range s.components {
		for j := range c.h * c.v {
			at := (y*c.v+j/c.h)*c.stride + x*c.h + j%c.h
			if err := s.block(d, i, &c.blocks[at]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scan) block(d entropyDecoder, i int, b *block) error {
	if s.first == 0 {
		if err := s.dc(d, i, b); err != nil {
			return err
		}
	}
	switch {
	case s.last == 0:
		return nil
	case s.refines:
		return d.refineAC(i, b)
	}
	return d.ac(i, b)
}

func (s *scan) dc(d entropyDecoder, i int, b *block) error {
	if s.refines {
		return d.refineDC(i, b)
	}
	return d.dc(i, b)
}

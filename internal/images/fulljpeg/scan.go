package fulljpeg

import (
	"errors"
	"fmt"
)

// maxScans is more than any encoder makes. It bounds what is kept of a file's segments.
const maxScans = 1000

// A scan gives some bits of some coefficients of some components.
type scan struct {
	components []scanComponent
	// first and last are the coefficients in zig-zag order. All 64 unless progressive, even if the header says
	// otherwise: other decoders ignore that, too.
	first, last int
	// low is the lowest bit that is given. A scan that refines gives that bit only.
	low     uint8
	refines bool
	restart int    // MCUs between restart markers, or 0
	data    []byte // with its restart markers
}

// A scanComponent is a component with the tables that hold in a scan.
type scanComponent struct {
	*component
	dcID, acID byte
	dc, ac     *huffmanTable
	bounds     dcBounds
	kx         uint8
}

// startOfScan reads a scan header (T.81, B.2.3) and finds the data that follows.
func (p *parser) startOfScan(payload []byte) error {
	if p.components == nil {
		return errors.New("a scan before the frame header")
	}
	if len(p.scans) == maxScans {
		return fmt.Errorf("more than %d scans", maxScans)
	}
	if len(payload) < 6 || len(payload) != 4+2*int(payload[0]) {
		return fmt.Errorf("scan header of %d bytes", len(payload))
	}
	s := scan{last: 63, restart: p.restart}
	n := int(payload[0])
	if p.progressive {
		if err := s.progression(payload[1+2*n:], n); err != nil {
			return err
		}
	}
	if !p.progressive && !p.arithmetic && !p.huffman && len(p.scans) == 0 {
		p.standardTables = true
		p.dc, p.ac = standardDC(), standardAC()
	}
	for i := range n {
		c, err := p.scanComponent(&s, payload[1+2*i], payload[2+2*i])
		if err != nil {
			return err
		}
		s.components = append(s.components, c)
	}
	if err := s.checkMCU(); err != nil {
		return err
	}
	p.scans = append(p.scans, s)
	return p.scanData(&p.scans[len(p.scans)-1])
}

// progression reads which coefficients and bits a progressive scan gives (T.81, G.1.1.1).
func (s *scan) progression(header []byte, components int) error {
	s.first, s.last = int(header[0]), int(header[1])
	high := header[2] >> 4
	s.low, s.refines = header[2]&15, high > 0
	if s.first > s.last || s.last > 63 || s.first == 0 && s.last > 0 || s.first > 0 && components > 1 {
		return fmt.Errorf("coefficients %d to %d of %d components in a progressive scan", s.first, s.last, components)
	}
	if s.low > 13 || s.refines && s.low != high-1 {
		return fmt.Errorf("successive approximation %#02x", header[2])
	}
	return nil
}

// scanComponent finds a component of the frame and the tables that it takes.
func (p *parser) scanComponent(s *scan, id, tables byte) (scanComponent, error) {
	for i := range p.components {
		if p.components[i].id != id {
			continue
		}
		c := scanComponent{component: &p.components[i], dcID: tables >> 4, acID: tables & 15}
		if c.dcID > 3 || c.acID > 3 {
			return c, fmt.Errorf("entropy coding tables %#02x", tables)
		}
		c.dc, c.ac, c.bounds, c.kx = p.dc[c.dcID], p.ac[c.acID], p.conditions[c.dcID], p.kx[c.acID]
		if !p.arithmetic && (c.dc == nil && s.first == 0 && !s.refines || c.ac == nil && s.last > 0) {
			return c, fmt.Errorf("huffman tables %#02x are not defined", tables)
		}
		if c.quant == nil {
			c.quant = p.quants[c.quantID]
		}
		if c.quant == nil {
			return c, fmt.Errorf("quantization table %d is not defined", c.quantID)
		}
		err := c.progress(s)
		return c, err
	}
	return scanComponent{}, fmt.Errorf("a scan of component %d, which the frame header doesn't have", id)
}

// progress notes what a scan gives. Each bit must come once, after the higher ones, and AC after DC. This also bounds
// the time that scans can take.
func (c *component) progress(s *scan) error {
	if s.first > 0 && c.known[0] == 0 {
		return errors.New("AC coefficients before DC")
	}
	before := uint8(0)
	if s.refines {
		before = s.low + 2
	}
	for k := s.first; k <= s.last; k++ {
		if c.known[k] != before {
			return fmt.Errorf("coefficient %d is given twice or not in order", k)
		}
		c.known[k] = s.low + 1
	}
	return nil
}

func (s *scan) checkMCU() error {
	blocks := 0
	for _, c := range s.components {
		blocks += c.h * c.v
	}
	if len(s.components) > 1 && blocks > 10 {
		return fmt.Errorf("%d blocks in an MCU", blocks)
	}
	return nil
}

// scanData takes the entropy-coded data that follows a scan header.
func (p *parser) scanData(s *scan) error {
	start := p.rest
	for {
		_, rest, err := untilMarker(p.rest)
		if err != nil {
			return err
		}
		p.rest = rest
		if !isRestart(rest[1]) {
			s.data = start[:len(start)-len(rest)+2]
			return nil
		}
		p.rest = rest[2:]
	}
}

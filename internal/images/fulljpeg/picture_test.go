package fulljpeg

import (
	"encoding/binary"
	"math/rand/v2"
)

// A picture is what a test encodes: sequential, of random coefficients.
type picture struct {
	width, height int
	components    []component
	quant         [64]uint16
	adobe         []byte // the last byte of an Adobe segment, if there is one

	arithmetic     bool
	baseline       bool   // the frame header says so
	firstTable     byte   // of two
	conditions     []byte // of a DAC segment
	bounds         dcBounds
	kx             uint8
	planes         bool // a scan for each component
	restart        int
	linesFollow    bool
	standardTables bool // that are left out
}

// newPicture makes a picture of components with sampling factors such as 0x21.
func newPicture(rng *rand.Rand, width, height int, sampling ...byte) *picture {
	p := &picture{width: width, height: height, bounds: dcBounds{0, 1}, kx: 5}
	f := file{width: width}
	for i, s := range sampling {
		f.components = append(f.components, component{id: byte(i), h: int(s >> 4), v: int(s & 15)})
	}
	f.setHeight(height)
	p.components = f.components
	for i := range p.quant {
		p.quant[i] = uint16(1 + rng.IntN(20))
	}
	for i := range p.components {
		c := &p.components[i]
		c.blocks = make([]block, c.stride*c.rows)
		for j := range c.blocks {
			fillRandom(rng, &c.blocks[j])
		}
	}
	return p
}

// fillRandom makes a block of few or many coefficients, small or large.
func fillRandom(rng *rand.Rand, b *block) {
	b[0] = int16(rng.IntN(1<<rng.IntN(10)) - rng.IntN(1<<rng.IntN(10)))
	for range rng.IntN(1 << rng.IntN(7)) {
		size := 1 << rng.IntN(10)
		b[1+rng.IntN(63)] = int16(rng.IntN(size) - rng.IntN(size))
	}
}

func segment(marker byte, payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(payload))), payload...)
}

func word16(v int) []byte { return []byte{byte(v >> 8), byte(v)} }

func (p *picture) encode() []byte {
	out := []byte{0xff, markerSOI}
	if p.adobe != nil {
		out = append(out, segment(markerAPP14, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), p.adobe...)...)...)
	}
	quant := []byte{0x10} // 16 bits
	for _, q := range p.quant {
		quant = append(quant, word16(int(q))...)
	}
	out = append(out, segment(markerDQT, quant...)...)
	out = append(out, p.frameHeader()...)
	if !p.arithmetic && !p.standardTables {
		for i, table := range []string{standardDC0, standardDC1, standardAC0, standardAC1} {
			id := byte(i/2<<4|i%2) + p.firstTable
			out = append(out, segment(markerDHT, append([]byte{id}, table...)...)...)
		}
	}
	if p.conditions != nil {
		out = append(out, segment(markerDAC, p.conditions...)...)
	}
	out = append(out, segment(markerDRI, word16(p.restart)...)...)
	lines := []byte{}
	if p.linesFollow {
		lines = segment(markerDNL, word16(p.height)...)
	}
	for _, s := range p.scans() {
		out = append(append(out, p.encodeScan(s)...), lines...)
		lines = nil
	}
	return append(out, 0xff, 0xff, markerEOI)
}

func (p *picture) frameHeader() []byte {
	marker, height := byte(markerSOF1), p.height
	switch {
	case p.arithmetic:
		marker = markerSOF9
	case p.baseline:
		marker = markerSOF0
	}
	if p.linesFollow {
		height = 0
	}
	frame := append([]byte{8}, word16(height)...)
	frame = append(append(frame, word16(p.width)...), byte(len(p.components)))
	for _, c := range p.components {
		frame = append(frame, c.id, byte(c.h<<4|c.v), 0)
	}
	return segment(marker, frame...)
}

func (p *picture) scans() []scan {
	all := scan{last: 63, restart: p.restart}
	single := []scan{}
	for i := range p.components {
		table := p.firstTable + byte(i%2)
		c := scanComponent{component: &p.components[i], dcID: table, acID: table, bounds: p.bounds, kx: p.kx}
		all.components = append(all.components, c)
		single = append(single, scan{components: []scanComponent{c}, last: 63, restart: p.restart})
	}
	if p.planes {
		return single
	}
	return []scan{all}
}

func (p *picture) encodeScan(s scan) []byte {
	header := []byte{byte(len(s.components))}
	for _, c := range s.components {
		header = append(header, c.id, c.dcID<<4|c.acID)
	}
	out := segment(markerSOS, append(header, 0, 63, 0)...)
	var e encoder = &huffmanEncoder{scan: &s}
	if p.arithmetic {
		e = &arithmeticEncoder{scan: &s}
	}
	e.start(nil)
	f := file{width: p.width, height: p.height, components: p.components}
	across, down := f.mcus()
	if len(s.components) == 1 {
		across, down = s.components[0].across, s.components[0].down
	}
	marker := byte(markerRST0)
	for i := range across * down {
		if p.restart > 0 && i > 0 && i%p.restart == 0 {
			out = append(append(out, e.finish()...), 0xff, 0xff, marker)
			marker = markerRST0 + (marker-markerRST0+1)%8
			e.start(nil)
		}
		if err := s.mcu(e, i%across, i/across); err != nil {
			panic(err)
		}
	}
	return append(out, e.finish()...)
}

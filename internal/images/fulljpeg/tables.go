package fulljpeg

import (
	"errors"
	"fmt"
)

// quantizationTables reads a DQT segment (T.81, B.2.4.1).
func (p *parser) quantizationTables(payload []byte) error {
	if p.progressive && len(p.scans) > 0 {
		p.quantizationFollows = true
	}
	for len(payload) > 0 {
		size, id := 1+int(payload[0]>>4), payload[0]&15
		if size > 2 || id > 3 {
			return fmt.Errorf("quantization table %#02x", payload[0])
		}
		payload = payload[1:]
		if len(payload) < 64*size {
			return errors.New("quantization table cut short")
		}
		table := new([64]uint16)
		for i := range table {
			if size == 1 {
				table[i] = uint16(payload[i])
			} else {
				table[i] = uint16(word(payload[2*i:]))
			}
		}
		p.quants[id] = table
		payload = payload[64*size:]
	}
	return nil
}

// huffmanTables reads a DHT segment (T.81, B.2.4.2).
func (p *parser) huffmanTables(payload []byte) error {
	p.huffman = true
	for len(payload) > 0 {
		class, id := payload[0]>>4, payload[0]&15
		if class > 1 || id > 3 {
			return fmt.Errorf("huffman table %#02x", payload[0])
		}
		table, n, err := newHuffmanTable(payload[1:])
		if err != nil {
			return err
		}
		if n == 16 {
			p.refusedSegment = true // a table without codes
		}
		if class == 0 {
			p.dc[id] = table
		} else {
			p.ac[id] = table
		}
		payload = payload[1+n:]
	}
	return nil
}

// dcBounds say which differences of DC coefficients are zero, small or large to their neighbor's context (T.81,
// F.1.4.4.1.2).
type dcBounds struct{ lower, upper uint8 }

// resetConditions sets what holds where no segment says otherwise.
func (p *parser) resetConditions() {
	for i := range p.conditions {
		p.conditions[i] = dcBounds{lower: 0, upper: 1}
		p.kx[i] = 5
	}
}

// arithmeticConditions reads a DAC segment (T.81, B.2.4.3).
func (p *parser) arithmeticConditions(payload []byte) error {
	if len(payload)%2 != 0 {
		return fmt.Errorf("arithmetic conditioning of %d bytes", len(payload))
	}
	p.refusedSegment = true
	for ; len(payload) > 0; payload = payload[2:] {
		class, id, value := payload[0]>>4, payload[0]&15, payload[1]
		bounds := dcBounds{lower: value & 15, upper: value >> 4}
		switch {
		case class == 0 && id < 4 && bounds.lower <= bounds.upper:
			p.conditions[id] = bounds
		case class == 1 && id < 4 && value >= 1 && value <= 63:
			p.kx[id] = value
		default:
			return fmt.Errorf("arithmetic conditioning %#02x %#02x", payload[0], value)
		}
	}
	return nil
}

package tiff

import (
	"encoding/binary"
	"math"
)

// hasWhite says whether the samples' range is known without a look at all of them.
func (p *page) hasWhite() bool {
	return p.format == formatUnsigned && p.bits <= 16
}

// depth returns the bits of the samples in memory.
func (p *page) depth() int {
	if p.hasWhite() {
		return p.bits
	}
	return 8
}

// loader returns what reads the samples of a row into memory, step of them a pixel. It looks at the whole picture first
// if that decides how they are scaled.
func (p *page) loader() (func(samples []uint16, r row), error) {
	if p.hasWhite() {
		return p.loadSmall, nil
	}
	colors, alphas, err := p.spans()
	if err != nil {
		return nil, err
	}
	number := p.number()
	color, alpha := p.scale(colors), p.scale(alphas)
	step, alphaAt := p.step(), p.alphaAt()
	return func(samples []uint16, r row) {
		p.eachSample(r, func(i int, word uint64) {
			scale := color
			if i%step == alphaAt {
				scale = alpha
			}
			samples[i] = uint16(scale(number(word)))
		})
	}, nil
}

// loadSmall is for samples that are unsigned and of up to 16 bits.
func (p *page) loadSmall(samples []uint16, r row) {
	step := len(r.planes)
	for plane, b := range r.planes {
		to := samples[plane:]
		switch p.bits {
		case 8:
			for i, j := 0, 0; i < len(to); i, j = i+step, j+1 {
				to[i] = uint16(b[j])
			}
		case 16:
			for i, j := 0, 0; i < len(to); i, j = i+step, j+2 {
				to[i] = p.order.Uint16(b[j:])
			}
		default:
			for i, j := 0, 0; i < len(to); i, j = i+step, j+1 {
				to[i] = uint16(bitsAt(b, j*p.bits, p.bits))
			}
		}
	}
}

// eachSample calls visit with the bits of every sample of a row, which may be of any length, and its place in memory.
func (p *page) eachSample(r row, visit func(i int, word uint64)) {
	order := p.order
	if p.predictor == predictorFloat {
		order = binary.BigEndian
	}
	n := r.n * p.step() / len(r.planes)
	for plane, b := range r.planes {
		for j := range n {
			visit(j*len(r.planes)+plane, wordAt(b, j, p.bits, order))
		}
	}
}

// wordAt returns the i-th sample of b. Those of whole bytes are in the file's order.
func wordAt(b []byte, i, bits int, order binary.ByteOrder) uint64 {
	switch bits {
	case 16:
		return uint64(order.Uint16(b[2*i:]))
	case 24:
		b = b[3*i : 3*i+3]
		if order.Uint16([]byte{1, 0}) == 1 { // little endian
			return uint64(b[2])<<16 | uint64(b[1])<<8 | uint64(b[0])
		}
		return uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2])
	case 32:
		return uint64(order.Uint32(b[4*i:]))
	case 64:
		return order.Uint64(b[8*i:])
	}
	return bitsAt(b, i*bits, bits)
}

// bitsAt returns the n bits from bit at on, up to 32, the highest of a byte being first.
func bitsAt(b []byte, at, n int) uint64 {
	var v uint64
	end := at + n
	for i := at / 8; 8*i < end; i++ {
		v = v<<8 | uint64(b[i])
	}
	return v >> (-end & 7) & (1<<n - 1)
}

// number returns what makes a number of a sample's bits.
func (p *page) number() func(word uint64) float64 {
	unused := 64 - p.bits
	switch {
	case p.format == formatSigned:
		return func(word uint64) float64 { return float64(int64(word<<unused) >> unused) }
	case p.format == formatUnsigned:
		return func(word uint64) float64 { return float64(word) }
	case p.bits == 16:
		return func(word uint64) float64 { return smallFloat(word, 5, 10) }
	case p.bits == 24:
		return func(word uint64) float64 { return smallFloat(word, 7, 16) }
	case p.bits == 32:
		return func(word uint64) float64 { return float64(math.Float32frombits(uint32(word))) }
	}
	return math.Float64frombits
}

// smallFloat returns the value of a sign, an exponent and a mantissa of these widths, as IEEE 754 has them.
func smallFloat(word uint64, exponentBits, mantissaBits int) float64 {
	sign := 1.0
	if word>>(exponentBits+mantissaBits)&1 == 1 {
		sign = -1
	}
	highest := 1<<exponentBits - 1
	exponent := int(word>>mantissaBits) & highest
	mantissa := float64(word & (1<<mantissaBits - 1))
	bias := highest / 2
	switch {
	case exponent == highest && mantissa > 0:
		return math.NaN()
	case exponent == highest:
		return math.Inf(int(sign))
	case exponent == 0:
		return sign * math.Ldexp(mantissa, 1-bias-mantissaBits)
	}
	return sign * math.Ldexp(mantissa+float64(int(1)<<mantissaBits), exponent-bias-mantissaBits)
}

package fulljpeg

import (
	"bytes"
	"math/bits"
)

// An encoder is fed the blocks in the order in which a decoder asks for them.
type encoder interface {
	entropyDecoder
	finish() []byte // an interval
}

func stuffed(data []byte) []byte {
	return bytes.ReplaceAll(data, []byte{0xff}, []byte{0xff, 0})
}

type huffmanEncoder struct {
	scan       *scan
	out        []byte
	word, n    int
	prediction [4]int
}

func (e *huffmanEncoder) start([]byte)               { *e = huffmanEncoder{scan: e.scan} }
func (e *huffmanEncoder) end() error                 { return nil }
func (e *huffmanEncoder) refineDC(int, *block) error { return nil }
func (e *huffmanEncoder) refineAC(int, *block) error { return nil }

func (e *huffmanEncoder) put(v, n int) {
	for i := n - 1; i >= 0; i-- {
		e.word = e.word<<1 | v>>i&1
		if e.n++; e.n == 8 {
			e.out = append(e.out, byte(e.word))
			e.word, e.n = 0, 0
		}
	}
}

func (e *huffmanEncoder) finish() []byte {
	if e.n > 0 {
		e.put(0xff, 8-e.n)
	}
	return stuffed(e.out)
}

// symbol puts the code of a symbol, and the bits of the value that it announces.
func (e *huffmanEncoder) symbol(table string, zeros, v int) {
	size := bits.Len(uint(max(v, -v)))
	code, at := 0, 16
	for length := 1; length <= 16; length++ {
		for range table[length-1] {
			if table[at] == byte(zeros<<4|size) {
				e.put(code, length)
				if v < 0 {
					v += 1<<size - 1
				}
				e.put(v, size)
				return
			}
			code, at = code+1, at+1
		}
		code <<= 1
	}
	panic("no such symbol")
}

func (e *huffmanEncoder) dc(i int, b *block) error {
	table := []string{standardDC0, standardDC1}[e.scan.components[i].dcID%2]
	e.symbol(table, 0, int(b[0])-e.prediction[i])
	e.prediction[i] = int(b[0])
	return nil
}

func (e *huffmanEncoder) ac(i int, b *block) error {
	table := []string{standardAC0, standardAC1}[e.scan.components[i].acID%2]
	zeros := 0
	for _, v := range b[1:] {
		if v == 0 {
			zeros++
			continue
		}
		for ; zeros > 15; zeros -= 16 {
			e.symbol(table, 15, 0)
		}
		e.symbol(table, zeros, int(v))
		zeros = 0
	}
	if zeros > 0 {
		e.symbol(table, 0, 0)
	}
	return nil
}

// An arithmeticEncoder is that of T.81, D.1 and F.1.4.
type arithmeticEncoder struct {
	scan       *scan
	out        []byte
	code, size uint32
	left       int
	prediction [4]int
	context    [4]int
	dcTables   [4][dcBins]bin
	acTables   [4][acBins]bin
}

func (e *arithmeticEncoder) start([]byte) {
	*e = arithmeticEncoder{scan: e.scan, size: 1 << 16, left: 11}
}
func (e *arithmeticEncoder) end() error                 { return nil }
func (e *arithmeticEncoder) refineDC(int, *block) error { return nil }
func (e *arithmeticEncoder) refineAC(int, *block) error { return nil }

func (e *arithmeticEncoder) encode(b *bin, value bool) bool {
	s := states[*b&0x7f]
	probable := value == (*b&0x80 != 0)
	e.size -= uint32(s.estimate)
	if probable && e.size >= 0x8000 {
		return value
	}
	if probable == (e.size < uint32(s.estimate)) {
		e.code += e.size
		e.size = uint32(s.estimate)
	}
	switch {
	case probable:
		*b = *b&0x80 | bin(s.nextProbable)
	case s.exchange:
		*b = ^*b&0x80 | bin(s.nextImprobable)
	default:
		*b = *b&0x80 | bin(s.nextImprobable)
	}
	for e.size < 0x8000 {
		e.size <<= 1
		e.code <<= 1
		if e.left--; e.left == 0 {
			e.byteOut()
			e.left = 8
		}
	}
	return value
}

func (e *arithmeticEncoder) byteOut() {
	if e.code>>27 != 0 {
		for i := len(e.out) - 1; ; i-- {
			if e.out[i]++; e.out[i] != 0 {
				break
			}
		}
	}
	e.out = append(e.out, byte(e.code>>19))
	e.code &= 1<<19 - 1
}

func (e *arithmeticEncoder) finish() []byte {
	shortest := (e.code + e.size - 1) &^ 0xffff
	if shortest < e.code {
		shortest += 0x8000
	}
	e.code = shortest << e.left
	e.byteOut()
	e.code <<= 8
	e.byteOut()
	return stuffed(bytes.TrimRight(e.out, "\x00"))
}

func (e *arithmeticEncoder) dc(i int, b *block) error {
	c := &e.scan.components[i]
	bins := &e.dcTables[c.dcID]
	v := int(b[0]) - e.prediction[i]
	context := e.context[i]
	e.prediction[i] = int(b[0])
	e.context[i] = c.bounds.context(v)
	if !e.encode(&bins[context], v != 0) {
		return nil
	}
	sign := 2
	if e.encode(&bins[context+1], v < 0) {
		sign = 3
	}
	if rest := max(v, -v) - 1; e.encode(&bins[context+sign], rest > 0) {
		e.magnitude(bins[dcMagnitude:], rest, 1)
	}
	return nil
}

func (e *arithmeticEncoder) ac(i int, b *block) error {
	c := &e.scan.components[i]
	bins := &e.acTables[c.acID]
	last := 63
	for last > 0 && b[last] == 0 {
		last--
	}
	for k := 1; k <= 63; k++ {
		if e.encode(&bins[3*k-3], k > last) {
			break
		}
		for !e.encode(&bins[3*k-2], b[k] != 0) {
			k++
		}
		v := int(b[k])
		even := fixed
		e.encode(&even, v < 0)
		rest := max(v, -v) - 1
		if !e.encode(&bins[3*k-1], rest > 0) || !e.encode(&bins[3*k-1], rest > 1) {
			continue
		}
		if k <= int(c.kx) {
			e.magnitude(bins[acMagnitudeLow:], rest, 2)
		} else {
			e.magnitude(bins[acMagnitudeHigh:], rest, 2)
		}
	}
	return nil
}

// magnitude encodes how many bits a value has, and those below the highest.
func (e *arithmeticEncoder) magnitude(bins []bin, v, highest int) {
	i := 0
	for ; e.encode(&bins[i], v >= 2*highest); i++ {
		highest *= 2
	}
	for bit := highest >> 1; bit > 0; bit >>= 1 {
		e.encode(&bins[i+14], v&bit != 0)
	}
}

package fulljpeg

import (
	"errors"
	"fmt"
)

// A bin is the estimate of a binary decision: the index of its state, and in the highest bit which value is the more
// probable one.
type bin uint8

// fixed is the state of probability ½ that never changes.
const fixed bin = 113

// The bins of a table (T.81, F.1.4.4.1.3 and F.1.4.4.2).
const (
	dcMagnitude     = 20 // after five contexts of four bins
	dcBins          = dcMagnitude + 29
	acMagnitudeLow  = 3 * 63 // after three bins of each coefficient
	acMagnitudeHigh = acMagnitudeLow + 28
	acBins          = acMagnitudeHigh + 28
)

// An arithmeticDecoder decodes the blocks of an arithmetic-coded scan (T.81, annex D, F.2.4 and G.1.3). Components with
// the same table share its bins.
type arithmeticDecoder struct {
	scan *scan
	data []byte
	// code is the coded number less the bottom of the interval, in 1/65536 of the units of size, which is the
	// interval's. left is how many bits of the byte that was read last are not yet shifted in.
	code, size uint32
	left       int
	prediction [4]int
	context    [4]int // of a component's next DC difference, by its last one
	dcTables   [4][dcBins]bin
	acTables   [4][acBins]bin
}

func (d *arithmeticDecoder) start(coded []byte) {
	*d = arithmeticDecoder{scan: d.scan, data: coded, size: 1 << 16}
	d.code = d.next()<<24 | d.next()<<16
}

// next returns the next byte. Encoders may leave out zeros at the end.
func (d *arithmeticDecoder) next() uint32 {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return uint32(b)
}

// end checks that the data was used up. A decoder reads two bytes before the first decision and one for every eight
// bits: never fewer than an encoder has written.
func (d *arithmeticDecoder) end() error {
	if len(d.data) > 0 {
		return fmt.Errorf("%d bytes are left over", len(d.data))
	}
	return nil
}

// decode decodes a binary decision (T.81, D.2).
func (d *arithmeticDecoder) decode(b *bin) bool {
	s := &states[*b&0x7f]
	probable := *b&0x80 != 0
	d.size -= uint32(s.estimate)
	lower := d.code>>16 < d.size
	if lower && d.size >= 0x8000 {
		return probable
	}
	// The larger interval is the more probable value's.
	asExpected := lower == (d.size >= uint32(s.estimate))
	if !lower {
		d.code -= d.size << 16
		d.size = uint32(s.estimate)
	}
	d.renormalize()
	if asExpected {
		*b = *b&0x80 | bin(s.nextProbable)
		return probable
	}
	if s.exchange {
		*b ^= 0x80
	}
	*b = *b&0x80 | bin(s.nextImprobable)
	return !probable
}

func (d *arithmeticDecoder) renormalize() {
	for d.size < 0x8000 {
		if d.left == 0 {
			d.code |= d.next() << 8
			d.left = 8
		}
		d.code <<= 1
		d.size <<= 1
		d.left--
	}
}

// evenly decodes a decision of probability ½.
func (d *arithmeticDecoder) evenly() bool {
	b := fixed
	return d.decode(&b)
}

// magnitude decodes an absolute value above v, which is 1 or 2: how many bits the value less 1 has, then those bits
// (T.81, figures F.23 and F.24).
func (d *arithmeticDecoder) magnitude(bins []bin, v int) (int, error) {
	i := 0
	for ; d.decode(&bins[i]); i++ {
		v <<= 1
		if v > 1<<14 {
			return 0, errors.New("a value of more than 15 bits")
		}
	}
	for bit := v >> 1; bit > 0; bit >>= 1 {
		if d.decode(&bins[i+14]) {
			v |= bit
		}
	}
	return v + 1, nil
}

func (d *arithmeticDecoder) dc(i int, b *block) error {
	c := &d.scan.components[i]
	difference, err := d.dcDifference(&d.dcTables[c.dcID], d.context[i])
	if err != nil {
		return err
	}
	d.context[i] = c.bounds.context(difference)
	d.prediction[i] += difference
	b[0], err = d.scan.coefficient(d.prediction[i])
	return err
}

func (d *arithmeticDecoder) dcDifference(bins *[dcBins]bin, context int) (int, error) {
	if !d.decode(&bins[context]) {
		return 0, nil
	}
	negative := d.decode(&bins[context+1])
	large := &bins[context+2]
	if negative {
		large = &bins[context+3]
	}
	v := 1
	if d.decode(large) {
		var err error
		if v, err = d.magnitude(bins[dcMagnitude:], 1); err != nil {
			return 0, err
		}
	}
	if negative {
		v = -v
	}
	return v, nil
}

// context returns the first bin of the five that the last difference can lead to.
func (b dcBounds) context(difference int) int {
	size, context := difference, 4
	if difference < 0 {
		size, context = -difference, 8
	}
	switch {
	case size <= 1<<b.lower>>1:
		return 0
	case size > 1<<b.upper:
		return context + 8
	}
	return context
}

func (d *arithmeticDecoder) refineDC(_ int, b *block) error {
	if d.evenly() {
		b[0] |= 1 << d.scan.low
	}
	return nil
}

func (d *arithmeticDecoder) ac(i int, b *block) error {
	c := &d.scan.components[i]
	bins := &d.acTables[c.acID]
	for k := max(d.scan.first, 1); k <= d.scan.last; k++ {
		if d.decode(&bins[3*k-3]) {
			break // end of block
		}
		for !d.decode(&bins[3*k-2]) {
			k++
			if k > d.scan.last {
				return errTooManyZeros
			}
		}
		v, err := d.acValue(bins, k, int(c.kx))
		if err != nil {
			return err
		}
		if b[k], err = d.scan.coefficient(v); err != nil {
			return err
		}
	}
	return nil
}

var errTooManyZeros = errors.New("more zero coefficients than a block has")

func (d *arithmeticDecoder) acValue(bins *[acBins]bin, k, kx int) (int, error) {
	negative := d.evenly()
	v := 1
	if large := &bins[3*k-1]; d.decode(large) {
		v = 2
		if d.decode(large) {
			rest := bins[acMagnitudeLow:acMagnitudeHigh]
			if k > kx {
				rest = bins[acMagnitudeHigh:]
			}
			var err error
			if v, err = d.magnitude(rest, 2); err != nil {
				return 0, err
			}
		}
	}
	if negative {
		v = -v
	}
	return v, nil
}

// refineAC decodes a bit more of the coefficients that are not zero, and those that this bit makes so (T.81, G.1.3.3).
// The end of the block can only come after the last one that was not zero before.
func (d *arithmeticDecoder) refineAC(i int, b *block) error {
	bins := &d.acTables[d.scan.components[i].acID]
	end := d.scan.last
	for end >= d.scan.first && b[end] == 0 {
		end--
	}
	for k := d.scan.first; k <= d.scan.last; k++ {
		if k > end && d.decode(&bins[3*k-3]) {
			break
		}
		for b[k] == 0 && !d.decode(&bins[3*k-2]) {
			k++
			if k > d.scan.last {
				return errTooManyZeros
			}
		}
		switch {
		case b[k] == 0 && d.evenly():
			b[k] = -1 << d.scan.low
		case b[k] == 0:
			b[k] = 1 << d.scan.low
		case d.decode(&bins[3*k-1]):
			b[k] += sign(b[k]) << d.scan.low
		}
	}
	return nil
}

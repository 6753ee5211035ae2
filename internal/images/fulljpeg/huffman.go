package fulljpeg

import (
	"errors"
	"fmt"
	"math"
)

// A huffmanTable finds the symbol of a code (T.81, annex C).
type huffmanTable struct {
	// short holds the length and symbol of the code that starts 8 bits; 0: it is longer.
	short [256]struct{ length, symbol uint8 }
	// Of each length: the first code, and where its symbol is in symbols.
	first   [17]int
	index   [17]int
	counts  [17]int
	symbols []byte
}

// newHuffmanTable reads a table and returns how many bytes it has.
func newHuffmanTable(data []byte) (*huffmanTable, int, error) {
	if len(data) < 16 {
		return nil, 0, errors.New("huffman table cut short")
	}
	t := new(huffmanTable)
	code, n := 0, 0
	for length := 1; length <= 16; length++ {
		count := int(data[length-1])
		t.first[length], t.index[length], t.counts[length] = code, n, count
		code, n = code+count, n+count
		if code > 1<<length {
			return nil, 0, errors.New("huffman table with more codes than there are")
		}
		code <<= 1
	}
	if n > 256 || len(data) < 16+n {
		return nil, 0, fmt.Errorf("huffman table cut short or of %d codes", n)
	}
	t.symbols = data[16 : 16+n]
	t.fillShort()
	return t, 16 + n, nil
}

func (t *huffmanTable) fillShort() {
	for length := 1; length <= 8; length++ {
		same := 1 << (8 - length) // bytes that start with a code
		for i := range t.counts[length] {
			code := (t.first[length] + i) << (8 - length)
			for j := range same {
				t.short[code+j].length = uint8(length)
				t.short[code+j].symbol = t.symbols[t.index[length]+i]
			}
		}
	}
}

// A bitReader reads bits, the highest of a byte first. Past the end it reads zeros, for the caller to notice.
type bitReader struct {
	data []byte
	word uint64 // the next bits, from the highest on
	n    int    // how many they are
	past int    // how many bits past the end were added
}

func (r *bitReader) fill() {
	for ; r.n <= 56; r.n += 8 {
		if len(r.data) == 0 {
			r.past += 8
			continue
		}
		r.word |= uint64(r.data[0]) << (56 - r.n)
		r.data = r.data[1:]
	}
}

// left is negative if more bits were read than there are.
func (r *bitReader) left() int { return 8*len(r.data) + r.n - r.past }

func (r *bitReader) skip(n int) {
	r.word <<= n
	r.n -= n
}

func (r *bitReader) bits(n int) int {
	if r.n < n {
		r.fill()
	}
	v := int(r.word >> (64 - n))
	r.skip(n)
	return v
}

// signed reads a value of size bits, the lower half of which are negative (T.81, F.2.2.1: RECEIVE and EXTEND).
func (r *bitReader) signed(size int) int {
	v := r.bits(size)
	if v < 1<<size>>1 {
		v -= 1<<size - 1
	}
	return v
}

func (r *bitReader) symbol(t *huffmanTable) (byte, error) {
	if r.n < 16 {
		r.fill()
	}
	if s := t.short[r.word>>56]; s.length > 0 {
		r.skip(int(s.length))
		return s.symbol, nil
	}
	for length := 9; length <= 16; length++ {
		i := int(r.word>>(64-length)) - t.first[length]
		if i < t.counts[length] {
			r.skip(length)
			return t.symbols[t.index[length]+i], nil
		}
	}
	return 0, errors.New("a code that is not in the huffman table")
}

// A huffmanDecoder decodes the blocks of a Huffman-coded scan (T.81, F.2.2 and G.1.2).
type huffmanDecoder struct {
	scan       *scan
	runs       bool // progressive: there may be runs of blocks without further coefficients
	bits       bitReader
	prediction [4]int
	run        int // blocks left in the run
}

func (d *huffmanDecoder) start(coded []byte) {
	d.bits = bitReader{data: coded}
	d.prediction = [4]int{}
	d.run = 0
}

func (d *huffmanDecoder) end() error {
	if err := d.check(); err != nil {
		return err
	}
	if d.run > 0 {
		return fmt.Errorf("a run of %d blocks more than there are", d.run)
	}
	// Less than a byte is padding, and a byte of ones, which some cameras add.
	if left := d.bits.left(); left >= 16 || left >= 8 && d.bits.bits(left) != 1<<left-1 {
		return fmt.Errorf("%d bytes are left over", left/8)
	}
	return nil
}

func (d *huffmanDecoder) check() error {
	if d.bits.left() < 0 {
		return errors.New("the data ends too early")
	}
	return nil
}

func (d *huffmanDecoder) dc(i int, b *block) error {
	size, err := d.bits.symbol(d.scan.components[i].dc)
	if err != nil {
		return err
	}
	if size > 16 {
		return fmt.Errorf("DC difference of %d bits", size)
	}
	d.prediction[i] += d.bits.signed(int(size))
	if b[0], err = d.scan.coefficient(d.prediction[i]); err != nil {
		return err
	}
	return d.check()
}

// coefficient puts a value to the bits that a scan gives.
func (s *scan) coefficient(v int) (int16, error) {
	v <<= s.low
	if v < -math.MaxInt16 || v > math.MaxInt16 {
		return 0, fmt.Errorf("coefficient of value %d", v)
	}
	return int16(v), nil
}

func (d *huffmanDecoder) refineDC(_ int, b *block) error {
	b[0] |= int16(d.bits.bits(1) << d.scan.low)
	return d.check()
}

func (d *huffmanDecoder) ac(i int, b *block) error {
	if d.run > 0 {
		d.run--
		return nil
	}
	table := d.scan.components[i].ac
	for k := max(d.scan.first, 1); k <= d.scan.last; k++ {
		symbol, err := d.bits.symbol(table)
		if err != nil {
			return err
		}
		zeros, size := int(symbol>>4), int(symbol&15)
		if size == 0 && zeros < 15 {
			if err := d.startRun(zeros); err != nil {
				return err
			}
			d.run--
			break
		}
		k += zeros
		if k > d.scan.last {
			return errors.New("more coefficients than a block has")
		}
		if size == 0 {
			continue
		}
		if b[k], err = d.scan.coefficient(d.bits.signed(size)); err != nil {
			return err
		}
	}
	return d.check()
}

// startRun begins a run of blocks, this one included, without further coefficients.
func (d *huffmanDecoder) startRun(size int) error {
	if size > 0 && !d.runs {
		return errors.New("a run of blocks in a sequential scan")
	}
	d.run = 1<<size + d.bits.bits(size)
	return nil
}

// refineAC decodes a bit more of the coefficients that are not zero, and those that this bit makes so (T.81, G.1.2.3).
func (d *huffmanDecoder) refineAC(i int, b *block) error {
	table := d.scan.components[i].ac
	k := d.scan.first
	for d.run == 0 && k <= d.scan.last {
		symbol, err := d.bits.symbol(table)
		if err != nil {
			return err
		}
		zeros, size := int(symbol>>4), int(symbol&15)
		if size > 1 {
			return fmt.Errorf("a refinement of %d bits", size)
		}
		if size == 0 && zeros < 15 {
			if err := d.startRun(zeros); err != nil {
				return err
			}
			break
		}
		value := int16(0)
		if size == 1 {
			value = int16(2*d.bits.bits(1)-1) << d.scan.low
		}
		k = d.refineNonzero(b, k, zeros)
		if k > d.scan.last {
			return errors.New("more coefficients than a block has")
		}
		b[k] = value
		k++
	}
	if d.run > 0 {
		d.run--
		d.refineNonzero(b, k, 64)
	}
	return d.check()
}

// refineNonzero refines coefficients from k on, until it has passed that many zeros, and returns the place of the zero
// after them.
func (d *huffmanDecoder) refineNonzero(b *block, k, zeros int) int {
	for ; k <= d.scan.last; k++ {
		if b[k] == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		if d.bits.bits(1) == 1 {
			b[k] += sign(b[k]) << d.scan.low
		}
	}
	return k
}

// sign returns ±1.
func sign(v int16) int16 {
	if v < 0 {
		return -1
	}
	return 1
}

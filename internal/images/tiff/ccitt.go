package tiff

import (
	"errors"
	"fmt"
)

// The bits of tagT4Options.
const (
	t4TwoDimensional = 1
	t4Uncompressed   = 2
)

var (
	errFaxCode   = errors.New("invalid CCITT code")
	errFaxRow    = errors.New("a CCITT row doesn't end at the picture's width")
	errFaxMarker = errors.New("a CCITT row doesn't start with its marker")
)

// A faxReader reads CCITT compression (ITU-T T.4 and T.6). A row is kept as its changes: the ascending positions where
// it turns to black, to white, to black and so on.
type faxReader struct {
	bits      faxBits
	width     int
	changes   []int
	reference []int // the changes of the row before
}

// faxRows returns the rows of a chunk, one bit a pixel, black being 1.
func (p *page) faxRows(data []byte) rowFunc {
	r := &faxReader{bits: faxBits{data: data}, width: p.chunkWidth}
	read := p.faxRowReader(r)
	buf := make([]byte, p.rowBytes())
	return func() ([]byte, error) {
		r.changes, r.reference = r.reference[:0], r.changes
		if err := read(); err != nil {
			return nil, err
		}
		r.paint(buf)
		return buf, nil
	}
}

// faxRowReader returns what reads the changes of the next row.
func (p *page) faxRowReader(r *faxReader) func() error {
	switch p.compression {
	case compressionRLE:
		return func() error { r.bits.align(8); return r.oneDimensional() }
	case compressionRLEWord:
		return func() error { r.bits.align(16); return r.oneDimensional() }
	case compressionGroup4:
		return r.twoDimensional
	}
	return func() error { return r.group3(p.t4Options) }
}

// group3 reads a row that starts with the marker of a line's end, if it has one: there are files without any. With two
// dimensions a bit after it says which kind the row is.
func (r *faxReader) group3(options int) error {
	if options&t4Uncompressed != 0 {
		return unsupported("CCITT's uncompressed mode")
	}
	const zeros = 11
	marked := r.bits.peek(zeros) == 0
	if marked {
		if !r.bits.skipZeros() {
			return errTruncated
		}
		r.bits.skip(1)
	}
	if options&t4TwoDimensional == 0 {
		return r.oneDimensional()
	}
	if !marked {
		return errFaxMarker
	}
	one := r.bits.peek(1) == 1
	r.bits.skip(1)
	if one {
		return r.oneDimensional()
	}
	return r.twoDimensional()
}

// oneDimensional reads runs of white and black in turn.
func (r *faxReader) oneDimensional() error {
	for at := 0; at < r.width; {
		n, err := r.run()
		if err != nil {
			return err
		}
		at += n
		if err := r.change(at); err != nil {
			return err
		}
	}
	return nil
}

// twoDimensional reads how the row differs from the one before. In T.6 at is a0, and the next two changes of the row
// before, to this color's opposite and back, b1 and b2.
func (r *faxReader) twoDimensional() error {
	at, next := -1, 0
	for at < r.width {
		mode := faxModes()[r.bits.peek(faxModeBits)]
		if err := r.bits.take(int(mode.bits)); err != nil {
			return err
		}
		next = r.nextChange(at, next)
		switch mode.value {
		case faxPass:
			at = r.referenceAt(next + 1)
		case faxHorizontal:
			at = max(at, 0)
			for range 2 {
				n, err := r.run()
				if err != nil {
					return err
				}
				at += n
				if err := r.change(at); err != nil {
					return err
				}
			}
		case faxExtension:
			return unsupported("CCITT's uncompressed mode")
		default:
			to := r.referenceAt(next) + int(mode.value)
			if to < at {
				return errFaxRow
			}
			at = to
			if err := r.change(at); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextChange returns which change of the row before is the first one after at that turns to the color which this row
// doesn't have at at. It is near the one found before.
func (r *faxReader) nextChange(at, near int) int {
	for near > 0 && r.referenceAt(near-1) > at {
		near--
	}
	for near < len(r.reference) && r.reference[near] <= at {
		near++
	}
	if near%2 != len(r.changes)%2 {
		near++
	}
	return near
}

func (r *faxReader) referenceAt(i int) int {
	if i < len(r.reference) {
		return r.reference[i]
	}
	return r.width
}

// change adds a change, be it that of a run of no pixels: there are encoders that take these, too, for changes when
// they code the next row.
func (r *faxReader) change(at int) error {
	if at < 0 || at > r.width {
		return errFaxRow
	}
	r.changes = append(r.changes, at)
	return nil
}

// run reads the length of a run of the row's present color.
func (r *faxReader) run() (int, error) {
	table := faxRuns()[len(r.changes)%2]
	for n := 0; ; {
		code := table[r.bits.peek(faxRunBits)]
		if code.bits == 0 {
			return 0, fmt.Errorf("%w after %d bytes", errFaxCode, r.bits.at)
		}
		if err := r.bits.take(int(code.bits)); err != nil {
			return 0, err
		}
		n += int(code.value)
		if code.value < 64 {
			return n, nil
		}
		if n > r.width {
			return 0, errFaxRow
		}
	}
}

// paint sets the bits of the row's black pixels.
func (r *faxReader) paint(row []byte) {
	clear(row)
	for i := 0; i < len(r.changes); i += 2 {
		end := r.width
		if i+1 < len(r.changes) {
			end = r.changes[i+1]
		}
		for x := r.changes[i]; x < end; {
			if x%8 == 0 && x+8 <= end {
				row[x/8] = 0xff
				x += 8
				continue
			}
			row[x/8] |= 0x80 >> (x % 8)
			x++
		}
	}
}

// faxBits reads bits, the highest of a byte first.
type faxBits struct {
	data []byte
	at   int    // the next byte of data
	acc  uint64 // its highest n bits are still to be read
	n    int
}

// fill makes at least 32 bits ready, with zeros after the end of the data.
func (b *faxBits) fill() {
	for b.n <= 56 && b.at < len(b.data) {
		b.acc |= uint64(b.data[b.at]) << (56 - b.n)
		b.at++
		b.n += 8
	}
}

func (b *faxBits) peek(n int) uint32 {
	if b.n < n {
		b.fill()
	}
	return uint32(b.acc >> (64 - n))
}

// take skips bits that peek has returned; zero bits stand for a code that isn't valid.
func (b *faxBits) take(n int) error {
	if n == 0 {
		return errFaxCode
	}
	if n > b.n {
		return errTruncated
	}
	b.skip(n)
	return nil
}

func (b *faxBits) skip(n int) {
	b.acc <<= n
	b.n = max(b.n-n, 0)
}

// skipZeros skips to the next 1, if there is any.
func (b *faxBits) skipZeros() bool {
	for b.peek(1) == 0 {
		if b.n == 0 {
			return false
		}
		b.skip(1)
	}
	return true
}

// align skips to the next multiple of n bits from the start of the data.
func (b *faxBits) align(n int) {
	b.skip((8*b.at + b.n) % n) // for n = 8 and 16, where adding 8·at is the same as taking it away
}

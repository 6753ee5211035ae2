package tiff

import (
	"errors"
	"io"
)

const (
	lzwClear    = 256
	lzwEnd      = 257
	lzwFirst    = 258
	lzwCodes    = 1 << 12
	lzwMinWidth = 9
	lzwMaxWidth = 12
)

var errLZWCode = errors.New("invalid LZW code")

// An lzwReader reads LZW as TIFF has it. golang.org/x/image/tiff/lzw panics when a table isn't cleared in time, and
// doesn't read the kind of files before TIFF 5.0.
type lzwReader struct {
	data []byte
	// old: the codes' bits start at the lowest one of a byte, and a code gets longer when the table is full. In TIFF
	// 5.0 that is one code earlier.
	old   bool
	acc   uint32
	nbits int

	width   int // of a code
	next    int // the code that the next string gets
	last    int // the code before, or -1
	prefix  [lzwCodes]uint16
	suffix  [lzwCodes]byte
	buf     [lzwCodes]byte
	pending []byte // the end of buf, decoded and not yet read
}

func newLZWReader(data []byte) *lzwReader {
	// Data starts with a code to clear, of nine bits: 0x80 0x00, or in the old order 0x00 0x01.
	r := &lzwReader{data: data, old: len(data) > 1 && data[0] == 0 && data[1]&1 == 1}
	r.clear()
	return r
}

func (r *lzwReader) clear() {
	r.width, r.next, r.last = lzwMinWidth, lzwFirst, -1
}

func (r *lzwReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.pending) == 0 {
			if err := r.decode(); err != nil {
				return n, err
			}
		}
		copied := copy(p[n:], r.pending)
		r.pending = r.pending[copied:]
		n += copied
	}
	return n, nil
}

// decode makes the next string pending.
func (r *lzwReader) decode() error {
	code, ok := r.code()
	for ok && code == lzwClear {
		r.clear()
		code, ok = r.code()
	}
	if !ok || code == lzwEnd {
		return io.EOF
	}
	// The string after the last one is known by its code before it is in the table.
	unknown := code == r.next && r.last >= 0
	if code >= r.next && !unknown {
		return errLZWCode
	}
	at := len(r.buf)
	walk := code
	if unknown {
		at-- // for its last byte, which is its first one
		walk = r.last
	}
	for ; walk >= lzwFirst; walk = int(r.prefix[walk]) {
		at--
		r.buf[at] = r.suffix[walk]
	}
	at--
	r.buf[at] = byte(walk)
	if unknown {
		r.buf[len(r.buf)-1] = byte(walk)
	}
	r.pending = r.buf[at:]
	r.add(byte(walk))
	r.last = code
	return nil
}

// add puts the last string and one more byte into the table, if there is room.
func (r *lzwReader) add(b byte) {
	if r.last < 0 || r.next == lzwCodes {
		return
	}
	r.prefix[r.next], r.suffix[r.next] = uint16(r.last), b
	r.next++
	early := 1
	if r.old {
		early = 0
	}
	if r.next+early == 1<<r.width && r.width < lzwMaxWidth {
		r.width++
	}
}

func (r *lzwReader) code() (int, bool) {
	for r.nbits < r.width {
		if len(r.data) == 0 {
			return 0, false
		}
		if r.old {
			r.acc |= uint32(r.data[0]) << r.nbits
		} else {
			r.acc = r.acc<<8 | uint32(r.data[0])
		}
		r.data = r.data[1:]
		r.nbits += 8
	}
	r.nbits -= r.width
	mask := uint32(1)<<r.width - 1
	if r.old {
		code := r.acc & mask
		r.acc >>= r.width
		return int(code), true
	}
	return int(r.acc >> r.nbits & mask), true
}

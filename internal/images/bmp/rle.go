package bmp

import "errors"

// expand turns run-length coded pixels into uncompressed ones, 4 bits becoming 8. Pixels that the coding skips are 0.
func (h *header) expand() ([]byte, error) {
	_, stride := rowSize(h.width, max(h.bits, 8))
	e := expander{header: h, src: h.pixels, dst: make([]byte, stride*h.height), stride: stride}
	for ended := false; !ended && !e.complete(); {
		var err error
		if ended, err = e.step(); err != nil {
			return nil, err
		}
	}
	return e.dst, nil
}

type expander struct {
	*header
	src, dst []byte
	stride   int
	x, y     int // where the next pixel goes
}

// complete is true after the last pixel, where some writers leave out the end marker.
func (e *expander) complete() bool {
	return e.y >= e.height || e.y == e.height-1 && e.x >= e.width
}

// What may follow a count of 0; a greater number counts pixels that differ.
const (
	endOfRow    = 0
	endOfBitmap = 1
	delta       = 2
)

func (e *expander) step() (ended bool, err error) {
	count, err := e.take(1)
	if err != nil {
		return false, err
	}
	if n := int(count[0]); n > 0 {
		return false, e.run(n)
	}
	code, err := e.take(1)
	if err != nil {
		return false, err
	}
	switch code[0] {
	case endOfRow:
		e.x, e.y = 0, e.y+1
	case endOfBitmap:
		return true, nil
	case delta:
		return false, e.skip()
	default:
		return false, e.literal(int(code[0]))
	}
	return false, nil
}

// run repeats one pixel n times, of 4 bits two in turn.
func (e *expander) run(n int) error {
	value, err := e.take(max(e.bits/8, 1))
	if err != nil {
		return err
	}
	to, err := e.room(n)
	if err != nil {
		return err
	}
	if e.bits == 4 {
		for i := range to {
			to[i] = nibble(value, i%2)
		}
		return nil
	}
	for done := copy(to, value); done < len(to); done *= 2 {
		copy(to[done:], to[:done])
	}
	return nil
}

// literal copies n pixels, which are padded to an even number of bytes.
func (e *expander) literal(n int) error {
	used := (n*e.bits + 7) / 8
	values, err := e.take(used + used%2)
	if err != nil {
		return err
	}
	to, err := e.room(n)
	if err != nil {
		return err
	}
	if e.bits == 4 {
		for i := range to {
			to[i] = nibble(values, i)
		}
		return nil
	}
	copy(to, values)
	return nil
}

func nibble(values []byte, i int) byte {
	return values[i/2] >> (4 * (1 - i%2)) & 15
}

// skip moves to the right and to a later row.
func (e *expander) skip() error {
	by, err := e.take(2)
	if err != nil {
		return err
	}
	e.x, e.y = e.x+int(by[0]), e.y+int(by[1])
	if e.x > e.width || e.y >= e.height {
		return errors.New("run-length coding leaves the picture")
	}
	return nil
}

// take returns the next n bytes.
func (e *expander) take(n int) ([]byte, error) {
	if len(e.src) < n {
		return nil, errTruncated
	}
	taken := e.src[:n]
	e.src = e.src[n:]
	return taken, nil
}

// room returns where the next n pixels of the row go. Old versions of ImageMagick code the padding of an uncompressed
// row, too.
func (e *expander) room(n int) ([]byte, error) {
	size := max(e.bits/8, 1)
	row := e.dst[e.y*e.stride:][:e.stride]
	from, to := e.x*size, (e.x+n)*size
	if to > len(row) {
		return nil, errors.New("a run leaves its row")
	}
	e.x += n
	return row[from:to], nil
}

package tiff

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// A row is a part of a row of the picture, n pixels from (x, y) on, as one chunk has it: the bytes of the pixels, or
// those of each plane.
type row struct {
	x, y, n int
	planes  [][]byte
}

// A rowFunc returns the next row of a chunk, which is valid until the next call.
type rowFunc func() ([]byte, error)

// A chunk is a strip or a tile of one plane.
type chunk struct {
	index int
	data  []byte
	rows  int // how many of its rows are in the picture
}

// name returns what errors call the chunk.
func (c chunk) name() string {
	return fmt.Sprintf("strip or tile %d", c.index)
}

// eachRow calls visit with every row of every chunk, decompressed.
func (p *page) eachRow(visit func(row)) error {
	decompressors := make([]decompressor, len(p.planes()))
	defer func() {
		for i := range decompressors {
			decompressors[i].close()
		}
	}()
	for i := range p.across() * p.down() {
		if err := p.readChunk(i, decompressors, visit); err != nil {
			return err
		}
	}
	return nil
}

// readChunk reads the i-th chunk of all planes at once, row by row.
func (p *page) readChunk(i int, decompressors []decompressor, visit func(row)) error {
	planes := p.planes()
	chunks := make([]chunk, len(planes))
	next := make([]rowFunc, len(planes))
	for j, plane := range planes {
		var err error
		if chunks[j], err = p.chunk(i, plane); err != nil {
			return err
		}
		if next[j], err = p.open(&decompressors[j], chunks[j]); err != nil {
			return fmt.Errorf("%s: %w", chunks[j].name(), err)
		}
	}
	left, top := i%p.across()*p.chunkWidth, i/p.across()*p.chunkHeight
	r := row{x: left, n: min(p.chunkWidth, p.width-left), planes: make([][]byte, len(planes))}
	for y := range chunks[0].rows {
		r.y = top + y
		for j := range planes {
			var err error
			if r.planes[j], err = next[j](); err != nil {
				return fmt.Errorf("%s: row %d: %w", chunks[j].name(), y, err)
			}
		}
		visit(r)
	}
	return nil
}

// chunk returns the i-th chunk of a plane, in the order in which they are read.
func (p *page) chunk(i, plane int) (chunk, error) {
	top := i / p.across() * p.chunkHeight
	c := chunk{index: plane*p.across()*p.down() + i, rows: min(p.chunkHeight, p.height-top)}
	at, end := p.offsets.at(c.index), uint64(len(p.data))
	if at < 8 || at >= end {
		return c, fmt.Errorf("%s has no data in the file", c.name())
	}
	c.data = p.data[at:min(end, p.chunkEnd(c.index))]
	return c, nil
}

// chunkEnd returns where a chunk's data ends in the file, if it is known. Counts of bytes may be missing.
func (p *page) chunkEnd(index int) uint64 {
	const unknown = math.MaxUint64
	at := p.offsets.at(index)
	switch {
	case p.compression == compressionNone && p.offsets.len() == 1:
		return unknown // the size is certain, and the count needn't be right
	case index < p.counts.len() && p.counts.at(index) > 0:
		return at + min(p.counts.at(index), unknown-at)
	case index+1 < p.offsets.len() && p.offsets.at(index+1) > at:
		return p.offsets.at(index + 1)
	}
	return unknown
}

// checkData holds the size that the header claims against the data, before anything of that size is allocated. Chunks
// may share data, but not to make endless work.
func (p *page) checkData() error {
	const shared = 16
	left := shared * len(p.data)
	for _, plane := range p.planes() {
		for i := range p.across() * p.down() {
			c, err := p.chunk(i, plane)
			if err != nil {
				return err
			}
			bytes := uint64(p.storedRows(c.rows)) * uint64(p.storedRowBytes())
			if bytes/p.densest() > uint64(len(c.data)) {
				return fmt.Errorf("%s: its %d bytes can't hold %d rows", c.name(), len(c.data), c.rows)
			}
			if left -= len(c.data); left < 0 {
				return errors.New("the strips or tiles overlap")
			}
		}
	}
	return nil
}

// open returns the rows of a chunk, as they were before the compression.
func (p *page) open(d *decompressor, c chunk) (rowFunc, error) {
	if p.isJPEG() {
		return p.jpegRows(c)
	}
	data := c.data
	if p.reversedBits {
		data = make([]byte, len(c.data))
		for i, b := range c.data {
			data[i] = bits.Reverse8(b)
		}
	}
	if p.isFax() {
		return p.faxRows(data), nil
	}
	next, err := p.byteRows(d, data, p.storedRows(c.rows))
	if err != nil || !p.isSubsampled() {
		return next, err
	}
	return p.spreadChroma(next), nil
}

// rowBytes returns the bytes of a row of a chunk's pixels.
func (p *page) rowBytes() int {
	return (p.chunkWidth*p.stored()*p.bits + 7) / 8
}

// storedRowBytes and storedRows differ from what they are in the picture where chroma is subsampled: a stored row is
// then one of blocks.
func (p *page) storedRowBytes() int {
	if !p.isSubsampled() {
		return p.rowBytes()
	}
	return (p.chunkWidth + p.subsampling[0] - 1) / p.subsampling[0] * p.blockBytes()
}

func (p *page) storedRows(rows int) int {
	return (rows + p.subsampling[1] - 1) / p.subsampling[1]
}

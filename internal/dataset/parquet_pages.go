package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// plainPages shows a Parquet file as if its columns were not compressed. The library unpacks a page to whatever it
// grows, believes whatever number of values its header claims, and of LZ4_RAW it loses pages that hardly shrink
// (images) and never ends on a damaged one. Here a page has the size that its header says, and no more values than make
// sense, or is an error.
//
// What is shown: the file's own bytes; behind them, far apart, each such column chunk, unpacked page by page as it is
// read; and a footer that points there.
type plainPages struct {
	file   io.ReaderAt
	size   int64 // of the file
	chunks []*packedChunk
	footer []byte
}

// chunkSpace is how far the unpacked chunks are apart: more than any chunk has.
const chunkSpace = 1 << 42

// unpacked are the codecs that are unpacked here: all that the library knows.
var unpacked = map[format.CompressionCodec]func(page []byte, size int) ([]byte, error){
	format.Uncompressed: func(page []byte, _ int) ([]byte, error) { return page, nil },
	format.Snappy: func(page []byte, size int) ([]byte, error) {
		if n, err := s2.DecodedLen(page); err != nil || n != size {
			return nil, fmt.Errorf("it claims to unpack to %d bytes", n)
		}
		return s2.Decode(nil, page)
	},
	format.Brotli: func(page []byte, size int) ([]byte, error) {
		return io.ReadAll(io.LimitReader(brotli.NewReader(bytes.NewReader(page)), int64(size)+1))
	},
	format.Lz4Raw: func(page []byte, size int) ([]byte, error) {
		out := make([]byte, size)
		n, err := lz4.UncompressBlock(page, out)
		return out[:max(n, 0)], err
	},
	format.Gzip: func(page []byte, size int) ([]byte, error) {
		in, err := gzip.NewReader(bytes.NewReader(page))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(in, int64(size)+1))
	},
	format.Zstd: func(page []byte, size int) ([]byte, error) {
		in, err := zstd.NewReader(bytes.NewReader(page), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		defer in.Close()
		return io.ReadAll(io.LimitReader(in, int64(size)+1))
	},
}

// withPlainPages opens the file once more where columns need it.
func withPlainPages(file *parquet.File, in io.ReaderAt, size int64, options ...parquet.FileOption) (*parquet.File, error) {
	shown := &plainPages{file: in, size: size}
	metadata := *file.Metadata()
	metadata.RowGroups = slices.Clone(metadata.RowGroups)
	for i := range metadata.RowGroups {
		group := &metadata.RowGroups[i]
		group.Columns = slices.Clone(group.Columns)
		for j := range group.Columns {
			m := &group.Columns[j].MetaData
			if unpack := unpacked[m.Codec]; unpack != nil {
				shown.show(m, unpack)
			}
		}
	}
	if shown.chunks == nil {
		return file, nil
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &metadata)
	if err != nil {
		return nil, err
	}
	shown.footer = append(binary.LittleEndian.AppendUint32(footer, uint32(len(footer))), "PAR1"...)
	return parquet.OpenFile(shown, shown.footerAt()+int64(len(shown.footer)), options...)
}

// show adds a column chunk, and points its metadata at what is shown.
func (s *plainPages) show(m *format.ColumnMetaData, unpack func([]byte, int) ([]byte, error)) {
	start := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		start = m.DictionaryPageOffset
	}
	s.chunks = append(s.chunks, &packedChunk{file: s.file, next: start, end: min(start+m.TotalCompressedSize, s.size), unpack: unpack})
	m.Codec = format.Uncompressed
	at := int64(len(s.chunks)) * chunkSpace
	if m.DictionaryPageOffset != 0 {
		m.DictionaryPageOffset = at
	}
	m.DataPageOffset, m.TotalCompressedSize = at, chunkSpace/2
}

func (s *plainPages) footerAt() int64 { return int64(len(s.chunks)+1) * chunkSpace }

// ReadAt implements io.ReaderAt.
func (s *plainPages) ReadAt(p []byte, offset int64) (int, error) {
	switch i := offset / chunkSpace; {
	case i == 0:
		return s.file.ReadAt(p, offset)
	case offset >= s.footerAt():
		return bytes.NewReader(s.footer).ReadAt(p, offset-s.footerAt())
	default:
		return s.chunks[i-1].readAt(p, offset%chunkSpace)
	}
}

// packedChunk is the pages of a column of a row group.
type packedChunk struct {
	file   io.ReaderAt
	end    int64 // in the file
	unpack func(page []byte, size int) ([]byte, error)

	mu      sync.Mutex
	next    int64 // in the file: where the first page begins that was not seen yet
	pages   []seenPage
	current int    // of pages
	bytes   []byte // of the current one as it is shown, nil for none
	ahead   []byte // what was read of the file, from aheadAt on
	aheadAt int64
}

// stored returns n bytes of the file, of which a request brings more than one page.
func (c *packedChunk) stored(at, n int64) ([]byte, error) {
	if end := c.aheadAt + int64(len(c.ahead)); at < c.aheadAt || at+n > end {
		var have []byte // the beginning, as far as it is there
		if at >= c.aheadAt && at < end {
			have = c.ahead[at-c.aheadAt:]
		}
		from := at + int64(len(have))
		ahead := make([]byte, int64(len(have))+min(max(at+n-from, parquetBuffer), c.end-from))
		copy(ahead, have)
		c.ahead, c.aheadAt = ahead, at
		if _, err := c.file.ReadAt(ahead[len(have):], from); err != nil {
			c.ahead = nil
			return nil, cutShort(err)
		}
	}
	from := at - c.aheadAt
	return c.ahead[from : from+n : from+n], nil
}

// seenPage is where a page begins in the file, and from where to where it is shown.
type seenPage struct{ at, from, to int64 }

func (c *packedChunk) readAt(p []byte, offset int64) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(p) {
		page, err := c.page(offset)
		if err != nil {
			return n, err
		}
		read := copy(p[n:], page)
		n, offset = n+read, offset+int64(read)
	}
	return n, nil
}

// page returns what is shown of a page from an offset in it on.
func (c *packedChunk) page(offset int64) ([]byte, error) {
	for len(c.pages) == 0 || offset >= c.pages[len(c.pages)-1].to {
		if c.next >= c.end {
			c.bytes, c.ahead = nil, nil // most likely nobody reads it again
			return nil, io.EOF
		}
		if err := c.load(len(c.pages), c.next); err != nil {
			return nil, err
		}
	}
	i, _ := slices.BinarySearchFunc(c.pages, offset, func(p seenPage, offset int64) int {
		if p.to <= offset {
			return -1
		}
		return 1
	})
	if c.bytes == nil || c.current != i {
		if err := c.load(i, c.pages[i].at); err != nil {
			return nil, err
		}
	}
	return c.bytes[offset-c.pages[i].from:], nil
}

// load makes a page the current one, and remembers a new one.
func (c *packedChunk) load(i int, at int64) error {
	header, length, err := c.header(at)
	if err != nil {
		return err
	}
	body := at + int64(length)
	size, packed := int64(header.UncompressedPageSize), int64(header.CompressedPageSize)
	if packed < 0 || packed > c.end-body || size < 0 || size > freeExpansion && size/maxExpansion > packed {
		return fmt.Errorf("a page claims %d bytes, packed into %d", size, packed)
	}
	data, err := c.stored(body, packed)
	if err != nil {
		return err
	}
	if n := valuesOf(header); n < 0 || n > maxPageValues {
		return fmt.Errorf("a page claims %d values, at most %d are read", n, maxPageValues)
	}
	if data, err = c.plain(header, data); err != nil {
		return err
	}
	header.CompressedPageSize, header.CRC = int32(len(data)), 0
	shown, err := thrift.Marshal(new(thrift.CompactProtocol), header)
	if err != nil {
		return err
	}
	c.bytes, c.current = slices.Concat(shown, data), i
	if i == len(c.pages) {
		from := int64(0)
		if i > 0 {
			from = c.pages[i-1].to
		}
		c.pages = append(c.pages, seenPage{at, from, from + int64(len(c.bytes))})
		c.next = body + packed
	}
	return nil
}

// maxPageValues bounds the values of a page, each of which takes some bytes when it is read, even if it takes none in
// the file.
const maxPageValues = 1 << 24

func valuesOf(header *format.PageHeader) int32 {
	switch header.Type {
	case format.DataPageV2:
		return header.DataPageHeaderV2.V.NumValues
	case format.DictionaryPage:
		return header.DictionaryPageHeader.V.NumValues
	}
	return header.DataPageHeader.V.NumValues
}

// plain unpacks a page: of version 2 without the levels at its beginning, which are never packed.
func (c *packedChunk) plain(header *format.PageHeader, data []byte) ([]byte, error) {
	levels := 0
	if header.Type == format.DataPageV2 {
		v2 := header.DataPageHeaderV2.V
		levels = int(v2.RepetitionLevelsByteLength) + int(v2.DefinitionLevelsByteLength)
		if v2.IsCompressed.Valid && !v2.IsCompressed.V {
			return data, nil
		}
	}
	size := int(header.UncompressedPageSize) - levels
	if levels < 0 || levels > len(data) || size < 0 {
		return nil, errors.New("a page's levels are longer than the page")
	}
	if levels == len(data) && size == 0 {
		return data, nil
	}
	values, err := c.unpack(data[levels:], size)
	if err != nil {
		return nil, fmt.Errorf("a page can't be unpacked: %w", err)
	}
	if len(values) != size {
		return nil, fmt.Errorf("a page has not the %d bytes that it claims", size)
	}
	if levels == 0 {
		return values, nil
	}
	return slices.Concat(data[:levels], values), nil
}

const (
	headerWindow = 4 << 10  // holds most headers
	maxHeader    = 16 << 20 // some writers put whole values into them, as statistics
)

// header reads the header of a page, and says how long it is.
func (c *packedChunk) header(at int64) (*format.PageHeader, int, error) {
	for window := int64(headerWindow); ; window *= 8 {
		window = min(window, c.end-at)
		text, err := c.stored(at, window)
		if err != nil {
			return nil, 0, err
		}
		header := new(format.PageHeader)
		protocol := thrift.CompactProtocol{}
		in := protocol.NewReaderFromBytes(text)
		if err = thrift.NewDecoder(in).Decode(header); err == nil {
			return header, in.BytesRead(), nil
		}
		if window == c.end-at || window >= maxHeader {
			return nil, 0, fmt.Errorf("a page's header: %w", cutShort(err))
		}
	}
}

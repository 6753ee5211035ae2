package tiff

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// The values of tagCompression that are read.
const (
	compressionNone       = 1
	compressionRLE        = 2
	compressionGroup3     = 3
	compressionGroup4     = 4
	compressionLZW        = 5
	compressionOldJPEG    = 6
	compressionJPEG       = 7
	compressionDeflate    = 8
	compressionRLEWord    = 32771 // RLE whose rows start at even bytes
	compressionPackBits   = 32773
	compressionOldDeflate = 32946
	compressionZstd       = 50000
)

// maxWindow bounds what a Zstandard header may have allocated: the window of the highest level of compression.
const maxWindow = 1 << 27

// readCompression checks that the samples' compression can be read.
func (p *page) readCompression(d *directory) error {
	switch p.compression {
	case compressionNone, compressionPackBits:
		p.predictor = predictorNone
		return nil
	case compressionLZW, compressionDeflate, compressionOldDeflate, compressionZstd:
		return p.checkPredictor()
	case compressionRLE, compressionRLEWord, compressionGroup3, compressionGroup4:
		if p.bits != 1 || p.stored() != 1 {
			return unsupported("CCITT compression of %d×%d bits", p.stored(), p.bits)
		}
		return nil
	case compressionJPEG, compressionOldJPEG:
		if p.bits != 8 || p.format != formatUnsigned {
			return unsupported("JPEG with samples of %d bits", p.bits)
		}
		if p.compression == compressionOldJPEG {
			return p.readOldJPEG(d)
		}
		return nil
	}
	return unsupported("compression %d", p.compression)
}

func (p *page) isJPEG() bool {
	return p.compression == compressionJPEG || p.compression == compressionOldJPEG
}

func (p *page) isFax() bool {
	switch p.compression {
	case compressionRLE, compressionRLEWord, compressionGroup3, compressionGroup4:
		return true
	}
	return false
}

// densest returns the most bytes of pixels that a byte of the file can hold.
func (p *page) densest() uint64 {
	switch p.compression {
	case compressionNone:
		return 1
	case compressionPackBits:
		return 64 // two bytes for 128
	case compressionLZW:
		return 8 * lzwCodes / 12 // 12 bits for a string, which is shorter than the table
	case compressionDeflate, compressionOldDeflate:
		return 1032
	case compressionZstd:
		return 1 << 15 // four bytes for a block of 128 KiB
	case compressionJPEG, compressionOldJPEG:
		return 8 * 512 * uint64(p.stored()) // one bit for a block of 32×16 pixels, of 4:1:0 chroma
	}
	return 8 * uint64(p.rowBytes()) // one bit for a row that is as the one before
}

// A decompressor keeps what can be used again for the next chunk.
type decompressor struct {
	bytes   bytes.Reader
	inflate io.ReadCloser
	zstd    *zstd.Decoder
}

func (d *decompressor) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}

// open returns a reader of the data, decompressed.
func (d *decompressor) open(compression int, data []byte) (io.Reader, error) {
	d.bytes.Reset(data)
	switch compression {
	case compressionPackBits:
		return &packBitsReader{data: data}, nil
	case compressionLZW:
		return newLZWReader(data), nil
	case compressionDeflate, compressionOldDeflate:
		if d.inflate != nil {
			return d.inflate, d.inflate.(zlib.Resetter).Reset(&d.bytes, nil)
		}
		var err error
		d.inflate, err = zlib.NewReader(&d.bytes)
		return d.inflate, err
	case compressionZstd:
		if d.zstd != nil {
			return d.zstd, d.zstd.Reset(&d.bytes)
		}
		var err error
		d.zstd, err = zstd.NewReader(&d.bytes, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		return d.zstd, err
	}
	return &d.bytes, nil
}

// byteRows returns the rows of a chunk whose compression knows nothing of pixels.
func (p *page) byteRows(d *decompressor, data []byte, rows int) (rowFunc, error) {
	r, err := d.open(p.compression, data)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, p.storedRowBytes())
	undo := p.undoPredictor()
	return func() ([]byte, error) {
		if _, err := io.ReadFull(r, buf); err != nil {
			return nil, truncated(err)
		}
		undo(buf)
		if rows--; rows == 0 {
			return buf, p.checkEnd(r)
		}
		return buf, nil
	}, nil
}

// checkEnd reads on after the last row: there may be a checksum. That a chunk has more data than the picture needs is
// not an error.
func (p *page) checkEnd(r io.Reader) error {
	switch p.compression {
	case compressionDeflate, compressionOldDeflate, compressionZstd:
		var more [1]byte
		if _, err := io.ReadFull(r, more[:]); err != nil && err != io.EOF {
			return truncated(err)
		}
	}
	return nil
}

var errTruncated = errors.New("the data is truncated")

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

// A packBitsReader reads runs and literals: a byte n < 128 says that n+1 bytes follow, a byte n > 128 that the next one
// stands 257-n times, and 128 nothing.
type packBitsReader struct {
	data    []byte
	literal []byte // to be copied
	run     int    // how often value is to be repeated
	value   byte
}

// Read returns io.EOF where the data ends, within a run too.
func (r *packBitsReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.literal) == 0 && r.run == 0 && !r.next() {
			return n, io.EOF
		}
		copied := copy(p[n:], r.literal)
		r.literal = r.literal[copied:]
		n += copied
		for ; r.run > 0 && n < len(p); r.run-- {
			p[n] = r.value
			n++
		}
	}
	return n, nil
}

// next reads the start of a run or literal.
func (r *packBitsReader) next() bool {
	for len(r.data) >= 2 {
		control := int(r.data[0])
		switch {
		case control < 128:
			end := min(control+2, len(r.data))
			r.literal, r.data = r.data[1:end], r.data[end:]
			return true
		case control > 128:
			r.run, r.value, r.data = 257-control, r.data[1], r.data[2:]
			return true
		}
		r.data = r.data[1:]
	}
	return false
}

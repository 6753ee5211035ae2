package dataset

import (
	"context"
	"fmt"
	"io"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// records reads samples that are records of one size in larger objects. Neighbors are read together.
type records struct {
	bucket *storage.Bucket
	size   int64             // bytes of a record
	layout map[string]layout // by key
	decode func(record []byte) content
}

// layout is how an object holds its records: one after the other, or, where they are in several pieces, first the first
// pieces of all records, then the second ones, as a matrix in column order does.
type layout struct {
	start  int64 // offset of the first record
	stride int64 // from one record to the next; only where a record is one piece
	pieces int64 // of one size, to a record
	count  int64 // records; only needed where there are several pieces
}

const (
	// maxRequest bounds the bytes of one request, unless a single record is larger.
	maxRequest = 4 << 20
	// maxGap is how many unwanted bytes between two records are read rather than asked around.
	maxGap = 64 << 10
)

// batch is how many records one request takes.
func (r *records) batch() int { return int(max(1, maxRequest/r.size)) }

func (r *records) read(ctx context.Context, entries []entry) ([]content, error) {
	contents := make([]content, 0, len(entries))
	for len(entries) > 0 {
		together := r.together(entries)
		first := entries[0]
		data, err := r.span(ctx, r.bucket.Pin(first.key, first.Version), int64(first.row), int64(entries[together-1].row-first.row+1))
		if err != nil {
			return nil, err // it would hit all records of the file
		}
		stride := r.stride(first.key)
		for _, e := range entries[:together] {
			at := int64(e.row-first.row) * stride
			c := r.decode(data[at : at+r.size])
			if c.err != nil {
				c.err = fmt.Errorf("%s row %d: %w", e.key, e.row, c.err)
			}
			contents = append(contents, c)
		}
		entries = entries[together:]
	}
	return contents, nil
}

// span reads n whole records from the given row.
func (r *records) span(ctx context.Context, object storage.Pinned, row, n int64) ([]byte, error) {
	l := r.layout[object.Key()]
	if l.pieces == 1 {
		return object.ReadRange(ctx, l.start+row*l.stride, (n-1)*l.stride+r.size)
	}
	size := r.size / l.pieces
	data := make([]byte, n*r.size)
	for p := range l.pieces {
		pieces, err := object.ReadRange(ctx, l.start+(p*l.count+row)*size, n*size)
		if err != nil {
			return nil, err
		}
		for i := range n {
			copy(data[i*r.size+p*size:], pieces[i*size:(i+1)*size])
		}
	}
	return data, nil
}

// stride is how far the records are from each other in what span returns.
func (r *records) stride(key string) int64 {
	if l := r.layout[key]; l.pieces == 1 {
		return l.stride
	}
	return r.size
}

// together is how many of the first entries are read with one request: rows of one object, ascending. They descend
// where the splits of one object alternate.
func (r *records) together(entries []entry) int {
	n := 1
	for n < len(entries) {
		previous, next := entries[n-1], entries[n]
		gap := int64(next.row-previous.row-1) * r.stride(entries[0].key)
		span := int64(next.row-entries[0].row+1) * r.stride(entries[0].key)
		if next.key != previous.key || gap < 0 || gap > maxGap || span > maxRequest {
			break
		}
		n++
	}
	return n
}

// anyRows is how many rows a file may claim whatever its size.
const anyRows = 1 << 20

// checkRows refuses a compressed file of more rows than bytes: each would take memory before anything shows that it is
// not there.
func checkRows(name string, rows, size int64) error {
	if rows < 0 || rows > anyRows && rows > size {
		return invalid("%s claims %d rows in %d bytes", name, rows, size)
	}
	return nil
}

// readSmall reads a small text file of a format, such as the names of its labels.
func readSmall(ctx context.Context, bucket *storage.Bucket, key string) (string, error) {
	data, err := bucket.ReadAll(ctx, key, 1<<20)
	return string(data), mistake(err)
}

// scan streams an object's records of size bytes, in chunks.
func scan(ctx context.Context, object storage.Pinned, size int, visit func(row int, record []byte) error) error {
	body, err := object.OpenRange(ctx, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	chunk := make([]byte, size*max(1, maxGap/size))
	for row := 0; ; {
		n, err := io.ReadFull(body, chunk)
		if n%size != 0 {
			return invalid("%s: ends within record %d", object.Key(), row+n/size)
		}
		for at := 0; at < n; at += size {
			if err := visit(row, chunk[at:at+size]); err != nil {
				return err
			}
			row++
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

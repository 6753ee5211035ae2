package dataset

import (
	"context"
	"fmt"
	"io"

	"github.com/datasetaudit/dataset-audit/runner/storage"
)

// records reads samples that are records of one size, one after the other, in larger objects. Neighbors are read with one
// request.
type records struct {
	bucket *storage.Bucket
	size   int64            // bytes of a record
	start  map[string]int64 // by key: the offset of record 0
	decode func(record []byte) content
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
		span := int64(entries[together-1].row-first.row+1) * r.size
		data, err := r.bucket.ReadRange(ctx, first.key, r.start[first.key]+int64(first.row)*r.size, span)
		if err != nil {
			return nil, err // it would hit all records of the file
		}
		for _, e := range entries[:together] {
			at := int64(e.row-first.row) * r.size
			c := r.decode(data[at : at+r.size])
			if c.err != nil {
				c.err = fmt.Errorf("%s/%s row %d: %w", r.bucket, e.key, e.row, c.err)
			}
			contents = append(contents, c)
		}
		entries = entries[together:]
	}
	return contents, nil
}

// together is how many of the first entries are read with one request. Rows of one object ascend.
func (r *records) together(entries []entry) int {
	n := 1
	for n < len(entries) {
		previous, next := entries[n-1], entries[n]
		gap := int64(next.row-previous.row-1) * r.size
		span := int64(next.row-entries[0].row+1) * r.size
		if next.key != previous.key || gap > maxGap || span > maxRequest {
			break
		}
		n++
	}
	return n
}

// readSmall reads a small text file of a format, such as the names of its labels.
func readSmall(ctx context.Context, bucket *storage.Bucket, key string) (string, error) {
	data, err := bucket.ReadAll(ctx, key, 1<<20)
	return string(data), mistake(err)
}

// scan streams an object's records of size bytes, in chunks.
func scan(ctx context.Context, bucket *storage.Bucket, key string, size int, visit func(row int, record []byte) error) error {
	body, err := bucket.Open(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()
	chunk := make([]byte, size*max(1, maxGap/size))
	for row := 0; ; {
		n, err := io.ReadFull(body, chunk)
		if n%size != 0 {
			return invalid("%s: ends within record %d", key, row+n/size)
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

package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// parquetSource reads one column of Parquet files. A row group is a lane.
type parquetSource struct {
	bucket *storage.Bucket
	// decode makes a sample of a row's values, which are valid only meanwhile.
	decode func(e *entry, values []parquet.Value) content

	mu    sync.Mutex
	files map[string]*parquetFile // by key
	open  openLanes[*parquetLane] // of a session
}

// parquetFile is what is known of a file.
type parquetFile struct {
	object storage.Object
	column parquet.LeafColumn
	starts []int64 // the first row of each row group, and the number of all rows
	lanes  []string
	opened func(ctx context.Context) (*parquet.File, error) // once in a session
}

// parquetLane is a row group that is being read.
type parquetLane struct {
	column *parquetColumn // nil for one that is closed
	// values are those of the last row: a row may hold several samples.
	values []parquet.Value
	large  int // the length of one of them that is too large, and not kept
}

func (l *parquetLane) close() {
	if l.column != nil {
		l.column.close()
		l.column = nil
	}
}

// sample makes one of the last row.
func (l *parquetLane) sample(decode func(e *entry, values []parquet.Value) content, e *entry) content {
	c := decode(e, l.values)
	if c.err != nil && l.large > 0 {
		return tooLarge(&entry{key: e.key, size: int64(l.large)})
	}
	return c
}

func newParquetSource(bucket *storage.Bucket, decode func(e *entry, values []parquet.Value) content) *parquetSource {
	return &parquetSource{bucket: bucket, decode: decode, files: map[string]*parquetFile{}}
}

// add makes a file known whose column is to be read.
func (p *parquetSource) add(o storage.Object, file *parquet.File, column parquet.LeafColumn) {
	known := &parquetFile{object: o, column: column}
	row := int64(0)
	for i, group := range file.RowGroups() {
		known.starts = append(known.starts, row)
		known.lanes = append(known.lanes, fmt.Sprint(o.Key, "#", i))
		row += group.NumRows()
	}
	known.starts = append(known.starts, row)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[o.Key] = known
}

func (f *parquetFile) group(row int) int {
	i, exact := slices.BinarySearch(f.starts, int64(row))
	if !exact {
		i--
	}
	for i+1 < len(f.lanes) && f.starts[i+1] <= int64(row) {
		i++ // row groups without rows begin where the next does
	}
	return i
}

func (p *parquetSource) lane(e *entry) string {
	f := p.files[e.key]
	return f.lanes[f.group(e.row)]
}

func (p *parquetSource) session() (sequential, func()) {
	session := newParquetSource(p.bucket, p.decode)
	for key, known := range p.files {
		f := *known
		f.opened = once(func(ctx context.Context) (*parquet.File, error) { return openParquet(ctx, p.bucket, f.object) })
		session.files[key] = &f
	}
	return session, session.open.close
}

// once makes a function that opens a file do so at its first call.
func once(open func(ctx context.Context) (*parquet.File, error)) func(ctx context.Context) (*parquet.File, error) {
	var mu sync.Mutex
	var file *parquet.File
	return func(ctx context.Context) (*parquet.File, error) {
		mu.Lock()
		defer mu.Unlock()
		var err error
		if file == nil {
			file, err = open(ctx)
		}
		return file, err
	}
}

// read reads rows of one row group. They descend where the splits of one file alternate: the row group is then read
// again.
func (p *parquetSource) read(ctx context.Context, entries []entry) (contents []content, err error) {
	f := p.files[entries[0].key]
	group := f.group(entries[0].row)
	open := p.open.take(f.lanes[group], func() *parquetLane { return &parquetLane{} })
	defer p.open.put(open)
	lane := open.in
	err = guarded(f.object.Key, func() error {
		for i := range entries {
			e := &entries[i]
			row := int64(e.row) - f.starts[group]
			if lane.column != nil && e.offset > 0 && lane.column.row == row+1 {
				contents = append(contents, lane.sample(p.decode, e))
				continue
			}
			if lane.column != nil && lane.column.row > row {
				lane.close()
			}
			if lane.column == nil {
				if lane.column, err = f.open(ctx, group); err != nil {
					return err
				}
			}
			if err := lane.column.skipTo(row); err != nil {
				return fmt.Errorf("row %d: %w", e.row, cutShort(err))
			}
			lane.values, lane.large = nil, 0
			if err := lane.column.next(func(v parquet.Value) {
				if n := byteLength(v); n > maxSampleBytes {
					lane.large, v = n, parquet.NullValue()
				}
				lane.values = append(lane.values, v.Clone())
			}); err != nil {
				return fmt.Errorf("row %d: %w", e.row, cutShort(err))
			}
			contents = append(contents, lane.sample(p.decode, e))
		}
		if int64(entries[len(entries)-1].row)+1 == f.starts[group+1] {
			lane.close() // at its end
		}
		return nil
	})
	return contents, err
}

// open opens the column of a row group.
func (f *parquetFile) open(ctx context.Context, group int) (*parquetColumn, error) {
	file, err := f.opened(ctx)
	if err != nil {
		return nil, err
	}
	groups := file.RowGroups()
	if group >= len(groups) || f.column.ColumnIndex >= len(groups[group].ColumnChunks()) {
		return nil, errors.New("it has another schema than when it was listed")
	}
	return newParquetColumn(groups[group], f.column), nil
}

// byteLength is the length of a value of bytes, 0 of another one.
func byteLength(v parquet.Value) int {
	if v.Kind() != parquet.ByteArray {
		return 0
	}
	return len(v.ByteArray())
}

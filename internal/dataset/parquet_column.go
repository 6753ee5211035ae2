package dataset

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// parquetBuffer is what one request for a column takes.
const parquetBuffer = 1 << 20

// objectAt reads an object at any place.
type objectAt struct {
	ctx    context.Context
	object storage.Pinned
	size   int64
}

func (o *objectAt) ReadAt(p []byte, offset int64) (int, error) {
	n := min(int64(len(p)), o.size-offset)
	if offset < 0 || n <= 0 {
		return 0, io.EOF
	}
	data, err := o.object.ReadRange(o.ctx, offset, n)
	if err != nil {
		return 0, err
	}
	if copy(p, data) < len(p) {
		return len(data), io.EOF
	}
	return len(p), nil
}

// openParquet reads the footer of a Parquet file.
func openParquet(ctx context.Context, bucket *storage.Bucket, object storage.Object) (file *parquet.File, err error) {
	err = guarded(object.Key, func() error {
		in := &objectAt{ctx, bucket.Pin(object.Key, object.Version), object.Size}
		if err := checkFooter(in); err != nil {
			return err
		}
		options := []parquet.FileOption{
			parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(parquetBuffer), parquet.OptimisticRead(true),
		}
		if file, err = parquet.OpenFile(in, object.Size, options...); err != nil {
			return err
		}
		for _, group := range file.Metadata().RowGroups {
			for _, chunk := range group.Columns {
				m := chunk.MetaData
				if m.TotalCompressedSize < 0 || m.TotalCompressedSize > object.Size || m.DataPageOffset < 0 || m.DataPageOffset > object.Size || group.NumRows < 0 {
					return fmt.Errorf("its metadata claims %d bytes at %d, and the file has %d", m.TotalCompressedSize, m.DataPageOffset, object.Size)
				}
			}
		}
		file, err = withPlainPages(file, in, object.Size, options[:len(options)-1]...) // its footer lies apart
		return err
	})
	return file, err
}

// maxFooter bounds the metadata of a file, which is read whole: some hundred bytes a column of each row group.
const maxFooter = 256 << 20

// checkFooter looks at what the footer claims to be, before anybody makes room for it.
func checkFooter(in *objectAt) error {
	var tail [8]byte
	if _, err := in.ReadAt(tail[:], in.size-int64(len(tail))); err != nil || string(tail[4:]) != "PAR1" {
		return errors.Join(errors.New("not a Parquet file: it does not end with PAR1"), err)
	}
	if size := int64(binary.LittleEndian.Uint32(tail[:])); size > maxFooter || size > in.size-12 {
		return fmt.Errorf("its footer claims %d bytes, of a file of %d", size, in.size)
	}
	return nil
}

// guarded runs what reads a Parquet file. The library panics on some damaged ones; to a dataset that is the same
// mistake.
func guarded(key string, read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = invalid("%s: damaged: %v", key, p)
		}
	}()
	if err := read(); err != nil {
		if _, ok := errors.AsType[*InvalidError](err); ok {
			return err
		}
		return unreadable(key, err)
	}
	return nil
}

// leaf finds the column of values of a name: that of a column, or the path of a field in a struct, its parts joined by
// dots (sample.image). Lists are gone through.
func leaf(file *parquet.File, name string) (parquet.LeafColumn, bool) {
	for _, full := range file.Schema().Columns() {
		if strings.Join(withoutLists(full), ".") == name {
			return file.Schema().Lookup(full...)
		}
	}
	return parquet.LeafColumn{}, false
}

// withoutLists leaves out the two groups that a list is made of.
func withoutLists(path []string) []string {
	var plain []string
	for i := 0; i < len(path); i++ {
		if i > 0 && i+1 < len(path) {
			switch path[i] + "." + path[i+1] {
			case "list.element", "list.item", "bag.array_element", "list.array_element":
				i++
				continue
			}
		}
		plain = append(plain, path[i])
	}
	return plain
}

// parquetColumn reads a column of a row group, row by row.
type parquetColumn struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	flat   bool // a value a row
	buffer []parquet.Value
	at     int
	row    int64 // the next row
	buf    [64]parquet.Value
}

func newParquetColumn(group parquet.RowGroup, column parquet.LeafColumn) *parquetColumn {
	return &parquetColumn{pages: group.ColumnChunks()[column.ColumnIndex].Pages(), flat: column.MaxRepetitionLevel == 0}
}

// next visits the values of the next row; null is one value. They are valid only meanwhile. After the last row it is
// io.EOF.
func (c *parquetColumn) next(visit func(v parquet.Value)) error {
	for began := false; ; began = true {
		if c.at == len(c.buffer) {
			if err := c.fill(); err != nil {
				if began && errors.Is(err, io.EOF) {
					c.row++
					return nil
				}
				return err
			}
		}
		v := c.buffer[c.at]
		if began && v.RepetitionLevel() == 0 {
			c.row++
			return nil
		}
		visit(v)
		c.at++
		if c.flat {
			c.row++
			return nil
		}
	}
}

// skipTo passes over the rows before the given one, which must not be behind.
func (c *parquetColumn) skipTo(row int64) error {
	if c.row > row {
		return fmt.Errorf("it lies behind row %d", c.row)
	}
	if c.row == 0 && row > 0 {
		if err := c.pages.SeekToRow(row); err != nil {
			return err
		}
		c.row = row
	}
	for c.row < row {
		if err := c.next(func(parquet.Value) {}); err != nil {
			return err
		}
	}
	return nil
}

func (c *parquetColumn) fill() error {
	for {
		if c.values != nil {
			n, err := c.values.ReadValues(c.buf[:])
			if n > 0 {
				c.buffer, c.at = c.buf[:n], 0
				return nil
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		}
		page, err := c.pages.ReadPage()
		if err != nil {
			return err
		}
		c.page, c.values = page, page.Values()
	}
}

func (c *parquetColumn) close() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	_ = c.pages.Close() // was only read
}

// valueText is a value of a column as text, "" for null. Nobody says that it is UTF-8.
func valueText(column parquet.LeafColumn, v parquet.Value) string {
	if v.IsNull() {
		return ""
	}
	if logical := column.Node.Type().LogicalType(); logical != nil {
		if text, ok := logicalText(logical.Value, v); ok {
			return text
		}
	}
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return string(v.ByteArray())
	case parquet.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	}
	return v.String()
}

// logicalText writes what a value stands for, where that is more than its bytes or number.
func logicalText(logical any, v parquet.Value) (string, bool) {
	switch kind := logical.(type) {
	case *format.DecimalType:
		if kind.Scale >= 0 && kind.Scale <= maxDecimalScale {
			return decimalText(v, int(kind.Scale)), true
		}
	case *format.UUIDType:
		if b := v.ByteArray(); len(b) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), true
		}
	case *format.DateType:
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(v.Int32())).Format(time.DateOnly), true
	case *format.TimestampType:
		n := v.Int64()
		var at time.Time
		switch kind.Unit.Value.(type) {
		case *format.MilliSeconds:
			at = time.UnixMilli(n)
		case *format.MicroSeconds:
			at = time.UnixMicro(n)
		default:
			at = time.Unix(0, n)
		}
		return at.UTC().Format(time.RFC3339Nano), true
	}
	return "", false
}

// maxDecimalScale is Parquet's own limit of digits in 16 bytes.
const maxDecimalScale = 38

// decimalText is a number that is stored times ten to the power of its scale: an integer, or big-endian bytes in two's
// complement.
func decimalText(v parquet.Value, scale int) string {
	unscaled := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		unscaled.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		unscaled.SetInt64(v.Int64())
	default:
		b := v.ByteArray()
		if unscaled.SetBytes(b); len(b) > 0 && b[0] > 0x7f {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	return new(big.Rat).SetFrac(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(scale)
}

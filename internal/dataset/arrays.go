package dataset

import (
	"archive/zip"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/datasetaudit/dataset-audit/internal/safetensors"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// array is a matrix N×D of floating-point numbers, and how a file holds it.
type array struct {
	npyHeader
	// offset is where the rows begin in what is read: the object, or the uncompressed entry of an .npz.
	offset int64
	// packed is where the compressed entry lies in the object; nil for one that is not compressed.
	packed *span
	// parquet is the file whose column holds the rows; else nil.
	parquet *parquet.File
	leaf    parquet.LeafColumn
}

type span struct{ offset, size int64 }

func (a array) String() string { return fmt.Sprintf("%d %s", a.columns, a.item.name) }

// like says whether rows of both are read in the same way.
func (a array) like(b array) bool {
	return a.columns == b.columns && a.item.name == b.item.name && (a.packed == nil) == (b.packed == nil) && (a.parquet == nil) == (b.parquet == nil)
}

// openArray reads what a file says of its matrix. Name chooses one of several; empty means the only one.
func openArray(ctx context.Context, bucket *storage.Bucket, o storage.Object, name string) (array, error) {
	open := openNPY
	switch strings.ToLower(path.Ext(o.Key)) {
	case ".npz":
		open = openNPZ
	case ".safetensors":
		open = openSafetensors
	case ".parquet":
		open = openVectorColumn
	}
	if o.Err != nil {
		return array{}, mistake(o.Err)
	}
	a, err := open(ctx, bucket, o, name)
	if err != nil {
		return array{}, mistake(err)
	}
	return a, nil
}

func openNPY(ctx context.Context, bucket *storage.Bucket, o storage.Object, _ string) (array, error) {
	body, err := bucket.Pin(o.Key, o.Version).OpenRange(ctx, 0, maxNPYHeader+12)
	if err != nil {
		return array{}, err
	}
	defer body.Close()
	h, err := readNPYHeader(body)
	if err != nil {
		return array{}, unreadable(o.Key, err)
	}
	return array{npyHeader: h, offset: h.start}, h.checkSize(o.Key, o.Size)
}

// checkSize holds a header against the bytes that there are.
func (h npyHeader) checkSize(name string, size int64) error {
	content := size - h.start
	if content < 0 || content%h.rowSize() != 0 || content/h.rowSize() != h.rows {
		return invalid("%s: shape (%d, %d) of %d-byte values needs %d-byte rows after a header of %d bytes, which the file's %d bytes do not hold: is it cut short?",
			name, h.rows, h.columns, h.item.size, h.rowSize(), h.start, size)
	}
	return nil
}

// openNPZ opens an .npy file within a zip archive, as numpy.savez and savez_compressed write them.
func openNPZ(ctx context.Context, bucket *storage.Bucket, o storage.Object, name string) (array, error) {
	archive, err := zip.NewReader(&objectAt{ctx, bucket.Pin(o.Key, o.Version), o.Size}, o.Size)
	if err != nil {
		return array{}, unreadable(o.Key, err)
	}
	var names []string
	var file *zip.File
	for _, f := range archive.File {
		base, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		names = append(names, text.Valid(base))
		if name == base || name == "" {
			file = f
		}
	}
	if file == nil || name == "" && len(names) > 1 {
		return array{}, invalid("%s holds the arrays %s: name one with dataset.embeddings.array", o.Key, some(names))
	}
	at, err := file.DataOffset()
	if err != nil {
		return array{}, unreadable(o.Key, err)
	}
	body, err := file.Open()
	if err != nil {
		return array{}, unreadable(o.Key, err)
	}
	defer body.Close()
	h, err := readNPYHeader(body)
	if err != nil {
		return array{}, unreadable(o.Key+"/"+file.Name, err)
	}
	a := array{npyHeader: h, offset: h.start}
	if file.UncompressedSize64 > math.MaxInt64/2 || file.CompressedSize64 > math.MaxInt64/2 {
		return array{}, invalid("%s/%s claims %d bytes", o.Key, file.Name, file.UncompressedSize64)
	}
	if err := h.checkSize(o.Key+"/"+file.Name, int64(file.UncompressedSize64)); err != nil {
		return array{}, err
	}
	if err := checkRows(o.Key+"/"+file.Name, h.rows, o.Size); err != nil {
		return array{}, err
	}
	switch size := int64(file.CompressedSize64); {
	case file.Method == zip.Store && size == int64(file.UncompressedSize64):
		a.offset += at
	case file.Method == zip.Deflate && !h.fortran:
		a.packed = &span{at, size}
	default:
		return array{}, invalid("%s/%s: method %d of compression, or an array in column order that is compressed: save it with numpy.savez", o.Key, file.Name, file.Method)
	}
	return a, nil
}

// maxSafetensorsHeader bounds the header; the format's own library refuses above 100 MB, and a header has some bytes a
// tensor.
const maxSafetensorsHeader = 25 << 20

// safetensorsItems are the types of tensors (https://huggingface.co/docs/safetensors) that can be vectors.
var safetensorsItems = map[string]npyItem{
	"F16": npyItems["<f2"], "F32": npyItems["<f4"], "F64": npyItems["<f8"],
	"BF16": {"bfloat16", 2, func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	}},
}

func openSafetensors(ctx context.Context, bucket *storage.Bucket, o storage.Object, name string) (array, error) {
	object := bucket.Pin(o.Key, o.Version)
	prefix, err := object.ReadRange(ctx, 0, min(safetensors.PrefixSize, o.Size))
	if err != nil {
		return array{}, err
	}
	size, err := safetensors.HeaderSize(prefix, o.Size, maxSafetensorsHeader)
	if err != nil {
		return array{}, invalid("%s: %w", o.Key, err)
	}
	text, err := object.ReadRange(ctx, safetensors.PrefixSize, size)
	if err != nil {
		return array{}, err
	}
	start := safetensors.PrefixSize + size
	a, err := parseSafetensors(text, name, o.Size-start)
	if err != nil {
		return array{}, invalid("%s: %w", o.Key, err)
	}
	a.offset += start
	a.start = a.offset
	return a, nil
}

// parseSafetensors finds a matrix in a header; its offset is from the header's end, behind which there are size bytes.
func parseSafetensors(text []byte, name string, size int64) (array, error) {
	header, err := safetensors.ParseHeader(text)
	if err != nil {
		return array{}, err
	}
	var names []string
	for tensor, t := range header.Tensors {
		if name == tensor || name == "" && len(t.Shape) == 2 {
			names = append(names, tensor)
		}
	}
	slices.Sort(names)
	if len(names) != 1 {
		return array{}, fmt.Errorf("it holds %d tensors N×D (%s): name one with dataset.embeddings.array", len(names), some(names))
	}
	found := header.Tensors[names[0]]
	item, ok := safetensorsItems[found.DType]
	if !ok || len(found.Shape) != 2 {
		return array{}, fmt.Errorf("tensor %q of type %s and shape %v: a matrix N×D of F16, BF16, F32 or F64 is wanted", names[0], found.DType, found.Shape)
	}
	h := npyHeader{rows: found.Shape[0], columns: found.Shape[1], item: item}
	if h.columns < 1 || h.columns > maxNPYColumns {
		return array{}, fmt.Errorf("tensor %q of shape %v: rows must have 1 to %d values", names[0], found.Shape, maxNPYColumns)
	}
	if err := found.Check(size); err != nil {
		return array{}, fmt.Errorf("tensor %q %w", names[0], err)
	}
	return array{npyHeader: h, offset: found.Offsets[0]}, nil
}

// openVectorColumn finds a column of lists of numbers in a Parquet file.
func openVectorColumn(ctx context.Context, bucket *storage.Bucket, o storage.Object, name string) (array, error) {
	file, err := openParquet(ctx, bucket, o)
	if err != nil {
		return array{}, err
	}
	a := array{parquet: file}
	err = guarded(o.Key, func() error {
		var names []string
		for _, field := range file.Schema().Fields() {
			column, ok := leaf(file, field.Name())
			if !ok || column.MaxRepetitionLevel != 1 {
				continue
			}
			kind := column.Node.Type().Kind()
			if kind != parquet.Float && kind != parquet.Double {
				continue
			}
			if name == "" || name == field.Name() {
				names, a.leaf = append(names, field.Name()), column
			}
		}
		if err := checkRows(o.Key, file.NumRows(), o.Size); err != nil {
			return err
		}
		if len(names) != 1 {
			return fmt.Errorf("%d columns are lists of numbers (%s): name one with dataset.embeddings.array", len(names), some(names))
		}
		a.rows, a.item = file.NumRows(), npyItems["<f4"]
		if a.leaf.Node.Type().Kind() == parquet.Double {
			a.item = npyItems["<f8"]
		}
		a.columns, err = firstWidth(file, a.leaf)
		if err != nil {
			return err
		}
		if a.columns > maxNPYColumns {
			return fmt.Errorf("rows of %d values, at most %d are read", a.columns, maxNPYColumns)
		}
		return nil
	})
	return a, err
}

// firstWidth is how long the first list that holds something is, which says how wide all are; 1 if there is none.
func firstWidth(file *parquet.File, leaf parquet.LeafColumn) (n int64, err error) {
	groups := file.RowGroups()
	at := slices.IndexFunc(groups, func(g parquet.RowGroup) bool { return g.NumRows() > 0 })
	if at < 0 {
		return 1, nil
	}
	in := newParquetColumn(groups[at], leaf)
	defer in.close()
	for {
		n = 0
		if err := in.next(func(v parquet.Value) {
			if !v.IsNull() {
				n++
			}
		}); errors.Is(err, io.EOF) {
			return 1, nil
		} else if err != nil {
			return 0, cutShort(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// describe adds what the other columns of a Parquet file say about the rows.
func (m matrix) describe(entries []entry, column string) error {
	labels, names := labelSets{}, interner{}
	return guarded(m.object.Key, func() error {
		found, err := parquetColumns{id: "", score: column}.besides(m.array.parquet)
		if err != nil {
			return err
		}
		for _, group := range m.array.parquet.RowGroups() {
			n := int(group.NumRows())
			if n > len(entries) {
				return errors.New("its row groups hold more rows than the file")
			}
			rows := entries[:n]
			entries = entries[n:]
			for _, column := range []struct {
				leaf  *parquet.LeafColumn
				visit func(e *entry, texts []string) error
			}{
				{found.id, func(e *entry, texts []string) error { e.ID = texts[0]; return nil }},
				{found.label, func(e *entry, texts []string) error { e.Labels = labels.list(found.words(texts)); return nil }},
				{found.split, func(e *entry, texts []string) error { e.Split = names.get(text.Valid(texts[0])); return nil }},
				{found.score, func(e *entry, texts []string) error {
					score, err := parseScore(texts[0])
					if e.Score = score; err != nil {
						e.err = fmt.Errorf("%s row %d: %w", e.key, e.row, err)
					}
					return nil
				}},
			} {
				if err := eachRow(group, column.leaf, rows, column.visit); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// arraySource reads the rows of matrices that are like each other, in batches of so many.
func arraySource(bucket *storage.Bucket, matrices []matrix) (source, int) {
	first := matrices[0]
	item := first.item
	switch {
	case first.parquet != nil:
		p := newParquetSource(bucket, func(e *entry, values []parquet.Value) content { return listRow(e, values, int(first.columns)) })
		for _, m := range matrices {
			p.add(m.object, m.parquet, m.leaf)
		}
		return p, int(max(1, maxRequest/first.rowSize()))
	case first.packed != nil:
		at := map[string]span{}
		for _, m := range matrices {
			at[m.object.Key] = *m.packed
		}
		s := &streams{spans: spans{bucket: bucket, decode: func(e *entry, row []byte) content { return named(e, decodeRow(row, item)) }}}
		s.uncompress = func(ctx context.Context, e *entry) (io.ReadCloser, error) {
			body, err := bucket.Pin(e.key, e.Version).OpenRange(ctx, at[e.key].offset, at[e.key].size)
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{flate.NewReader(body), body}, nil
		}
		return s, int(max(1, maxRequest/first.rowSize()))
	default:
		rows := &records{bucket: bucket, layout: map[string]layout{}, size: first.rowSize()}
		for _, m := range matrices {
			l := m.layout()
			l.start = m.offset
			rows.layout[m.object.Key] = l
		}
		rows.decode = func(row []byte) content { return decodeRow(row, item) }
		batch := rows.batch()
		return rows, batch
	}
}

func named(e *entry, c content) content {
	if c.err != nil {
		c.err = fmt.Errorf("%s row %d: %w", e.key, e.row, c.err)
	}
	return c
}

// listRow converts a list of numbers.
func listRow(e *entry, values []parquet.Value, width int) content {
	if len(values) != width {
		return content{err: fmt.Errorf("%s row %d has %d values, and the first row %d", e.key, e.row, len(values), width)}
	}
	row := make([]byte, 0, 8*width)
	for _, v := range values {
		x := math.NaN() // null
		switch {
		case v.IsNull():
		case v.Kind() == parquet.Float:
			x = float64(v.Float())
		default:
			x = v.Double()
		}
		row = binary.LittleEndian.AppendUint64(row, math.Float64bits(x))
	}
	return named(e, decodeRow(row, npyItems["<f8"]))
}

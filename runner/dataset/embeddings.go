package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

func init() { register(v1alpha1.FormatEmbeddings, openEmbeddings) }

// openEmbeddings lists the rows of one .npy matrix N×D, or of one for each split. Looked for, in this order:
//
//   - the spec's embeddings.path (default embeddings.npy): no splits;
//   - a file of that name in folders at the root, each folder a split: train/embeddings.npy;
//   - files at the root named after splits: train.npy, test.npy.
//
// Beside each may lie a CSV file of the same base name (train.csv) with a line for each row, in order, and columns as in a
// Manifest but without path: id, label, split, group. Without an id column a sample's ID is the split, or the file's base
// name where there is none, and the row: "train:42".
func openEmbeddings(ctx context.Context, bucket *storage.Bucket, spec v1alpha1.DatasetSpec) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	matrices, ignored, err := findEmbeddings(objects, path.Clean(spec.EmbeddingsPath()))
	if err != nil {
		return listing{}, err
	}

	l := listing{unit: "row", ignored: ignored}
	rows := &records{bucket: bucket, layout: map[string]layout{}}
	var first npyHeader
	for i, m := range matrices {
		if m.header, err = m.open(ctx, bucket); err != nil {
			return listing{}, err
		}
		if i == 0 {
			first = m.header
		}
		if m.header.columns != first.columns || m.header.item.name != first.item.name {
			return listing{}, invalid("%s holds rows of %d %s and %s of %d %s: all splits must have one type and width",
				matrices[0].object.Key, first.columns, first.item.name, m.object.Key, m.header.columns, m.header.item.name)
		}
		rows.layout[m.object.Key] = m.header.layout()
		entries, err := m.entries(ctx, bucket)
		if err != nil {
			return listing{}, err
		}
		l.entries = append(l.entries, entries...)
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %s has no rows", ErrEmpty, matrices[0].object.Key)
	}
	rows.size = first.rowSize()
	rows.decode = func(record []byte) content { return decodeRow(record, first.item) }
	l.source, l.batch, l.dimensions = rows, rows.batch(), int(first.columns)
	return l, nil
}

// matrix is one .npy file.
type matrix struct {
	object  storage.Object
	split   string
	sidecar *storage.Object
	header  npyHeader
}

// findEmbeddings chooses the dataset's matrices among its objects and counts the files that are none of it.
func findEmbeddings(objects []storage.Object, name string) (matrices []matrix, ignored int, err error) {
	at := make(map[string]*storage.Object, len(objects))
	var npy []string
	for i, o := range objects {
		at[o.Key] = &objects[i]
		if !hidden(o.Key) && path.Ext(o.Key) == ".npy" {
			npy = append(npy, o.Key)
		}
	}

	if o, ok := at[name]; ok {
		matrices = []matrix{{object: *o}}
	}
	if matrices == nil {
		for _, key := range npy {
			if folder, file, _ := strings.Cut(key, "/"); file == name {
				matrices = append(matrices, matrix{object: *at[key], split: folder})
			}
		}
	}
	if matrices == nil {
		for _, key := range npy {
			if split := strings.TrimSuffix(key, ".npy"); isSplitName(split) {
				matrices = append(matrices, matrix{object: *at[key], split: split})
			}
		}
	}
	if matrices == nil {
		return nil, 0, invalid("%w: looked for %s, SPLIT/%s and for files named after splits, such as train.npy; .npy files found: %s; name one with dataset.embeddings.path",
			ErrEmpty, name, name, some(npy))
	}

	used := 0
	for i := range matrices {
		m := &matrices[i]
		used++
		if o, ok := at[strings.TrimSuffix(m.object.Key, path.Ext(m.object.Key))+".csv"]; ok {
			m.sidecar = o
			used++
		}
	}
	for _, o := range objects {
		if !hidden(o.Key) {
			ignored++
		}
	}
	return matrices, max(0, ignored-used), nil
}

// open reads the header and checks it against the file's size.
func (m matrix) open(ctx context.Context, bucket *storage.Bucket) (npyHeader, error) {
	body, err := bucket.OpenRange(ctx, m.object.Key, 0, maxNPYHeader+12)
	if err != nil {
		return npyHeader{}, mistake(err)
	}
	defer body.Close()
	h, err := readNPYHeader(body)
	if errors.As(err, new(*storage.Error)) {
		return h, err
	}
	if err != nil {
		return h, invalid("%s: %w", m.object.Key, err)
	}
	return h, m.checkSize(h)
}

func (m matrix) checkSize(h npyHeader) error {
	content := m.object.Size - h.start
	if content < 0 || content%h.rowSize() != 0 || content/h.rowSize() != h.rows {
		return invalid("%s: shape (%d, %d) of %d-byte values needs %d-byte rows after a header of %d bytes, which the file's %d bytes do not hold: is it cut short?",
			m.object.Key, h.rows, h.columns, h.item.size, h.rowSize(), h.start, m.object.Size)
	}
	return nil
}

// entries lists the rows, with what the CSV file beside them says.
func (m matrix) entries(ctx context.Context, bucket *storage.Bucket) ([]entry, error) {
	prefix := m.split
	if prefix == "" {
		prefix = strings.TrimSuffix(path.Base(m.object.Key), path.Ext(m.object.Key))
	}
	entries := make([]entry, m.header.rows)
	for row := range entries {
		entries[row] = entry{
			Info: Info{Split: m.split, Version: m.object.Version},
			key:  m.object.Key,
			row:  row,
			size: m.header.rowSize() + 4*m.header.columns,
		}
	}
	if m.sidecar != nil {
		body, err := bucket.Open(ctx, m.sidecar.Key)
		if err != nil {
			return nil, mistake(err)
		}
		defer body.Close()
		if err := annotate(entries, m.sidecar.Key, body); err != nil {
			return nil, err
		}
		version := m.object.Version + " " + m.sidecar.Version
		for row := range entries {
			entries[row].Version = version
		}
	}
	for row := range entries {
		if entries[row].ID == "" {
			entries[row].ID = fmt.Sprintf("%s:%d", prefix, row)
		}
	}
	return entries, nil
}

// annotate adds what a CSV file says about the rows, a line for each.
func annotate(entries []entry, name string, sidecar io.Reader) error {
	t, err := newTable(name, sidecar, "id", "label", "split", "group")
	if err != nil {
		return err
	}
	labels, names := labelSets{}, interner{}
	lines := 0
	for ; ; lines++ {
		r, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if lines >= len(entries) {
			continue // counted for the message below
		}
		e := &entries[lines]
		e.ID = strings.Clone(r.get("id"))
		e.Labels = labels.parse(r.get("label"))
		e.Group = names.get(r.get("group"))
		if t.has("split") {
			e.Split = names.get(r.get("split"))
		}
	}
	if lines != len(entries) {
		return invalid("%s has %d lines after its header and the matrix beside it %d rows: there must be a line for each row",
			name, lines, len(entries))
	}
	return nil
}

// decodeRow converts a row to float32. A value that is not finite there is ErrNotFinite: the row would have no distance to
// anything.
func decodeRow(record []byte, item npyItem) content {
	n := len(record) / item.size
	vector, raw := make([]float32, n), make([]byte, 4*n)
	for i := range n {
		wide := item.decode(record[i*item.size:])
		v := float32(wide)
		if math.IsNaN(wide) || math.IsInf(float64(v), 0) {
			return content{err: fmt.Errorf("%w: column %d is %v", ErrNotFinite, i, wide)}
		}
		vector[i] = v
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(v))
	}
	return content{vector: vector, digest: sha256.Sum256(raw)}
}

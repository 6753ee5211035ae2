package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

func init() {
	register(v1alpha1.FormatEmbeddings, opener{list: openEmbeddings, columns: true, file: true})
}

// openEmbeddings lists the rows of one matrix N×D, or of one for each split: NumPy's .npy and .npz, Safetensors, or a
// column of lists in Parquet. Looked for, in this order:
//
//   - the spec's embeddings.path (default embeddings.npy): no splits;
//   - a file of that name in folders at the root, each folder a split: train/embeddings.npy;
//   - files at the root named after splits: train.npy, test.npy;
//   - the numbered parts of one matrix: img_emb_0.npy, img_emb_1.npy.
//
// Where the default is not there, a file embeddings of the other endings is looked for in the same way.
//
// Beside each may lie a table of the same base name (train.csv or train.jsonl) with a line for each row, in order, and
// columns as in a Manifest but without path: id, label, split, group. A Parquet file may have these columns itself.
// Without an id a sample's ID is the split, or the file's base name where there is none, and the row: "train:42".
func openEmbeddings(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	name := path.Clean(spec.EmbeddingsPath())
	prefix := ""
	if spec.file != "" {
		name, prefix = spec.file, strings.TrimSuffix(spec.file, path.Ext(spec.file)) // with the table beside it
	}
	objects, err := bucket.List(ctx, prefix)
	if err != nil {
		return listing{}, err
	}
	matrices, ignored, err := findEmbeddings(objects, name)
	if err != nil {
		return listing{}, err
	}
	array := ""
	if spec.Embeddings != nil {
		array = spec.Embeddings.Array
	}
	l := listing{unit: "row", ignored: ignored}
	for i := range matrices {
		m := &matrices[i]
		if m.array, err = openArray(ctx, bucket, m.object, array); err != nil {
			return listing{}, err
		}
		if first := matrices[0]; !m.like(first.array) {
			return listing{}, invalid("%s holds rows of %s and %s of %s: all splits must have one type and width",
				first.object.Key, first.array, m.object.Key, m.array)
		}
		if i > 0 && matrices[i-1].split == m.split {
			m.first = matrices[i-1].first + int(matrices[i-1].rows)
		}
		entries, err := m.entries(ctx, bucket, spec.column)
		if err != nil {
			return listing{}, err
		}
		l.entries = append(l.entries, entries...)
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %s has no rows", ErrEmpty, matrices[0].object.Key)
	}
	l.source, l.batch = arraySource(bucket, matrices)
	l.dimensions = int(matrices[0].columns)
	return l, nil
}

// matrix is one file.
type matrix struct {
	object  storage.Object
	split   string
	sidecar *storage.Object
	// partial says that it is a part of several, with a number; see numbered.
	partial bool
	part    int
	first   int // the number of the first row within the split
	array
}

// vectorEndings are those of files that hold vectors.
var vectorEndings = []string{".npy", ".npz", ".safetensors", ".parquet"}

func isVectors(key string) bool {
	return slices.Contains(vectorEndings, strings.ToLower(path.Ext(key)))
}

// findEmbeddings chooses the dataset's matrices among its objects and counts the files that are none of it.
func findEmbeddings(objects []storage.Object, name string) (matrices []matrix, ignored Ignored, err error) {
	at := make(map[string]*storage.Object, len(objects))
	var candidates []string
	for i, o := range objects {
		at[o.Key] = &objects[i]
		if hidden(o.Key) {
			continue
		}
		if isVectors(o.Key) {
			candidates = append(candidates, o.Key)
		}
	}
	names := []string{name}
	if name == v1alpha1.DefaultEmbeddingsPath {
		names = nil
		for _, ending := range vectorEndings {
			names = append(names, "embeddings"+ending)
		}
	}
	for _, name := range names {
		if o, ok := at[name]; ok && matrices == nil {
			matrices = []matrix{{object: *o}}
		}
	}
	for _, name := range names {
		if matrices != nil {
			break
		}
		for _, key := range candidates {
			if folder, file, _ := strings.Cut(key, "/"); file == name {
				matrices = append(matrices, matrix{object: *at[key], split: folder})
			}
		}
	}
	if matrices == nil {
		for _, key := range candidates {
			if split := strings.TrimSuffix(key, path.Ext(key)); isSplitName(split) || beside(split) {
				matrices = append(matrices, matrix{object: *at[key], split: split})
			}
		}
		if !slices.ContainsFunc(matrices, func(m matrix) bool { return isSplitName(m.split) }) {
			matrices = nil
		}
	}
	if matrices == nil {
		if matrices, err = numbered(candidates); err != nil {
			return nil, nil, err
		}
		for i := range matrices {
			matrices[i].object = *at[matrices[i].object.Key]
		}
	}
	if matrices == nil {
		return nil, nil, invalid("%w: looked for %s, SPLIT/%s and for files named after splits, such as train.npy; files of vectors found: %s; name one with dataset.embeddings.path",
			ErrEmpty, name, name, some(candidates))
	}
	used := map[string]bool{}
	for i := range matrices {
		m := &matrices[i]
		used[m.object.Key] = true
		for _, ending := range []string{".csv", ".jsonl", ".ndjson"} {
			if o, ok := at[strings.TrimSuffix(m.object.Key, path.Ext(m.object.Key))+ending]; ok && m.sidecar == nil {
				m.sidecar = o
				used[o.Key] = true
			}
		}
	}
	for _, o := range objects {
		if !used[o.Key] && !hidden(o.Key) {
			ignored.add(o.Key)
		}
	}
	return matrices, ignored, nil
}

// numbered finds the files of one matrix that was written in parts, such as clip-retrieval's img_emb_0.npy,
// img_emb_1.npy, …: those that differ in the number at the end of their names alone. They lie in one folder, or in one
// for each split.
func numbered(keys []string) ([]matrix, error) {
	parts := map[string][]matrix{} // by name and ending
	for _, key := range keys {
		stem := strings.TrimSuffix(path.Base(key), path.Ext(key))
		name := strings.TrimRight(stem, "0123456789")
		number, err := strconv.Atoi(stem[len(name):])
		if name == "" || err != nil {
			continue
		}
		name += path.Ext(key)
		m := matrix{object: storage.Object{Key: key}, partial: true, part: number}
		if folder := path.Dir(key); isSplitName(path.Base(folder)) {
			m.split = path.Base(folder)
		}
		parts[name] = append(parts[name], m)
	}
	names := slices.Sorted(maps.Keys(parts))
	if i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "img_emb_") }); i >= 0 {
		names = names[i : i+1] // beside text_emb_
	}
	if len(names) == 0 {
		return nil, nil
	}
	if len(names) > 1 {
		return nil, invalid("the vectors lie in the parts of several matrices (%s): keep those of one", some(names))
	}
	found := parts[names[0]]
	for _, m := range found {
		if m.split == "" && path.Dir(m.object.Key) != path.Dir(found[0].object.Key) {
			return nil, invalid("parts of vectors lie in the folders %s and %s: keep one, or name both after splits", path.Dir(found[0].object.Key), path.Dir(m.object.Key))
		}
	}
	slices.SortFunc(found, func(a, b matrix) int { return cmp.Or(strings.Compare(a.split, b.split), cmp.Compare(a.part, b.part)) })
	for i := range found {
		m := &found[i]
		switch {
		case (i == 0 || found[i-1].split != m.split) && m.part > 1:
			return nil, invalid("%s is the first part that is there: those before it are missing", m.object.Key)
		case i > 0 && found[i-1].split == m.split && m.part != found[i-1].part+1:
			return nil, invalid("%s follows %s: a part between them is missing", m.object.Key, found[i-1].object.Key)
		}
	}
	return found, nil
}

// entries lists the rows, with what the table beside them says, or the other columns of their own.
func (m matrix) entries(ctx context.Context, bucket *storage.Bucket, column string) ([]entry, error) {
	prefix := m.split
	if prefix == "" {
		prefix = strings.TrimSuffix(path.Base(m.object.Key), path.Ext(m.object.Key))
		if m.partial {
			prefix = strings.TrimRight(strings.TrimRight(prefix, "0123456789"), "_-.")
		}
	}
	entries := make([]entry, m.rows)
	for row := range entries {
		entries[row] = entry{
			Info:   Info{Split: m.split, Version: m.object.Version, Score: math.NaN()},
			key:    m.object.Key,
			row:    row,
			offset: m.offset + int64(row)*m.rowSize(),
			size:   m.rowSize(),
		}
	}
	if m.parquet != nil {
		if err := m.describe(entries, column); err != nil {
			return nil, err
		}
	}
	if m.sidecar != nil {
		body, err := bucket.Open(ctx, m.sidecar.Key)
		if err != nil {
			return nil, mistake(err)
		}
		defer body.Close()
		if err := annotate(entries, m.sidecar.Key, body, column); err != nil {
			return nil, err
		}
	}
	for row := range entries {
		if entries[row].ID == "" {
			entries[row].ID = fmt.Sprintf("%s:%d", prefix, m.first+row)
		}
	}
	return entries, nil
}

// annotate adds what a table says about the rows, a line for each.
func annotate(entries []entry, name string, sidecar io.Reader, column string) error {
	t, err := openTable(name, sidecar, "id", "label", "split", "group", column)
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
		wrong, ok := errors.AsType[*lineError](err)
		if err != nil && !ok {
			return err
		}
		if lines >= len(entries) {
			continue // counted for the message below
		}
		e := &entries[lines]
		if ok {
			e.err = wrong.err
			continue
		}
		e.ID = strings.Clone(r.text("id"))
		e.Labels = r.labels("label", labels)
		e.Group = names.get(r.text("group"))
		if split := r.text("split"); split != "" {
			e.Split = names.get(split)
		}
		if e.Score, err = score(r, column); err != nil {
			e.err = err
		}
	}
	if lines != len(entries) {
		return invalid("%s has %d lines after its header and the matrix beside it %d rows: there must be a line for each row",
			name, lines, len(entries))
	}
	return nil
}

// decodeRow converts a row to float32. A value that is not finite there is ErrNotFinite: the row would have no distance
// to anything.
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

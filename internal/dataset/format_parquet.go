package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func init() {
	register(v1alpha1.FormatParquet, opener{list: openParquetImages, columns: true, file: true})
}

// openParquetImages lists the rows of Parquet files as Hugging Face's datasets have them: a column of images, bytes or
// a struct of bytes and path, and one of labels, whose numbers the schema's metadata puts into words. The split is told
// from a file's path. A sample's ID is its split and its number there, over the files in byte order: "train:42"; or
// what the ID column says.
//
// Listing reads the footers and the columns of labels, IDs and scores; reading, the column of images, a row group in
// one go.
func openParquetImages(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	objects, err := spec.list(ctx, bucket)
	if err != nil {
		return listing{}, err
	}
	l := listing{unit: "row", batch: 256}
	var files []storage.Object
	for _, o := range objects {
		switch {
		case spec.file == "" && hidden(o.Key):
		case spec.file != "" || strings.ToLower(path.Ext(o.Key)) == ".parquet":
			files = append(files, o)
		default:
			l.ignored.add(o.Key)
		}
	}
	if len(files) == 0 {
		return listing{}, invalid("%w: looked for .parquet files, found %d others", ErrEmpty, l.ignored.Files())
	}
	if spec.file == "" {
		l.warnings = missingShards(files)
	}
	wanted := parquetColumns{score: spec.column}
	if o := spec.Parquet; o != nil {
		wanted = parquetColumns{image: o.ImageColumn, label: o.LabelColumn, id: o.IDColumn, score: spec.column}
	}
	source := newParquetSource(bucket, imageOf)
	l.source = source
	l.entries, err = listShards(ctx, files, func(ctx context.Context, o storage.Object) ([]entry, error) {
		file, err := openParquet(ctx, bucket, o)
		if err != nil {
			return nil, mistake(err)
		}
		var entries []entry
		err = guarded(o.Key, func() error {
			columns, err := wanted.find(file)
			if err != nil {
				return err
			}
			source.add(o, file, columns.imageLeaf)
			entries, err = columns.list(o, file)
			return err
		})
		return entries, err
	})
	if err != nil {
		return listing{}, err
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %d Parquet files hold no row", ErrEmpty, len(files))
	}
	number(l.entries)
	return l, nil
}

// imageOf takes an image out of a row, in which it is number e.offset.
func imageOf(e *entry, values []parquet.Value) content {
	if e.offset >= int64(len(values)) || values[e.offset].IsNull() {
		return content{err: fmt.Errorf("%s row %d: there is no image", e.key, e.row)}
	}
	data := fromBase64(values[e.offset].ByteArray())
	return content{bytes: data, digest: sha256.Sum256(data)}
}

// base64Images are what encoded images begin with in base64: JPEG, PNG, GIF, WebP, BMP and TIFF.
var base64Images = []string{"/9j/", "iVBORw0KGg", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0A"}

// fromBase64 decodes an image that is stored as text, with or without data:image/png;base64, before it. Whatever else
// it is stays.
func fromBase64(data []byte) []byte {
	text := data
	if bytes.HasPrefix(text, []byte("data:")) {
		_, text, _ = bytes.Cut(text, []byte(";base64,"))
	}
	if !slices.ContainsFunc(base64Images, func(start string) bool { return bytes.HasPrefix(text, []byte(start)) }) {
		return data
	}
	text = bytes.TrimRight(text, "=\r\n ")
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(decoded, text)
	if err != nil {
		return data
	}
	return decoded[:n]
}

// parquetColumns says which columns mean what.
type parquetColumns struct{ image, label, id, score string }

// Columns that are looked for where neither the spec nor Hugging Face's metadata names one.
var (
	imageColumns = []string{"image", "img", "jpg", "png"}
	labelColumns = []string{"label", "labels", "fine_label", "class"}
)

// foundColumns are the columns of one file.
type foundColumns struct {
	imageLeaf parquet.LeafColumn
	// count has as many values a row as there are images; nil for one image a row.
	count *parquet.LeafColumn
	label *parquet.LeafColumn
	names []string // of the labels that are numbers
	// id, score and split are of one value a row. The split counts where the path has none.
	id, score, split *parquet.LeafColumn
}

func (p parquetColumns) find(file *parquet.File) (foundColumns, error) {
	var found foundColumns
	features := huggingFace(file)
	image := []string{p.image}
	if p.image == "" {
		image = append(features.of("Image"), imageColumns...)
	}
	ok := false
	for _, name := range image {
		if found.imageLeaf, ok = leaf(file, name+".bytes"); !ok {
			found.imageLeaf, ok = leaf(file, name)
		}
		if ok {
			break
		}
	}
	if !ok {
		return found, invalid("no column holds images: looked for %s among %s; name it with dataset.parquet.imageColumn",
			some(image), some(topColumns(file)))
	}
	if kind := found.imageLeaf.Node.Type().Kind(); kind != parquet.ByteArray || found.imageLeaf.MaxRepetitionLevel > 1 {
		return found, invalid("the column of images holds %s: encoded images are wanted, one a row or a list of them", found.imageLeaf.Node.Type())
	}
	if found.imageLeaf.MaxRepetitionLevel > 0 {
		found.count = &found.imageLeaf
		if beside, ok := leaf(file, strings.Join(withoutLists(found.imageLeaf.Path[:len(found.imageLeaf.Path)-1]), ".")+".path"); ok && beside.MaxRepetitionLevel == 1 {
			found.count = &beside // as many, and short
		}
	}
	if err := p.describing(file, features, &found); err != nil {
		return found, err
	}
	if column, ok := leaf(file, "split"); ok && column.MaxRepetitionLevel == 0 {
		found.split = &column
	}
	return found, nil
}

// describing finds the columns beside that of the images or vectors.
func (p parquetColumns) describing(file *parquet.File, features hfFeatures, found *foundColumns) error {
	label := []string{p.label}
	if p.label == "" {
		label = append(features.of("ClassLabel"), labelColumns...)
	}
	for _, name := range label {
		if column, ok := leaf(file, name); ok {
			found.label, found.names = &column, features[name].names
			break
		}
	}
	if p.label != "" && found.label == nil {
		return invalid("dataset.parquet.labelColumn: there is no column %q among %s", p.label, some(topColumns(file)))
	}
	for _, column := range []struct {
		field, name string
		leaf        **parquet.LeafColumn
	}{
		{"dataset.parquet.idColumn", p.id, &found.id},
		{"duplicates.removal.column", p.score, &found.score},
	} {
		if column.name == "" {
			continue
		}
		at, ok := leaf(file, column.name)
		if !ok || at.MaxRepetitionLevel > 0 {
			return invalid("%s: there is no column %q with one value a row among %s", column.field, column.name, some(topColumns(file)))
		}
		*column.leaf = &at
	}
	return nil
}

// besides finds the columns that describe vectors: id, label and split, as in the table beside other vectors.
func (p parquetColumns) besides(file *parquet.File) (foundColumns, error) {
	var found foundColumns
	if err := p.describing(file, huggingFace(file), &found); err != nil {
		return found, err
	}
	for name, at := range map[string]**parquet.LeafColumn{"id": &found.id, "split": &found.split} {
		if column, ok := leaf(file, name); ok && column.MaxRepetitionLevel == 0 {
			*at = &column
		}
	}
	return found, nil
}

func topColumns(file *parquet.File) []string {
	var names []string
	for _, field := range file.Schema().Fields() {
		names = append(names, text.Valid(field.Name()))
	}
	return names
}

// hfFeatures is what Hugging Face's metadata says of columns.
type hfFeatures map[string]hfFeature

// hfFeature is a feature, or that of which a column holds lists.
type hfFeature struct {
	kind  string
	names []string
}

// UnmarshalJSON reads a feature: {"_type": "Image"}, {"_type": "List", "feature": {…}} or [{…}].
func (f *hfFeature) UnmarshalJSON(text []byte) error {
	var list []hfFeature
	if json.Unmarshal(text, &list) == nil && len(list) == 1 {
		*f = list[0]
		return nil
	}
	var stored struct {
		Type    string     `json:"_type"`
		Names   []string   `json:"names"`
		Feature *hfFeature `json:"feature"`
	}
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	if stored.Feature != nil {
		*f = *stored.Feature
		return nil
	}
	f.kind, f.names = stored.Type, stored.Names
	return nil
}

// huggingFace reads the metadata; what is not as expected is as good as absent.
func huggingFace(file *parquet.File) hfFeatures {
	text, ok := file.Lookup("huggingface")
	if !ok {
		return nil
	}
	var metadata struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		return nil
	}
	features := hfFeatures{}
	for name, raw := range metadata.Info.Features {
		var f hfFeature
		if json.Unmarshal(raw, &f) != nil {
			continue
		}
		features[name] = f
	}
	return features
}

// of returns the only column of a type, if there is just one.
func (h hfFeatures) of(kind string) []string {
	var names []string
	for name, f := range h {
		if f.kind == kind {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return nil
	}
	return names
}

// list reads what is known of each row without its image.
func (f foundColumns) list(o storage.Object, file *parquet.File) ([]entry, error) {
	rows := int64(0)
	for _, group := range file.RowGroups() {
		if err := checkRows(o.Key, group.NumRows(), o.Size); err != nil {
			return nil, err
		}
		rows += group.NumRows()
	}
	if err := checkRows(o.Key, rows, o.Size); err != nil {
		return nil, err
	}
	entries := make([]entry, 0, rows)
	split, labels, names := splitOf(o.Key), labelSets{}, interner{}
	if split != "" {
		f.split = nil
	}
	row := 0
	for i, group := range file.RowGroups() {
		from := len(entries)
		size := file.Metadata().RowGroups[i].Columns[f.imageLeaf.ColumnIndex].MetaData.TotalUncompressedSize / max(group.NumRows(), 1)
		for range group.NumRows() {
			entries = append(entries, entry{
				Info: Info{Split: split, Version: o.Version, Score: math.NaN()},
				key:  o.Key, row: row, size: min(max(size, 0), maxSampleBytes),
			})
			row++
		}
		added := entries[from:]
		images := make([]int, 0)
		if err := eachRow(group, f.count, added, func(_ *entry, texts []string) error {
			images = append(images, len(texts))
			return nil
		}); err != nil {
			return nil, err
		}
		if err := eachRow(group, f.label, added, func(e *entry, texts []string) error {
			e.Labels = labels.list(f.words(texts))
			return nil
		}); err != nil {
			return nil, err
		}
		if err := eachRow(group, f.id, added, func(e *entry, texts []string) error {
			e.ID = texts[0]
			return nil
		}); err != nil {
			return nil, err
		}
		if err := eachRow(group, f.split, added, func(e *entry, texts []string) error {
			e.Split = names.get(text.Valid(texts[0]))
			return nil
		}); err != nil {
			return nil, err
		}
		if err := eachRow(group, f.score, added, func(e *entry, texts []string) (err error) {
			if e.Score, err = parseScore(texts[0]); err != nil {
				e.err = fmt.Errorf("%s row %d: %w", e.key, e.row, err)
			}
			return nil
		}); err != nil {
			return nil, err
		}
		entries = append(entries[:from], eachImage(added, images)...)
	}
	return entries, nil
}

// eachImage makes a sample of each image of rows that have several.
func eachImage(rows []entry, images []int) []entry {
	if len(images) == 0 {
		return rows
	}
	var all []entry
	for i, e := range rows {
		for n := range images[i] {
			e := e
			e.offset, e.size = int64(n), e.size/int64(images[i])
			if e.ID != "" && n > 0 {
				e.ID += ":" + strconv.Itoa(n)
			}
			all = append(all, e)
		}
	}
	return all
}

// words are the labels of a row.
func (f foundColumns) words(texts []string) []string {
	var words []string
	for _, label := range texts {
		if n, err := strconv.Atoi(label); err == nil && f.names != nil {
			switch {
			case n < 0:
				continue // as Hugging Face marks what has no label
			case n < len(f.names):
				label = f.names[n]
			}
		}
		if label != "" {
			words = append(words, text.Valid(label))
		}
	}
	return words
}

// eachRow visits the values of a column, nil for none, of each row of a group, as texts: "" for null, and at least one.
func eachRow(group parquet.RowGroup, column *parquet.LeafColumn, entries []entry, visit func(e *entry, texts []string) error) error {
	if column == nil {
		return nil
	}
	in := newParquetColumn(group, *column)
	defer in.close()
	var texts []string
	for i := range entries {
		texts = texts[:0]
		if err := in.next(func(v parquet.Value) { texts = append(texts, valueText(*column, v)) }); err != nil {
			return fmt.Errorf("row %d: %w", entries[i].row, cutShort(err))
		}
		if err := visit(&entries[i], texts); err != nil {
			return fmt.Errorf("row %d: %w", entries[i].row, err)
		}
	}
	return nil
}

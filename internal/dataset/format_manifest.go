package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

func init() { register(v1alpha1.FormatManifest, opener{list: openManifest, columns: true, file: true}) }

// openManifest lists the images that a table names, CSV or JSON Lines. Its columns, in any order and by these names
// unless the spec gives others:
//
//   - path, or file_name as in Hugging Face's metadata: the file, relative to the manifest's own folder; it may not leave the dataset.
//     Required.
//   - label: one label, or several separated by '|' (in JSON a list); empty for none.
//   - split: empty for none. Where no row has one, the paths may tell.
//   - id: the sample's ID; where the column or the cell is missing, the path within the dataset.
//   - group: what the sample belongs to.
//   - what duplicates.removal.column names.
//
// Rows of one file and ID are one sample with the labels of all, as sets for detection have a row for each object. A
// file that is not there, and a row that can't be read, is an unreadable sample, not an error.
func openManifest(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	manifests := []string{spec.file}
	if spec.file == "" {
		manifests = findManifests(objects, spec.DatasetSpec)
	}
	files := make(map[string]storage.Object, len(objects))
	for _, o := range objects {
		files[o.Key] = o
	}
	l := listing{source: imageFiles{bucket}, batch: 1, unit: "line"}
	fields := fieldsOf(spec)
	for _, manifest := range manifests {
		entries, err := openRows(ctx, bucket, manifest, fields)
		if err == nil {
			entries, err = unite(manifest, entries)
		}
		if err != nil {
			return listing{}, err
		}
		l.entries = append(l.entries, entries...)
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %s names no file", ErrEmpty, some(manifests))
	}
	if !slices.ContainsFunc(l.entries, func(e entry) bool { return e.Split != "" }) {
		l.warnings = splitsOfFiles(l.entries, func(e *entry) string { return e.key })
	}
	if err := l.find(ctx, bucket, files); err != nil {
		return listing{}, err
	}
	l.countUnnamed(objects)
	return l, nil
}

// find looks the files up that a manifest names. What is not among the files is not there, unless the file system finds
// names that are spelled in another way, as those of laptops do: it is asked once.
func (l *listing) find(ctx context.Context, bucket *storage.Bucket, files map[string]storage.Object) error {
	asked, exact := false, false
	for i := range l.entries {
		e := &l.entries[i]
		if e.err != nil {
			continue
		}
		if o, ok := files[e.key]; ok {
			e.Version, e.size = o.Version, o.Size
			continue
		}
		if !asked {
			_, err := bucket.Stat(ctx, e.key)
			if err != nil && storage.KindOf(err) == storage.Transient {
				return err
			}
			asked, exact = true, storage.KindOf(err) == storage.NotFound && err != nil
		}
		if !exact {
			continue
		}
		e.err = fmt.Errorf("%s: %w", e.key, fs.ErrNotExist)
		if _, ok := files[strings.ReplaceAll(e.key, `\`, "/")]; ok {
			e.err = fmt.Errorf(`%s: %w: folders are separated by / and not by \`, e.key, fs.ErrNotExist)
		}
	}
	return nil
}

// countUnnamed counts the images that no manifest names, and warns if they are many.
func (l *listing) countUnnamed(objects []storage.Object) {
	named := make(map[string]bool, len(l.entries))
	for i := range l.entries {
		named[l.entries[i].key] = true
	}
	unnamed, example := 0, ""
	for _, o := range objects {
		if isImage(o.Key) && !named[o.Key] && !hidden(o.Key) {
			l.ignored.add(o.Key)
			unnamed, example = unnamed+1, o.Key
		}
	}
	if unnamed > len(l.entries)/10 {
		l.warnings = append(l.warnings, fmt.Sprintf("%d images are named by no manifest, such as %s: they are left out", unnamed, example))
	}
}

// metadataNames are those of Hugging Face's ImageFolder, at the root or in the folders that hold the images.
var metadataNames = []string{"metadata.csv", "metadata.jsonl"}

func isMetadata(key string) bool { return slices.Contains(metadataNames, path.Base(key)) }

// FindManifests returns the keys of a dataset's manifests: what the spec names, else the default CSV file or, where
// there is none, that of JSON Lines, else those of Hugging Face.
func FindManifests(ctx context.Context, bucket *storage.Bucket, spec v1alpha1.DatasetSpec) ([]string, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return nil, err
	}
	return findManifests(objects, spec), nil
}

func findManifests(objects []storage.Object, spec v1alpha1.DatasetSpec) []string {
	manifest := path.Clean(spec.ManifestPath())
	if manifest != v1alpha1.DefaultManifestPath {
		return []string{manifest}
	}
	for _, key := range append([]string{manifest, v1alpha1.DefaultManifestLinesPath}, metadataNames...) {
		if slices.ContainsFunc(objects, func(o storage.Object) bool { return o.Key == key }) {
			return []string{key}
		}
	}
	var found []string
	for _, o := range objects {
		if isMetadata(o.Key) && !hidden(o.Key) {
			found = append(found, o.Key)
		}
	}
	if len(found) == 0 {
		return []string{manifest} // opening it says that it isn't there
	}
	return found
}

// openRows reads one manifest.
func openRows(ctx context.Context, bucket *storage.Bucket, manifest string, fields manifestFields) ([]entry, error) {
	body, err := bucket.Open(ctx, manifest)
	if err != nil {
		return nil, mistake(err)
	}
	defer body.Close()
	return readManifest(manifest, body, fields)
}

// readManifest reads the entries in the manifest's order, without the versions and sizes of their files.
func readManifest(manifest string, r io.Reader, fields manifestFields) ([]entry, error) {
	t, err := openTable(manifest, r, fields.all()...)
	if err != nil {
		return nil, err
	}
	if fields, err = fields.of(manifest, t); err != nil {
		return nil, err
	}
	labels, names := labelSets{}, interner{}
	var entries []entry
	for {
		e, err := fields.read(manifest, t, labels, names)
		if errors.Is(err, io.EOF) {
			return entries, fields.checkSeen(manifest, t)
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
}

// manifestFields are the names of a manifest's columns.
type manifestFields struct {
	paths                   []string // of which the first that is there counts
	label, split, id, group string
	score                   string // empty for none
	named                   []namedColumn
}

type namedColumn struct{ field, name string }

func fieldsOf(spec request) manifestFields {
	o := v1alpha1.ManifestOptions{}
	if spec.Manifest != nil {
		o = *spec.Manifest
	}
	f := manifestFields{
		paths: []string{"path", "file_name"}, label: cmp.Or(o.LabelColumn, "label"), split: cmp.Or(o.SplitColumn, "split"),
		id: cmp.Or(o.IDColumn, "id"), group: cmp.Or(o.GroupColumn, "group"), score: spec.column,
	}
	if o.PathColumn != "" {
		f.paths = []string{o.PathColumn}
	}
	for _, column := range []namedColumn{
		{"dataset.manifest.pathColumn", o.PathColumn}, {"dataset.manifest.labelColumn", o.LabelColumn},
		{"dataset.manifest.splitColumn", o.SplitColumn}, {"dataset.manifest.idColumn", o.IDColumn},
		{"dataset.manifest.groupColumn", o.GroupColumn}, {"duplicates.removal.column", spec.column},
	} {
		if column.name != "" {
			f.named = append(f.named, column)
		}
	}
	return f
}

func (f manifestFields) all() []string {
	return append([]string{f.label, f.split, f.id, f.group, f.score}, f.paths...)
}

// of are the fields that a table has. It must have some.
func (f manifestFields) of(manifest string, t tabular) (manifestFields, error) {
	there := slices.DeleteFunc(slices.Clone(f.paths), func(name string) bool { return !t.has(name) })
	if len(there) == 0 {
		return f, invalid("%s line 1: there is no column %s; name that of the files with dataset.manifest.pathColumn", manifest, strings.Join(f.paths, " or "))
	}
	for _, column := range f.named {
		if !t.has(column.name) {
			return f, invalid("%s line 1: there is no column %s, which %s names", manifest, column.name, column.field)
		}
	}
	f.paths = there
	return f, nil
}

// checkSeen refuses named fields that no line of JSON had.
func (f manifestFields) checkSeen(manifest string, t tabular) error {
	for _, column := range f.named {
		if !t.had(column.name) {
			return invalid("%s: no line has a field %s, which %s names", manifest, column.name, column.field)
		}
	}
	return nil
}

// read reads the next row. What is wrong with it alone is its entry's error; without a path it is called after its
// line.
func (f manifestFields) read(manifest string, t tabular, labels labelSets, names interner) (entry, error) {
	unnamed := func(line int) entry {
		return entry{Info: Info{ID: manifest + ":" + strconv.Itoa(line), Score: math.NaN()}, key: manifest, row: line}
	}
	r, err := t.next()
	for err == nil && r.blank() {
		r, err = t.next() // rows of commas alone, as spreadsheets write them
	}
	if wrong, ok := errors.AsType[*lineError](err); ok {
		e := unnamed(wrong.line)
		e.err = wrong.err
		return e, nil
	}
	if err != nil {
		return entry{}, err
	}
	e := unnamed(r.line())
	e.Split, e.Labels, e.Group = names.get(r.text(f.split)), r.labels(f.label, labels), names.get(r.text(f.group))
	var id, key string
	if id, key, e.err = f.sample(manifest, r); e.err == nil {
		e.ID, e.key = id, key
		e.Score, e.err = score(r, f.score)
	}
	return e, nil
}

// sample returns the ID of a record's sample and the key of its file.
func (f manifestFields) sample(manifest string, r cells) (id, key string, err error) {
	file, column := "", f.paths[0]
	for _, column = range f.paths {
		if file = r.text(column); file != "" {
			break
		}
	}
	if file == "" {
		return "", "", r.invalid(column, "is empty or not there; dataset.manifest.pathColumn names another column of files")
	}
	key = path.Join(path.Dir(manifest), strings.TrimPrefix(file, "./"))
	if path.IsAbs(file) || key == "." || key == ".." || strings.HasPrefix(key, "../") {
		return "", "", r.invalid(column, "%q is not a file in the dataset: it must be relative and stay inside", file)
	}
	key = strings.Clone(key) // a field shares the memory of its whole record
	if id = strings.Clone(r.text(f.id)); id == "" {
		id = key
	}
	return id, key, nil
}

// unite makes one sample of a manifest's rows with one ID and file. Rows that disagree about the split are an error:
// the file leaks. So are those that disagree about the group: each holds other samples together.
func unite(manifest string, entries []entry) ([]entry, error) {
	slices.SortStableFunc(entries, func(x, y entry) int { return strings.Compare(x.ID, y.ID) })
	labels := labelSets{}
	united := entries[:0]
	for _, e := range entries {
		n := len(united)
		if n == 0 || united[n-1].ID != e.ID || united[n-1].key != e.key {
			united = append(united, e)
			continue
		}
		first := &united[n-1]
		if e.Split != "" && first.Split != "" && e.Split != first.Split {
			return nil, invalid("%w %q: %s has it in split %s on line %d, and in split %s on line %d; one file in two splits leaks: leave one out, or give both an id",
				ErrDuplicateID, e.ID, manifest, first.Split, first.row, e.Split, e.row)
		}
		if e.Group != "" && first.Group != "" && e.Group != first.Group {
			return nil, invalid("%w %q: %s has it in group %s on line %d, and in group %s on line %d; a sample has one group",
				ErrDuplicateID, e.ID, manifest, first.Group, first.row, e.Group, e.row)
		}
		if first.err == nil {
			first.err = e.err
		}
		first.Labels = labels.list(slices.Concat(first.Labels, e.Labels))
		first.Split, first.Group = cmp.Or(first.Split, e.Split), cmp.Or(first.Group, e.Group)
		if math.IsNaN(first.Score) || e.Score > first.Score {
			first.Score = e.Score
		}
	}
	clear(entries[len(united):])
	return united, nil
}

// interner hands out one copy of every distinct string.
type interner map[string]string

func (n interner) get(s string) string {
	if known, ok := n[s]; ok {
		return known
	}
	s = strings.Clone(s)
	n[s] = s
	return s
}

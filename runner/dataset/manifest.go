package dataset

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

func init() { register(v1alpha1.FormatManifest, openManifest) }

// openManifest lists the images that a table names, CSV or JSON Lines. Its columns, in any order:
//
//   - path: the file, relative to the manifest's own folder; it may not leave the dataset. Required.
//   - label: one label, or several separated by '|' (in JSON a list); empty for none.
//   - split: empty for none.
//   - id: the sample's ID; where the column or the cell is missing, the path within the dataset.
//   - group: what the sample belongs to.
//   - what duplicates.removal.column names.
//
// A file that is not there is an unreadable sample, not an error: a manifest often outlives some of its files.
func openManifest(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	manifest, err := FindManifest(ctx, bucket, spec.DatasetSpec)
	if err != nil {
		return listing{}, err
	}
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	files := make(map[string]storage.Object, len(objects))
	for _, o := range objects {
		files[o.Key] = o
	}
	body, err := bucket.Open(ctx, manifest)
	if err != nil {
		return listing{}, mistake(err)
	}
	defer body.Close()
	l := listing{source: imageFiles{bucket}, batch: 1, unit: "line"}
	l.entries, err = readManifest(manifest, body, spec.column)
	if err != nil {
		return listing{}, err
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %s names no file", ErrEmpty, manifest)
	}
	for i := range l.entries {
		e := &l.entries[i]
		if o, ok := files[e.key]; ok {
			e.Version, e.size = o.Version, o.Size
		}
	}
	return l, nil
}

// FindManifest returns the key of a dataset's manifest: what the spec names, else the default CSV file or, where there is none,
// that of JSON Lines.
func FindManifest(ctx context.Context, bucket *storage.Bucket, spec v1alpha1.DatasetSpec) (string, error) {
	manifest := path.Clean(spec.ManifestPath())
	if manifest != v1alpha1.DefaultManifestPath {
		return manifest, nil
	}
	for _, key := range []string{manifest, v1alpha1.DefaultManifestLinesPath} {
		_, err := bucket.Stat(ctx, key)
		if err == nil {
			return key, nil
		}
		if storage.KindOf(err) != storage.NotFound {
			return "", mistake(err)
		}
	}
	return manifest, nil // opening it says that it isn't there
}

// readManifest reads the entries in the manifest's order, without the versions and sizes of their files.
func readManifest(manifest string, r io.Reader, column string) ([]entry, error) {
	t, err := openTable(manifest, r, append([]string{column}, manifestColumns...)...)
	if err != nil {
		return nil, err
	}
	if !t.has("path") {
		return nil, invalid("%s line 1: there is no column path", manifest)
	}
	if column != "" && !t.has(column) {
		return nil, invalid("%s line 1: there is no column %s, which duplicates.removal.column names", manifest, column)
	}
	labels, names := labelSets{}, interner{}
	var entries []entry
	for {
		r, err := t.next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		id, key, err := manifestSample(manifest, r)
		if err != nil {
			return nil, err
		}
		worth, err := score(r, column)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{
			Info: Info{ID: id, Split: names.get(r.text("split")), Labels: r.labels(labels), Group: names.get(r.text("group")), Score: worth},
			key:  key,
			row:  r.line(),
		})
	}
}

// manifestColumns are what a manifest can say of a sample.
var manifestColumns = []string{"path", "label", "split", "id", "group"}

// manifestSample returns the ID of a record's sample and the key of its file.
func manifestSample(manifest string, r cells) (id, key string, err error) {
	file := r.text("path")
	if file == "" {
		return "", "", r.invalid("path", "is empty")
	}
	key = path.Join(path.Dir(manifest), file)
	if path.IsAbs(file) || key == "." || key == ".." || strings.HasPrefix(key, "../") {
		return "", "", r.invalid("path", "%q is not a file in the dataset: it must be relative and stay inside", file)
	}
	key = strings.Clone(key) // a field shares the memory of its whole record
	if id = strings.Clone(r.text("id")); id == "" {
		id = key
	}
	return id, key, nil
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

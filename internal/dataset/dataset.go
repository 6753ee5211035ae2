// Package dataset turns folders, manifests and archives of many formats into one ordered sequence of samples.
//
// The order depends on nothing but the dataset: splits as the manifest lists them, else by name in byte order; within a
// split by path in byte order, whatever the storage lists. A shard is therefore a range of indices.
//
// A format is one file, format_NAME.go. It registers what lists its samples, and its listing names a source that reads
// them. What formats share is elsewhere:
//
//	dataset.go, subset.go    what a format gives and gets; order, subset and checks, the same for all
//	samples.go, lanes.go     concurrent reading, in order
//	splits.go, folders.go    what names of splits and folders mean
//	files.go, shards.go      which files count, and the names of shards
//	records.go, spans.go     sources: records of one size, runs of bytes, streams
//	parquet_*.go             the source of Parquet's columns
//	table.go, lines.go, npy.go, arrays.go, pickle.go, example.go, bmp.go    what parses files
package dataset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// Info is what is known of a sample without reading it.
type Info struct {
	// ID names the sample for good: the file's path in the dataset, "train:00042" for a record of a larger file, or
	// what a manifest's id column says.
	ID string
	// Split is empty where the dataset has none.
	Split string
	// Labels are sorted and distinct; nil for an unlabeled sample. The slice is shared: do not change it.
	Labels []string
	// Group is what a manifest's group column says: samples of one patient, video or scene.
	Group string
	// Version changes when the file that holds the sample does.
	Version string
	// Score is the number in the column that Open was asked for, a time in seconds; NaN where there is none.
	Score float64
}

// Sample is one sample as read.
type Sample struct {
	// Index is the sample's position in the dataset's order.
	Index int
	Info
	// Bytes is an encoded image; nil where Vector is set or Err is.
	Bytes []byte
	// Vector is a row of format Embeddings, all of its values finite.
	Vector []float32
	// Digest is the SHA-256 of Bytes, of the pixels of a record of CIFAR or IDX, or of a vector's values as
	// little-endian float32; zero where Err is set.
	Digest [sha256.Size]byte
	// Err says why this sample alone cannot be read.
	Err error
}

// Dataset is an ordered subset of a dataset. Its methods may be called concurrently.
type Dataset struct {
	entries []entry
	listing listing
	splits  []string // of all of the listing
}

// entry is a sample and where it lies.
type entry struct {
	Info
	key    string // the object that holds it
	row    int    // its record there, or its line in the manifest
	offset int64  // where it begins in the object, uncompressed; only for spans and streams
	size   int64  // bytes that it takes in memory, about; 0 if unknown. For spans and streams exactly those of the object
	err    error  // why it can't be read, known from the listing
}

// listing is what a format's opener finds: every sample of the dataset, in any order.
type listing struct {
	entries []entry
	source  source
	// batch is how many consecutive samples one call of the source had best be given.
	batch int
	// unit is what entry.row counts, in messages.
	unit string
	// ignored counts the files that are not samples.
	ignored Ignored
	// warnings say what of the dataset could be read in another way.
	warnings []string
	// dimensions is the vectors' width; 0 for images.
	dimensions int
}

// source reads samples. Its read is called concurrently, with entries in the dataset's order, and returns one content
// for each. Its error ends the reading; what concerns one sample alone is that content's err.
type source interface {
	read(ctx context.Context, entries []entry) ([]content, error)
}

// content is what reading adds to an Info.
type content struct {
	bytes  []byte
	vector []float32
	digest [sha256.Size]byte
	err    error
}

// request is what an opener is asked for.
type request struct {
	v1alpha1.DatasetSpec
	// column is that of the scores, empty for none.
	column string
	// file is the key of the only file that counts, empty for all.
	file string
}

// list returns the dataset's objects.
func (r request) list(ctx context.Context, bucket *storage.Bucket) ([]storage.Object, error) {
	if r.file == "" {
		return bucket.List(ctx, "")
	}
	o, err := bucket.Stat(ctx, r.file)
	return []storage.Object{o}, mistake(err)
}

// An opener is what a format's own file says of it.
type opener struct {
	// list finds the samples of a dataset.
	list func(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error)
	// columns: it says more of a sample than its split and labels, and may have a column of scores.
	columns bool
	// file: a dataset may be a single file.
	file bool
}

// formats are filled by each format's own file.
var formats = map[v1alpha1.DatasetFormat]opener{}

func register(name v1alpha1.DatasetFormat, o opener) {
	if _, ok := formats[name]; ok {
		panic(fmt.Sprintf("dataset: format %s registered twice", name))
	}
	formats[name] = o
}

// Open lists the dataset in bucket and chooses the subset that spec asks for: its splits, then its labels, then the
// first maxSamples. The bucket must stay open as long as samples are read. Column, if not empty, names what Info.Score
// is taken from; formats without columns refuse it.
//
// A mistake in the dataset or the spec is an *InvalidError, with ErrEmpty or ErrDuplicateID in its chain where that is
// it.
func Open(ctx context.Context, bucket *storage.Bucket, spec v1alpha1.DatasetSpec, column string) (*Dataset, error) {
	return OpenFile(ctx, bucket, "", spec, column)
}

// OpenFile is Open for a dataset that is the file of a key alone: a manifest, an archive, a file of records or of
// vectors. An empty key means the whole bucket.
func OpenFile(ctx context.Context, bucket *storage.Bucket, file string, spec v1alpha1.DatasetSpec, column string) (*Dataset, error) {
	opener, ok := formats[spec.Format]
	if !ok {
		var known []string
		for f := range formats {
			known = append(known, string(f))
		}
		slices.Sort(known)
		return nil, invalid("dataset.format: %q is not among the formats of this build: %s", spec.Format, some(known))
	}
	if column != "" && !opener.columns {
		return nil, invalid("duplicates.removal.column: format %s has no columns: use keep Medoid, First or HighestResolution, or a Manifest", spec.Format)
	}
	if file != "" && !opener.file {
		return nil, invalid("dataset %s: %s is a file, and format %s takes a folder", bucket, file, spec.Format)
	}
	l, err := opener.list(ctx, bucket, request{spec, column, file})
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", bucket, err)
	}
	all := splitNames(l.entries)
	entries, err := choose(l, spec)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", bucket, err)
	}
	l.entries = nil
	d := &Dataset{entries: entries, listing: l, splits: all}
	d.doubtSplits(spec)
	return d, nil
}

// manySplits are more than anybody makes: what is read as splits are most likely labels, or subjects.
const manySplits = 100

// doubtSplits warns of splits none of which is known to be for evaluation, and of more than there can be.
func (d *Dataset) doubtSplits(spec v1alpha1.DatasetSpec) {
	var names []string
	for _, split := range d.Splits() {
		names = append(names, split.Name)
	}
	if len(names) > manySplits {
		d.listing.warnings = append(d.listing.warnings, fmt.Sprintf("%d names are read as splits, such as %s: if they are labels or groups, say so in a Manifest", len(names), some(names[:3])))
	}
	if len(names) > 1 && len(spec.EvaluationSplits) == 0 && !slices.ContainsFunc(names, IsEvaluation) {
		d.listing.warnings = append(d.listing.warnings, fmt.Sprintf("none of the splits (%s) is known to be for evaluation, so leakage is not looked for: name those that are with dataset.evaluationSplits", some(names)))
	}
}

// Len returns the number of samples.
func (d *Dataset) Len() int { return len(d.entries) }

// Info returns what is known of sample i, 0 ≤ i < Len.
func (d *Dataset) Info(i int) Info { return d.entries[i].Info }

// Infos iterates over all samples in order.
func (d *Dataset) Infos() iter.Seq2[int, Info] {
	return func(yield func(int, Info) bool) {
		for i := range d.entries {
			if !yield(i, d.entries[i].Info) {
				return
			}
		}
	}
}

// Dimensions returns the width of the samples' vectors, or 0 where the samples are images.
func (d *Dataset) Dimensions() int { return d.listing.dimensions }

// Ignored returns how many files of the dataset are not samples of its format. Hidden files are not counted.
func (d *Dataset) Ignored() Ignored { return d.listing.ignored }

// Warnings say, a sentence each, what of the dataset could also be read in another way.
func (d *Dataset) Warnings() []string { return d.listing.warnings }

// Broken returns the number of samples that are known to be unreadable without reading them, and what is wrong with the
// first.
func (d *Dataset) Broken() (n int, first error) {
	for i := range d.entries {
		if err := d.entries[i].err; err != nil {
			if n == 0 {
				first = err
			}
			n++
		}
	}
	return n, first
}

// AllSplits returns the names of the splits of the whole dataset, those that were not chosen included, in byte order.
func (d *Dataset) AllSplits() []string { return d.splits }

func splitNames(entries []entry) []string {
	seen := map[string]bool{}
	for i := range entries {
		seen[entries[i].Split] = true
	}
	delete(seen, "")
	return slices.Sorted(maps.Keys(seen))
}

// Split is a split of a dataset and the number of its samples.
type Split struct {
	Name    string
	Samples int
}

// Splits returns the splits in the dataset's order.
func (d *Dataset) Splits() []Split {
	var splits []Split
	for i := range d.entries {
		if n := len(splits); n == 0 || splits[n-1].Name != d.entries[i].Split {
			splits = append(splits, Split{Name: d.entries[i].Split})
		}
		splits[len(splits)-1].Samples++
	}
	return splits
}

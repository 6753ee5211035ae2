// Package dataset turns folders, manifests and archives of many formats into one ordered sequence of samples.
//
// The order depends on nothing but the dataset: splits as the manifest lists them, else by name in byte order; within a split
// by path in byte order, whatever the storage lists. A shard is therefore a range of indices.
//
// A format is one file: it registers an opener that lists the samples and a source that reads them. Order, subset, checks
// and concurrent reading are the same for all.
package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// Info is what is known of a sample without reading it.
type Info struct {
	// ID names the sample for good: the file's path in the dataset, "train:00042" for a record of a larger file, or what a
	// manifest's id column says.
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
	// Digest is the SHA-256 of Bytes, of the pixels of a record of CIFAR or IDX, or of a vector's values as little-endian float32;
	// zero where Err is set.
	Digest [sha256.Size]byte
	// Err says why this sample alone cannot be read.
	Err error
}

// Dataset is an ordered subset of a dataset. Its methods may be called concurrently.
type Dataset struct {
	entries []entry
	listing listing
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
	// ignored counts the files that are no samples.
	ignored Ignored
	// warnings say what of the dataset could be read in another way.
	warnings []string
	// dimensions is the vectors' width; 0 for images.
	dimensions int
}

// source reads samples. Its read is called concurrently, with entries in the dataset's order, and returns one content for
// each. Its error ends the reading; what concerns one sample alone is that content's err.
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

// opener lists a dataset of one format.
type opener func(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error)

// formats are filled by each format's own file.
var formats = map[v1alpha1.DatasetFormat]opener{}

// withoutColumns are the formats that say nothing of a sample but its split and label.
var withoutColumns = []v1alpha1.DatasetFormat{v1alpha1.FormatImageFolder, v1alpha1.FormatCIFAR, v1alpha1.FormatIDX}

func register(format v1alpha1.DatasetFormat, open opener) {
	if _, ok := formats[format]; ok {
		panic(fmt.Sprintf("dataset: format %s registered twice", format))
	}
	formats[format] = open
}

// Open lists the dataset in bucket and chooses the subset that spec asks for: its splits, then its labels, then the first
// maxSamples. The bucket must stay open as long as samples are read. Column, if not empty, names what Info.Score is taken from;
// formats without columns refuse it.
//
// A mistake in the dataset or the spec is an *InvalidError, with ErrEmpty or ErrDuplicateID in its chain where that is it.
func Open(ctx context.Context, bucket *storage.Bucket, spec v1alpha1.DatasetSpec, column string) (*Dataset, error) {
	return OpenFile(ctx, bucket, "", spec, column)
}

// fileFormats are those of which a dataset may be a single file.
var fileFormats = []v1alpha1.DatasetFormat{
	v1alpha1.FormatManifest, v1alpha1.FormatWebDataset, v1alpha1.FormatParquet, v1alpha1.FormatTFRecord, v1alpha1.FormatEmbeddings,
}

// OpenFile is Open for a dataset that is the file of a key alone: a manifest, an archive, a file of records or of vectors. An empty key
// means the whole bucket.
func OpenFile(ctx context.Context, bucket *storage.Bucket, file string, spec v1alpha1.DatasetSpec, column string) (*Dataset, error) {
	open, ok := formats[spec.Format]
	if !ok {
		var known []string
		for f := range formats {
			known = append(known, string(f))
		}
		slices.Sort(known)
		return nil, invalid("dataset.format: %q is not among the formats of this build: %s", spec.Format, some(known))
	}
	if column != "" && slices.Contains(withoutColumns, spec.Format) {
		return nil, invalid("duplicates.removal.column: format %s has no columns: use keep Medoid, First or HighestResolution, or a Manifest", spec.Format)
	}
	if file != "" && !slices.Contains(fileFormats, spec.Format) {
		return nil, invalid("dataset %s: %s is a file, and format %s takes a folder", bucket, file, spec.Format)
	}
	l, err := open(ctx, bucket, request{spec, column, file})
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", bucket, err)
	}
	entries, err := choose(l, spec)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", bucket, err)
	}
	l.entries = nil
	d := &Dataset{entries: entries, listing: l}
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

// Ignored returns how many files of the dataset are no samples of its format. Hidden files are not counted.
func (d *Dataset) Ignored() Ignored { return d.listing.ignored }

// Warnings say, a sentence each, what of the dataset could also be read in another way.
func (d *Dataset) Warnings() []string { return d.listing.warnings }

// Broken returns the number of samples that are known to be unreadable without reading them, and what is wrong with the first.
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

// choose applies the dataset's order and the spec's subset.
func choose(l listing, spec v1alpha1.DatasetSpec) ([]entry, error) {
	if spec.MaxSamples != nil && *spec.MaxSamples < 1 {
		return nil, invalid("dataset.maxSamples: %d, must be at least 1", *spec.MaxSamples)
	}
	if err := checkIDs(l); err != nil {
		return nil, err
	}
	if err := checkNames(l.entries, spec); err != nil {
		return nil, err
	}

	rank := make(map[string]int, len(spec.Splits))
	for i, split := range slices.Backward(spec.Splits) {
		rank[split] = i
	}
	entries := slices.DeleteFunc(l.entries, func(e entry) bool {
		if e.err != nil && e.Split == "" && e.Labels == nil {
			return false // nobody knows whether it belongs to the subset: it is counted
		}
		_, listed := rank[e.Split]
		return len(spec.Splits) > 0 && !listed || len(spec.Labels) > 0 && !overlap(e.Labels, spec.Labels)
	})
	if len(entries) == 0 {
		return nil, invalid("%w: no sample has one of dataset.splits (%s) and one of dataset.labels (%s) at once",
			ErrEmpty, some(spec.Splits), some(spec.Labels))
	}

	slices.SortFunc(entries, func(x, y entry) int {
		return cmp.Or(
			cmp.Compare(rank[x.Split], rank[y.Split]), // all 0 where the spec lists no splits
			strings.Compare(x.Split, y.Split),
			strings.Compare(x.key, y.key),
			cmp.Compare(x.row, y.row),
		)
	})
	if spec.MaxSamples != nil && int64(len(entries)) > *spec.MaxSamples {
		entries = entries[:*spec.MaxSamples]
	}
	if len(entries) < cap(entries)/2 {
		entries = slices.Clone(entries) // a small subset need not hold the whole listing
	}
	return entries, nil
}

func overlap(labels, wanted []string) bool {
	return slices.ContainsFunc(labels, func(l string) bool { return slices.Contains(wanted, l) })
}

// checkIDs finds two samples of one ID, or an ID that is no text, over the whole dataset, so that the answer does not depend
// on the subset. It sorts positions instead of filling a set: a fraction of the memory.
func checkIDs(l listing) error {
	order := make([]int32, len(l.entries))
	for i, e := range l.entries {
		if !utf8.ValidString(e.ID) {
			return invalid("sample ID %q is not text in UTF-8: rename the file, since no result could name it", e.ID)
		}
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		return cmp.Or(strings.Compare(l.entries[x].ID, l.entries[y].ID), cmp.Compare(x, y))
	})
	for i := 1; i < len(order); i++ {
		a, b := l.entries[order[i-1]], l.entries[order[i]]
		if a.ID == b.ID {
			return invalid("%w %q: borne by %s %s %d and by %s %s %d; IDs must be distinct",
				ErrDuplicateID, a.ID, a.key, l.unit, a.row, b.key, l.unit, b.row)
		}
	}
	return nil
}

// checkNames refuses a split or label that the dataset does not have: a typing mistake would otherwise pass for a subset.
func checkNames(entries []entry, spec v1alpha1.DatasetSpec) error {
	splits, labels := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		splits[e.Split] = true
		for _, l := range e.Labels {
			labels[l] = true
		}
	}
	delete(splits, "")
	for _, check := range []struct {
		field, noun string
		want        []string
		have        map[string]bool
	}{
		{"splits", "split", spec.Splits, splits},
		{"labels", "label", spec.Labels, labels},
	} {
		for _, name := range check.want {
			if !check.have[name] {
				return invalid("dataset.%s: the dataset has no %s %q; it has: %s",
					check.field, check.noun, name, some(slices.Sorted(maps.Keys(check.have))))
			}
		}
	}
	return nil
}

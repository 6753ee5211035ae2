package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/semaphore"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

func init() { register(v1alpha1.FormatTFRecord, opener{list: openTFRecord, columns: true, file: true}) }

// openTFRecord lists the records of TFRecord files (https://www.tensorflow.org/tutorials/load_data/tfrecord),
// compressed or not, as their content says, whose records are tf.Example messages. Files are those that are called like
// it; see isTFRecord. The label is a name, or a number, which the lines of a file FEATURE.labels.txt put into words, as
// TensorFlow Datasets write it.
//
// The label lies within the record, so listing streams the whole files once, and checks their checksums.
func openTFRecord(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	objects, err := spec.list(ctx, bucket)
	if err != nil {
		return listing{}, err
	}
	f := tfFeatures{column: spec.column}
	if o := spec.TFRecord; o != nil {
		f.image, f.label, f.id = o.ImageFeature, o.LabelFeature, o.IDFeature
	}
	l := listing{unit: "record", batch: 256}
	var files []storage.Object
	var names []string
	for _, o := range objects {
		switch {
		case spec.file == "" && hidden(o.Key):
		case spec.file != "" || isTFRecord(o.Key):
			files = append(files, o)
		case strings.HasSuffix(strings.ToLower(o.Key), labelNames):
			names = append(names, o.Key)
		default:
			l.ignored.add(o.Key)
		}
	}
	if len(files) == 0 {
		return listing{}, invalid("%w: looked for files with tfrecord in their name, or called like train-00000-of-00010, found %d others", ErrEmpty, l.ignored.Files())
	}
	if spec.file == "" {
		l.warnings = missingShards(files)
	}
	if f.names, err = readLabelNames(ctx, bucket, names); err != nil {
		return listing{}, err
	}
	if len(names) == 1 {
		f.only = strings.TrimSuffix(names[0], labelNames)
	}
	room := semaphore.NewWeighted(recordRoom)
	packed, err := allCompressed(ctx, bucket, files, func(magic []byte) bool {
		return len(magic) == tfHeader && maskedChecksum(magic[:8]) == binary.LittleEndian.Uint32(magic[8:])
	})
	if err != nil {
		return listing{}, err
	}
	plain := spans{bucket: bucket, decode: f.decode}
	l.source = &plain
	if packed {
		l.source = &streams{spans: plain}
	}
	l.entries, err = listShards(ctx, files, func(ctx context.Context, file storage.Object) ([]entry, error) {
		body, err := openShard(ctx, bucket, file, packed)
		if err != nil {
			return nil, mistake(err)
		}
		defer body.Close()
		entries, err := f.list(file, &recordReader{ctx: ctx, r: body, room: room})
		if err != nil {
			return nil, unreadable(file.Key, err)
		}
		return entries, nil
	})
	if err != nil {
		return listing{}, err
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %d TFRecord files hold no record", ErrEmpty, len(files))
	}
	number(l.entries)
	return l, nil
}

// isTFRecord knows the names that people give: train.tfrecord-00000-of-00010, train-00000-of-01024, x.tfrec, x.record,
// compressed or not.
func isTFRecord(key string) bool {
	base := strings.ToLower(path.Base(key))
	if compressed(base) {
		base = strings.TrimSuffix(base, path.Ext(base))
	}
	switch path.Ext(base) {
	case ".idx", ".index", ".json", ".txt", ".csv", ".md":
		return false
	case ".tfrec", ".record", ".records", ".tfr":
		return true
	}
	numbers := shardNumber.FindAllString(base, -1)
	return strings.Contains(base, "tfrecord") || len(numbers) > 0 && strings.HasSuffix(base, numbers[len(numbers)-1])
}

// labelNames ends the names of files that put the numbers of a feature into words.
const labelNames = ".labels.txt"

// readLabelNames reads such files, by their paths up to the feature: FOLDER/FEATURE.
func readLabelNames(ctx context.Context, bucket *storage.Bucket, keys []string) (map[string][]string, error) {
	names := map[string][]string{}
	for _, key := range keys {
		text, err := readSmall(ctx, bucket, key)
		if err != nil {
			return nil, err
		}
		names[key[:len(key)-len(labelNames)]] = strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	}
	return names, nil
}

// tfFeatures says which features of an example mean what.
type tfFeatures struct {
	image, label, id, column string
	names                    map[string][]string // of the labels that are numbers; see readLabelNames
	only                     string              // of these, where there is one; else empty
}

// Features that are looked for where the spec names none, as TensorFlow Datasets and the Object Detection API call
// them.
var (
	tfImages = []string{"image/encoded", "image", "image_raw"}
	tfLabels = []string{"image/class/text", "image/class/label", "label"}
)

// list goes through the records of a file.
func (f tfFeatures) list(file storage.Object, in *recordReader) ([]entry, error) {
	defer in.close()
	labels, ids := labelSets{}, interner{}
	split := splitOf(file.Key)
	var entries []entry
	at := int64(0)
	for row := 0; ; row++ {
		size, err := in.next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", row, err)
		}
		e := entry{
			Info: Info{Split: split, Version: file.Version, Score: math.NaN()},
			key:  file.Key, row: row, offset: at + tfHeader, size: size,
		}
		at += tfHeader + size + tfFooter
		if size <= maxSampleBytes {
			if err := f.describe(&e, in.record, labels, ids); err != nil && row == 0 {
				return nil, fmt.Errorf("record %d: %w", row, err)
			} else if err != nil {
				e.err = fmt.Errorf("%s record %d: %w", file.Key, row, err)
			}
		}
		entries = append(entries, e)
	}
}

func (f tfFeatures) describe(e *entry, record []byte, labels labelSets, ids interner) error {
	features, err := parseExample(record)
	if err != nil {
		return err
	}
	if _, _, ok := find(features, f.image, tfImages); !ok && e.row == 0 {
		return fmt.Errorf("no feature holds an image: looked for %s among %s; name it with dataset.tfRecord.imageFeature",
			some(wanted(f.image, tfImages)), some(features.names()))
	}
	label, name, ok := find(features, f.label, tfLabels)
	if !ok && f.label != "" && e.row == 0 {
		return fmt.Errorf("dataset.tfRecord.labelFeature: there is no feature %q among %s", f.label, some(features.names()))
	}
	e.Labels = labels.list(f.words(features, label, name, e.key))
	if f.id != "" {
		id, ok := features.get(f.id)
		if !ok {
			return fmt.Errorf("dataset.tfRecord.idFeature: there is no feature %q among %s", f.id, some(features.names()))
		}
		if texts := id.texts(); len(texts) == 1 {
			e.ID = ids.get(texts[0])
		}
		if len(id.bytes) == 1 {
			e.ID = ids.get(string(id.bytes[0])) // what is not text is refused, rather than called like another
		}
	}
	if f.column != "" {
		feature, _ := features.get(f.column)
		if texts := feature.texts(); len(texts) == 1 {
			if e.Score, err = parseScore(texts[0]); err != nil {
				return fmt.Errorf("%s: %w", f.column, err)
			}
		}
	}
	return nil
}

// words puts labels that are numbers into words where these are known: those of the nearest folder for the feature. An
// only file of words is for whatever feature holds the label, unless the examples have the feature that it is called
// after.
func (f tfFeatures) words(features example, label feature, name, file string) []string {
	words := label.texts()
	if label.bytes != nil {
		return words
	}
	var names []string
	for folder := path.Dir(file); names == nil; folder = path.Dir(folder) {
		names = f.names[path.Join(folder, path.Base(name))]
		if folder == "." || folder == "/" {
			break
		}
	}
	if _, another := features[path.Base(f.only)]; names == nil && !another {
		names = f.names[f.only]
	}
	for i, n := range label.ints {
		switch {
		case n >= 0 && n < int64(len(names)):
			words[i] = strings.TrimSpace(names[n])
		case n < 0 && names != nil:
			words[i] = "" // as TensorFlow Datasets mark what has no label
		}
	}
	return words
}

// decode takes the image out of a record.
func (f tfFeatures) decode(e *entry, record []byte) content {
	features, err := parseExample(record)
	if err != nil {
		return content{err: fmt.Errorf("%s record %d: %w", e.key, e.row, err)}
	}
	image, _, ok := find(features, f.image, tfImages)
	if !ok || len(image.bytes) != 1 {
		return content{err: fmt.Errorf("%s record %d: no feature holds one image", e.key, e.row)}
	}
	data := slices.Clone(fromBase64(image.bytes[0])) // the record is larger, and shared
	return content{bytes: data, digest: sha256.Sum256(data)}
}

// A record is its length (8 bytes, little-endian), a checksum of that, the bytes, and a checksum of these.
const (
	tfHeader = 12
	tfFooter = 4
)

// recordReader reads the records of a file one after the other.
type recordReader struct {
	ctx    context.Context
	r      io.Reader
	record []byte // the last one

	// room is what the readers of all files may hold at once, so that 16 files of large records don't take 16 times as
	// much.
	room *semaphore.Weighted
	held int64
}

const (
	recordRoom = 2 * maxSampleBytes // memory that grows is copied
	freeRecord = 1 << 20            // that is held without asking
)

// next reads a record into the memory of the last one. One that is too large is skipped; io.EOF follows the last.
func (in *recordReader) next() (size int64, err error) {
	var header [tfHeader]byte
	if _, err := io.ReadFull(in.r, header[:]); err != nil {
		return 0, err
	}
	if maskedChecksum(header[:8]) != binary.LittleEndian.Uint32(header[8:]) {
		return 0, errors.New("the checksum of its length is wrong: not a TFRecord file, or a damaged one")
	}
	length := binary.LittleEndian.Uint64(header[:])
	if length > math.MaxInt32 {
		return 0, fmt.Errorf("it claims to have %d bytes, more than any example: the file is damaged", length)
	}
	if length > maxSampleBytes {
		_, err := io.CopyN(io.Discard, in.r, int64(length)+tfFooter)
		return int64(length), cutShort(err)
	}
	if err := in.fill(int(length) + tfFooter); err != nil {
		return 0, err
	}
	checksum := binary.LittleEndian.Uint32(in.record[length:])
	in.record = in.record[:length]
	if maskedChecksum(in.record) != checksum {
		return 0, errors.New("its checksum is wrong: the file is damaged")
	}
	return int64(length), nil
}

// fill reads n bytes. Memory grows with what is there, not with what a length claims.
func (in *recordReader) fill(n int) error {
	if n > freeRecord && 2*int64(n) > in.held {
		in.close() // who waits holds nothing
		in.held = min(2*int64(n), recordRoom)
		if err := in.room.Acquire(in.ctx, in.held); err != nil {
			in.held = 0
			return err
		}
	}
	in.record = in.record[:0]
	for len(in.record) < n {
		if len(in.record) == cap(in.record) {
			in.record = append(make([]byte, 0, min(n, max(freeRecord, 2*cap(in.record)))), in.record...)
		}
		from := len(in.record)
		in.record = in.record[:min(n, cap(in.record))]
		if _, err := io.ReadFull(in.r, in.record[from:]); err != nil {
			return cutShort(err)
		}
	}
	return nil
}

// close gives back what is held.
func (in *recordReader) close() {
	in.room.Release(in.held)
	in.record, in.held = nil, 0
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedChecksum is CRC-32C, turned and shifted so that the checksum of a record that holds checksums is as good as
// any.
func maskedChecksum(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

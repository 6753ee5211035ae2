package dataset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func init() { register(v1alpha1.FormatCIFAR, opener{list: openCIFAR}) }

// cifarVariant is one of the layouts of https://www.cs.toronto.edu/~kriz/cifar.html.
type cifarVariant struct {
	name  v1alpha1.CIFARVariant
	files []struct{ name, split string } // in the order that numbers the samples
	// names is the file that names the labels.
	names string
	// list lists one file; readNames reads the names.
	list      func(ctx context.Context, bucket *storage.Bucket, file storage.Object) (cifarRecords, error)
	readNames func(ctx context.Context, bucket *storage.Bucket, key string) ([]string, error)
}

// cifarRecords is what a file holds.
type cifarRecords struct {
	layout layout
	labels []int
}

const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
)

// splitFiles pairs files with their splits.
func splitFiles(pairs ...string) (files []struct{ name, split string }) {
	for i := 0; i < len(pairs); i += 2 {
		files = append(files, struct{ name, split string }{pairs[i], pairs[i+1]})
	}
	return files
}

var cifarVariants = []cifarVariant{
	{
		name: v1alpha1.CIFAR10,
		files: splitFiles("data_batch_1.bin", "train", "data_batch_2.bin", "train", "data_batch_3.bin", "train",
			"data_batch_4.bin", "train", "data_batch_5.bin", "train", "test_batch.bin", "test"),
		names: "batches.meta.txt", list: listBinary(1), readNames: readWords,
	},
	{
		name:  v1alpha1.CIFAR100,
		files: splitFiles("train.bin", "train", "test.bin", "test"),
		names: "fine_label_names.txt", list: listBinary(2), readNames: readWords,
	},
	{
		name: v1alpha1.CIFAR10,
		files: splitFiles("data_batch_1", "train", "data_batch_2", "train", "data_batch_3", "train",
			"data_batch_4", "train", "data_batch_5", "train", "test_batch", "test"),
		names: "batches.meta", list: listPickle("labels"), readNames: readPickledNames("label_names"),
	},
	{
		name:  v1alpha1.CIFAR100,
		files: splitFiles("train", "train", "test", "test"),
		names: "meta", list: listPickle("fine_labels"), readNames: readPickledNames("fine_label_names"),
	},
}

// openCIFAR lists the records of CIFAR-10 or CIFAR-100, in the binary or the Python version, unpacked at the dataset's
// root or in one folder below it. A sample's ID is its split and its number there, as the dataset itself counts:
// "train:00042". CIFAR-100's label is the fine one. Label names come from the file beside the batches; without it
// labels are numbers.
//
// In the binary version the labels lie between the pixels, so listing streams the whole files once.
func openCIFAR(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	var wanted v1alpha1.CIFARVariant
	if spec.CIFAR != nil {
		wanted = spec.CIFAR.Variant
	}
	variant, folder, err := findCIFAR(objects, wanted)
	if err != nil {
		return listing{}, err
	}
	at := make(map[string]storage.Object, len(objects))
	for _, o := range objects {
		at[o.Key] = o
	}
	var names []string
	if o, ok := at[path.Join(folder, variant.names)]; ok {
		if names, err = variant.readNames(ctx, bucket, o.Key); err != nil {
			return listing{}, err
		}
	}

	r := &records{bucket: bucket, layout: map[string]layout{}, size: cifarPixels, decode: func(pixels []byte) content {
		return content{bytes: planesToBMP(pixels, cifarSide, cifarSide), digest: sha256.Sum256(pixels)}
	}}
	l := listing{source: r, batch: r.batch(), unit: "record"}
	labels, number := labelSets{}, map[string]int{}
	for _, file := range variant.files {
		o, ok := at[path.Join(folder, file.name)]
		if !ok {
			continue
		}
		found, err := variant.list(ctx, bucket, o)
		if err != nil {
			return listing{}, err
		}
		r.layout[o.Key] = found.layout
		for row, label := range found.labels {
			name, err := labelName(label, names)
			if err != nil {
				return listing{}, invalid("%s record %d: %w", o.Key, row, err)
			}
			l.entries = append(l.entries, entry{
				Info: Info{
					ID:      fmt.Sprintf("%s:%05d", file.split, number[file.split]),
					Split:   file.split,
					Labels:  labels.one(name),
					Version: o.Version,
					Score:   math.NaN(),
				},
				key:  o.Key,
				row:  row,
				size: cifarPixels + bmpSize(cifarSide, cifarSide),
			})
			number[file.split]++
		}
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: the %s files hold no record", ErrEmpty, variant.name)
	}
	for key := range at {
		name := path.Base(key)
		if !hidden(key) && name != variant.names && !variant.has(name) {
			l.ignored.add(key)
		}
	}
	return l, nil
}

// listBinary lists records of label bytes, the last of which is the label, then 1024 red, 1024 green and 1024 blue
// bytes, rows from the top.
func listBinary(labelBytes int) func(context.Context, *storage.Bucket, storage.Object) (cifarRecords, error) {
	size := labelBytes + cifarPixels
	return func(ctx context.Context, bucket *storage.Bucket, file storage.Object) (cifarRecords, error) {
		if file.Size%int64(size) != 0 {
			return cifarRecords{}, invalid("%s: %d bytes are not a whole number of records of %d bytes: is it cut short?", file.Key, file.Size, size)
		}
		found := cifarRecords{layout: layout{start: int64(labelBytes), stride: int64(size), pieces: 1}}
		err := scan(ctx, bucket.Pin(file.Key, file.Version), size, func(_ int, record []byte) error {
			found.labels = append(found.labels, int(record[labelBytes-1]))
			return nil
		})
		return found, mistake(err)
	}
}

// listPickle lists the rows of a pickled dictionary with the pixels, an array N×3072, and a list of labels.
func listPickle(labels string) func(context.Context, *storage.Bucket, storage.Object) (cifarRecords, error) {
	return func(ctx context.Context, bucket *storage.Bucket, file storage.Object) (cifarRecords, error) {
		dict, err := unpickleDict(ctx, bucket, file)
		if err != nil {
			return cifarRecords{}, err
		}
		data, rows, columns, err := bytesArray(dict["data"])
		if err == nil && columns != cifarPixels {
			err = fmt.Errorf("rows of %d bytes: %d are wanted", columns, cifarPixels)
		}
		if err != nil {
			return cifarRecords{}, invalid("%s: data: %w", file.Key, err)
		}
		found := cifarRecords{layout: layout{start: data.offset, stride: cifarPixels, pieces: 1}}
		list, _ := dict[labels].(*[]any)
		if list == nil || int64(len(*list)) != rows {
			return cifarRecords{}, invalid("%s: %s is not a list of %d labels", file.Key, labels, rows)
		}
		for i, label := range *list {
			n, ok := label.(int64)
			if !ok || n < 0 || n > math.MaxInt32 {
				return cifarRecords{}, invalid("%s: %s: label %d is of type %T, not a number from 0", file.Key, labels, i, label)
			}
			found.labels = append(found.labels, int(n))
		}
		return found, nil
	}
}

func unpickleDict(ctx context.Context, bucket *storage.Bucket, file storage.Object) (map[string]any, error) {
	body, err := bucket.Pin(file.Key, file.Version).OpenRange(ctx, 0, -1)
	if err != nil {
		return nil, mistake(err)
	}
	defer body.Close()
	value, err := unpickle(body)
	if err != nil {
		return nil, unreadable(file.Key, err)
	}
	dict, ok := value.(map[string]any)
	if !ok {
		return nil, invalid("%s: a pickled dictionary is wanted, as in the Python version of CIFAR", file.Key)
	}
	return dict, nil
}

func readWords(ctx context.Context, bucket *storage.Bucket, key string) ([]string, error) {
	text, err := readSmall(ctx, bucket, key)
	return strings.Fields(text), err // no name holds a space
}

func readPickledNames(field string) func(context.Context, *storage.Bucket, string) ([]string, error) {
	return func(ctx context.Context, bucket *storage.Bucket, key string) ([]string, error) {
		dict, err := unpickleDict(ctx, bucket, storage.Object{Key: key})
		if err != nil {
			return nil, err
		}
		list, _ := dict[field].(*[]any)
		if list == nil {
			return nil, invalid("%s: there is no list %s", key, field)
		}
		var names []string
		for _, v := range *list {
			name, _ := v.(string)
			names = append(names, text.Valid(name))
		}
		return names, nil
	}
}

func (v *cifarVariant) has(file string) bool {
	return slices.ContainsFunc(v.files, func(f struct{ name, split string }) bool { return f.name == file })
}

// findCIFAR finds the one folder that holds the files of one variant: the wanted one, or either where that is empty.
func findCIFAR(objects []storage.Object, wanted v1alpha1.CIFARVariant) (*cifarVariant, string, error) {
	var found *cifarVariant
	var first string
	for _, o := range objects {
		for i := range cifarVariants {
			v := &cifarVariants[i]
			switch {
			case wanted != "" && wanted != v.name:
			case hidden(o.Key) || !v.has(path.Base(o.Key)):
			case found == nil:
				found, first = v, o.Key
			case found != v || path.Dir(o.Key) != path.Dir(first):
				return nil, "", invalid("more than one CIFAR dataset: %s and %s; point the source at one", first, o.Key)
			}
		}
	}
	if found != nil {
		return found, path.Dir(first), nil
	}
	var looked []string
	for _, v := range cifarVariants {
		if wanted != "" && wanted != v.name {
			continue
		}
		for _, f := range v.files {
			looked = append(looked, f.name)
		}
	}
	return nil, "", invalid("%w: looked for %s, found %d other files",
		ErrEmpty, strings.Join(looked, ", "), len(objects))
}

func labelName(label int, names []string) (string, error) {
	if names == nil {
		return strconv.Itoa(label), nil
	}
	if label >= len(names) {
		return "", fmt.Errorf("label %d, but only %d labels have names", label, len(names))
	}
	return names[label], nil
}

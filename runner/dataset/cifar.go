package dataset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

func init() { register(v1alpha1.FormatCIFAR, openCIFAR) }

// cifarVariant is one of the two binary layouts of https://www.cs.toronto.edu/~kriz/cifar.html: records of label bytes,
// then 1024 red, 1024 green and 1024 blue bytes, rows from the top.
type cifarVariant struct {
	name  v1alpha1.CIFARVariant
	files []struct{ name, split string } // in the order that numbers the samples
	// labels is how many label bytes a record begins with; the last of them is the label.
	labels int
	// names is the file that names the labels, one a line.
	names string
}

const (
	cifarSide   = 32
	cifarPixels = 3 * cifarSide * cifarSide
)

var cifarVariants = []cifarVariant{
	{
		name: v1alpha1.CIFAR10,
		files: []struct{ name, split string }{
			{"data_batch_1.bin", "train"}, {"data_batch_2.bin", "train"}, {"data_batch_3.bin", "train"},
			{"data_batch_4.bin", "train"}, {"data_batch_5.bin", "train"}, {"test_batch.bin", "test"},
		},
		labels: 1,
		names:  "batches.meta.txt",
	},
	{
		name:   v1alpha1.CIFAR100,
		files:  []struct{ name, split string }{{"train.bin", "train"}, {"test.bin", "test"}},
		labels: 2, // the coarse one, then the fine one
		names:  "fine_label_names.txt",
	},
}

// openCIFAR lists the records of CIFAR-10's or CIFAR-100's binary version, unpacked at the dataset's root or in one folder
// below it. A sample's ID is its split and its number there, as the dataset itself counts: "train:00042". CIFAR-100's label
// is the fine one. Label names come from the file beside the batches; without it labels are numbers.
//
// The labels lie between the pixels, so listing streams the whole files once.
func openCIFAR(ctx context.Context, bucket *storage.Bucket, spec v1alpha1.DatasetSpec) (listing, error) {
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
		text, err := readSmall(ctx, bucket, o.Key)
		if err != nil {
			return listing{}, err
		}
		names = strings.Fields(text) // no name holds a space
	}

	size := variant.labels + cifarPixels
	r := &records{bucket: bucket, size: int64(size), layout: map[string]layout{}, decode: func(record []byte) content {
		pixels := record[variant.labels:]
		return content{bytes: planesToBMP(pixels, cifarSide, cifarSide), digest: sha256.Sum256(pixels)}
	}}
	l := listing{source: r, batch: r.batch(), unit: "record"}
	labels, number := labelSets{}, map[string]int{}
	for _, file := range variant.files {
		o, ok := at[path.Join(folder, file.name)]
		if !ok {
			continue
		}
		if o.Size%int64(size) != 0 {
			return listing{}, invalid("%s: %d bytes are not a whole number of %s records of %d bytes: is it cut short?",
				o.Key, o.Size, variant.name, size)
		}
		r.layout[o.Key] = layout{pieces: 1}
		err := scan(ctx, bucket, o.Key, size, func(row int, record []byte) error {
			label, err := labelName(int(record[variant.labels-1]), names)
			if err != nil {
				return invalid("%s record %d: %w", o.Key, row, err)
			}
			l.entries = append(l.entries, entry{
				Info: Info{
					ID:      fmt.Sprintf("%s:%05d", file.split, number[file.split]),
					Split:   file.split,
					Labels:  labels.one(label),
					Version: o.Version,
				},
				key:  o.Key,
				row:  row,
				size: int64(size) + bmpSize(cifarSide, cifarSide),
			})
			number[file.split]++
			return nil
		})
		if err != nil {
			return listing{}, mistake(err)
		}
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: the %s files hold no record", ErrEmpty, variant.name)
	}
	for key := range at {
		name := path.Base(key)
		if !hidden(key) && name != variant.names && !variant.has(name) {
			l.ignored++
		}
	}
	return l, nil
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
	return nil, "", invalid("%w: looked for the binary version's %s, found %d other files",
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

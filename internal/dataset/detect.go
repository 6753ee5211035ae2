package dataset

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// Detect says in which format a dataset most likely is, by the names of its files: those in bucket, or the file of a key
// alone. Parquet files count as images if they have a column of them, else as vectors. A dataset of which nothing is
// known is an *InvalidError.
func Detect(ctx context.Context, bucket *storage.Bucket, file string) (v1alpha1.DatasetFormat, error) {
	objects, err := request{file: file}.list(ctx, bucket)
	if err != nil {
		return "", err
	}
	objects = slices.DeleteFunc(objects, func(o storage.Object) bool { return hidden(o.Key) })
	found := map[v1alpha1.DatasetFormat]int{}
	for _, o := range objects {
		found[formatOf(o.Key, file != "")]++
	}
	delete(found, "")
	// CIFAR's files may be called train and test, as lists beside other files are.
	if _, _, err := findCIFAR(objects, ""); err == nil && len(found) == 0 {
		return v1alpha1.FormatCIFAR, nil
	}
	if found[v1alpha1.FormatManifest] > 0 {
		return v1alpha1.FormatManifest, nil // it says which of the other files count
	}
	var most v1alpha1.DatasetFormat
	for _, format := range []v1alpha1.DatasetFormat{ // of equally many files the first
		v1alpha1.FormatImageFolder, v1alpha1.FormatWebDataset, v1alpha1.FormatParquet, v1alpha1.FormatTFRecord, v1alpha1.FormatIDX, v1alpha1.FormatEmbeddings,
	} {
		if found[format] > found[most] {
			most = format
		}
	}
	if most == "" && file != "" {
		return "", invalid("%s is not a file that a dataset can be: a table, an archive, records or vectors; give the folder that holds the images, and a model with --model", file)
	}
	if most == "" {
		return "", invalid("%w: none of its %d files is an image, an archive, a table or anything else that is known: is this the right place?", ErrEmpty, len(objects))
	}
	if most == v1alpha1.FormatParquet {
		if _, err := OpenFile(ctx, bucket, file, v1alpha1.DatasetSpec{Format: most}, ""); err != nil {
			if _, err := OpenFile(ctx, bucket, file, v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings}, ""); err == nil {
				return v1alpha1.FormatEmbeddings, nil
			}
		}
	}
	return most, nil
}

// formatOf is the format that a file is typical of, empty for none. Alone: the file was named as the dataset.
func formatOf(key string, alone bool) v1alpha1.DatasetFormat {
	base, ending := path.Base(key), strings.ToLower(path.Ext(key))
	switch {
	case key == v1alpha1.DefaultManifestPath, key == v1alpha1.DefaultManifestLinesPath, isMetadata(key):
		return v1alpha1.FormatManifest
	case alone && slices.Contains([]string{".csv", ".tsv", ".jsonl", ".ndjson"}, ending):
		return v1alpha1.FormatManifest
	case isImage(key):
		return v1alpha1.FormatImageFolder
	case isShard(key):
		return v1alpha1.FormatWebDataset
	case ending == ".parquet":
		return v1alpha1.FormatParquet
	case isVectors(key):
		return v1alpha1.FormatEmbeddings
	case strings.Contains(base, idxImages) && strings.Contains(base, "ubyte"):
		return v1alpha1.FormatIDX
	case isTFRecord(key):
		return v1alpha1.FormatTFRecord
	}
	return ""
}

package dataset

import (
	"context"
	"crypto/sha256"
	"math"
	"path"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

func init() { register(v1alpha1.FormatImageFolder, opener{list: openImageFolder}) }

// openImageFolder lists a tree of image files. What the folders mean follows from all of them at once; see readFolders.
// Hidden files and folders are skipped. Where folders name no split, the files may (train_00.jpg).
func openImageFolder(ctx context.Context, bucket *storage.Bucket, _ request) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	l := listing{source: imageFiles{bucket}, batch: 1, unit: "file"}
	images, metadata := objects[:0], ""
	for _, o := range objects {
		switch {
		case hidden(o.Key):
		case isImage(o.Key):
			images = append(images, o)
		case o.Err != nil && !isOtherFile(o.Key):
			// Most likely a link to a folder of images: to leave it out could hide a whole split.
			return listing{}, &InvalidError{o.Err}
		default:
			l.ignored.add(o.Key)
			if metadata == "" && isMetadata(o.Key) {
				metadata = o.Key
			}
		}
	}
	if len(images) == 0 {
		return listing{}, invalid("%w: looked for images (%s), found %d other files",
			ErrEmpty, strings.Join(readExtensions, " "), l.ignored.Files())
	}

	meanings, warnings, err := meaningOf(images)
	if err != nil {
		return listing{}, err
	}
	l.warnings = warnings
	if metadata != "" {
		l.warnings = append(l.warnings, metadata+" is not read: format Manifest takes paths, labels and splits from it")
	}
	labels := labelSets{}
	l.entries = make([]entry, len(images))
	splits := false
	for i, o := range images {
		in := meanings[path.Dir(o.Key)]
		splits = splits || in.split != ""
		l.entries[i] = entry{
			Info: Info{ID: o.Key, Split: in.split, Labels: labels.one(in.label), Version: o.Version, Score: math.NaN()},
			key:  o.Key,
			size: o.Size,
		}
	}
	if !splits {
		l.warnings = append(l.warnings, splitsOfFiles(l.entries, func(e *entry) string { return e.key })...)
	}
	return l, nil
}

// meaningOf reads the folders that hold images.
func meaningOf(images []storage.Object) (map[string]place, []string, error) {
	var examples []string // an image of each folder
	seen := map[string]place{}
	for _, o := range images {
		if _, ok := seen[path.Dir(o.Key)]; !ok {
			seen[path.Dir(o.Key)] = place{}
			examples = append(examples, o.Key)
		}
	}
	places, warnings, err := readFolders(examples)
	for i := range places {
		seen[path.Dir(examples[i])] = places[i]
	}
	return seen, warnings, err
}

// imageFiles reads samples that are a file each.
type imageFiles struct{ bucket *storage.Bucket }

func (f imageFiles) read(ctx context.Context, entries []entry) ([]content, error) {
	contents := make([]content, len(entries))
	for i, e := range entries {
		data, err := f.bucket.Pin(e.key, e.Version).ReadAll(ctx, maxSampleBytes)
		switch {
		case err == nil:
			contents[i] = content{bytes: data, digest: sha256.Sum256(data)}
		case ofOneSample(err):
			contents[i] = content{err: err}
		default:
			return nil, err
		}
	}
	return contents, nil
}

package dataset

import (
	"context"
	"crypto/sha256"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

func init() { register(v1alpha1.FormatImageFolder, openImageFolder) }

// openImageFolder lists a tree of image files. What the folders mean follows from all of them at once:
//
//   - no image lies in a folder: no splits, no labels;
//   - every top folder bears a split's usual name (train, test, val, …): it is the split, and the folder in it, if there is
//     one, the label; folders below are only part of the path (train/cat/a.jpg, train/cat/2024/b.jpg, test/c.jpg);
//   - otherwise every image lies in one folder, which is the label (cat/a.jpg), or every one in two, which are split and
//     label (fold1/cat/a.jpg).
//
// Anything else, such as images beside folders of images, is ambiguous and an error. Hidden files and folders are skipped.
func openImageFolder(ctx context.Context, bucket *storage.Bucket, _ request) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	l := listing{source: imageFiles{bucket}, batch: 1, unit: "file"}
	images := objects[:0]
	for _, o := range objects {
		switch {
		case hidden(o.Key):
		case isImage(o.Key):
			images = append(images, o)
		case o.Err != nil && path.Ext(o.Key) == "":
			// Most likely a link to a folder of images: to leave it out could hide a whole split.
			return listing{}, &InvalidError{o.Err}
		default:
			l.ignored++
		}
	}
	if len(images) == 0 {
		return listing{}, invalid("%w: looked for images (%s), found %d other files",
			ErrEmpty, strings.Join(imageExtensions, " "), l.ignored)
	}

	meaning, err := folderMeaning(images)
	if err != nil {
		return listing{}, err
	}
	labels := labelSets{}
	l.entries = make([]entry, len(images))
	for i, o := range images {
		split, label := meaning(o.Key)
		l.entries[i] = entry{
			Info: Info{ID: o.Key, Split: split, Labels: labels.one(label), Version: o.Version, Score: math.NaN()},
			key:  o.Key,
			size: o.Size,
		}
	}
	return l, nil
}

// imageExtensions are those that the image decoders take, in any case of letters.
var imageExtensions = []string{".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}

func isImage(key string) bool {
	return slices.Contains(imageExtensions, strings.ToLower(path.Ext(key)))
}

// hidden tells whether a file or a folder above it begins with a dot.
func hidden(key string) bool {
	return strings.HasPrefix(key, ".") || strings.Contains(key, "/.")
}

// splitNames are the folder names that mean a split by themselves.
var splitNames = []string{"train", "training", "test", "testing", "val", "valid", "validation", "eval", "evaluation", "dev"}

func isSplitName(folder string) bool {
	return slices.Contains(splitNames, strings.ToLower(folder))
}

// folderMeaning decides how the paths of a dataset's images are to be read and returns the function that reads one.
func folderMeaning(images []storage.Object) (func(key string) (split, label string), error) {
	shallow, deep := images[0].Key, images[0].Key // images in the fewest and in the most folders
	splitsOnly := true
	for _, o := range images {
		if depth(o.Key) < depth(shallow) {
			shallow = o.Key
		}
		if depth(o.Key) > depth(deep) {
			deep = o.Key
		}
		top, _, _ := strings.Cut(o.Key, "/")
		splitsOnly = splitsOnly && isSplitName(top)
	}

	switch {
	case depth(deep) == 0:
		return func(string) (string, string) { return "", "" }, nil
	case depth(shallow) > 0 && splitsOnly:
		return splitThenLabel, checkSplits(images)
	case depth(shallow) == 1 && depth(deep) == 1:
		return func(key string) (string, string) { return "", path.Dir(key) }, nil
	case depth(shallow) == 2 && depth(deep) == 2:
		return splitThenLabel, nil
	case depth(shallow) == depth(deep):
		return nil, invalid("ambiguous folders: images lie %d folders deep (%s); use split/label/image, label/image, or a Manifest",
			depth(deep), deep)
	default:
		return nil, invalid("ambiguous folders: %s lies %d folders deep and %s %d; use one depth for all, or a Manifest",
			shallow, depth(shallow), deep, depth(deep))
	}
}

// depth is how many folders an object lies in.
func depth(key string) int { return strings.Count(key, "/") }

func splitThenLabel(key string) (split, label string) {
	split, rest, _ := strings.Cut(key, "/")
	if label, _, ok := strings.Cut(rest, "/"); ok {
		return split, label
	}
	return split, ""
}

// checkSplits refuses a split with images both in folders of labels and beside them.
func checkSplits(images []storage.Object) error {
	type example struct{ labeled, unlabeled string }
	splits := map[string]example{}
	for _, o := range images {
		split, label := splitThenLabel(o.Key)
		e := splits[split]
		if label == "" {
			e.unlabeled = o.Key
		} else {
			e.labeled = o.Key
		}
		if e.labeled != "" && e.unlabeled != "" {
			return invalid("ambiguous folders: split %s holds %s in a label's folder and %s in none; use one way for all, or a Manifest",
				split, e.labeled, e.unlabeled)
		}
		splits[split] = e
	}
	return nil
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

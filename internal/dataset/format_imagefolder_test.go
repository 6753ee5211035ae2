package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

var imageFolder = v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder}

func TestFolderMeaning(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		want  []string
	}{
		"flat": {
			[]string{"b.png", "a.JPG"},
			[]string{"a.JPG|||", "b.png|||"},
		},
		"labels": {
			[]string{"dog/a.jpg", "cat/a.jpg"},
			[]string{"cat/a.jpg||cat|", "dog/a.jpg||dog|"},
		},
		"splits alone": {
			[]string{"train/a.jpg", "Test/a.jpg"},
			[]string{"Test/a.jpg|Test||", "train/a.jpg|train||"},
		},
		"a label that is called like a split, among labels": {
			[]string{"train/a.jpg", "bus/a.jpg"},
			[]string{"bus/a.jpg||bus|", "train/a.jpg||train|"},
		},
		"splits and labels": {
			[]string{"train/cat/a.jpg", "val/cat/a.jpg"},
			[]string{"train/cat/a.jpg|train|cat|", "val/cat/a.jpg|val|cat|"},
		},
		"splits of other names": {
			[]string{"fold1/cat/a.jpg", "fold2/dog/a.jpg"},
			[]string{"fold1/cat/a.jpg|fold1|cat|", "fold2/dog/a.jpg|fold2|dog|"},
		},
		"folders below the label": {
			[]string{"train/cat/images/a.jpg", "train/dog/a.jpg", "test/a.jpg"},
			[]string{"test/a.jpg|test||", "train/cat/images/a.jpg|train|cat|", "train/dog/a.jpg|train|dog|"},
		},
		"every kind of image, and nothing else": {
			[]string{"a.jpeg", "b.gif", "c.bmp", "d.tif", "e.tiff", "f.webp", "g.txt", "h", "i.jpg.bak", ".j.jpg", ".k/l.jpg", "Thumbs.db"},
			[]string{"a.jpeg|||", "b.gif|||", "c.bmp|||", "d.tif|||", "e.tiff|||", "f.webp|||"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lines(mustOpen(t, bucketOf(t, images(tc.files...)), imageFolder))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAmbiguousFolders(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		texts []string
	}{
		"beside folders":        {[]string{"a.jpg", "cat/b.jpg"}, []string{"a.jpg lies 0 folders deep", "cat/b.jpg 1"}},
		"beside splits":         {[]string{"a.jpg", "train/b.jpg"}, []string{"a.jpg lies 0 folders deep"}},
		"labels of two depths":  {[]string{"cat/a.jpg", "dog/big/b.jpg"}, []string{"cat/a.jpg lies 1", "dog/big/b.jpg 2"}},
		"three deep":            {[]string{"x/y/z/a.jpg", "w/y/z/a.jpg"}, []string{"3 folders deep (w/y/z/a.jpg)", "Manifest"}},
		"both ways in a split":  {[]string{"train/a.jpg", "train/cat/b.jpg", "test/cat/c.jpg"}, []string{"split train", "train/a.jpg", "train/cat/b.jpg"}},
		"splits and one folder": {[]string{"train/a.jpg", "train/b.jpg", "more/cat/c.jpg"}, []string{"train/a.jpg lies 1", "more/cat/c.jpg 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), bucketOf(t, images(tc.files...)), imageFolder, "")
			wantInvalid(t, err, append(tc.texts, "ambiguous folders")...)
		})
	}
}

func TestEmptyFolderSaysWhatWasThere(t *testing.T) {
	_, err := Open(t.Context(), bucketOf(t, images("a.txt", "b/c.npy", ".d.jpg")), imageFolder, "")
	wantInvalid(t, err, ".webp", "found 2 other files")
	if !errors.Is(err, ErrEmpty) {
		t.Errorf("%v is no ErrEmpty", err)
	}
}

func TestIgnoredFilesAreCounted(t *testing.T) {
	d := mustOpen(t, bucketOf(t, images("a.jpg", "labels.txt", ".hidden", "x/readme")), imageFolder)
	if got := d.Ignored().Files(); got != 2 {
		t.Errorf("ignored %d, want 2", got)
	}
}

// A link to a folder elsewhere would leave out a split without a word.
func TestLinkToAFolderOutside(t *testing.T) {
	bucket := bucketOf(t, images("train/cat/a.jpg"))
	if err := os.Symlink(t.TempDir(), filepath.Join(bucket.String(), "test")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), bucket, imageFolder, "")
	wantInvalid(t, err, "/test", "leads out of the folder")
}

func TestNamesThatAreNoText(t *testing.T) {
	bucket := bucketOf(t, images("a.jpg"))
	if err := os.WriteFile(filepath.Join(bucket.String(), "caf\xe9.jpg"), nil, 0o644); err != nil {
		t.Skip("this file system takes only UTF-8 names:", err)
	}
	_, err := Open(t.Context(), bucket, imageFolder, "")
	wantInvalid(t, err, `"caf\xe9.jpg" is not text in UTF-8`)
}

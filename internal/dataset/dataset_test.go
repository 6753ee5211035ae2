package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// bucketOf makes a folder of the given files.
func bucketOf(t testing.TB, files map[string]string) *storage.Bucket {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return openBucket(t, root)
}

func openBucket(t testing.TB, root string) *storage.Bucket {
	t.Helper()
	b, err := storage.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// images makes one file for each name; its content is its name.
func images(names ...string) map[string]string {
	files := map[string]string{}
	for _, n := range names {
		files[n] = n
	}
	return files
}

func mustOpen(t testing.TB, b *storage.Bucket, spec v1alpha1.DatasetSpec) *Dataset {
	t.Helper()
	d, err := Open(t.Context(), b, spec, "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantInvalid checks that err is the user's mistake and says all of the texts.
func wantInvalid(t testing.TB, err error, texts ...string) {
	t.Helper()
	if _, ok := errors.AsType[*InvalidError](err); !ok {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

// mistakeIn is why a dataset can't be opened, or what is wrong with the first sample that can't be read.
func mistakeIn(t testing.TB, bucket *storage.Bucket, spec v1alpha1.DatasetSpec, column string) error {
	t.Helper()
	d, err := Open(t.Context(), bucket, spec, column)
	if err != nil {
		return err
	}
	if _, err = d.Broken(); err != nil {
		return &InvalidError{err}
	}
	return nil
}

func ids(d *Dataset) []string {
	var all []string
	for _, info := range d.Infos() {
		all = append(all, info.ID)
	}
	return all
}

// lines writes samples as ID|split|labels|group.
func lines(d *Dataset) []string {
	var all []string
	for _, info := range d.Infos() {
		all = append(all, fmt.Sprintf("%s|%s|%s|%s", info.ID, info.Split, strings.Join(info.Labels, "+"), info.Group))
	}
	return all
}

func readAll(t testing.TB, d *Dataset) []Sample {
	t.Helper()
	var all []Sample
	for s, err := range d.Samples(t.Context(), 0, d.Len()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestUnknownFormatListsThoseThereAre(t *testing.T) {
	_, err := Open(t.Context(), bucketOf(t, nil), v1alpha1.DatasetSpec{Format: "Laserdisc"}, "")
	wantInvalid(t, err, `"Laserdisc"`, "CIFAR, Embeddings, IDX, ImageFolder, Manifest, Parquet, TFRecord, WebDataset")
}

func TestOrderAndSubset(t *testing.T) {
	bucket := bucketOf(t, images(
		"train/cat/b.jpg", "train/cat/a.jpg", "train/dog/a.jpg", "test/cat/z.jpg", "test/dog/y.jpg",
		"train/cat-2/a.jpg", // '-' before '/': between the folders of cat and dog, but before those of cat by whole path
	))
	for name, tc := range map[string]struct {
		spec v1alpha1.DatasetSpec
		want []string
	}{
		"all": {
			want: []string{"test/cat/z.jpg", "test/dog/y.jpg", "train/cat-2/a.jpg", "train/cat/a.jpg", "train/cat/b.jpg", "train/dog/a.jpg"},
		},
		"splits in the spec's order": {
			spec: v1alpha1.DatasetSpec{Splits: []string{"train", "test"}},
			want: []string{"train/cat-2/a.jpg", "train/cat/a.jpg", "train/cat/b.jpg", "train/dog/a.jpg", "test/cat/z.jpg", "test/dog/y.jpg"},
		},
		"one split": {
			spec: v1alpha1.DatasetSpec{Splits: []string{"test"}},
			want: []string{"test/cat/z.jpg", "test/dog/y.jpg"},
		},
		"labels": {
			spec: v1alpha1.DatasetSpec{Labels: []string{"dog", "cat-2"}},
			want: []string{"test/dog/y.jpg", "train/cat-2/a.jpg", "train/dog/a.jpg"},
		},
		"maxSamples after the filters": {
			spec: v1alpha1.DatasetSpec{Splits: []string{"train"}, Labels: []string{"cat"}, MaxSamples: new(int64(1))},
			want: []string{"train/cat/a.jpg"},
		},
		"maxSamples above the number": {
			spec: v1alpha1.DatasetSpec{Labels: []string{"dog"}, MaxSamples: new(int64(99))},
			want: []string{"test/dog/y.jpg", "train/dog/a.jpg"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.spec.Format = v1alpha1.FormatImageFolder
			if diff := cmp.Diff(tc.want, ids(mustOpen(t, bucket, tc.spec))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSubsetMistakes(t *testing.T) {
	bucket := bucketOf(t, images("train/cat/a.jpg", "test/dog/b.jpg"))
	flat := bucketOf(t, images("a.jpg"))
	for name, tc := range map[string]struct {
		bucket *storage.Bucket
		spec   v1alpha1.DatasetSpec
		texts  []string
		is     error
	}{
		"unknown split":    {bucket, v1alpha1.DatasetSpec{Splits: []string{"train", "trian"}}, []string{`no split "trian"`, "test, train"}, nil},
		"unknown label":    {bucket, v1alpha1.DatasetSpec{Labels: []string{"Cat"}}, []string{`no label "Cat"`, "cat, dog"}, nil},
		"no splits at all": {flat, v1alpha1.DatasetSpec{Splits: []string{"train"}}, []string{`no split "train"`, "it has: none"}, nil},
		"nothing left": {bucket, v1alpha1.DatasetSpec{Splits: []string{"train"}, Labels: []string{"dog"}},
			[]string{"train", "dog"}, ErrEmpty},
		"maxSamples": {bucket, v1alpha1.DatasetSpec{MaxSamples: new(int64)}, []string{"dataset.maxSamples: 0"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.spec.Format = v1alpha1.FormatImageFolder
			_, err := Open(t.Context(), tc.bucket, tc.spec, "")
			wantInvalid(t, err, tc.texts...)
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is no %v", err, tc.is)
			}
		})
	}
}

func TestSomeNamesOfMany(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	if got := some(names); !strings.HasSuffix(got, "19 and 980 more") {
		t.Errorf("got %q", got)
	}
}

func TestDigests(t *testing.T) {
	spec := v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder}
	digest := func(d *Dataset) [32]byte {
		digester := NewDigester()
		for _, s := range readAll(t, d) {
			digester.Add(s.Info, s.Digest)
		}
		return digester.Sum()
	}
	base := images("train/cat/a.jpg", "train/dog/b.jpg")
	first, again := mustOpen(t, bucketOf(t, base), spec), mustOpen(t, bucketOf(t, base), spec)
	if digest(first) != digest(again) {
		t.Error("the content digest of a copy differs")
	}

	seen := map[[32]byte]string{digest(first): "base"}
	for name, files := range map[string]map[string]string{
		"content": {"train/cat/a.jpg": "other", "train/dog/b.jpg": "train/dog/b.jpg"},
		"label":   {"train/cow/a.jpg": "train/cat/a.jpg", "train/dog/b.jpg": "train/dog/b.jpg"},
		"split":   {"test/cat/a.jpg": "train/cat/a.jpg", "train/dog/b.jpg": "train/dog/b.jpg"},
		"fewer":   {"train/cat/a.jpg": "train/cat/a.jpg"},
	} {
		sum := digest(mustOpen(t, bucketOf(t, files), spec))
		if other, ok := seen[sum]; ok {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[sum] = name
	}
}

// Strings that move from one field into the next must not give one digest.
func TestDigestKeepsFieldsApart(t *testing.T) {
	seen := map[[32]byte]Info{}
	for _, info := range []Info{
		{ID: "ab"}, {ID: "a", Split: "b"}, {Split: "ab"}, {ID: "a", Labels: []string{"b"}}, {Labels: []string{"a", "b"}},
		{Labels: []string{"ab"}}, {ID: "a", Labels: []string{""}}, {ID: "a"}, {},
	} {
		d := NewDigester()
		d.Add(info, [32]byte{})
		if other, ok := seen[d.Sum()]; ok {
			t.Errorf("%+v and %+v have one digest", info, other)
		}
		seen[d.Sum()] = info
	}
}

func TestListingDigestFollowsFilesAndSubset(t *testing.T) {
	spec := v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder}
	bucket := bucketOf(t, images("a.jpg", "b.jpg"))
	before := mustOpen(t, bucket, spec).ListingDigest()
	if again := mustOpen(t, bucket, spec).ListingDigest(); again != before {
		t.Error("the digest of an unchanged folder differs")
	}
	one := spec
	one.MaxSamples = new(int64(1))
	if mustOpen(t, bucket, one).ListingDigest() == before {
		t.Error("a subset has the digest of the whole")
	}
	if err := bucket.WriteAll(t.Context(), "b.jpg", []byte("changed")); err != nil {
		t.Fatal(err)
	}
	if mustOpen(t, bucket, spec).ListingDigest() == before {
		t.Error("a changed file did not change the digest")
	}
}

func TestListingErrorsAreNoMistakes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for format := range formats {
		_, err := Open(ctx, bucketOf(t, images("a.jpg")), v1alpha1.DatasetSpec{Format: format}, "")
		if !errors.Is(err, context.Canceled) || errors.As(err, new(*InvalidError)) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

// realData is the project's shared data, which is not part of it.
func realData(t testing.TB, name string) *storage.Bucket {
	t.Helper()
	return openBucket(t, needs.Shared(t, name))
}

func TestRealImages(t *testing.T) {
	bucket := realData(t, "cifar10")
	d := mustOpen(t, bucket, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
	count := map[string]int{}
	for _, info := range d.Infos() {
		count[info.Split+" "+strings.Join(info.Labels, "+")]++
	}
	want := map[string]int{"train automobile": 5000, "train truck": 1000, "test automobile": 1000, "test truck": 200}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
	cars := mustOpen(t, bucket, v1alpha1.DatasetSpec{
		Format: v1alpha1.FormatImageFolder, Splits: []string{"train"}, Labels: []string{"automobile"}, MaxSamples: new(int64(1000)),
	})
	samples := readAll(t, cars)
	if len(samples) != 1000 || samples[0].ID != "train/automobile/0000.jpg" || samples[999].ID != "train/automobile/0999.jpg" {
		t.Fatalf("%d samples from %s to %s", len(samples), samples[0].ID, samples[len(samples)-1].ID)
	}
	if i := slices.IndexFunc(samples, func(s Sample) bool { return s.Err != nil || len(s.Bytes) == 0 }); i >= 0 {
		t.Errorf("sample %d: %v", i, samples[i].Err)
	}
}

// BenchmarkRealImages prints listing and reading as a share of the same with filepath.WalkDir and os.ReadFile, one file
// after the other and without order, versions or digests.
func BenchmarkRealImages(b *testing.B) {
	bucket := realData(b, "cifar10")
	var ours, plain time.Duration
	for b.Loop() {
		start := time.Now()
		readAll(b, mustOpen(b, bucket, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder}))
		ours += time.Since(start)

		start = time.Now()
		err := filepath.WalkDir(bucket.String(), func(file string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				_, err = os.ReadFile(file)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		plain += time.Since(start)
	}
	b.ReportMetric(plain.Seconds()/ours.Seconds(), "of-plain-reading")
}

package dataset

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What is missing from a dataset, or can't be read, is never left out in silence.

var (
	webDataset = v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset}
	tfRecord   = v1alpha1.DatasetSpec{Format: v1alpha1.FormatTFRecord}
)

func TestSparseFilesOfGNU(t *testing.T) {
	for _, kind := range []string{"gnu", "pax"} {
		t.Run(kind, func(t *testing.T) {
			files, out := t.TempDir(), t.TempDir()
			for _, name := range []string{"1.jpg", "2.jpg", "3.jpg"} {
				if err := os.WriteFile(filepath.Join(files, name), []byte(name), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Truncate(filepath.Join(files, "2.jpg"), 1<<20); err != nil {
				t.Fatal(err)
			}
			tool(t, files, "tar", "--sort=name", "--sparse", "--hole-detection=raw", "--format="+kind, "-cf", filepath.Join(out, "a.tar"), ".")
			_, err := Open(t.Context(), openBucket(t, out), webDataset, "")
			wantInvalid(t, err, "a.tar", "is sparse: pack it with a plain tar")
		})
	}
}

func TestLinksInArchives(t *testing.T) {
	d := mustOpen(t, bucketOf(t, map[string]string{"a.tar": tarOf(t, tar.Header{Name: "1.png"}, tar.Header{Name: "2.png", Typeflag: tar.TypeLink, Linkname: "1.png"},
		tar.Header{Name: "3.png", Typeflag: tar.TypeSymlink, Linkname: "1.png"}, tar.Header{Name: "4.txt", Typeflag: tar.TypeSymlink, Linkname: "1.png"})}), webDataset)
	if diff := cmp.Diff(Ignored{".png": 2}, d.Ignored()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
	wantWarning(t, d, "2 links in the archives")
}

func TestOtherArchives(t *testing.T) {
	archive := tarOf(t, tar.Header{Name: "1.png"})
	_, err := Open(t.Context(), bucketOf(t, map[string]string{"a.tar": archive, "b.tar.xz": "\xfd7zXZ\x00"}), webDataset, "")
	wantInvalid(t, err, "b.tar.xz", "gzip, Zstandard or bzip2")

	named := webDataset
	named.WebDataset = &v1alpha1.WebDatasetOptions{Shards: []string{"a.tar"}}
	if d := mustOpen(t, bucketOf(t, map[string]string{"a.tar": archive, "b.tar.xz": "\xfd7zXZ\x00"}), named); d.Len() != 1 || d.Ignored().Files() != 1 {
		t.Errorf("%d samples, ignored %v", d.Len(), d.Ignored())
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tar"), []byte(archive), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, dir, "bzip2", "a.tar")
	if got := readAll(t, mustOpen(t, openBucket(t, dir), webDataset)); len(got) != 1 || string(got[0].Bytes) != "1.png" {
		t.Errorf("of bzip2: %v", got)
	}
	d, err := OpenFile(t.Context(), bucketOf(t, map[string]string{"data{1}.tar": archive}), "data{1}.tar", webDataset, "")
	if err != nil || d.Len() != 1 {
		t.Errorf("a name with braces: %v", err)
	}
}

func TestMissingShards(t *testing.T) {
	record := tfRecordOf(t, map[string][]int64{"label": {1}})
	for name, tc := range map[string]struct {
		spec  v1alpha1.DatasetSpec
		files map[string]string
		want  string
	}{
		"TFRecord": {tfRecord, map[string]string{"d-train.tfrecord-00000-of-00003": record, "d-train.tfrecord-00002-of-00003": record, "d-test.tfrecord-00000-of-00001": record},
			"d-train.tfrecord-*-of-00003 (2 of 3) are there"},
		"WebDataset": {webDataset, map[string]string{"x-00000-of-00002.tar": tarOf(t, tar.Header{Name: "1.png"})}, "x-*-of-00002.tar (1 of 2) are there"},
	} {
		t.Run(name, func(t *testing.T) {
			wantWarning(t, mustOpen(t, bucketOf(t, tc.files), tc.spec), tc.want)
		})
	}
	whole := map[string]string{"a-00000-of-00002.tfrecord": record, "a-00001-of-00002.tfrecord": record}
	if got := mustOpen(t, bucketOf(t, whole), tfRecord).Warnings(); got != nil {
		t.Errorf("all are there: %q", got)
	}
	_, err := Open(t.Context(), bucketOf(t, map[string]string{"img_emb_2.npy": npyFile("<f4", 1, 1, 1), "img_emb_3.npy": npyFile("<f4", 1, 1, 2)}), embeddings(""), "")
	wantInvalid(t, err, "img_emb_2.npy is the first part that is there")
}

// The manifest of a dataset that was moved, or made on Windows, is known to be wrong before a model runs.
func TestFilesOfAManifestThatAreMissing(t *testing.T) {
	files := images("images/a.jpg", "images/b.jpg")
	files["manifest.csv"] = "path,split\nimages/a.jpg,train\nimages/gone.jpg,test\nimages\\b.jpg,test\n"
	d := mustOpen(t, bucketOf(t, files), manifest(""))
	n, first := d.Broken()
	if n != 2 || first == nil || !strings.Contains(first.Error(), "gone.jpg: file does not exist") {
		t.Errorf("%d broken, the first: %v", n, first)
	}
	if got := broken(t, d); !slices.ContainsFunc(got, func(s string) bool {
		return strings.Contains(s, `images\b.jpg: file does not exist: folders are separated by /`)
	}) {
		t.Errorf("broken: %q", got)
	}
}

// A row without a path is a sample that can't be read, and one that has a path keeps its name whatever else is wrong
// with it.
func TestRowsThatSayTooLittle(t *testing.T) {
	files := images("a.jpg", "b.jpg")
	files["metadata.csv"] = "file_name,text\na.jpg,a cat\n,a dog without path\n , \nb.jpg,\n"
	d := mustOpen(t, bucketOf(t, files), manifest(""))
	if diff := cmp.Diff([]string{"metadata.csv:3: metadata.csv line 3, column 1: file_name is empty or not there; dataset.manifest.pathColumn names another column of files"}, broken(t, d)); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
	delete(files, "metadata.csv")
	files["manifest.jsonl"] = "{\"file_name\":\"a.jpg\"}\n{\"filename\":\"b.jpg\"}\n{}\n"
	d = mustOpen(t, bucketOf(t, files), manifest(""))
	if got := broken(t, d); len(got) != 1 || !strings.Contains(got[0], "manifest.jsonl line 2") {
		t.Errorf("broken: %q", got)
	}
	delete(files, "manifest.jsonl")
	files["manifest.csv"] = "path,split,date\na.jpg,train,2024-01-02\nb.jpg,test,01/02/2024\n"
	d, err := Open(t.Context(), bucketOf(t, files), manifest(""), "date")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b.jpg|test||", "a.jpg|train||"}, lines(d)); diff != "" || d.Ignored().Files() != 0 {
		t.Errorf("ignored %v, samples (-want +got):\n%s", d.Ignored(), diff)
	}
	if got := broken(t, d); len(got) != 1 || !strings.Contains(got[0], "line 3, column 12: date") {
		t.Errorf("broken: %q", got)
	}
}

func TestGroupsThatDisagree(t *testing.T) {
	files := images("a.jpg", "b.jpg")
	files["manifest.csv"] = "path,label,group\na.jpg,cat,g1\na.jpg,dog,g2\nb.jpg,dog,g2\n"
	_, err := Open(t.Context(), bucketOf(t, files), manifest(""), "")
	wantInvalid(t, err, `manifest.csv has it in group g1 on line 2, and in group g2 on line 3`)
}

// TensorFlow Datasets mark what has no label with −1. Words that belong to another feature are not those of the label.
func TestNumbersOfLabels(t *testing.T) {
	for name, tc := range map[string]struct {
		words string
		given map[string][]int64
		want  []string
	}{
		"a word":             {"label", map[string][]int64{"label": {1}}, []string{"dog"}},
		"none":               {"label", map[string][]int64{"label": {-1}}, nil},
		"a number, no words": {"", map[string][]int64{"label": {-1}}, []string{"-1"}},
		"words of another":   {"coarse", map[string][]int64{"label": {1}, "coarse": {0}}, []string{"1"}},
		"the only words":     {"names", map[string][]int64{"image/class/label": {0}}, []string{"cat"}},
		"beyond the words":   {"label", map[string][]int64{"label": {7}}, []string{"7"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"a.tfrecord": tfRecordOf(t, tc.given)}
			if tc.words != "" {
				files[tc.words+".labels.txt"] = "cat\ndog\n"
			}
			if diff := cmp.Diff(tc.want, mustOpen(t, bucketOf(t, files), tfRecord).Info(0).Labels); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Many readers of large records hold what one may hold; who waits holds nothing, so that all get through.
func TestRecordsShareRoom(t *testing.T) {
	room := semaphore.NewWeighted(recordRoom)
	const large = 5 << 20
	if !room.TryAcquire(recordRoom - 3*large) { // others'
		t.Fatal("there is no room")
	}
	content := strings.Repeat(string(framed(make([]byte, large/2))), 3)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			in := &recordReader{ctx: t.Context(), r: strings.NewReader(content), room: room}
			defer in.close()
			for range 3 {
				if size, err := in.next(); err != nil || size != large/2 || len(in.record) != large/2 || cap(in.record) > large {
					t.Errorf("%d bytes, %v", size, err)
				}
			}
			if _, err := in.next(); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	if !room.TryAcquire(3 * large) {
		t.Error("a reader kept its room")
	}
}

func wantWarning(t *testing.T, d *Dataset, text string) {
	t.Helper()
	if !slices.ContainsFunc(d.Warnings(), func(w string) bool { return strings.Contains(w, text) }) {
		t.Errorf("warnings %q don't say %q", d.Warnings(), text)
	}
}

// tfRecordOf is a TFRecord file of one example, an image and numbers.
func tfRecordOf(t *testing.T, numbers map[string][]int64) string {
	t.Helper()
	field := func(number protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	features := field(1, append(field(1, []byte("image")), field(2, field(1, field(1, []byte("an image"))))...))
	for name, values := range numbers {
		var packed []byte
		for _, n := range values {
			packed = protowire.AppendVarint(packed, uint64(n))
		}
		features = append(features, field(1, append(field(1, []byte(name)), field(2, field(3, field(1, packed)))...))...)
	}
	return string(framed(field(1, features)))
}

func framed(record []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(record)))
	out = binary.LittleEndian.AppendUint32(out, maskedChecksum(out))
	out = append(out, record...)
	return binary.LittleEndian.AppendUint32(out, maskedChecksum(record))
}

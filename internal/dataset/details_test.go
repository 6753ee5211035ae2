package dataset

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// One bad detail costs one sample, with its line and reason, and nothing after it.

// broken are the samples that can't be read, with what is wrong.
func broken(t testing.TB, d *Dataset) []string {
	t.Helper()
	var out []string
	for _, s := range readAll(t, d) {
		if s.Err != nil {
			out = append(out, s.ID+": "+s.Err.Error())
		}
	}
	return out
}

func TestBrokenLines(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest, text string
		good           []string
		bad            []string
	}{
		"a field too many": {
			"m.csv", "path,label\na.jpg,cat\nb.jpg,dog,x\nc.jpg,owl\n",
			[]string{"a.jpg", "c.jpg"}, []string{"m.csv:3: m.csv line 3: wrong number of fields"},
		},
		"a quote within": {
			"m.csv", "path,label\na.jpg,c\"at\nc.jpg,owl\n",
			[]string{"c.jpg"}, []string{`m.csv:2: m.csv line 2: bare " in non-quoted-field`},
		},
		"a quote left open": {
			"m.csv", "path,label\na.jpg,\"cat\nb.jpg,dog\n\nc.jpg,\"owl\"\n",
			[]string{"b.jpg", "c.jpg"}, []string{`m.csv:2: m.csv line 2: extraneous or missing " in quoted-field`},
		},
		"a quote left open to the end": {
			"m.csv", "path,label\na.jpg,cat\nb.jpg,\"dog\nc.jpg,owl\nd.jpg,cat",
			[]string{"a.jpg", "c.jpg", "d.jpg"}, []string{`m.csv:3: m.csv line 3: extraneous or missing " in quoted-field`},
		},
		"a quoted line break is none": {
			"m.csv", "path,label\na.jpg,\"c\nat\"\nb.jpg,x,y\nc.jpg,owl\n",
			[]string{"a.jpg", "c.jpg"}, []string{"m.csv:4: m.csv line 4: wrong number of fields"},
		},
		"two after each other, and no end": {
			"m.csv", "path\n,\n,\na.jpg\n,",
			[]string{"a.jpg"}, []string{"m.csv:2: m.csv line 2: wrong number of fields", "m.csv:3: m.csv line 3: wrong number of fields", "m.csv:5: m.csv line 5: wrong number of fields"},
		},
		"no text": {
			"m.csv", "path,label\na.jpg,caf\xe9\nb.jpg,dog\n",
			[]string{"b.jpg"}, []string{"m.csv:2: m.csv line 2, column 7: label is not text in UTF-8"},
		},
		"JSON": {
			"m.jsonl", "\ufeff{\"path\":\"a.jpg\"}\n{\"path\":\n[]\n{\"path\":\"b.jpg\",\"x\":NaN,\"y\":-Infinity,\"label\":\"NaN\\\"\"}\n",
			[]string{"a.jpg", "b.jpg"}, []string{"m.jsonl:2: m.jsonl line 2: not a JSON object: unexpected EOF", "m.jsonl:3: m.jsonl line 3: not a JSON object: it is of type array"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := images("a.jpg", "b.jpg", "c.jpg", "d.jpg")
			files[tc.manifest] = tc.text
			d := mustOpen(t, bucketOf(t, files), manifest(tc.manifest))
			var good []string
			for _, s := range readAll(t, d) {
				if s.Err == nil {
					good = append(good, string(s.Bytes))
				}
			}
			if diff := cmp.Diff(tc.good, good); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.bad, broken(t, d)); diff != "" {
				t.Errorf("broken (-want +got):\n%s", diff)
			}
			if n, first := d.Broken(); n != len(tc.bad) || first == nil {
				t.Errorf("Broken says %d, %v", n, first)
			}
		})
	}
}

// Rows of one file are one sample; what stays of a manifest stays byte for byte, lines that can't be read included.
func TestRowsOfOneFile(t *testing.T) {
	const text = "path,label,group\na.jpg,cat,\na.jpg,\"dog\nb.jpg,owl,g\na.jpg,dog|cat,h\n"
	files := images("a.jpg", "b.jpg")
	files["manifest.csv"] = text
	d := mustOpen(t, bucketOf(t, files), manifest(""))
	if diff := cmp.Diff([]string{"a.jpg||cat+dog|h", "b.jpg||owl|g", "manifest.csv:3|||"}, slices.Sorted(slices.Values(lines(d)))); diff != "" {
		t.Error(diff)
	}
	var out bytes.Buffer
	if err := FilterManifest("manifest.csv", nil, strings.NewReader(text), &out, func(id string) bool { return id != "a.jpg" }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("path,label,group\na.jpg,\"dog\nb.jpg,owl,g\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestManifestColumnsOfOtherNames(t *testing.T) {
	files := images("img/a.jpg", "img/b.jpg")
	files["img/all.csv"] = "Picture,Kind,Part,Key,Scene\na.jpg,cat,train,1,x\nb.jpg,dog,test,2,y\n"
	spec := manifest("img/all.csv")
	spec.Manifest.PathColumn, spec.Manifest.LabelColumn, spec.Manifest.SplitColumn = "Picture", "kind", "Part"
	spec.Manifest.IDColumn, spec.Manifest.GroupColumn = "Key", "Scene"
	if diff := cmp.Diff([]string{"2|test|dog|y", "1|train|cat|x"}, lines(mustOpen(t, bucketOf(t, files), spec))); diff != "" {
		t.Error(diff)
	}
	spec.Manifest.LabelColumn = "species"
	_, err := Open(t.Context(), bucketOf(t, files), spec, "")
	wantInvalid(t, err, "no column species", "dataset.manifest.labelColumn")
}

func TestMetadataOfHuggingFace(t *testing.T) {
	files := images("train/a.jpg", "train/b.jpg", "test/c.jpg")
	files["train/metadata.csv"] = "file_name,label\na.jpg,cat\nb.jpg,dog\n"
	files["test/metadata.jsonl"] = "{\"file_name\":\"c.jpg\",\"label\":\"cat\"}\n"
	want := []string{"test/c.jpg|test|cat|", "train/a.jpg|train|cat|", "train/b.jpg|train|dog|"}
	if diff := cmp.Diff(want, lines(mustOpen(t, bucketOf(t, files), manifest("")))); diff != "" {
		t.Error(diff)
	}
	if warnings := mustOpen(t, bucketOf(t, files), imageFolder).Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "test/metadata.jsonl is not read") {
		t.Errorf("warnings of an ImageFolder: %q", warnings)
	}
}

// A dataset may be one file, of the formats that have such.
func TestSingleFiles(t *testing.T) {
	files := images("a.jpg", "other.tar", "other.parquet")
	files["m.csv"] = "path\na.jpg\n"
	files["x.npy"] = npyFile("<f4", 2, 2, 1, 2, 3, 4)
	files["x.csv"] = "id,label\none,cat\ntwo,dog\n"
	bucket := bucketOf(t, files)
	for file, tc := range map[string]struct {
		format v1alpha1.DatasetFormat
		want   []string
	}{
		"m.csv": {v1alpha1.FormatManifest, []string{"a.jpg|||"}},
		"x.npy": {v1alpha1.FormatEmbeddings, []string{"one||cat|", "two||dog|"}},
	} {
		d, err := OpenFile(t.Context(), bucket, file, v1alpha1.DatasetSpec{Format: tc.format}, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, lines(d)); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
	_, err := OpenFile(t.Context(), bucket, "a.jpg", imageFolder, "")
	wantInvalid(t, err, "a.jpg is a file, and format ImageFolder takes a folder")
}

func TestNumberedEmbeddings(t *testing.T) {
	part := func(n int) string { return npyFile("<f4", 2, 1, float64(2*n), float64(2*n+1)) }
	files := map[string]string{}
	for n := range 11 {
		files[fmt.Sprintf("img_emb/img_emb_%d.npy", n)] = part(n)
		files[fmt.Sprintf("text_emb/text_emb_%d.npy", n)] = part(n)
	}
	d := mustOpen(t, bucketOf(t, files), v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings})
	if d.Len() != 22 {
		t.Fatalf("%d rows", d.Len())
	}
	for _, s := range readAll(t, d) {
		if want := fmt.Sprintf("img_emb:%d", int(s.Vector[0])); s.ID != want {
			t.Errorf("row %v is called %s, not %s", s.Vector, s.ID, want)
		}
	}
	delete(files, "img_emb/img_emb_3.npy")
	_, err := Open(t.Context(), bucketOf(t, files), v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings}, "")
	wantInvalid(t, err, "img_emb_4.npy follows img_emb/img_emb_2.npy")
}

// Images and labels within structs are named by their path; each image of a list is a sample.
func TestParquetOfStructs(t *testing.T) {
	type picture struct {
		Bytes []byte `parquet:"bytes"`
		Path  string `parquet:"path"`
	}
	type row struct {
		Photo struct {
			Image picture  `parquet:"image"`
			Kinds []string `parquet:"kinds,list"`
		} `parquet:"photo"`
		More []picture `parquet:"more,list"`
		When int64     `parquet:"when,timestamp(millisecond)"`
		Key  string    `parquet:"key"`
	}
	rows := make([]row, 3)
	for i := range rows {
		rows[i].Photo.Image.Bytes = []byte{byte('a' + i)}
		rows[i].Photo.Kinds = []string{"cat", fmt.Sprint(i)}
		for n := range i + 1 {
			rows[i].More = append(rows[i].More, picture{Bytes: []byte{byte('0' + i), byte('0' + n)}})
		}
		rows[i].When, rows[i].Key = int64(1000*i), string(rune('x'+i))
	}
	var out bytes.Buffer
	if err := parquet.Write(&out, rows); err != nil {
		t.Fatal(err)
	}
	bucket := bucketOf(t, map[string]string{"a.parquet": out.String()})
	for name, tc := range map[string]struct {
		options v1alpha1.ParquetOptions
		want    []string
	}{
		"a struct": {
			v1alpha1.ParquetOptions{ImageColumn: "photo.image", LabelColumn: "photo.kinds", IDColumn: "when"},
			[]string{"1970-01-01T00:00:00Z [0 cat] a", "1970-01-01T00:00:01Z [1 cat] b", "1970-01-01T00:00:02Z [2 cat] c"},
		},
		"a list": {
			v1alpha1.ParquetOptions{ImageColumn: "more", IDColumn: "key"},
			[]string{"x [] 00", "y [] 10", "y:1 [] 11", "z [] 20", "z:1 [] 21", "z:2 [] 22"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustOpen(t, bucket, v1alpha1.DatasetSpec{Format: v1alpha1.FormatParquet, Parquet: &tc.options})
			var got []string
			for _, s := range readAll(t, d) {
				got = append(got, fmt.Sprint(s.ID, " ", s.Labels, " ", string(s.Bytes)))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A page has the size that its header says, whatever compresses it.
func TestParquetCompressions(t *testing.T) {
	type row struct {
		Image []byte `parquet:"image"`
		Label string `parquet:"label,dict"`
	}
	var rows []row
	for i := range 300 {
		content := bytes.Repeat([]byte{byte(i), byte(i >> 3)}, 1+i%700)
		if i%3 == 0 {
			for j := range content {
				content[j] = byte(j*j*i ^ j>>2) // hardly shrinks
			}
		}
		rows = append(rows, row{content, fmt.Sprint(i % 7)})
	}
	for name, codec := range map[string]compress.Codec{
		"none": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "zstd": &parquet.Zstd, "brotli": &parquet.Brotli, "lz4": &parquet.Lz4Raw,
	} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprint(name, version), func(t *testing.T) {
				var out bytes.Buffer
				w := parquet.NewGenericWriter[row](&out, parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(4096), parquet.MaxRowsPerRowGroup(110))
				if _, err := w.Write(rows); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				d := mustOpen(t, bucketOf(t, map[string]string{"a.parquet": out.String()}), v1alpha1.DatasetSpec{Format: v1alpha1.FormatParquet})
				for i, s := range readAll(t, d) {
					if !bytes.Equal(s.Bytes, rows[i].Image) || s.Labels[0] != rows[i].Label {
						t.Fatalf("row %d: %d bytes, label %s, %v", i, len(s.Bytes), s.Labels, s.Err)
					}
				}
				// Damage is an error of the file or another image, never a panic or all the memory.
				for at := 4; at < out.Len()-4000; at += 997 {
					damaged := bytes.Clone(out.Bytes())
					damaged[at] ^= 0x55
					d, err := Open(t.Context(), bucketOf(t, map[string]string{"a.parquet": string(damaged)}), v1alpha1.DatasetSpec{Format: v1alpha1.FormatParquet}, "")
					if err != nil {
						wantInvalid(t, err)
						continue
					}
					for _, err := range d.Samples(t.Context(), 0, d.Len()) {
						if err != nil && !errors.As(err, new(*InvalidError)) {
							t.Errorf("byte %d: %v", at, err)
						}
					}
				}
			})
		}
	}
}

func TestImagesAsText(t *testing.T) {
	png := "\x89PNG\r\n\x1a\nand so on"
	text := base64.StdEncoding.EncodeToString([]byte(png))
	for _, stored := range []string{png, text, text + "\n", strings.TrimRight(text, "="), "data:image/png;base64," + text} {
		if got := string(fromBase64([]byte(stored))); got != png {
			t.Errorf("%.40q becomes %q", stored, got)
		}
	}
	for _, stored := range []string{"", "data:", "Qk is no picture", "/9j/ nor is this", "cat"} {
		if got := string(fromBase64([]byte(stored))); got != stored {
			t.Errorf("%q becomes %q", stored, got)
		}
	}
}

func TestRowOfNaN(t *testing.T) {
	d := mustOpen(t, bucketOf(t, map[string]string{"embeddings.npy": npyFile("<f4", 3, 2, 1, 2, math.NaN(), 2, 3, 4)}), v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings})
	if diff := cmp.Diff([]string{"embeddings:1: embeddings.npy row 1: not a finite number: column 0 is NaN"}, broken(t, d)); diff != "" {
		t.Error(diff)
	}
}

// Keys with dots are keys; a mask beside an image is a part of the sample.
func TestKeysWithDots(t *testing.T) {
	archive := tarWith(t,
		"22.05.png", "A", "22.05.cls", "5", "22.10.png", "B", "22.10.cls", "10",
		"0001.jpg", "C", "0001.mask.png", "mask", "0001.2.jpg", "D", "0001.cls", "1",
		"0002.json", "{\"label\": NaN}", "0002.png", "E",
		"0003.json", "{\"label\":", "0003.png", "F",
		"0004.cls", "4", "0004.txt", "words",
		"0005.heic", "G", "@eaDir/0006.png", "H")
	d := mustOpen(t, bucketOf(t, map[string]string{"a.tar": archive}), v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset})
	want := []string{"a.tar/22.05.png||5|", "a.tar/22.10.png||10|", "a.tar/0001.jpg||1|", "a.tar/0001.2.jpg||1|", "a.tar/0002.png|||", "a.tar/0003.png|||", "a.tar/0005.heic|||"}
	if diff := cmp.Diff(want, lines(d)); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	if got := broken(t, d); len(got) != 1 || !strings.HasPrefix(got[0], "a.tar/0003.png: a.tar/0003.json: not JSON") {
		t.Errorf("broken: %q", got)
	}
	if diff := cmp.Diff(Ignored{".mask": 1, ".cls": 1, ".txt": 1}, d.Ignored()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
}

// tarWith packs files, name and content in turn.
func tarWith(t testing.TB, files ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// An archive ends where it says so.
func TestEndsOfArchives(t *testing.T) {
	whole := tarWith(t, "a.png", strings.Repeat("A", 700), "b.png", "B")
	spec := v1alpha1.DatasetSpec{Format: v1alpha1.FormatWebDataset}
	if d := mustOpen(t, bucketOf(t, map[string]string{"a.tar": whole + strings.Repeat("\x00", 9000)}), spec); d.Len() != 2 {
		t.Errorf("%d samples", d.Len())
	}
	for _, cut := range []int{600, 1536, 1600, 2000, 2560} {
		_, err := Open(t.Context(), bucketOf(t, map[string]string{"a.tar": whole[:cut]}), spec, "")
		wantInvalid(t, err, "a.tar: cut short")
		_, err = Open(t.Context(), bucketOf(t, map[string]string{"a.tar": gzipped(t, whole[:cut])}), spec, "")
		wantInvalid(t, err, "a.tar: cut short")
	}
	packed := gzipped(t, whole)
	_, err := Open(t.Context(), bucketOf(t, map[string]string{"a.tar.gz": packed[:len(packed)-4]}), spec, "")
	wantInvalid(t, err, "a.tar.gz: cut short")
	for name, joined := range map[string]string{"a.tar": whole + whole, "b.tar": gzipped(t, whole) + gzipped(t, whole)} {
		_, err := Open(t.Context(), bucketOf(t, map[string]string{name: joined}), spec, "")
		wantInvalid(t, err, "were archives joined?")
	}
}

func TestFieldThatNoLineHas(t *testing.T) {
	files := images("a.jpg")
	files["m.jsonl"] = "{\"path\": \"a.jpg\", \"subset\": \"train\"}\n"
	spec := manifest("m.jsonl")
	spec.Manifest.SplitColumn = "sbuset"
	_, err := Open(t.Context(), bucketOf(t, files), spec, "")
	wantInvalid(t, err, "no line has a field sbuset", "dataset.manifest.splitColumn")
}

func TestImagesThatNoManifestNames(t *testing.T) {
	files := images("train/a.jpg", "train/b.jpg", "test/c.jpg", "test/d.jpg")
	files["train/metadata.csv"] = "file_name,label\na.jpg,x\nb.jpg,y\n,\n"
	d := mustOpen(t, bucketOf(t, files), manifest(""))
	if w := d.Warnings(); d.Len() != 2 || len(w) != 1 || !strings.Contains(w[0], "2 images are named by no manifest, such as test/d.jpg") {
		t.Errorf("%d samples, warnings %q", d.Len(), w)
	}
	if diff := cmp.Diff(Ignored{".jpg": 2}, d.Ignored()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
}

func TestLineNumbers(t *testing.T) {
	text := "path,label\na.jpg,\"c\nat\"\n\n\nb.jpg,x,y\n" + strings.Repeat("a.jpg,cat\n", 3) + "c.jpg,\"" + strings.Repeat("x,y\n", maxRecord/3) + "d.jpg,z,z\n"
	entries, err := readManifest("m.csv", strings.NewReader(text), fieldsOf(request{}))
	if err != nil {
		t.Fatal(err)
	}
	var wrong []int
	for _, e := range entries {
		if e.err != nil {
			wrong = append(wrong, e.row)
		}
	}
	if last := strings.Count(text, "\n"); len(wrong) != 3 || wrong[0] != 6 || wrong[1] != 10 || wrong[2] != last {
		t.Errorf("lines %d are wrong, of %d", wrong, last)
	}
}

package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func manifest(path string) v1alpha1.DatasetSpec {
	return v1alpha1.DatasetSpec{Format: v1alpha1.FormatManifest, Manifest: &v1alpha1.ManifestOptions{Path: path}}
}

func TestManifest(t *testing.T) {
	for name, tc := range map[string]struct {
		path, csv string
		want      []string
	}{
		"path alone": {
			"", "path\nb.jpg\na.jpg\n",
			[]string{"a.jpg|||", "b.jpg|||"},
		},
		"all columns, in any order, and others": {
			"", "Split,note,ID , path,Label,group\ntrain,x,one,b.jpg,cat,g1\ntest,\"a \"\"b\"\", c\",two,\"a,1.jpg\",dog,g2\n",
			[]string{"two|test|dog|g2", "one|train|cat|g1"},
		},
		"byte order mark and CRLF": {
			"", "\ufeffpath,label\r\na.jpg,cat\r\n",
			[]string{"a.jpg||cat|"},
		},
		"several labels, sorted and distinct": {
			"", "path,label\na.jpg, dog | cat|dog|\nb.jpg,|\nc.jpg,\n",
			[]string{"a.jpg||cat+dog|", "b.jpg|||", "c.jpg|||"},
		},
		"empty ID": {
			"", "path,id\na.jpg,\nb.jpg,b\n",
			[]string{"a.jpg|||", "b|||"},
		},
		"order by path, whatever the ID": {
			"", "path,id\nb.jpg,1\na.jpg,2\n",
			[]string{"2|||", "1|||"},
		},
		"one file, two samples": {
			"", "path,id\na.jpg,z\na.jpg,y\n",
			[]string{"z|||", "y|||"},
		},
		"relative to its own folder": {
			"lists/all.csv", "path\n../images/a.jpg\n./b.jpg\nc/../d.jpg\n",
			[]string{"images/a.jpg|||", "lists/b.jpg|||", "lists/d.jpg|||"},
		},
		"line breaks in a quoted field": {
			"", "path,note\na.jpg,\"x\ny\"\nb.jpg,\n",
			[]string{"a.jpg|||", "b.jpg|||"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := tc.path
			if file == "" {
				file = "manifest.csv"
			}
			d := mustOpen(t, bucketOf(t, map[string]string{file: tc.csv}), manifest(tc.path))
			if diff := cmp.Diff(tc.want, lines(d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManifestMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		csv   string
		texts []string
	}{
		"empty file":       {"", []string{"manifest.csv is empty"}},
		"header alone":     {"path\n", []string{"names no file"}},
		"no path":          {"id,label\n1,cat\n", []string{"line 1: there is no column path"}},
		"no known column":  {"file,class\na.jpg,cat\n", []string{`"file" "class"`, "label, split, id, group, path, file_name"}},
		"gzip":             {"\x1f\x8b\x08\x00", []string{"manifest.csv is compressed with gzip"}},
		"CR alone":         {"path,label\ra.jpg,cat\rb.jpg,dog\r", []string{"its lines end with CR alone"}},
		"UTF-16":           {"\xff\xfep\x00a\x00", []string{"manifest.csv is in UTF-16"}},
		"semicolons":       {"path;label\na.jpg;cat\n", []string{"separated by commas"}},
		"column twice":     {"path,Path\na,b\n", []string{"column path is there twice"}},
		"empty path":       {"path,label\na.jpg,cat\n ,dog\n", []string{"manifest.csv line 3, column 1: path is empty", "dataset.manifest.pathColumn"}},
		"absolute":         {"label,path\ncat,/etc/passwd\n", []string{`line 2, column 5: path "/etc/passwd"`, "relative"}},
		"leaves":           {"path\na/../../x.jpg\n", []string{"line 2", "stay inside"}},
		"the folder":       {"path\n.\n", []string{"line 2", "not a file"}},
		"missing field":    {"path,label\na.jpg\n", []string{"line 2", "wrong number of fields"}},
		"stray quote":      {"path,label\na.jpg,ca\"t\n", []string{"line 2: bare"}},
		"open quote":       {"path,label\na.jpg,\"cat\nb.jpg,dog\n", []string{"line"}},
		"endless quote":    {"path,label\na.jpg,\"" + strings.Repeat(strings.Repeat("x", 63)+"\n", maxRecord/32), []string{"line 2: the record that begins here", "quote left open"}},
		"not UTF-8":        {"path,label\na.jpg,caf\xe9\n", []string{"line 2, column 7: label is not text in UTF-8"}},
		"duplicate ID":     {"path,id\na.jpg,x\nb.jpg,x\n", []string{`"x"`, "a.jpg line 2", "b.jpg line 3"}},
		"duplicate path":   {"path,split\na.jpg,train\n./a.jpg,test\n", []string{`"a.jpg"`, "split train on line 2", "split test on line 3", "leaks"}},
		"ID that's a path": {"path,id\na.jpg,b.jpg\nb.jpg,\n", []string{`"b.jpg"`}},
	} {
		t.Run(name, func(t *testing.T) {
			err := mistakeIn(t, bucketOf(t, map[string]string{"manifest.csv": tc.csv, "a.jpg": "A", "b.jpg": "B"}), manifest(""), "")
			wantInvalid(t, err, tc.texts...)
			if strings.HasPrefix(name, "duplicate") && !errors.Is(err, ErrDuplicateID) {
				t.Errorf("%v is no ErrDuplicateID", err)
			}
		})
	}
	_, err := Open(t.Context(), bucketOf(t, images("a.jpg")), manifest("lists/all.csv"), "")
	wantInvalid(t, err, "lists/all.csv", "no such file")
}

func TestManifestNamesFilesThatAreGone(t *testing.T) {
	d := mustOpen(t, bucketOf(t, map[string]string{"manifest.csv": "path\na.jpg\ngone.jpg\n", "a.jpg": "A"}), manifest(""))
	samples := readAll(t, d)
	if samples[0].Err != nil || string(samples[0].Bytes) != "A" || samples[0].Version == "" {
		t.Errorf("a.jpg: %+v", samples[0])
	}
	if !errors.Is(samples[1].Err, fs.ErrNotExist) {
		t.Errorf("gone.jpg: %v", samples[1].Err)
	}
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{"path\na.jpg\n", "\ufeffpath,label,split,id,group\na,b|c,d,e,f\n", "path\n\"", "path\n../x", "id\n1"} {
		f.Add("manifest.csv", s)
		f.Add("a/b.csv", s)
	}
	f.Fuzz(func(t *testing.T, name, csv string) {
		if !fs.ValidPath(name) {
			t.Skip()
		}
		entries, err := readManifest(name, strings.NewReader(csv), fieldsOf(request{}))
		if err != nil {
			if !errors.As(err, new(*InvalidError)) {
				t.Errorf("%v is no InvalidError", err)
			}
			return
		}
		for _, e := range entries {
			if e.ID == "" || e.key == "." || !fs.ValidPath(e.key) {
				t.Errorf("entry %+v", e)
			}
		}
	})
}

func TestManifestPassesOnReadErrors(t *testing.T) {
	broken := fmt.Errorf("connection reset")
	for _, start := range []string{"", "p", "path\na.jpg\n"} {
		_, err := readManifest("m.csv", io.MultiReader(strings.NewReader(start), failing{broken}), fieldsOf(request{}))
		if !errors.Is(err, broken) || errors.As(err, new(*InvalidError)) {
			t.Errorf("after %q: %v", start, err)
		}
	}
}

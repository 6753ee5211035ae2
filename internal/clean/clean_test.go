package clean

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

const header = "layer,index,id,split,label,keeperIndex,keeperID,exact,cluster,baseline\n"

func TestReadRemovals(t *testing.T) {
	two := header + "a,1,x,,,0,k,false,0,false\nb,1,y,,,0,k,false,0,false\n"
	tests := map[string]struct {
		text, layer string
		gone, stays []string
		says        string // of an error
	}{
		"one layer":           {text: header + "a,1,x,train,cat,0,k,false,0,false\na,2,\"y,\n\",,,0,k,true,0,false\n", gone: []string{"x", "y,\n"}, stays: []string{"k"}},
		"nothing goes":        {text: header},
		"nothing, of a layer": {text: header, layer: "a"},
		"of a baseline":       {text: header + "a,1,x,,,7,old,false,0,true\n", gone: []string{"x"}},
		"of a reference":      {text: strings.TrimSpace(header) + ",reference\na,1,x,,,7,val.jpg,false,,false,bench\na,2,y,,,0,k,false,0,false,\n", gone: []string{"x", "y"}, stays: []string{"k"}},
		"from a spreadsheet":  {text: "\ufeff" + header + "a,1,x,,,7,old,FALSE,0,TRUE\n", gone: []string{"x"}},
		"chosen layer":        {text: two, layer: "b", gone: []string{"y"}, stays: []string{"k"}},
		"several layers":      {text: two, says: "choose one of them with --layer"},
		"another layer":       {text: two, layer: "c", says: `no row of layer "c", and rows of: a, b`},
		"empty":               {says: "it is empty"},
		"no such columns":     {text: "id,keeperID\nx,y\n", says: "there is no column layer"},
		"ragged":              {text: header + "a,1\n", says: "wrong number of fields"},
		"a chain":             {text: header + "a,1,x,,,0,k,false,0,false\na,0,k,,,2,z,false,0,false\n", says: `sample "k" would go and is to stay`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := ReadRemovals(strings.NewReader(test.text), test.layer)
			if test.says != "" {
				if _, mismatch := errors.AsType[*MismatchError](err); !mismatch || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{test.gone, test.stays}, [][]string{keys(r.gone), keys(r.stays)}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func keys(set map[string]bool) []string {
	var out []string
	for key := range set {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

func removals(t *testing.T, rows string) *Removals {
	t.Helper()
	r, err := ReadRemovals(strings.NewReader(header+rows), "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func opened(t *testing.T, dir string) *storage.Bucket {
	t.Helper()
	b, err := storage.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// tree reads a folder: what each file holds, and where a link leads.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[name] = string(data)
		if entry.Type() == fs.ModeSymlink {
			out[name] = "link to " + out[name]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManifest(t *testing.T) {
	const rows = "csv,1,a/x.jpg,,,0,two,false,0,false\n"
	tests := map[string]struct {
		name, in, out string
		rows          string
		result        Result
		says          string
	}{
		"CSV": {
			name: "manifest.csv",
			in:   "\ufeffpath,id,Note\r\na/x.jpg,,\"of, three\"\r\na/y.jpg,two,\"a\nb\"\r\nz.jpg,,=1+1",
			out:  "path,id,Note\r\na/y.jpg,two,\"a\nb\"\r\nz.jpg,,=1+1", rows: rows, result: Result{Kept: 2, Removed: 1},
		},
		"two byte order marks": {
			name: "m.csv", in: "\ufeff\ufeffnote,path,id\n1,a/x.jpg,\n2,b.jpg,two\n", out: "note,path,id\n2,b.jpg,two\n", rows: rows, result: Result{Kept: 1, Removed: 1},
		},
		"in a folder": {
			name: "lists/m.csv", in: "id,path\n,x.jpg\ntwo,y.jpg\n", out: "id,path\ntwo,y.jpg\n",
			rows: "csv,1,lists/x.jpg,,,0,two,false,0,false\n", result: Result{Kept: 1, Removed: 1},
		},
		"JSON Lines": {
			name: "m.jsonl", in: "{\"path\":\"a/x.jpg\"}\n\n{ \"path\": \"y.jpg\", \"id\": \"two\", \"more\": [1, 2.50] }\r\n{\"path\":\"z.jpg\"}",
			out: "\n{ \"path\": \"y.jpg\", \"id\": \"two\", \"more\": [1, 2.50] }\r\n{\"path\":\"z.jpg\"}", rows: rows, result: Result{Kept: 2, Removed: 1},
		},
		"nothing goes":      {name: "m.csv", in: "path\nx.jpg\n", out: "path\nx.jpg\n", result: Result{Kept: 1}},
		"a sample is gone":  {name: "m.csv", in: "path,id\nq.jpg,two\n", rows: rows, says: `names 1 samples that are not in the dataset, the first is "a/x.jpg"`},
		"the keeper is too": {name: "m.csv", in: "path\na/x.jpg\n", rows: rows, says: `has stay 1 samples that are not in the dataset, the first is "two"`},
		"not a manifest":    {name: "m.csv", in: "file\nx.jpg\n", rows: rows, says: "none of the columns"},
		"a record of megabytes": {
			name: "m.csv", in: "path\nx.jpg\n\"" + strings.Repeat("x", 2<<20), rows: rows, says: "not in the dataset",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, map[string]string{test.name: test.in})
			to := filepath.Join(t.TempDir(), "new", "clean.csv")
			result, err := Manifest(context.Background(), opened(t, dir), test.name, nil, to, removals(t, test.rows))
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v", err)
				}
				if got := tree(t, filepath.Dir(to)); len(got) > 0 {
					t.Errorf("something was written: %v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.result, result); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"clean.csv": test.out}, tree(t, filepath.Dir(to))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if _, err := Manifest(context.Background(), opened(t, dir), test.name, nil, to, removals(t, test.rows)); !errors.Is(err, ErrRefused) {
				t.Errorf("written over: %v", err)
			}
		})
	}
}

func TestFolder(t *testing.T) {
	files := map[string]string{"train/cat/a.jpg": "A", "train/cat/b.jpg": "B", "test/cat/c.jpg": "A", "classes.txt": "cat"}
	rows := "conv,0,train/cat/a.jpg,train,cat,2,test/cat/c.jpg,true,0,false\n"
	for _, as := range []Method{Copy, HardLinks, SymbolicLinks} {
		t.Run(string(as), func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, files)
			to := filepath.Join(t.TempDir(), "new", "clean")
			var done atomic.Int64
			result, err := Folder(context.Background(), opened(t, dir), to, as, removals(t, rows), func(n int64) { done.Add(n) })
			if err != nil {
				t.Fatal(err)
			}
			if result != (Result{Kept: 3, Removed: 1}) || done.Load() != 3 {
				t.Errorf("%+v, %d files done", result, done.Load())
			}
			want := map[string]string{"train/cat/b.jpg": "B", "test/cat/c.jpg": "A", "classes.txt": "cat"}
			if as == SymbolicLinks {
				for name := range want {
					want[name] = "link to " + want[name]
				}
			}
			if diff := cmp.Diff(want, tree(t, to)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(files, tree(t, dir)); diff != "" {
				t.Errorf("the dataset has changed (-want +got):\n%s", diff)
			}
			if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 1 {
				t.Errorf("beside it: %v %v", left, err)
			}
		})
	}
}

// What an audit tolerates doesn't stop the copy.
func TestFolderWithABrokenLink(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a.jpg": "A", "b.jpg": "A", "c.jpg": "C"})
	if err := os.Symlink("gone.jpg", filepath.Join(dir, "d.jpg")); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "clean")
	result, err := Folder(context.Background(), opened(t, dir), to, HardLinks, removals(t, "l,0,a.jpg,,,1,b.jpg,true,0,false\n"), func(int64) {})
	if err != nil || result != (Result{Kept: 2, Removed: 1, Unreadable: 1}) {
		t.Errorf("%+v, %v", result, err)
	}
	if diff := cmp.Diff(map[string]string{"b.jpg": "A", "c.jpg": "C"}, tree(t, to)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFolderRefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"images/a.jpg": "A", "images/b.jpg": "B", "there/x": ""})
	if err := os.Symlink("images", filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	fitting := "l,0,a.jpg,,,1,b.jpg,false,0,false\n"
	tests := map[string]struct{ to, rows, says string }{
		"a folder that is there":         {"there", fitting, "is there already"},
		"the dataset itself":             {"images", fitting, "is there already"},
		"in the dataset":                 {"images/clean", fitting, "lies in the dataset"},
		"deep in the dataset":            {"images/new/deep/clean", fitting, "lies in the dataset"},
		"in the dataset, through a link": {"other/clean", fitting, "lies in the dataset"},
		"object storage":                 {"s3://b/clean", fitting, "is a local one"},
		"of another dataset":             {"new", "l,0,c.jpg,,,1,b.jpg,false,0,false\n", "not in the dataset"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := tree(t, dir)
			to := test.to
			if !strings.Contains(to, "://") {
				to = filepath.Join(dir, to)
			}
			_, err := Folder(context.Background(), opened(t, filepath.Join(dir, "images")), to, Copy, removals(t, test.rows), func(int64) {})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("something was written (-before +after):\n%s", diff)
			}
		})
	}
}

// An interrupted copy leaves nothing.
func TestFolderInterrupted(t *testing.T) {
	dir := t.TempDir()
	for i := range 100 {
		put(t, dir, map[string]string{fmt.Sprintf("images/%d.jpg", i): "A"})
	}
	ctx, cancel := context.WithCancel(context.Background())
	in := opened(t, filepath.Join(dir, "images"))
	_, err := Folder(ctx, in, filepath.Join(dir, "clean"), Copy, removals(t, ""), func(int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v %v", left, err)
	}
}

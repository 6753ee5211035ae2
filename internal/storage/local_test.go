package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree makes files (name → content), folders (names that end in '/') and links (content "-> target").
func tree(t *testing.T, entries map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range entries {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, file)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(file, 0o755)
		} else {
			err = os.WriteFile(file, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A location may be a file: its folder is opened, and its key there is told.
func TestOpenAt(t *testing.T) {
	root := tree(t, map[string]string{"a/x.npy": "1", "a/folder.parquet/part-0.parquet": "2", "a/file": "3"})
	for location, want := range map[string]struct{ bucket, key string }{
		root:                          {root, ""},
		root + "/a":                   {root + "/a", ""},
		root + "/a/":                  {root + "/a/", ""},
		root + "/a/x.npy":             {root + "/a", "x.npy"},
		root + "/a/file":              {root + "/a", "file"},
		root + "/a/folder.parquet":    {root + "/a/folder.parquet", ""},
		"file://" + root + "/a/x.npy": {root + "/a", "x.npy"},
	} {
		b, key, err := OpenAt(t.Context(), location)
		if err != nil {
			t.Errorf("%s: %v", location, err)
			continue
		}
		if b.String() != want.bucket || key != want.key {
			t.Errorf("%s: %q in %s, want %q in %s", location, key, b, want.key, want.bucket)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := OpenAt(t.Context(), root+"/a/none.npy"); KindOf(err) != NotFound {
		t.Errorf("a file that isn't there: %v", err)
	}
}

func TestLinks(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "secret"})
	root := tree(t, map[string]string{
		"a/file":      "content",
		"a/up":        "-> ../a/file",
		"a/loop":      "-> ..",
		"alias":       "-> a",
		"out":         "-> " + filepath.Join(outside, "secret"),
		"out-folder":  "-> " + outside,
		"out-dots":    "-> ../../../../../../../../etc/passwd",
		"broken":      "-> nowhere",
		"self":        "-> self",
		"data":        "-> .mount/data", // as Kubernetes mounts a ConfigMap
		".mount/data": "mounted",
	})
	b := mustOpen(t, root)
	objects, err := b.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Size int64
		Err  bool
	}
	got := map[string]entry{}
	for _, o := range objects {
		got[o.Key] = entry{o.Size, o.Err != nil}
	}
	want := map[string]entry{
		".mount/data": {Size: 7}, "data": {Size: 7},
		"a/file": {Size: 7}, "a/up": {Size: 7}, "alias/file": {Size: 7}, "alias/up": {Size: 7},
		"out": {Err: true}, "out-folder": {Err: true}, "out-dots": {Err: true}, "broken": {Err: true}, "self": {Err: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if got, err := b.ReadAll(t.Context(), "alias/up", 100); err != nil || string(got) != "content" {
		t.Errorf("a link inside: %q, %v", got, err)
	}
	for key, want := range map[string]struct {
		kind Kind
		text string
	}{
		"out":               {Invalid, "leads out of the folder"},
		"out-dots":          {Invalid, "leads out of the folder"},
		"out-folder/secret": {Invalid, "leads out of the folder"},
		"broken":            {NotFound, "no such file"},
		"self":              {Invalid, "symbolic links"},
		"a":                 {Invalid, "not a regular file"},
		"a/file/x":          {NotFound, "not a directory"},
	} {
		_, err := b.ReadAll(t.Context(), key, 100)
		if err == nil || KindOf(err) != want.kind || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: got %v (%v), want %v and %q", key, err, KindOf(err), want.kind, want.text)
		}
	}
	if err := b.WriteAll(t.Context(), "out-folder/new", []byte("x")); KindOf(err) != Invalid || err == nil {
		t.Errorf("a write through a link: %v", err)
	}
}

func TestPipeIsNotWaitedFor(t *testing.T) {
	root := tree(t, map[string]string{"file": "x"})
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644); err != nil {
		t.Skip("this file system has no pipes:", err)
	}
	b := mustOpen(t, root)
	if _, err := b.ReadAll(t.Context(), "pipe", 1); KindOf(err) != Invalid || err == nil {
		t.Errorf("got %v", err)
	}
	objects, err := b.List(t.Context(), "")
	if diff := cmp.Diff([]string{"file"}, keys(objects)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestNamesThatAreNoText(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a\xff.jpg"), []byte("x"), 0o644); err != nil {
		t.Skip("this file system takes only UTF-8 names:", err)
	}
	objects, err := mustOpen(t, root).List(t.Context(), "")
	if err != nil || len(objects) != 1 || KindOf(objects[0].Err) != Invalid || objects[0].Err == nil {
		t.Errorf("got %+v, %v", objects, err)
	}
}

func TestLeftoversOfAKilledWriteAreNoObjects(t *testing.T) {
	root := tree(t, map[string]string{"a/" + partial + "XYZ": "half", "a/whole": "x"})
	objects, err := mustOpen(t, root).List(t.Context(), "")
	if diff := cmp.Diff([]string{"a/whole"}, keys(objects)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read and write everything")
	}
	root := tree(t, map[string]string{"lost+found/": "", "readable": "x", "secret": "x"})
	for name, mode := range map[string]os.FileMode{"lost+found": 0, "secret": 0} {
		name := filepath.Join(root, name)
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(name, 0o700) })
	}
	b := mustOpen(t, root)
	objects, err := b.List(t.Context(), "")
	if diff := cmp.Diff([]string{"readable", "secret"}, keys(objects)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := b.ReadAll(t.Context(), "secret", 1); KindOf(err) != Denied || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if err := os.Chmod(root, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(root, 0o700) })
	if err := b.WriteAll(t.Context(), "new", nil); KindOf(err) != Denied {
		t.Errorf("a write to a read-only folder: %v", err)
	}
}

func TestLocalKinds(t *testing.T) {
	b := mustOpen(t, t.TempDir())
	for errno, want := range map[syscall.Errno]Kind{
		syscall.ENOSPC: Full, syscall.EDQUOT: Full, syscall.EIO: Transient, syscall.ESTALE: Transient,
		syscall.EACCES: Denied, syscall.EROFS: Denied, syscall.ENOENT: NotFound, syscall.ENAMETOOLONG: Invalid,
	} {
		err := b.fail("write", "x", &fs.PathError{Op: "write", Path: "x", Err: errno})
		if KindOf(err) != want || !errors.Is(err, errno) {
			t.Errorf("%v: kind %v, want %v", errno, KindOf(err), want)
		}
	}
}

// A full disk is as real as it gets without root: /dev/full answers every write with ENOSPC.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here:", err)
	}
	b := mustOpen(t, t.TempDir())
	l := b.backend.(*local)
	p, err := l.create(t.Context(), "x", false)
	if err != nil {
		t.Fatal(err)
	}
	file := p.(*localFile)
	file.file.Close()
	file.file = full
	w := &writer{p: p, bucket: b, key: "x"}
	_, err = w.Write([]byte("x"))
	if !errors.Is(err, syscall.ENOSPC) || KindOf(err) != Full {
		t.Errorf("got %v (%v)", err, KindOf(err))
	}
	if _, err := w.Write(nil); err == nil {
		t.Error("the writer forgot its error")
	}
	p.abort()
}

func TestVersionOfAFileKeepsWhileItsContentDoes(t *testing.T) {
	root := tree(t, map[string]string{"x": "content"})
	b := mustOpen(t, root)
	before, err := b.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(root, "x"), filepath.Join(root, "y")); err != nil {
		t.Fatal(err)
	}
	moved, err := b.Stat(t.Context(), "y")
	if err != nil || moved.Version != before.Version {
		t.Errorf("moved: %q, was %q, %v", moved.Version, before.Version, err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(root, "y"), later, later); err != nil {
		t.Fatal(err)
	}
	touched, err := b.Stat(t.Context(), "y")
	if err != nil || touched.Version == before.Version {
		t.Errorf("touched: %q, was %q, %v", touched.Version, before.Version, err)
	}
}

package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// backends are what must not be told apart by a caller.
var backends = map[string]func(t *testing.T) *Bucket{
	"path":   func(t *testing.T) *Bucket { return mustOpen(t, t.TempDir()) },
	"file":   func(t *testing.T) *Bucket { return mustOpen(t, "file://"+t.TempDir()) },
	"google": func(t *testing.T) *Bucket { b, _ := openFakeGoogle(t, ""); return b },
	"google prefix": func(t *testing.T) *Bucket {
		b, server := openFakeGoogle(t, "/a/b")
		server.objects["elsewhere.txt"] = googleStored{content: []byte("x")}
		return b
	},
	"azure": func(t *testing.T) *Bucket { b, _ := openFakeAzure(t, ""); return b },
	"azure prefix": func(t *testing.T) *Bucket {
		b, server := openFakeAzure(t, "/a/b")
		server.objects["elsewhere.txt"] = azureStored{content: []byte("x")}
		return b
	},
}

func mustOpen(t *testing.T, location string) *Bucket {
	t.Helper()
	b, err := Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func eachBackend(t *testing.T, test func(t *testing.T, b *Bucket)) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func write(t *testing.T, b *Bucket, key, content string) {
	t.Helper()
	if err := b.WriteAll(t.Context(), key, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func keys(objects []Object) []string {
	var names []string
	for _, o := range objects {
		names = append(names, o.Key)
	}
	return names
}

func TestListInByteOrderOfWholeKeys(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		// '-' and '.' sort before '/', '0' and letters after it: an order by folders would differ.
		want := []string{".hidden", "B", "a-b", "a.txt", "a/b", "a/b-/c", "a/b/c", "a0", "é"}
		want = slices.DeleteFunc(want, func(k string) bool { return k == "a/b" }) // a folder and a file at once is for object stores only
		for i, k := range want {
			write(t, b, want[len(want)-1-i], k)
		}
		got, err := b.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, keys(got)); diff != "" {
			t.Error(diff)
		}

		for prefix, want := range map[string][]string{
			"a":        {"a-b", "a.txt", "a/b-/c", "a/b/c", "a0"},
			"a/":       {"a/b-/c", "a/b/c"},
			"a/b":      {"a/b-/c", "a/b/c"},
			"a/b/":     {"a/b/c"},
			"a/b/c":    {"a/b/c"},
			"a/b/c/":   nil,
			"none":     nil,
			"none/ab/": nil,
		} {
			got, err := b.List(t.Context(), prefix)
			if err != nil {
				t.Fatalf("prefix %q: %v", prefix, err)
			}
			if diff := cmp.Diff(want, keys(got)); diff != "" {
				t.Errorf("prefix %q: %s", prefix, diff)
			}
		}
	})
}

func TestVersionFollowsContent(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		write(t, b, "x", "one")
		first, err := b.Stat(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		listed, err := b.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for i := range listed {
			if age := time.Since(time.Unix(listed[i].Modified, 0)); age < -time.Minute || age > time.Minute {
				t.Errorf("%s was written %s ago", listed[i].Key, age)
			}
			listed[i].Modified = 0
		}
		if diff := cmp.Diff([]Object{first}, listed); diff != "" {
			t.Errorf("List and Stat differ: %s", diff)
		}
		write(t, b, "x", "three")
		second, err := b.Stat(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if first.Version == "" || first.Version == second.Version {
			t.Errorf("version %q, then %q after another content", first.Version, second.Version)
		}
		if first.Size != 3 || second.Size != 5 {
			t.Errorf("sizes %d and %d, want 3 and 5", first.Size, second.Size)
		}
	})
}

// An object that changes after it was listed is noticed by every way to read it, and is worth another start.
func TestPinnedObjectThatChanges(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		write(t, b, "x", "first")
		o, err := b.Stat(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		ways := map[string]func(Pinned) error{
			"ReadAll":   func(p Pinned) error { _, err := p.ReadAll(t.Context(), 100); return err },
			"ReadRange": func(p Pinned) error { _, err := p.ReadRange(t.Context(), 1, 3); return err },
			"OpenRange": func(p Pinned) error {
				body, err := p.OpenRange(t.Context(), 2, -1)
				if err == nil {
					err = body.Close()
				}
				return err
			},
		}
		for name, read := range ways {
			if err := read(b.Pin("x", o.Version)); err != nil {
				t.Errorf("%s before it changes: %v", name, err)
			}
		}
		write(t, b, "x", "another")
		for name, read := range ways {
			if err := read(b.Pin("x", o.Version)); !errors.Is(err, ErrChanged) || KindOf(err) != Transient || !strings.Contains(err.Error(), "x") {
				t.Errorf("%s after it has changed: %v (%v)", name, err, KindOf(err))
			}
			if err := read(b.Pin("x", "")); err != nil {
				t.Errorf("%s of any version: %v", name, err)
			}
		}
	})
}

func TestReading(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		ctx := t.Context()
		write(t, b, "dir/x", "0123456789")
		write(t, b, "empty", "")

		body, err := b.Open(ctx, "dir/x")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != "0123456789" {
			t.Errorf("Open read %q, %v", got, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}

		for _, r := range []struct {
			offset, length int64
			want           string
		}{{0, 3, "012"}, {4, 2, "45"}, {7, -1, "789"}, {8, 10, "89"}, {3, 0, ""}} {
			body, err := b.OpenRange(ctx, "dir/x", r.offset, r.length)
			if err != nil {
				t.Fatalf("range %d+%d: %v", r.offset, r.length, err)
			}
			got, err := io.ReadAll(body)
			body.Close()
			if err != nil || string(got) != r.want {
				t.Errorf("range %d+%d read %q, %v; want %q", r.offset, r.length, got, err, r.want)
			}
		}

		if got, err := b.ReadRange(ctx, "dir/x", 2, 5); err != nil || string(got) != "23456" {
			t.Errorf("ReadRange read %q, %v", got, err)
		}
		if got, err := b.ReadAll(ctx, "dir/x", 10); err != nil || string(got) != "0123456789" {
			t.Errorf("ReadAll at its limit read %q, %v", got, err)
		}
		if got, err := b.ReadAll(ctx, "empty", 0); err != nil || len(got) != 0 {
			t.Errorf("ReadAll of nothing read %q, %v", got, err)
		}
		_, err = b.ReadAll(ctx, "dir/x", 9)
		if !errors.Is(err, ErrTooLarge) || KindOf(err) != Invalid {
			t.Errorf("ReadAll above its limit: %v", err)
		}
		if _, err := b.ReadRange(ctx, "dir/x", -1, 2); KindOf(err) != Invalid {
			t.Errorf("a negative offset: %v", err)
		}
	})
}

func TestReadRangePastTheEndIsTriedAgainThenFails(t *testing.T) {
	b := mustOpen(t, t.TempDir())
	write(t, b, "x", "0123")
	_, err := b.ReadRange(t.Context(), "x", 2, 5)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "2 bytes of 5") {
		t.Errorf("got %v", err)
	}
}

func TestMissingObject(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		_, openErr := b.Open(t.Context(), "no/such")
		_, readErr := b.ReadAll(t.Context(), "no/such", 1)
		_, statErr := b.Stat(t.Context(), "no/such")
		for op, err := range map[string]error{"Open": openErr, "ReadAll": readErr, "Stat": statErr} {
			if KindOf(err) != NotFound || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, kind %v", op, err, KindOf(err))
			}
			if err != nil && !strings.Contains(err.Error(), b.String()+"/no/such") {
				t.Errorf("%s: %q does not name the object", op, err)
			}
		}
	})
}

func TestKeysThatLeaveTheRoot(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		for _, key := range []string{"", ".", "..", "../x", "/etc/passwd", "a/../x", "a//b", "a/", "./a", "a\xff"} {
			_, read := b.ReadAll(t.Context(), key, 1)
			_, stat := b.Stat(t.Context(), key)
			wrote := b.WriteAll(t.Context(), key, []byte("x"))
			for op, err := range map[string]error{"read": read, "stat": stat, "write": wrote} {
				if KindOf(err) != Invalid || err == nil {
					t.Errorf("%s %q: %v", op, key, err)
				}
			}
		}
	})
}

func TestCancelledContext(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		write(t, b, "x", "x")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, list := b.List(ctx, "")
		_, read := b.ReadAll(ctx, "x", 1)
		wrote := b.WriteAll(ctx, "y", nil)
		for op, err := range map[string]error{"List": list, "ReadAll": read, "WriteAll": wrote} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", op, err)
			}
		}
	})
}

func TestOpenLocations(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]struct {
		kind Kind
		text string
	}{
		"":                             {Invalid, "empty"},
		filepath.Join(dir, "none"):     {NotFound, "none: no such file or directory"},
		"file://" + dir + "/none":      {NotFound, "none: no such file or directory"},
		file:                           {NotFound, "file: not a directory"},
		"file://host/data":             {Invalid, `names the host "host"`},
		"file:///data?a=b":             {Invalid, "takes no options"},
		"ftp://host/data":              {Invalid, `"ftp" is not known: give a folder, file:// or one of azblob://, gs://, s3://`},
		"s3:///data":                   {Invalid, "s3://BUCKET/PREFIX"},
		"s3://bucket/../x":             {Invalid, "plain relative path"},
		"s3://bucket?nonsense=1":       {Invalid, "nonsense"},
		"s3://key:secret@bucket/data":  {Invalid, "credentials in the environment"},
		"s3://key:secret@buck%zz/data": {Invalid, "not a URL"},
	} {
		t.Run(location, func(t *testing.T) {
			_, err := Open(t.Context(), location)
			if err == nil {
				t.Fatal("opened")
			}
			if KindOf(err) != want.kind || !strings.Contains(err.Error(), want.text) {
				t.Errorf("got %v (%v), want %v and %q", err, KindOf(err), want.kind, want.text)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q gives the secret away", err)
			}
		})
	}
}

func TestOpenRemoteURL(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	b, err := Open(t.Context(), "s3://bucket/some/prefix/?region=eu-west-1&endpoint=http://127.0.0.1:1&use_path_style=true")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, want := b.String(), "s3://bucket/some/prefix/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.List(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSplitKey(t *testing.T) {
	for location, want := range map[string][2]string{
		"model.onnx":                        {".", "model.onnx"},
		"a/b/model.onnx":                    {"a/b", "model.onnx"},
		"/model.onnx":                       {"/", "model.onnx"},
		"file:///a/model.onnx":              {"/a", "model.onnx"},
		"s3://bucket/model.onnx":            {"s3://bucket", "model.onnx"},
		"s3://bucket/a/b c.onnx?region=x":   {"s3://bucket/a?region=x", "b c.onnx"},
		"gs://bucket/a%20b/c/model.onnx?x=": {"gs://bucket/a%20b/c?x=", "model.onnx"},
	} {
		bucket, key, err := SplitKey(location)
		if err != nil || [2]string{bucket, key} != want {
			t.Errorf("%s: got %q, %q, %v; want %q", location, bucket, key, err, want)
		}
	}
	for _, location := range []string{"", "a/", "s3://bucket", "s3://bucket/a/", ".."} {
		if _, _, err := SplitKey(location); KindOf(err) != Invalid || err == nil {
			t.Errorf("%q: %v", location, err)
		}
	}
}

func TestErrorNamesAreQuotedWhereTheyWouldBreakALine(t *testing.T) {
	err := &Error{Op: "read", URL: "/data", Key: "a\nb", Err: errors.New("boom")}
	if got, want := err.Error(), `read "/data/a\nb": boom`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzOpenLocation(f *testing.F) {
	for _, s := range []string{"a", "file:///x", "s3://b/p?region=x", "azblob://c", "://", "s3://%zz", "s3://u:p@h/../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, location string) {
		u, dir, err := parse(location)
		if err == nil && u == nil && dir == "" {
			t.Errorf("%q is neither a URL nor a folder", location)
		}
		if bucket, key, err := SplitKey(location); err == nil {
			if checkKey(key) != nil && !strings.ContainsFunc(key, func(r rune) bool { return r == '\uFFFD' }) {
				t.Errorf("%q: key %q", location, key)
			}
			if _, _, err := parse(bucket); err != nil {
				t.Errorf("%q: bucket %q: %v", location, bucket, err)
			}
		}
		_ = fmt.Sprint(display(location))
	})
}

package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteIsAllOrNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Bucket) {
		write(t, b, "dir/x", "before")
		boom := errors.New("boom")
		half := func(end func() error) func(io.Writer) error {
			return func(w io.Writer) error {
				if _, err := w.Write(bytes.Repeat([]byte("after"), 1000)); err != nil {
					return err
				}
				return end()
			}
		}
		if err := b.Write(t.Context(), "dir/x", half(func() error { return boom })); !errors.Is(err, boom) {
			t.Errorf("got %v, want the callback's own error", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.Write(ctx, "dir/x", half(func() error { cancel(); return nil })); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = b.Write(t.Context(), "dir/x", half(func() error { panic(boom) }))
		}()
		if got, err := b.ReadAll(t.Context(), "dir/x", 1000); err != nil || string(got) != "before" {
			t.Errorf("after failed writes: %q, %v", got, err)
		}
		got, err := b.List(t.Context(), "")
		if err != nil || len(got) != 1 {
			t.Errorf("failed writes left %v, %v", keys(got), err)
		}
		if err := b.Write(t.Context(), "dir/x", half(func() error { return nil })); err != nil {
			t.Fatal(err)
		}
		if got, err := b.ReadAll(t.Context(), "dir/x", 5000); err != nil || len(got) != 5000 {
			t.Errorf("after a good write: %d bytes, %v", len(got), err)
		}
	})
}

func TestWriteNewReplacesNothing(t *testing.T) {
	eachBackend(t, writesNew)
}

func writesNew(t *testing.T, b *Bucket) {
	t.Helper()
	content := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	if err := b.WriteNew(t.Context(), "new/x", content("first")); err != nil {
		t.Fatal(err)
	}
	err := b.WriteNew(t.Context(), "new/x", content("second"))
	if !errors.Is(err, ErrExists) || KindOf(err) != Invalid {
		t.Errorf("over an object: %v", err)
	}
	err = b.WriteNew(t.Context(), "new/y", func(w io.Writer) error { // one that somebody else makes meanwhile
		write(t, b, "new/y", "first")
		return content("second")(w)
	})
	if !errors.Is(err, ErrExists) {
		t.Errorf("over an object that came meanwhile: %v", err)
	}
	for _, key := range []string{"new/x", "new/y"} {
		if got, err := b.ReadAll(t.Context(), key, 100); err != nil || string(got) != "first" {
			t.Errorf("%s is %q, %v", key, got, err)
		}
	}
	if objects, err := b.List(t.Context(), "new/"); err != nil || len(objects) != 2 {
		t.Errorf("there are %v, %v", keys(objects), err)
	}
}

func TestCreateMakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	b, err := Create(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	write(t, b, "c/d/e", "x")
	if got, err := os.ReadFile(filepath.Join(dir, "c", "d", "e")); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
}

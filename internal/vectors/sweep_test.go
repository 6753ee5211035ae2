package vectors

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// age makes everything in a folder so old.
func age(t *testing.T, root string, by time.Duration) {
	t.Helper()
	objects, err := OpenFolder(root).List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		at := o.Modified.Add(-by)
		if err := os.Chtimes(filepath.Join(root, o.Key), at, at); err != nil {
			t.Fatal(err)
		}
	}
}

const day = 24 * time.Hour

// What is old goes, unless a run of late has used it; and nothing that no store has put there.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	place := OpenFolder(root)
	store := open(t, root, 0, 1)
	write(t, store, part([]int{0}, []int{1}))
	write(t, store, part([]int{1}, []int{2}))
	write(t, store, part([]int{7}, []int{7})) // of samples that are gone
	read := func(places ...int) {
		t.Helper()
		set, err := open(t, root, places...).Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set.Close()
	}
	read(0, 1)
	foreign := []string{
		"notes.txt", "run-2026-01.csv", "part-00001.vec", ".part-3", "photo/part-1.vec", "photo/.part-2", "0123456789abcdeg/part-1.vec", ".part-3x/y",
		"0123456789abcdef/photo.jpg", "0123456789abcdef/part-1.vec",
	}
	for _, name := range append(foreign, "part-000000.vec", RunPrefix+"neighbors-1.bin", asidePrefix+"0", filepath.Join(folderOf(store.Recipe), asidePrefix+"1")) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(since time.Duration) int64 {
		t.Helper()
		freed, err := Sweep(t.Context(), place, time.Now().Add(-since))
		if err != nil {
			t.Fatal(err)
		}
		return freed
	}
	parts := func(want int) {
		t.Helper()
		if got := len(partsOf(t, root, 1)); got != want {
			t.Errorf("%d parts are left, not %d", got, want)
		}
	}

	if freed := sweep(day); freed != 0 {
		t.Errorf("%d bytes of what is young", freed)
	}
	parts(3)
	age(t, root, 50*day)
	read(0)
	sweep(40 * day)
	parts(1)
	if left, err := place.List(t.Context(), ""); err != nil || len(left) != 8 { // that part, its list, and what is foreign in the root and in what looks like a recipe
		t.Errorf("left: %v, %v", left, err)
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}

	// A run that has begun holds what it knows, also before it reads it.
	age(t, root, 50*day)
	if err := open(t, root, 0).Hold(t.Context(), 0, 1); err != nil {
		t.Fatal(err)
	}
	sweep(40 * day)
	parts(1)
	read(0)
	age(t, root, 50*day)
	sweep(40 * day)
	parts(0)
}

func TestList(t *testing.T) {
	root := t.TempDir()
	for i := range 3 {
		write(t, openWith(t, Options{Folder: root, Recipe: Digest{byte(i)}}), part([]int{0}, []int{1}))
		age(t, filepath.Join(root), time.Hour)
	}
	kept, err := List(t.Context(), OpenFolder(root))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range kept {
		names = append(names, k.Recipe[:2])
		if k.Parts != 1 || k.Bytes < 100 || time.Since(k.Used) < time.Hour {
			t.Errorf("%+v", k)
		}
	}
	if diff := cmp.Diff([]string{"02", "01", "00"}, names); diff != "" {
		t.Error(diff)
	}
	if kept, err := List(t.Context(), OpenFolder(filepath.Join(root, "nowhere"))); err != nil || kept != nil {
		t.Errorf("%+v, %v", kept, err)
	}
}

// A full disk takes the recipe that was not used for longest, and never one of the store's own.
func TestMakeRoom(t *testing.T) {
	root := t.TempDir()
	for i := range 4 {
		write(t, openWith(t, Options{Folder: root, Recipe: Digest{byte(i)}}), part([]int{0}, []int{1}))
		age(t, root, 30*time.Hour)
	}
	own := openWith(t, Options{Folder: root, Recipe: Digest{0}, Before: []Digest{{1}}})
	var left []string
	for own.makeRoom(t.Context()) {
		kept, err := List(t.Context(), OpenFolder(root))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, "")
		for _, k := range kept {
			left[len(left)-1] += k.Recipe[:2]
		}
	}
	if diff := cmp.Diff([]string{"030100", "0100"}, left); diff != "" {
		t.Error(diff)
	}
	write(t, openWith(t, Options{Folder: root, Recipe: Digest{9}}), part([]int{0}, []int{1}))
	if own.makeRoom(t.Context()) {
		t.Error("what another run has just written is removed")
	}
	if kept := partsOf(t, root, 9); !slices.ContainsFunc(kept, func(string) bool { return true }) {
		t.Error("it is gone")
	}
}

package vectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

var layers = []Layer{{Name: "a", Dimensions: 3}, {Name: "b", Dimensions: 1}}

func open(t testing.TB, root string) *Store {
	t.Helper()
	store, err := Open(t.Context(), root, nil, Digest{1}, layers)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func placeOf(i int) Place { return Place{byte(i), 9} }

func digestOf(content int) Digest { return Digest{byte(content), 7} }

// part has the samples at the given places, whose contents are the given numbers, −1 for one that can't be read. Content
// x has the vectors (x, x+½, −x) and (100x). Those in known are not in it, as the store has them.
func part(places, contents []int, known ...int) Part {
	p := Part{Vectors: make([][]float32, 2)}
	seen := map[int]bool{}
	for _, content := range known {
		seen[content] = true
	}
	for at, place := range places {
		content := contents[at]
		if content < 0 {
			p.Samples = append(p.Samples, Sample{Place: placeOf(place), Unreadable: "gone"})
			continue
		}
		p.Samples = append(p.Samples, Sample{Place: placeOf(place), Digest: digestOf(content)})
		if seen[content] {
			continue
		}
		seen[content] = true
		x := float32(content)
		p.Contents = append(p.Contents, Content{Digest: digestOf(content), Pixels: int64(content)})
		p.Vectors[0] = append(p.Vectors[0], x, x+.5, -x)
		p.Vectors[1] = append(p.Vectors[1], 100*x)
	}
	return p
}

func write(t testing.TB, s *Store, part Part) {
	t.Helper()
	if err := s.Write(t.Context(), part); err != nil {
		t.Fatal(err)
	}
}

// numbers are what the rows of the second layer are made of.
func numbers(set *Set) []int {
	var all []int
	for row := range set.Index {
		all = append(all, int(set.Layer(1).Row(row)[0])/100)
	}
	return all
}

// The order of a dataset is its own: any samples whose places and contents are known make a set.
func TestSetsOfOneStore(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	first := part([]int{0, 1, 2, 3}, []int{10, 11, 10, 12}) // 2 is a copy of 0
	first.Contents[2].Unreadable = "not an image"
	write(t, store, first)
	write(t, store, part([]int{4, 5, 6}, []int{13, -1, 11}, 11)) // 6 is known already
	for name, s := range map[string]*Store{"as written": store, "opened again": open(t, root)} {
		t.Run(name, func(t *testing.T) {
			for _, test := range []struct{ places, index, numbers []int }{
				{[]int{0, 1, 2, 3, 4, 5, 6}, []int{0, 1, 2, 4, 6}, []int{10, 11, 10, 13, 11}},
				{[]int{6, 4, 0}, []int{0, 1, 2}, []int{11, 13, 10}},
				{[]int{2, 2, 5}, []int{0, 1}, []int{10, 10}},
			} {
				set, err := s.Read(t.Context(), len(test.places), func(i int) Place { return placeOf(test.places[i]) })
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.index, set.Index); diff != "" {
					t.Errorf("%v: rows (-want +got):\n%s", test.places, diff)
				}
				if diff := cmp.Diff(test.numbers, numbers(set)); diff != "" {
					t.Errorf("%v: vectors (-want +got):\n%s", test.places, diff)
				}
				for i, place := range test.places {
					want := map[int]string{3: "not an image", 5: "gone"}[place]
					if got := set.Records[i].Unreadable; got != want {
						t.Errorf("place %d is unreadable for %q, not %q", place, got, want)
					}
				}
				set.Close()
			}
			for place, known := range map[int]bool{0: true, 5: true, 6: true, 7: false} {
				if got := s.Knows(placeOf(place)); got != known {
					t.Errorf("place %d is known: %v", place, got)
				}
			}
			_, err := s.Read(t.Context(), 3, func(i int) Place { return placeOf(5 + i) })
			if absent, is := errors.AsType[*AbsentError](err); !is || absent.Samples != 1 || absent.Damaged != "" {
				t.Errorf("of a place that isn't known: %v", err)
			}
		})
	}
}

func TestMatrix(t *testing.T) {
	store := open(t, t.TempDir())
	write(t, store, part([]int{0, 1, 2}, []int{0, 2, 0}))
	set, err := store.Read(t.Context(), 3, placeOf)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	got := make([]float32, 3*3)
	set.Layer(0).Read(0, got)
	want := []float32{0, .5, 0, 2, 2.5, -2, 0, .5, 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer a (-want +got):\n%s", diff)
	}
	var npy bytes.Buffer
	if err := set.Layer(0).WriteNPY(&npy); err != nil {
		t.Fatal(err)
	}
	header := fmt.Sprintf("\x93NUMPY\x01\x00\x76\x00%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }")
	if diff := cmp.Diff(header+string(asBytes(got)), npy.String()); diff != "" {
		t.Errorf("npy (-want +got):\n%s", diff)
	}
}

// What could not be read is read again where it may be allowed by now, and counts once it could be.
func TestDenied(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	write(t, store, Part{Samples: []Sample{{Place: placeOf(0), Unreadable: "denied", Denied: true}}, Vectors: make([][]float32, 2)})
	if store.Knows(placeOf(0)) {
		t.Error("a sample that was denied is not read again")
	}
	write(t, store, part([]int{0}, []int{4}))
	for _, s := range []*Store{store, open(t, root)} {
		set, err := s.Read(t.Context(), 1, placeOf)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{4}, numbers(set)); diff != "" {
			t.Error(diff)
		}
		set.Close()
	}
}

func TestPartsOfAnotherRecipeAreAbsent(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	write(t, store, part([]int{0}, []int{1}))
	for name, layers := range map[string][]Layer{
		"layer": {{"a", 3}, {"c", 1}}, "dimensions": {{"a", 2}, {"b", 2}}, "fewer": {{"a", 3}}, "recipe": layers,
	} {
		recipe := Digest{1}
		if name == "recipe" {
			recipe[31]++ // the same folder
		}
		other, err := Open(t.Context(), root, nil, recipe, layers)
		if err != nil {
			t.Fatal(err)
		}
		if other.Has(digestOf(1)) || other.Knows(placeOf(0)) {
			t.Errorf("%s: another recipe's part is taken", name)
		}
	}
}

func onlyPart(t testing.TB, s *Store) string {
	t.Helper()
	paths, err := partsIn(s.dir)
	if err != nil || len(paths) != 1 {
		t.Fatalf("parts %v, %v", paths, err)
	}
	return paths[0]
}

// Any damage to any byte, and any truncation, makes what the part holds absent: it is computed again, never read wrong.
func TestDamageIsNoticed(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	write(t, store, part([]int{0, 1, 2}, []int{1, 2, 3}))
	path := onlyPart(t, store)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size, _, err := decodePrefix(whole)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, at int, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, root)
		_, err := s.Read(t.Context(), 3, placeOf)
		absent, is := errors.AsType[*AbsentError](err)
		if !is || absent.Samples != 3 {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		if s.Knows(placeOf(0)) || s.Has(digestOf(2)) {
			t.Fatalf("%s at %d: what it held is still known", what, at)
		}
	}
	for at := range whole {
		check("cut", at, whole[:at])
		if at >= prefixSize+size && at < payloadOffset(size) {
			continue // the padding is not covered by a checksum and carries nothing
		}
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 4
		check("flip", at, damaged)
	}
}

// Files that are gone are all noticed at once.
func TestManyAreGone(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	for i := range 20 {
		write(t, store, part([]int{i}, []int{i}))
	}
	paths, err := partsIn(store.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths[:12] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	_, err = store.Read(t.Context(), 20, placeOf)
	if absent, is := errors.AsType[*AbsentError](err); !is || absent.Samples != 12 || absent.Damaged == "" {
		t.Fatal(err)
	}
	for i := range 20 {
		if !store.Knows(placeOf(i)) {
			write(t, store, part([]int{i}, []int{i}))
		}
	}
	set, err := store.Read(t.Context(), 20, placeOf)
	if err != nil {
		t.Fatal(err)
	}
	set.Close()
}

func TestPrune(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	write(t, store, part([]int{0}, []int{1}))
	old := onlyPart(t, store)
	write(t, store, part([]int{1}, []int{2}))
	files := map[string]time.Duration{
		filepath.Join(store.dir, asidePrefix+"1"): 2 * staleAfter, filepath.Join(store.dir, asidePrefix+"2"): 0,
		filepath.Join(root, "part-000000.vec"): 0, // of an earlier version
		filepath.Join(root, "notes.txt"):       1000 * time.Hour,
		old:                                    50 * time.Hour,
	}
	for path, age := range files {
		if _, err := os.Stat(path); err != nil {
			if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	set, err := store.Read(t.Context(), 1, func(int) Place { return placeOf(0) }) // it is in use
	if err != nil {
		t.Fatal(err)
	}
	set.Close()
	if _, err := Prune(root, time.Now().Add(-40*time.Hour)); err != nil {
		t.Fatal(err)
	}
	left := func() (names []string) {
		for path := range files {
			if _, err := os.Stat(path); err == nil {
				names = append(names, filepath.Base(path))
			}
		}
		return names
	}
	if got := left(); len(got) != 3 { // .part-2, notes.txt, and the part that was read
		t.Errorf("left: %v", got)
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-50*time.Hour)); err != nil {
		t.Fatal(err)
	}
	kept, err := List(root)
	if err != nil || len(kept) != 1 || kept[0].Parts != 2 || time.Since(kept[0].Used) > time.Hour {
		t.Errorf("%+v, %v", kept, err)
	}
	if freed, err := Prune(root, time.Now().Add(-40*time.Hour)); err != nil || freed != kept[0].Bytes/2 {
		t.Errorf("%d bytes of %d: %v", freed, kept[0].Bytes, err)
	}
	if kept, err := List(filepath.Join(root, "nowhere")); err != nil || kept != nil {
		t.Errorf("%+v, %v", kept, err)
	}
}

// A full disk takes the recipe that was not used for longest, and never the store's own.
func TestMakeRoom(t *testing.T) {
	root := t.TempDir()
	for i := range 3 {
		s, err := Open(t.Context(), root, nil, Digest{byte(i)}, layers)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, part([]int{0}, []int{1}))
		at := time.Now().Add(time.Duration(i-50) * time.Hour)
		if err := os.Chtimes(onlyPart(t, s), at, at); err != nil {
			t.Fatal(err)
		}
	}
	own, err := Open(t.Context(), root, nil, Digest{0}, layers)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for own.makeRoom() {
		kept, err := List(root)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, "")
		for _, k := range kept {
			left[len(left)-1] += k.Recipe[:2]
		}
	}
	if diff := cmp.Diff([]string{"0200", "00"}, left); diff != "" {
		t.Error(diff)
	}
	other, err := Open(t.Context(), root, nil, Digest{9}, layers)
	if err != nil {
		t.Fatal(err)
	}
	write(t, other, part([]int{0}, []int{1}))
	if own.makeRoom() {
		t.Error("what another run has just written is removed")
	}
}

// folder is a remote place for tests: a folder, as object storage has it.
type folder struct{ *storage.Bucket }

func (f folder) List(ctx context.Context, prefix string) ([]string, error) {
	objects, err := f.Bucket.List(ctx, prefix)
	var keys []string
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	return keys, err
}

func (f folder) Head(ctx context.Context, key string, size int64) ([]byte, error) {
	body, err := f.OpenRange(ctx, key, 0, size)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // was only read
	return io.ReadAll(body)
}

// Machines with folders of their own share what they embed, and a lost folder costs nothing.
func TestRemote(t *testing.T) {
	place := t.TempDir()
	remote, err := storage.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	machine := func(recipe byte) *Store {
		t.Helper()
		s, err := Open(t.Context(), t.TempDir(), folder{remote}, Digest{recipe}, layers)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := machine(1), machine(1)
	many := make([]int, 3000) // their header is larger than what is read at first
	for i := range many {
		many[i] = 1
	}
	write(t, one, part(many, many))
	write(t, one, part([]int{2}, []int{2}))
	write(t, two, part([]int{3}, []int{3}))
	read := func(s *Store) error {
		t.Helper()
		set, err := s.Read(t.Context(), 3, func(i int) Place { return placeOf(i + 1) })
		if err != nil {
			return err
		}
		defer set.Close()
		if diff := cmp.Diff([]int{1, 2, 3}, numbers(set)); diff != "" {
			t.Error(diff)
		}
		return nil
	}
	if err := read(machine(1)); err != nil {
		t.Fatal(err)
	}
	if machine(2).Has(digestOf(1)) {
		t.Error("another recipe has its contents")
	}

	// A part that is damaged there is removed there.
	paths, err := partsIn(filepath.Join(place, filepath.Base(one.dir)))
	if err != nil || len(paths) != 3 {
		t.Fatalf("%v, %v", paths, err)
	}
	content, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-5] ^= 1
	if err := os.WriteFile(paths[0], content, 0o644); err != nil {
		t.Fatal(err)
	}
	s := machine(1)
	if absent, is := errors.AsType[*AbsentError](read(s)); !is || absent.Damaged == "" {
		t.Error("a damaged part is not noticed")
	}
	if _, err := os.Stat(paths[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the damaged part is still there: %v", err)
	}

	// A recipe that is not used goes, and the one in use stays.
	if err := machine(1).Expire(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	write(t, machine(3), part([]int{1}, []int{1}))
	if err := machine(3).Expire(t.Context(), time.Now().Add(-time.Hour)); err != nil || !machine(1).Has(digestOf(3)) {
		t.Errorf("what was used an hour ago is gone: %v", err)
	}
	if err := machine(3).Expire(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if machine(1).Has(digestOf(3)) || !machine(3).Has(digestOf(1)) {
		t.Error("the wrong recipe is gone")
	}
}

func FuzzDecode(f *testing.F) {
	var file bytes.Buffer
	if err := encode(&file, Digest{1}, layers, part([]int{0, 1}, []int{1, 2})); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:file.Len()/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		h, vectors, err := decode(data)
		if err == nil && len(vectors) != len(h.Layers) {
			t.Errorf("%d layers, %d matrices", len(h.Layers), len(vectors))
		}
	})
}

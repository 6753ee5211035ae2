package vectors

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var layers = []Layer{{Name: "a", Dimensions: 3}, {Name: "b", Dimensions: 1}}

// open opens the store in a folder for the samples at the given places, or for the first 3,001.
func open(t testing.TB, root string, places ...int) *Store {
	t.Helper()
	return openWith(t, Options{Folder: root, Recipe: Digest{1}}, places...)
}

func openWith(t testing.TB, o Options, places ...int) *Store {
	t.Helper()
	if o.Layers == nil {
		o.Layers = layers
	}
	o.N, o.Place = 3001, placeOf
	if len(places) > 0 {
		o.N, o.Place = len(places), func(i int) Place { return placeOf(places[i]) }
	}
	store, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func placeOf(i int) Place { return Place{byte(i), byte(i >> 8), 9} }

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
	for _, test := range []struct{ places, index, numbers []int }{
		{[]int{0, 1, 2, 3, 4, 5, 6}, []int{0, 1, 2, 4, 6}, []int{10, 11, 10, 13, 11}},
		{[]int{6, 4, 0}, []int{0, 1, 2}, []int{11, 13, 10}},
		{[]int{2, 2, 5}, []int{0, 1}, []int{10, 10}},
	} {
		set, err := open(t, root, test.places...).Read(t.Context())
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
	for name, s := range map[string]*Store{"as written": store, "opened again": open(t, root)} {
		for place, known := range map[int]bool{0: true, 5: true, 6: true, 7: false} {
			if got := s.Knows(place); got != known {
				t.Errorf("%s: place %d is known: %v", name, place, got)
			}
		}
	}
	_, err := open(t, root, 5, 6, 7).Read(t.Context())
	if absent, is := errors.AsType[*AbsentError](err); !is || absent.Samples != 1 || absent.Damaged != "" {
		t.Errorf("of a place that isn't known: %v", err)
	}
}

// Vectors of several recipes make one set, those of the first that has them.
func TestSeveralRecipes(t *testing.T) {
	root := t.TempDir()
	with := func(recipe byte, before ...Digest) Options {
		return Options{Folder: root, Recipe: Digest{recipe}, Before: before}
	}
	write(t, openWith(t, with(2)), part([]int{0, 1}, []int{10, 11}))
	other := part([]int{1, 2}, []int{11, 12})
	for i := range other.Vectors[1] {
		other.Vectors[1][i] += 5000
	}
	write(t, openWith(t, with(3)), other)
	for _, test := range []struct {
		before []Digest
		own    byte
		want   []int
	}{
		{[]Digest{{2}, {3}}, 9, []int{10, 11, 62}},
		{[]Digest{{3}, {2}}, 2, []int{10, 61, 62}},
		{[]Digest{{3}}, 2, []int{10, 61, 62}},
		{[]Digest{{2}}, 3, []int{10, 11, 62}},
	} {
		set, err := openWith(t, with(test.own, test.before...), 0, 1, 2).Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, numbers(set)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test, diff)
		}
		set.Close()
	}
}

func TestMatrix(t *testing.T) {
	store := open(t, t.TempDir(), 0, 1, 2)
	write(t, store, part([]int{0, 1, 2}, []int{0, 2, 0}))
	set, err := store.Read(t.Context())
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
	store := open(t, root, 0)
	write(t, store, Part{Samples: []Sample{{Place: placeOf(0), Unreadable: "denied", Denied: true}}, Vectors: make([][]float32, 2)})
	if store.Knows(0) {
		t.Error("a sample that was denied is not read again")
	}
	write(t, store, part([]int{0}, []int{4}))
	for _, s := range []*Store{store, open(t, root, 0)} {
		set, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{4}, numbers(set)); diff != "" {
			t.Error(diff)
		}
		set.Close()
	}
}

// Where a file was replaced unseen, and what it held before is gone, what it holds now counts.
func TestReplacedUnseen(t *testing.T) {
	root := t.TempDir()
	store := open(t, root, 0)
	write(t, store, part([]int{9}, []int{1}))
	before := onlyPart(t, root)
	write(t, store, part([]int{0}, []int{1}, 1)) // another place of the same
	if err := os.Remove(before); err != nil {
		t.Fatal(err)
	}
	store = open(t, root, 0)
	if store.Knows(0) {
		t.Fatal("its content is gone")
	}
	write(t, store, part([]int{0}, []int{2}))
	for _, s := range []*Store{store, open(t, root, 0)} {
		set, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{2}, numbers(set)); diff != "" {
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
		other := openWith(t, Options{Folder: root, Recipe: recipe, Layers: layers})
		if other.Has(digestOf(1)) || other.Knows(0) {
			t.Errorf("%s: another recipe's part is taken", name)
		}
	}
}

// partsOf are the files of a recipe's parts.
func partsOf(t testing.TB, root string, recipe byte) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, folderOf(Digest{recipe}), partPrefix+"*"+partSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func onlyPart(t testing.TB, root string) string {
	t.Helper()
	paths := partsOf(t, root, 1)
	if len(paths) != 1 {
		t.Fatalf("parts %v", paths)
	}
	return paths[0]
}

// Any damage to any byte, and any truncation, makes what the part holds absent: it is computed again, never read wrong.
func TestDamageIsNoticed(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	write(t, store, part([]int{0, 1, 2}, []int{1, 2, 3}))
	path := onlyPart(t, root)
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
		s := open(t, root, 0, 1, 2)
		_, err := s.Read(t.Context())
		absent, is := errors.AsType[*AbsentError](err)
		if !is || absent.Samples != 3 {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		if s.Knows(0) || s.Has(digestOf(2)) {
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

// A part that is whole, but in the place of another, counts as damaged.
func TestSwappedParts(t *testing.T) {
	root := t.TempDir()
	store := open(t, root, 0, 1)
	write(t, store, part([]int{0}, []int{1}))
	write(t, store, part([]int{1}, []int{2}))
	paths := partsOf(t, root, 1)
	one, errOne := os.ReadFile(paths[0])
	two, errTwo := os.ReadFile(paths[1])
	err := errors.Join(errOne, errTwo, os.WriteFile(paths[0], two, 0o644), os.WriteFile(paths[1], one, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Read(t.Context())
	if absent, is := errors.AsType[*AbsentError](err); !is || absent.Samples != 2 || absent.Damaged == "" {
		t.Error(err)
	}
}

// Files that are gone are all noticed at once.
func TestManyAreGone(t *testing.T) {
	root := t.TempDir()
	var places []int
	for i := range 20 {
		places = append(places, i)
	}
	store := open(t, root, places...)
	for i := range 20 {
		write(t, store, part([]int{i}, []int{i}))
	}
	for _, path := range partsOf(t, root, 1)[:12] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	_, err := store.Read(t.Context())
	if absent, is := errors.AsType[*AbsentError](err); !is || absent.Samples != 12 || absent.Damaged == "" {
		t.Fatal(err)
	}
	for i := range 20 {
		if !store.Knows(i) {
			write(t, store, part([]int{i}, []int{i}))
		}
	}
	set, err := store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set.Close()
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

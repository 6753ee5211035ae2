package vectors

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func layout(samples int) Layout {
	return Layout{
		Fingerprint: Digest{1}, Samples: samples, PartRows: 4,
		Layers: []Layer{{Name: "a", Dimensions: 3}, {Name: "b", Dimensions: 1}},
	}
}

// part makes part p of a layout: sample i has the vectors (i, i+½, −i) and (100i) unless it is a copy or unreadable.
func part(l Layout, p int, edit func(i int, r *Record)) Part {
	from, to := l.Rows(p)
	part := Part{From: from, Vectors: make([][]float32, 2)}
	for i := from; i < to; i++ {
		record := Record{ID: string(rune('a' + i)), Digest: Digest{byte(i), 7}}
		edit(i, &record)
		part.Records = append(part.Records, record)
		x := float32(i)
		if record.Copy || record.Unreadable != "" {
			part.Vectors[0] = append(part.Vectors[0], 0, 0, 0)
			part.Vectors[1] = append(part.Vectors[1], 0)
			continue
		}
		part.Vectors[0] = append(part.Vectors[0], x, x+.5, -x)
		part.Vectors[1] = append(part.Vectors[1], 100*x)
	}
	return part
}

func asMade(int, *Record) {}

func create(t *testing.T, l Layout) *Store {
	t.Helper()
	store, err := Create(t.TempDir(), l)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func write(t *testing.T, s *Store, part Part) {
	t.Helper()
	if err := s.Write(part); err != nil {
		t.Fatal(err)
	}
}

func TestMatrixResolvesCopiesAndSkipsUnreadable(t *testing.T) {
	store := create(t, layout(10))
	edit := func(i int, r *Record) {
		switch i {
		case 1: // unreadable itself
			r.Unreadable = "not an image"
		case 3: // known copy of 0
			r.Digest, r.Copy = Digest{0, 7}, true
		case 5: // copy of 0 that another worker embedded again: row 0 counts
			r.Digest = Digest{0, 7}
		case 6: // copy of the unreadable one
			r.Digest, r.Copy = Digest{1, 7}, true
		}
	}
	for _, p := range []int{2, 0, 1} { // in any order
		write(t, store, part(store.Layout, p, edit))
	}
	set, err := store.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if diff := cmp.Diff([]int{0, 2, 3, 4, 5, 7, 8, 9}, set.Index); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := set.Records[6].Unreadable; got != "not an image" {
		t.Errorf("a copy of an unreadable sample is unreadable for %q", got)
	}
	got := make([]float32, 8*3)
	set.Layer(0).Read(0, got)
	want := []float32{0, .5, 0, 2, 2.5, -2, 0, .5, 0, 4, 4.5, -4, 0, .5, 0, 7, 7.5, -7, 8, 8.5, -8, 9, 9.5, -9}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer a (-want +got):\n%s", diff)
	}
	var npy bytes.Buffer
	if err := set.Layer(0).WriteNPY(&npy); err != nil {
		t.Fatal(err)
	}
	header := fmt.Sprintf("\x93NUMPY\x01\x00\x76\x00%-117s\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3), }")
	if diff := cmp.Diff(header+string(asBytes(got)), npy.String()); diff != "" {
		t.Errorf("npy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float32{900}, set.Layer(1).Row(7)); diff != "" {
		t.Errorf("layer b (-want +got):\n%s", diff)
	}
}

func TestOpenNeedsEveryPart(t *testing.T) {
	store := create(t, layout(10))
	write(t, store, part(store.Layout, 0, asMade))
	if _, err := store.Open(); err == nil {
		t.Error("opened a store with missing parts")
	}
}

func TestPartsOfAnotherRunAreAbsent(t *testing.T) {
	l := layout(4)
	store := create(t, l)
	write(t, store, part(l, 0, asMade))
	if records, err := store.Records(0); err != nil || len(records) != 4 {
		t.Fatalf("own part: %v, %v", records, err)
	}
	changes := map[string]func(*Layout){
		"fingerprint": func(l *Layout) { l.Fingerprint[0]++ },
		"layer":       func(l *Layout) { l.Layers = []Layer{{"a", 3}, {"c", 1}} },
		"dimensions":  func(l *Layout) { l.Layers = []Layer{{"a", 2}, {"b", 2}} },
		"part size":   func(l *Layout) { l.PartRows = 2 },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			other := layout(4)
			change(&other)
			store, err := Create(store.dir, other)
			if err != nil {
				t.Fatal(err)
			}
			if records, err := store.Records(0); err != nil || records != nil {
				t.Errorf("got %v, %v", records, err)
			}
			if _, err := store.Open(); err == nil {
				t.Error("opened another run's parts")
			}
		})
	}
}

// Any damage to any byte, and any truncation, makes the part absent: it is computed again, never read wrong.
func TestDamageIsNoticed(t *testing.T) {
	l := layout(3)
	store := create(t, l)
	write(t, store, part(l, 0, asMade))
	whole, err := os.ReadFile(store.path(0))
	if err != nil {
		t.Fatal(err)
	}
	_, payload, err := decodeHeader(whole)
	if err != nil {
		t.Fatal(err)
	}
	head := len(whole) // the padding is not covered by a checksum and carries nothing
	for head > 0 && whole[head-1] != '}' || head > payload {
		head--
	}
	check := func(what string, at int, data []byte) {
		if err := os.WriteFile(store.path(0), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if records, err := store.Records(0); err != nil || records != nil {
			t.Fatalf("%s at %d: got %v, %v", what, at, records, err)
		}
	}
	for at := range whole {
		check("cut", at, whole[:at])
		if at >= head && at < payload {
			continue
		}
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 4
		check("flip", at, damaged)
	}
}

func TestCleanRemovesHalfWrittenFiles(t *testing.T) {
	store := create(t, layout(3))
	write(t, store, part(store.Layout, 0, asMade))
	stale, young := filepath.Join(store.dir, ".part-1"), filepath.Join(store.dir, ".part-2")
	for _, path := range []string{stale, young} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(stale, time.Time{}, time.Now().Add(-2*staleAfter)); err != nil {
		t.Fatal(err)
	}
	if err := store.Clean(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(store.dir, ".part-*"))
	if diff := cmp.Diff([]string{young}, left); err != nil || diff != "" {
		t.Errorf("%v (-want +left):\n%s", err, diff)
	}
}

func FuzzDecode(f *testing.F) {
	l := layout(3)
	var file bytes.Buffer
	if err := encode(&file, l, part(l, 0, asMade)); err != nil {
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

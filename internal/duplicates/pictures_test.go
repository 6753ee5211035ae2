package duplicates

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Equal vectors are exact copies only where bytes or pixels are equal, too.
func TestPicturesOfEqualVectors(t *testing.T) {
	a, b, c := Picture{1, 10}, Picture{2, 20}, Picture{3, 10} // c: a's pixels in another file
	samples := []Sample{
		{ID: "a", Split: "train", Picture: a}, {ID: "b", Split: "test", Picture: b}, {ID: "c", Split: "test", Picture: c}, {ID: "a again", Split: "train", Picture: a},
		{ID: "b again", Split: "train", Picture: b}, {ID: "other", Split: "train", Picture: Picture{4, 40}},
	}
	vectors := []float64{1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 9, 7}
	r, err := Find(t.Context(), samples, vectors, 2, rowsOf(vectors, 2), Options{Neighbors: 3, Strategy: Distance{Normalized: 0.001}, MaxClusterSize: 2, EvaluationSplits: []string{"test"}, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.ExactCopies != 3 || r.EqualVectors != 1 {
		t.Errorf("%d exact copies, %d equal vectors", r.ExactCopies, r.EqualVectors)
	}
	if diff := cmp.Diff([][]int{{0, 2, 3}, {1, 4}}, r.Pictures(r.Copies(0))); diff != "" {
		t.Errorf("pictures (-want +got):\n%s", diff)
	}
	if r.Leakage.Samples != 2 || r.Leakage.ExactCopies != 2 {
		t.Errorf("leakage %+v", *r.Leakage)
	}
	// The cluster of five is oversized: only what shows the same goes, and one of each picture stays.
	want := []Removal{{Row: 0, Keeper: 2, Exact: true}, {Row: 3, Keeper: 2, Exact: true}, {Row: 4, Keeper: 1, Exact: true}}
	if diff := cmp.Diff(want, r.Removals(Rule{Evaluation: []string{"test"}})); diff != "" {
		t.Errorf("removals (-want +got):\n%s", diff)
	}
}

func TestPicturesThatNobodyKnows(t *testing.T) {
	for name, tc := range map[string]struct {
		p, q Picture
		want bool
	}{
		"both unknown": {Picture{}, Picture{}, true}, "one unknown": {Picture{1, 2}, Picture{}, true},
		"bytes": {Picture{1, 0}, Picture{1, 0}, true}, "pixels": {Picture{1, 5}, Picture{2, 5}, true},
		"neither": {Picture{1, 5}, Picture{2, 6}, false}, "pixels unknown": {Picture{1, 0}, Picture{2, 0}, false},
	} {
		if got := tc.p.same(tc.q); got != tc.want || tc.q.same(tc.p) != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

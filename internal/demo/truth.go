package demo

import (
	"cmp"
	"fmt"
	"slices"
)

// TruthFile is the name of the file that holds a truth.
const TruthFile = "truth.json"

// Truth is what was planted in a dataset, truth.json. Samples are named by their IDs, the paths below images.
type Truth struct {
	Seed    uint64   `json:"seed"`
	Samples int      `json:"samples"`
	Planted []Copied `json:"planted"`
	// Leaks are those of the planted whose source is in train and whose copy is in test.
	Leaks []Copied `json:"leaks"`
	// Conflicts are those whose label isn't their source's.
	Conflicts []Copied `json:"conflicts"`
	// Identical is a group of files of the same bytes; Edited is another, whose image is an edit of the former's.
	Identical []string `json:"identical"`
	Edited    []string `json:"edited"`
}

// Copied is a planted copy: exact, or an edit of some kind.
type Copied struct {
	Kind   string `json:"kind"`
	Source string `json:"source"`
	Copy   string `json:"copy"`
}

// String says what there is to find.
func (t *Truth) String() string {
	return fmt.Sprintf("%d images of %d classes in train and test, %d of them planted copies (%d leak from train into test, %d under another label)",
		t.Samples, len(classes), len(t.Planted), len(t.Leaks), len(t.Conflicts))
}

func (t *Truth) describe(d *dataset, identical, edited []*sample) {
	t.Samples = len(d.samples)
	for _, p := range d.planted {
		c := Copied{p.kind, p.source.id, p.copied.id}
		t.Planted = append(t.Planted, c)
		if p.source.split != p.copied.split {
			t.Leaks = append(t.Leaks, c)
		}
		if p.source.label != p.copied.label {
			t.Conflicts = append(t.Conflicts, c)
		}
	}
	for _, list := range [][]Copied{t.Planted, t.Leaks, t.Conflicts} {
		slices.SortFunc(list, func(a, b Copied) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Copy, b.Copy))
		})
	}
	t.Identical, t.Edited = ids(identical), ids(edited)
}

func ids(samples []*sample) []string {
	out := make([]string, len(samples))
	for i, s := range samples {
		out[i] = s.id
	}
	slices.Sort(out)
	return out
}

// Origins returns a function from a sample to the one that it derives from, through copies of the given kinds or of
// any: for most samples the sample itself.
func (t *Truth) Origins(kinds ...string) func(id string) string {
	source := map[string]string{}
	for _, c := range t.Planted {
		if len(kinds) == 0 || slices.Contains(kinds, c.Kind) {
			source[c.Copy] = c.Source
		}
	}
	return func(id string) string {
		for source[id] != "" {
			id = source[id]
		}
		return id
	}
}

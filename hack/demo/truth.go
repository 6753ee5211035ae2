package main

import (
	"cmp"
	"slices"
)

// truthFile is the name of the file that holds a truth.
const truthFile = "truth.json"

// A truth is what was planted in a dataset, truth.json. Samples are named by their IDs, the paths below images.
type truth struct {
	Seed    uint64   `json:"seed"`
	Samples int      `json:"samples"`
	Planted []copied `json:"planted"`
	// Leaks are those of the planted whose source is in train and whose copy is in test.
	Leaks []copied `json:"leaks"`
	// Conflicts are those whose label isn't their source's.
	Conflicts []copied `json:"conflicts"`
	// Identical is a group of files of the same bytes; Edited is another, whose image is an edit of the former's.
	Identical []string `json:"identical"`
	Edited    []string `json:"edited"`
}

// copied is a planted copy: exact, or an edit of some kind.
type copied struct {
	Kind   string `json:"kind"`
	Source string `json:"source"`
	Copy   string `json:"copy"`
}

func (t *truth) describe(d *dataset, identical, edited []*sample) {
	t.Samples = len(d.samples)
	for _, p := range d.planted {
		c := copied{p.kind, p.source.id, p.copied.id}
		t.Planted = append(t.Planted, c)
		if p.source.split != p.copied.split {
			t.Leaks = append(t.Leaks, c)
		}
		if p.source.label != p.copied.label {
			t.Conflicts = append(t.Conflicts, c)
		}
	}
	for _, list := range [][]copied{t.Planted, t.Leaks, t.Conflicts} {
		slices.SortFunc(list, func(a, b copied) int {
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

// origins returns a function from a sample to the one that it derives from, through copies of the given kinds or of
// any: for most samples the sample itself.
func (t *truth) origins(kinds ...string) func(id string) string {
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

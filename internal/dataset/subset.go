package dataset

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// choose applies the dataset's order and the spec's subset.
func choose(l listing, spec v1alpha1.DatasetSpec) ([]entry, error) {
	if spec.MaxSamples != nil && *spec.MaxSamples < 1 {
		return nil, invalid("dataset.maxSamples: %d, must be at least 1", *spec.MaxSamples)
	}
	if err := checkIDs(l); err != nil {
		return nil, err
	}
	if err := checkNames(l.entries, spec); err != nil {
		return nil, err
	}

	rank := make(map[string]int, len(spec.Splits))
	for i, split := range slices.Backward(spec.Splits) {
		rank[split] = i
	}
	entries := slices.DeleteFunc(l.entries, func(e entry) bool {
		if e.err != nil && e.Split == "" && e.Labels == nil {
			return false // nobody knows whether it belongs to the subset: it is counted
		}
		_, listed := rank[e.Split]
		return len(spec.Splits) > 0 && !listed || len(spec.Labels) > 0 && !overlap(e.Labels, spec.Labels)
	})
	if len(entries) == 0 {
		return nil, invalid("%w: no sample has one of dataset.splits (%s) and one of dataset.labels (%s) at once",
			ErrEmpty, some(spec.Splits), some(spec.Labels))
	}

	slices.SortFunc(entries, func(x, y entry) int {
		return cmp.Or(
			cmp.Compare(rank[x.Split], rank[y.Split]), // all 0 where the spec lists no splits
			strings.Compare(x.Split, y.Split),
			strings.Compare(x.key, y.key),
			cmp.Compare(x.row, y.row),
		)
	})
	if spec.MaxSamples != nil && int64(len(entries)) > *spec.MaxSamples {
		entries = entries[:*spec.MaxSamples]
	}
	if len(entries) < cap(entries)/2 {
		entries = slices.Clone(entries) // a small subset need not hold the whole listing
	}
	return entries, nil
}

func overlap(labels, wanted []string) bool {
	return slices.ContainsFunc(labels, func(l string) bool { return slices.Contains(wanted, l) })
}

// checkIDs finds two samples of one ID, or an ID that is not text, over the whole dataset, so that the answer does not
// depend on the subset. It sorts positions instead of filling a set: a fraction of the memory.
func checkIDs(l listing) error {
	order := make([]int32, len(l.entries))
	for i, e := range l.entries {
		if !utf8.ValidString(e.ID) {
			return invalid("sample ID %q is not text in UTF-8: rename the file, since no result could name it", e.ID)
		}
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		return cmp.Or(strings.Compare(l.entries[x].ID, l.entries[y].ID), cmp.Compare(x, y))
	})
	for i := 1; i < len(order); i++ {
		a, b := l.entries[order[i-1]], l.entries[order[i]]
		if a.ID == b.ID {
			return invalid("%w %q: borne by %s %s %d and by %s %s %d; IDs must be distinct",
				ErrDuplicateID, a.ID, a.key, l.unit, a.row, b.key, l.unit, b.row)
		}
	}
	return nil
}

// checkNames refuses a split or label that the dataset does not have: a typing mistake would otherwise pass for a
// subset.
func checkNames(entries []entry, spec v1alpha1.DatasetSpec) error {
	splits, labels := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		splits[e.Split] = true
		for _, l := range e.Labels {
			labels[l] = true
		}
	}
	delete(splits, "")
	for _, check := range []struct {
		field, noun string
		want        []string
		have        map[string]bool
	}{
		{"splits", "split", spec.Splits, splits},
		{"labels", "label", spec.Labels, labels},
	} {
		for _, name := range check.want {
			if !check.have[name] {
				return invalid("dataset.%s: the dataset has no %s %q; it has: %s",
					check.field, check.noun, name, some(slices.Sorted(maps.Keys(check.have))))
			}
		}
	}
	return nil
}

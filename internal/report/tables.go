package report

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// table writes CSV as RFC 4180 quotes it. Fields are data, written as they are: one that begins with =, +, - or @ is
// not disarmed for spreadsheets, since programs read these files to find the samples again.
type table struct{ csv *csv.Writer }

func newTable(w io.Writer, header ...string) table {
	t := table{csv.NewWriter(w)}
	t.row(header...)
	return t
}

// row writes a row. Errors stay in the writer until flush returns them.
func (t table) row(fields ...string) { _ = t.csv.Write(fields) }

func (t table) flush() error {
	t.csv.Flush()
	return t.csv.Error()
}

func number(i int) string { return strconv.Itoa(i) }

// writePairs writes every pair of copies and linked samples, by index; those of a baseline are second in theirs.
func (f *Findings) writePairs(w io.Writer) error {
	t := newTable(w, "layer", "indexA", "indexB", "idA", "idB", "distance", "baseline", "similarity", "change")
	for _, l := range f.Layers {
		samples := l.Result.Samples
		eachPair(l.Result, min(f.maxClusterSize(), maxExpanded), func(a, b int, link duplicates.Link) {
			t.row(l.Name, number(samples[a].Index), number(samples[b].Index), text.Valid(samples[a].ID), text.Valid(samples[b].ID),
				strconv.FormatFloat(link.Distance, 'g', -1, 64), strconv.FormatBool(samples[b].Baseline), similarity(link.Seen), change(link.Seen))
		})
		if err := t.csv.Error(); err != nil {
			return err
		}
	}
	return t.flush()
}

// maxExpanded is the most copies of one sample whose pairs are all listed, however large clusters may be.
const maxExpanded = 1000

// eachPair calls visit for every pair a < b of rows that are linked, or copies, whose link is none, by a, then b. In a
// group of more than limit copies the first stands for all: the others are paired with it alone, and only it is paired
// with what they are linked to. Ten thousand identical images thus give as many pairs, not fifty million. Memory is
// that of the links, and of one row's partners.
func eachPair(r *duplicates.Result, limit int, visit func(a, b int, link duplicates.Link)) {
	type partner struct {
		row  int
		link duplicates.Link // nothing for a copy
	}
	linked := map[int][]partner{} // by the first of the copies
	for _, l := range r.Links {
		linked[l.A] = append(linked[l.A], partner{l.B, l})
		linked[l.B] = append(linked[l.B], partner{l.A, l})
	}
	spokesmen := func(row int) []int {
		copies := r.Copies(row)
		if len(copies) > limit {
			return copies[:1]
		}
		return copies
	}
	var partners []partner
	for a := range r.Samples {
		copies := r.Copies(a)
		if len(copies) > limit && a != copies[0] {
			continue
		}
		partners = partners[:0]
		for _, b := range copies {
			partners = append(partners, partner{row: b})
		}
		for _, p := range linked[copies[0]] {
			for _, b := range spokesmen(p.row) {
				partners = append(partners, partner{b, p.link})
			}
		}
		slices.SortFunc(partners, func(x, y partner) int { return x.row - y.row })
		for _, b := range partners {
			if a < b.row {
				visit(a, b.row, b.link)
			}
		}
	}
}

// writeGroups writes for every sample the cluster it is in, and what it must stay together with in a new split.
func (f *Findings) writeGroups(w io.Writer) error {
	t := newTable(w, "layer", "index", "id", "split", "label", "cluster", "group", "sequence")
	for _, l := range f.Layers {
		r := l.Result
		groups := r.Inseparable()
		for row, s := range r.Samples[:r.Audited()] {
			cluster := ""
			if at := r.ClusterOf[row]; at >= 0 {
				cluster = number(r.Clusters[at].ID)
			}
			sequence := ""
			if r.Sequences != nil && r.Sequences.Of != nil {
				sequence = text.Valid(r.Sequences.Of[row])
			}
			t.row(l.Name, number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels), cluster, number(r.Samples[groups[row]].Index), sequence)
		}
	}
	return t.flush()
}

// writeKeep writes the samples that stay.
func (f *Findings) writeKeep(w io.Writer) error {
	t := newTable(w, "layer", "index", "id", "split", "label")
	for _, l := range f.Layers {
		removals := f.removals(l.Result)
		for row, s := range l.Result.Samples[:l.Result.Audited()] {
			if len(removals) > 0 && removals[0].Row == row {
				removals = removals[1:]
				continue
			}
			t.row(l.Name, number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels))
		}
	}
	return t.flush()
}

// writeRemove writes the samples that could go, and which one stays for each.
func (f *Findings) writeRemove(w io.Writer) error {
	t := newTable(w, "layer", "index", "id", "split", "label", "keeperIndex", "keeperID", "exact", "cluster", "baseline")
	for _, l := range f.Layers {
		r := l.Result
		for _, removal := range f.removals(r) {
			s, keeper := r.Samples[removal.Row], r.Samples[removal.Keeper]
			t.row(l.Name, number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels),
				number(keeper.Index), text.Valid(keeper.ID), strconv.FormatBool(removal.Exact),
				number(r.Clusters[r.ClusterOf[removal.Row]].ID), strconv.FormatBool(keeper.Baseline))
		}
	}
	return t.flush()
}

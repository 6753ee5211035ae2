package report

import (
	"encoding/csv"
	"io"
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

// writePairs writes every pair of copies and linked samples, by index; those of a baseline are second in theirs. Pairs
// with samples of references, which are second too, follow.
func (f *Findings) writePairs(w io.Writer) error {
	t := newTable(w, "layer", "indexA", "indexB", "idA", "idB", "distance", "baseline", "similarity", "change", "reference")
	limit := min(f.maxClusterSize(), maxExpanded)
	for _, l := range f.Layers {
		pair := func(a, b duplicates.Sample, link duplicates.Link, baseline bool, reference string) {
			t.row(l.Name, number(a.Index), number(b.Index), text.Valid(a.ID), text.Valid(b.ID),
				strconv.FormatFloat(link.Distance, 'g', -1, 64), strconv.FormatBool(baseline), similarity(link.Seen), change(link.Seen), reference)
		}
		samples := l.Result.Samples
		l.Result.EachPair(limit, func(a, b int, link duplicates.Link) { pair(samples[a], samples[b], link, samples[b].Baseline, "") })
		for _, ref := range l.References {
			ref.Comparison.EachPair(limit, func(a, b int, link duplicates.Link) { pair(samples[a], ref.Samples[b], link, false, ref.Name) })
		}
		if err := t.csv.Error(); err != nil {
			return err
		}
	}
	return t.flush()
}

// maxExpanded is the most copies of one sample whose pairs are all listed, however large clusters may be.
const maxExpanded = 1000

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

// writeMap writes the place of each sample.
func (f *Findings) writeMap(w io.Writer) error {
	t := newTable(w, "layer", "index", "id", "split", "label", "x", "y")
	for _, l := range f.Layers {
		if l.Map == nil {
			continue
		}
		for row, s := range f.audited() {
			t.row(l.Name, number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels), place(l.Map[2*row]), place(l.Map[2*row+1]))
		}
	}
	return t.flush()
}

func place(x float32) string { return strconv.FormatFloat(float64(x), 'g', 6, 32) }

// writeKeep writes the samples that stay.
func (f *Findings) writeKeep(w io.Writer) error {
	t := newTable(w, "layer", "index", "id", "split", "label")
	for _, l := range f.Layers {
		removals := f.removals(l)
		for row, s := range l.Result.Samples[:l.Result.Audited()] {
			if len(removals) > 0 && removals[0].row == row {
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
	t := newTable(w, "layer", "index", "id", "split", "label", "keeperIndex", "keeperID", "exact", "cluster", "baseline", "reference")
	for _, l := range f.Layers {
		r := l.Result
		for _, removal := range f.removals(l) {
			s, cluster := r.Samples[removal.row], ""
			if at := r.ClusterOf[removal.row]; at >= 0 {
				cluster = number(r.Clusters[at].ID)
			}
			t.row(l.Name, number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels),
				number(removal.keeper.Index), text.Valid(removal.keeper.ID), strconv.FormatBool(removal.exact),
				cluster, strconv.FormatBool(removal.keeper.Baseline && removal.reference == ""), removal.reference)
		}
	}
	return t.flush()
}

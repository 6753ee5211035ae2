package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// maxMatrix bounds the rows and columns of a matrix of duplicates.
const maxMatrix = 30

// matrix counts, for each two parts of the dataset, the samples of the row that have a duplicate in the column.
type matrix struct {
	// Kind is split or label, which the clusters can be filtered by.
	Kind, Title string
	Parts       []string
	Rows        []matrixRow
	Unlisted    int // parts without a row
	Broad       bool

	names []string // the rows' parts
}

type matrixRow struct {
	Name  string
	Cells []matrixCell
}

type matrixCell struct {
	Samples int
	Shade   int // 0 to 4
	Says    string
	Filter  bool // there are clusters to see
}

// known is the part of a baseline's samples; no other's name holds a NUL and is no UTF-8.
const known = "\x00\xff"

// newMatrix is nil where there is less than a part with duplicates, or nothing to tell apart.
func newMatrix(kind, title string, r *duplicates.Result, shares []duplicates.Share, parts func(duplicates.Sample) []string) *matrix {
	if len(shares) == 0 || len(shares) == 1 && shares[0].Name == "" && r.Known == nil {
		return nil
	}
	counts := r.Overlaps(func(s duplicates.Sample) []string {
		if s.Baseline {
			return []string{known}
		}
		return parts(s)
	})
	involved := map[string]int{}
	for pair, n := range counts {
		involved[pair[0]] = max(involved[pair[0]], n)
	}
	sizes := map[string]int{}
	var order []string
	for _, s := range shares {
		sizes[s.Name] = s.Samples
		if involved[s.Name] > 0 {
			order = append(order, s.Name)
		}
	}
	if len(order) == 0 {
		return nil
	}
	rest := len(shares) - len(order)
	kept := largest(order, maxMatrix, func(name string) int64 { return int64(involved[name]) })
	m := &matrix{Kind: kind, Title: title, Unlisted: len(order) - len(kept) + rest}
	columns := kept
	if involved[known] > 0 {
		columns = append(slices.Clone(kept), known)
	}
	m.Broad = len(columns) > 8
	for _, name := range columns {
		m.Parts = append(m.Parts, partName(name))
	}
	for _, from := range kept {
		m.names = append(m.names, text.Valid(from))
		row := matrixRow{Name: partName(from)}
		for _, to := range columns {
			n := counts[[2]string{from, to}]
			cell := matrixCell{Samples: n, Filter: n > 0 && to != known, Shade: shade(n, sizes[from])}
			other := " in " + partName(to)
			if to == from {
				other = " in it"
			}
			cell.Says = fmt.Sprintf("%s of %s samples of %s have a duplicate%s", findings.Thousands(n), findings.Thousands(sizes[from]), partName(from), other)
			row.Cells = append(row.Cells, cell)
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// shade is stronger the larger the share of n in all is.
func shade(n, all int) int {
	if n == 0 {
		return 0
	}
	return 1 + int(math.Min(3, math.Floor(4*math.Sqrt(float64(n)/float64(max(all, 1))))))
}

func partName(name string) string {
	if name == known {
		return "the baseline"
	}
	return cmp.Or(text.Valid(name), "none")
}

func splitOf(s duplicates.Sample) []string { return []string{s.Split} }

func labelsOf(s duplicates.Sample) []string {
	if len(s.Labels) == 0 {
		return []string{""}
	}
	return s.Labels
}

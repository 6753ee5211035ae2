package report

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatrix(t *testing.T) {
	f := onLine(t, 1, small()...)
	r := f.Layers[0].Result
	m := newMatrix("split", "Splits", r, r.Splits, splitOf)
	if diff := cmp.Diff([]string{"test", "train"}, m.Parts); diff != "" || m.Unlisted != 1 {
		t.Errorf("parts (-want +got):\n%s, %d not listed", diff, m.Unlisted)
	}
	var got [][]int
	for _, row := range m.Rows {
		var cells []int
		for _, c := range row.Cells {
			cells = append(cells, c.Samples)
		}
		got = append(got, cells)
	}
	if diff := cmp.Diff([][]int{{0, 1}, {1, 3}}, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if says := m.Rows[0].Cells[1].Says; says != "1 of 1 samples of test have a duplicate in train" {
		t.Errorf("says %q", says)
	}

	var line []on // 40 classes, of which class i has i+2 copies
	for i := range 40 {
		for range i + 2 {
			line = append(line, on{at: float64(100 * (i + 1)), labels: []string{fmt.Sprintf("class %02d", i)}})
		}
	}
	r = onLine(t, 1, line...).Layers[0].Result
	m = newMatrix("label", "Classes", r, r.Labels, labelsOf)
	if len(m.Rows) != maxMatrix || m.Rows[0].Name != "class 10" || m.Unlisted != 10 || len(m.Rows[0].Cells) != maxMatrix {
		t.Errorf("%d rows, the first of %s, %d not listed", len(m.Rows), m.Rows[0].Name, m.Unlisted)
	}
}

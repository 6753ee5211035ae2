package report

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
)

// TestParquetReadBack holds the table against the lines of clusters.jsonl, member by member.
func TestParquetReadBack(t *testing.T) {
	f, _ := sixty(t)
	files, _ := written(t, f)
	var want []memberRow
	for line := range bytes.Lines(files["clusters.jsonl"]) {
		var c clusterLine
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		want = append(want, memberRows(c)...)
	}
	data := files["clusters.parquet"]
	got, err := parquet.Read[memberRow](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 120 {
		t.Fatalf("there are only %d members", len(want))
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestMemberRows(t *testing.T) {
	c := clusterLine{Layer: "conv", Cluster: 3, Size: 3, Members: []memberLine{
		{ID: "a", Index: 1, Split: "train", Label: "cat"}, {ID: "b", Index: 2, Label: "cat|dog", Labels: []string{"cat", "dog"}}, {ID: "c", Index: 3},
	}}
	train := "train"
	want := []memberRow{
		{Layer: "conv", Cluster: 3, Size: 3, ID: "a", Index: 1, Split: &train, Labels: []string{"cat"}},
		{Layer: "conv", Cluster: 3, Size: 3, ID: "b", Index: 2, Labels: []string{"cat", "dog"}},
		{Layer: "conv", Cluster: 3, Size: 3, ID: "c", Index: 3},
	}
	if diff := cmp.Diff(want, memberRows(c)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

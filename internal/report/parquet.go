package report

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// memberRow is a row of clusters.parquet: a sample in a cluster.
type memberRow struct {
	Layer    string   `parquet:"layer,dict"`
	Cluster  int64    `parquet:"cluster"`
	Key      string   `parquet:"key,dict"`
	Size     int64    `parquet:"size"`
	Mean     float64  `parquet:"mean"`
	Diameter float64  `parquet:"diameter"`
	Medoid   string   `parquet:"medoid,dict"`
	Index    int64    `parquet:"index"`
	ID       string   `parquet:"id"`
	Split    *string  `parquet:"split,optional,dict"`
	Labels   []string `parquet:"labels,list"`
	Distance float64  `parquet:"distance"`
	Leaks    bool     `parquet:"leaks"`
	Baseline bool     `parquet:"baseline"`
}

// rowGroup is how many rows are in memory at most.
const rowGroup = 1 << 16

// newParquet begins a table. The same rows give the same bytes.
func newParquet[T any](w io.Writer) *parquet.GenericWriter[T] {
	return parquet.NewGenericWriter[T](w,
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault, Concurrency: 1}), parquet.MaxRowsPerRowGroup(rowGroup), parquet.CreatedBy("dataset-audit", "", ""))
}

// writeParquet writes a row for each member of each cluster, in the order of clusters.jsonl. Oversized clusters have
// none.
func (f *Findings) writeParquet(w io.Writer) error {
	table := newParquet[memberRow](w)
	for _, l := range f.Layers {
		for _, c := range l.Result.Clusters {
			if _, err := table.Write(memberRows(describeCluster(l, c))); err != nil {
				return fmt.Errorf("layer %s, cluster %d: %w", l.Name, c.ID, err)
			}
		}
	}
	return table.Close()
}

func memberRows(c clusterLine) []memberRow {
	rows := make([]memberRow, 0, len(c.Members))
	for _, m := range c.Members {
		row := memberRow{
			Layer: c.Layer, Cluster: int64(c.Cluster), Key: c.Key, Size: int64(c.Size), Mean: c.Mean, Diameter: c.Diameter, Medoid: c.Medoid,
			Index: int64(m.Index), ID: m.ID, Labels: m.Labels, Distance: m.Distance, Leaks: m.Leaks, Baseline: m.Baseline,
		}
		if m.Split != "" {
			row.Split = &m.Split
		}
		if len(m.Labels) == 0 && m.Label != "" {
			row.Labels = []string{m.Label} // the line of JSON lists labels only if there are several
		}
		rows = append(rows, row)
	}
	return rows
}

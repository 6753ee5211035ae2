package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// clusterLine is a line of clusters.jsonl.
type clusterLine struct {
	Layer     string       `json:"layer"`
	Cluster   int          `json:"cluster"`
	Size      int          `json:"size"`
	Mean      float64      `json:"mean"`
	Std       float64      `json:"std"`
	Diameter  float64      `json:"diameter"`
	MaxLink   float64      `json:"maxLink"`
	Medoid    string       `json:"medoid"`
	Key       string       `json:"key"`
	Leaks     bool         `json:"leaks,omitempty"`
	Conflicts int          `json:"conflicts,omitempty"`
	Oversized bool         `json:"oversized,omitempty"`
	Members   []memberLine `json:"members,omitempty"`
}

type memberLine struct {
	ID       string   `json:"id"`
	Index    int      `json:"index"`
	Split    string   `json:"split,omitempty"`
	Label    string   `json:"label,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	Distance float64  `json:"distance"`
	X        *float64 `json:"x,omitempty"`
	Y        *float64 `json:"y,omitempty"`
	Leaks    bool     `json:"leaks,omitempty"`
	Baseline bool     `json:"baseline,omitempty"`
}

// writeClusters writes one cluster a line, layers in their order, the tightest first. Oversized clusters have no
// members.
func (f *Findings) writeClusters(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, l := range f.Layers {
		for _, c := range l.Result.Clusters {
			if err := encoder.Encode(describeCluster(l, c)); err != nil {
				return fmt.Errorf("layer %s, cluster %d: %w", l.Name, c.ID, err)
			}
		}
	}
	return nil
}

func describeCluster(l Layer, c duplicates.Cluster) clusterLine {
	samples := l.Result.Samples
	medoid := samples[c.Medoid].ID
	line := clusterLine{
		Layer: l.Name, Cluster: c.ID, Size: len(c.Members),
		Mean: c.Mean, Std: c.Std, Diameter: c.Diameter, MaxLink: c.MaxLink,
		Medoid: text.Valid(medoid), Key: clusterKey(medoid),
		Leaks: c.Leaks, Conflicts: c.Conflicts, Oversized: c.Oversized,
	}
	if c.Oversized {
		return line
	}
	for _, m := range c.Members {
		s := samples[m.Row]
		member := memberLine{
			ID: text.Valid(s.ID), Index: s.Index, Split: text.Valid(s.Split), Label: joined(s.Labels), Distance: m.Distance, Leaks: m.Leaks,
			Baseline: s.Baseline,
		}
		if len(s.Labels) > 1 {
			for _, label := range s.Labels {
				member.Labels = append(member.Labels, text.Valid(label))
			}
		}
		if len(c.Members) > 2 {
			member.X, member.Y = &m.X, &m.Y
		}
		line.Members = append(line.Members, member)
	}
	return line
}

package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/duplicates"
)

// Bounds of the page, so that it opens at once whatever the dataset holds. What is cut is counted on the page, and whole in
// the other files.
const (
	maxPageClusters = 500  // of a layer
	maxPageMembers  = 24   // of a cluster
	maxPageSkipped  = 1000 // samples that could not be read
	maxHeadSplits   = 8    // in the head; the table of splits has them all
)

var (
	//go:embed page.html.tmpl
	pageTemplate string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	pageLayout = template.Must(template.New("page").Funcs(template.FuncMap{
		"thousands": thousands[int], "thousands64": thousands[int64], "number": significant, "tenths": tenths, "percent": percent,
	}).Parse(pageTemplate))
)

// page is what the template shows.
type page struct {
	Style  template.CSS
	Script template.JS
	// Policy allows this very script, inline styles and inline pictures, and nothing else: not even text of a dataset that
	// escaped its escaping could run or call home.
	Policy string

	Title    string
	Summary  *v1alpha1.AuditSummary
	Splits   []v1alpha1.SplitSamples // empty for a dataset without splits
	Format   v1alpha1.DatasetFormat
	Layers   []*pageLayer
	Skipped  []Skipped
	Unlisted int // skipped samples that are not listed
	Manifest string
	Pictures bool

	MoreSplits int // that the head doesn't name
}

// pageLayer is the part of the page about one layer.
type pageLayer struct {
	v1alpha1.LayerSummary
	At       int
	Verdicts []verdict
	Figures  []figure
	Curve    *curve
	Filters  []filter
	Clusters []*pageCluster
	// Unlisted counts clusters beyond the page's bound, Oversized holds those that no listing spells out.
	Unlisted  int
	Oversized []oversized
}

// figure is one of the numbers at the top.
type figure struct{ Value, Name, Note string }

// filter is a choice of clusters.
type filter struct {
	Value, Name string
	Clusters    int
}

// pageCluster is a row of thumbnails.
type pageCluster struct {
	duplicates.Cluster
	Rank   int // from 1, tightest first
	Key    string
	Copies int // members with a copy in the cluster
	Tiles  []*tile
	// Unlisted counts members beyond the page's bound.
	Unlisted int
}

type oversized struct {
	Size   int
	Medoid string
}

// tile is a member of a cluster.
type tile struct {
	Index             int
	Folder, Base      string // of the ID
	Split, Label      string
	Evaluation, Leaks bool
	Kept              bool
	Copy              string // which of the cluster's copies it is one of
	Distance          float64

	// repeated says that the page holds the picture already, from another layer.
	repeated bool
	pictures *pictures
}

// ID is the sample's whole ID.
func (t *tile) ID() string { return t.Folder + t.Base }

// Picture is what the tile shows, nil for its name alone. The template asks for it once for each tile, in order.
func (t *tile) Picture() (*picture, error) {
	if t.pictures == nil {
		return nil, nil
	}
	if t.repeated {
		return &picture{}, nil
	}
	p, err := t.pictures.next()
	if err != nil {
		return nil, fmt.Errorf("the picture of %s: %w", t.ID(), err)
	}
	return p, nil
}

// writePage writes report.html. The page is streamed: only a few pictures are in memory at a time.
func (f *Findings) writePage(ctx context.Context, w io.Writer, summary *v1alpha1.AuditSummary) error {
	manifest, err := f.manifest()
	if err != nil {
		return err
	}
	script := sha256.Sum256([]byte(pageScript))
	p := page{
		Style:  template.CSS(pageStyle),
		Script: template.JS(pageScript),
		Policy: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" +
			base64.StdEncoding.EncodeToString(script[:]) + "'; base-uri 'none'; form-action 'none'",
		Title:    cmp.Or(f.Audit.Name, "Dataset audit"),
		Summary:  summary,
		Format:   f.Audit.Spec.Dataset.Format,
		Skipped:  f.Skipped[:min(len(f.Skipped), maxPageSkipped)],
		Unlisted: max(0, len(f.Skipped)-maxPageSkipped),
		Manifest: manifest,
		Pictures: f.Image != nil,
	}
	if splits := summary.Dataset.Splits; len(splits) > 1 || len(splits) == 1 && splits[0].Name != "" {
		p.Splits = splits[:min(len(splits), maxHeadSplits)]
		p.MoreSplits = len(splits) - len(p.Splits)
	}
	for i := range f.Layers {
		p.Layers = append(p.Layers, f.layer(i, &summary.Layers[i]))
	}

	stop := func() {}
	if f.Image != nil {
		var show []int
		seen := map[int]bool{}
		pictures := &pictures{read: f.Image}
		pictures.decoder.IgnoreOrientation = f.Audit.Spec.Dataset.IgnoreOrientation
		for _, l := range p.Layers {
			for _, c := range l.Clusters {
				for _, t := range c.Tiles {
					t.pictures, t.repeated = pictures, seen[t.Index]
					if !t.repeated {
						show = append(show, t.Index)
					}
					seen[t.Index] = true
				}
			}
		}
		stop = pictures.start(ctx, show)
	}
	defer stop()
	return pageLayout.Execute(w, p)
}

// manifest is the part of the audit that decides the findings, as YAML.
func (f *Findings) manifest() (string, error) {
	spec := f.Audit.Spec
	out, err := yaml.Marshal(map[string]any{"spec": v1alpha1.DatasetAuditSpec{
		Dataset: spec.Dataset, Model: spec.Model, Reduction: spec.Reduction, Duplicates: spec.Duplicates,
	}})
	return string(out), err
}

func (f *Findings) layer(at int, summary *v1alpha1.LayerSummary) *pageLayer {
	r := f.Layers[at].Result
	removals := f.removals(r)
	l := &pageLayer{
		LayerSummary: *summary,
		At:           at,
		Curve:        newCurve(r.Curve, r.Threshold.Distance, f.Layers[at].Strategy),
	}
	given := map[int]bool{}
	for _, removal := range removals {
		given[removal.Row] = true
	}

	copied := map[int]bool{} // clusters with exact copies
	for _, rows := range r.CopyGroups() {
		copied[r.ClusterOf[rows[0]]] = true
	}
	var listed []int
	for i, c := range r.Clusters {
		if c.Oversized {
			l.Oversized = append(l.Oversized, oversized{len(c.Members), valid(r.Samples[c.Medoid].ID)})
		} else {
			listed = append(listed, i)
		}
	}
	l.Unlisted = max(0, len(listed)-maxPageClusters)
	listed = largest(listed, maxPageClusters, func(i int) int64 { // those that call for a decision, then the tightest
		if r.Clusters[i].Leaks || r.Clusters[i].Conflicts > 0 {
			return 1
		}
		return 0
	})
	for _, i := range listed {
		l.Clusters = append(l.Clusters, f.cluster(r, i, given))
	}
	l.Filters = []filter{
		{"all", "All", len(listed)},
		{"leaks", "Leaks", matching(listed, func(i int) bool { return r.Clusters[i].Leaks })},
		{"conflicts", "Label conflicts", matching(listed, func(i int) bool { return r.Clusters[i].Conflicts > 0 })},
		{"copies", "Exact copies", matching(listed, func(i int) bool { return copied[i] })},
	}
	l.Verdicts = f.verdicts(summary, len(removals), l.Oversized)
	l.Figures = figures(summary)
	return l
}

func matching(clusters []int, is func(int) bool) int {
	n := 0
	for _, i := range clusters {
		if is(i) {
			n++
		}
	}
	return n
}

// cluster lays out one cluster. Given holds the rows that could go.
func (f *Findings) cluster(r *duplicates.Result, at int, given map[int]bool) *pageCluster {
	c := r.Clusters[at]
	out := &pageCluster{Cluster: c, Rank: at + 1, Key: clusterKey(r.Samples[c.Medoid].ID)}
	var groups []int // the first rows of its groups of copies
	for _, m := range c.Members {
		if copies := r.Copies(m.Row); len(copies) > 1 {
			out.Copies++
			if !slices.Contains(groups, copies[0]) {
				groups = append(groups, copies[0])
			}
		}
	}
	members := shown(c, given)
	out.Unlisted = len(c.Members) - len(members)
	for _, m := range members {
		s := r.Samples[m.Row]
		folder, base := path.Split(valid(s.ID))
		if base == "" {
			folder, base = "", folder
		}
		t := &tile{
			Index: s.Index, Folder: folder, Base: base, Split: valid(s.Split), Label: valid(strings.Join(s.Labels, ", ")),
			Evaluation: slices.Contains(f.EvaluationSplits, s.Split), Leaks: m.Leaks, Kept: !given[m.Row], Distance: m.Distance,
		}
		if copies := r.Copies(m.Row); len(copies) > 1 {
			t.Copy = "copy"
			if len(groups) > 1 {
				t.Copy = fmt.Sprint("copy ", slices.Index(groups, copies[0])+1)
			}
		}
		out.Tiles = append(out.Tiles, t)
	}
	return out
}

// shown are the members that the page has room for, in the cluster's order: those that stay and those that leak, then the
// nearest to the centroid.
func shown(c duplicates.Cluster, given map[int]bool) []duplicates.Member {
	if len(c.Members) <= maxPageMembers {
		return c.Members
	}
	positions := make([]int, len(c.Members))
	for i := range positions {
		positions[i] = i
	}
	rank := func(m duplicates.Member) int {
		switch {
		case !given[m.Row]:
			return 0
		case m.Leaks:
			return 1
		}
		return 2
	}
	slices.SortFunc(positions, func(i, j int) int {
		a, b := c.Members[i], c.Members[j]
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Distance, b.Distance), cmp.Compare(i, j))
	})
	positions = positions[:maxPageMembers]
	slices.Sort(positions)
	out := make([]duplicates.Member, len(positions))
	for i, at := range positions {
		out[i] = c.Members[at]
	}
	return out
}

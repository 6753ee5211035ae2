package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

const (
	maxPageSkipped = 1000 // samples that could not be read, by name
	maxHeadSplits  = 8    // in the head; the table of splits has them all
	// pictureBlock is how many pictures are in one block: few, so that the browser can show the first ones while it
	// still reads the others.
	pictureBlock = 64
)

var (
	//go:embed page
	pageFiles embed.FS

	pageStyle  = pageFile("page.css")
	pageScript = pageScripts()
	pageLayout = template.Must(template.New("page").Funcs(template.FuncMap{
		"thousands": findings.Thousands[int], "thousands64": findings.Thousands[int64], "number": significant, "tenths": tenths, "percent": percent,
		"legible": text.Visible, "short": func(digest string) string { return digest[:min(len(digest), 12)] },
	}).Parse(pageFile("page.html.tmpl")))
)

func pageFile(name string) string {
	data, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(data)
}

// scriptFiles are the page's script, in this order; they share one scope.
var scriptFiles = []string{
	"data.js", "dom.js", "pictures.js", "review.js", "threshold.js", "state.js", "card.js", "list.js", "controls.js", "map.js", "atlas.js", "tiles.js",
	"compare.js", "open.js", "keys.js", "first.js", "main.js",
}

func pageScripts() string {
	var out strings.Builder
	out.WriteString("\"use strict\";\n(() => {\n")
	for _, file := range scriptFiles {
		out.WriteString(pageFile(file))
	}
	out.WriteString("})();\n")
	return out.String()
}

// page is what the template shows: all but the clusters, which the script draws.
type page struct {
	Style template.CSS
	// Security allows this very script, inline styles and inline pictures, and nothing else: not even text of a dataset
	// that escaped its escaping could run or call home.
	Security string

	Title    string
	Method   v1alpha1.DuplicatesMethod
	Steps    []step
	Summary  *v1alpha1.AuditSummary
	Splits   []v1alpha1.SplitSamples // empty for a dataset without splits
	Format   v1alpha1.DatasetFormat
	Policy   gate
	Layers   []*pageLayer
	Quality  []tiles // what is poor of the images
	Skipped  []Skipped
	Unlisted int // skipped samples that are not listed
	Manifest string
	Pictures bool
	// Inspected says that pairs were looked at once more.
	Inspected bool
	// PicturesLeftOut counts the samples in the list whose pictures the page has no room for.
	PicturesLeftOut int

	MoreSplits int // that the head doesn't name
}

// pageLayer is the part of the page about one layer.
type pageLayer struct {
	v1alpha1.LayerSummary
	At       int
	Findings []findings.Finding
	Figures  []figure
	Curve    *curve
	Slider   bool
	Stops    int // of the slider
	Home     int
	Parts    []parts
	Listed   int
	// Unlisted counts clusters beyond the page's bounds, Oversized holds those that no listing spells out.
	Unlisted  int
	Oversized []oversized
	// References take the place of those in the summary.
	References []*pageReference
	Tiles      []tiles
	Mapped     bool

	result   *duplicates.Result
	clusters []*pageCluster
	preview  *duplicates.Preview
	layers   int // of the page
}

// parts are what the dataset is divided into: splits, or classes.
type parts struct {
	Title  string
	Shares []v1alpha1.GroupSummary
	Matrix *matrix
}

// figure is one of the numbers at the top.
type figure struct{ Value, Name, Note string }

type oversized struct {
	Size   int
	Medoid string
}

// writePage writes report.html: what stands fixed, then the clusters as data, the script that draws them, and last, in
// the order in which they are shown, the pictures, so that the first clusters are seen before the browser has read the
// whole page.
func (f *Findings) writePage(ctx context.Context, w io.Writer, summary *v1alpha1.AuditSummary, gate gate) error {
	p, err := f.page(summary, gate)
	if err != nil {
		return err
	}
	table := &sampleTable{samples: f.Samples, numbers: map[int]int{}}
	blocks := make([]layerBlock, len(p.Layers))
	for i, l := range p.Layers {
		blocks[i] = l.block(table)
	}
	pictures, err := f.pictures(ctx, p.Layers, table)
	if err != nil {
		return err
	}
	if err := f.pictureSamples(ctx, p.shown()); err != nil {
		return err
	}
	p.PicturesLeftOut = pictures.leftOut
	p.Inspected = f.Audit.Spec.Duplicates.Inspection == v1alpha1.InspectionPixels

	if err := pageLayout.Execute(w, p); err != nil {
		return err
	}
	if err := writeBlock(w, "samples", table.block(f, pictures.number)); err != nil {
		return err
	}
	for i := range blocks {
		if err := writeBlock(w, fmt.Sprint("layer-data-", i), &blocks[i]); err != nil {
			return err
		}
	}
	for i := range blocks {
		if placed := f.mapBlock(i, table); placed != nil {
			if err := writeBlock(w, fmt.Sprint("map-data-", i), placed); err != nil {
				return err
			}
		}
	}
	if _, err := fmt.Fprintf(w, "<script>%s</script>\n", pageScript); err != nil {
		return err
	}
	if err := pictures.write(w); err != nil {
		return err
	}
	_, err = io.WriteString(w, "</body>\n</html>\n")
	return err
}

// page is all but the clusters and pictures.
func (f *Findings) page(summary *v1alpha1.AuditSummary, gate gate) (*page, error) {
	manifest, err := f.manifest()
	if err != nil {
		return nil, err
	}
	script := sha256.Sum256([]byte(pageScript))
	p := &page{
		Style: template.CSS(pageStyle),
		Security: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" +
			base64.StdEncoding.EncodeToString(script[:]) + "'; base-uri 'none'; form-action 'none'",
		Title:    f.title(),
		Method:   f.Audit.Spec.Duplicates.EffectiveMethod(),
		Steps:    f.steps(summary),
		Summary:  summary,
		Format:   f.Audit.Spec.Dataset.Format,
		Policy:   gate,
		Skipped:  f.Skipped[:min(len(f.Skipped), maxPageSkipped)],
		Unlisted: max(0, len(f.Skipped)-maxPageSkipped),
		Manifest: manifest,
		Pictures: f.Images != nil,
		Quality:  f.qualityTiles(),
	}
	if splits := summary.Dataset.Splits; len(splits) > 1 || len(splits) == 1 && splits[0].Name != "" {
		p.Splits = splits[:min(len(splits), maxHeadSplits)]
		p.MoreSplits = len(splits) - len(p.Splits)
	}
	for i := range f.Layers {
		p.Layers = append(p.Layers, f.layer(i, summary))
	}
	return p, nil
}

// title names the audit.
func (f *Findings) title() string { return cmp.Or(f.Audit.Name, "Dataset audit") }

// manifest is the part of the audit that decides the findings, as YAML.
func (f *Findings) manifest() (string, error) {
	spec := f.Audit.Spec.DeepCopy()
	if f.Gated { // by hand: volumes of a cluster were not what was read
		if source := &spec.Dataset.Source; source.ObjectStorage == nil && source.Builtin == "" {
			*source = v1alpha1.DatasetSource{}
		}
		if spec.Model != nil && spec.Model.Source.ObjectStorage == nil {
			spec.Model.Source = v1alpha1.ModelSource{}
		}
	}
	out, err := yaml.Marshal(map[string]any{"spec": v1alpha1.DatasetAuditSpec{
		Dataset: spec.Dataset, Model: spec.Model, Reduction: spec.Reduction, Duplicates: spec.Duplicates, Baseline: spec.Baseline, References: spec.References,
		Reports: spec.Reports, Familiarity: spec.Familiarity,
	}})
	return string(out), err
}

func (f *Findings) layer(at int, summary *v1alpha1.AuditSummary) *pageLayer {
	r := f.Layers[at].Result
	removals := f.removals(f.Layers[at])
	l := &pageLayer{
		LayerSummary: summary.Layers[at],
		At:           at,
		Curve:        newCurve(r.Curve, r.Threshold.Distance, f.Layers[at].Strategy),
		result:       r,
		preview:      r.Preview(maxPageNearMisses / len(f.Layers)),
		layers:       len(f.Layers),
	}
	l.Stops, l.Home = len(l.preview.Stops)-1, l.preview.Home
	if r.Splits != nil {
		l.Parts = append(l.Parts, parts{"Splits", l.Splits, newMatrix("split", "Duplicates between splits", r, r.Splits, splitOf)})
	}
	if r.Labels != nil {
		l.Parts = append(l.Parts, parts{"Classes", l.Labels, newMatrix("label", "Duplicates between classes", r, r.Labels, labelsOf)})
	}

	given := map[int]bool{}
	for _, removal := range removals {
		given[removal.row] = true
	}
	l.clusters, l.Unlisted = listClusters(r, given)
	l.Listed = len(l.clusters)
	for _, c := range r.Clusters {
		if c.Oversized {
			l.Oversized = append(l.Oversized, oversized{len(c.Members), r.Samples[c.Medoid].ID})
		}
	}
	l.Findings = f.says(&l.LayerSummary, &summary.Dataset, l.Oversized)
	l.Figures = figures(&l.LayerSummary)
	l.Tiles = f.Layers[at].tiles()
	l.Mapped = f.Layers[at].Map != nil
	if n := len(f.References); n > 0 {
		l.References = f.Layers[at].references(&l.LayerSummary, summary.Dataset.Splits, max(1, maxReferencePairs/(n*len(f.Layers))))
	}
	return l
}

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// The page's script draws the clusters from blocks of JSON: one of the samples, and one of each layer. Samples are
// numbered as the page first names them, and stand in columns: of tens of thousands, the names of the fields would be
// most of the bytes.

// measure is a number as the page shows it: four digits are enough to look at.
type measure float64

// MarshalJSON implements json.Marshaler.
func (m measure) MarshalJSON() ([]byte, error) {
	x := float64(m)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return nil, fmt.Errorf("%v is not a number", x)
	case math.Abs(x) < 1e-12: // rounding, at the scale of unit vectors
		return []byte("0"), nil
	}
	return strconv.AppendFloat(nil, x, 'g', 4, 64), nil
}

// samplesBlock is about the page as a whole and its samples.
type samplesBlock struct {
	// Audit is the audit's namespace and name, as a review bears it.
	Audit  string `json:"audit"`
	Digest string `json:"digest"`
	// Splits and Labels are named once; Evaluation are positions in Splits.
	Splits     []string `json:"splits"`
	Evaluation []int    `json:"evaluation"`
	Labels     []string `json:"labels"`
	// LabelSets are the combinations that samples bear, of positions in Labels.
	LabelSets [][]int       `json:"labelSets"`
	Samples   sampleColumns `json:"samples"`
	// Pictures says that the page has any. PictureBlock of them are in one block.
	Pictures     bool `json:"pictures"`
	PictureBlock int  `json:"pictureBlock"`
	// Verdicts are what reviewers said before.
	Verdicts []v1alpha1.Verdict `json:"verdicts"`
}

type sampleColumns struct {
	ID []string `json:"id"`
	// Split is a position in Splits, Labels in LabelSets.
	Split  []int `json:"split"`
	Labels []int `json:"labels"`
	// Picture is the number of its picture, or one of the reasons why it has none.
	Picture  []int `json:"picture"`
	Baseline []int `json:"baseline"`
	// Ambiguous are samples of the baseline whose ID one of the dataset has, too.
	Ambiguous []int `json:"ambiguous"`
}

// Why a sample has no picture.
const (
	noPicture = -1 // its image could not be read
	leftOut   = -2 // beyond the bounds of the page
)

// layerBlock is about one layer.
type layerBlock struct {
	Clusters []clusterBlock `json:"clusters"`
	// Copies are the groups of samples in the clusters that have one vector, Pictures those of them that show the same.
	Copies   [][]int      `json:"copies"`
	Pictures [][]int      `json:"pictures"`
	Preview  previewBlock `json:"preview"`
	// Plane are up to 4,000 samples of the dataset in its first two components, x and y in turn, each from 0 to 1000.
	Plane []int `json:"plane"`
	// Matrices holds the parts of the rows, and first columns, of the matrices by kind.
	Matrices map[string][]string `json:"matrices"`
}

type clusterBlock struct {
	ID       int     `json:"id"`
	Mean     measure `json:"mean"`
	Diameter measure `json:"diameter"`
	MaxLink  measure `json:"maxLink"`
	// Conflicts counts pairs with disjoint labels.
	Conflicts int `json:"conflicts,omitempty"`
	// Members are samples; of a very large cluster only those with pictures, and Unlisted the number of the others.
	// What follows are positions among them, or in their order.
	Members   []int     `json:"members"`
	Unlisted  int       `json:"unlisted,omitempty"`
	Shown     []int     `json:"shown,omitempty"` // absent: all
	Medoid    int       `json:"medoid"`          // −1 if it is not among them
	Kept      []int     `json:"kept"`
	Distances []measure `json:"distances"` // to the medoid
	// XY is the projection of the cluster, Plane that of the dataset; x and y in turn.
	XY    []measure `json:"xy,omitempty"`
	Plane []int     `json:"plane"`
}

// previewBlock holds the links of the page.
type previewBlock struct {
	Forest linkColumns `json:"forest"`
	Others linkColumns `json:"others"`
	// Links are those of the two that are links: forest are joins alone where clusters have prototypes.
	Links []string `json:"links"`
	// Changes are what inspections saw, in words. Moves are the same in numbers.
	Changes []string   `json:"changes,omitempty"`
	Moves   []pageMove `json:"moves,omitempty"`
	// Stubs are clusters that the page does not list: an end −1−i of a link is the i-th of them.
	Stubs []stubBlock `json:"stubs"`
	Stops stopColumns `json:"stops"`
	Home  int         `json:"home"`
	// Leaking are evaluation samples, LeaksFrom the stop from which on each leaks.
	Leaking   []int `json:"leaking"`
	LeaksFrom []int `json:"leaksFrom"`
	// Normalization turns a distance into one of threshold strategy Distance; 0 for Cosine and FalseDiscovery.
	Normalization float64 `json:"normalization"`
	// Top is the distance at the upper end of the curve's drawing.
	Top float64 `json:"top"`
}

type linkColumns struct {
	A        []int     `json:"a"`
	B        []int     `json:"b"`
	Distance []measure `json:"distance"`
	// Similarity is what an inspection saw, null where it didn't look. Change and Back, positions in Changes, make B of
	// A and A of B.
	Similarity []*measure `json:"similarity,omitempty"`
	Change     []int      `json:"change,omitempty"`
	Back       []int      `json:"back,omitempty"`
}

func (l *linkColumns) add(a, b int, link duplicates.Link) {
	l.A, l.B, l.Distance = append(l.A, a), append(l.B, b), append(l.Distance, measure(link.Distance))
}

// pageMove lays one picture over another: mirrored, then turned about its center, in radians, then zoomed, then moved by
// shares of its sides.
type pageMove struct {
	Mirrored bool    `json:"mirrored,omitempty"`
	Turn     measure `json:"turn"`
	ZoomX    measure `json:"zoomX"`
	ZoomY    measure `json:"zoomY"`
	Right    measure `json:"right"`
	Down     measure `json:"down"`
}

// changes are those of a page. Changes of the same words are one: a percent of a thumbnail is a pixel.
type changes struct {
	names
	moves []pageMove
}

func (c *changes) number(change duplicates.Change) int {
	at := c.names.number(change.String())
	if at == len(c.moves) {
		stretch := math.Sqrt(change.Stretch)
		c.moves = append(c.moves, pageMove{
			change.Mirrored, measure(change.Turn * math.Pi / 180), measure(change.Zoom * stretch), measure(change.Zoom / stretch), measure(change.Right), measure(change.Down),
		})
	}
	return at
}

func (l *linkColumns) addSeen(seen *duplicates.Resemblance, changes *changes) {
	if seen == nil {
		l.Similarity, l.Change, l.Back = append(l.Similarity, nil), append(l.Change, 0), append(l.Back, 0)
		return
	}
	l.Similarity = append(l.Similarity, new(measure(seen.Similarity)))
	l.Change, l.Back = append(l.Change, changes.number(seen.Change)), append(l.Back, changes.number(seen.Change.Inverse()))
}

type stubBlock struct {
	Size   int    `json:"size"`
	Medoid string `json:"medoid"`
}

// stopColumns are the places of the slider. Forest and Others are how many of the page's links lie within each.
type stopColumns struct {
	Distance []float64 `json:"distance"`
	Forest   []int     `json:"forest"`
	Others   []int     `json:"others"`
	Clusters []int     `json:"clusters"`
	Samples  []int     `json:"samples"`
	Leaks    []int     `json:"leaks"`
	Largest  []int     `json:"largest"`
	// Rate is the false-discovery rate by which a stop is reached, of method Local.
	Rate []measure `json:"rate,omitempty"`
}

// sampleTable numbers the rows that a page names.
type sampleTable struct {
	samples []duplicates.Sample
	numbers map[int]int
	rows    []int
}

func (t *sampleTable) number(row int) int {
	n, known := t.numbers[row]
	if !known {
		n = len(t.rows)
		t.numbers[row], t.rows = n, append(t.rows, row)
	}
	return n
}

func (t *sampleTable) places(rows []int) []int {
	out := make([]int, len(rows))
	for i, row := range rows {
		out[i] = t.number(row)
	}
	return out
}

// names numbers texts as they first come.
type names struct {
	numbers map[string]int
	list    []string
}

func (n *names) number(name string) int {
	at, known := n.numbers[name]
	if !known {
		at = len(n.list)
		if n.numbers == nil {
			n.numbers = map[string]int{}
		}
		n.numbers[name], n.list = at, append(n.list, text.Valid(name))
	}
	return at
}

// block lists the samples. Picture says which one a row has.
func (t *sampleTable) block(f *Findings, picture func(row int) int) samplesBlock {
	out := samplesBlock{
		Audit: text.Valid(path.Join(f.Audit.Namespace, f.Audit.Name)), Digest: f.Digest,
		Evaluation: []int{}, Labels: []string{}, LabelSets: [][]int{},
		Pictures: f.Images != nil, PictureBlock: pictureBlock,
		Verdicts: append([]v1alpha1.Verdict{}, f.Verdicts...),
	}
	var splits, labels, sets names
	splits.list, labels.list = []string{}, []string{}
	n := len(t.rows)
	columns := &out.Samples
	*columns = sampleColumns{
		ID: make([]string, n), Split: make([]int, n), Labels: make([]int, n), Picture: make([]int, n), Baseline: []int{}, Ambiguous: []int{},
	}
	audited := map[string]bool{}
	if len(t.samples) > 0 && t.samples[len(t.samples)-1].Baseline { // which come last
		for _, s := range t.samples {
			if !s.Baseline {
				audited[s.ID] = true
			}
		}
	}
	for i, row := range t.rows {
		s := t.samples[row]
		columns.ID[i], columns.Split[i], columns.Picture[i] = text.Valid(s.ID), splits.number(s.Split), picture(row)
		set := make([]int, len(s.Labels))
		for j, label := range s.Labels {
			set[j] = labels.number(label)
		}
		known := len(sets.list)
		if columns.Labels[i] = sets.number(fmt.Sprint(set)); columns.Labels[i] == known {
			out.LabelSets = append(out.LabelSets, set)
		}
		if s.Baseline {
			columns.Baseline = append(columns.Baseline, i)
			if audited[s.ID] {
				columns.Ambiguous = append(columns.Ambiguous, i)
			}
		}
	}
	out.Splits, out.Labels = splits.list, labels.list
	for i, split := range out.Splits {
		if slices.ContainsFunc(f.EvaluationSplits, func(e string) bool { return text.Valid(e) == split }) {
			out.Evaluation = append(out.Evaluation, i)
		}
	}
	return out
}

// block describes the clusters that the page lists, and what the slider needs.
func (l *pageLayer) block(t *sampleTable) layerBlock {
	r := l.result
	out := layerBlock{Clusters: []clusterBlock{}, Copies: [][]int{}, Pictures: [][]int{}, Plane: []int{}, Matrices: map[string][]string{}}
	for _, p := range l.Parts {
		if p.Matrix != nil {
			out.Matrices[p.Matrix.Kind] = p.Matrix.names
		}
	}
	scale := newPlaneScale(r.Plane)
	listed := make([]bool, len(r.Clusters)) // and all of their members
	for _, c := range l.clusters {
		out.Clusters = append(out.Clusters, c.block(t, scale))
		listed[c.at] = len(c.named) == len(c.Members)
	}
	for _, rows := range r.CopyGroups() {
		if !listed[r.ClusterOf[rows[0]]] {
			continue
		}
		out.Copies = append(out.Copies, t.places(rows))
		for _, same := range r.Pictures(rows) {
			if len(same) > 1 {
				out.Pictures = append(out.Pictures, t.places(same))
			}
		}
	}
	if n := len(r.Samples); len(r.Plane) == 2*n {
		for i := range min(n, maxPlane) {
			x, y := scale.at(i * n / min(n, maxPlane))
			out.Plane = append(out.Plane, x, y)
		}
	}
	out.Preview = l.previewBlock(t, listed)
	return out
}

func (c *pageCluster) block(t *sampleTable, scale planeScale) clusterBlock {
	out := clusterBlock{
		ID: c.ID, Mean: measure(c.Mean), Diameter: measure(c.Diameter), MaxLink: measure(c.MaxLink), Conflicts: c.Conflicts,
		Unlisted: len(c.Members) - len(c.named), Medoid: -1, Kept: []int{},
	}
	for i, m := range c.named {
		out.Members = append(out.Members, t.number(m.Row))
		out.Distances = append(out.Distances, measure(m.ToMedoid))
		if len(c.Members) > 2 {
			out.XY = append(out.XY, measure(m.X), measure(m.Y))
		}
		x, y := scale.at(m.Row)
		out.Plane = append(out.Plane, x, y)
		if m.Row == c.Medoid {
			out.Medoid = i
		}
		if c.kept(m.Row) {
			out.Kept = append(out.Kept, i)
		}
		if len(c.shown) < len(c.named) && slices.ContainsFunc(c.shown, func(s duplicates.Member) bool { return s.Row == m.Row }) {
			out.Shown = append(out.Shown, i)
		}
	}
	return out
}

// maxPageLinks bounds the links of a page that join nothing, maxPageNearMisses the pairs beyond the threshold. Layers
// share them equally.
const (
	maxPageLinks      = 100_000
	maxPageNearMisses = 20_000
)

func (l *pageLayer) previewBlock(t *sampleTable, listed []bool) previewBlock {
	r, p := l.result, l.preview
	out := previewBlock{
		Home: p.Home, Stubs: []stubBlock{}, Leaking: []int{}, LeaksFrom: []int{},
		Normalization: normalization(&l.LayerSummary, r.Scale), Links: []string{"forest", "others"},
	}
	var changes changes
	inspected := r.Judgment != nil && r.Judgment.Inspection != nil
	if r.Judgment != nil {
		out.Links = out.Links[1:]
		for _, rate := range p.Rates() {
			out.Stops.Rate = append(out.Stops.Rate, measure(rate))
		}
	}
	if l.Curve != nil {
		out.Top = l.Curve.Highest
	}
	stubs := map[int]int{}
	end := func(row int) int {
		at := r.ClusterOf[row]
		if at < 0 || listed[at] {
			return t.number(row)
		}
		n, known := stubs[at]
		if !known {
			n = len(stubs)
			stubs[at] = n
			out.Stubs = append(out.Stubs, stubBlock{len(r.Clusters[at].Members), text.Valid(r.Samples[r.Clusters[at].Medoid].ID)})
		}
		return -1 - n
	}
	inPage := func(link duplicates.Link) bool { // of links within the threshold
		at := r.ClusterOf[link.A]
		return at < 0 || at != r.ClusterOf[link.B] || listed[at]
	}
	// Up to a stop lie as many of the page's links as had been added when the links passed it.
	add := func(columns *linkColumns, links []duplicates.Link, most int) (within []int) {
		at := 0
		for _, s := range p.Stops {
			for ; at < len(links) && links[at].Distance <= s.Distance; at++ {
				if inPage(links[at]) && len(columns.A) < most {
					columns.add(end(links[at].A), end(links[at].B), links[at])
					if inspected && columns == &out.Others {
						columns.addSeen(links[at].Seen, &changes)
					}
				}
			}
			within = append(within, len(columns.A))
		}
		return within
	}
	none := linkColumns{A: []int{}, B: []int{}, Distance: []measure{}}
	out.Forest, out.Others = none, none
	stops := &out.Stops
	stops.Forest = add(&out.Forest, p.Forest, math.MaxInt)
	stops.Others = add(&out.Others, p.Others, maxPageLinks/l.layers)
	out.Changes, out.Moves = changes.list, changes.moves
	for _, s := range p.Stops {
		stops.Distance, stops.Clusters = append(stops.Distance, s.Distance), append(stops.Clusters, s.Clusters)
		stops.Samples, stops.Leaks = append(stops.Samples, s.Samples), append(stops.Leaks, s.Leaks)
		stops.Largest = append(stops.Largest, s.Largest)
	}
	for number, row := range t.rows {
		if from, leaks := p.LeaksFrom(row); leaks {
			out.Leaking, out.LeaksFrom = append(out.Leaking, number), append(out.LeaksFrom, from)
		}
	}
	return out
}

// maxPlane bounds the samples that stand for the whole dataset in its projection.
const maxPlane = 4_000

// planeScale puts the projection of the dataset into a square of 0 to 1000, a few outliers on its edges.
type planeScale struct {
	plane    []float32
	low, top [2]float32
}

func newPlaneScale(plane []float32) planeScale {
	s := planeScale{plane: plane}
	n := len(plane) / 2
	if n == 0 {
		return s
	}
	for axis := range 2 {
		values := make([]float32, n)
		for i := range values {
			values[i] = plane[2*i+axis]
		}
		slices.Sort(values)
		s.low[axis], s.top[axis] = values[n/500], values[n-1-n/500]
	}
	return s
}

func (s planeScale) at(row int) (x, y int) { return s.within(row, 1000) }

// within is at in a square of another side.
func (s planeScale) within(row, side int) (x, y int) {
	if len(s.plane) == 0 {
		return 0, 0
	}
	place := func(axis int) int {
		low, top := s.low[axis], s.top[axis]
		if top <= low {
			return side / 2
		}
		return int(float32(side) * min(max((s.plane[2*row+axis]-low)/(top-low), 0), 1))
	}
	return place(0), place(1)
}

// writeBlock writes JSON as a block that a page carries and does not run. The encoder escapes <, > and & in its texts,
// so that none of them ends the block.
func writeBlock(w io.Writer, id string, data any) error {
	if _, err := fmt.Fprintf(w, "<script type=\"application/json\" id=\"%s\">", id); err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(data); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	_, err := io.WriteString(w, "</script>\n")
	return err
}

// normalization is what a layer's distances are multiplied by to compare with those of other datasets, 0 where there is
// no such factor.
func normalization(l *v1alpha1.LayerSummary, scale int) float64 {
	if l.Threshold.NormalizedDistance == nil {
		return 0
	}
	distance, _ := l.Threshold.Distance.Float64() // our own: it reads back
	normalized, _ := l.Threshold.NormalizedDistance.Float64()
	if distance > 0 && normalized > 0 {
		return normalized / distance
	}
	return math.Sqrt(float64(scale))
}

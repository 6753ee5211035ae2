package index

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

const (
	// maxAudits is how many audits the page lists: the worst.
	maxAudits = 5000
	// maxRows is how many runs it lists in all. With many audits, fewer of each are listed.
	maxRows = 10_000
	// maxListed is how many places it lists that could not be read.
	maxListed = 100
)

var (
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
	//go:embed page.html.tmpl
	pageText string

	pageLayout = template.Must(template.New("page").Funcs(template.FuncMap{
		"thousands": findings.Thousands[int64], "count": findings.Count, "legible": text.Visible,
	}).Parse(pageText))
)

// generator names this program in its pages.
const generator = "dataset-audit runner index"

// Ours says whether a page was written by this package, by its first kilobytes.
func Ours(page []byte) bool { return bytes.Contains(page, []byte(`content="`+generator+`"`)) }

// page is what the template shows.
type page struct {
	Style  template.CSS
	Script template.JS
	// Security allows this very script and inline styles, and nothing else, as on an audit's own page.
	Security  string
	Generator string

	Place   string
	Written string
	Figures []total
	Cards   []card
	// Unlisted counts the audits that the page has no room for.
	Unlisted int64
	// Stored says that every verdict is stored, and Linked that the page lies where links can lead to the results.
	Stored, Linked bool
	Unread         []Unread
	// UnreadAll counts those that are listed and those that are not, and MoreUnread the latter.
	UnreadAll, MoreUnread int64
	Passed                int64
}

// total is a figure of all audits.
type total struct {
	Value int64
	Name  string
	Bad   bool
}

// card is an audit.
type card struct {
	Namespace, Name string
	row
	Figures []figure
	// More says how many layers there are besides the one that the figures are of.
	More int64
	// Says is the verdict in full.
	Says     string
	Violated string
	Location string
	Model    string
	Rows     []row
	// All is how many runs there are, and Listed how many of them the page has; 0 where it has them all.
	All, Listed int64
	// Search is what the words that are looked for must be in.
	Search string
	// Newest is when the newest run was complete, in seconds since 1970.
	Newest int64
}

// row is a run.
type row struct {
	Date, Verdict, VerdictKind    string
	Run                           string // the last part of the folder
	Folder                        string
	Samples, Duplicates, Clusters figure
	Leaked, Effective             figure
	Method, Digest, Changed       string
	ReportURL, SummaryURL         string
	DatasetDigest, ModelDigest    string
}

// figure is a number of a run, and how it changed since the run before.
type figure struct {
	Name, Value, Note string
	// Change is empty without a run before; Kind is that of a finding.
	Change string
	Kind   findings.Kind
	// Bad says that the number itself asks for action.
	Bad   bool
	Trend *trend
}

// trend is a small curve of a number over the runs of an audit.
type trend struct {
	Path string
	X, Y string // of its last point
	Says string
}

// Base is how a link begins on a page at out that leads to what lies in place. There is none where the two are not in
// one file system or bucket.
func Base(place, out string) (base string, ok bool) {
	folder, _, err := storage.SplitKey(out)
	if err != nil {
		return "", false
	}
	to, local := storage.LocalPath(place)
	from, alike := storage.LocalPath(folder)
	if local != alike {
		return "", false
	}
	if local {
		if to, err = filepath.Abs(to); err != nil {
			return "", false
		}
		if from, err = filepath.Abs(from); err != nil {
			return "", false
		}
	} else {
		a, errA := url.Parse(place)
		b, errB := url.Parse(folder)
		if errA != nil || errB != nil || a.Scheme != b.Scheme || a.Host != b.Host || a.RawQuery != b.RawQuery {
			return "", false
		}
		to, from = path.Join("/", a.Path), path.Join("/", b.Path)
	}
	base, err = filepath.Rel(from, to)
	return base, err == nil
}

// link is the relative address of a file. It begins with a dot, so that no folder's name is taken for a scheme.
func link(base, folder, file string) string {
	parts := strings.Split(path.Join(base, folder, file), "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	address := strings.Join(parts, "/")
	if parts[0] != ".." {
		address = "./" + address
	}
	return address
}

// Write writes the page as of now. Its links begin with base; linked is false for a page that can't have any.
func (x *Index) Write(w io.Writer, now time.Time, base string, linked bool) error {
	script := sha256.Sum256([]byte(pageScript))
	p := &page{
		Style: template.CSS(pageStyle), Script: template.JS(pageScript), Generator: generator,
		Security: "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" +
			base64.StdEncoding.EncodeToString(script[:]) + "'; base-uri 'none'; form-action 'none'",
		Place: x.Place, Written: date(now), Figures: x.totals(), Linked: linked,
		Unread: x.Unread[:min(len(x.Unread), maxListed)], UnreadAll: int64(len(x.Unread)), MoreUnread: int64(max(0, len(x.Unread)-maxListed)), Passed: int64(x.Passed),
		Stored: !slices.ContainsFunc(x.Audits, func(a Audit) bool { return a.Runs[0].Verdict == "" }),
	}
	shown := x.Audits[:min(len(x.Audits), maxAudits)]
	p.Unlisted = int64(len(x.Audits) - len(shown))
	for i := range shown {
		p.Cards = append(p.Cards, shown[i].card(maxRows/len(shown), base, linked))
	}
	buffered := bufio.NewWriter(w)
	if err := pageLayout.Execute(buffered, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return buffered.Flush()
}

// totals are the figures of all audits, by their newest runs.
func (x *Index) totals() []total {
	count := func(name string, bad bool, is func(*Run) bool) total {
		t := total{Name: name}
		for i := range x.Audits {
			if is(&x.Audits[i].Runs[0]) {
				t.Value++
			}
		}
		t.Bad = bad && t.Value > 0
		return t
	}
	return []total{
		{Value: int64(len(x.Audits)), Name: findings.Plural(int64(len(x.Audits)), "audit", "audits")},
		{Value: int64(x.Runs), Name: findings.Plural(int64(x.Runs), "run", "runs")},
		count("with violated rules", true, func(r *Run) bool { return r.Verdict == metav1.ConditionFalse }),
		count("with leaks", true, func(r *Run) bool { return r.leaked() > 0 }),
		count("without a stored verdict", false, func(r *Run) bool { return r.Verdict == "" }),
	}
}

// card shows an audit with at most so many of its runs.
func (a *Audit) card(rows int, base string, linked bool) card {
	newest := &a.Runs[0]
	c := card{
		Name: a.Name, More: int64(newest.Layers - 1), Violated: newest.Violated, Location: newest.Location, Model: newest.Model,
		All: int64(len(a.Runs) + a.Older), Newest: newest.Completed.Unix(),
	}
	if namespace, name, ok := strings.Cut(a.Name, "/"); ok && name != "" {
		c.Namespace, c.Name = namespace+"/", name
	}
	for i := range a.Runs[:min(len(a.Runs), rows)] {
		var before *Run
		if i+1 < len(a.Runs) {
			before = &a.Runs[i+1]
		}
		c.Rows = append(c.Rows, a.Runs[i].row(before, base, linked))
	}
	if n := int64(len(c.Rows)); n < c.All {
		c.Listed = n
	}
	c.row = c.Rows[0]
	c.Says = "rules " + c.Verdict
	if newest.Verdict == "" {
		c.Says = "no verdict stored"
	}
	c.Leaked.Trend = a.trend("Leaked samples", func(r *Run) *int64 { return r.Leaked })
	c.Duplicates.Trend = a.trend("Samples in clusters", func(r *Run) *int64 { return &r.Duplicates })
	c.Figures = []figure{c.Leaked, c.Duplicates, c.Samples, c.Clusters, c.Effective}
	c.Search = strings.Join([]string{a.Name, newest.Folder, newest.Location, newest.Model, newest.Method, newest.Digest, c.Says, newest.Violated}, " ")
	return c
}

// row shows a run beside the one before it, which may be nil.
func (r *Run) row(before *Run, base string, linked bool) row {
	out := row{
		Date: date(r.Completed), Run: path.Base(r.Folder), Folder: r.Folder, Method: r.Method,
		Digest: short(r.Digest), DatasetDigest: r.Digest, ModelDigest: short(r.ModelDigest),
		Leaked:     number("leaked", r.Leaked, leakedOf(before), true),
		Duplicates: number("in clusters", &r.Duplicates, of(before, func(r *Run) int64 { return r.Duplicates }), true),
		Samples:    number("samples", &r.Samples, of(before, func(r *Run) int64 { return r.Samples }), false),
		Clusters:   number("clusters", &r.Clusters, of(before, func(r *Run) int64 { return r.Clusters }), false),
		Effective:  number("effective size", &r.Effective, of(before, func(r *Run) int64 { return r.Effective }), false),
	}
	out.Leaked.Bad = r.leaked() > 0
	out.Duplicates.Note = percent(r.share())
	switch r.Verdict {
	case metav1.ConditionTrue:
		out.Verdict, out.VerdictKind = "fulfilled", "good"
	case metav1.ConditionFalse:
		out.Verdict, out.VerdictKind = "violated", "bad"
	case metav1.ConditionUnknown:
		out.Verdict, out.VerdictKind = "undecided", "note"
	default:
		out.Verdict, out.VerdictKind = "not stored", "none"
	}
	if before != nil {
		out.Changed = r.changed(before)
	}
	if linked {
		out.SummaryURL = link(base, r.Folder, v1alpha1.FileSummary)
		if r.Report {
			out.ReportURL = link(base, r.Folder, v1alpha1.FileReport)
		}
	}
	return out
}

// changed says what else than the figures differs from the run before: whoever sees a jump asks for it first.
func (r *Run) changed(before *Run) string {
	var what []string
	if r.Digest != before.Digest {
		what = append(what, "dataset")
	}
	if r.ModelDigest != before.ModelDigest {
		what = append(what, "model")
	}
	if r.Layer != before.Layer {
		what = append(what, "layer")
	}
	if r.Method != before.Method {
		what = append(what, "method")
	}
	return strings.Join(what, ", ")
}

func of(r *Run, figure func(*Run) int64) *int64 {
	if r == nil {
		return nil
	}
	return new(figure(r))
}

func leakedOf(r *Run) *int64 {
	if r == nil {
		return nil
	}
	return r.Leaked
}

// number shows a number beside that of the run before. Either is nil where it isn't known. Judged are numbers of which
// less is better.
func number(name string, value, before *int64, judged bool) figure {
	f := figure{Name: name, Kind: findings.Note}
	if value == nil {
		f.Value, f.Note = "–", "not judged"
		return f
	}
	f.Value = findings.Thousands(*value)
	if before == nil {
		return f
	}
	switch more := *value - *before; {
	case more > 0:
		f.Change = "+" + findings.Thousands(more)
		if judged {
			f.Kind = findings.Bad
		}
	case more < 0:
		f.Change = "−" + findings.Thousands(-more)
		if judged {
			f.Kind = findings.Good
		}
	default:
		f.Change = "±0"
	}
	return f
}

// Width, height and margin of a trend, in pixels.
const (
	trendWidth  = 96
	trendHeight = 26
	trendMargin = 3
)

// trend draws a number over the runs, the oldest first, from 0 up. It is nil unless two runs have it.
func (a *Audit) trend(what string, of func(*Run) *int64) *trend {
	var most, first, last int64
	known := 0
	for i := len(a.Runs) - 1; i >= 0; i-- {
		value := of(&a.Runs[i])
		if value == nil {
			continue
		}
		if known == 0 {
			first = *value
		}
		most, last = max(most, *value), *value
		known++
	}
	if known < 2 {
		return nil
	}
	t := &trend{Says: fmt.Sprintf("%s over %d runs: from %s to %s, at most %s", what, len(a.Runs),
		findings.Thousands(first), findings.Thousands(last), findings.Thousands(most))}
	var line strings.Builder
	command := "M"
	for i := len(a.Runs) - 1; i >= 0; i-- {
		value := of(&a.Runs[i])
		if value == nil {
			command = "M" // a gap
			continue
		}
		step := float64(len(a.Runs)-1-i) / float64(len(a.Runs)-1)
		t.X = fmt.Sprintf("%.1f", trendMargin+step*(trendWidth-2*trendMargin))
		t.Y = fmt.Sprintf("%.1f", trendHeight-trendMargin-float64(*value)/float64(max(most, 1))*(trendHeight-2*trendMargin))
		line.WriteString(command + t.X + " " + t.Y)
		command = "L"
	}
	t.Path = line.String()
	return t
}

// percent is a share in up to three digits.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0:
		return "0%"
	case p < 0.1:
		return "<0.1%"
	case p < 10:
		return fmt.Sprintf("%.1f%%", p)
	default:
		return fmt.Sprintf("%.0f%%", p)
	}
}

// short is the beginning of a digest, which tells it from others.
func short(digest string) string { return text.Prefix(strings.TrimPrefix(digest, "sha256:"), 12) }

func date(t time.Time) string {
	if t.IsZero() {
		return "no date"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

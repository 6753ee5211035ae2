package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
	"github.com/datasetaudit/dataset-audit/test/pages"
)

func written(t testing.TB, x *Index) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := x.Write(&out, day(0), ".", true); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// content is the text of an element, its white space joined.
func content(n *html.Node) string {
	var out strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// Two audits of three and two runs: which comes first, and what changed from run to run.
func TestPage(t *testing.T) {
	of := func(leaked, duplicates int64, compliant metav1.ConditionStatus) func(*v1alpha1.AuditSummary) {
		return func(s *v1alpha1.AuditSummary) {
			s.Layers[0].Leakage.Samples, s.Layers[0].DuplicateSamples = leaked, duplicates
			if compliant != "" {
				s.Policy = &v1alpha1.SummaryPolicy{Compliant: compliant, Rules: []v1alpha1.RuleStatus{}}
			}
		}
	}
	grown := func(s *v1alpha1.AuditSummary) {
		of(7, 150, "")(s)
		s.Dataset.Digest, s.Layers[0].Samples, s.Layers[0].Leakage = "sha256:new", 2000, nil
	}
	x := collect(t, placeWith(t, map[string]string{
		"ns/a/r1/summary.json": encoded(t, summaryOf("ns/a", "r1", 1, of(9, 100, metav1.ConditionFalse))),
		"ns/a/r2/summary.json": encoded(t, summaryOf("ns/a", "r2", 2, of(0, 100, metav1.ConditionTrue))),
		"ns/a/r3/summary.json": encoded(t, summaryOf("ns/a", "r3", 3, of(2, 90, metav1.ConditionFalse))),
		"ns/a/r3/report.html":  "",
		"ns/b/r1/summary.json": encoded(t, summaryOf("ns/b", "r1", 1, of(1, 1200, ""))),
		"ns/b/r2/summary.json": encoded(t, summaryOf("ns/b", "r2", 2, grown)),
	}))
	root := pages.Parse(t, written(t, x))
	var got []string
	for _, card := range pages.Elements(root, "li", "audit") {
		got = append(got, content(pages.Elements(card, "h2", "")[0]), content(pages.Elements(card, "div", "who")[0]), content(pages.Elements(card, "dl", "of-run")[0]))
		for _, row := range pages.Elements(card, "tr", "") {
			got = append(got, content(row))
		}
	}
	const head = "run verdict leaked in clusters samples clusters effective changed files"
	want := []string{
		"ns/ a",
		"ns/ a rules violated 2026-01-04 12:00 UTC Report summary.json",
		"leaked 2 +2 Leaked samples over 3 runs: from 9 to 2, at most 9 in clusters 90 9.0% −10 Samples in clusters over 3 runs: from 100 to 90, at most 100 samples 1,000 ±0 clusters 40 ±0 effective size 940 ±0",
		head,
		"2026-01-04 12:00 UTC r3 violated 2 +2 90 −10 1,000 ±0 40 ±0 940 ±0 report summary",
		"2026-01-03 12:00 UTC r2 fulfilled 0 −9 100 ±0 1,000 ±0 40 ±0 940 ±0 summary",
		"2026-01-02 12:00 UTC r1 violated 9 100 1,000 40 940 summary",
		"ns/ b",
		"ns/ b no verdict stored 2026-01-03 12:00 UTC · dataset changed summary.json",
		"leaked – not judged in clusters 150 7.5% −1,050 Samples in clusters over 2 runs: from 1,200 to 150, at most 1,200 samples 2,000 +1,000 clusters 40 ±0 effective size 940 ±0",
		head,
		"2026-01-03 12:00 UTC r2 not stored – 150 −1,050 2,000 +1,000 40 ±0 940 ±0 dataset summary",
		"2026-01-02 12:00 UTC r1 not stored 1 1,200 1,000 40 940 summary",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cards (-want +got):\n%s", diff)
	}
	var totals []string
	for _, figure := range pages.Elements(pages.Elements(root, "dl", "figures")[0], "div", "") {
		totals = append(totals, content(figure))
	}
	if diff := cmp.Diff([]string{"audits 2", "runs 5", "with violated rules 1", "with leaks 1", "without a stored verdict 1"}, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if again := written(t, x); !bytes.Equal(again, written(t, x)) || !Ours(again[:4096]) || Ours([]byte("<html>")) {
		t.Error("the page is not the same each time, or not known again")
	}
}

func TestTrend(t *testing.T) {
	for name, tc := range map[string]struct {
		values []int64 // the oldest first; −1 is not known
		want   string
	}{
		"one run":         {[]int64{5}, ""},
		"known once":      {[]int64{-1, 5, -1}, ""},
		"grows":           {[]int64{0, 5, 10}, "M3.0 23.0L48.0 13.0L93.0 3.0"},
		"nothing":         {[]int64{0, 0}, "M3.0 23.0L93.0 23.0"},
		"a gap":           {[]int64{10, -1, 5, 0}, "M3.0 3.0M63.0 13.0L93.0 23.0"},
		"not known first": {[]int64{-1, 10, 10}, "M48.0 3.0L93.0 3.0"},
	} {
		a := Audit{}
		for _, v := range tc.values {
			a.Runs = append([]Run{{Duplicates: v}}, a.Runs...)
		}
		got := a.trend("x", func(r *Run) *int64 {
			if r.Duplicates < 0 {
				return nil
			}
			return &r.Duplicates
		})
		if got == nil {
			got = &trend{}
		}
		if got.Path != tc.want {
			t.Errorf("%s: %s, want %s", name, got.Path, tc.want)
		}
	}
}

var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</style><svg onload=alert(1)>`,
	`</title><iframe src=x>`, `{{.Style}}`, `javascript:alert(1)`, "line\nbreak", "\u202Egnp", "a\x00b", "&lt;b&gt;", "-->", "漢字 é", strings.Repeat("x", 10_000),
}

// Whatever stands in a summary, and however folders are called, it is text.
func TestHostileNames(t *testing.T) {
	x := &Index{Place: hostile[0], Unread: []Unread{{hostile[0], hostile[1]}}}
	var runs []Run
	for i, name := range hostile {
		s := summaryOf(name, name, i, func(s *v1alpha1.AuditSummary) {
			s.Dataset.Location, s.Dataset.Digest = name, name
			s.Model = &v1alpha1.SummaryModel{Name: name, SHA256: name}
			s.Layers[0].Layer, s.Layers[0].Threshold.Strategy = name, v1alpha1.ThresholdStrategy(name)
			s.Policy = &v1alpha1.SummaryPolicy{Compliant: metav1.ConditionStatus(name), Rules: []v1alpha1.RuleStatus{
				{Name: name, Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated},
			}}
		})
		r, err := parse([]byte(encoded(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		r.Folder, r.Report = name+"/run", true
		runs = append(runs, *r)
	}
	x.Audits, x.Runs = group(runs), len(runs)
	page := written(t, x)
	root := pages.Parse(t, page)
	pages.Inert(t, root, "./")
	for tag, want := range map[string]int{"script": 1, "style": 1, "title": 1, "svg": 0} {
		if got := len(pages.Elements(root, tag, "")); got != want {
			t.Errorf("%d elements %s, want %d", got, tag, want)
		}
	}
	all := content(root)
	for _, name := range hostile {
		if shown := strings.Join(strings.Fields(text.Cut(text.Name(name), maxText)), " "); !strings.Contains(all, shown) {
			t.Errorf("%q is not in the text", shown)
		}
	}
	if len(page) > 300_000 {
		t.Errorf("a page of %d bytes", len(page))
	}
}

// The page's policy allows its script and styles, and nothing else.
func TestSecurityPolicy(t *testing.T) {
	page := written(t, collect(t, placeWith(t, mixed(t))))
	root := pages.Parse(t, page)
	scripts := pages.Elements(root, "script", "")
	if len(scripts) != 1 {
		t.Fatalf("%d scripts", len(scripts))
	}
	hash := sha256.Sum256([]byte(scripts[0].FirstChild.Data))
	want := "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; base-uri 'none'; form-action 'none'"
	for _, meta := range pages.Elements(root, "meta", "") {
		if pages.Attribute(meta, "http-equiv") == "Content-Security-Policy" {
			if got := pages.Attribute(meta, "content"); got != want {
				t.Errorf("policy %s, want %s", got, want)
			}
			return
		}
	}
	t.Error("no policy")
}

// Links lead from the page to the files, whatever the folders are called.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	for place, tc := range map[string]struct {
		out, base string
		linked    bool
	}{
		dir:                        {dir + "/index.html", ".", true},
		dir + "/audits/":           {dir + "/index.html", "audits", true},
		"file://" + dir + "/a":     {dir + "/pages/b/index.html", "../../a", true},
		"s3://b":                   {"s3://b/index.html", ".", true},
		"s3://b/x?region=r":        {"s3://b/pages/i.html?region=r", "../x", true},
		"s3://b/x/":                {"s3://b/i.html", "x", true},
		"s3://b/y":                 {"s3://c/y/i.html", "", false},
		"s3://b/z?endpoint=http:x": {"s3://b/z/i.html", "", false},
		"gs://b/z":                 {"s3://b/z/i.html", "", false},
		"s3://b/w":                 {dir + "/i.html", "", false},
		dir + "/v":                 {"s3://b/i.html", "", false},
		dir + "/u":                 {"s3://b/", "", false},
	} {
		base, linked := Base(place, tc.out)
		if base != tc.base && linked || linked != tc.linked {
			t.Errorf("%s from %s: %q, %t", place, tc.out, base, linked)
		}
	}

	for _, folder := range []string{".", "a/b", "javascript:alert(1)", "a b/c%20d", "a?b#c", "..x", "漢字", `q"'<>&`} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "summary.json"), []byte(folder), 0o644); err != nil {
			t.Fatal(err)
		}
		for base, from := range map[string]string{".": dir, filepath.Base(dir): filepath.Dir(dir), "../" + filepath.Base(dir): filepath.Join(filepath.Dir(dir), "other")} {
			address, err := (&url.URL{Scheme: "file", Path: from + "/"}).Parse(link(base, folder, "summary.json"))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(address.Path); err != nil || string(got) != folder {
				t.Errorf("%s from %s leads to %s: %q, %v", folder, base, address, got, err)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	x := &Index{Passed: 3}
	for i := range maxListed + 5 {
		x.Unread = append(x.Unread, Unread{fmt.Sprint(i), "why"})
	}
	for i := range maxAudits + 1 {
		x.Audits = append(x.Audits, Audit{Name: fmt.Sprint(i), Runs: make([]Run, 3), Older: 1})
	}
	page := string(written(t, x))
	for _, says := range []string{
		"1 more audit is not listed", "<summary>4 runs</summary>", "2 runs are listed, the newest", "Not read: 105", "and 5 more", "3 older ones were left out", "no date",
	} {
		if !strings.Contains(page, says) {
			t.Errorf("the page doesn't say %q", says)
		}
	}
	var elsewhere bytes.Buffer
	x = collect(t, placeWith(t, mixed(t)))
	if err := x.Write(&elsewhere, day(0), "", false); err != nil {
		t.Fatal(err)
	}
	if got := elsewhere.String(); strings.Contains(got, "href") || !strings.Contains(got, "no link could lead to them") {
		t.Error("a page elsewhere has links, or doesn't say why not")
	}
}

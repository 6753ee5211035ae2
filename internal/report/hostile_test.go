package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
	"github.com/datasetaudit/dataset-audit/test/pages"
)

var hostile = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`,
	`</style><svg onload=alert(1)>`, `</title><iframe src=//x.test>`, `{{.Summary}} {{template "page"}}`, `javascript:alert(1)`,
	"line\nbreak,comma;\"quote\"", "=cmd|' /C calc'!A0", "+1", "@x", "\xff\xfe.png", "\u202Egnp.exe", "a\x00b", "&lt;b&gt;&amp;", "-->", "]]>",
	"漢字/é.png", " spaced ", "a|b", "`${alert(1)}`", "\u2028",
}

// Whatever files and labels are called, they are text: in the page, in CSV and in JSON.
func TestHostileNames(t *testing.T) {
	f, line := hostileFindings(t)
	files, _ := written(t, f)

	page := files[v1alpha1.FileReport]
	root := pages.Parse(t, page)
	pages.Inert(t, root, "#")
	for n := range root.Descendants() {
		if kind := pages.Attribute(n, "type"); n.Data == "script" && kind != "" && strings.ContainsAny(content(n), "<>&") {
			t.Errorf("script of type %s holds markup", kind)
		}
	}
	for tag, want := range map[string]int{"script": 5, "style": 1, "svg": 2, "title": 1} {
		if got := len(pages.Elements(root, tag, "")); got != want {
			t.Errorf("%d elements %s, want %d", got, tag, want)
		}
	}
	samples, layers := data(t, page)
	for _, name := range hostile {
		if !slices.Contains(samples.Samples.ID, text.Valid(name)) {
			t.Errorf("%q is not in the data", name)
		}
		if !slices.Contains(samples.Labels, text.Valid(name)) {
			t.Errorf("%q is not a label", name)
		}
		if cell := text.Visible(name); strings.TrimSpace(cell) == cell && !bytes.Contains(page, []byte(html.EscapeString(cell))) &&
			!strings.Contains(content(root), cell) {
			t.Errorf("%q is not in the text", cell)
		}
	}
	if len(layers) != 2 || samples.Audit != text.Valid(hostile[0]) {
		t.Errorf("%d layers, audit %q", len(layers), samples.Audit)
	}

	groups := rows(t, files[v1alpha1.FileGroups])
	for i, name := range hostile {
		want := []string{"conv", fmt.Sprint(10 + i), text.Valid(name), text.Valid(line[i].split), text.Valid(name) + "|l" + text.Valid(name)}
		if diff := cmp.Diff(want, groups[i][:5]); diff != "" {
			t.Errorf("groups.csv (-want +got):\n%s", diff)
		}
	}
	seen := map[string]bool{}
	for line := range bytes.SplitSeq(bytes.TrimSpace(files[v1alpha1.FileClusters]), []byte("\n")) {
		var c clusterLine
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		for _, m := range c.Members {
			seen[m.ID] = true
		}
	}
	for _, name := range hostile[:21] {
		if !seen[text.Valid(name)] {
			t.Errorf("clusters.jsonl lacks %q", name)
		}
	}
	var summary v1alpha1.AuditSummary
	if err := json.Unmarshal(files[v1alpha1.FileSummary], &summary); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Summarize(f), &summary); diff != "" {
		t.Errorf("summary.json (-want +got):\n%s", diff)
	}
}

// hostileFindings has hostile texts wherever the dataset or its user gives one.
func hostileFindings(t *testing.T) (*Findings, []on) {
	var line []on
	for i, name := range hostile {
		split := "test"
		if i%2 == 0 {
			split = name
		}
		line = append(line, on{at: float64(10 + i/3*5), id: name, split: split, labels: []string{name, "l" + name}})
	}
	f := onLine(t, 1, line...)
	f.Images = solid(8, gray)
	f.Audit.Name = hostile[0]
	f.Audit.Spec.Dataset.Labels = hostile
	f.Audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: hostile[0], Expression: "layer.samples == 0", Severity: v1alpha1.SeverityFail}}
	f.Layers = append(f.Layers, f.Layers[0])
	f.Layers[1].Name = hostile[1]
	f.Run.ID, f.Run.Audit, f.Versions.Device = hostile[2], hostile[0], hostile[1]
	f.Verdicts = []v1alpha1.Verdict{{Verdict: v1alpha1.VerdictUnsure, Members: []string{text.Valid(hostile[0]), text.Valid(hostile[1])}}}
	for _, name := range hostile {
		f.Skipped = append(f.Skipped, Skipped{ID: name, Reason: name})
	}
	return f, line
}

// The page's policy allows the script that is in it, and nothing from elsewhere.
func TestSecurityPolicy(t *testing.T) {
	files, _ := written(t, onLine(t, 1, small()...))
	root := pages.Parse(t, files[v1alpha1.FileReport])
	scripts := slices.DeleteFunc(pages.Elements(root, "script", ""), func(n *html.Node) bool { return has(n, "type") })
	if len(scripts) != 1 {
		t.Fatalf("%d scripts", len(scripts))
	}
	hash := sha256.Sum256([]byte(content(scripts[0])))
	for _, meta := range pages.Elements(root, "meta", "") {
		if pages.Attribute(meta, "http-equiv") != "Content-Security-Policy" {
			continue
		}
		policy := pages.Attribute(meta, "content")
		want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
		if !strings.Contains(policy, want) || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") {
			t.Errorf("policy %s, want %s", policy, want)
		}
		return
	}
	t.Error("no policy")
}

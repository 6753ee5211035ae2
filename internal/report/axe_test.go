package report

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestBrowserAxe holds the page against axe's rules, in each look and with a cluster opened.
func TestBrowserAxe(t *testing.T) {
	b := startBrowser(t)
	fetch := exec.CommandContext(t.Context(), "../../hack/axe.sh")
	fetch.Stderr = os.Stderr
	path, err := fetch.Output()
	if err != nil {
		t.Skip("axe-core could not be fetched: ", err)
	}
	axe, err := os.ReadFile(strings.TrimSpace(string(path)))
	if err != nil {
		t.Fatal(err)
	}
	points, samples := planted()
	reference, _ := sixty(t)
	for i := range reference.Layers[0].Result.Samples { // of which some cross
		reference.Layers[0].Result.Samples[i].Group = fmt.Sprint("recording ", i%20)
	}
	refer(t, reference, "benchmark", 0, 1001, 2)
	refer(t, reference, "another", 7)
	whole(reference)
	pages := []string{published(t, points.local(t, samples, 0.01)), published(t, reference) + "#area=0.0_500.0_500.1000_0.1000"}
	for name, l := range map[string]look{
		"light": {}, "dark": {dark: true}, "narrow": {width: 390, height: 844}, "narrow and dark": {width: 390, height: 844, dark: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, page := range pages {
				p := b.open(t, page, l)
				p.act("document.querySelector('.list').scrollIntoView()")
				p.sees("document.querySelector('article')")
				value[bool](p, string(axe)+"; true")
				check := func(what string) {
					t.Helper()
					found := value[string](p, `axe.run(document).then(({violations, passes}) => JSON.stringify({Passes: passes.length, Violations:
					violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.slice(0, 3).map(({html, failureSummary}) => ({html: html.slice(0, 300), failureSummary}))}))}))`)
					var results struct {
						Passes     int
						Violations []any
					}
					if err := json.Unmarshal([]byte(found), &results); err != nil {
						t.Fatal(err)
					}
					if results.Passes < 15 {
						t.Errorf("%s: only %d rules apply", what, results.Passes)
					}
					for _, violation := range results.Violations {
						text, _ := json.MarshalIndent(violation, "", "  ")
						t.Errorf("%s: %s", what, text)
					}
				}
				check("the page")
				p.act("document.querySelector('article .show').click()")
				p.sees("document.querySelector('dialog.opened').open && document.querySelector('dialog .pair').textContent")
				check("an opened cluster")
			}
		})
	}
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// What a reviewer judged "not copies" stays apart in the next audit, exact copies too, and all else is found as before.
func TestVerdictsSurviveAnotherAudit(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	out := t.TempDir()
	if code, _, stderr := run(t, f.audit(out)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	before := clusterLines(t, out)
	exact := filepath.ToSlash(strings.TrimPrefix(f.sample(57), "images/"))
	apart := clusterOf(before, exact)
	if len(apart) < 2 {
		t.Fatalf("%s is in no cluster", exact)
	}
	others := 0
	for _, c := range before {
		if c.Members[0].ID != apart[0] {
			others++
		}
	}

	review, err := json.Marshal(v1alpha1.Review{SchemaVersion: 1, Audit: "noise", Verdicts: []v1alpha1.Verdict{
		{Verdict: v1alpha1.VerdictNotCopies, Members: apart},
		{Verdict: v1alpha1.VerdictUnsure, Members: []string{before[0].Members[0].ID, before[0].Members[1].ID}},
		{Verdict: v1alpha1.VerdictNotCopies, Members: []string{"gone.png", exact}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, "verdicts.json", review)
	again := t.TempDir()
	code, _, stderr := run(t, f.audit(again, "--verdicts", f.path("verdicts.json"))...)
	if code != 0 || !strings.Contains(stderr, "members that are not in the dataset, ignored: 1") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	after := clusterLines(t, again)
	for _, a := range apart {
		for _, b := range clusterOf(after, a) {
			if a != b && slices.Contains(apart, b) {
				t.Errorf("%s and %s are together again", a, b)
			}
		}
	}
	if len(after) < others {
		t.Errorf("%d clusters, %d before", len(after), len(before))
	}
	for _, c := range before {
		if c.Members[0].ID == apart[0] {
			continue
		}
		for _, m := range c.Members {
			if clusterOf(after, m.ID) == nil {
				t.Errorf("%s was in a cluster and is in none", m.ID)
			}
		}
	}
	for _, row := range table(t, again, v1alpha1.FileRemove) {
		if slices.Contains(apart, row["id"]) && slices.Contains(apart, row["keeperID"]) {
			t.Errorf("%s would go for %s", row["id"], row["keeperID"])
		}
	}
	sum := sha256.Sum256(review)
	if got := summary(t, again).Verdicts; got == nil || got.SHA256 != fmt.Sprintf("%x", sum) || got.NotCopies != 2 || got.Unsure != 1 || got.Copies != 0 {
		t.Errorf("the summary says of the verdicts: %+v", got)
	}
	pinned := manifest("ImageFolder", "") + `, verdicts: {configMap: {name: review}, sha256: "%x"}}`
	pinned = strings.Replace(pinned, `percentile: "99"}}`, `percentile: "99"}`, 1)
	f.write(t, "pinned.yaml", fmt.Appendf(nil, pinned, sum))
	if code, _, stderr := run(t, f.audit(t.TempDir(), "-f", f.path("pinned.yaml"), "--verdicts", f.path("verdicts.json"))...); code != 0 {
		t.Errorf("verdicts of the digest that is asked for: exit %d: %s", code, stderr)
	}
	sum[0]++
	f.write(t, "pinned.yaml", fmt.Appendf(nil, pinned, sum))
	if code, _, stderr := run(t, f.audit(t.TempDir(), "-f", f.path("pinned.yaml"), "--verdicts", f.path("verdicts.json"))...); code != int(v1alpha1.ExitDigestMismatch) ||
		!strings.Contains(stderr, "duplicates.verdicts.sha256") {
		t.Errorf("verdicts of another digest: exit %d: %s", code, stderr)
	}
	page, err := os.ReadFile(filepath.Join(again, v1alpha1.FileReport))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte(`{"verdict":"Unsure"`)) || !bytes.Contains(page, []byte(`"gone.png"`)) {
		t.Error("the page has lost a verdict")
	}
	f.write(t, "verdicts.json", []byte(`{"schemaVersion": 1, "verdicts": [{"verdict": "NoCopies", "members": ["a", "b"]}]}`))
	if code, _, stderr := run(t, f.audit(t.TempDir(), "--verdicts", f.path("verdicts.json"))...); code != int(v1alpha1.ExitInvalidSpec) || !strings.Contains(stderr, "verdict") {
		t.Errorf("a file that is not a review: exit %d: %s", code, stderr)
	}
}

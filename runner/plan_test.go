package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// A plan's figures follow from the dataset and the number of pods, it keeps nothing, and what is embedded costs nothing.
func TestPlan(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	work := t.TempDir()
	plan := func(more ...string) audit.Plan {
		t.Helper()
		args := append([]string{"plan", f.path("images"), "-f", f.path("audit.yaml"), "--model", f.path("model.onnx"), "--work", work, "-o", "json"}, more...)
		code, stdout, stderr := run(t, args...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		p := audit.Plan{}
		if err := json.Unmarshal([]byte(stdout), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan("--pods", "1,4,8")
	if p.Samples != 1500 || p.Kept != 0 || p.Layers != 1 || p.Dimensions != 24 || p.Components != 8 || p.VectorBytes != 1500*24*4 || p.ReadBytes == 0 || p.Embedding <= 0 || p.Scoring <= 0 {
		t.Errorf("%+v", p)
	}
	four, eight := p.Runs[1], p.Runs[2]
	if len(p.Runs) != 3 || four.Pods != 4 || math.Abs(p.Runs[0].Embed/four.Embed-4) > 1e-9 || four.Neighbors <= eight.Neighbors || eight.Memory < 150<<20 {
		t.Errorf("%+v", p.Runs)
	}
	if with := plan("--reports", "Familiarity,Map"); with.Runs[0].Rest <= p.Runs[0].Rest {
		t.Errorf("with densities and a map the rest takes %g s, without %g s", with.Runs[0].Rest, p.Runs[0].Rest)
	}
	if again := plan(); again.Kept != 0 || len(again.Runs) != 3 {
		t.Errorf("the plan before has left something: %+v", again)
	}
	if code, _, stderr := run(t, f.audit(t.TempDir(), "--work", work)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if p := plan(); p.Kept != 1500 || p.ReadBytes != 0 || p.Runs[0].Embed != 0 {
		t.Errorf("after an audit: %+v", p)
	}
	code, stdout, stderr := run(t, "plan", f.path("images"), "-f", f.path("audit.yaml"), "--model", f.path("model.onnx"))
	if code != 0 || !strings.Contains(stdout, "1,500 samples, 0 of them embedded already") || strings.Count(stdout, "\n") != 7 {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if code, _, _ := run(t, "plan", f.path("images"), "--pods", "0"); code != int(v1alpha1.ExitInvalidUsage) {
		t.Errorf("no pods: exit %d", code)
	}
}

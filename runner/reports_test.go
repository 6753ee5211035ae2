package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// reportFiles are those that the parts of a report write, summary.json and the page aside.
var reportFiles = []string{v1alpha1.FileQuality, v1alpha1.FileFamiliarity, v1alpha1.FileLabels, v1alpha1.FileMap}

func resultFile(t *testing.T, out, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// One run gives all parts of the report, and the same ones with any number of threads. What it says of duplicates is what
// it says without them, by each method.
func TestReports(t *testing.T) {
	f := newFixture(t)
	for _, method := range []string{"Local", "Reference"} {
		t.Run(method, func(t *testing.T) {
			work := t.TempDir()
			audit := func(more ...string) string {
				t.Helper()
				out := t.TempDir()
				args := append([]string{"audit", f.path("images"), "--method", method, "--work", work, "--out", out}, more...)
				if code, _, stderr := run(t, args...); code != 0 {
					t.Fatalf("exit %d: %s", code, stderr)
				}
				return out
			}
			plain := audit("--reports", "Duplicates")
			whole := audit("--reports", "Familiarity,Labels,Quality,Map")
			again := audit("--reports", "Map,Labels,Quality,Familiarity", "--threads", "1")
			for _, name := range reportFiles {
				if _, err := os.Stat(filepath.Join(plain, name)); err == nil {
					t.Errorf("%s is there, and nobody asked for it", name)
				}
				if !bytes.Equal(resultFile(t, whole, name), resultFile(t, again, name)) {
					t.Errorf("%s differs with the number of threads", name)
				}
			}
			for _, name := range []string{v1alpha1.FileClusters, v1alpha1.FilePairs, v1alpha1.FileRemove, v1alpha1.FileGroups} {
				if !bytes.Equal(resultFile(t, plain, name), resultFile(t, whole, name)) {
					t.Errorf("%s differs from that of duplicates alone", name)
				}
			}
			s := summaryOf(t, whole)
			l := s.Layers[0]
			if s.Dataset.Quality == nil || s.Dataset.Quality.Samples != l.Samples || len(s.Dataset.Quality.Problems) != 11 {
				t.Errorf("quality: %+v", s.Dataset.Quality)
			}
			if l.Familiarity == nil || l.Familiarity.UnseenSamples == nil || len(l.Familiarity.Rarest) != v1alpha1.MaxNamedSamples || l.Coverage == nil {
				t.Errorf("familiarity %+v, coverage %+v", l.Familiarity, l.Coverage)
			}
			// Noise has no classes: nobody can say which label is wrong.
			if l.SuspectLabels == nil || l.SuspectLabels.Suspects != 0 {
				t.Errorf("labels: %+v", l.SuspectLabels)
			}
			if lines := bytes.Count(resultFile(t, whole, v1alpha1.FileMap), []byte("\n")); lines != int(l.Samples)+1 {
				t.Errorf("the map has %d lines, for %d samples", lines, l.Samples)
			}
			page := string(resultFile(t, whole, v1alpha1.FileReport))
			for _, want := range []string{`id="map-data-0"`, "The least usual samples", `class="atlas scripted"`} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %s", want)
				}
			}
			if p := s.Dataset.Quality; p != nil && cmp.Equal(p, summaryOf(t, plain).Dataset.Quality) {
				t.Error("quality is reported, and nobody asked for it")
			}
		})
	}
}

// A run without the parts leaves none of those that an earlier one wrote in its place, and the page says how to have them
// again.
func TestReportsInOnePlace(t *testing.T) {
	f := newFixture(t)
	out, work := t.TempDir(), t.TempDir()
	audit := func(more ...string) {
		t.Helper()
		if code, _, stderr := run(t, append([]string{"audit", f.path("images"), "--work", work, "--out", out}, more...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	audit("--reports", "Familiarity,Labels,Map,Quality")
	page := string(resultFile(t, out, v1alpha1.FileReport))
	for _, want := range []string{"--reports Familiarity,Labels,Map,Quality", "- Familiarity"} { // the command, and the manifest
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	audit("--reports", "Duplicates")
	for _, name := range reportFiles {
		if _, err := os.Stat(filepath.Join(out, name)); err == nil {
			t.Errorf("%s of the run before is there", name)
		}
	}
}

// Flags write the parts into the manifest, with Duplicates, and refuse what is no part.
func TestReportsFlag(t *testing.T) {
	f := newFixture(t)
	code, stdout, stderr := run(t, "audit", f.path("images"), "--reports", "Labels,Map", "--print-manifest")
	if code != 0 || !strings.Contains(stdout, "reports:\n  - Duplicates\n  - Labels\n  - Map\n") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	code, _, stderr = run(t, "audit", f.path("images"), "--reports", "Beauty", "--out", t.TempDir())
	if code != int(v1alpha1.ExitInvalidSpec) || !strings.Contains(stderr, "Beauty") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// The default is Quality beside Duplicates, and a rule can ask for it.
func TestQualityByDefault(t *testing.T) {
	f := newFixture(t)
	out := t.TempDir()
	code, _, stderr := run(t, "audit", f.path("images"), "--out", out, "--rule", "quality.poorSamples * 100 <= quality.samples * 100")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var summary v1alpha1.AuditSummary
	if err := json.Unmarshal(resultFile(t, out, v1alpha1.FileSummary), &summary); err != nil {
		t.Fatal(err)
	}
	if summary.Dataset.Quality == nil || summary.Layers[0].Familiarity != nil {
		t.Errorf("quality %+v, familiarity %+v", summary.Dataset.Quality, summary.Layers[0].Familiarity)
	}
	resultFile(t, out, v1alpha1.FileQuality)
}

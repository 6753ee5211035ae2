package croissant

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// pictures is a document as people write them: of a folder of images, with splits that say what they are for.
const pictures = `{
  "@context": {"@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": "http://mlcommons.org/croissant/"},
  "@type": "sc:Dataset",
  "name": "birds",
  "datePublished": 20261129.50,
  "distribution": [
    {"@type": "cr:FileObject", "@id": "labels.csv", "contentUrl": "./labels.csv", "encodingFormat": "text/csv", "sha256": "00"},
    {"@type": "cr:FileObject", "@id": "gone.csv", "contentUrl": "tables/gone.csv", "encodingFormat": "text/csv"},
    {"@type": "cr:FileObject", "@id": "repo", "contentUrl": "https://example.org/birds.git", "encodingFormat": "git+https"},
    {"@type": "cr:FileObject", "@id": "more.zip", "contentUrl": "https://example.org/more.zip", "encodingFormat": "application/zip"},
    {"@type": "cr:FileSet", "@id": "images", "containedIn": {"@id": "repo"}, "encodingFormat": "image/jpeg", "includes": ["train/**/*.jpg", "holdout/*.jpg"], "excludes": "train/drafts/*"},
    {"@type": "cr:FileSet", "@id": "inside", "containedIn": {"@id": "more.zip"}, "encodingFormat": "image/jpeg", "includes": "*.jpg"}
  ],
  "recordSet": [{
    "@type": "cr:RecordSet", "@id": "splits", "dataType": "cr:Split", "key": {"@id": "splits/name"},
    "data": [
      {"splits/name": "train", "splits/url": "cr:TrainingSplit"},
      {"splits/name": "holdout", "splits/url": "http://mlcommons.org/croissant/TestSplit"},
      {"splits/name": "tuning", "splits/url": "cr:ValidationSplit"}
    ]
  }]
}`

// generated is one as the Hugging Face Hub writes them.
const generated = `{
  "@context": {"cr": "http://mlcommons.org/croissant/"}, "@type": ["https://schema.org/Dataset"],
  "distribution": [{"@type": "cr:FileSet", "@id": "parquet", "containedIn": {"@id": "repo"}, "encodingFormat": "application/x-parquet", "includes": "default/*/*.parquet"}],
  "recordSet": {"@type": "cr:RecordSet", "dataType": ["cr:Split"], "key": {"@id": "default_splits/split_name"}, "data": [{"default_splits/split_name": "train"}, {"default_splits/split_name": "test"}]}
}`

func parse(t *testing.T, data string) *Metadata {
	t.Helper()
	m, err := Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParse(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "no object": "[]", "no dataset": `{"@type": "sc:Person"}`, "no type": "{}", "null": "null", "cut": pictures[:200],
	} {
		if _, err := Parse([]byte(data)); err == nil {
			t.Errorf("%s is a document", name)
		}
	}
	for name, test := range map[string]struct {
		data       string
		format     v1alpha1.DatasetFormat
		evaluation []string
	}{
		"pictures":         {pictures, v1alpha1.FormatImageFolder, []string{"holdout", "tuning"}},
		"generated":        {generated, v1alpha1.FormatParquet, nil},
		"bare":             {`{"@type": "Dataset"}`, "", nil},
		"several formats":  {`{"@type": "Dataset", "distribution": [{"@type": "FileSet", "encodingFormat": "image/png"}, {"@type": "FileSet", "encodingFormat": "application/x-parquet"}]}`, "", nil},
		"the wrong shapes": {`{"@type": "Dataset", "distribution": "x", "recordSet": [1, {"@type": "RecordSet", "dataType": "Split", "key": 3, "data": ["a", {"b": 4, "url": "TestSplit"}, null]}]}`, "", nil},
	} {
		m := parse(t, test.data)
		if got := m.Format(); got != test.format {
			t.Errorf("%s: format %q", name, got)
		}
		if diff := cmp.Diff(test.evaluation, m.EvaluationSplits()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestFiles(t *testing.T) {
	there := []string{"README.md", "croissant.json", "holdout/a.jpg", "holdout/deep/b.jpg", "labels.csv", "train/c.jpg", "train/drafts/d.jpg", "train/x/y/e.jpg"}
	for name, test := range map[string]struct {
		data        string
		missing     []string
		undescribed int
	}{
		"pictures":         {pictures, []string{"tables/gone.csv"}, 3}, // README.md, holdout/deep/b.jpg and the draft
		"generated":        {generated, nil, 7},
		"without files":    {`{"@type": "Dataset"}`, nil, 0},
		"in archives":      {`{"@type": "Dataset", "distribution": [{"@type": "FileObject", "@id": "z", "encodingFormat": "application/zip", "contentUrl": "https://example.org/z.zip"}, {"@type": "FileSet", "containedIn": "z", "includes": "*.jpg"}]}`, nil, 0},
		"in any folder":    {`{"@type": "Dataset", "distribution": {"@type": "FileSet", "includes": "*.jpg"}}`, nil, 2},
		"many wildcards":   {`{"@type": "Dataset", "distribution": {"@type": "FileSet", "includes": "` + strings.Repeat("**/", 5000) + `z"}}`, nil, 7},
		"a broken bracket": {`{"@type": "Dataset", "distribution": {"@type": "FileSet", "includes": "[/a"}}`, nil, 7},
	} {
		missing, undescribed := parse(t, test.data).Files(there)
		if diff := cmp.Diff(test.missing, missing); diff != "" || undescribed != test.undescribed {
			t.Errorf("%s: %s, %d are not described, want %d", name, diff, undescribed, test.undescribed)
		}
	}
}

// The document keeps what it had, in its order and to the digit, and bears the latest audit alone.
func TestAnnotate(t *testing.T) {
	summary := &v1alpha1.AuditSummary{
		Versions: v1alpha1.SummaryVersions{Runner: "v1"}, Dataset: v1alpha1.SummaryDataset{Digest: "sha256:00"},
		Layers: []v1alpha1.LayerSummary{{
			Layer: "features", Samples: 100, Clusters: 3, DuplicateSamples: 7, RedundantSamples: 4, EffectiveSize: 96, Leakage: &v1alpha1.LeakageSummary{Samples: 2},
			Splits: []v1alpha1.GroupSummary{{Name: "holdout", Samples: 20, DuplicateSamples: 2, EffectiveSize: 20}},
		}},
		Policy: &v1alpha1.SummaryPolicy{Compliant: metav1.ConditionFalse, Rules: []v1alpha1.RuleStatus{{Name: "no-leakage", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated}}},
	}
	theirs := strings.TrimSuffix(strings.TrimSpace(pictures), "}") + `, "http://mlcommons.org/croissant/RAI/dataLimitations": "No owls."}`
	first, err := parse(t, theirs).Annotate(summary, v1alpha1.MethodLocal, []string{"2 of 20 <samples> leak", "of last year"})
	if err != nil {
		t.Fatal(err)
	}
	summary.Layers[0].Clusters = 4
	data, err := parse(t, string(first)).Annotate(summary, v1alpha1.MethodLocal, []string{"2 of 20 samples leak"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	fields, err := fieldsOf(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		names = append(names, f.name)
	}
	want := []string{"@context", "@type", "name", "datePublished", "distribution", "recordSet", limitations, property}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(data), "20261129.50") || strings.Contains(string(data), "last year") {
		t.Errorf("a number has changed, or an old sentence stayed:\n%s", data)
	}
	var got struct {
		Limits []string       `json:"http://mlcommons.org/croissant/RAI/dataLimitations"`
		Audit  map[string]any `json:"https://datasetaudit.io/croissant/v1#audit"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"No owls.", "dataset-audit: 2 of 20 samples leak"}, got.Limits); diff != "" {
		t.Error(diff)
	}
	wantAudit := map[string]any{
		"@context": map[string]any{"@vocab": Vocabulary}, "@type": "Audit", "version": "v1", "datasetDigest": "sha256:00", "method": "Local", "layer": "features",
		"samples": 100.0, "duplicateSamples": 7.0, "redundantSamples": 4.0, "clusters": 4.0, "effectiveSize": 96.0, "leakedSamples": 2.0,
		"splits":    []any{map[string]any{"name": "holdout", "samples": 20.0, "duplicateSamples": 2.0, "effectiveSize": 20.0}},
		"compliant": "False", "rules": []any{map[string]any{"name": "no-leakage", "severity": "Fail", "outcome": "Violated"}},
	}
	if diff := cmp.Diff(wantAudit, got.Audit); diff != "" {
		t.Error(diff)
	}
}

// No document ends the program, and one that is read can be written, and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(pictures))
	f.Add([]byte(generated))
	f.Add([]byte(`{"@type":"Dataset","@type":"Dataset"}`))
	summary := &v1alpha1.AuditSummary{Layers: []v1alpha1.LayerSummary{{}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		m.Format()
		m.Files([]string{"a/b.jpg"})
		splits := m.EvaluationSplits()
		written, err := m.Annotate(summary, v1alpha1.MethodLocal, []string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(written)
		if err != nil || !slices.Equal(again.EvaluationSplits(), splits) {
			t.Fatalf("%v: %q, then %q", err, splits, again.EvaluationSplits())
		}
	})
}

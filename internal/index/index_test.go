package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/test/s3server"
)

// day is when a run was complete: so many days after the first of January.
func day(n int) time.Time { return time.Date(2026, 1, 1+n, 12, 0, 0, 0, time.UTC) }

// summaryOf is a summary of the API's type, which later changes are made to.
func summaryOf(audit, run string, n int, change func(*v1alpha1.AuditSummary)) *v1alpha1.AuditSummary {
	completed := metav1.NewTime(day(n))
	s := &v1alpha1.AuditSummary{
		SchemaVersion: v1alpha1.SummarySchemaVersion,
		Run:           v1alpha1.SummaryRun{ID: run, Audit: audit, CompletedAt: &completed},
		Dataset:       v1alpha1.SummaryDataset{Samples: 1000, Location: "s3://lake/cars", Digest: "sha256:" + strings.Repeat("ab", 32)},
		Model:         &v1alpha1.SummaryModel{Name: "mobilenet.onnx", SHA256: strings.Repeat("cd", 32), Digest: strings.Repeat("ef", 32)},
		Layers: []v1alpha1.LayerSummary{{
			Layer: "conv", Samples: 1000, Clusters: 40, DuplicateSamples: 100, EffectiveSize: 940,
			Threshold: v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdSlope}, Leakage: &v1alpha1.LeakageSummary{Samples: 7},
		}},
	}
	if change != nil {
		change(s)
	}
	return s
}

func encoded(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// placeWith is a local folder with files.
func placeWith(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "audits")
	fill(t, dir, files)
	return dir
}

func fill(t testing.TB, location string, files map[string]string) {
	t.Helper()
	bucket, err := storage.Create(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	for key, content := range files {
		if err := bucket.WriteAll(t.Context(), key, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
}

func collect(t testing.TB, location string) *Index {
	t.Helper()
	x, err := Collect(t.Context(), location, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// mixed is what a place may hold.
func mixed(t *testing.T) map[string]string {
	violated := func(s *v1alpha1.AuditSummary) {
		s.Policy = &v1alpha1.SummaryPolicy{Compliant: metav1.ConditionFalse, Rules: []v1alpha1.RuleStatus{
			{Name: "no-leakage", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated},
			{Name: "warned", Severity: v1alpha1.SeverityWarn, Outcome: v1alpha1.RuleViolated},
			{Name: "held", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleFulfilled},
		}}
		s.Layers = append(s.Layers, v1alpha1.LayerSummary{Layer: "second"})
	}
	local := func(s *v1alpha1.AuditSummary) {
		s.Model = nil
		s.Layers[0].Local, s.Layers[0].Leakage = &v1alpha1.LocalSummary{}, nil
	}
	newer := func(s *v1alpha1.AuditSummary) { s.SchemaVersion = v1alpha1.SummarySchemaVersion + 1 }
	negative := func(s *v1alpha1.AuditSummary) { s.Layers[0].Clusters = -1 }
	return map[string]string{
		"vision/cars/r1/summary.json":       encoded(t, summaryOf("vision/cars", "r1", 1, nil)),
		"vision/cars/r1/report.html":        "page",
		"vision/cars/r2/summary.json":       encoded(t, summaryOf("vision/cars", "r2", 2, nil)),
		"by hand/out 1%/summary.json":       encoded(t, summaryOf("images", "", 3, violated)),
		"by hand/out 1%/report.html":        "page",
		"summary.json":                      encoded(t, summaryOf("", "", 4, local)),
		"vision/.vectors/x/summary.json":    encoded(t, summaryOf("vision/hidden", "", 5, nil)),
		".work/summary.json":                encoded(t, summaryOf("vision/hidden", "", 5, nil)),
		"bad/broken/summary.json":           `{"schemaVersion": 1, "layers": [`,
		"bad/foreign/summary.json":          `{"total": {"lines": {"pct": 97}}}`,
		"bad/large/summary.json":            strings.Repeat(" ", maxSummary+1),
		"bad/list/summary.json":             `[]`,
		"bad/negative/summary.json":         encoded(t, summaryOf("x", "", 1, negative)),
		"bad/newer/summary.json":            encoded(t, summaryOf("x", "", 1, newer)),
		"odd/summary.json/sub/summary.json": encoded(t, summaryOf("odd", "", 5, local)),
		"odd/my-summary.json":               "{}",
		"odd/summary.json.gz":               "{}",
	}
}

// A folder and an object store are read the same way.
func TestCollect(t *testing.T) {
	for name, place := range map[string]func(t *testing.T) string{
		"folder": func(t *testing.T) string { return filepath.Join(t.TempDir(), "audits") },
		"S3":     func(t *testing.T) string { return "s3://bucket/audits" + s3server.Start(t, "bucket") },
	} {
		t.Run(name, func(t *testing.T) {
			location := place(t)
			fill(t, location, mixed(t))
			x := collect(t, location)

			digest, model := "sha256:"+strings.Repeat("ab", 32), strings.Repeat("ef", 32)
			run := func(folder, id string, n int) Run {
				return Run{
					Folder: folder, ID: id, Completed: day(n), Layer: "conv", Layers: 1, Samples: 1000, Duplicates: 100, Clusters: 40, Effective: 940,
					Leaked: new(int64(7)), Method: "Reference by Slope", Model: "mobilenet.onnx", ModelDigest: model, Location: "s3://lake/cars", Digest: digest,
				}
			}
			local := func(folder string, n int) Run {
				r := run(folder, "", n)
				r.Leaked, r.Method, r.Model, r.ModelDigest = nil, "Local", "", ""
				return r
			}
			hand, first := run("by hand/out 1%", "", 3), run("vision/cars/r1", "r1", 1)
			hand.Report, hand.Verdict, hand.Violated, hand.Layers = true, metav1.ConditionFalse, "no-leakage", 2
			first.Report = true
			want := []Audit{
				{Name: "images", Runs: []Run{hand}},
				{Name: "vision/cars", Runs: []Run{run("vision/cars/r2", "r2", 2), first}},
				{Name: ".", Runs: []Run{local(".", 4)}},
				{Name: "odd", Runs: []Run{local("odd/summary.json/sub", 5)}},
			}
			if diff := cmp.Diff(want, x.Audits, cmpopts.IgnoreUnexported(Run{})); diff != "" {
				t.Errorf("audits (-want +got):\n%s", diff)
			}
			if x.Runs != 5 || x.Passed != 0 {
				t.Errorf("%d runs, %d passed over", x.Runs, x.Passed)
			}
			why := map[string]string{
				"bad/broken": "not JSON", "bad/foreign": "another program", "bad/large": "too large", "bad/list": "not JSON",
				"bad/negative": "damaged", "bad/newer": "its schemaVersion is 2",
			}
			for _, u := range x.Unread {
				if says, ok := why[u.Folder]; !ok || !strings.Contains(u.Reason, says) || strings.Contains(u.Reason, "audits") {
					t.Errorf("%s: %s", u.Folder, u.Reason)
				}
				delete(why, u.Folder)
			}
			if len(why) > 0 {
				t.Errorf("read all the same: %v", why)
			}
		})
	}
}

// What is not a file of its own is not opened, and no link is followed.
func TestCollectOddFiles(t *testing.T) {
	dir := placeWith(t, map[string]string{"a/out/summary.json": encoded(t, summaryOf("a", "", 1, nil))})
	for name, put := range map[string]func(path string) error{
		"directory/summary.json": func(path string) error { return os.MkdirAll(path, 0o755) },
		"latest":                 func(path string) error { return os.Symlink("a/out", path) },
		"loop":                   func(path string) error { return os.Symlink(".", path) },
		"linked/summary.json":    func(path string) error { return os.Symlink("../a/out/summary.json", path) },
		"huge/summary.json": func(path string) error {
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(path, 100<<20)
		},
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := put(path); err != nil {
			t.Fatal(err)
		}
	}
	x := collect(t, dir)
	want := []Unread{{"huge", "the object is too large: 104857600 bytes, at most 1048576 are read"}}
	if diff := cmp.Diff(want, x.Unread); diff != "" || x.Runs != 1 {
		t.Errorf("%d runs, unread (-want +got):\n%s", x.Runs, diff)
	}
}

func TestCollectNothing(t *testing.T) {
	broken := placeWith(t, map[string]string{"x/summary.json": "{"})
	for name, tc := range map[string]struct {
		location, says string
		none           bool
	}{
		"empty":      {t.TempDir(), "no results of audits: name the --out", true},
		"all unread": {broken, "1 place there could not be read: x: not JSON", true},
		"absent":     {filepath.Join(t.TempDir(), "absent"), "no such file", false},
		"a file":     {filepath.Join(broken, "x", "summary.json"), "not a directory", false},
		"not known":  {"ftp://x", "scheme", false},
	} {
		_, err := Collect(t.Context(), tc.location, nil)
		if err == nil || !strings.Contains(err.Error(), tc.says) || errors.Is(err, ErrNone) != tc.none {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Collect(ended, placeWith(t, mixed(t)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

func TestCollectEmptyStorage(t *testing.T) {
	location := "s3://bucket/audits" + s3server.Start(t, "bucket")
	if _, err := Collect(t.Context(), location, nil); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "s3://bucket/audits holds no results") {
		t.Error(err)
	}
}

// Runs belong together that name the same audit and lie in one folder, and only the newest ones are kept.
func TestGroups(t *testing.T) {
	files := map[string]string{}
	for i := range maxRuns + 7 {
		files[fmt.Sprintf("vision/cars/r%02d/summary.json", i*37%(maxRuns+7))] = encoded(t, summaryOf("vision/cars", "r", i, nil))
	}
	for folder, audit := range map[string]string{
		"evil/x/r1": "vision/cars", "images/a": "images", "images/b": "images", "elsewhere/images": "images", "nameless/a": "", "nameless/b": "",
	} {
		files[folder+"/summary.json"] = encoded(t, summaryOf(audit, "", 100, nil))
	}
	x := collect(t, placeWith(t, files))
	type group struct {
		Name        string
		Kept, Older int
		Newest      time.Time
		Folder      string
	}
	var got []group
	for _, a := range x.Audits {
		got = append(got, group{a.Name, len(a.Runs), a.Older, a.Runs[0].Completed, a.Runs[0].Folder})
		for i := 1; i < len(a.Runs); i++ {
			if a.Runs[i].Completed.After(a.Runs[i-1].Completed) {
				t.Errorf("%s: %s comes after %s", a.Name, a.Runs[i].Completed, a.Runs[i-1].Completed)
			}
		}
	}
	want := []group{
		{"images", 1, 0, day(100), "elsewhere/images"},
		{"images", 2, 0, day(100), "images/a"},
		{"nameless/a", 2, 0, day(100), "nameless/a"},
		{"vision/cars", 1, 0, day(100), "evil/x/r1"},
		{"vision/cars", maxRuns, 7, day(maxRuns + 6), fmt.Sprintf("vision/cars/r%02d", (maxRuns+6)*37%(maxRuns+7))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestWorstFirst(t *testing.T) {
	run := func(verdict metav1.ConditionStatus, leaked, duplicates int64) Run {
		r := Run{Verdict: verdict, Samples: 100, Duplicates: duplicates}
		if leaked >= 0 {
			r.Leaked = &leaked
		}
		return r
	}
	var runs []Run
	want := []string{"violated and leaks", "violated", "leaks most", "leaks but fulfilled", "undecided", "duplicates", "clean", "not judged"}
	for i, r := range []Run{
		run(metav1.ConditionFalse, 3, 5), run(metav1.ConditionFalse, 0, 5), run("", 9, 0), run(metav1.ConditionTrue, 8, 50),
		run(metav1.ConditionUnknown, 0, 1), run("", 0, 90), run(metav1.ConditionTrue, 0, 0), run("", -1, 0),
	} {
		r.audit, r.Folder = want[i], want[i]
		runs = append([]Run{r}, runs...)
	}
	var got []string
	for _, a := range group(runs) {
		got = append(got, a.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// Thousands of audits are read and fit on a page.
func TestMany(t *testing.T) {
	dir := t.TempDir()
	const audits, runs = 600, 5
	for i := range audits * runs {
		folder := filepath.Join(dir, "ns", fmt.Sprint("audit-", i%audits), fmt.Sprint("r", i/audits))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		data := encoded(t, summaryOf(fmt.Sprint("ns/audit-", i%audits), "r", i/audits, nil))
		if err := os.WriteFile(filepath.Join(folder, "summary.json"), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	x := collect(t, dir)
	page := written(t, x)
	if len(x.Audits) != audits || x.Runs != audits*runs || len(page) > audits*runs*3000 {
		t.Errorf("%d audits, %d runs, a page of %d bytes", len(x.Audits), x.Runs, len(page))
	}
}

// Whatever a summary holds, what is kept of it is bounded and can be shown.
func FuzzParse(f *testing.F) {
	f.Add([]byte(encoded(f, summaryOf("vision/cars", "r1", 1, nil))))
	f.Add([]byte(`{"schemaVersion":1,"dataset":{"digest":"d"},"layers":[{}],"policy":{}}`))
	f.Add([]byte(`{"schemaVersion":1,"dataset":{"digest":"d"},"layers":[{"samples":9223372036854775807}]}`))
	f.Add([]byte("{\"schemaVersion\":1,\"run\":{\"audit\":\"\xff/\u202e\"},\"dataset\":{\"digest\":\"d\"},\"layers\":[{}],\"model\":{}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		for _, s := range []string{r.ID, r.audit, r.Layer, r.Method, r.Model, r.ModelDigest, r.Location, r.Digest} {
			if len(s) > maxText || !utf8.ValidString(s) {
				t.Errorf("%d bytes: %q", len(s), s)
			}
		}
		r.Folder = "a/b"
		older := *r
		older.Folder, older.Samples, older.Leaked = "a/c", 0, new(int64(3))
		x := &Index{Audits: group([]Run{*r, older}), Runs: 2}
		if err := x.Write(&bytes.Buffer{}, day(0), ".", true); err != nil {
			t.Error(err)
		}
	})
}

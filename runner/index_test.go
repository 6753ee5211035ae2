package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/test/s3server"
)

// storeSummary puts a summary where an audit would.
func storeSummary(t *testing.T, location string) {
	t.Helper()
	bucket, err := storage.Create(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	completed := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	data, err := json.Marshal(&v1alpha1.AuditSummary{
		SchemaVersion: v1alpha1.SummarySchemaVersion,
		Run:           v1alpha1.SummaryRun{ID: "r1", Audit: "vision/cars", CompletedAt: &completed},
		Dataset:       v1alpha1.SummaryDataset{Samples: 10, Digest: "sha256:ab", Location: "<script>alert(1)</script>"},
		Layers:        []v1alpha1.LayerSummary{{Layer: "conv", Samples: 10, Leakage: &v1alpha1.LeakageSummary{Samples: 2}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.WriteAll(t.Context(), v1alpha1.FileSummary, data); err != nil {
		t.Fatal(err)
	}
}

// The page lies beside the results unless it is asked for elsewhere, and takes the place of its like alone.
func TestIndex(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audits")
	storeSummary(t, filepath.Join(dir, "vision", "cars", "r1"))
	storeSummary(t, filepath.Join(dir, "vision", "cars", "r2"))
	index := func(want v1alpha1.ExitCode, says string, args ...string) {
		t.Helper()
		code, stdout, stderr := run(t, append([]string{"index"}, args...)...)
		if code != int(want) || !strings.Contains(stdout+stderr, says) {
			t.Errorf("%v: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
	holds := func(file, link string) {
		t.Helper()
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(page); !strings.Contains(got, `href="`+link) || !strings.Contains(got, "no verdict stored") || strings.Contains(got, "<script>alert") {
			t.Errorf("%s has no %s, or something else is wrong with it:\n%s", file, link, got)
		}
	}
	page := filepath.Join(dir, "index.html")
	index(0, page+" shows 1 audit with 2 runs.\n", dir)
	holds(page, "./vision/cars/r1/summary.json")
	index(0, "1 audit", dir) // its own page gives way
	nested := filepath.Join(dir, "..", "pages", "all.html")
	index(0, "1 audit", dir, "--out", nested)
	holds(nested, "../audits/vision/cars/r1/summary.json")

	if err := os.MkdirAll(filepath.Join(dir, "bad"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad", "summary.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	index(0, "1 place could not be read", dir)

	if err := os.WriteFile(page, []byte("<html>of somebody else"), 0o600); err != nil {
		t.Fatal(err)
	}
	index(v1alpha1.ExitInvalidUsage, "did not write: name another file with --out", dir)
	if kept, err := os.ReadFile(page); err != nil || string(kept) != "<html>of somebody else" {
		t.Errorf("%q, %v", kept, err)
	}
	index(v1alpha1.ExitInvalidUsage, "is a folder: name a file, such as", dir, "--out", t.TempDir())
	index(v1alpha1.ExitInvalidUsage, "no results of audits: name the --out", t.TempDir())
	index(v1alpha1.ExitInvalidUsage, "no such file", filepath.Join(dir, "absent"))
	index(v1alpha1.ExitInvalidUsage, "is not known", "ftp://host/audits")
	index(v1alpha1.ExitInvalidUsage, "--help")
}

func TestIndexOfObjectStorage(t *testing.T) {
	options := s3server.Start(t, "audits", "pages")
	storeSummary(t, v1alpha1.RunURL("s3://audits/all"+options, "vision", "cars", "r1"))
	for _, tc := range []struct {
		out, says, bucket, key, link string
	}{
		{"", "s3://audits/all/index.html shows 1 audit", "s3://audits", "all/index.html", `href="./vision/cars/r1/summary.json"`},
		{"s3://audits/x/page.html" + options, "s3://audits/x/page.html shows", "s3://audits", "x/page.html", `href="../all/vision/cars/r1/summary.json"`},
		{"s3://pages/page.html" + options, "s3://pages/page.html shows", "s3://pages", "page.html", "This page lies elsewhere"},
	} {
		args := []string{"index", "s3://audits/all" + options}
		if tc.out != "" {
			args = append(args, "--out", tc.out)
		}
		for range 2 {
			if code, stdout, stderr := run(t, args...); code != 0 || !strings.Contains(stdout, tc.says) {
				t.Fatalf("exit %d: %s%s", code, stdout, stderr)
			}
		}
		bucket, err := storage.Open(t.Context(), tc.bucket+options)
		if err != nil {
			t.Fatal(err)
		}
		page, err := bucket.ReadAll(t.Context(), tc.key, 1<<20)
		if err != nil || !strings.Contains(string(page), tc.link) || strings.Contains(string(page), "endpoint") {
			t.Errorf("%s: %v\n%s", tc.key, err, page)
		}
		_ = bucket.Close()
	}
	if code, _, stderr := run(t, "index", "s3://pages/empty"+options); code != int(v1alpha1.ExitInvalidUsage) || !strings.Contains(stderr, "no results of audits") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

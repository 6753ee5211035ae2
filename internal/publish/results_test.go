package publish

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// folder is one of results with these files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What arrives are the bytes of the file, whatever JSON would escape; the progress goes.
func TestWriteSummary(t *testing.T) {
	server := newAPIServer("result", "clusters")
	server.maps["vision/result"] = configMap{Data: map[string]string{v1alpha1.FileProgress: "{}", "other": "stays"}}
	text := "{\"a\": \"<&>\\u0041\u2028\u00e9\\\\ \U0001F697\x7f\"}\r\n\t\n"
	m := connected(t, server)
	for _, location := range []string{"", "file://"} {
		data, err := ReadSummary(t.Context(), location+folder(t, map[string]string{v1alpha1.FileSummary: text}))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteSummary(t.Context(), data); err != nil {
			t.Fatal(err)
		}
		want := configMap{Data: map[string]string{v1alpha1.FileSummary: text, "other": "stays"}, BinaryData: map[string][]byte{}}
		if diff := cmp.Diff(want, server.maps["vision/result"]); diff != "" {
			t.Errorf("the ConfigMap differs (-want +got):\n%s", diff)
		}
	}
}

func TestReadSummaryRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		out     string
		message string
	}{
		"one that isn't there":    {folder(t, nil), "no such file"},
		"a folder that isn't":     {filepath.Join(t.TempDir(), "none"), "none"},
		"one byte too many":       {folder(t, map[string]string{v1alpha1.FileSummary: strings.Repeat(" ", v1alpha1.MaxResultBytes+1)}), "too large"},
		"bytes that are not text": {folder(t, map[string]string{v1alpha1.FileSummary: "\xff"}), "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSummary(t.Context(), test.out)
			checkError(t, err, v1alpha1.ExitStorage, "results: ", test.message)
		})
	}
	t.Run("not one that just fits", func(t *testing.T) {
		data, err := ReadSummary(t.Context(), folder(t, map[string]string{v1alpha1.FileSummary: strings.Repeat(" ", v1alpha1.MaxResultBytes)}))
		if err != nil || len(data) != v1alpha1.MaxResultBytes {
			t.Errorf("%d bytes, error %v", len(data), err)
		}
	})
}

func TestWriteClusters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for name, test := range map[string]struct {
		text string
		want map[string]string // Data
	}{
		"none": {"", nil},
		"few":  {lines(random, "a", 20), nil},
		"many": {lines(random, "a", 20_000), map[string]string{v1alpha1.KeyTruncated: ""}}, // the value is checked below
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer("result", "clusters")
			digest, err := connected(t, server).WriteClusters(t.Context(), folder(t, map[string]string{v1alpha1.FileClusters: test.text}))
			if err != nil {
				t.Fatal(err)
			}
			got := server.maps["vision/clusters"]
			compressed := got.BinaryData[v1alpha1.FileClustersGzip]
			if want := fmt.Sprintf("%x", sha256.Sum256(compressed)); digest != want {
				t.Errorf("the digest is %s, want %s", digest, want)
			}
			text := string(gunzip(t, compressed))
			if len(compressed) > v1alpha1.MaxClustersBytes || !strings.HasPrefix(test.text, text) {
				t.Errorf("%d bytes of clusters, or not the first ones", len(compressed))
			}
			if test.want == nil {
				if len(got.Data) != 0 || text != test.text {
					t.Errorf("clusters were cut that would fit: %v", got.Data)
				}
				return
			}
			listed := strings.Count(text, "\n")
			want := map[string]string{v1alpha1.KeyTruncated: fmt.Sprintf(`{"clusters":%d,"listed":%d}`, strings.Count(test.text, "\n"), listed)}
			if diff := cmp.Diff(want, got.Data); diff != "" {
				t.Errorf("the data differ (-want +got):\n%s", diff)
			}
			if len(compressed) < v1alpha1.MaxClustersBytes*99/100 {
				t.Errorf("only %d bytes were used", len(compressed))
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		_, err := connected(t, newAPIServer("clusters")).WriteClusters(t.Context(), t.TempDir())
		checkError(t, err, v1alpha1.ExitStorage, "results: clusters.jsonl: ", "no such file")
	})
}

// The record is patched where the API server has it, and a refusal says which object it was.
func TestWriteRecord(t *testing.T) {
	server := newAPIServer("record")
	maps := connected(t, server)
	maps.Record = "record"
	if err := maps.WriteRecord(t.Context(), v1alpha1.TerminationMessage{SummarySHA256: "abc", Samples: 3}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`{"result":{"summarySHA256":"abc","samples":3}}`}, bodies(server)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func bodies(s *apiServer) []string {
	var out []string
	for _, r := range s.requests {
		out = append(out, r.Body)
	}
	return out
}

// lines are n clusters of a layer, in the shape of package report's.
func lines(random *rand.Rand, layer string, n int) string {
	var out strings.Builder
	name, err := json.Marshal(layer)
	if err != nil {
		panic(err) // a string
	}
	for i := range n {
		fmt.Fprintf(&out, `{"layer":%s,"cluster":%d,"size":2,"mean":%v,"key":"%016x","members":[`, name, i, random.Float64(), random.Uint64())
		for j := range 2 + random.IntN(3) {
			fmt.Fprintf(&out, `%.*s{"id":"train/automobile/%05d.jpg","distance":%v}`, min(j, 1), ",", random.IntN(60000), random.Float64())
		}
		out.WriteString("]}\n")
	}
	return out.String()
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" {
		t.Errorf("the header has a time or a name: %v %q", z.ModTime, z.Name)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

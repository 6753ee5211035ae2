package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// TestLocal audits by method Local with a second look, kills it, damages what it keeps, and compares: brightened copies
// are found, with what was seen of them, and the findings are the same bytes.
func TestLocal(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	const copies = 20
	for i := range copies {
		f.write(t, filepath.Join("images", "train", "cat", fmt.Sprintf("brighter-%02d.png", i)), brighter(t, f.read(t, f.sample(50*i+3))))
	}
	spec := strings.Replace(manifest("ImageFolder", ""), `duplicates: {threshold: {strategy: Percentile, percentile: "99"}}`, "duplicates: {method: Local, inspection: Pixels}", 1)
	f.write(t, "audit.yaml", []byte(strings.Replace(spec, "reduction: {pca: {components: 8}}", "", 1)))

	first := t.TempDir()
	if code, _, stderr := run(t, f.audit(first, "--threads", "1")...); code != 0 || !strings.Contains(stderr, "Inspect") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	want := resultFiles(t, first)
	table, err := csv.NewReader(strings.NewReader(want[v1alpha1.FilePairs])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, row := range table[1:] {
		if strings.Contains(row[3]+row[4], "brighter") {
			if seen++; !strings.HasPrefix(row[7], "0.9") && row[7] != "1.0000" || row[8] != "unchanged" {
				t.Errorf("%v", row)
			}
		}
	}
	var summary v1alpha1.AuditSummary
	if err := json.Unmarshal([]byte(want[v1alpha1.FileSummary]), &summary); err != nil {
		t.Fatal(err)
	}
	local := summary.Layers[0].Local
	if seen != copies || local == nil || local.Pairs < copies || local.Pairs > copies+5 || local.Rate != "0.01" || local.Inspection.Pairs < local.Pairs {
		t.Errorf("%d of %d copies are found: %+v", seen, copies, local)
	}

	work := filepath.Join(t.TempDir(), "work")
	random := rand.New(rand.NewPCG(6, 6))
	for range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(400+random.IntN(1200))*time.Millisecond)
		_ = runner(ctx, f.audit(t.TempDir(), "--work", work)...).Run() // killed, or just done
		cancel()
	}
	again := func(name string) {
		t.Helper()
		out := t.TempDir()
		if code, _, stderr := run(t, f.audit(out, "--work", work, "--threads", "2")...); code != 0 {
			t.Fatalf("%s: exit %d: %s", name, code, stderr)
		}
		if diff := cmp.Diff(want, resultFiles(t, out)); diff != "" {
			t.Errorf("%s: the findings differ (-want +got):\n%s", name, diff)
		}
	}
	again("after six kills")
	sketches := filepath.Join(work, "sketches.bin")
	data, err := os.ReadFile(sketches)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sketches, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	again("with half of the sketches")
}

// brighter adds a little to each value of a PNG file.
func brighter(t *testing.T, data []byte) []byte {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(decoded.Bounds())
	draw.Draw(img, img.Rect, decoded, image.Point{}, draw.Src)
	for i := range img.Pix {
		img.Pix[i] = uint8(min(int(img.Pix[i])+4, 255))
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

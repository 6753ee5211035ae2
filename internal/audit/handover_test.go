package audit

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What stage Embed left in an earlier run, perhaps by another model, is not taken for this one's.
func TestHandoversOfRuns(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		img := image.NewGray(image.Rect(0, 0, 8, 8))
		for k := range 64 {
			img.SetGray(k%8, k/8, color.Gray{uint8(i * k)})
		}
		file, err := os.Create(filepath.Join(dir, strconv.Itoa(i)+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(file, img); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	audit := parse(t, "  dataset: {format: ImageFolder, source: {objectStorage: {url: \"s3://x\"}}}\n  model: {builtin: Pixels}\n  output: {objectStorage: {url: \"s3://x\"}}\n")
	work := t.TempDir()
	run := func(id string, embedded bool) *Run {
		return &Run{ID: id, Audit: audit, InputSHA256: strings.Repeat("ab", 32), Dataset: dir, Out: t.TempDir(), Work: work, Threads: 2, Progress: silent{}, Embedded: embedded}
	}
	if err := run("one", false).Embed(t.Context(), 0, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := run("two", true).Execute(t.Context()); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("the vectors of another run are taken: %v", err)
	}
	summary, err := run("one", true).Execute(t.Context())
	if err != nil || summary.Cost.ReusedSamples != 20 {
		t.Errorf("%+v, %v", summary, err)
	}
}

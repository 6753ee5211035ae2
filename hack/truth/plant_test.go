package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/edits"
)

// originals writes pictures of random blocks.
func originals(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		picture := image.NewRGBA(image.Rect(0, 0, 24, 24))
		for y := 0; y < 24; y += 6 {
			for x := 0; x < 24; x += 6 {
				c := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
				for k := range 36 {
					picture.SetRGBA(x+k%6, y+k/6, c)
				}
			}
		}
		content, err := edits.Encode(picture, ".png", edits.Quality)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(filepath.Join(dir, fmt.Sprintf("train/c/%03d.png", i)), content); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPlant(t *testing.T) {
	from := originals(t, 60)
	used := map[string]int{}
	for half := range 2 {
		to := t.TempDir()
		if err := writePlanted(from, to, half, 2, 7); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(to, "truth.json"))
		if err != nil {
			t.Fatal(err)
		}
		var got truth
		if err := json.Unmarshal(content, &got); err != nil {
			t.Fatal(err)
		}
		there := map[string][]byte{}
		err = filepath.WalkDir(filepath.Join(to, "images"), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name, _ := filepath.Rel(filepath.Join(to, "images"), file)
			there[name], err = os.ReadFile(file)
			return err
		})
		if err != nil || len(there) != got.Samples || got.Samples != 30+2*len(planted) || len(got.Planted) != 2*len(planted) {
			t.Fatalf("%d files of %d, %d planted, %v", len(there), got.Samples, len(got.Planted), err)
		}
		copies := map[string]bool{}
		for _, c := range got.Planted {
			copies[c.Copy] = true
			if there[c.Source] == nil || there[c.Copy] == nil || bytes.Equal(there[c.Source], there[c.Copy]) {
				t.Errorf("%+v", c)
			}
			used[c.Source]++
			if _, _, err := image.Decode(bytes.NewReader(there[c.Copy])); err != nil {
				t.Errorf("%s: %v", c.Copy, err)
			}
		}
		for name := range there {
			if !copies[name] {
				used[name] += 10
			}
		}
		again := t.TempDir()
		if err := writePlanted(from, again, half, 2, 7); err != nil {
			t.Fatal(err)
		}
		same, err := os.ReadFile(filepath.Join(again, "truth.json"))
		if diff := cmp.Diff(string(content), string(same)); diff != "" || err != nil {
			t.Errorf("the same seed plants something else: %v\n%s", err, diff)
		}
	}
	if len(used) != 60 {
		t.Errorf("%d originals in both halves", len(used))
	}
	for name, n := range used {
		if n != 10 && n != 11 {
			t.Errorf("%s is in several halves or was copied several times (%d)", name, n)
		}
	}
	if _, err := plant(from, t.TempDir(), 0, 100, 1); err == nil {
		t.Error("more copies than images")
	}
}

package main

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/internal/edits"
)

func TestEvaluate(t *testing.T) {
	planted := []copied{{"crop", "a", "a1"}, {"crop", "b", "b1"}, {"text", "c", "c1"}}
	was := func(a, b string) bool { return a == "x" && b == "y" }
	ranking := []pair{
		newPair("a1", "a", .1),
		newPair("y", "x", .2), // a copy from before: as if it weren't there
		newPair("p", "q", .3),
		newPair("c", "c1", .4),
		newPair("p", "r", .5), newPair("p", "s", .5),
		newPair("b", "b1", .6),
	}
	got := evaluate(planted, ranking[:4], ranking, was)
	want := score{
		planted: map[string]int{"crop": 2, "text": 1}, found: map[string]int{"crop": 1, "text": 1}, others: 1, pairs: 4,
		ranked: (1./1 + 2./3 + 3./6) / 3,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(score{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.recall() != 2./3 || got.precision() != 2./3 {
		t.Errorf("recall %g, precision %g", got.recall(), got.precision())
	}
	r := newResults()
	r.add("one", got)
	r.add("one", got)
	var out bytes.Buffer
	r.print(&out, "Title")
	if !strings.Contains(out.String(), "\n| one | 4 | 0.667 | 0.667 | 0.722 | 0 | 0.50 | 1.00 |") {
		t.Error(out.String())
	}
	if chain := largestChain([]pair{newPair("a", "b", 0), newPair("c", "d", 0), newPair("b", "c", 0), newPair("x", "y", 0)}); chain != 4 {
		t.Errorf("the largest chain has %d", chain)
	}
}

// picture is a few random discs.
func picture(seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 9))
	out := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for range 20 {
		cx, cy, radius := 64*r.Float64(), 64*r.Float64(), 4+12*r.Float64()
		c := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
		for y := range 64 {
			for x := range 64 {
				if math.Hypot(float64(x)-cx, float64(y)-cy) < radius {
					out.SetRGBA(x, y, c)
				}
			}
		}
	}
	return out
}

// The oracle and the hashes see what they can: hashes no mirrored image, the oracle none that is turned by much.
func TestOracleAndHashes(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	save := func(name string, edit edits.Edit, seed uint64) {
		edited, quality := edit.Apply(r, picture(seed))
		content, err := edits.Encode(edited, ".png", quality)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(filepath.Join(dir, name), content); err != nil {
			t.Fatal(err)
		}
	}
	save("c/original.png", edits.Brightness(0, 0), 1)
	save("c/mirrored.png", edits.Mirror(), 1)
	save("c/moved.png", edits.Shift(4, 4), 1)
	save("c/darker.png", edits.Brightness(.2, .2), 1)
	save("c/other.png", edits.Brightness(0, 0), 2)
	if err := os.WriteFile(filepath.Join(dir, "gray"), []byte("no image"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := newOracle(dir)
	for name, want := range map[string]bool{"c/mirrored.png": true, "c/moved.png": true, "c/darker.png": true, "c/other.png": false, "gray": false} {
		if got := o.copies("c/original.png", name); got != want {
			t.Errorf("%s is a copy: %v", name, got)
		}
	}
	if err := os.Remove(filepath.Join(dir, "gray")); err != nil {
		t.Fatal(err)
	}
	for _, m := range hashMethods {
		pairs, err := hashPairs(dir, m.hash, hashBits)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, p := range pairs {
			found[p.a+" "+p.b] = true
		}
		if !found["c/darker.png c/original.png"] || found["c/mirrored.png c/original.png"] || found["c/original.png c/other.png"] {
			t.Errorf("%s: %v", m.name, pairs)
		}
	}
}

// TestEmbeddings audits embeddings as the bench does, with and without copies among them.
func TestEmbeddings(t *testing.T) {
	if testing.Short() {
		t.Skip("the runner is built: not with -short")
	}
	dir := t.TempDir()
	a := auditor{filepath.Join(dir, "runner"), dir}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", a.runner, "../../runner")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	n := newNulls(3)[1]
	for copies, least := range map[int]int{0: 0, 100: 98} {
		if err := writeNPY(filepath.Join(dir, "embeddings", "embeddings.npy"), n.draw(3, copies, 0.05)); err != nil {
			t.Fatal(err)
		}
		found, err := a.embeddings(t.Context(), dir, map[string]any{"method": "Local"})
		if err != nil {
			t.Fatal(err)
		}
		hits := 0
		for _, p := range found.pairs {
			if sourceOf(p.a, copies) == sourceOf(p.b, copies) {
				hits++
			}
		}
		if hits < least || len(found.pairs)-hits > 2 || found.summary.Layers[0].Samples != rows || copies > 0 && found.largest != 2 {
			t.Errorf("%d copies: %d of %d pairs are, the largest cluster has %d", copies, hits, len(found.pairs), found.largest)
		}
	}
}

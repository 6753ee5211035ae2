package publish

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// slowTightest tries every k, one after another, and knows a layer by its name as JSON.
func slowTightest(t *testing.T, text string, limit int) (list string, listed int) {
	t.Helper()
	var ranks []int // of each line within its layer, from 1
	counts := map[string]int{}
	for line := range strings.Lines(text) {
		var cluster struct{ Layer string }
		if err := json.Unmarshal([]byte(line), &cluster); err != nil {
			t.Fatal(err)
		}
		counts[cluster.Layer]++
		ranks = append(ranks, counts[cluster.Layer])
	}
	for k := 0; ; k++ {
		var kept strings.Builder
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		i, n := 0, 0
		for line := range strings.Lines(text) {
			if ranks[i] <= k {
				n++
				kept.WriteString(line)
				_, _ = io.WriteString(z, line) // to memory
			}
			i++
		}
		_ = z.Close() // to memory
		if out.Len() > limit {
			return list, listed
		}
		list, listed = kept.String(), n
		if n == len(ranks) {
			return list, listed
		}
	}
}

func TestTightest(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	same := strings.Repeat(`{"layer":"same","cluster":1,"size":2}`+"\n", 400)
	texts := map[string]string{
		"none":               "",
		"one":                lines(random, "a", 1),
		"one layer":          lines(random, "embeddings", 300),
		"a long layer first": lines(random, "a", 400) + lines(random, "b", 5) + lines(random, "c", 60),
		"a long layer last":  lines(random, "a", 3) + lines(random, "b", 70) + lines(random, "c", 300),
		"names alike":        lines(random, `conv`, 30) + lines(random, `conv","cluster":1`, 30) + lines(random, `conv,"cluster":`, 30),
		"lines alike":        same + lines(random, "b", 100),
	}
	for name, text := range texts {
		for _, limit := range []int{30, 500, 1000, 4000, 1 << 20} {
			t.Run(fmt.Sprint(name, " in ", limit), func(t *testing.T) {
				got, err := tightest(strings.NewReader(text), limit)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.compressed) > limit {
					t.Errorf("%d bytes, more than %d", len(got.compressed), limit)
				}
				want, listed := slowTightest(t, text, limit)
				if diff := cmp.Diff(want, string(gunzip(t, got.compressed))); diff != "" {
					t.Errorf("the list differs (-want +got):\n%s", diff)
				}
				if text != "" && limit >= 500 && listed == 0 {
					t.Error("nothing is listed: a poor test")
				}
				if clusters := strings.Count(text, "\n"); got.clusters != clusters || got.listed != listed {
					t.Errorf("%d of %d listed, want %d of %d", got.listed, got.clusters, listed, clusters)
				}
				again, err := tightest(iotest.OneByteReader(strings.NewReader(text)), limit)
				if err != nil || !bytes.Equal(again.compressed, got.compressed) {
					t.Errorf("a second time gives other bytes, or %v", err)
				}
			})
		}
	}
}

// What can't fit anyway is not kept in memory.
func TestReadLayersIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	layers, err := readLayers(strings.NewReader(lines(random, "a", 50_000)+lines(random, "b", 3)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, l := range layers {
		got = append(got, l.clusters)
	}
	if diff := cmp.Diff([]int{50_000, 3}, got); diff != "" {
		t.Errorf("the counts differ (-want +got):\n%s", diff)
	}
	if kept := len(layers[0].lines); kept > 2000 {
		t.Errorf("%d lines are kept", kept)
	}
}

func TestTightestOfDamagedFiles(t *testing.T) {
	if _, err := tightest(strings.NewReader(`{"layer":"a","cluster":1}`), 1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a last line without its end: %v", err)
	}
	broken := errors.New("broken")
	if _, err := tightest(io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(broken)), 1000); !errors.Is(err, broken) {
		t.Errorf("a disk that fails: %v", err)
	}
}

package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	_ "image/png"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "golang.org/x/image/bmp"

	"github.com/datasetaudit/dataset-audit/test/layouts"
)

// One dataset in every format gives the same samples in the same order: splits, labels, scores, pixels or vectors.
func TestEveryFormatGivesTheSameSamples(t *testing.T) {
	samples := layouts.Generate(80)
	for name, layout := range layouts.All() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := layout.Write(dir, samples); err != nil {
				t.Fatal(err)
			}
			column := ""
			if layout.Scores {
				column = "score"
			}
			d, err := Open(t.Context(), openBucket(t, dir), layout.Spec, column)
			if err != nil {
				t.Fatal(err)
			}
			if d.Len() != len(samples) {
				t.Fatalf("%d samples, want %d", d.Len(), len(samples))
			}
			check := func(got Sample) {
				t.Helper()
				checkSample(t, got, samples, layout)
			}
			for _, s := range readAll(t, d) {
				check(s)
			}
			// The same ones again, some of them, and from the middle.
			picked := []int{0, 1, 5, 6, 20, 41, 42, 43, 79}
			i := 0
			for s, err := range d.Pick(t.Context(), picked) {
				if err != nil {
					t.Fatal(err)
				}
				if s.Index != picked[i] {
					t.Errorf("picked %d, want %d", s.Index, picked[i])
				}
				check(s)
				i++
			}
			for s, err := range d.Samples(t.Context(), 33, 61) {
				if err != nil {
					t.Fatal(err)
				}
				check(s)
			}
		})
	}
}

func checkSample(t *testing.T, got Sample, all []layouts.Sample, layout layouts.Layout) {
	t.Helper()
	want := all[got.Index]
	inSplit := got.Index - slices.IndexFunc(all, func(s layouts.Sample) bool { return s.Split == want.Split })
	if got.Err != nil {
		t.Fatalf("%s: %v", got.ID, got.Err)
	}
	if id := layout.ID(want, inSplit); got.ID != id {
		t.Errorf("sample %d is %s, want %s", got.Index, got.ID, id)
	}
	if got.Split != want.Split || !slices.Equal(got.Labels, []string{want.Label}) {
		t.Errorf("%s: split %q, labels %q; want %q and %q", got.ID, got.Split, got.Labels, want.Split, want.Label)
	}
	if layout.Scores != (got.Score == float64(want.Score)) || !layout.Scores && !math.IsNaN(got.Score) {
		t.Errorf("%s: score %v, want %d", got.ID, got.Score, want.Score)
	}
	switch {
	case layout.Spec.Format == "Embeddings":
		if diff := cmp.Diff(want.Vector, got.Vector); diff != "" {
			t.Errorf("%s (-want +got):\n%s", got.ID, diff)
		}
	case layout.Raw:
		img, _, err := image.Decode(bytes.NewReader(got.Bytes))
		if err != nil {
			t.Fatalf("%s: %v", got.ID, err)
		}
		for i, gray := range want.Gray {
			r, g, b, _ := img.At(i%layouts.Side, i/layouts.Side).RGBA()
			if v := uint32(gray) * 0x101; r != v || g != v || b != v {
				t.Fatalf("%s: pixel %d is %d %d %d, want %d", got.ID, i, r>>8, g>>8, b>>8, gray)
			}
		}
	case !bytes.Equal(got.Bytes, want.PNG) || got.Digest != sha256.Sum256(want.PNG):
		t.Errorf("%s: %d bytes, want the %d of the image", got.ID, len(got.Bytes), len(want.PNG))
	}
}

// A dataset that changes while it is read is noticed in every format.
func TestChangeDuringReading(t *testing.T) {
	samples := layouts.Generate(40)
	for name, layout := range layouts.All() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := layout.Write(dir, samples); err != nil {
				t.Fatal(err)
			}
			bucket := openBucket(t, dir)
			d := mustOpen(t, bucket, layout.Spec)
			objects, err := bucket.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects { // the same bytes, written later
				data, err := bucket.ReadAll(t.Context(), o.Key, 1<<30)
				if err != nil {
					t.Fatal(err)
				}
				if err := bucket.WriteAll(t.Context(), o.Key, data); err != nil {
					t.Fatal(err)
				}
			}
			err = nil
			for _, e := range d.Samples(context.Background(), 0, d.Len()) {
				err = e
			}
			if err == nil || !bytes.Contains([]byte(fmt.Sprint(err)), []byte("was changed after it was listed")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

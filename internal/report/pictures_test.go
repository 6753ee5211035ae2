package report

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

// All images are read in one pass, in the dataset's order; one that can't be read or decoded leaves a gap, and the
// findings stay.
func TestPicturePass(t *testing.T) {
	f := onLine(t, 1, small()...)
	picture := solid(8, gray)
	var asked []int
	calls := 0
	f.Images = func(ctx context.Context, indices []int) iter.Seq2[Image, error] {
		calls++
		asked = indices
		return func(yield func(Image, error) bool) {
			for img, err := range picture(ctx, indices) {
				switch img.Index {
				case 11:
					img.Bytes = []byte("no image")
				case 12:
					img = Image{Index: 12, Err: errors.New("gone")}
				}
				if !yield(img, err) {
					return
				}
			}
		}
	}
	files, _ := written(t, f)
	if calls != 1 || !slices.Equal(asked, []int{10, 11, 12, 13, 14, 15, 16}) {
		t.Errorf("%d passes, the last over %v", calls, asked)
	}
	samples, _ := data(t, files[v1alpha1.FileReport])
	if want := []int{0, noPicture, noPicture, 1, 2, 3, 4}; !slices.Equal(samples.Samples.Picture, want) {
		t.Errorf("pictures %v, want %v", samples.Samples.Picture, want)
	}
	if lines := pictureLines(t, files[v1alpha1.FileReport]); len(lines) != 5 {
		t.Errorf("%d pictures are in the page", len(lines))
	}
}

// No more images are held than are decoded at a time, and the next.
func TestPictureMemory(t *testing.T) {
	var held, most atomic.Int64
	indices := make([]int, 200)
	for i := range indices {
		indices[i] = i
	}
	read := func(ctx context.Context, indices []int) iter.Seq2[Image, error] {
		return func(yield func(Image, error) bool) {
			for img, err := range solid(64, gray)(ctx, indices) {
				most.Store(max(most.Load(), held.Add(1)))
				// What was yielded before is decoded by one of the workers, or waits for one.
				if !yield(img, err) {
					return
				}
				held.Add(-1)
			}
		}
	}
	made, err := thumbnails(t.Context(), read, indices, 96, images.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 200 || most.Load() != 1 {
		t.Errorf("%d thumbnails, %d images read ahead", len(made), most.Load())
	}
}

func TestPicturesThatEnd(t *testing.T) {
	lost := errors.New("the bucket is gone")
	read := func(context.Context, []int) iter.Seq2[Image, error] {
		return func(yield func(Image, error) bool) { yield(Image{}, lost) }
	}
	if _, err := thumbnails(t.Context(), read, []int{1}, 96, images.Decoder{}); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

func TestThumbnailSide(t *testing.T) {
	for n, want := range map[int]int{0: 224, 1500: 224, 1501: 128, 6000: 128, 6001: 96, maxPictures: 96} {
		if got := thumbnailSide(n); got != want {
			t.Errorf("%d pictures of %d pixels, want %d", n, got, want)
		}
	}
}

// The pictures are bounded over all layers, and the urgent clusters come first.
func TestPictureBudget(t *testing.T) {
	var line []on
	for i := range 4500 { // of 5 samples each: more than there is room for
		split := "train"
		if i == 4499 {
			split = "test"
		}
		for j := range 5 {
			line = append(line, on{at: 10 + 2*float64(i) + float64(i*j)/1e5, split: split})
			split = "train"
		}
	}
	f := onLine(t, .5, line...)
	summary := Summarize(f)
	p, err := f.page(summary, f.gate(summary))
	if err != nil {
		t.Fatal(err)
	}
	table := &sampleTable{samples: f.Samples, numbers: map[int]int{}}
	p.Layers[0].block(table)
	order, left := choosePictures(p.Layers, table)
	if len(order) != maxPictures || left != 5*4500-maxPictures {
		t.Fatalf("%d pictures, %d left out", len(order), left)
	}
	last := order[maxPictures-1]
	if c := f.Layers[0].Result.Clusters[f.Layers[0].Result.ClusterOf[last]]; !c.Leaks {
		t.Errorf("the last picture is of a cluster that doesn't leak: %+v", c)
	}
	if first := f.Layers[0].Result.ClusterOf[order[0]]; first != 0 {
		t.Errorf("the first picture is of cluster %d", first)
	}
}

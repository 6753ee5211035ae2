package report

import (
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"io"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/internal/images"
)

const (
	// maxPictures bounds the pictures of a page, over all layers.
	maxPictures = 20_000
	// pictureWorkers is how many images are decoded at a time: few enough for the memory of huge ones.
	pictureWorkers = 3
)

// thumbnailSide is the longer side in pixels of each of n thumbnails: the more there are, the smaller, so that the page
// can still be sent to somebody.
func thumbnailSide(n int) int {
	switch {
	case n <= 1_500:
		return 224
	case n <= 6_000:
		return 128
	}
	return 96
}

// pictures are the thumbnails of a page.
type pictures struct {
	encoded [][]byte
	numbers map[int]int // of the rows that were chosen: a position in encoded, or noPicture
	leftOut int         // rows that the page lists and has no room to show
}

// number says what the data block has of a row's picture.
func (p *pictures) number(row int) int {
	if n, chosen := p.numbers[row]; chosen {
		return n
	}
	return leftOut
}

// pictures makes the thumbnails of what the layers list. They are numbered as the page shows them.
func (f *Findings) pictures(ctx context.Context, layers []*pageLayer, t *sampleTable) (*pictures, error) {
	p := &pictures{numbers: map[int]int{}}
	if f.Images == nil {
		return p, nil
	}
	chosen, leftOut := choosePictures(layers, t)
	p.leftOut = leftOut
	indices := make([]int, len(chosen))
	for i, row := range chosen {
		indices[i] = t.samples[row].Index
	}
	slices.Sort(indices)
	decoder := images.Decoder{IgnoreOrientation: f.Audit.Spec.Dataset.IgnoreOrientation}
	made, err := thumbnails(ctx, f.Images, indices, thumbnailSide(len(chosen)), decoder)
	if err != nil {
		return nil, err
	}
	for _, row := range chosen {
		p.numbers[row] = noPicture
		if data := made[t.samples[row].Index]; data != nil {
			p.numbers[row] = len(p.encoded)
			p.encoded = append(p.encoded, data)
		}
	}
	return p, nil
}

// write writes the pictures in blocks, one a line.
func (p *pictures) write(w io.Writer) error {
	for at, block := range slices.Collect(slices.Chunk(p.encoded, pictureBlock)) {
		if _, err := fmt.Fprintf(w, "<script type=\"text/plain\" id=\"pictures-%d\">", at); err != nil {
			return err
		}
		for _, data := range block {
			if _, err := fmt.Fprintln(w, base64.StdEncoding.EncodeToString(data)); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(w, "</script>"); err != nil {
			return err
		}
	}
	return nil
}

// thumbnails makes small JPEG files of the images at these indices, ascending, and returns them by index. All are made
// in one pass, since an archive is read from its beginning for each random access. An image that can't be shown, gone
// since it was embedded or damaged, is left out: it must not cost the findings.
func thumbnails(ctx context.Context, read func(context.Context, []int) iter.Seq2[Image, error], indices []int, side int,
	decoder images.Decoder,
) (map[int][]byte, error) {
	group, ctx := errgroup.WithContext(ctx)
	encoded := make(chan Image)
	group.Go(func() error {
		defer close(encoded)
		for img, err := range read(ctx, indices) {
			if err != nil {
				return fmt.Errorf("images of the page: %w", err)
			}
			if img.Err != nil {
				continue
			}
			select {
			case encoded <- img:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return ctx.Err()
	})
	made := make(chan Image, len(indices)) // only the thumbnails, which the page holds anyway
	for range pictureWorkers {
		group.Go(func() error {
			pixels := new(image.RGBA)
			for img := range encoded {
				var small []byte
				var failed error
				err := decoder.With(pixels, img.Bytes, func(pixels *image.RGBA) { small, failed = images.Thumbnail(pixels, side) })
				if err != nil {
					continue
				}
				if failed != nil {
					return fmt.Errorf("sample %d: %w", img.Index, failed)
				}
				made <- Image{Index: img.Index, Bytes: small}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	close(made)
	out := make(map[int][]byte, len(made))
	for img := range made {
		out[img.Index] = img.Bytes
	}
	return out, nil
}

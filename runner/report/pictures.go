package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"html/template"
	"image/jpeg"
	"sync"

	"github.com/datasetaudit/dataset-audit/runner/images"
)

const (
	// thumbnailSide is the longer side of a thumbnail in pixels.
	thumbnailSide = 96
	// pixelSide is the size up to which a picture is so small that the page shows its pixels.
	pixelSide = 48
	// pictureWorkers is how many pictures are read and decoded at a time: enough to hide the latency of an object store, and
	// few enough for the memory of huge images.
	pictureWorkers = 3
)

// picture is a thumbnail in the page.
type picture struct {
	// Source is the attribute src; empty where the page holds the picture already.
	Source        template.HTMLAttr
	Width, Height int
}

// Pixelated pictures are enlarged without smoothing.
func (p *picture) Pixelated() bool { return max(p.Width, p.Height) <= pixelSide }

// pictures makes thumbnails a little ahead of the page that shows them.
type pictures struct {
	read    func(ctx context.Context, index int) ([]byte, error)
	decoder images.Decoder

	queue chan chan result // in the order of the page
	ctx   context.Context  // ends when the page does
}

type result struct {
	picture *picture
	err     error
}

// start makes the pictures of the samples at these indices for next, until stop is called.
func (p *pictures) start(ctx context.Context, show []int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	p.ctx = ctx
	p.queue = make(chan chan result, pictureWorkers-1) // and the one that waits to enter it
	var working sync.WaitGroup
	working.Go(func() {
		for _, index := range show {
			made := make(chan result, 1)
			select {
			case p.queue <- made:
			case <-ctx.Done():
				return
			}
			working.Go(func() {
				picture, err := p.make(ctx, index)
				made <- result{picture, err}
			})
		}
	})
	return func() {
		cancel()
		working.Wait()
	}
}

// next returns the next picture; nil where the image can't be shown.
func (p *pictures) next() (*picture, error) {
	select {
	case made := <-p.queue:
		r := <-made
		return r.picture, r.err
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

func (p *pictures) make(ctx context.Context, index int) (*picture, error) {
	// A picture that can't be shown, gone since it was embedded or of an unknown kind, must not cost the findings.
	data, err := p.read(ctx, index)
	if err != nil {
		return nil, ctx.Err()
	}
	img, err := p.decoder.Decode(data)
	if err != nil {
		return nil, nil //nolint:nilerr // likewise
	}
	small, err := images.Thumbnail(img, thumbnailSide)
	if err != nil {
		return nil, err
	}
	size, err := jpeg.DecodeConfig(bytes.NewReader(small))
	if err != nil {
		return nil, err
	}
	return &picture{
		Source: template.HTMLAttr(`src="data:image/jpeg;base64,` + base64.StdEncoding.EncodeToString(small) + `"`),
		Width:  size.Width, Height: size.Height,
	}, nil
}

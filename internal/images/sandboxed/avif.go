package sandboxed

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
)

// AVIFPixel is what decoding takes in bytes a pixel, at the most.
const AVIFPixel = 160

// AVIFConfig returns the size of the primary image as a viewer shows it. It reads only the container. The color model
// is color.RGBAModel for any depth.
func AVIFConfig(data []byte) (image.Config, error) {
	p, err := parseAVIF(data)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{ColorModel: color.RGBAModel, Width: p.shown.width, Height: p.shown.height}, nil
}

// AVIF returns the primary image, which in a sequence is the first frame most often, as a viewer shows it: cropped,
// turned and mirrored as its properties say. EXIF metadata does not count. The result is an *image.RGBA, or an
// *image.RGBA64 for 10 and 12 bits.
//
// Hold the size that AVIFConfig returns against a limit first: decoding takes about 100 bytes a pixel, AVIFPixel with
// alpha and more than 8 bits, and several times that if most of the picture is cut off. Needing more than the sandbox
// has, at most 4 GiB, is ErrTooLarge.
func AVIF(data []byte) (image.Image, error) {
	p, err := parseAVIF(data)
	if err != nil {
		return nil, err
	}
	img, err := libavif.decode(p.stillFile(), p.size, p.stored, func(depth uint32) bool { return depth > 8 })
	if err != nil {
		return nil, err
	}
	if img.deep {
		toBigEndian(img.pix)
	}
	if p.alpha {
		img.clamp()
	}
	return img.premultiplied(p.shown), nil
}

var libavif = newDecoder("libavif", AVIFPixel, &avifModule)

// stillFile returns the file as one of a still picture. By the major brand of a sequence libavif would decode the first
// frame of the video, which is not checked here.
func (p *picture) stillFile() []byte {
	const still = "avif"
	if string(p.file[p.brandAt:][:4]) == still {
		return p.file
	}
	file := bytes.Clone(p.file)
	copy(file[p.brandAt:], still)
	return file
}

// A picture is the primary image of an AVIF file.
type picture struct {
	*container
	size   image.Point // as stored
	stored int         // the pixels of all parts
	shown  view
	alpha  bool
}

// parseAVIF reads the container, and of the bitstreams what tells their size.
func parseAVIF(data []byte) (*picture, error) {
	c, err := parseContainer(data)
	if err != nil {
		return nil, err
	}
	primary := c.items[c.primary]
	if primary == nil {
		return nil, fmt.Errorf("there is no primary item %d", c.primary)
	}
	if primary.kind != "av01" && primary.kind != "grid" {
		return nil, fmt.Errorf("%w: the primary item is of type %q", ErrUnsupported, primary.kind)
	}
	size, err := primary.size()
	if err != nil {
		return nil, err
	}
	p := &picture{container: c, size: size}
	if p.shown, err = primary.view(size); err != nil {
		return nil, err
	}
	err = p.checkBitstreams()
	return p, err
}

// checkBitstreams holds the sizes in the bitstreams, of which the decoder allocates memory and which it then scales,
// against those in the container.
func (p *picture) checkBitstreams() error {
	// Tiles may share their bytes, but not to make endless work.
	const shared, alwaysRead = 16, 1 << 20
	read := 0
	for _, id := range p.decoded() {
		it := p.items[id]
		p.alpha = p.alpha || it.isAlpha()
		if it.kind != "av01" {
			continue
		}
		size, err := it.size()
		if errors.Is(err, errNoSize) {
			size = p.size
		} else if err != nil {
			return err
		}
		bitstream, err := p.content(it)
		if read += len(bitstream); read > max(shared*len(p.file), alwaysRead) {
			return errors.New("the items overlap")
		}
		if err == nil {
			err = checkSequence(bitstream, size)
		}
		if err != nil {
			return fmt.Errorf("item %d: %w", id, err)
		}
		p.stored += size.X * size.Y
	}
	if p.stored == 0 {
		return errors.New("no item has pixels")
	}
	// The caller has a limit for what is shown: alpha doubles it, and some are left for tiles that reach beyond the
	// picture and for parts that are cut off.
	const times, always = 4, 1 << 20
	if shown := p.shown.width * p.shown.height; p.stored > max(times*shown, always) {
		return fmt.Errorf("%w: %d pixels are stored, of which %d are shown", ErrUnsupported, p.stored, shown)
	}
	return nil
}

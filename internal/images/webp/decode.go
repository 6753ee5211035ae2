package webp

import (
	"bytes"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/vp8l"
)

func (f *file) decodeLossless() (*image.NRGBA, error) {
	img, err := decodeVP8L(f.bitstream)
	if err == nil && f.opaque {
		for i := 3; i < len(img.Pix); i += 4 {
			img.Pix[i] = 255
		}
	}
	return img, err
}

func decodeVP8L(bitstream []byte) (*image.NRGBA, error) {
	decoded, err := vp8l.Decode(bytes.NewReader(bitstream))
	if err != nil {
		return nil, fmt.Errorf("lossless bitstream: %w", err)
	}
	img, ok := decoded.(*image.NRGBA)
	if !ok {
		return nil, fmt.Errorf("lossless bitstream: decoded to %T", decoded)
	}
	return img, nil
}

func (f *file) decodeLossy() (*image.NRGBA, error) {
	d := newLossyDecoder(f.bitstream)
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	decoded, err := d.DecodeFrame()
	if err != nil {
		return nil, fmt.Errorf("lossy bitstream: %w", err)
	}
	img := toRGB(decoded)
	if f.alpha == nil {
		return img, nil
	}
	alpha, err := decodeAlpha(f.alpha, f.frame.Dx(), f.frame.Dy())
	if err != nil {
		return nil, fmt.Errorf("ALPH: %w", err)
	}
	for i, a := range alpha {
		img.Pix[4*i+3] = a
	}
	return img, nil
}

// decodeAlpha returns the plane that an ALPH chunk holds.
func decodeAlpha(chunk []byte, width, height int) ([]uint8, error) {
	if len(chunk) == 0 {
		return nil, errShort
	}
	const uncompressed, lossless = 0, 1
	flags, coded := chunk[0], chunk[1:]
	var alpha []uint8
	switch flags & 3 {
	case uncompressed:
		if len(coded) < width*height {
			return nil, errTruncated
		}
		alpha = bytes.Clone(coded[:width*height])
	case lossless:
		var err error
		if alpha, err = decodeGreen(coded, width, height); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("unknown compression")
	}
	unfilter(alpha, width, flags>>2&3)
	return alpha, nil
}

// decodeGreen decodes a VP8L bitstream without header, whose green channel is the alpha.
func decodeGreen(coded []byte, width, height int) ([]uint8, error) {
	w, h := width-1, height-1
	header := []byte{0x2f, byte(w), byte(w>>8 | h<<6), byte(h >> 2), byte(h >> 10)}
	img, err := decodeVP8L(append(header, coded...))
	if err != nil {
		return nil, err
	}
	alpha := make([]uint8, width*height)
	for i := range alpha {
		alpha[i] = img.Pix[4*i+1]
	}
	return alpha, nil
}

// How an alpha value is predicted: from the left one, the upper one, or both with the one between them.
const (
	filterNone = iota
	filterHorizontal
	filterVertical
	filterGradient
)

// unfilter adds the predictions to the differences that are stored. In the first row all filters are horizontal, in the
// first column vertical.
func unfilter(alpha []uint8, width int, filter uint8) {
	if filter == filterNone {
		return
	}
	addLeft(alpha[:width])
	for above := alpha; len(above) > width; above = above[width:] {
		row := above[width : 2*width]
		switch filter {
		case filterHorizontal:
			row[0] += above[0]
			addLeft(row)
		case filterVertical:
			for x := range row {
				row[x] += above[x]
			}
		case filterGradient:
			row[0] += above[0]
			for x := 1; x < width; x++ {
				predicted := int(row[x-1]) + int(above[x]) - int(above[x-1])
				row[x] += uint8(min(max(predicted, 0), 255))
			}
		}
	}
}

func addLeft(row []uint8) {
	for x := 1; x < len(row); x++ {
		row[x] += row[x-1]
	}
}

package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

// A file is a still picture, or the first frame of an animation.
type file struct {
	canvas    image.Point
	frame     image.Rectangle // where the bitstream's picture is on the canvas
	lossless  bool
	bitstream []byte
	alpha     []byte // the ALPH chunk of a lossy picture, or nil
	opaque    bool   // there is no alpha, or it means nothing
}

var errTruncated = errors.New("the file ends before its last pixel")

// parse reads the chunks up to the bitstream of the picture or of the first frame.
func parse(data []byte) (*file, error) {
	const riffHeader = 12
	if len(data) < riffHeader || string(data[:4]) != "RIFF" || string(data[8:12]) != "WEBP" {
		return nil, errors.New("no RIFF header")
	}
	// What follows the RIFF chunk is not part of the picture. If the chunk claims more than there is, the sizes inside
	// it tell whether a pixel is missing.
	end := min(uint64(len(data)), max(riffHeader, 8+uint64(binary.LittleEndian.Uint32(data[4:]))))
	f := new(file)
	for rest := data[riffHeader:end]; ; {
		id, payload, after, err := nextChunk(rest)
		if err != nil {
			return nil, err
		}
		switch id {
		case "VP8X":
			err = f.setCanvas(payload)
		case "ANMF":
			err = f.setFrame(payload)
			after = payload[min(frameHeaderSize, len(payload)):]
		case "ALPH":
			f.alpha = payload
		case "VP8 ":
			err = f.setLossy(payload)
			return f, err
		case "VP8L":
			err = f.setLossless(payload)
			return f, err
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		rest = after
	}
}

// nextChunk splits off the first chunk. The byte that pads an odd size may be missing at the end of the file.
func nextChunk(data []byte) (id string, payload, after []byte, err error) {
	const chunkHeader = 8
	if len(data) < chunkHeader {
		return "", nil, nil, errTruncated
	}
	size := uint64(binary.LittleEndian.Uint32(data[4:]))
	id, data = string(data[:4]), data[chunkHeader:]
	if size > uint64(len(data)) {
		return "", nil, nil, errTruncated
	}
	return id, data[:size], data[min(size+size%2, uint64(len(data))):], nil
}

func uint24(b []byte) int {
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16
}

var errShort = errors.New("the chunk is too short")

func (f *file) setCanvas(payload []byte) error {
	if len(payload) < 10 {
		return errShort
	}
	f.canvas = image.Pt(uint24(payload[4:])+1, uint24(payload[7:])+1)
	f.frame = image.Rectangle{Max: f.canvas}
	return nil
}

const frameHeaderSize = 16

func (f *file) setFrame(payload []byte) error {
	if len(payload) < frameHeaderSize {
		return errShort
	}
	at := image.Pt(2*uint24(payload), 2*uint24(payload[3:]))
	size := image.Pt(uint24(payload[6:])+1, uint24(payload[9:])+1)
	f.frame = image.Rectangle{Min: at, Max: at.Add(size)}
	if !f.frame.In(image.Rectangle{Max: f.canvas}) {
		return fmt.Errorf("a frame at %v on a canvas of %v", f.frame, f.canvas)
	}
	return nil
}

func (f *file) setLossy(bitstream []byte) error {
	f.bitstream, f.opaque = bitstream, f.alpha == nil
	header, err := newLossyDecoder(bitstream).DecodeFrameHeader()
	if err != nil {
		return err
	}
	if !header.KeyFrame {
		return errors.New("VP8: not a key frame")
	}
	return f.setSize(header.Width, header.Height)
}

func newLossyDecoder(bitstream []byte) *vp8.Decoder {
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(bitstream), len(bitstream))
	return d
}

func (f *file) setLossless(bitstream []byte) error {
	f.bitstream, f.lossless = bitstream, true
	config, err := vp8l.DecodeConfig(bytes.NewReader(bitstream))
	if err != nil {
		return err
	}
	const hasAlpha = 1 << 4
	f.opaque = bitstream[4]&hasAlpha == 0
	return f.setSize(config.Width, config.Height)
}

// setSize holds the size in the bitstream, of which a decoder allocates memory, against that of the container, which
// names one only for extended files.
func (f *file) setSize(width, height int) error {
	if width == 0 || height == 0 {
		return fmt.Errorf("%d×%d pixels", width, height)
	}
	size := image.Pt(width, height)
	if f.canvas == (image.Point{}) {
		f.canvas, f.frame = size, image.Rectangle{Max: size}
	}
	if f.frame.Size() != size {
		return fmt.Errorf("a bitstream of %d×%d pixels in a frame of %d×%d", width, height, f.frame.Dx(), f.frame.Dy())
	}
	return nil
}

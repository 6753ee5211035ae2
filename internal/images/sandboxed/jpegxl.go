package sandboxed

import (
	"bytes"
	"errors"
	"image"
	"image/color"
)

// JPEGXLPixel is what decoding takes in bytes a pixel, of honest files at the most.
const JPEGXLPixel = 130

// JPEGXLConfig returns the size of the picture as a viewer shows it. It reads only the headers. The color model is
// color.NRGBAModel for any depth.
func JPEGXLConfig(data []byte) (image.Config, error) {
	h, err := parseJPEGXL(data)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{ColorModel: color.NRGBAModel, Width: h.size.X, Height: h.size.Y}, nil
}

// JPEGXL returns the picture, of an animation the first frame, in its orientation. It is an *image.NRGBA, or an
// *image.NRGBA64 if the file has 16 bits a sample; with premultiplied alpha an *image.RGBA or *image.RGBA64. Colors are
// as the file encodes them, whatever its color space.
//
// Hold the size that JPEGXLConfig returns against a limit first: decoding takes about 70 bytes a pixel, JPEGXLPixel
// with alpha and 16 bits, and more for a file made to need it. Needing more than the sandbox has, at most 4 GiB, is
// ErrTooLarge.
func JPEGXL(data []byte) (image.Image, error) {
	h, err := parseJPEGXL(data)
	if err != nil {
		return nil, err
	}
	img, err := libjxl.decode(data, h.size, h.size.X*h.size.Y, func(depth uint32) bool { return depth == 16 })
	if err != nil {
		return nil, err
	}
	if h.premultiplied {
		img.clamp()
		return img.premultiplied(wholeView(h.size)), nil
	}
	return img.straight(), nil
}

var libjxl = newDecoder("libjxl", JPEGXLPixel, &jpegxlModule)

func parseJPEGXL(data []byte) (*jpegxlHeader, error) {
	stream, err := jpegxlCodestream(data)
	if err != nil {
		return nil, err
	}
	return parseCodestream(stream)
}

var (
	jpegxlSignature     = []byte("\x00\x00\x00\x0cJXL \r\n\x87\n")
	codestreamSignature = []byte{0xff, 0x0a}
)

// jpegxlCodestream returns the codestream, which a file consists of or has in boxes, all of which must be there as a
// whole.
func jpegxlCodestream(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, jpegxlSignature) {
		return data, nil
	}
	boxes, err := children(data)
	if err != nil {
		return nil, err
	}
	var parts [][]byte
	for _, b := range boxes {
		switch b.kind {
		case "jxlc":
			return b.data, nil
		case "jxlp": // a number, then a part
			parts = append(parts, b.data[min(4, len(b.data)):])
		}
	}
	if parts == nil {
		return nil, errors.New("there is no codestream")
	}
	return bytes.Join(parts, nil), nil
}

package tiff

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
)

const (
	markerSOI = 0xd8
	markerEOI = 0xd9
	markerSOS = 0xda
	markerAPP = 0xe0 // to 0xef
	markerCOM = 0xfe
)

// adobeSegment says that the components are no YCbCr, so that image/jpeg leaves them as they are: it is the photometric
// interpretation that says what they mean.
const adobeSegment = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

// jpegRows decodes a chunk that is a JPEG file, but for tables that all chunks share.
func (p *page) jpegRows(c chunk) (rowFunc, error) {
	data := c.data
	if p.oldSampling != 0 && !bytes.HasPrefix(data, []byte{0xff, markerSOI}) {
		data = p.oldFrame(data, c.rows)
	}
	stream, err := p.jpegStream(data)
	if err != nil {
		return nil, err
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(stream))
	if err != nil {
		return nil, jpegError(err)
	}
	// Whole blocks of 16 pixels may have been encoded.
	const block = 15
	if config.Width < min(p.chunkWidth, p.width) || config.Width > p.chunkWidth+block ||
		config.Height < c.rows || config.Height > p.chunkHeight+block {
		return nil, fmt.Errorf("JPEG of %d×%d pixels", config.Width, config.Height)
	}
	img, err := jpeg.Decode(bytes.NewReader(stream))
	if err != nil {
		return nil, jpegError(err)
	}
	return p.componentRows(img)
}

func jpegError(err error) error {
	if _, ok := errors.AsType[jpeg.UnsupportedError](err); ok {
		return unsupported("%w", err)
	}
	return truncated(err)
}

// componentRows returns the rows of a decoded JPEG, only the components' bytes.
func (p *page) componentRows(img image.Image) (rowFunc, error) {
	var pix []uint8
	var stride, stored, components int
	switch img := img.(type) {
	case *image.Gray:
		pix, stride, stored, components = img.Pix, img.Stride, 1, 1
	case *image.RGBA:
		pix, stride, stored, components = img.Pix, img.Stride, 4, 3
	case *image.CMYK:
		pix, stride, stored, components = img.Pix, img.Stride, 4, 4
	}
	if components != p.stored() {
		return nil, fmt.Errorf("JPEG of %d components for %d samples", components, p.stored())
	}
	buf := make([]byte, img.Bounds().Dx()*components)
	return func() ([]byte, error) {
		for i, j := 0, 0; j < len(buf); i, j = i+stored, j+components {
			copy(buf[j:j+components], pix[i:])
		}
		pix = pix[stride:]
		if components == 4 {
			invert(buf) // image/jpeg takes CMYK for Adobe's, which is inverted
		}
		return buf, nil
	}, nil
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// jpegStream puts the shared tables and a chunk's data together.
func (p *page) jpegStream(data []byte) ([]byte, error) {
	const most = 1 << 16 // four of every kind of table are a tenth of it
	if len(p.jpegTables) > most {
		return nil, fmt.Errorf("JPEG tables of %d bytes", len(p.jpegTables))
	}
	stream := []byte("\xff\xd8" + adobeSegment)
	if len(p.jpegTables) > 0 {
		var err error
		if stream, _, err = appendSegments(stream, p.jpegTables); err != nil {
			return nil, fmt.Errorf("JPEG tables: %w", err)
		}
	}
	stream, scan, err := appendSegments(stream, data)
	if err != nil {
		return nil, err
	}
	if len(scan) == 0 {
		return nil, errors.New("JPEG without a scan")
	}
	return append(stream, scan...), nil
}

// appendSegments appends the segments that bear on the pixels. It returns what is left from the first scan on, nothing
// if the end comes before.
func appendSegments(stream, data []byte) (appended, scan []byte, err error) {
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return nil, nil, errors.New("not a JPEG header")
	}
	for data = data[2:]; len(data) >= 4; {
		if data[0] != 0xff {
			return nil, nil, errors.New("JPEG marker expected")
		}
		marker := data[1]
		switch marker {
		case 0xff: // fill
			data = data[1:]
			continue
		case markerEOI:
			return stream, nil, nil
		case markerSOS:
			return stream, data, nil
		}
		size := 2 + (int(data[2])<<8 | int(data[3]))
		if size > len(data) {
			return nil, nil, errTruncated
		}
		if marker&0xf0 != markerAPP && marker != markerCOM {
			stream = append(stream, data[:size]...)
		}
		data = data[size:]
	}
	return stream, nil, nil
}

package dataset

import "encoding/binary"

// Raw pixels are handed on as a BMP of 24 bits: the one encoding that is lossless, free of compression, and a header
// away from the pixels. So every sample that is an image is one for every decoder.

const bmpHeader = 14 + 40 // BITMAPFILEHEADER, BITMAPINFOHEADER

// bmpStride is the length of a row, padded to four bytes.
func bmpStride(width int) int { return (3*width + 3) &^ 3 }

func bmpSize(width, height int) int64 { return int64(bmpHeader + bmpStride(width)*height) }

// planesToBMP encodes a red, a green and a blue plane of width×height bytes each, rows from the top.
func planesToBMP(planes []byte, width, height int) []byte {
	plane, stride := width*height, bmpStride(width)
	b := make([]byte, bmpHeader+stride*height)
	copy(b, "BM")
	le := binary.LittleEndian
	le.PutUint32(b[2:], uint32(len(b)))
	le.PutUint32(b[10:], bmpHeader)
	le.PutUint32(b[14:], 40) // the second header's own size
	le.PutUint32(b[18:], uint32(width))
	le.PutUint32(b[22:], uint32(height)) // positive: the bottom row comes first
	le.PutUint16(b[26:], 1)              // color planes, always 1
	le.PutUint16(b[28:], 24)             // bits per pixel
	le.PutUint32(b[34:], uint32(stride*height))
	red, green, blue := planes[:plane], planes[plane:2*plane], planes[2*plane:3*plane]
	for y := range height {
		row := b[bmpHeader+(height-1-y)*stride:]
		for x := range width {
			i := y*width + x
			row[3*x], row[3*x+1], row[3*x+2] = blue[i], green[i], red[i]
		}
	}
	return b
}

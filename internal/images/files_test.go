package images

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
)

// Files that no encoder at hand writes, by hand.

// tiffFile is an uncompressed 8-bit RGB TIFF with an orientation.
func tiffFile(order binary.AppendByteOrder, img *image.RGBA, orientation int) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	var pixels []byte
	for i := 0; i < len(img.Pix); i += 4 {
		pixels = append(pixels, img.Pix[i:i+3]...)
	}
	pixels = append(pixels, make([]byte, len(pixels)%2)...)
	magic := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		magic = "MM\x00*"
	}
	bitsAt := 8 + len(pixels)
	f := order.AppendUint32([]byte(magic), uint32(bitsAt+6))
	f = append(f, pixels...)
	for range 3 {
		f = order.AppendUint16(f, 8)
	}
	entries := [][4]int{ // tag, type, count, value
		{256, 3, 1, w}, {257, 3, 1, h}, {258, 3, 3, bitsAt}, {259, 3, 1, 1}, {262, 3, 1, 2},
		{273, 4, 1, 8}, {274, 3, 1, orientation}, {277, 3, 1, 3}, {278, 3, 1, h}, {279, 4, 1, 3 * w * h},
	}
	return appendDirectory(f, order, entries)
}

func appendDirectory(f []byte, order binary.AppendByteOrder, entries [][4]int) []byte {
	f = order.AppendUint16(f, uint16(len(entries)))
	for _, e := range entries {
		f = order.AppendUint16(f, uint16(e[0]))
		f = order.AppendUint16(f, uint16(e[1]))
		f = order.AppendUint32(f, uint32(e[2]))
		if e[1] == 3 && e[2] == 1 {
			f = order.AppendUint16(f, uint16(e[3]))
			f = append(f, 0, 0)
		} else {
			f = order.AppendUint32(f, uint32(e[3]))
		}
	}
	return order.AppendUint32(f, 0)
}

// exif is EXIF metadata that holds nothing but an orientation.
func exif(order binary.AppendByteOrder, orientation int) []byte {
	magic := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		magic = "MM\x00*"
	}
	f := order.AppendUint32([]byte(magic), 8)
	return appendDirectory(f, order, [][4]int{{271, 2, 4, 0}, {274, 3, 1, orientation}})
}

// withEXIF inserts metadata into a JPEG or PNG file, after its first segment or chunk.
func withEXIF(file, metadata []byte) []byte {
	if file[0] == 0xff {
		s := segment(markerAPP1, append(bytes.Clone(exifPrefix), metadata...)...)
		return append(append(bytes.Clone(file[:2]), s...), file[2:]...)
	}
	const afterIHDR = 8 + 25
	return append(append(bytes.Clone(file[:afterIHDR]), pngChunk("eXIf", metadata)...), file[afterIHDR:]...)
}

func pngChunk(kind string, payload []byte) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	c = append(append(c, kind...), payload...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

// pngHeader is a PNG file that ends after claiming its size.
func pngHeader(w, h uint32) []byte {
	p := binary.BigEndian.AppendUint32(nil, w)
	p = binary.BigEndian.AppendUint32(p, h)
	return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(p, 8, 2, 0, 0, 0))...)
}

func riffChunk(kind string, payload []byte) []byte {
	c := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(payload)))
	return append(append(c, payload...), make([]byte, len(payload)%2)...)
}

func webpFile(chunks ...[]byte) []byte {
	return riffChunk("RIFF", append([]byte("WEBP"), bytes.Join(chunks, nil)...))
}

// vp8l is a lossless bitstream of w×h pixels in one color (alpha, red, blue) and two greens; pixel i has the second one
// if bit i%8 of pattern is set.
func vp8l(w, h int, red, blue, alpha uint8, greens [2]uint8, pattern uint8) []byte {
	var out []byte
	n := 0
	put := func(value, bits int) {
		for i := range bits {
			if n%8 == 0 {
				out = append(out, 0)
			}
			out[n/8] |= byte(value>>i&1) << (n % 8)
			n++
		}
	}
	put(0x2f, 8)
	put(w-1, 14)
	put(h-1, 14)
	put(1, 1)           // alpha is used
	put(0, 3)           // version
	put(0, 3)           // no transform, no color cache, one group of codes
	put(1|1<<1|1<<2, 3) // green: a simple code, two symbols, of 8 bits
	put(int(greens[0]), 8)
	put(int(greens[1]), 8)
	for _, symbol := range []uint8{red, blue, alpha, 0} {
		put(1|0<<1|1<<2, 3) // one symbol
		put(int(symbol), 8)
	}
	for i := range w * h {
		put(int(pattern>>(i%8)&1), 1)
	}
	return out
}

var webpLossless = webpFile(riffChunk("VP8L", vp8l(5, 3, 10, 30, 255, [2]uint8{20, 200}, 0b10010110)))

// webpLossy is a key frame whose arithmetic-coded bits are all zero: a medium gray.
var webpLossy = func() []byte {
	const w, h, first = 16, 16, 64
	tag := uint32(1<<4 | first<<5)
	f := []byte{byte(tag), byte(tag >> 8), byte(tag >> 16), 0x9d, 0x01, 0x2a, w, 0, h, 0}
	return webpFile(riffChunk("VP8 ", append(f, make([]byte, 2*first)...)))
}()

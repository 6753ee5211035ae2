package images

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"io"
	"regexp"
)

// orient turns the stored pixels into the picture that an EXIF orientation, 1 to 8, describes (CIPA DC-008, tag
// 0x0112). Other values change nothing.
func orient(img *image.RGBA, orientation int) {
	if orientation < 2 || orientation > 8 {
		return
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	// Pixel (x, y) of the picture is pixel start + x·right + y·down of the stored one.
	var start, right, down int
	switch orientation {
	case 2: // mirrored
		start, right, down = w-1, -1, w
	case 3: // turned by 180°
		start, right, down = w*h-1, -1, -w
	case 4: // upside down, mirrored
		start, right, down = w*(h-1), 1, -w
	case 5: // rows and columns exchanged
		start, right, down = 0, w, 1
	case 6: // to be turned clockwise
		start, right, down = w*(h-1), -w, 1
	case 7: // exchanged along the other diagonal
		start, right, down = w*h-1, -w, -1
	case 8: // to be turned counterclockwise
		start, right, down = w-1, w, -1
	}
	stored := img.Pix
	if orientation >= 5 {
		w, h = h, w
	}
	*img = *image.NewRGBA(image.Rect(0, 0, w, h))
	to := img.Pix
	for y := range h {
		from := start + y*down
		for range w {
			copy(to[:4], stored[4*from:4*from+4])
			to = to[4:]
			from += right
		}
	}
}

// The functions below return the orientation that a file's EXIF metadata name, else that of its XMP metadata, else 1.

// firstOrientation returns the first value that is an orientation, or 0.
func firstOrientation(values ...int) int {
	for _, v := range values {
		if 1 <= v && v <= 8 {
			return v
		}
	}
	return 0
}

// metadata is what a file's metadata say: the first valid orientation of EXIF, and the first packet of XMP, which is
// only read if EXIF says nothing. A file may have thousands.
type metadata struct {
	exif int
	xmp  []byte
}

func (m *metadata) addEXIF(data []byte) { m.exif = firstOrientation(m.exif, exifOrientation(data)) }

func (m *metadata) addXMP(packet []byte) {
	if m.xmp == nil {
		m.xmp = packet
	}
}

// orientation takes the bytes of the packet from what is kept of it.
func (m *metadata) orientation(unpack func([]byte) []byte) int {
	if m.exif == 0 && m.xmp != nil {
		m.exif = xmpOrientation(unpack(m.xmp))
	}
	return max(1, m.exif)
}

func asItIs(packet []byte) []byte { return packet }

// jpegOrientation reads the segments before the first scan.
func jpegOrientation(data []byte) int {
	var m metadata
	for rest := data[2:]; ; {
		marker, payload, next, ok := nextSegment(rest)
		if !ok || marker == markerSOS {
			return m.orientation(asItIs)
		}
		if marker == markerAPP1 {
			if exif, ok := bytes.CutPrefix(payload, exifPrefix); ok {
				m.addEXIF(exif)
			}
			if packet, ok := bytes.CutPrefix(payload, xmpPrefix); ok {
				m.addXMP(packet)
			}
		}
		rest = next
	}
}

var (
	exifPrefix = []byte("Exif\x00\x00")
	xmpPrefix  = []byte("http://ns.adobe.com/xap/1.0/\x00")
)

// pngOrientation reads all chunks: metadata may stand before or after the pixels.
func pngOrientation(data []byte) int {
	var m metadata
	for rest := data[8:]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-12) {
			break
		}
		switch payload := rest[8 : 8+n]; string(rest[4:8]) {
		case "eXIf":
			m.addEXIF(payload)
		case "iTXt":
			if packet, ok := bytes.CutPrefix(payload, []byte("XML:com.adobe.xmp\x00")); ok {
				m.addXMP(packet)
			}
		case "IEND":
			return m.orientation(pngXMP)
		}
		rest = rest[12+n:]
	}
	return m.orientation(pngXMP)
}

// pngXMP returns the packet in an iTXt chunk, behind its keyword, or nil.
func pngXMP(rest []byte) []byte {
	if len(rest) < 2 {
		return nil
	}
	compressed := rest[0] == 1
	// A language and a translated keyword stand before the text.
	_, rest, _ = bytes.Cut(rest[2:], []byte{0})
	_, text, _ := bytes.Cut(rest, []byte{0})
	if !compressed {
		return text
	}
	r, err := zlib.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	text, _ = io.ReadAll(io.LimitReader(r, maxXMP)) // what can be read of a damaged packet will do
	return text
}

// webpOrientation reads all chunks. EXIF metadata may have JPEG's prefix.
func webpOrientation(data []byte) int {
	var m metadata
	for rest := data[12:]; len(rest) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if n > uint64(len(rest)-8) {
			break
		}
		switch payload := rest[8 : 8+n]; string(rest[:4]) {
		case "EXIF":
			m.addEXIF(bytes.TrimPrefix(payload, exifPrefix))
		case "XMP ":
			m.addXMP(payload)
		}
		rest = rest[min(8+n+n%2, uint64(len(rest))):]
	}
	return m.orientation(asItIs)
}

// tiffOrientation reads the first directory.
func tiffOrientation(data []byte) int {
	var m metadata
	m.addEXIF(data)
	m.addXMP(tiffXMP(data))
	return m.orientation(asItIs)
}

func tiffXMP(data []byte) []byte {
	const tag = 700
	f, ok := findTIFFField(data, tag)
	if !ok {
		return nil
	}
	at := f.number(f.value)
	if at > uint64(len(data)) || f.count > uint64(len(data))-at {
		return nil
	}
	return data[at : at+f.count]
}

var xmpPattern = regexp.MustCompile(`[^/]tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]`)

// maxXMP is how much of a packet is read, in bytes. Editors keep their history in it.
const maxXMP = 1 << 20

// xmpOrientation returns what a packet names as an attribute or an element, or 0.
func xmpOrientation(packet []byte) int {
	if found := xmpPattern.FindSubmatch(packet[:min(len(packet), maxXMP)]); found != nil {
		return int(found[1][0] - '0')
	}
	return 0
}

// exifOrientation returns what the first directory of EXIF metadata, which have the form of a TIFF file, names, or 0.
func exifOrientation(data []byte) int {
	const tag, byteType, shortType, longType = 274, 1, 3, 4
	f, ok := findTIFFField(data, tag)
	if !ok || f.count != 1 {
		return 0
	}
	switch f.kind {
	case byteType:
		return int(f.value[0])
	case shortType:
		return int(f.order.Uint16(f.value))
	case longType:
		return int(f.order.Uint32(f.value))
	}
	return 0
}

// A tiffLayout is how a TIFF file stores numbers.
type tiffLayout struct {
	order binary.ByteOrder
	width int // of offsets and counts, in bytes: 4, or 8 in BigTIFF
}

func (l tiffLayout) number(b []byte) uint64 {
	if l.width == 8 {
		return l.order.Uint64(b)
	}
	return uint64(l.order.Uint32(b))
}

func tiffLayoutOf(data []byte) (l tiffLayout, ok bool) {
	switch {
	case hasMagic(data, "II*\x00"):
		l = tiffLayout{binary.LittleEndian, 4}
	case hasMagic(data, "MM\x00*"):
		l = tiffLayout{binary.BigEndian, 4}
	case hasMagic(data, "II+\x00\x08\x00\x00\x00"):
		l = tiffLayout{binary.LittleEndian, 8}
	case hasMagic(data, "MM\x00+\x00\x08\x00\x00"):
		l = tiffLayout{binary.BigEndian, 8}
	default:
		return l, false
	}
	return l, len(data) >= 2*l.width
}

// A tiffField is an entry of a directory.
type tiffField struct {
	tiffLayout
	kind  uint16
	count uint64
	value []byte // or where it is
}

// findTIFFField looks in the first directory.
func findTIFFField(data []byte, tag uint16) (f tiffField, ok bool) {
	l, ok := tiffLayoutOf(data)
	if !ok {
		return f, false
	}
	return findField(data, l, l.number(data[l.width:]), tag)
}

// findField looks in the directory at an offset.
func findField(data []byte, l tiffLayout, at uint64, tag uint16) (f tiffField, ok bool) {
	countSize, size := uint64(2), uint64(len(data))
	if l.width == 8 {
		countSize = 8
	}
	if at > size || size-at < countSize {
		return f, false
	}
	directory := data[at:]
	n := uint64(l.order.Uint16(directory))
	if l.width == 8 {
		n = l.order.Uint64(directory)
	}
	entrySize := 4 + 2*l.width
	for entry := directory[countSize:]; n > 0 && len(entry) >= entrySize; n, entry = n-1, entry[entrySize:] {
		if l.order.Uint16(entry) == tag {
			return tiffField{l, l.order.Uint16(entry[2:]), l.number(entry[4:]), entry[4+l.width:][:l.width]}, true
		}
	}
	return f, false
}

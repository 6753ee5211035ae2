package images

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"strings"
	"testing"
)

// tiffOf is a TIFF or BigTIFF file that has nothing but a directory. The value of a field is what stands in its entry.
func tiffOf(order binary.AppendByteOrder, big bool, fields ...[4]int) []byte {
	mark := "II"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		mark = "MM"
	}
	number, width := func(f []byte, v int) []byte { return order.AppendUint32(f, uint32(v)) }, 4
	f := order.AppendUint16([]byte(mark), 42)
	if big {
		number, width = func(f []byte, v int) []byte { return order.AppendUint64(f, uint64(v)) }, 8
		f = order.AppendUint16(f[:2], 43)
		f = order.AppendUint16(f, 8)
		f = order.AppendUint16(f, 0)
	}
	f = number(f, 2*width)
	if big {
		f = order.AppendUint64(f, uint64(len(fields)))
	} else {
		f = order.AppendUint16(f, uint16(len(fields)))
	}
	for _, field := range fields {
		f = order.AppendUint16(f, uint16(field[0]))
		f = order.AppendUint16(f, uint16(field[1]))
		f = number(f, field[2])
		var value []byte
		switch field[1] {
		case 3:
			value = order.AppendUint16(nil, uint16(field[3]))
		case 4:
			value = order.AppendUint32(nil, uint32(field[3]))
		case 1:
			value = []byte{byte(field[3])}
		default:
			value = number(nil, field[3])
		}
		f = append(append(f, value...), make([]byte, width-len(value))...)
	}
	return f
}

func TestTIFFOrientation(t *testing.T) {
	const tag, byteType, asciiType, shortType, longType = 274, 1, 2, 3, 4
	for name, tc := range map[string]struct {
		field [4]int
		want  int
	}{
		"SHORT":      {[4]int{tag, shortType, 1, 6}, 6},
		"LONG":       {[4]int{tag, longType, 1, 8}, 8},
		"BYTE":       {[4]int{tag, byteType, 1, 3}, 3},
		"ASCII":      {[4]int{tag, asciiType, 1, 3}, 1},
		"two values": {[4]int{tag, shortType, 2, 3}, 1},
		"0":          {[4]int{tag, shortType, 1, 0}, 1},
		"9":          {[4]int{tag, longType, 1, 9}, 1},
		"huge":       {[4]int{tag, longType, 1, 1<<32 - 1}, 1},
		"other tag":  {[4]int{271, shortType, 1, 6}, 1},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, big := range []bool{false, true} {
				file := tiffOf(order, big, [4]int{256, shortType, 1, 5}, tc.field)
				if got := tiffOrientation(file); got != tc.want {
					t.Errorf("%s, %v, BigTIFF %v: got %d, want %d", name, order, big, got, tc.want)
				}
				for n := range file {
					if got := tiffOrientation(file[:n]); got != 1 {
						t.Errorf("%s, %v, BigTIFF %v: %d of %d bytes give %d", name, order, big, n, len(file), got)
					}
				}
			}
		}
	}
}

func TestTIFFDirectoryBeyondFile(t *testing.T) {
	for _, big := range []bool{false, true} {
		file := tiffOf(binary.LittleEndian, big, [4]int{700, 7, 1 << 30, 1 << 31})
		if got := tiffOrientation(file); got != 1 {
			t.Errorf("BigTIFF %v: an XMP packet beyond the file gives %d", big, got)
		}
		at := 4
		if big {
			at = 8
		}
		for i := range at {
			file[at+i] = 0xff
		}
		if got := tiffOrientation(file); got != 1 {
			t.Errorf("BigTIFF %v: a directory beyond the file gives %d", big, got)
		}
	}
}

func TestXMPOrientation(t *testing.T) {
	for packet, want := range map[string]int{
		`<rdf:Description tiff:Orientation="6"/>`:             6,
		`<rdf:Description tiff:Orientation = '3' a="7">`:      3,
		`<tiff:Orientation>8</tiff:Orientation>`:              8,
		"<tiff:Orientation>\n 5\n</tiff:Orientation>":         5,
		`<tiff:Orientation>9</tiff:Orientation>`:              0,
		`<tiff:Orientation>12</tiff:Orientation>`:             0,
		`<tiff:Orientation></tiff:Orientation>8<`:             0,
		`<exif:Orientation>8</exif:Orientation>`:              0,
		`<a tiff:OrientationOfCamera="8" tiff:Orientation="`:  0,
		`<a tiff:Orientation="0"/><b tiff:Orientation='2' />`: 2,
		``: 0,
	} {
		if got := xmpOrientation([]byte(packet)); got != want {
			t.Errorf("%q: got %d, want %d", packet, got, want)
		}
	}
}

func TestXMPCountsWithoutEXIF(t *testing.T) {
	const packet = `<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>`
	var deflated bytes.Buffer
	w := zlib.NewWriter(&deflated)
	_, _ = w.Write([]byte(packet))
	_ = w.Close()
	jpegXMP := segment(markerAPP1, append(bytes.Clone(xmpPrefix), packet...)...)
	textChunk := func(compressed byte, text string) []byte {
		return pngChunk("iTXt", []byte("XML:com.adobe.xmp\x00"+string([]byte{compressed, 0})+"en\x00translated\x00"+text))
	}
	tiffXMP := func(exif ...[4]int) []byte {
		at := len(tiffOf(binary.BigEndian, true, append(exif, [4]int{})...))
		return append(tiffOf(binary.BigEndian, true, append(exif, [4]int{700, 7, len(packet), at})...), packet...)
	}
	little := binary.LittleEndian
	jpegEXIF := func(orientation int) []byte {
		return segment(markerAPP1, append(bytes.Clone(exifPrefix), exif(little, orientation)...)...)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	soi, sign := []byte("\xff\xd8"), []byte("\x89PNG\r\n\x1a\n")
	for name, tc := range map[string]struct {
		orientation func([]byte) int
		file        []byte
		want        int
	}{
		"JPEG":                     {jpegOrientation, join(soi, jpegXMP), 6},
		"JPEG, EXIF later":         {jpegOrientation, join(soi, jpegXMP, jpegEXIF(8)), 8},
		"JPEG, EXIF says 1":        {jpegOrientation, join(soi, jpegEXIF(1), jpegXMP), 1},
		"JPEG, EXIF says 0":        {jpegOrientation, join(soi, jpegEXIF(0), jpegXMP), 6},
		"JPEG, EXIF twice":         {jpegOrientation, join(soi, jpegEXIF(0), jpegEXIF(3), jpegXMP), 3},
		"PNG":                      {pngOrientation, join(sign, textChunk(0, packet)), 6},
		"PNG, compressed":          {pngOrientation, join(sign, textChunk(1, deflated.String())), 6},
		"PNG, damaged":             {pngOrientation, join(sign, textChunk(1, packet)), 1},
		"PNG, cut":                 {pngOrientation, join(sign, pngChunk("iTXt", []byte("XML:com.adobe.xmp\x00\x00"))), 1},
		"PNG, other keyword":       {pngOrientation, join(sign, pngChunk("iTXt", []byte("Comment\x00\x00\x00\x00\x00"+packet))), 1},
		"PNG, two packets":         {pngOrientation, join(sign, textChunk(0, "nothing"), textChunk(0, packet)), 1},
		"PNG, after its end":       {pngOrientation, join(sign, pngChunk("IEND", nil), textChunk(0, packet)), 1},
		"PNG, EXIF":                {pngOrientation, join(sign, textChunk(0, packet), pngChunk("eXIf", exif(little, 8))), 8},
		"PNG, the rest is cut off": {pngOrientation, join(sign, textChunk(0, packet), []byte("\x00\x00\x01\x00IDAT1234")), 6},
		"WebP":                     {webpOrientation, webpFile(riffChunk("XMP ", []byte(packet))), 6},
		"WebP, EXIF":               {webpOrientation, webpFile(riffChunk("XMP ", []byte(packet)), riffChunk("EXIF", exif(little, 8))), 8},
		"TIFF":                     {tiffOrientation, tiffXMP(), 6},
		"TIFF, EXIF":               {tiffOrientation, tiffXMP([4]int{274, 3, 1, 8}), 8},
	} {
		if got := tc.orientation(tc.file); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}

// A compressed packet is read up to a bound.
func TestXMPIsBounded(t *testing.T) {
	var deflated bytes.Buffer
	w := zlib.NewWriter(&deflated)
	_, _ = w.Write([]byte(strings.Repeat(" ", 1<<24)))
	_ = w.Close()
	chunk := append([]byte("\x01\x00\x00\x00"), deflated.Bytes()...)
	if n := len(pngXMP(chunk)); n != 1<<20 {
		t.Errorf("%d bytes are read", n)
	}
}

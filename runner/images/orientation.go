package images

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orient turns the stored pixels into the picture that an EXIF orientation, 1 to 8,
// describes (CIPA DC-008, tag 0x0112). Other values change nothing.
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

// tiffOrientation returns tag 274 of the first directory of a TIFF file, which is
// also the form that EXIF metadata has, or 1.
func tiffOrientation(data []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case hasMagic(data, "II*\x00"):
	case hasMagic(data, "MM\x00*"):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(data) < 8 {
		return 1
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return 1
	}
	entries := int(order.Uint16(data[at:]))
	for entry := data[at+2:]; entries > 0 && len(entry) >= 12; entries, entry = entries-1, entry[12:] {
		const tag, short = 274, 3
		if order.Uint16(entry) == tag && order.Uint16(entry[2:]) == short && order.Uint32(entry[4:]) == 1 {
			return int(order.Uint16(entry[8:]))
		}
	}
	return 1
}

var exifPrefix = []byte("Exif\x00\x00")

// jpegOrientation finds the EXIF segment among those before the first scan.
func jpegOrientation(data []byte) int {
	for rest := data[2:]; ; {
		marker, payload, next, ok := nextSegment(rest)
		if !ok || marker == markerSOS {
			return 1
		}
		if marker == markerAPP1 && bytes.HasPrefix(payload, exifPrefix) {
			return tiffOrientation(payload[len(exifPrefix):])
		}
		rest = next
	}
}

// pngOrientation finds the eXIf chunk, which may stand before or after the pixels.
func pngOrientation(data []byte) int {
	for rest := data[8:]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-12) {
			return 1
		}
		if string(rest[4:8]) == "eXIf" {
			return tiffOrientation(rest[8 : 8+n])
		}
		rest = rest[12+n:]
	}
	return 1
}

// webpOrientation finds the EXIF chunk, with or without JPEG's prefix.
func webpOrientation(data []byte) int {
	for rest := data[12:]; len(rest) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if n > uint64(len(rest)-8) {
			return 1
		}
		if string(rest[:4]) == "EXIF" {
			return tiffOrientation(bytes.TrimPrefix(rest[8:8+n], exifPrefix))
		}
		rest = rest[min(8+n+n%2, uint64(len(rest))):]
	}
	return 1
}

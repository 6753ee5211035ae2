package images

import (
	"bytes"
	"time"

	"github.com/cespare/xxhash/v2"
)

// A Shot is when and by what a photo was taken, as its EXIF metadata say (CIPA DC-008).
type Shot struct {
	// Seconds since 1970 by the camera's clock, which knows no time zone; 0 if unknown.
	Seconds int64
	// Camera tells cameras apart, by make, model and serial number; 0 if all of them are unknown.
	Camera uint64
}

// ShotOf reads the metadata of a JPEG or TIFF file. Whatever it can't read is unknown.
func ShotOf(data []byte) Shot {
	exif := exifOf(data)
	layout, ok := tiffLayoutOf(exif)
	if !ok {
		return Shot{}
	}
	const makeTag, modelTag, directoryTag, timeTag, serialTag = 0x010f, 0x0110, 0x8769, 0x9003, 0xa431
	first := layout.number(exif[layout.width:])
	var taken, serial string
	if f, ok := findField(exif, layout, first, directoryTag); ok && f.count == 1 {
		second := layout.number(f.value)
		taken, serial = textField(exif, layout, second, timeTag), textField(exif, layout, second, serialTag)
	}
	var s Shot
	if at, err := time.Parse("2006:01:02 15:04:05", taken); err == nil && at.Unix() > 0 {
		s.Seconds = at.Unix()
	}
	if camera := textField(exif, layout, first, makeTag) + "\x00" + textField(exif, layout, first, modelTag) + "\x00" + serial; len(camera) > 2 {
		s.Camera = xxhash.Sum64String(camera)
	}
	return s
}

// exifOf returns the EXIF metadata of a file, in the form of a TIFF file; nil if there are none.
func exifOf(data []byte) []byte {
	if _, ok := tiffLayoutOf(data); ok {
		return data
	}
	if !hasMagic(data, "\xff\xd8\xff") {
		return nil
	}
	for rest := data[2:]; ; {
		marker, payload, next, ok := nextSegment(rest)
		if !ok || marker == markerSOS {
			return nil
		}
		if exif, ok := bytes.CutPrefix(payload, exifPrefix); ok && marker == markerAPP1 {
			return exif
		}
		rest = next
	}
}

// maxText is how much of a field's text counts, in bytes.
const maxText = 256

// textField is the text of a field in the directory at an offset, without what pads it; empty if there is none.
func textField(data []byte, l tiffLayout, at uint64, tag uint16) string {
	const asciiType = 2
	f, ok := findField(data, l, at, tag)
	if !ok || f.kind != asciiType {
		return ""
	}
	text := f.value
	if f.count > uint64(len(text)) {
		from := l.number(f.value)
		if from > uint64(len(data)) {
			return ""
		}
		text = data[from:]
	}
	text = text[:min(f.count, uint64(len(text)), maxText)]
	text, _, _ = bytes.Cut(text, []byte{0})
	return string(bytes.TrimSpace(text))
}

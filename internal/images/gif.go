package images

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
)

// image/gif refuses a file whose first frame leaves the canvas, as some writers make them. Viewers show it all.

func gifConfig(data []byte) (image.Config, error) {
	return gif.DecodeConfig(bytes.NewReader(withRoom(data)))
}

func gifDecode(data []byte) (image.Image, error) {
	return gif.Decode(bytes.NewReader(withRoom(data)))
}

// withRoom returns the file with a canvas that holds its first frame.
func withRoom(data []byte) []byte {
	const (
		header     = 13 // and behind it, if flagged, a table of colors
		descriptor = 10
	)
	if len(data) < header {
		return data
	}
	at := header
	if flags := data[10]; flags&0x80 != 0 {
		at += 3 << (1 + flags&7)
	}
	for at+2 < len(data) && data[at] == 0x21 { // extensions, in blocks
		for at += 2; at < len(data) && data[at] != 0; at += 1 + int(data[at]) {
		}
		at++
	}
	if at+descriptor > len(data) || data[at] != 0x2c {
		return data
	}
	le := binary.LittleEndian
	width := uint32(le.Uint16(data[at+1:])) + uint32(le.Uint16(data[at+5:]))
	height := uint32(le.Uint16(data[at+3:])) + uint32(le.Uint16(data[at+7:]))
	if width <= uint32(le.Uint16(data[6:])) && height <= uint32(le.Uint16(data[8:])) || width > 0xffff || height > 0xffff {
		return data
	}
	data = bytes.Clone(data)
	le.PutUint16(data[6:], max(le.Uint16(data[6:]), uint16(width)))
	le.PutUint16(data[8:], max(le.Uint16(data[8:]), uint16(height)))
	return data
}

package main

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"
)

// endings are those of picture files, with the format to which a file counts whose content says nothing.
var endings = map[string]string{
	"jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG",
	"png": "PNG", "apng": "PNG", "gif": "GIF", "webp": "WebP",
	"bmp": "BMP", "dib": "BMP", "rle": "BMP", "tif": "TIFF", "tiff": "TIFF",
	"ppm": "PNM", "pgm": "PNM", "pbm": "PNM", "pnm": "PNM", "pam": "PNM", "pfm": "PFM",
	"avif": "AVIF", "heic": "HEIF", "heif": "HEIF", "jxl": "JPEG XL", "jp2": "JPEG 2000",
}

func ending(path string) string {
	return strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
}

// apart are the formats that a decoder may well leave out. They aren't counted with the others.
var apart = []string{"AVIF", "HEIF", "JPEG XL", "JPEG 2000"}

// magics are how files of a format begin; '?' stands for any byte.
var magics = []struct{ magic, format string }{
	{"\xff\xd8", "JPEG"},
	{"\x89PNG", "PNG"},
	{"GIF8", "GIF"},
	{"RIFF????WEBP", "WebP"},
	{"II*\x00", "TIFF"}, {"MM\x00*", "TIFF"}, {"II+\x00", "TIFF"}, {"MM\x00+", "TIFF"},
	{"BM", "BMP"}, {"BA????????????BM", "BMP"},
	{"P1", "PNM"}, {"P2", "PNM"}, {"P3", "PNM"}, {"P4", "PNM"}, {"P5", "PNM"}, {"P6", "PNM"}, {"P7", "PNM"},
	{"PF", "PFM"}, {"Pf", "PFM"},
	{"????ftypavi", "AVIF"},
	{"????ftyphei", "HEIF"}, {"????ftyphev", "HEIF"}, {"????ftypmif1", "HEIF"}, {"????ftypmsf1", "HEIF"},
	{"\xff\x0a", "JPEG XL"}, {"\x00\x00\x00\x0cJXL ", "JPEG XL"},
	{"\xff\x4f\xff\x51", "JPEG 2000"}, {"\x00\x00\x00\x0cjP  ", "JPEG 2000"},
}

// formatOf tells a file's format by its content, or else by its ending.
func formatOf(path string, content []byte) string {
	for _, m := range magics {
		if begins(content, m.magic) {
			return m.format
		}
	}
	return endings[ending(path)]
}

func begins(content []byte, magic string) bool {
	if len(content) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != content[i] {
			return false
		}
	}
	return true
}

// lossy says whether decoders may differ in a file's pixels.
func lossy(content []byte) bool {
	switch formatOf("", content) {
	case "JPEG", "AVIF", "HEIF", "JPEG XL", "JPEG 2000":
		return true
	case "WebP":
		lossless := bytes.Index(content, []byte("VP8L"))
		frame := bytes.Index(content, []byte("VP8 "))
		return frame >= 0 && (lossless < 0 || frame < lossless)
	case "BMP":
		const compression, jpeg = 30, 4
		return len(content) > compression && content[compression] == jpeg
	case "TIFF":
		return lossyTIFF(content)
	}
	return false
}

// lossyTIFF looks for the tags of the first picture that say so: a compression by JPEG, JPEG 2000, WebP or JPEG XL, or
// YCbCr, whose chroma is coarser.
func lossyTIFF(content []byte) bool {
	const (
		compression = 259
		photometric = 262
		yCbCr       = 6
	)
	byLoss := []uint16{6, 7, 33003, 33005, 34712, 50001, 50002, 52546}
	if len(content) < 16 {
		return false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if content[0] == 'M' {
		order = binary.BigEndian
	}
	directory, count, entry, valueAt := uint64(order.Uint32(content[4:])), 2, 12, 8
	if order.Uint16(content[2:]) == 43 { // BigTIFF
		directory, count, entry, valueAt = order.Uint64(content[8:]), 8, 20, 12
	}
	if directory > uint64(len(content)-count) {
		return false
	}
	for rest := content[directory+uint64(count):]; len(rest) >= entry; rest = rest[entry:] {
		tag, value := order.Uint16(rest), order.Uint16(rest[valueAt:])
		switch {
		case tag > photometric: // tags ascend
			return false
		case tag == compression && slices.Contains(byLoss, value), tag == photometric && value == yCbCr:
			return true
		}
	}
	return false
}

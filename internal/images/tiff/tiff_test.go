package tiff_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"reflect"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/images/tiff"
	"github.com/datasetaudit/dataset-audit/test/pictures"
)

const files = "testdata/*.tif"

// onWhite draws an image over a white page.
func onWhite(img image.Image) *image.RGBA {
	page := image.NewRGBA(img.Bounds())
	draw.Draw(page, page.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(page, page.Rect, img, img.Bounds().Min, draw.Over)
	return page
}

// TestDecode holds the files of testdata against their right pixels.
func TestDecode(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		t.Run(name, func(t *testing.T) {
			img, err := tiff.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			want := pictures.PNG(t, "testdata/"+strings.TrimSuffix(name, ".tif")+".png")
			if got := largestDifference(t, onWhite(img), onWhite(want)); got > tolerance(name) {
				t.Errorf("a sample is off by %d", got)
			}
		})
	}
}

// tolerance returns by how much decoders may differ: where they round a product, and more where a JPEG or L*a*b* of few
// bits is rounded more than once.
func tolerance(name string) int {
	switch {
	case strings.Contains(name, "jpeg"):
		return 3
	case strings.Contains(name, "lab"):
		return 2
	case strings.Contains(name, "alpha"), strings.HasPrefix(name, "rgba"), strings.HasPrefix(name, "cmyk"), name == "rgb-extras.tif":
		return 1
	}
	return 0
}

func largestDifference(t *testing.T, a, b *image.RGBA) int {
	t.Helper()
	if a.Rect != b.Rect {
		t.Fatalf("%v, not %v", a.Rect, b.Rect)
	}
	largest := 0
	for i := range a.Pix {
		largest = max(largest, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return largest
}

func TestDecodeConfig(t *testing.T) {
	models := map[string]color.Model{
		"gray16-be":       color.GrayModel,
		"miniswhite8":     color.GrayModel,
		"gray-alpha":      color.NRGBAModel,
		"rgb-extras":      color.NRGBAModel,
		"rgba-associated": color.RGBAModel,
		"palette4":        color.RGBAModel,
		"cmyk8":           color.CMYKModel,
		"cmyk-alpha":      color.NRGBAModel,
		"cielab8":         color.RGBAModel,
	}
	files := pictures.Files(t, files)
	for name, model := range models {
		config, err := tiff.DecodeConfig(files[name+".tif"])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if config.Width != 23 || config.Height != 19 || config.ColorModel != model {
			t.Errorf("%s: %+v", name, config)
		}
		img, err := tiff.Decode(files[name+".tif"])
		if err != nil || img.ColorModel() != model {
			t.Errorf("%s: decoded as %T, %v", name, img, err)
		}
	}
}

// TestTruncatedFile: what is left of a file is an error, or the same picture if nothing that it needs was cut off.
func TestTruncatedFile(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		want := decode(t, name, data)
		for n := 0; n < len(data); n += 1 + n/100 {
			checkShortened(t, name, want, data[:n])
		}
	}
}

// TestTruncatedStrip is the same with the last strip or tile of every kind of compression.
func TestTruncatedStrip(t *testing.T) {
	const stripByteCounts, tileByteCounts = 279, 325
	for name, data := range pictures.Files(t, files) {
		want := decode(t, name, data)
		count, set := lastValue(data, stripByteCounts)
		if count == 0 {
			count, set = lastValue(data, tileByteCounts)
		}
		for n := 1; n < count; n += 1 + n/20 {
			shortened := bytes.Clone(data)
			set(shortened, n)
			checkShortened(t, name, want, shortened)
		}
	}
}

func decode(t *testing.T, name string, data []byte) image.Image {
	t.Helper()
	img, err := tiff.Decode(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return img
}

func checkShortened(t *testing.T, name string, want image.Image, shortened []byte) {
	t.Helper()
	if got, err := tiff.Decode(shortened); err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: shortened, it makes another picture", name)
	}
}

// lastValue returns the last value of a SHORT or LONG field of a classic TIFF, and what sets it; or 0.
func lastValue(data []byte, tag uint16) (value int, set func(data []byte, v int)) {
	order, entry := findEntry(data, tag)
	if entry == 0 {
		return 0, nil
	}
	size := uint32(4)
	if order.Uint16(data[entry+2:]) == typeShort {
		size = 2
	}
	n := order.Uint32(data[entry+4:])
	at := entry + 8
	if n*size > 4 {
		at = order.Uint32(data[at:])
	}
	at += (n - 1) * size
	if size == 2 {
		return int(order.Uint16(data[at:])), func(data []byte, v int) { order.PutUint16(data[at:], uint16(v)) }
	}
	return int(order.Uint32(data[at:])), func(data []byte, v int) { order.PutUint32(data[at:], uint32(v)) }
}

const typeShort = 3

// findEntry returns where a tag's entry is in the directory of a classic TIFF, or 0.
func findEntry(data []byte, tag uint16) (binary.ByteOrder, uint32) {
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	if order.Uint16(data[2:]) != 42 {
		return order, 0
	}
	directory := order.Uint32(data[4:])
	for i := range uint32(order.Uint16(data[directory:])) {
		if entry := directory + 2 + 12*i; order.Uint16(data[entry:]) == tag {
			return order, entry
		}
	}
	return order, 0
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name        string
		tag         uint16
		value       uint16
		unsupported bool
	}{
		{"compression LZMA", 259, 34925, true},
		{"photometric LogLuv", 262, 32845, true},
		{"complex numbers", 339, 6, true},
		{"floats of two bits", 339, 3, true},
		{"L*a*b* of two bits", 262, 8, false}, // of one sample
		{"JPEG with two bits", 259, 7, true},
		{"CCITT with two bits", 259, 4, true},
		{"integers of 40 bits", 258, 40, true},
		{"integers of 100 bits", 258, 100, true},
		{"no bits", 258, 0, false},
		{"no samples", 277, 0, false},
		{"RGB of one sample", 262, 2, false},
		{"palette without a map", 262, 3, false},
		{"LZW that isn't", 259, 5, false},
		{"deflate that isn't", 259, 8, false},
		{"Zstandard that isn't", 259, 50000, false},
		{"no width", 256, 0, false},
		{"no height", 257, 0, false},
		{"more rows than there is data for", 257, 60000, false},
		{"a wider picture than there is data for", 256, 60000, false},
	}
	base := pictures.Files(t, files)["gray2-be.tif"]
	for _, tt := range tests {
		data := bytes.Clone(base)
		order, entry := findEntry(data, tt.tag)
		order.PutUint16(data[entry+2:], typeShort)
		order.PutUint16(data[entry+8:], tt.value)
		if _, err := tiff.Decode(data); err == nil || errors.Is(err, tiff.ErrUnsupported) != tt.unsupported {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

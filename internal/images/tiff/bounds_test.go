package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"testing"
)

// longField is a field of a directory whose values are 32-bit numbers.
type longField struct {
	tag    uint16
	values []uint32
}

// file is a TIFF file with a directory of fields, and data from byte 8 on.
func file(data []byte, fields ...longField) []byte {
	order := binary.LittleEndian
	f := append([]byte("II*\x00\x00\x00\x00\x00"), data...)
	directory := order.AppendUint16(nil, uint16(len(fields)))
	for _, fd := range fields {
		directory = order.AppendUint16(directory, fd.tag)
		directory = order.AppendUint16(directory, typeLong)
		directory = order.AppendUint32(directory, uint32(len(fd.values)))
		if len(fd.values) == 1 {
			directory = order.AppendUint32(directory, fd.values[0])
			continue
		}
		directory = order.AppendUint32(directory, uint32(len(f)))
		for _, v := range fd.values {
			f = order.AppendUint32(f, v)
		}
	}
	order.PutUint32(f[4:], uint32(len(f)))
	return append(append(f, directory...), 0, 0, 0, 0)
}

// TestWorkIsBounded has pictures of few pixels, which is all that a caller sees, in chunks of many.
func TestWorkIsBounded(t *testing.T) {
	tiled := func(compression, samples, width, height, tileWidth, tileHeight uint32) []byte {
		tiles := make([]uint32, (width+tileWidth-1)/tileWidth*((height+tileHeight-1)/tileHeight))
		for i := range tiles {
			tiles[i] = 8
		}
		return file(make([]byte, 64),
			longField{tagWidth, []uint32{width}}, longField{tagHeight, []uint32{height}}, longField{tagBitsPerSample, []uint32{8}},
			longField{tagCompression, []uint32{compression}}, longField{tagPhotometric, []uint32{1}}, longField{tagSamplesPerPixel, []uint32{samples}},
			longField{tagTileWidth, []uint32{tileWidth}}, longField{tagTileLength, []uint32{tileHeight}}, longField{tagTileOffsets, tiles})
	}
	planar := file(make([]byte, 64),
		longField{tagWidth, []uint32{13000}}, longField{tagHeight, []uint32{100}}, longField{tagBitsPerSample, []uint32{32}},
		longField{tagSampleFormat, []uint32{formatFloat}}, longField{tagCompression, []uint32{compressionDeflate}}, longField{tagPhotometric, []uint32{1}},
		longField{tagSamplesPerPixel, []uint32{700}}, longField{tagPlanarConfig, []uint32{2}}, longField{tagRowsPerStrip, []uint32{100}},
		longField{tagStripOffsets, slices.Repeat([]uint32{8}, 700)})
	for name, tc := range map[string]struct {
		file []byte
		ok   bool
	}{
		"a JPEG tile much larger than the picture": {tiled(compressionJPEG, 1, 1, 1, 40000, 40000), false},
		"one of 1024² pixels":                      {tiled(compressionJPEG, 1, 1, 1, 1024, 1024), true},
		"JPEG tiles at the picture's edges":        {tiled(compressionJPEG, 1, 2049, 2049, 1024, 1024), true},
		"a narrow picture in JPEG tiles":           {tiled(compressionJPEG, 1, 200, 6000, 1024, 1024), true},
		"rows of 128 MiB":                          {tiled(compressionDeflate, 1024, 1, 20, 65520, 20), false},
		"rows of 16 MiB, 20 of them":               {tiled(compressionDeflate, 128, 1, 20, 65520, 20), false},
		"2,000 samples a pixel":                    {tiled(compressionDeflate, 2000, 256, 2560, 256, 256), false},
		"700 planes, of which one is read":         {planar, true},
		"50 samples a pixel":                       {tiled(compressionDeflate, 50, 2560, 2560, 256, 256), true},
	} {
		if _, err := parsePage(tc.file); (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLongFields: what is held of a field does not grow with the values that it has.
func TestLongFields(t *testing.T) {
	const values = 1 << 20
	long := make([]uint32, values)
	for i := range long {
		long[i] = 8
	}
	data := file(make([]byte, 8), longField{tagWidth, []uint32{1}}, longField{tagHeight, []uint32{1}}, longField{tagBitsPerSample, long},
		longField{tagPhotometric, []uint32{1}}, longField{tagStripOffsets, long}, longField{tagStripByteCounts, long}, longField{tagExtraSamples, long})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parsePage(data)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err != nil || took > 4*values {
		t.Errorf("four fields of %d values took %d bytes (%v)", values, took, err)
	}
}

// TestSameOnEveryMachine has the sums of all colors as amd64 computes them. A machine that adds a product without
// rounding it first, as arm64 may, would have others. (GOAMD64=v3 may, too.)
func TestSameOnEveryMachine(t *testing.T) {
	sum := func(rgb func(a, b, c uint8) (uint8, uint8, uint8)) string {
		h := crc32.NewIEEE()
		for a := range 256 {
			for b := range 256 {
				for c := range 256 {
					red, green, blue := rgb(uint8(a), uint8(b), uint8(c))
					_, _ = h.Write([]byte{red, green, blue})
				}
			}
		}
		return fmt.Sprintf("%08x", h.Sum32())
	}
	bt601 := ycbcrSpace{luma: []float64{0.299, 0.587, 0.114}, reference: []float64{0, 255, 128, 255, 128, 255}}
	if got, want := sum(bt601.rgb()), "d1f7fd1f"; got != want {
		t.Errorf("Y'CbCr: %s, not %s", got, want)
	}
	lab := (&page{bits: 8, photometric: photometricCIELab}).lab()
	if got, want := sum(func(l, a, b uint8) (uint8, uint8, uint8) { return lab([]uint16{uint16(l), uint16(a), uint16(b)}) }), "90552df8"; got != want {
		t.Errorf("L*a*b*: %s, not %s", got, want)
	}
}

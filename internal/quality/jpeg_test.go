package quality

import (
	"bytes"
	"testing"
)

func TestJPEGQuality(t *testing.T) {
	img := scene(32, 32, 1)
	for quality := 2; quality <= 95; quality++ {
		// Steps are whole numbers from 1 on, and at most 255, which costs precision at both ends.
		got := int(jpegQuality(encoded(t, img, quality)))
		if tolerance := 1 + quality/60; abs(got-quality) > tolerance {
			t.Errorf("quality %d is taken for %d", quality, got)
		}
	}
}

func TestJPEGQualityOfTables(t *testing.T) {
	table := func(head byte, step ...byte) []byte {
		return append([]byte{head}, bytes.Repeat(step, 64)...)
	}
	segment := func(marker byte, content ...byte) []byte {
		size := len(content) + 2
		return append([]byte{0xff, marker, byte(size >> 8), byte(size)}, content...)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	start, scan := []byte{0xff, markerStart}, segment(markerScan, 1, 2, 3)
	tests := []struct {
		name string
		file []byte
		want uint8
	}{
		{"nothing", nil, 0},
		{"a start", start, 0},
		{"another format", []byte("\x89PNG\r\n\x1a\n"), 0},
		{"table 0", join(start, segment(markerTables, table(0, 132)...)), 5},
		{"after a comment and fill bytes", join(start, segment(0xfe, 7), []byte{0xff, 0xff}, segment(markerTables, table(0, 132)...)), 5},
		{"of two bytes a step", join(start, segment(markerTables, table(16, 1, 8)...)), 2},
		{"after table 1 in a segment", join(start, segment(markerTables, join(table(17, 0, 1), table(0, 132))...)), 5},
		{"in a second segment", join(start, segment(markerTables, table(1, 1)...), segment(markerTables, table(0, 132)...)), 5},
		{"the smallest steps", join(start, segment(markerTables, table(0, 1)...)), 96},
		{"the largest steps", join(start, segment(markerTables, table(16, 255, 255)...)), 1},
		{"steps of zero", join(start, segment(markerTables, table(0, 0)...)), 99},
		{"table 1 alone", join(start, segment(markerTables, table(1, 1)...), scan), 0},
		{"after the scan", join(start, scan, segment(markerTables, table(0, 132)...)), 0},
		{"a cut table", join(start, segment(markerTables, table(0, 132)[:60]...)), 0},
		{"a cut segment", join(start, segment(markerTables, table(0, 132)...)[:60]), 0},
		{"a segment of no size", join(start, []byte{0xff, markerTables, 0, 1, 0}), 0},
		{"no marker", join(start, []byte("abcdefgh")), 0},
	}
	for _, test := range tests {
		if got := jpegQuality(test.file); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func FuzzJPEGQuality(f *testing.F) {
	file := encoded(f, scene(16, 16, 1), 30)
	f.Add(file)
	f.Add(file[:100])
	f.Add([]byte{0xff, markerStart, 0xff, markerTables, 0, 3, 16})
	f.Fuzz(func(t *testing.T, file []byte) {
		if quality := jpegQuality(file); quality > 100 {
			t.Errorf("quality %d", quality)
		}
	})
}

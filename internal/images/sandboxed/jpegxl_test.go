package sandboxed

import (
	"image"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A bitWriter writes numbers from the lowest bit of each byte on.
type bitWriter struct {
	data []byte
	at   int
}

func (w *bitWriter) write(value, count int) {
	for i := range count {
		if w.at%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.at/8] |= byte(value>>i&1) << (w.at % 8)
		w.at++
	}
}

// codestream returns one with a header of groups of a value and how many bits it has.
func codestream(groups ...[2]int) []byte {
	w := new(bitWriter)
	for _, g := range groups {
		w.write(g[0], g[1])
	}
	return append(slices.Clone(codestreamSignature), w.data...)
}

var (
	no, yes  = [2]int{0, 1}, [2]int{1, 1}
	eight    = [][2]int{no, {0, 2}} // bits a sample, integers
	wide     = [][2]int{no, {1, 2}, {426, 13}, {0, 3}, {1, 2}, {639, 13}}
	square   = [][2]int{yes, {4, 5}, {1, 3}}
	ordinary = slices.Concat([][2]int{no, no}, eight, [][2]int{yes})
)

func TestJPEGXLHeader(t *testing.T) {
	for name, tc := range map[string]struct {
		stream        []byte
		size          image.Point
		premultiplied bool
	}{
		"default": {codestream(append(wide, yes)...), image.Pt(640, 427), false},
		"eights":  {codestream(append(square, yes)...), image.Pt(40, 40), false},
		"ratio":   {codestream(no, [2]int{0, 2}, [2]int{99, 9}, [2]int{5, 3}, yes), image.Pt(177, 100), false},
		"orientation": {codestream(slices.Concat(wide, [][2]int{no, yes, {5, 3}, no, no, no}, eight, [][2]int{yes, {0, 2}})...),
			image.Pt(427, 640), false},
		"everything": {codestream(slices.Concat(wide, [][2]int{no, yes, {0, 3}, yes}, square,
			[][2]int{yes, yes, {2, 2}, {3, 5}, {0, 3}, {0, 2}}, // a preview of 32 × 128
			[][2]int{yes, {2, 2}, {9, 10}, {1, 2}, {3, 2}, {7, 32}, no},
			[][2]int{yes, {1, 2}, {4, 4}, yes},                                                                                              // half floats
			[][2]int{{2, 2}, {1, 4}},                                                                                                        // three channels
			[][2]int{yes},                                                                                                                   // default alpha
			[][2]int{no, {2, 2}, {0, 4}}, eight, [][2]int{{3, 2}, {1, 3}, {1, 2}, {2, 4}, {0x6261, 16}, {0, 16}, {0, 16}, {0, 16}, {0, 16}}, // a spot color
			[][2]int{no, {0, 2}}, eight, [][2]int{{0, 2}, {0, 2}, yes})...), // premultiplied alpha
			image.Pt(640, 427), true},
		"straight alpha": {codestream(slices.Concat(wide, ordinary, [][2]int{{1, 2}, no, {0, 2}}, eight, [][2]int{{0, 2}, {0, 2}, no})...),
			image.Pt(640, 427), false},
	} {
		h, err := parseJPEGXL(tc.stream)
		if err != nil || h.size != tc.size || h.premultiplied != tc.premultiplied {
			t.Errorf("%s: got %v, %v, want %v, %v", name, h, err, tc.size, tc.premultiplied)
		}
	}
}

func TestJPEGXLErrors(t *testing.T) {
	whole := codestream(append(wide, yes)...)
	for name, tc := range map[string]struct {
		file        []byte
		text        string
		unsupported bool
	}{
		"empty":         {nil, "no signature", false},
		"ends early":    {whole[:4], "ends in its header", false},
		"only a header": {whole, "libjxl: the picture can't be decoded", false},
		"CMYK": {codestream(slices.Concat(wide, ordinary, [][2]int{{1, 2}, no, {2, 2}, {2, 4}}, eight, [][2]int{{0, 2}, {0, 2}})...),
			"CMYK", true},
		"no codestream": {slices.Concat(jpegxlSignature, newBox("ftyp", []byte("jxl "))), "no codestream", false},
		"truncated":     {slices.Concat(jpegxlSignature, newBox("jxlc", whole)[:9]), "truncated", false},
	} {
		_, err := JPEGXL(tc.file)
		if err == nil || !strings.Contains(err.Error(), tc.text) || isUnsupported(err) != tc.unsupported {
			t.Errorf("%s: got %v, want %q", name, err, tc.text)
		}
	}
}

// A codestream may be bare, in one box or in several.
func TestJPEGXLContainers(t *testing.T) {
	stream, err := jpegxlCodestream(readFile(t, "testdata/jxl-lossless.jxl"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := JPEGXL(stream)
	if err != nil {
		t.Fatal(err)
	}
	start := slices.Concat(jpegxlSignature, newBox("ftyp", []byte("jxl \x00\x00\x00\x00jxl ")))
	for name, file := range map[string][]byte{
		"one box":  slices.Concat(start, newBox("jxlc", stream), newBox("abcd", nil)),
		"long box": slices.Concat(start, newLongBox("jxlc", stream)),
		"two boxes": slices.Concat(start, newBox("jxlp", slices.Concat([]byte{0, 0, 0, 0}, stream[:5])),
			newBox("jxlp", slices.Concat([]byte{128, 0, 0, 1}, stream[5:]))),
	} {
		if got, err := JPEGXL(file); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

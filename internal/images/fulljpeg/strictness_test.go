package fulljpeg

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// Damage and nonsense that T.81 lets a decoder notice.
func TestRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	p := newPicture(rng, 60, 40, 0x22, 0x11, 0x11)
	p.restart, p.planes = 2, true
	huffman := p.encode()
	p.arithmetic = true
	arithmetic := p.encode()
	progressive := testFiles(t)["testdata/progressive-restart"]
	last := func(data []byte, marker byte) int { return bytes.LastIndex(data, []byte{0xff, marker}) }
	for name, tc := range map[string]struct {
		data   []byte
		change func(data []byte) []byte
		want   string
	}{
		"another restart marker": {huffman, func(data []byte) []byte {
			data[bytes.Index(data, []byte{0xff, 0xd1})+1] = 0xd2
			return data
		}, "marker 0xd2 instead of restart marker 0xd1"},
		"a restart marker more": {arithmetic, func(data []byte) []byte {
			return append(data[:len(data)-2], 0xff, 0xd0, 0xff, 0xd1, 0xff, markerEOI)
		}, "after the last interval"},
		"a byte more": {huffman, func(data []byte) []byte {
			return append(data[:len(data)-3], 0, 0xff, markerEOI)
		}, "left over"},
		"an arithmetic-coded byte more": {arithmetic, func(data []byte) []byte {
			return append(data[:len(data)-3], 1, 2, 3, 4, 0xff, markerEOI)
		}, "left over"},
		"an interval cut short": {huffman, func(data []byte) []byte {
			end := bytes.Index(data, []byte{0xff, 0xff, markerRST0})
			return append(data[:end-2], data[end:]...)
		}, "scan 1: "},
		"a scan left out": {huffman, func(data []byte) []byte {
			return append(data[:last(data, markerSOS)], 0xff, markerEOI)
		}, "no scan of component 3"},
		"a scan twice": {arithmetic, func(data []byte) []byte {
			return append(data[:len(data)-3], data[last(data, markerSOS):]...)
		}, "given twice"},
		"no Huffman tables but for a progressive file": {progressive, func(data []byte) []byte {
			for i := range len(data) - 1 {
				if data[i] == 0xff && data[i+1] == markerDHT {
					data[i+1] = markerCOM
				}
			}
			return data
		}, "not defined"},
		"no quantization table": {arithmetic, func(data []byte) []byte {
			data[last(data, markerDQT)+1] = markerCOM
			return data
		}, "quantization table 0 is not defined"},
		"AC first": {progressive, func(data []byte) []byte {
			return append(data[:bytes.Index(data, []byte{0xff, markerSOS})], segment(markerSOS, 1, 1, 0, 1, 63, 0)...)
		}, ""},
		"spectral selection from DC to AC": {progressive, func(data []byte) []byte {
			data[bytes.Index(data, []byte{0xff, markerSOS})+12] = 5
			return data
		}, "coefficients 0 to 5"},
		"refinement of what is not known": {progressive, func(data []byte) []byte {
			data[bytes.Index(data, []byte{0xff, markerSOS})+13] = 0x21
			return data
		}, "not in order"},
		"two frame headers": {huffman, func(data []byte) []byte {
			return append(append(data[:2:2], p.frameHeader()...), data[2:]...)
		}, "two frame headers"},
		"more pixels than bits": {huffman, func(data []byte) []byte {
			at := bytes.Index(data, []byte{0xff, markerSOF1})
			copy(data[at+5:], "\x40\x00\x40\x00")
			return data
		}, "can't hold"},
	} {
		data := tc.change(bytes.Clone(tc.data))
		_, err := Decode(data)
		if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Many scans of a large picture in a small file would take long.
func TestManyScans(t *testing.T) {
	p := picture{width: 16000, height: 16000, arithmetic: true, components: []component{{h: 1, v: 1}}}
	data := append([]byte{0xff, markerSOI}, segment(markerDQT, make([]byte, 65)...)...)
	frame := p.frameHeader()
	frame[1] = markerSOF10
	data = append(data, frame...)
	for k := range byte(60) {
		data = append(data, segment(markerSOS, 1, 0, 0, k, k, 0)...)
	}
	data = append(data, 0xff, markerEOI)
	if _, err := Decode(data); err == nil || !strings.Contains(err.Error(), "60 scans") {
		t.Error(err)
	}
}

// Things that are unusual but right.
func TestTaken(t *testing.T) {
	data := testFiles(t)["testdata/progressive-restart"]
	want, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.Index(data, []byte{0xff, markerSOS})
	second += 2 + bytes.Index(data[second+2:], []byte{0xff, markerDHT})
	insert := func(at int, segment []byte) []byte {
		return append(append(data[:at:at], segment...), data[at:]...)
	}
	for name, changed := range map[string][]byte{
		"fill bytes":                        insert(second, []byte{0xff, 0xff}),
		"junk between segments":             insert(2, []byte("junk")),
		"a quantization table that follows": insert(second, segment(markerDQT, make([]byte, 65)...)),
		"a comment between scans":           insert(second, segment(markerCOM, 1, 2, 3)),
	} {
		got, err := Decode(changed)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compare(t, rgba(got), rgba(want))
	}
	gray := newPicture(rand.New(rand.NewPCG(15, 16)), 20, 20, 0x11).encode()
	for name, s := range map[string][]byte{
		"arithmetic conditioning":       segment(markerDAC, 0x00, 0x10),
		"a Huffman table without codes": segment(markerDHT, append([]byte{0x13}, make([]byte, 16)...)...),
	} {
		changed := append(append(gray[:2:2], s...), gray[2:]...)
		if _, err := Decode(changed); err != nil || !Handles(changed) {
			t.Errorf("%s: handled %v, %v", name, Handles(changed), err)
		}
	}
	padded := newPicture(rand.New(rand.NewPCG(13, 14)), 20, 20, 0x11).encode()
	padded = append(padded[:len(padded)-3], 0xff, 0, 0xff, markerRST0, 0xff, markerEOI)
	if _, err := Decode(padded); err != nil {
		t.Error("a byte of ones and a restart marker at the end:", err)
	}
	if f, _ := parse(insert(second, segment(markerDQT, make([]byte, 65)...))); !f.quantizationFollows {
		t.Error("the quantization table that follows is not noticed")
	}
}

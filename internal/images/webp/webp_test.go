package webp

import (
	"bytes"
	"encoding/binary"
	"image"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/test/pictures"
)

const files = "testdata/*.webp"

func TestFiles(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		t.Run(name, func(t *testing.T) {
			want := pictures.PNG(t, "testdata/"+strings.TrimSuffix(name, ".webp")+".png")
			img := pictures.Check(t, data, want, DecodeConfig, Decode)
			_, transparent := want.(*image.NRGBA)
			if _, ok := img.(*image.NRGBA); ok != transparent {
				t.Errorf("the picture is a %T", img)
			}
		})
	}
}

func chunk(id string, payload ...byte) []byte {
	c := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(payload)))
	return append(append(c, payload...), make([]byte, len(payload)%2)...)
}

func riff(chunks ...[]byte) []byte {
	return chunk("RIFF", append([]byte("WEBP"), bytes.Join(chunks, nil)...)...)
}

// chunksOf returns the chunks of a file.
func chunksOf(t testing.TB, data []byte) (list [][]byte) {
	t.Helper()
	for rest := data[12:]; len(rest) > 0; {
		_, _, after, err := nextChunk(rest)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rest[:len(rest)-len(after)])
		rest = after
	}
	return list
}

// What is cut off after the first picture's bitstream does not matter.
func TestTruncated(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		whole, err := Decode(data)
		if err != nil {
			t.Fatal(name, err)
		}
		needed := 12
		for _, c := range chunksOf(t, data) {
			needed += len(c)
			if id := string(c[:4]); id == "VP8 " || id == "VP8L" || id == "ANMF" {
				break
			}
		}
		for n := range data {
			img, err := Decode(data[:n])
			if err == nil && (n < needed-1 || !reflect.DeepEqual(img, whole)) {
				t.Errorf("%s: %d of %d bytes are accepted", name, n, len(data))
			}
			if err != nil && n >= needed {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(data), err)
			}
		}
	}
}

// extended is the VP8X chunk of a canvas.
func extended(width, height int) []byte {
	w, h := width-1, height-1
	return chunk("VP8X", 0, 0, 0, 0, byte(w), byte(w>>8), byte(w>>16), byte(h), byte(h>>8), byte(h>>16))
}

// animated is a frame at 2x, 2y.
func animated(x, y, width, height int, chunks ...[]byte) []byte {
	w, h := width-1, height-1
	header := []byte{byte(x), 0, 0, byte(y), 0, 0, byte(w), 0, 0, byte(h), 0, 0, 100, 0, 0, 0}
	return chunk("ANMF", append(header, bytes.Join(chunks, nil)...)...)
}

func TestContainers(t *testing.T) {
	files := pictures.Files(t, files)
	lossy := chunksOf(t, files["lossy-7x1.webp"])[0]
	want, err := Decode(files["lossy-7x1.webp"])
	if err != nil {
		t.Fatal(err)
	}
	resized := func(by int) []byte {
		data := riff(lossy)
		binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8+by))
		return data
	}
	for name, file := range map[string][]byte{
		"plain":                  riff(lossy),
		"unknown chunks":         riff(chunk("abcd", 1, 2, 3), lossy, chunk("efgh", 1)),
		"extended":               riff(extended(7, 1), chunk("ICCP", 1), lossy),
		"two pictures":           riff(lossy, lossy[:20]),
		"animated":               riff(extended(7, 1), chunk("ANIM", 1, 2, 3, 4, 0, 0), animated(0, 0, 7, 1, chunk("abcd", 1), lossy)),
		"more after RIFF":        append(riff(lossy), "more"...),
		"RIFF claims more":       resized(100),
		"RIFF claims everything": resized(1<<32 - 1 - len(riff(lossy)) + 8),
		"opaque ALPH":            riff(extended(7, 1), chunk("ALPH", 0, 255, 255, 255, 255, 255, 255, 255), lossy),
	} {
		got, err := Decode(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	files := pictures.Files(t, files)
	lossy, lossless := chunksOf(t, files["lossy-7x1.webp"])[0], chunksOf(t, files["lossless.webp"])[0]
	edited := func(c []byte, at int, with ...byte) []byte {
		c = bytes.Clone(c)
		copy(c[at:], with)
		return c
	}
	short := riff(lossy)
	binary.LittleEndian.PutUint32(short[4:], uint32(len(short)-8-2))
	for name, tc := range map[string]struct {
		file []byte
		text string
	}{
		"empty":                 {nil, "no RIFF header"},
		"other RIFF file":       {[]byte("RIFF\x04\x00\x00\x00WAVE"), "no RIFF header"},
		"no picture":            {riff(extended(7, 1)), "last pixel"},
		"RIFF too short":        {short, "last pixel"},
		"short VP8X":            {riff(chunk("VP8X", 1, 2, 3), lossy), "VP8X: the chunk is too short"},
		"short ANMF":            {riff(extended(7, 1), chunk("ANMF", 1, 2, 3), lossy), "ANMF: the chunk is too short"},
		"other canvas":          {riff(extended(8, 1), lossy), "7×1 pixels in a frame of 8×1"},
		"other canvas lossless": {riff(extended(8, 1), lossless), "40×30 pixels in a frame of 8×1"},
		"other frame":           {riff(extended(9, 9), animated(0, 0, 7, 2, lossy)), "7×1 pixels in a frame of 7×2"},
		"frame beyond canvas":   {riff(extended(8, 1), animated(1, 0, 7, 1, lossy)), "on a canvas of (8,1)"},
		"frame without canvas":  {riff(animated(0, 0, 7, 1, lossy)), "on a canvas of (0,0)"},
		"not a key frame":       {riff(edited(lossy, 8, lossy[8]|1)), "not a key frame"},
		"no width":              {riff(edited(lossy, 8+6, 0, 0)), "0×1 pixels"},
		"no start code":         {riff(edited(lossy, 8+3, 0)), "invalid format"},
		"no VP8L signature":     {riff(edited(lossless, 8, 0)), "invalid header"},
		"empty ALPH":            {riff(extended(7, 1), chunk("ALPH"), lossy), "ALPH: the chunk is too short"},
		"short ALPH":            {riff(extended(7, 1), chunk("ALPH", 0, 1, 2, 3, 4, 5, 6), lossy), "ALPH: the file ends"},
		"unknown ALPH":          {riff(extended(7, 1), chunk("ALPH", 2, 1, 2, 3, 4, 5, 6, 7), lossy), "ALPH: unknown compression"},
		"damaged ALPH":          {riff(extended(7, 1), chunk("ALPH", 1, 255), lossy), "ALPH: lossless bitstream"},
	} {
		_, err := Decode(tc.file)
		if err == nil || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: got %v, want %q", name, err, tc.text)
		}
	}
}

// A lossless picture that does not claim alpha is opaque, whatever it stores.
func TestUnusedAlpha(t *testing.T) {
	data := bytes.Clone(pictures.Files(t, files)["lossless-alpha.webp"])
	at := bytes.Index(data, []byte("VP8L")) + 8 + 4
	if data[at]&(1<<4) == 0 {
		t.Fatal("the file does not claim alpha")
	}
	data[at] &^= 1 << 4
	img, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if rgba, ok := img.(*image.RGBA); !ok || !rgba.Opaque() {
		t.Error("the picture is not opaque")
	}
}

func FuzzDecode(f *testing.F) { pictures.Fuzz(f, files, DecodeConfig, Decode) }

package main

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filled is a picture of one gray, and the reference's answer that is like it.
func filled(width, height int, gray uint8) (*image.RGBA, picture) {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	p := picture{width: width, height: height, pix: make([]byte, 3*width*height)}
	for i := range p.pix {
		p.pix[i] = gray
	}
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, color.RGBA{gray, gray, gray, 255})
		}
	}
	return img, p
}

func TestCompare(t *testing.T) {
	tests := map[string]struct {
		width, height int
		lossy         bool
		change        func(img *image.RGBA)
		wrong         bool
	}{
		"same":                   {20, 10, false, func(*image.RGBA) {}, false},
		"rounded":                {20, 10, false, func(img *image.RGBA) { shift(img, img.Rect, 1) }, false},
		"two levels off":         {20, 10, false, func(img *image.RGBA) { shift(img, img.Rect, 2) }, true},
		"one row wrong":          {100, 100, false, func(img *image.RGBA) { shift(img, image.Rect(0, 99, 100, 100), 9) }, true},
		"a pixel of many":        {100, 100, false, func(img *image.RGBA) { shift(img, image.Rect(4, 4, 5, 5), 99) }, false},
		"a pixel of few":         {10, 10, false, func(img *image.RGBA) { shift(img, image.Rect(4, 4, 5, 5), 99) }, true},
		"lossy, same":            {21, 11, true, func(*image.RGBA) {}, false},
		"lossy, two levels":      {21, 11, true, func(img *image.RGBA) { shift(img, img.Rect, 2) }, false},
		"lossy, three levels":    {21, 11, true, func(img *image.RGBA) { shift(img, img.Rect, 3) }, true},
		"lossy, fine stripes":    {32, 32, true, stripes, false},
		"stripes without loss":   {32, 32, false, stripes, true},
		"lossy, a block missing": {80, 80, true, func(img *image.RGBA) { shift(img, image.Rect(8, 8, 16, 16), 60) }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ours, theirs := filled(test.width, test.height, 100)
			test.change(ours)
			if wrong, reason := compare(ours, theirs, test.lossy); wrong != test.wrong {
				t.Errorf("wrong: %t (%s)", wrong, reason)
			}
		})
	}
	ours, theirs := filled(4, 3, 0)
	theirs.width, theirs.height = 3, 4
	if wrong, reason := compare(ours, theirs, true); !wrong || reason != "4×3 pixels, the reference has 3×4" {
		t.Errorf("turned: %t, %s", wrong, reason)
	}
}

// shift makes all channels of a part lighter.
func shift(img *image.RGBA, part image.Rectangle, by uint8) {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			p := img.Pix[img.PixOffset(x, y):]
			p[0], p[1], p[2] = p[0]+by, p[1]+by, p[2]+by
		}
	}
}

// stripes makes columns lighter and darker by turns.
func stripes(img *image.RGBA) {
	for x := range img.Rect.Dx() {
		shift(img, image.Rect(x, 0, x+1, img.Rect.Dy()), uint8(30-60*(x%2)))
	}
}

func TestDifference(t *testing.T) {
	ours, theirs := filled(3, 3, 10)
	theirs.pix[0] = 28   // red, at the top left
	theirs.pix[3*8] = 19 // and at the bottom right, in a box of its own
	if mean, high := difference(ours, theirs.pix, 1); mean != 1 || high != 18 {
		t.Errorf("by pixel: mean %v, high %v", mean, high)
	}
	if mean, high := difference(ours, theirs.pix, 2); math.Abs(mean-(4.5+9)/12) > 1e-9 || high != 9 {
		t.Errorf("by 2×2: mean %v, high %v", mean, high)
	}
}

func TestPercentile(t *testing.T) {
	histogram := []int{998, 1, 0, 0, 1}
	for part, want := range map[float64]float64{.5: 0, .998: 0, .999: 1, 1: 4} {
		if got := percentile(histogram, 1000, part); got != want {
			t.Errorf("%v: %v, not %v", part, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	img, same := filled(8, 8, 50)
	_, other := filled(8, 8, 90)
	bad := picture{note: "cut short"}
	failure := errors.New("unknown")
	tests := map[string]struct {
		ours    *image.RGBA
		failure error
		theirs  picture
		want    verdict
	}{
		"right":                {img, nil, same, right},
		"another picture":      {img, nil, other, wrong},
		"ours refuses":         {nil, failure, same, refusedValid},
		"the reference":        {img, nil, bad, acceptedInvalid},
		"both":                 {nil, failure, bad, bothRefuse},
		"panicked":             {nil, fmt.Errorf("%w: index", errPanicked), same, refusedValid},
		"panicked in a format": {nil, errors.New("corrupt image: GIF: the decoder panicked: index"), bad, bothRefuse},
	}
	var sum tally
	for name, test := range tests {
		r := judge("GIF", false, test.ours, test.failure, test.theirs)
		if r.verdict != test.want || r.panicked != strings.HasPrefix(name, "panicked") || r.reason == "" {
			t.Errorf("%s: %+v", name, r)
		}
		sum.add("s", r)
	}
	sum.add("s", result{format: "AVIF", verdict: refusedValid})
	var out strings.Builder
	sum.print(&out)
	for _, line := range []string{
		"| s | 7 | 1 | 1 | 2 | 1 | 2 | 2 | 50.0 % |",
		"| GIF | 7 | 1 | 1 | 2 | 1 | 2 | 2 | 50.0 % |",
		"| **total** | 7 | 1 | 1 | 2 | 1 | 2 | 2 | 50.0 % |",
		"| AVIF | 1 | 0 | 0 | 1 | 0 | 0 | 0 | 100.0 % |",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
}

func TestFormatOf(t *testing.T) {
	tests := map[string]struct {
		path, content, format string
		lossy                 bool
	}{
		"by content":      {"a.png", "\xff\xd8\xff\xe0", "JPEG", true},
		"by ending":       {"dir/A.PNG", "none", "PNG", false},
		"empty":           {"a.jp2", "", "JPEG 2000", false},
		"AVIF":            {"a.png", "\x00\x00\x00\x20ftypavif", "AVIF", true},
		"lossy WebP":      {"", "RIFF\x00\x00\x00\x00WEBPVP8 VP8L", "WebP", true},
		"lossless WebP":   {"", "RIFF\x00\x00\x00\x00WEBPVP8L", "WebP", false},
		"short TIFF":      {"", "II*\x00\x08\x00\x00\x00", "TIFF", false},
		"LZW":             {"", tiff(5, 2), "TIFF", false},
		"JPEG in TIFF":    {"", tiff(7, 2), "TIFF", true},
		"coarse chroma":   {"", tiff(1, 6), "TIFF", true},
		"beyond the file": {"", "MM\x00*\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", "TIFF", false},
	}
	for name, test := range tests {
		content := []byte(test.content)
		if got := formatOf(test.path, content); got != test.format || lossy(content) != test.lossy {
			t.Errorf("%s: %s, lossy %t", name, got, lossy(content))
		}
	}
}

// tiff is the beginning of a file with a directory of two entries.
func tiff(compression, photometric byte) string {
	return "II*\x00\x08\x00\x00\x00\x02\x00" +
		"\x03\x01\x03\x00\x01\x00\x00\x00" + string([]byte{compression}) + "\x00\x00\x00" +
		"\x06\x01\x03\x00\x01\x00\x00\x00" + string([]byte{photometric}) + "\x00\x00\x00"
}

func TestReadAnswer(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("ok 1 2 a note\nabcdef" + "bad no image\n" + "ok 2 1\n123456" + "ok 1 1\nab"))
	want := []picture{
		{width: 1, height: 2, pix: []byte("abcdef"), note: "a note"},
		{note: "no image"},
		{width: 2, height: 1, pix: []byte("123456")},
	}
	for _, w := range want {
		got, err := readAnswer(in)
		if diff := cmp.Diff(w, got, cmp.AllowUnexported(picture{})); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	for _, answer := range []string{"", "ok 1 1\nab", "ok 0 5\n", "ok 100000 100000\n", "what?\n"} {
		if p, err := readAnswer(bufio.NewReader(strings.NewReader(answer))); err == nil {
			t.Errorf("%q is taken for %d×%d pixels", answer, p.width, p.height)
		}
	}
}

// TestRun has a script for a reference, which takes every file for one red pixel.
func TestRun(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "reference")
	write := func(path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(program, "#!/bin/sh\nwhile read -r path; do printf 'ok 1 1 script\\n\\377\\000\\000'; done\n")
	suite := filepath.Join(dir, "suite")
	if err := os.Mkdir(suite, 0o755); err != nil {
		t.Fatal(err)
	}
	bmp := func(blue, green, red byte) string {
		return "BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x18\x00" +
			strings.Repeat("\x00", 24) + string([]byte{blue, green, red, 0})
	}
	write(filepath.Join(suite, "red.bmp"), bmp(0, 0, 255))
	write(filepath.Join(suite, "blue.BMP"), bmp(255, 0, 0))
	write(filepath.Join(suite, "none.png"), "none")
	write(filepath.Join(suite, "README"), "no picture")
	var out strings.Builder
	if err := run(t.Context(), &out, program, true, []string{suite, "again=" + suite}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"wrong: suite/blue.BMP (BMP): mean 170.00, p99.9 255.0; the reference: script",
		"refused though valid: again/none.png (PNG): ",
		"| suite | 3 | 1 | 1 | 1 | 0 | 0 | 0 | 33.3 % |",
		"| again | 3 | 1 | 1 | 1 | 0 | 0 | 0 | 33.3 % |",
		"| BMP | 4 | 2 | 2 | 0 | 0 | 0 | 0 | 0.0 % |",
		"| **total** | 6 | 2 | 2 | 2 | 0 | 0 | 0 | 33.3 % |",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
}

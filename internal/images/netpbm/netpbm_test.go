package netpbm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/test/pictures"
)

const files = "testdata/*.p[bgpaf]m"

func TestFiles(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		t.Run(name, func(t *testing.T) {
			img := pictures.Check(t, data, pictures.PNG(t, "testdata/"+name+".png"), DecodeConfig, Decode)
			if config, _ := DecodeConfig(data); config.ColorModel != img.ColorModel() {
				t.Error("the color models of DecodeConfig and Decode differ")
			}
		})
	}
}

// Digits of a plain file's last number may be missing unnoticed, nothing else.
func TestTruncated(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		whole, err := Decode(data)
		if err != nil {
			t.Fatal(name, err)
		}
		want := pictures.Pixels(whole)
		for n := range data {
			img, err := Decode(data[:n])
			if errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(data), err)
			}
			if err != nil {
				continue
			}
			switch {
			case name == "two.ppm" && n >= len(data)/2:
			case strings.HasPrefix(name, "plain") && cmp.Equal(pictures.Pixels(img)[:len(want)-1], want[:len(want)-1]):
			default:
				t.Errorf("%s: %d of %d bytes are accepted", name, n, len(data))
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	black, white := color.NRGBA{0, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}
	for file, want := range map[string][]color.NRGBA{
		"P1 2 1 01":                 {white, black},
		"P1\n#c\n2#c\n1#c\n0 #c\n1": {white, black},
		"P1\t2\r1\v0\f1":            {white, black},
		"P4 2 1\n\x40":              {white, black},
		"P4 2 1#c\n\x40":            {white, black},
		"P5 2 1 255\n\x00\xff":      {black, white},
		"P5 2 1 255#c\n\x00\xff":    {black, white},
		"P5\r\n2 1\r\n255 \x00\xff": {black, white},
		"P5 1 1 255\n##":            {{35, 35, 35, 255}},
		"P2 1 1 65535 200":          {black},
		"P2 1 1 65534 200":          {{1, 1, 1, 255}},
		"P5 1 1 256 \x00\x80":       {{128, 128, 128, 255}},
		"P2 2 1 1 0 1 and text":     {black, white},
		"P7\nWIDTH 1\nHEIGHT 1\nDEPTH  1 \nMAXVAL 1\r\nTUPLTYPE  GRAYSCALE\nENDHDR\n\x01": {white},
	} {
		img, err := Decode([]byte(file))
		if err != nil {
			t.Errorf("%q: %v", file, err)
		} else if diff := cmp.Diff(want, pictures.Pixels(img)); diff != "" {
			t.Errorf("%q: pixels (-want +got):\n%s", file, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	const pam = "P7\nWIDTH 1\nHEIGHT 1\n"
	for file, tc := range map[string]struct {
		unsupported bool
		text        string
	}{
		"":                                  {false, "no magic"},
		"Q1 1 1 1":                          {false, "no magic"},
		"P8 1 1 1":                          {false, "magic number P8"},
		"P1 0 1 1":                          {false, "0×1 pixels"},
		"P1 -1 1 1":                         {false, "'-' where a number"},
		"P5 x":                              {false, "'x' where a number"},
		"P1 1 1 2":                          {false, "'2' where a bit"},
		"P2 1 1 9 10":                       {false, "10, beyond the maximum of 9"},
		"P5 1 1 9 \x0a":                     {false, "10, beyond the maximum of 9"},
		"P5 1 1 300 \x01\x2d":               {false, "301, beyond the maximum of 300"},
		"P2 1 1 0 0":                        {false, "a maximum of 0"},
		"P2 1 1 65536 0":                    {false, "a maximum of 65536"},
		"P5 1 1 255x\x00":                   {false, "'x' where white space"},
		"P5 99999999999999999999 1 9 ":      {false, "268435457×1 pixels"},
		"P6 268435456 268435456 65535 \x00": {false, "last pixel"},
		"P3 268435456 268435456 65535 1":    {false, "last pixel"},
		"P1 268435456 268435456 1":          {false, "last pixel"},
		"PF 1 1 0 \x00\x00\x00\x00":         {false, `a scale of "0"`},
		"PF 1 1 x \x00\x00\x00\x00":         {false, `a scale of "x"`},
		pam + "DEPTH 1\nMAXVAL 1\n":         {false, "last pixel"},
		pam + "DEPTH 1\nENDHDR\n\x01":       {false, "a maximum of 0"},
		pam + "DEPTH 0\nMAXVAL 1\nENDHDR\n": {false, "depth 0"},
		pam + "DEPTH x\nMAXVAL 1\nENDHDR\n": {false, `DEPTH "x"`},
		pam + "DEPTH 5\nMAXVAL 1\nENDHDR\n": {true, "depth 5"},
		pam + "COLOR 5\nMAXVAL 1\nENDHDR\n": {false, `"COLOR"`},
		pam + "DEPTH 3\nTUPLTYPE RGB_ALPHA\nENDHDR\n": {false, "RGB_ALPHA"},
		pam + "DEPTH 4\nTUPLTYPE CMYK\nENDHDR\n":      {true, "CMYK"},
	} {
		_, err := Decode([]byte(file))
		if err == nil || errors.Is(err, ErrUnsupported) != tc.unsupported || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%q: got %v, want %q, unsupported: %v", file, err, tc.text, tc.unsupported)
		}
	}
}

// Every sample of every maximum is scaled to the nearest of 256 values.
func TestScale(t *testing.T) {
	half := big.NewRat(1, 2)
	for _, maximum := range []int{1, 2, 3, 7, 15, 100, 254, 255, 256, 1000, 4095, 65534} {
		for v, got := range (&header{max: maximum}).scale() {
			distance := new(big.Rat).Sub(big.NewRat(int64(v)*255, int64(maximum)), big.NewRat(int64(got), 1))
			if distance.Abs(distance).Cmp(half) > 0 {
				t.Fatalf("%d of %d becomes %d", v, maximum, got)
			}
		}
	}
	for v, got := range (&header{max: 65535}).scale() {
		if int(got) != v>>8 {
			t.Fatalf("%d becomes %d", v, got)
		}
	}
}

func TestFloats(t *testing.T) {
	for v, want := range map[float64]uint8{
		0: 0, 1: 255, -1: 0, 2: 255, 0.5: 128, 1.0 / 255: 1, 254.0 / 255: 254, 1e-9: 0,
		math.Inf(1): 255, math.Inf(-1): 0, math.NaN(): 0,
	} {
		file := binary.BigEndian.AppendUint32([]byte("Pf 1 1 1.0\n"), math.Float32bits(float32(v)))
		img, err := Decode(file)
		if err != nil || img.(*image.Gray).Pix[0] != want {
			t.Errorf("%v: got %v, %v, want %d", v, img, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for kind := 1; kind <= 6; kind++ {
		f.Add(fmt.Appendf(nil, "P%d 2 1 1 1 0 1 0 1 0 1", kind))
	}
	pictures.Fuzz(f, files, DecodeConfig, Decode)
}

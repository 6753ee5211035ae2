package fulljpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// planesOf decodes each component by image/jpeg, as a gray file of its own.
func planesOf(t *testing.T, p *picture) []*image.Gray {
	t.Helper()
	f := file{components: p.components}
	hmax, vmax := f.maxSampling()
	planes := []*image.Gray{}
	for _, c := range p.components {
		gray := picture{width: ceilDiv(p.width*c.h, hmax), height: ceilDiv(p.height*c.v, vmax), quant: p.quant}
		c.h, c.v = 1, 1
		gray.components = []component{c}
		img, err := jpeg.Decode(bytes.NewReader(gray.encode()))
		if err != nil {
			t.Fatal(err)
		}
		planes = append(planes, img.(*image.Gray))
	}
	return planes
}

// wantPicture is made of the planes by the definition, a pixel at a time.
func wantPicture(t *testing.T, p *picture) *image.RGBA {
	t.Helper()
	planes := planesOf(t, p)
	f := file{components: p.components}
	hmax, vmax := f.maxSampling()
	img := image.NewRGBA(image.Rect(0, 0, p.width, p.height))
	for y := range p.height {
		for x := range p.width {
			s := [4]uint8{}
			for i, c := range p.components {
				s[i] = planes[i].GrayAt(x*c.h/hmax, y*c.v/vmax).Y
			}
			img.Set(x, y, wantColor(p, s))
		}
	}
	return img
}

func wantColor(p *picture, s [4]uint8) color.Color {
	direct := len(p.adobe) > 0 && p.adobe[0] == 0
	converted := color.RGBAModel.Convert(color.YCbCr{Y: s[0], Cb: s[1], Cr: s[2]}).(color.RGBA)
	switch {
	case len(p.components) < 3:
		return color.Gray{Y: s[0]}
	case len(p.components) == 3 && direct:
		return color.RGBA{R: s[0], G: s[1], B: s[2], A: 255}
	case len(p.components) == 3:
		return converted
	case direct || p.adobe == nil:
		return color.CMYK{C: 255 - s[0], M: 255 - s[1], Y: 255 - s[2], K: 255 - s[3]}
	}
	return color.CMYK{C: converted.R, M: converted.G, Y: converted.B, K: 255 - s[3]}
}

func TestEncodedPictures(t *testing.T) {
	samplings := [][]byte{
		{0x11}, {0x33}, {0x42}, // one
		{0x11, 0x11}, {0x12, 0x21}, {0x22, 0x11}, // two
		{0x11, 0x11, 0x11}, {0x21, 0x11, 0x11}, {0x22, 0x11, 0x11}, {0x41, 0x11, 0x11}, {0x14, 0x11, 0x11},
		{0x31, 0x11, 0x11}, {0x31, 0x21, 0x11}, {0x13, 0x12, 0x11}, {0x11, 0x22, 0x22}, {0x22, 0x12, 0x11}, {0x12, 0x21, 0x11},
		{0x11, 0x11, 0x11, 0x11}, {0x22, 0x11, 0x11, 0x22}, {0x22, 0x11, 0x11, 0x11}, {0x11, 0x12, 0x21, 0x11}, {0x31, 0x12, 0x21, 0x11},
		// Too many for an MCU, but for scans of one component.
		{0x44, 0x33, 0x22}, {0x44, 0x11, 0x21, 0x43}, {0x22, 0x22, 0x22, 0x22}, {0x42, 0x22, 0x21},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, sampling := range samplings {
		for i := range 16 {
			t.Run(fmt.Sprintf("%x/%d", sampling, i), func(t *testing.T) {
				p := newPicture(rng, 1+rng.IntN(70), 1+rng.IntN(70), sampling...)
				p.arithmetic = i%2 == 0
				p.standardTables = i%4 == 1
				p.vary(rng)
				data := p.encode()
				got, err := Decode(data)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, rgba(got), wantPicture(t, p))
				if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil && !Handles(data) {
					t.Errorf("not handled, but image/jpeg says %v", err)
				}
			})
		}
	}
}

// vary picks what any picture may have.
func (p *picture) vary(rng *rand.Rand) {
	blocks := 0
	for _, c := range p.components {
		blocks += c.h * c.v
	}
	p.planes = blocks > 10 && len(p.components) > 1 || rng.IntN(2) == 0
	p.restart = rng.IntN(4)
	p.linesFollow = rng.IntN(2) == 0
	p.baseline = rng.IntN(2) == 0
	if !p.standardTables {
		p.firstTable = byte(2 * rng.IntN(2))
	}
	if rng.IntN(2) == 0 {
		p.adobe = []byte{byte(rng.IntN(3))}
	}
	if p.arithmetic && rng.IntN(2) == 0 {
		p.bounds.upper = uint8(rng.IntN(10))
		p.bounds.lower = uint8(rng.IntN(int(p.bounds.upper) + 1))
		p.kx = uint8(1 + rng.IntN(63))
		dc := p.bounds.upper<<4 | p.bounds.lower
		for i := range byte(4) {
			p.conditions = append(p.conditions, i, dc, 0x10|i, p.kx)
		}
	}
}

// Where image/jpeg reads a file that is not handled, it must be right.
func TestHandlesWhatImageJPEGGetsWrong(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	handled, agreed := 0, 0
	for range 400 {
		sampling := []byte{}
		for range []int{1, 3, 3, 3, 4}[rng.IntN(5)] {
			sampling = append(sampling, byte(1<<rng.IntN(3)<<4|1<<rng.IntN(2)))
		}
		if len(sampling) == 3 && rng.IntN(2) == 0 {
			sampling[1], sampling[2] = 0x11, 0x11
		}
		p := newPicture(rng, 1+rng.IntN(70), 1+rng.IntN(70), sampling...)
		p.vary(rng)
		p.linesFollow = false
		data := p.encode()
		if Handles(data) {
			handled++
			continue
		}
		std, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%x is not handled, but image/jpeg says %v", sampling, err)
		}
		compare(t, rgba(std), wantPicture(t, p))
		agreed++
	}
	t.Logf("%d handled, %d left to image/jpeg", handled, agreed)
}

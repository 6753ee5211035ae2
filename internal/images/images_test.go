package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/google/go-cmp/cmp"
)

func isTyped(err error) bool {
	return errors.Is(err, ErrUnsupported) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTooLarge)
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pixels lists the RGB values, and fails if the image is not opaque.
func pixels(t *testing.T, img *image.RGBA) (rgb [][3]uint8) {
	t.Helper()
	for i := 0; i < len(img.Pix); i += 4 {
		if img.Pix[i+3] != 255 {
			t.Fatalf("pixel %d has alpha %d", i/4, img.Pix[i+3])
		}
		rgb = append(rgb, [3]uint8(img.Pix[i:i+3]))
	}
	return rgb
}

func TestDecodeKinds(t *testing.T) {
	fill := func(img draw.Image, colors ...color.Color) image.Image {
		w := img.Bounds().Dx()
		for i, c := range colors {
			img.Set(img.Bounds().Min.X+i%w, img.Bounds().Min.Y+i/w, c)
		}
		return img
	}
	encode := func(encode func(w io.Writer, img image.Image) error, img image.Image) []byte {
		t.Helper()
		var b bytes.Buffer
		if err := encode(&b, img); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	plainTIFF := func(w io.Writer, img image.Image) error { return tiff.Encode(w, img, nil) }
	deflateTIFF := func(w io.Writer, img image.Image) error {
		return tiff.Encode(w, img, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	}

	r := image.Rect(0, 0, 2, 1)
	red, half := color.NRGBA{255, 0, 0, 255}, color.NRGBA{255, 0, 0, 51}
	transparent := color.NRGBA{9, 9, 9, 0}
	alphaPalette := color.Palette{half, color.NRGBA{0, 0, 255, 255}, transparent}

	canvas := &gif.GIF{
		Image: []*image.Paletted{
			fill(image.NewPaletted(image.Rect(1, 1, 3, 2), color.Palette{red, color.Transparent, color.Black}), red, color.Transparent).(*image.Paletted),
			fill(image.NewPaletted(image.Rect(0, 0, 3, 2), palette.Plan9), red, red, red).(*image.Paletted),
		},
		Delay:  []int{0, 0},
		Config: image.Config{Width: 3, Height: 2, ColorModel: color.Palette{red, color.Transparent, color.Black}},
	}
	var canvasFile bytes.Buffer
	if err := gif.EncodeAll(&canvasFile, canvas); err != nil {
		t.Fatal(err)
	}
	white := [3]uint8{255, 255, 255}

	for name, tc := range map[string]struct {
		file []byte
		want [][3]uint8
	}{
		"PNG RGB":               {encodePNG(t, fill(image.NewRGBA(r), red, color.Black)), [][3]uint8{{255, 0, 0}, {0, 0, 0}}},
		"PNG alpha":             {encodePNG(t, fill(image.NewNRGBA(r), half, transparent)), [][3]uint8{{255, 204, 204}, white}},
		"PNG gray":              {encodePNG(t, fill(image.NewGray(r), color.Gray{7}, color.Gray{200})), [][3]uint8{{7, 7, 7}, {200, 200, 200}}},
		"PNG 16-bit gray":       {encodePNG(t, fill(image.NewGray16(r), color.Gray16{0x07ff}, color.Gray16{0xc800})), [][3]uint8{{7, 7, 7}, {200, 200, 200}}},
		"PNG 16-bit RGB":        {encodePNG(t, fill(image.NewRGBA64(r), color.RGBA64{0x1234, 0x5678, 0x9abc, 0xffff}, color.Black)), [][3]uint8{{0x12, 0x56, 0x9a}, {0, 0, 0}}},
		"PNG 16-bit alpha":      {encodePNG(t, fill(image.NewNRGBA64(r), color.NRGBA64{0xffff, 0, 0, 0x3333}, transparent)), [][3]uint8{{255, 204, 204}, white}},
		"PNG palette":           {encodePNG(t, fill(image.NewPaletted(r, color.Palette{red, color.Black}), red, color.Black)), [][3]uint8{{255, 0, 0}, {0, 0, 0}}},
		"PNG palette and alpha": {encodePNG(t, fill(image.NewPaletted(image.Rect(0, 0, 3, 1), alphaPalette), half, alphaPalette[1], transparent)), [][3]uint8{{255, 204, 204}, {0, 0, 255}, white}},
		"GIF canvas":            {canvasFile.Bytes(), [][3]uint8{white, white, white, white, {255, 0, 0}, white}},
		"BMP":                   {encode(bmp.Encode, fill(image.NewRGBA(r), red, color.White)), [][3]uint8{{255, 0, 0}, white}},
		"BMP gray":              {encode(bmp.Encode, fill(image.NewGray(r), color.Gray{7}, color.Gray{200})), [][3]uint8{{7, 7, 7}, {200, 200, 200}}},
		"TIFF":                  {encode(plainTIFF, fill(image.NewRGBA(r), red, color.White)), [][3]uint8{{255, 0, 0}, white}},
		"TIFF deflate":          {encode(deflateTIFF, fill(image.NewRGBA(r), red, color.White)), [][3]uint8{{255, 0, 0}, white}},
		"TIFF alpha":            {encode(plainTIFF, fill(image.NewNRGBA(r), half, transparent)), [][3]uint8{{255, 204, 204}, white}},
		"TIFF 16-bit":           {encode(plainTIFF, fill(image.NewGray16(r), color.Gray16{0x07ff}, color.Gray16{0xc800})), [][3]uint8{{7, 7, 7}, {200, 200, 200}}},
		"TIFF palette":          {encode(plainTIFF, fill(image.NewPaletted(r, color.Palette{red, color.Black}), red, color.Black)), [][3]uint8{{255, 0, 0}, {0, 0, 0}}},
		"TIFF big endian":       {tiffFile(binary.BigEndian, fill(image.NewRGBA(r), red, color.White).(*image.RGBA), 1), [][3]uint8{{255, 0, 0}, white}},
		"WebP lossless":         {webpFile(riffChunk("VP8L", vp8l(2, 1, 10, 30, 255, [2]uint8{20, 200}, 0b10))), [][3]uint8{{10, 20, 30}, {10, 200, 30}}},
		"WebP alpha":            {webpFile(riffChunk("VP8L", vp8l(2, 1, 0, 0, 51, [2]uint8{0, 255}, 0b10))), [][3]uint8{{204, 204, 204}, {204, 255, 204}}},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := Decoder{}.Decode(tc.file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, pixels(t, img)); diff != "" {
				t.Errorf("pixels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeLossyWebP(t *testing.T) {
	img, err := Decoder{}.Decode(webpLossy)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pixels(t, img) {
		if min(p[0], p[1], p[2]) < 100 || max(p[0], p[1], p[2]) > 156 {
			t.Fatalf("a medium gray decodes to %v", p)
		}
	}
}

// What a JPEG of four components means: Adobe stores 255 − ink, and as YCCK the luma and chroma of the inks.
func TestDecodeFourComponents(t *testing.T) {
	flat := func(values ...uint8) (components []jpegComponent) {
		for i, v := range values {
			components = append(components, jpegComponent{byte(i + 1), 1, 1, func(x, y int) uint8 { return v }})
		}
		return components
	}
	y, cb, cr := color.RGBToYCbCr(255-50, 255-150, 255-200)
	for name, tc := range map[string]struct {
		file jpegWriter
		want color.RGBA
	}{
		"CMYK, no black":   {jpegWriter{components: flat(50, 150, 200, 255), segments: [][]byte{adobeInverted}}, color.RGBA{50, 150, 200, 255}},
		"CMYK, half black": {jpegWriter{components: flat(50, 150, 200, 128), segments: [][]byte{adobeInverted}}, color.RGBA{25, 75, 100, 255}},
		"CMYK, all black":  {jpegWriter{components: flat(255, 255, 255, 0), segments: [][]byte{adobeInverted}}, color.RGBA{0, 0, 0, 255}},
		"YCCK, no black":   {jpegWriter{components: flat(y, cb, cr, 255), segments: [][]byte{adobeYCCK}}, color.RGBA{50, 150, 200, 255}},
		"YCCK, half black": {jpegWriter{components: flat(y, cb, cr, 128), segments: [][]byte{adobeYCCK}}, color.RGBA{25, 75, 100, 255}},
		"no Adobe segment": {jpegWriter{components: flat(50, 150, 200, 128)}, color.RGBA{25, 75, 100, 255}}, // as Pillow reads it
	} {
		t.Run(name, func(t *testing.T) {
			tc.file.width, tc.file.height, tc.file.quant = 9, 9, 1
			img, err := Decoder{}.Decode(tc.file.encode())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pixels(t, img) {
				for c, want := range []uint8{tc.want.R, tc.want.G, tc.want.B} {
					if d := int(p[c]) - int(want); d < -3 || d > 3 {
						t.Fatalf("got %v, want about %v", p, tc.want)
					}
				}
			}
		})
	}
}

func TestOrientation(t *testing.T) {
	stored := photo(13, 7, 4)
	// Where row 0 and column 0 of the stored image lie in the picture (CIPA DC-008, 4.6.4 A).
	sides := map[int][2]string{
		1: {"top", "left"}, 2: {"top", "right"}, 3: {"bottom", "right"}, 4: {"bottom", "left"},
		5: {"left", "top"}, 6: {"right", "top"}, 7: {"right", "bottom"}, 8: {"left", "bottom"},
		0: {"top", "left"}, 9: {"top", "left"}, 65535: {"top", "left"},
	}
	jpegFile := func() []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, stored, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}()
	progressive := (&jpegWriter{width: 13, height: 7, components: ycc(2, 2), progressive: true}).encode()
	pngFile := encodePNG(t, stored)
	lossless := riffChunk("VP8L", vp8l(13, 7, 10, 30, 255, [2]uint8{20, 200}, 0b01100101))
	for orientation, side := range sides {
		for name, file := range map[string][]byte{
			"JPEG":             withEXIF(jpegFile, exif(binary.BigEndian, orientation)),
			"progressive JPEG": withEXIF(progressive, exif(binary.LittleEndian, orientation)),
			"PNG":              withEXIF(pngFile, exif(binary.LittleEndian, orientation)),
			"TIFF, little":     tiffFile(binary.LittleEndian, stored, orientation),
			"TIFF, big":        tiffFile(binary.BigEndian, stored, orientation),
			"WebP":             webpFile(lossless, riffChunk("EXIF", exif(binary.BigEndian, orientation))),
			"WebP, prefix":     webpFile(lossless, riffChunk("EXIF", append(bytes.Clone(exifPrefix), exif(binary.BigEndian, orientation)...))),
		} {
			plain, err := Decoder{IgnoreOrientation: true}.Decode(file)
			if err != nil {
				t.Fatal(name, err)
			}
			got, err := Decoder{}.Decode(file)
			if err != nil {
				t.Fatal(name, err)
			}
			w, h := plain.Rect.Dx(), plain.Rect.Dy()
			if w != 13 || h != 7 {
				t.Fatalf("%s: %d×%d pixels are stored", name, w, h)
			}
			if side[0] == "left" || side[0] == "right" {
				w, h = h, w
			}
			want := image.NewRGBA(image.Rect(0, 0, w, h))
			for row := range 7 {
				for column := range 13 {
					at := map[string]int{"left": row, "top": row, "right": w - 1 - row, "bottom": h - 1 - row}
					other := map[string]int{"left": column, "top": column, "right": w - 1 - column, "bottom": h - 1 - column}
					x, y := other[side[1]], at[side[0]]
					if side[0] == "left" || side[0] == "right" {
						x, y = at[side[0]], other[side[1]]
					}
					want.SetRGBA(x, y, plain.RGBAAt(column, row))
				}
			}
			if got.Rect != want.Rect || !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%s: orientation %d is not turned to the %v", name, orientation, side)
			}
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	huge := jpegWriter{width: 50_000, height: 50_000, components: ycc(1, 1)}
	huge.header()
	huge.startOfScan(huge.components, 0, 63)
	hugeJPEG := append(huge.out.Bytes(), 0)
	for name, tc := range map[string]struct {
		file    []byte
		decoder Decoder
		want    error
		text    string
	}{
		"empty":                 {nil, Decoder{}, ErrCorrupt, "empty"},
		"text":                  {[]byte("hello, world"), Decoder{}, ErrUnsupported, "68 65 6c 6c"},
		"huge PNG":              {pngHeader(100_000, 100_000), Decoder{}, ErrTooLarge, "100000×100000 pixels, the limit is 178956970"},
		"huge JPEG":             {hugeJPEG, Decoder{}, ErrTooLarge, "50000×50000"},
		"limit":                 {encodePNG(t, photo(11, 10, 1)), Decoder{MaxPixels: 109}, ErrTooLarge, "11×10"},
		"fast JPEG, limit":      {(&jpegWriter{width: 11, height: 10, components: ycc(1, 1)}).encode(), Decoder{MaxPixels: 109}, ErrTooLarge, "11×10"},
		"PNG beyond its bytes":  {pngHeader(13_000, 13_000), Decoder{}, ErrCorrupt, "truncated"},
		"JPEG beyond its bytes": {hugeJPEG, Decoder{MaxPixels: 1 << 40}, ErrCorrupt, "truncated"},
		"no pixels":             {pngHeader(0, 10), Decoder{}, ErrCorrupt, "PNG"},
		"lossless coding":       {[]byte("\xff\xd8\xff\xc3\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"), Decoder{}, ErrUnsupported, "JPEG"},
		"animated WebP":         {webpFile(riffChunk("VP8X", []byte{2, 0, 0, 0, 7, 0, 0, 7, 0, 0})), Decoder{}, ErrCorrupt, "WebP"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := tc.decoder.Decode(tc.file)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, tc.want) || !bytes.Contains([]byte(err.Error()), []byte(tc.text)) {
				t.Errorf("got %q, want %q with %q", err, tc.want, tc.text)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
				t.Errorf("%d bytes allocated", allocated)
			}
		})
	}
}

func TestTruncatedIsCorrupt(t *testing.T) {
	img := photo(40, 30, 2)
	files := map[string][]byte{"PNG": encodePNG(t, img), "WebP": webpLossless, "WebP, lossy": webpLossy}
	files["JPEG"] = (&jpegWriter{width: 40, height: 30, components: ycc(2, 2)}).encode()
	files["progressive JPEG"] = (&jpegWriter{width: 40, height: 30, components: ycc(2, 2), progressive: true}).encode()
	for name, encode := range map[string]func(io.Writer) error{
		"GIF":  func(w io.Writer) error { return gif.Encode(w, img, nil) },
		"BMP":  func(w io.Writer) error { return bmp.Encode(w, img) },
		"TIFF": func(w io.Writer) error { return tiff.Encode(w, img, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		files[name] = b.Bytes()
	}
	files["TIFF, strips first"] = tiffFile(binary.LittleEndian, img, 1)
	for name, file := range files {
		if _, err := (Decoder{}).Decode(file); err != nil {
			t.Fatal(name, err)
		}
		for n := range len(file) * 9 / 10 {
			if _, err := (Decoder{}).Decode(file[:n]); !isTyped(err) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(file), err)
				break
			}
		}
	}
}

func TestDecodeCatchesPanics(t *testing.T) {
	defer func(before []format) { formats = before }(formats)
	formats = append(slices.Clip(formats), format{
		name: "Bomb", magics: []string{"BOMB"},
		config: func([]byte) (image.Config, error) { return image.Config{Width: 1, Height: 1}, nil },
		decode: func([]byte) (image.Image, error) { panic("index out of range") },
	})
	if _, err := (Decoder{}).Decode([]byte("BOMB")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want a corrupt image", err)
	}
}

func TestDecodeIntoReusesMemory(t *testing.T) {
	large, small := encodePNG(t, photo(30, 20, 1)), (&jpegWriter{width: 9, height: 9, components: ycc(1, 1)}).encode()
	img := new(image.RGBA)
	for _, file := range [][]byte{small, large, small, large[:100], small} {
		want, wantErr := Decoder{}.Decode(file)
		err := Decoder{}.DecodeInto(img, file)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, want %v", err, wantErr)
		}
		if err == nil && (img.Rect != want.Rect || !bytes.Equal(img.Pix, want.Pix)) {
			t.Fatal("another image in reused memory")
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = Decoder{}.DecodeInto(img, small) }); n > 1 {
		t.Errorf("%v allocations for a JPEG into a used image", n)
	}
}

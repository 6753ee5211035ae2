package images

import (
	"bytes"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// FuzzDecode: any bytes give an opaque image within the limit, or an error of ours.
func FuzzDecode(f *testing.F) {
	img := photo(20, 13, 1)
	for _, encode := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return png.Encode(b, img) },
		func(b *bytes.Buffer) error { return gif.Encode(b, img, nil) },
		func(b *bytes.Buffer) error { return jpeg.Encode(b, img, nil) },
		func(b *bytes.Buffer) error { return bmp.Encode(b, img) },
		func(b *bytes.Buffer) error { return tiff.Encode(b, img, nil) },
		func(b *bytes.Buffer) error { return tiff.Encode(b, img, &tiff.Options{Compression: tiff.Deflate}) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add(webpLossless)
	f.Add(webpLossy)
	d := Decoder{MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := d.Decode(data)
		if err != nil {
			if !isTyped(err) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		n := img.Rect.Dx() * img.Rect.Dy()
		if n == 0 || n > 1<<16 || len(img.Pix) != 4*n || img.Rect.Min != (image.Point{}) || !img.Opaque() {
			t.Fatalf("%v, %d bytes, opaque %v", img.Rect, len(img.Pix), img.Opaque())
		}
	})
}

// FuzzJPEG: a JPEG is accepted as image/jpeg accepts it, with the same pixels.
func FuzzJPEG(f *testing.F) {
	for _, w := range []jpegWriter{
		{width: 20, height: 13, components: ycc(2, 2)},
		{width: 20, height: 13, components: ycc(2, 1), restart: 1},
		{width: 20, height: 13, components: ycc(1, 1)[:1], longCodes: true},
		{width: 20, height: 13, components: ycc(2, 2), progressive: true},
	} {
		f.Add(bytes.Clone(w.encode()))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, photo(20, 13, 2), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2 && data[0] == 0xff && data[1] == 0xd8 {
			compareWithStdlib(t, data)
		}
	})
}

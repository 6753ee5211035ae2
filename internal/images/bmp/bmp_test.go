package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/test/pictures"
)

const files = "testdata/*.bmp"

func TestFiles(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		t.Run(name, func(t *testing.T) {
			img := pictures.Check(t, data, pictures.PNG(t, "testdata/"+strings.TrimSuffix(name, ".bmp")+".png"), DecodeConfig, Decode)
			if _, transparent := img.(*image.NRGBA); transparent != strings.HasPrefix(name, "rgba") {
				t.Errorf("the picture is a %T", img)
			}
		})
	}
}

// Only the padding of the last row and the end marker may be missing.
func TestTruncated(t *testing.T) {
	for name, data := range pictures.Files(t, files) {
		whole, err := Decode(data)
		if err != nil {
			t.Fatal(name, err)
		}
		for n := range data {
			img, err := Decode(data[:n])
			if err == nil && (n < len(data)-4 || !reflect.DeepEqual(img, whole)) {
				t.Errorf("%s: %d of %d bytes are accepted", name, n, len(data))
			}
			if errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(data), err)
			}
		}
	}
}

// bitmap is a file of the common header with a palette of two colors.
func bitmap(width, height int32, bits uint16, compression uint32, rest ...byte) []byte {
	const pixelsAt = 14 + 40 + 2*4
	f := binary.LittleEndian.AppendUint32([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00"), pixelsAt)
	f = binary.LittleEndian.AppendUint32(f, 40)
	f = binary.LittleEndian.AppendUint32(f, uint32(width))
	f = binary.LittleEndian.AppendUint32(f, uint32(height))
	f = binary.LittleEndian.AppendUint16(f, 1)
	f = binary.LittleEndian.AppendUint16(f, bits)
	f = binary.LittleEndian.AppendUint32(f, compression)
	f = append(f, make([]byte, 20)...)
	f = append(f, 10, 20, 30, 0, 40, 50, 60, 0)
	return append(f, rest...)
}

func edited(data []byte, at int, with ...byte) []byte {
	data = bytes.Clone(data)
	copy(data[at:], with)
	return data
}

func TestErrors(t *testing.T) {
	files := pictures.Files(t, files)
	for name, tc := range map[string]struct {
		file        []byte
		unsupported bool
		text        string
	}{
		"empty":               {nil, false, "no file header"},
		"other magic":         {edited(files["pal8.bmp"], 0, 'B', 'A'), false, "no file header"},
		"JPEG":                {bitmap(2, 2, 0, 4), true, "compression 4 of 0 bits"},
		"PNG":                 {bitmap(2, 2, 0, 5), true, "compression 5 of 0 bits"},
		"Huffman":             {bitmap(2, 2, 1, 3), true, "compression 3 of 1 bits"},
		"64 bits":             {bitmap(2, 2, 64, 0), true, "64 bits"},
		"long header":         {edited(files["pal8.bmp"], 14, 125), true, "header of 125 bytes"},
		"short header":        {edited(files["pal8.bmp"], 14, 13), true, "header of 13 bytes"},
		"no width":            {bitmap(0, 2, 8, 0, 0, 0), false, "0×2"},
		"negative width":      {bitmap(-2, 2, 8, 0, 0, 0), false, "-2×2"},
		"no height":           {bitmap(2, 0, 8, 0, 0, 0), false, "2×0"},
		"huge":                {bitmap(1<<31-1, -1<<31, 32, 0, 0, 0), false, "last pixel"},
		"offset in header":    {edited(files["pal8.bmp"], 10, 53, 0), false, "start at byte 53"},
		"offset beyond file":  {edited(files["pal8.bmp"], 10, 0, 0, 0, 1), false, "start at byte 16777216"},
		"no palette":          {edited(files["pal8.bmp"], 10, 54, 0), false, "no palette"},
		"no masks":            {edited(bitmap(1, 1, 32, 3, 0, 0, 0, 0), 10, 58), false, "inside the color masks"},
		"mask with gaps":      {edited(files["rgb16-565.bmp"], 54, 0, 0xa8), false, "with gaps: 0000a800"},
		"run leaves row":      {bitmap(2, 1, 8, 1, 5, 1, 0, 1), false, "leaves its row"},
		"literal leaves row":  {bitmap(2, 1, 8, 1, 0, 5, 1, 1, 1, 1, 1, 0, 0, 1), false, "leaves its row"},
		"delta leaves row":    {bitmap(2, 1, 8, 1, 0, 2, 3, 0, 0, 1), false, "leaves the picture"},
		"delta leaves bitmap": {bitmap(2, 1, 8, 1, 0, 2, 0, 1, 0, 1), false, "leaves the picture"},
		"cut literal":         {bitmap(4, 1, 8, 1, 0, 4, 1, 1, 1), false, "last pixel"},
		"cut delta":           {bitmap(4, 1, 8, 1, 0, 2, 1), false, "last pixel"},
		"no end":              {bitmap(4, 1, 8, 1, 3, 1), false, "last pixel"},
	} {
		_, err := Decode(tc.file)
		if err == nil || errors.Is(err, ErrUnsupported) != tc.unsupported || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: got %v, want %q, unsupported: %v", name, err, tc.text, tc.unsupported)
		}
	}
}

func TestRunLengthEnds(t *testing.T) {
	first, second := color.NRGBA{30, 20, 10, 255}, color.NRGBA{60, 50, 40, 255}
	for name, tc := range map[string]struct {
		width  int32
		pixels []byte
		want   []color.NRGBA
	}{
		"end marker":        {2, []byte{2, 1, 0, 1}, []color.NRGBA{second, second}},
		"no end marker":     {2, []byte{2, 1}, []color.NRGBA{second, second}},
		"end of row only":   {2, []byte{1, 1, 0, 0}, []color.NRGBA{second, first}},
		"end marker only":   {2, []byte{0, 1}, []color.NRGBA{first, first}},
		"run into padding":  {2, []byte{4, 1, 0, 1}, []color.NRGBA{second, second}},
		"more after pixels": {2, []byte{2, 1, 9, 0}, []color.NRGBA{second, second}},
	} {
		img, err := Decode(bitmap(tc.width, 1, 8, 1, tc.pixels...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(tc.want, pictures.Pixels(img)); diff != "" {
			t.Errorf("%s: pixels (-want +got):\n%s", name, diff)
		}
	}
}

// Random pictures, coded in runs and literals of random lengths.
func TestRunLengthCoding(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, bits := range []int{4, 8, 24} {
		for range 200 {
			width, height := 1+random.IntN(20), 1+random.IntN(5)
			size := max(1, bits/8)
			_, stride := rowSize(width, max(8, bits))
			want := make([]byte, stride*height)
			var coded []byte
			for y := range height {
				row := want[y*stride:][:size*width]
				for x := 0; x < width; {
					n := 1 + random.IntN(width-x)
					part := row[size*x : size*(x+n)]
					for i := range part {
						part[i] = byte(random.Uint32())
						if bits == 4 {
							part[i] &= 15
						}
					}
					if n < 3 || random.IntN(2) == 0 {
						coded = append(coded, codeRun(part, n, bits)...)
					} else {
						coded = append(coded, codeLiteral(part, n, bits)...)
					}
					x += n
				}
				coded = append(coded, 0, endOfRow)
			}
			h := &header{width: width, height: height, bits: bits, pixels: append(coded, 0, endOfBitmap)}
			got, err := h.expand()
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bits, %d×%d pixels: %v\n got %x\nwant %x\nfrom %x", bits, width, height, err, got, want, coded)
			}
		}
	}
}

// codeRun makes the pixels repeat the first one, of 4 bits the first two.
func codeRun(pixels []byte, n, bits int) []byte {
	period := len(pixels) / n
	if bits == 4 {
		period = min(2, n)
	}
	for i := range pixels {
		pixels[i] = pixels[i%period]
	}
	if bits == 4 {
		return []byte{byte(n), pixels[0]<<4 | pixels[period-1]}
	}
	return append([]byte{byte(n)}, pixels[:period]...)
}

func codeLiteral(pixels []byte, n, bits int) []byte {
	values := bytes.Clone(pixels)
	if bits == 4 {
		values = make([]byte, (n+1)/2)
		for i, v := range pixels {
			values[i/2] |= v << (4 - 4*(i%2))
		}
	}
	return append(append([]byte{0, byte(n)}, values...), make([]byte, len(values)%2)...)
}

// Components of any width at any place are scaled to the nearest of 256 values.
func TestChannels(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for width := 1; width <= 32; width++ {
		for shift := 0; shift+width <= 32; shift++ {
			maximum := uint32(1<<width - 1)
			channels, err := channelsOf([4]uint32{maximum << shift})
			if err != nil {
				t.Fatal(err)
			}
			for i := range uint32(100) {
				v := i & maximum
				switch {
				case i == 99:
					v = maximum
				case width > 7:
					v = random.Uint32() & maximum
				}
				noise := random.Uint32() &^ (maximum << shift)
				got := channels[0].of(v<<shift | noise)
				exact := big.NewRat(int64(v)*255, int64(maximum))
				distance := new(big.Rat).Sub(exact, big.NewRat(int64(got), 1))
				if distance.Abs(distance).Cmp(big.NewRat(1, 2)) > 0 {
					t.Fatalf("%d of %d bits becomes %d", v, width, got)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) { pictures.Fuzz(f, files, DecodeConfig, Decode) }

package tiff

import (
	"bytes"
	stdlzw "compress/lzw"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBits reads samples of every length, written a bit at a time.
func TestBits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for bits := 1; bits <= 32; bits++ {
		want := make([]uint64, 50)
		packed := make([]byte, (len(want)*bits+7)/8)
		for i := range want {
			want[i] = random.Uint64N(1 << bits)
			for bit := range bits {
				at := i*bits + bit
				packed[at/8] |= byte(want[i]>>(bits-1-bit)&1) << (7 - at%8)
			}
		}
		got := make([]uint64, len(want))
		for i := range got {
			got[i] = wordAt(packed, i, bits, binary.BigEndian)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d bits: %s", bits, diff)
		}
	}
}

func TestScaleTable(t *testing.T) {
	for bits := 1; bits <= 16; bits++ {
		table := scaleTable(bits)
		for v, got := range table {
			want := uint8(math.Round(float64(v) * 255 / float64(len(table)-1)))
			if bits == 16 {
				want = uint8(v / 256)
			}
			if got != want {
				t.Fatalf("%d of %d bits: %d, want %d", v, bits, got, want)
			}
		}
	}
}

func TestSmallFloat(t *testing.T) {
	tests := []struct {
		word               uint64
		exponent, mantissa int
		want               float64
	}{
		{0x3c00, 5, 10, 1},
		{0xc000, 5, 10, -2},
		{0x7bff, 5, 10, 65504},
		{0x0001, 5, 10, 0x1p-24},
		{0x7c00, 5, 10, math.Inf(1)},
		{0xfc00, 5, 10, math.Inf(-1)},
		{0x3f0000, 7, 16, 1},
		{0xbf8000, 7, 16, -1.5},
		{0x000001, 7, 16, 0x1p-78},
	}
	for _, tt := range tests {
		if got := smallFloat(tt.word, tt.exponent, tt.mantissa); got != tt.want {
			t.Errorf("%#x: %g, want %g", tt.word, got, tt.want)
		}
	}
	if got := smallFloat(0x7e00, 5, 10); !math.IsNaN(got) {
		t.Errorf("0x7e00: %g, want NaN", got)
	}
}

// TestScale: how samples without an agreed white become 8 bits.
func TestScale(t *testing.T) {
	tests := []struct {
		name   string
		format int
		values []float64
		want   []uint8
	}{
		{"floats to 1", formatFloat, []float64{0, 0.1, 1, math.NaN()}, []uint8{0, 26, 255, 0}},
		{"floats to 255", formatFloat, []float64{1, 2.5, 255}, []uint8{1, 3, 255}},
		{"floats to 65535", formatFloat, []float64{257, 25700, 65535}, []uint8{1, 100, 255}},
		{"floats beyond", formatFloat, []float64{-1, 0, 1, math.Inf(1), math.Inf(-1)}, []uint8{0, 128, 255, 255, 0}},
		{"all floats there are", formatFloat, []float64{-math.MaxFloat64, 0, math.MaxFloat64}, []uint8{0, 128, 255}},
		{"no finite float", formatFloat, []float64{math.NaN(), math.Inf(1)}, []uint8{0, 0}},
		{"one negative float", formatFloat, []float64{-5, -5}, []uint8{0, 0}},
		{"integers to 1", formatSigned, []float64{0, 1}, []uint8{0, 1}},
		{"integers to 65535", formatSigned, []float64{0, 256, 65535}, []uint8{0, 1, 255}},
		{"integers beyond", formatUnsigned, []float64{0, 65536 / 2, 65536}, []uint8{0, 128, 255}},
		{"negative integers", formatSigned, []float64{-100, -50, 0}, []uint8{0, 128, 255}},
	}
	for _, tt := range tests {
		s := noSpan
		for _, v := range tt.values {
			s.add(v)
		}
		scale := (&page{format: tt.format}).scale(s)
		var got []uint8
		for _, v := range tt.values {
			got = append(got, scale(v))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestOldLZW reads what the standard library writes, which is LZW as TIFF had it before 5.0.
func TestOldLZW(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	want := make([]byte, 100_000) // longer than a table lasts
	for i := range want {
		want[i] = byte(random.IntN(1 + i%11))
	}
	var b bytes.Buffer
	w := stdlzw.NewWriter(&b, stdlzw.LSB, 8)
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(newLZWReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("LZW reads other bytes than were written")
	}
}

// TestLZWFullTable: codes go on after the table is full.
func TestLZWFullTable(t *testing.T) {
	r := newLZWReader(bytes.Repeat([]byte{0x55}, 1<<20))
	if n, err := io.Copy(io.Discard, r); err != nil && n == 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestPackBits(t *testing.T) {
	tests := []struct {
		data, want string
	}{
		{"\x02abc\xfex\x80\x00y", "abcxxxy"},
		{"\x81a", string(bytes.Repeat([]byte("a"), 128))},
		{"\x05abc", "abc"},
		{"\xff", ""},
		{"\x80\x80", ""},
	}
	for _, tt := range tests {
		got, err := io.ReadAll(&packBitsReader{data: []byte(tt.data)})
		if err != nil || string(got) != tt.want {
			t.Errorf("%q: %q, %v", tt.data, got, err)
		}
	}
}

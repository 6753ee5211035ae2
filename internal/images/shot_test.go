package images

import (
	"bytes"
	"encoding/binary"
	"image/jpeg"
	"testing"
	"time"
)

// exifWith is EXIF metadata with the camera's texts in the first directory, the time and the serial number in the
// second. Texts of four bytes and less stand in their entries, others behind the directories.
func exifWith(order binary.AppendByteOrder, maker, model, taken, serial string) []byte {
	const entries, directory = 3, 2 + 3*12 + 4
	mark := "II"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		mark = "MM"
	}
	out := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	texts := []byte{}
	text := func(tag uint16, value string) {
		value += "\x00"
		out = order.AppendUint32(order.AppendUint16(order.AppendUint16(out, tag), 2), uint32(len(value)))
		if len(value) <= 4 {
			out = append(append(out, value...), make([]byte, 4-len(value))...)
			return
		}
		out = order.AppendUint32(out, uint32(8+2*directory+len(texts)))
		texts = append(texts, value...)
	}
	out = order.AppendUint16(out, entries)
	text(0x010f, maker)
	text(0x0110, model)
	out = order.AppendUint32(order.AppendUint32(order.AppendUint16(order.AppendUint16(out, 0x8769), 4), 1), 8+directory)
	out = order.AppendUint32(out, 0)
	out = order.AppendUint16(out, entries)
	text(0x9003, taken)
	text(0x9286, "a comment")
	text(0xa431, serial)
	out = order.AppendUint32(out, 0)
	return append(out, texts...)
}

// plainJPEG is a JPEG without metadata.
func plainJPEG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, photo(20, 13, 1), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestShotOf(t *testing.T) {
	at := time.Date(2014, 5, 1, 10, 22, 3, 0, time.UTC).Unix()
	plain := plainJPEG(t)
	const taken = "2014:05:01 10:22:03"
	for name, order := range map[string]binary.AppendByteOrder{"little endian": binary.LittleEndian, "big endian": binary.BigEndian} {
		t.Run(name, func(t *testing.T) {
			exif := exifWith(order, "Canon", "EOS 5D", taken, "0123456")
			shot := ShotOf(withEXIF(plain, exif))
			if shot.Seconds != at || shot.Camera == 0 {
				t.Errorf("%+v, want %d", shot, at)
			}
			if got := ShotOf(exif); got != shot {
				t.Errorf("of a TIFF file: %+v", got)
			}
			if other := ShotOf(withEXIF(plain, exifWith(order, "Canon", "EOS 5D", taken, "0123457"))); other.Camera == shot.Camera || other.Seconds != at {
				t.Errorf("another camera of this model: %+v", other)
			}
			if got := ShotOf(exifWith(order, "", "5D", "", "")); got.Seconds != 0 || got.Camera == 0 {
				t.Errorf("a short model alone: %+v", got)
			}
			for _, wrong := range []string{"0000:00:00 00:00:00", "    :  :     :  :  ", "2014-05-01", "1969:05:01 10:22:03"} {
				if got := ShotOf(exifWith(order, "", "", wrong, "")); got != (Shot{}) {
					t.Errorf("taken %q: %+v", wrong, got)
				}
			}
			for cut := range exif { // what is damaged is unknown, and never read beyond
				ShotOf(exif[:cut:cut])
			}
		})
	}
	for name, data := range map[string][]byte{"no metadata": plain, "no image": []byte("text"), "nothing": nil, "a beginning": {0xff, 0xd8, 0xff}} {
		if got := ShotOf(data); got != (Shot{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzShotOf(f *testing.F) {
	exif := exifWith(binary.LittleEndian, "Canon", "EOS 5D", "2014:05:01 10:22:03", "0123456")
	f.Add(exif)
	f.Add(withEXIF(plainJPEG(f), exif))
	f.Fuzz(func(t *testing.T, data []byte) {
		if shot := ShotOf(data); shot.Seconds < 0 {
			t.Errorf("%+v", shot)
		}
	})
}

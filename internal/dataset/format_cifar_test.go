package dataset

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"image/color"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/bmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

var cifar = v1alpha1.DatasetSpec{Format: v1alpha1.FormatCIFAR}

// cifarRecord is a record of the given label bytes, with pixels that depend on seed.
func cifarRecord(seed int, labels ...byte) string {
	record := labels
	for i := range cifarPixels {
		record = append(record, byte(seed+i*7+i/1024))
	}
	return string(record)
}

func TestCIFAR10(t *testing.T) {
	files := map[string]string{
		"cifar/data_batch_1.bin":    cifarRecord(0, 1) + cifarRecord(1, 0),
		"cifar/data_batch_2.bin":    cifarRecord(2, 1),
		"cifar/test_batch.bin":      cifarRecord(3, 0),
		"cifar/batches.meta.txt":    "airplane\nautomobile\n\n",
		"cifar/readme.html":         "",
		"cifar/._data_batch_3.bin":  "left by a Mac",
		"elsewhere/fine_labels.txt": "",
	}
	d := mustOpen(t, bucketOf(t, files), cifar)
	want := []string{
		"test:00000|test|airplane|",
		"train:00000|train|automobile|", "train:00001|train|airplane|", "train:00002|train|automobile|",
	}
	if diff := cmp.Diff(want, lines(d)); diff != "" {
		t.Error(diff)
	}
	if d.Ignored().Files() != 2 {
		t.Errorf("ignored %d, want 2", d.Ignored().Files())
	}
	for i, seed := range []int{3, 0, 1, 2} {
		s := readAll(t, d)[i]
		if want := sha256.Sum256([]byte(cifarRecord(seed))); s.Digest != want {
			t.Errorf("sample %d: the digest is not that of its pixels", i)
		}
		if want := planesToBMP([]byte(cifarRecord(seed)), 32, 32); !bytes.Equal(s.Bytes, want) {
			t.Errorf("sample %d: the image is another's", i)
		}
	}

	// A subset whose records lie apart.
	spec := cifar
	spec.Splits, spec.Labels = []string{"train"}, []string{"automobile"}
	samples := readAll(t, mustOpen(t, bucketOf(t, files), spec))
	if len(samples) != 2 || samples[1].ID != "train:00002" || samples[1].Digest != sha256.Sum256([]byte(cifarRecord(2))) {
		t.Errorf("got %d samples", len(samples))
	}
}

func TestCIFAR100HasFineLabels(t *testing.T) {
	d := mustOpen(t, bucketOf(t, map[string]string{
		"train.bin": cifarRecord(0, 9, 1), "test.bin": cifarRecord(1, 9, 0), "fine_label_names.txt": "apple\naquarium_fish\n",
	}), cifar)
	if diff := cmp.Diff([]string{"test:00000|test|apple|", "train:00000|train|aquarium_fish|"}, lines(d)); diff != "" {
		t.Error(diff)
	}
	if got := readAll(t, d)[1]; got.Digest != sha256.Sum256([]byte(cifarRecord(0))) {
		t.Error("the digest is not that of the pixels")
	}
}

func TestCIFARLabelsWithoutNames(t *testing.T) {
	d := mustOpen(t, bucketOf(t, map[string]string{"test_batch.bin": cifarRecord(0, 200)}), cifar)
	if diff := cmp.Diff([]string{"test:00000|test|200|"}, lines(d)); diff != "" {
		t.Error(diff)
	}
}

func TestCIFARMistakes(t *testing.T) {
	cifar100 := cifar
	cifar100.CIFAR = &v1alpha1.CIFAROptions{Variant: v1alpha1.CIFAR100}
	for name, tc := range map[string]struct {
		spec  v1alpha1.DatasetSpec
		files map[string]string
		texts []string
	}{
		"nothing":         {cifar, images("a.jpg"), []string{"data_batch_1.bin", "test.bin", "found 1 other files"}},
		"another variant": {cifar100, map[string]string{"test_batch.bin": cifarRecord(0, 0)}, []string{"looked for train.bin, test.bin, train, test"}},
		"no record":       {cifar, map[string]string{"test_batch.bin": ""}, []string{"hold no record"}},
		"cut short":       {cifar, map[string]string{"test_batch.bin": cifarRecord(0, 0)[:3072]}, []string{"test_batch.bin: 3072 bytes", "records of 3073"}},
		"label's name":    {cifar, map[string]string{"test_batch.bin": cifarRecord(0, 0) + cifarRecord(0, 2), "batches.meta.txt": "a\nb\n"}, []string{"test_batch.bin record 1: label 2, but only 2"}},
		"two folders": {cifar, map[string]string{"a/test_batch.bin": cifarRecord(0, 0), "b/test_batch.bin": cifarRecord(0, 0)},
			[]string{"a/test_batch.bin", "b/test_batch.bin"}},
		"two variants": {cifar, map[string]string{"test_batch.bin": cifarRecord(0, 0), "train.bin": cifarRecord(0, 0, 0)},
			[]string{"test_batch.bin", "train.bin"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), bucketOf(t, tc.files), tc.spec, "")
			wantInvalid(t, err, tc.texts...)
			if (name == "nothing" || name == "no record") && !errors.Is(err, ErrEmpty) {
				t.Errorf("%v is no ErrEmpty", err)
			}
		})
	}
}

// checkBMP decodes what planesToBMP made and compares every pixel.
func checkBMP(t *testing.T, planes []byte, width, height int) {
	t.Helper()
	encoded := planesToBMP(planes, width, height)
	if int64(len(encoded)) != bmpSize(width, height) {
		t.Errorf("%d×%d: %d bytes, want %d", width, height, len(encoded), bmpSize(width, height))
	}
	img, err := bmp.Decode(bytes.NewReader(encoded))
	if err != nil {
		t.Fatalf("%d×%d: %v", width, height, err)
	}
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Fatalf("%d×%d: decoded as %v", width, height, b)
	}
	n := width * height
	for i := range n {
		want := color.RGBA{R: planes[i], G: planes[n+i], B: planes[2*n+i], A: 255}
		if got := img.At(i%width, i/width); got != want {
			t.Fatalf("%d×%d: pixel %d is %v, want %v", width, height, i, got, want)
		}
	}
}

func TestBMP(t *testing.T) {
	for width := 1; width < 10; width++ {
		for height := 1; height < 4; height++ {
			planes := make([]byte, 3*width*height)
			for i := range planes {
				planes[i] = byte(i * 37)
			}
			checkBMP(t, planes, width, height)
		}
	}
	checkBMP(t, []byte(cifarRecord(0)), 32, 32)
}

func FuzzBMP(f *testing.F) {
	f.Add([]byte("abcdef"), uint8(2))
	f.Add([]byte("abcdefghijklmno"), uint8(5))
	f.Fuzz(func(t *testing.T, planes []byte, width uint8) {
		height := len(planes) / 3 / max(1, int(width))
		if width == 0 || height == 0 {
			t.Skip()
		}
		checkBMP(t, planes[:3*int(width)*height], int(width), height)
	})
}

// FuzzCIFAR gives files of any size and content.
func FuzzCIFAR(f *testing.F) {
	f.Add(uint16(1), uint16(0), "a\nb", true)
	f.Add(uint16(2), uint16(3072), "", false)
	f.Fuzz(func(t *testing.T, records, extra uint16, names string, ten bool) {
		name, meta, size := "test_batch.bin", "batches.meta.txt", 3073
		if !ten {
			name, meta, size = "test.bin", "fine_label_names.txt", 3074
		}
		n := int(records % 40)
		content := strings.Repeat("\x01", n*size+int(extra)%size)
		d, err := Open(t.Context(), bucketOf(t, map[string]string{name: content, meta: names}), cifar, "")
		if err != nil {
			if !errors.As(err, new(*InvalidError)) {
				t.Errorf("%v is no InvalidError", err)
			}
			return
		}
		if d.Len() != n || int(extra)%size != 0 {
			t.Errorf("%d samples of %d bytes", d.Len(), len(content))
		}
		readAll(t, d)
	})
}

package safetensors

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHeader(t *testing.T) {
	want := &Header{Metadata: map[string]string{"format": "pt"}, Tensors: map[string]Tensor{}}
	at := want.Add("a", "F64", 0, 3)
	at = want.Add("b", "F32", at, 2, 5)
	if at != 64 {
		t.Errorf("%d bytes of data", at)
	}
	file, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(file)%8 != 0 {
		t.Errorf("the data begin at byte %d", len(file))
	}
	size, err := HeaderSize(file, int64(len(file))+at, 1<<20)
	if err != nil || size != int64(len(file)-PrefixSize) {
		t.Fatalf("a header of %d bytes, in %d: %v", size, len(file), err)
	}
	got, err := ParseHeader(file[PrefixSize:])
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for name, tensor := range got.Tensors {
		if err := tensor.Check(at); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Metadata that are not texts are of no use, and cost no tensor.
func TestOtherMetadata(t *testing.T) {
	h, err := ParseHeader([]byte(`{"__metadata__":{"a":"b","dim":2},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`))
	if err != nil || h.Metadata != nil || len(h.Tensors) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestHeaderSize(t *testing.T) {
	for name, tc := range map[string]struct {
		prefix string
		file   int64
		ok     bool
	}{
		"right":           {"\x02\x00\x00\x00\x00\x00\x00\x00", 10, true},
		"cut":             {"\x02\x00\x00\x00", 4, false},
		"empty":           {"", 0, false},
		"no header":       {"\x00\x00\x00\x00\x00\x00\x00\x00", 100, false},
		"beyond the file": {"\x03\x00\x00\x00\x00\x00\x00\x00", 10, false},
		"beyond limit":    {"\x65\x00\x00\x00\x00\x00\x00\x00", 1000, false},
		"negative":        {"\xff\xff\xff\xff\xff\xff\xff\xff", 1000, false},
	} {
		if _, err := HeaderSize([]byte(tc.prefix), tc.file, 100); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		tensor Tensor
		want   string
	}{
		"right":              {Tensor{"F32", []int64{2, 3}, [2]int64{8, 32}}, ""},
		"no values":          {Tensor{"F32", []int64{0, 3}, [2]int64{8, 8}}, ""},
		"a single value":     {Tensor{"F32", nil, [2]int64{8, 12}}, ""},
		"beyond the data":    {Tensor{"F32", []int64{2, 3}, [2]int64{80, 104}}, "at bytes 80 to 104 of 100"},
		"backwards":          {Tensor{"F32", []int64{2, 3}, [2]int64{32, 8}}, "at bytes 32 to 8"},
		"negative":           {Tensor{"F32", []int64{2, 3}, [2]int64{-8, 16}}, "at bytes -8"},
		"too few bytes":      {Tensor{"F64", []int64{2, 3}, [2]int64{8, 32}}, "shape [2 3]"},
		"a negative length":  {Tensor{"F32", []int64{-2, -3}, [2]int64{8, 32}}, "shape [-2 -3]"},
		"a product too high": {Tensor{"F32", []int64{1 << 31, 1 << 31, 1 << 2}, [2]int64{0, 0}}, "shape"},
		"an unknown type":    {Tensor{"F4", []int64{2, 3}, [2]int64{8, 32}}, "type F4"},
	} {
		err := tc.tensor.Check(100)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}`), int64(24))
	f.Add([]byte(`{"x":{"dtype":"F64","shape":[-1,9223372036854775807],"data_offsets":[0,24]}}`), int64(1<<62))
	f.Fuzz(func(t *testing.T, text []byte, data int64) {
		h, err := ParseHeader(text)
		if err != nil {
			return
		}
		for name, tensor := range h.Tensors {
			if tensor.Check(data) == nil && (tensor.Offsets[0] < 0 || tensor.Offsets[1] < tensor.Offsets[0] || tensor.Offsets[1] > data) {
				t.Errorf("%s: %+v of %d bytes", name, tensor, data)
			}
		}
	})
}

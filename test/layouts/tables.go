package layouts

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

func floatBits(x float32) uint32 { return math.Float32bits(x) }

// hfImage is an image as Hugging Face's datasets store it.
type hfImage struct {
	Bytes []byte `parquet:"bytes,optional"`
	Path  string `parquet:"path,optional"`
}

type imageRow struct {
	Image hfImage `parquet:"img,optional"`
	Label int64   `parquet:"label,optional"`
	Score int64   `parquet:"score"`
	Note  string  `parquet:"note,dict"`
}

// parquetImages writes two files a split, in row groups of five, with the metadata that names images and labels.
func parquetImages(dir string, samples []Sample) error {
	names := make([]string, 10)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	metadata, err := json.Marshal(map[string]any{"info": map[string]any{"features": map[string]any{
		"img": map[string]any{"_type": "Image"}, "label": map[string]any{"_type": "ClassLabel", "names": names},
		"note": map[string]any{"dtype": "string", "_type": "Value"},
	}}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		return err
	}
	return eachSplit(samples, func(split string, samples []Sample) error {
		half := len(samples) / 2
		for i, part := range [][]Sample{samples[:half], samples[half:]} {
			file, err := os.Create(filepath.Join(dir, "data", fmt.Sprintf("%s-%05d-of-00002.parquet", split, i)))
			if err != nil {
				return err
			}
			w := parquet.NewGenericWriter[imageRow](file, parquet.KeyValueMetadata("huggingface", string(metadata)),
				parquet.MaxRowsPerRowGroup(5), parquet.PageBufferSize(2000), parquet.Compression(&parquet.Snappy))
			for _, s := range part {
				row := imageRow{Image: hfImage{s.PNG, filePath(s, 0)}, Label: labelOf(s), Score: int64(s.Score), Note: "waves"}
				if _, err := w.Write([]imageRow{row}); err != nil {
					return err
				}
			}
			if err := w.Close(); err != nil {
				return err
			}
			if err := file.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

type vectorRow struct {
	Vector []float32 `parquet:"vector,list"`
	Label  string    `parquet:"label"`
	Score  float64   `parquet:"score"`
}

func parquetVectors(path string, samples []Sample) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := parquet.NewGenericWriter[vectorRow](file, parquet.MaxRowsPerRowGroup(6), parquet.PageBufferSize(200), parquet.Compression(&parquet.Zstd))
	for _, s := range samples {
		if _, err := w.Write([]vectorRow{{s.Vector, s.Label, float64(s.Score)}}); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}

// table writes what is known of vectors, beside them.
func table(path string, samples []Sample) error {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write([]string{"label", "score"}) // into memory
	for _, s := range samples {
		_ = w.Write([]string{s.Label, strconv.Itoa(s.Score)})
	}
	w.Flush()
	return os.WriteFile(strings.TrimSuffix(path, filepath.Ext(path))+".csv", out.Bytes(), 0o644)
}

func floats(samples []Sample) []byte {
	var out []byte
	for _, s := range samples {
		for _, x := range s.Vector {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	return out
}

func npyFile(samples []Sample) []byte {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", len(samples), Dimensions)
	header += strings.Repeat(" ", 64-(10+len(header)+1)%64) + "\n"
	out := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	return append(append(out, header...), floats(samples)...)
}

func npy(path string, samples []Sample) error {
	if err := os.WriteFile(path, npyFile(samples), 0o644); err != nil {
		return err
	}
	return table(path, samples)
}

func npz(deflate bool) func(path string, samples []Sample) error {
	return func(path string, samples []Sample) error {
		method := zip.Store
		if deflate {
			method = zip.Deflate
		}
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		w, err := z.CreateHeader(&zip.FileHeader{Name: "arr_0.npy", Method: method})
		if err != nil {
			return err
		}
		if _, err := w.Write(npyFile(samples)); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			return err
		}
		return table(path, samples)
	}
}

func safetensors(path string, samples []Sample) error {
	data := floats(samples)
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{"made": "by a test"},
		"ids":          map[string]any{"dtype": "I64", "shape": []int{0}, "data_offsets": []int{0, 0}},
		"features":     map[string]any{"dtype": "F32", "shape": []int{len(samples), Dimensions}, "data_offsets": []int{0, len(data)}},
	})
	if err != nil {
		return err
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	if err := os.WriteFile(path, append(append(out, header...), data...), 0o644); err != nil {
		return err
	}
	return table(path, samples)
}

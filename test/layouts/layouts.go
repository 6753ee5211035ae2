// Package layouts writes one made-up dataset in every format that the runner reads, for the tests of those who read
// them.
package layouts

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Side is the images' width and height: CIFAR's.
const Side = 32

// Sample is one of the dataset, the same in every format.
type Sample struct {
	Split, Label string
	// Number counts within split and label.
	Number int
	// Gray are Side×Side pixels, PNG the image file of them.
	Gray, PNG []byte
	// Vector stands for an embedding.
	Vector []float32
	// Score is a number in a column, for formats that have columns.
	Score int
}

// Generate makes n samples of two splits and two labels, in the order that every format shall give them: test before
// train, then by label. Of each label and split the second image is a copy of the first, and in train the third one a
// brighter copy of test's first.
func Generate(n int) []Sample {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	var samples []Sample
	first := map[string][]byte{}
	for _, split := range []string{"test", "train"} {
		for _, label := range []string{"3", "7"} {
			for i := range n / 4 {
				s := Sample{Split: split, Label: label, Number: i, Score: random.IntN(1000)}
				switch {
				case i == 1:
					s.Gray = samples[len(samples)-1].Gray
				case i == 2 && split == "train":
					s.Gray = brighter(first[label])
				default:
					s.Gray = picture(random)
				}
				if first[label] == nil {
					first[label] = s.Gray
				}
				s.PNG, s.Vector = encode(s.Gray), vector(s.Gray)
				samples = append(samples, s)
			}
		}
	}
	return samples
}

// picture is a few soft waves: pictures of it differ, and small changes leave them alike.
func picture(random *rand.Rand) []byte {
	gray := make([]byte, Side*Side)
	a, b, c := random.Float64()*.6, random.Float64()*.6, random.Float64()*6
	d, e := random.Float64()*.8, random.Float64()*40
	for i := range gray {
		x, y := float64(i%Side), float64(i/Side)
		gray[i] = byte(120 + 60*math.Sin(a*x+b*y+c) + e*math.Cos(d*x*y/Side))
	}
	return gray
}

func brighter(gray []byte) []byte {
	out := bytes.Clone(gray)
	for i := range out {
		out[i] += 4
	}
	return out
}

func encode(gray []byte) []byte {
	img := image.NewGray(image.Rect(0, 0, Side, Side))
	for i, v := range gray {
		img.SetGray(i%Side, i/Side, color.Gray{Y: v})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err) // into memory
	}
	return out.Bytes()
}

// Dimensions of a vector.
const Dimensions = 16

// vector holds the means of rows and columns, coarsely.
func vector(gray []byte) []float32 {
	v := make([]float32, Dimensions)
	for i, p := range gray {
		v[i/Side/4] += float32(p) / 128
		v[8+i%Side/4] += float32(p) / 128
	}
	return v
}

// Layout is a way to lay the samples out in files.
type Layout struct {
	// Spec is how an audit names it.
	Spec v1alpha1.DatasetSpec
	// Write writes the samples into a folder.
	Write func(dir string, samples []Sample) error
	// ID is what the sample at a position among all, and at one in its split, is called.
	ID func(s Sample, inSplit int) string
	// Raw says that pixels are stored, not image files.
	Raw bool
	// Scores says that the format has a column score.
	Scores bool
}

// numbered are the IDs of formats that count within a split.
func numbered(s Sample, inSplit int) string { return fmt.Sprintf("%s:%d", s.Split, inSplit) }

func padded(s Sample, inSplit int) string { return fmt.Sprintf("%s:%05d", s.Split, inSplit) }

func filePath(s Sample, _ int) string {
	return fmt.Sprintf("%s/%s/%04d.png", s.Split, s.Label, s.Number)
}

// All are the layouts by name.
func All() map[string]Layout {
	spec := func(format v1alpha1.DatasetFormat) v1alpha1.DatasetSpec { return v1alpha1.DatasetSpec{Format: format} }
	shards := func(ending string) Layout {
		return Layout{
			Spec: spec(v1alpha1.FormatWebDataset), ID: inShard(ending), Scores: true,
			Write: func(dir string, samples []Sample) error { return webDataset(dir, ending, samples) },
		}
	}
	vectors := func(file string, write func(path string, samples []Sample) error) Layout {
		return Layout{Spec: spec(v1alpha1.FormatEmbeddings), ID: numbered, Scores: true, Write: func(dir string, samples []Sample) error {
			return eachSplit(samples, func(split string, samples []Sample) error {
				path := filepath.Join(dir, split, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				return write(path, samples)
			})
		}}
	}
	return map[string]Layout{
		"ImageFolder":         {Spec: spec(v1alpha1.FormatImageFolder), Write: imageFolder, ID: filePath},
		"Manifest CSV":        {Spec: spec(v1alpha1.FormatManifest), Write: manifestCSV, ID: filePath, Scores: true},
		"Manifest JSON Lines": {Spec: spec(v1alpha1.FormatManifest), Write: manifestLines, ID: filePath, Scores: true},
		"WebDataset tar":      shards(".tar"),
		"WebDataset tar.gz":   shards(".tar.gz"),
		"WebDataset tar.zst":  shards(".tar.zst"),
		"Parquet":             {Spec: spec(v1alpha1.FormatParquet), Write: parquetImages, ID: numbered, Scores: true},
		"TFRecord": {Spec: spec(v1alpha1.FormatTFRecord), ID: numbered, Scores: true,
			Write: func(dir string, samples []Sample) error { return tfRecords(dir, "", samples) }},
		"TFRecord gz": {Spec: spec(v1alpha1.FormatTFRecord), ID: numbered, Scores: true,
			Write: func(dir string, samples []Sample) error { return tfRecords(dir, ".gz", samples) }},
		"CIFAR binary": {Spec: spec(v1alpha1.FormatCIFAR), Write: cifarBinary, ID: padded, Raw: true},
		"CIFAR pickle": {Spec: spec(v1alpha1.FormatCIFAR), Write: cifarPickle, ID: padded, Raw: true},
		"IDX": {Spec: spec(v1alpha1.FormatIDX), ID: padded, Raw: true,
			Write: func(dir string, samples []Sample) error { return idx(dir, "", samples) }},
		"IDX gz": {Spec: spec(v1alpha1.FormatIDX), ID: padded, Raw: true,
			Write: func(dir string, samples []Sample) error { return idx(dir, ".gz", samples) }},
		"Embeddings npy":         vectors("embeddings.npy", npy),
		"Embeddings npz":         vectors("embeddings.npz", npz(false)),
		"Embeddings npz deflate": vectors("embeddings.npz", npz(true)),
		"Embeddings Safetensors": vectors("embeddings.safetensors", safetensors),
		"Embeddings Parquet":     vectors("embeddings.parquet", parquetVectors),
	}
}

// eachSplit calls visit with the samples of each split.
func eachSplit(samples []Sample, visit func(split string, samples []Sample) error) error {
	for len(samples) > 0 {
		n := 0
		for n < len(samples) && samples[n].Split == samples[0].Split {
			n++
		}
		if err := visit(samples[0].Split, samples[:n]); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

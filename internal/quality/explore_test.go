package quality

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/demo"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

func exLoad(t *testing.T, glob string, n int) (imgs []*image.RGBA, files [][]byte) {
	names, _ := filepath.Glob(glob)
	for i := 0; i < min(n, len(names)); i++ {
		b, _ := os.ReadFile(names[i*len(names)/min(n, len(names))])
		img, err := images.Decoder{}.Decode(b)
		if err != nil {
			t.Log(err)
			continue
		}
		imgs, files = append(imgs, img), append(files, b)
	}
	return
}

func exQuant(name string, xs []float64) {
	sort.Float64s(xs)
	q := func(p float64) float64 { return xs[int(p*float64(len(xs)-1))] }
	fmt.Printf("  %-12s min %.3f 0.5%% %.3f 1%% %.3f 2%% %.3f 10%% %.3f 50%% %.3f 90%% %.3f 98%% %.3f 99%% %.3f 99.5%% %.3f max %.3f\n", name, q(0), q(.005), q(.01), q(.02), q(.1), q(.5), q(.9), q(.98), q(.99), q(.995), q(1))
}

func exStats(title string, imgs []*image.RGBA, files [][]byte, only ...string) {
	fmt.Println(title, len(imgs), imgs[0].Rect)
	vals := map[string][]float64{}
	for i, img := range imgs {
		var f []byte
		if files != nil {
			f = files[i]
		}
		m := Measure(img, f)
		for k, v := range map[string]float64{"high": float64(m.High) / 255, "low": float64(m.Low) / 255, "spread": float64(m.Mid-m.Low) / 255, "entropy": float64(m.Entropy) / 32, "sharp": float64(m.Sharpness) / 64, "color": float64(m.Color), "quality": float64(m.Quality), "block": float64(m.Blockiness) / 255, "border": float64(m.Border) / 255, "tail": float64(m.Tail) / 255} {
			vals[k] = append(vals[k], v)
		}
	}
	if len(only) == 0 {
		only = []string{"high", "low", "spread", "entropy", "sharp", "color", "quality", "block", "border", "tail"}
	}
	for _, k := range only {
		exQuant(k, vals[k])
	}
}

func exMap(imgs []*image.RGBA, f func(*image.RGBA) *image.RGBA) (out []*image.RGBA) {
	for _, i := range imgs {
		out = append(out, f(i))
	}
	return
}

func exJPEG(q int) func(*image.RGBA) *image.RGBA {
	return func(i *image.RGBA) *image.RGBA {
		var b bytes.Buffer
		jpeg.Encode(&b, i, &jpeg.Options{Quality: q})
		o, err := images.Decoder{}.Decode(b.Bytes())
		if err != nil {
			panic(err)
		}
		return o
	}
}

func exBlur(sigma float64) func(*image.RGBA) *image.RGBA {
	return func(i *image.RGBA) *image.RGBA { return blur(i, sigma) }
}

func TestExplore(t *testing.T) {
	imgs, files := exLoad(t, "../../../shared/data/cifar10/*/*/*.jpg", 1000)
	exStats("cifar", imgs, files)
	exStats("blur2", exMap(imgs, exBlur(2)), nil, "sharp")
	exStats("blur1", exMap(imgs, exBlur(1)), nil, "sharp")
	exStats("blur1.5", exMap(imgs, exBlur(1.5)), nil, "sharp")
	for _, q := range []int{5, 10, 15, 25, 50, 75} {
		exStats(fmt.Sprint("jpeg", q), exMap(imgs, exJPEG(q)), nil, "block", "sharp")
	}
	exStats("blur2,q75", exMap(exMap(imgs, exBlur(2)), exJPEG(75)), nil, "sharp")
	dir := t.TempDir()
	if err := demo.WriteImages(dir); err != nil {
		t.Fatal(err)
	}
	imgs, files = exLoad(t, dir+"/*/*/*", 1000)
	exStats("demo", imgs, files)
	exStats("blur2", exMap(imgs, exBlur(2)), nil, "sharp")
	exStats("blur4", exMap(imgs, exBlur(4)), nil, "sharp")
	for _, q := range []int{5, 10, 15, 25, 50, 75} {
		exStats(fmt.Sprint("jpeg", q), exMap(imgs, exJPEG(q)), nil, "block", "sharp")
	}
	_ = draw.Src
}

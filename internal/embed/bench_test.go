package embed

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// BenchmarkEndToEnd compares reading, decoding, preprocessing, MobileNet and storing with the bare session on as many
// threads: both in turn, and the median of the ratios. Ask for an odd number of rounds, such as -benchtime 5x.
func BenchmarkEndToEnd(b *testing.B) {
	needs.Runtime(b)
	network := openNetwork(b, needs.Shared(b, "mobilenet_v1_1.0_224.onnx"), mobileNet("conv_pw_13"))
	datasets := map[string]func(testing.TB) *dataset.Dataset{
		"cars-32x32":     func(t testing.TB) *dataset.Dataset { return cars(t, 1000) },
		"photos-500x375": func(t testing.TB) *dataset.Dataset { return photos(t, 1000) },
	}
	for name, open := range datasets {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			threads := runtime.GOMAXPROCS(0)
			var whole, bare, ratios []float64
			for b.Loop() {
				e, s := endToEnd(b, d, network, threads), bareSession(b, network, d.Len(), threads)
				whole, bare, ratios = append(whole, e), append(bare, s), append(ratios, e/s)
			}
			b.ReportMetric(median(whole), "img/s")
			b.ReportMetric(median(bare), "bare-img/s")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func endToEnd(b *testing.B, d *dataset.Dataset, n *Network, threads int) (perSecond float64) {
	job := jobOf(d, n, openStore(b, b.TempDir(), n, d))
	job.Threads = threads
	start := time.Now()
	if _, err := job.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	return float64(d.Len()) / time.Since(start).Seconds()
}

// bareSession runs as many batches of nothing.
func bareSession(b *testing.B, n *Network, samples, threads int) (perSecond float64) {
	var next atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range threads {
		group.Go(func() {
			in, err := n.newInput()
			if err != nil {
				b.Error(err)
				return
			}
			for next.Add(int64(n.batch)) <= int64(samples) {
				outputs := make([]ort.Value, len(n.Layers))
				if err := n.session.Run([]ort.Value{in.value}, outputs); err != nil {
					b.Error(err)
					return
				}
				for _, o := range outputs {
					_ = o.Destroy()
				}
			}
			_ = in.value.Destroy()
		})
	}
	group.Wait()
	return float64(samples) / time.Since(start).Seconds()
}

// photos makes JPEGs of quality 80 with the detail of photographs.
func photos(t testing.TB, n int) *dataset.Dataset {
	t.Helper()
	folder := t.TempDir()
	for i := range n {
		random := rand.New(rand.NewPCG(uint64(i), 5))
		img := image.NewRGBA(image.Rect(0, 0, 500, 375))
		a, b, c := random.Float64()*.1, random.Float64()*.1, random.Float64()*6
		for y := range 375 {
			for x := range 500 {
				wave := math.Sin(a*float64(x)+c) * math.Cos(b*float64(y)-c)
				grain := random.IntN(24)
				img.SetRGBA(x, y, color.RGBA{uint8(116 + 90*wave + float64(grain)), uint8(100 + x/5 + grain), uint8(90 + y/4 + grain), 255})
			}
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: 80}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%04d.jpg", i)), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return openDataset(t, folder, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
}

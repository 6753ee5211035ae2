package images

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	xdraw "golang.org/x/image/draw"
)

// photo is a picture with the detail of a photograph: shapes, gradients and grain.
func photo(w, h int, seed uint64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	type wave struct{ fx, fy, phase, amplitude float64 }
	var waves [3][12]wave
	for c := range waves {
		for i := range waves[c] {
			f := math.Pow(2, float64(i)/2)
			waves[c][i] = wave{rng.NormFloat64() * f, rng.NormFloat64() * f, rng.Float64() * 6, 60 / math.Sqrt(f)}
		}
	}
	for y := range h {
		for x := range w {
			grain := 7 * rng.NormFloat64()
			var rgb [3]uint8
			for c := range rgb {
				v := 128 + grain
				for _, wave := range waves[c] {
					v += wave.amplitude * math.Sin(wave.phase+6*(wave.fx*float64(x)+wave.fy*float64(y))/float64(max(w, h)))
				}
				rgb[c] = uint8(min(max(v, 0), 255))
			}
			img.SetRGBA(x, y, color.RGBA{rgb[0], rgb[1], rgb[2], 255})
		}
	}
	return img
}

// cpu is the processor time that this thread has used: what other programs on the machine do doesn't count.
func cpu(b *testing.B) time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(thisThread, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkDecodeResize decodes JPEGs and resizes them to 224×224, by this package and by image/jpeg with x/image/draw,
// in turn. It reports the images that one core's second is enough for, and the ratio of the two.
func BenchmarkDecodeResize(b *testing.B) {
	for _, size := range []image.Point{{500, 375}, {32, 32}, {2000, 1500}} {
		b.Run(size.String(), func(b *testing.B) {
			var file bytes.Buffer
			if err := jpeg.Encode(&file, photo(size.X, size.Y, 1), &jpeg.Options{Quality: 80}); err != nil {
				b.Fatal(err)
			}
			data := file.Bytes()
			var (
				img          = new(image.RGBA)
				planes       = make([]float32, 3*224*224)
				resizer      = Resizer{Width: 224, Height: 224}
				other        = image.NewRGBA(image.Rect(0, 0, 224, 224))
				ours, theirs time.Duration
				decoding     time.Duration
			)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for b.Loop() {
				start := cpu(b)
				if err := (Decoder{}).DecodeInto(img, data); err != nil {
					b.Fatal(err)
				}
				decoding += cpu(b) - start
				resizer.Resize(planes, img)
				ours += cpu(b) - start

				start = cpu(b)
				decoded, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				xdraw.ApproxBiLinear.Scale(other, other.Rect, decoded, decoded.Bounds(), xdraw.Src, nil)
				theirs += cpu(b) - start
			}
			b.ReportMetric(float64(b.N)/ours.Seconds(), "img/s")
			b.ReportMetric(float64(b.N)/decoding.Seconds(), "decoded/s")
			b.ReportMetric(float64(b.N)/theirs.Seconds(), "stdlib-img/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "×stdlib")
			b.ReportMetric(float64(len(data)), "file-bytes")
		})
	}
}

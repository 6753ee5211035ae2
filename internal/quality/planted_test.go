package quality

import (
	"image"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/demo"
	"github.com/datasetaudit/dataset-audit/internal/images"
)

// A picture is an image and the file that it comes from, if any.
type picture struct {
	img  *image.RGBA
	file []byte
}

// Each kind of damage, what is to be found of it, and at least how often: in images of 32×32 pixels, and in larger
// ones.
var damages = []struct {
	name          string
	plant         func(testing.TB, *image.RGBA) picture
	want          Problem
	small, larger float64
}{
	{"darkened to 0.15", levels(func(v int) int { return v * 15 / 100 }), Dark, 1, 1},
	{"lightened to 0.92 and more", levels(func(v int) int { return 235 + v*20/255 }), Bright, 1, 1},
	{"contrast of a tenth", levels(func(v int) int { return 115 + v/10 }), LowContrast, 1, 1},
	{"blurred, σ = 1.5", pixels(func(img *image.RGBA) *image.RGBA { return blur(img, 1.5*scaleOf(img)) }), Blurred, .98, .98},
	{"blurred, σ = 2", pixels(func(img *image.RGBA) *image.RGBA { return blur(img, 2*scaleOf(img)) }), Blurred, .99, .99},
	{"blurred, σ = 2, saved as JPEG", func(t testing.TB, img *image.RGBA) picture {
		return saved(t, blur(img, 2*scaleOf(img)), 75)
	}, Blurred, .98, .95},
	{"cut to a strip", pixels(func(img *image.RGBA) *image.RGBA {
		return crop(img, img.Rect.Dx(), img.Rect.Dy()*3/10)
	}), OddAspect, 1, 1},
	{"a quarter of the sides", pixels(func(img *image.RGBA) *image.RGBA {
		return crop(img, img.Rect.Dx()/4, img.Rect.Dy()/4)
	}), OddSize, 1, .9},
	{"filled", pixels(func(img *image.RGBA) *image.RGBA { return fill(img, img.Rect, at(img, 5, 5)) }), NearEmpty, 1, 1},
	{"gray", pixels(gray), Gray, 1, 1},
	{"JPEG of quality 5", func(t testing.TB, img *image.RGBA) picture { return saved(t, img, 5) }, Compressed, 1, 1},
	{"JPEG of quality 12", func(t testing.TB, img *image.RGBA) picture { return saved(t, img, 12) }, Compressed, 1, 1},
	{"the pixels of a JPEG of quality 5", pixelsOfJPEG(5), Compressed, .9, .95},
	{"the pixels of a JPEG of quality 15", pixelsOfJPEG(15), Compressed, .2, .9},
	{"letterbox", pixels(func(img *image.RGBA) *image.RGBA { return letterbox(img, [3]int{}) }), Bordered, .95, .95},
	{"letterbox, saved as JPEG", func(t testing.TB, img *image.RGBA) picture {
		return saved(t, letterbox(img, [3]int{}), 90)
	}, Bordered, .8, .9},
	{"white frame", pixels(frame), Bordered, .95, .95},
	{"gray tail", pixels(func(img *image.RGBA) *image.RGBA { return cutTail(img, 1) }), CorruptTail, 1, 1},
	{"gray tail, saved as JPEG", func(t testing.TB, img *image.RGBA) picture {
		return saved(t, cutTail(img, 16), 90)
	}, CorruptTail, 1, 1},
}

// TestPlanted counts what is found of damage that was planted in images, and what is found in images without.
func TestPlanted(t *testing.T) {
	t.Run("CIFAR-10", func(t *testing.T) {
		planted(t, pictures(t, cifar(t), 1000), 200, func(small, _ float64) float64 { return small })
	})
	t.Run("drawn", func(t *testing.T) {
		folder := t.TempDir()
		if err := demo.WriteImages(folder); err != nil {
			t.Fatal(err)
		}
		planted(t, pictures(t, filepath.Join(folder, "*", "*", "*"), 500), 100, func(_, larger float64) float64 { return larger })
	})
	t.Run("scenes", func(t *testing.T) {
		var all []picture
		for seed := range uint64(12) {
			all = append(all, saved(t, scene(320+int(seed), 240, seed), 90))
		}
		planted(t, all, 12, func(_, larger float64) float64 { return larger })
	})
}

// cifar is a pattern of the files of CIFAR-10.
func cifar(t *testing.T) string {
	folder := filepath.Join("..", "..", "..", "shared", "data", "cifar10")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("shared/data/cifar10 is absent")
	}
	return filepath.Join(folder, "*", "*", "*.jpg")
}

// pictures decodes at most n of the files of a pattern, evenly apart.
func pictures(t *testing.T, pattern string, n int) []picture {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	n = min(n, len(names))
	all := make([]picture, n)
	for i := range all {
		file, err := os.ReadFile(names[i*len(names)/n])
		if err != nil {
			t.Fatal(err)
		}
		all[i] = picture{decoded(t, file), file}
	}
	return all
}

// planted plants each damage in so many of the pictures.
func planted(t *testing.T, all []picture, n int, floor func(small, larger float64) float64) {
	const mostFalse = .02
	measures := make([]Measures, len(all))
	for i, p := range all {
		measures[i] = Measure(p.img, p.file)
	}
	judge := NewJudge(slices.Values(measures))
	if judge.Typical() != 0 {
		t.Errorf("typical is %v", slices.Collect(judge.Typical().All()))
	}
	for _, p := range Problems() {
		found := 0
		for _, m := range measures {
			if judge.Problems(m).Has(p) {
				found++
			}
		}
		t.Logf("%-12s false alarms: %d of %d", p, found, len(all))
		if float64(found) > mostFalse*float64(len(all)) {
			t.Errorf("%d of %d untouched images are %s", found, len(all), p)
		}
	}
	for _, d := range damages {
		found := 0
		also := map[Problem]int{}
		for i := range n {
			p := d.plant(t, all[i*len(all)/n].img)
			for problem := range judge.Problems(Measure(p.img, p.file)).All() {
				if problem == d.want {
					found++
				} else {
					also[problem]++
				}
			}
		}
		t.Logf("%-35s %-12s %5.1f %%, also %v", d.name, d.want, 100*float64(found)/float64(n), also)
		if float64(found) < floor(d.small, d.larger)*float64(n) {
			t.Errorf("%s: %d of %d are %s", d.name, found, n, d.want)
		}
	}
}

func decoded(t testing.TB, file []byte) *image.RGBA {
	t.Helper()
	img, err := images.Decoder{}.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// saved is an image as a JPEG, and with its loss.
func saved(t testing.TB, img *image.RGBA, quality int) picture {
	file := encoded(t, img, quality)
	return picture{decoded(t, file), file}
}

// pixelsOfJPEG are as those of a JPEG that was saved again without loss.
func pixelsOfJPEG(quality int) func(testing.TB, *image.RGBA) picture {
	return func(t testing.TB, img *image.RGBA) picture { return picture{img: saved(t, img, quality).img} }
}

func pixels(change func(*image.RGBA) *image.RGBA) func(testing.TB, *image.RGBA) picture {
	return func(_ testing.TB, img *image.RGBA) picture { return picture{img: change(img)} }
}

func levels(change func(int) int) func(testing.TB, *image.RGBA) picture {
	return pixels(func(img *image.RGBA) *image.RGBA {
		return each(img, func(c [3]int) [3]int { return [3]int{change(c[0]), change(c[1]), change(c[2])} })
	})
}

package webp

import (
	"bytes"
	"image"
	"math/rand/v2"
	"testing"
)

// Every pixel by the formulas, with the four chroma samples around it looked up.
func TestToRGB(t *testing.T) {
	clip := func(v int) uint8 { return uint8(min(max(v>>6, 0), 255)) }
	for width := 1; width < 12; width++ {
		for height := 1; height < 12; height++ {
			src := noise(width, height)
			got := toRGB(src)
			chroma := func(plane []uint8, x, y int) int {
				sample := func(x, y int) int {
					return int(plane[min(max(y, 0), (height-1)/2)*src.CStride+min(max(x, 0), (width-1)/2)])
				}
				toX, toY := 2*(x%2)-1, 2*(y%2)-1
				x, y = x/2, y/2
				return (9*sample(x, y) + 3*sample(x+toX, y) + 3*sample(x, y+toY) + sample(x+toX, y+toY) + 8) / 16
			}
			for y := range height {
				for x := range width {
					luma := int(src.Y[y*src.YStride+x]) * 19077 / 256
					u, v := chroma(src.Cb, x, y), chroma(src.Cr, x, y)
					want := [4]uint8{
						clip(luma + v*26149/256 - 14234), clip(luma - u*6419/256 - v*13320/256 + 8708),
						clip(luma + u*33050/256 - 17685), 255,
					}
					if p := [4]uint8(got.Pix[got.PixOffset(x, y):]); p != want {
						t.Fatalf("%d×%d pixels: (%d,%d) is %v, want %v", width, height, x, y, p, want)
					}
				}
			}
		}
	}
}

func TestGrays(t *testing.T) {
	for luma, want := range map[uint8]uint8{0: 0, 16: 0, 126: 128, 235: 255, 255: 255} {
		src := image.NewYCbCr(image.Rect(0, 0, 1, 1), image.YCbCrSubsampleRatio420)
		src.Y[0], src.Cb[0], src.Cr[0] = luma, 128, 128
		if got := [4]uint8(toRGB(src).Pix); got != [4]uint8{want, want, want, 255} {
			t.Errorf("luma %d becomes %v, want %d", luma, got, want)
		}
	}
}

// Random planes come back from the differences to their predictions.
func TestUnfilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for filter := uint8(filterNone); filter <= filterGradient; filter++ {
		for width := 1; width < 7; width++ {
			for height := 1; height < 7; height++ {
				plane := make([]uint8, width*height)
				for i := range plane {
					plane[i] = uint8(random.Uint32())
				}
				coded := make([]uint8, len(plane))
				for i := range plane {
					coded[i] = plane[i] - prediction(plane, width, i, filter)
				}
				got, err := decodeAlpha(append([]byte{filter << 2}, coded...), width, height)
				if err != nil || !bytes.Equal(got, plane) {
					t.Fatalf("filter %d, %d×%d: got %v, %v, want %v", filter, width, height, got, err, plane)
				}
			}
		}
	}
}

func prediction(plane []uint8, width, i int, filter uint8) uint8 {
	x, y := i%width, i/width
	switch {
	case filter == filterNone || i == 0:
		return 0
	case y == 0 || x > 0 && filter == filterHorizontal:
		return plane[i-1]
	case x == 0 || filter == filterVertical:
		return plane[i-width]
	}
	return uint8(min(max(int(plane[i-1])+int(plane[i-width])-int(plane[i-width-1]), 0), 255))
}

package main

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
)

// Many small classes of things that look alike and are no copies are the hardest null: the neighbors of an image are first
// those of its class, then others.
const (
	classes   = 100
	ofClass   = 15
	classSide = 96
)

// A thing of a class has the same parts, in a place, size, turn and light of its own each.
type thing struct {
	ground [2]hue
	parts  []part
}

type hue struct{ r, g, b float64 }

type part struct {
	corners       int // 0 is round
	x, y          float64
	width, height float64
	hue           hue
}

func drawHue(r *rand.Rand) hue { return hue{r.Float64(), r.Float64(), r.Float64()} }

func newThing(r *rand.Rand) thing {
	t := thing{ground: [2]hue{drawHue(r), drawHue(r)}}
	for range 3 + r.IntN(4) {
		t.parts = append(t.parts, part{
			corners: []int{0, 3, 4, 6}[r.IntN(4)], x: 0.2 + 0.6*r.Float64(), y: 0.2 + 0.6*r.Float64(),
			width: 0.06 + 0.2*r.Float64(), height: 0.06 + 0.2*r.Float64(), hue: drawHue(r),
		})
	}
	return t
}

// picture is one of the class.
func (t thing) picture(r *rand.Rand) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, classSide, classSide))
	light, slope := 0.75+0.5*r.Float64(), 2*math.Pi*r.Float64()
	sin, cos := math.Sincos(slope)
	grain := [3]float64{2 + 10*r.Float64(), 2 + 10*r.Float64(), 2 * math.Pi * r.Float64()}
	parts := make([]part, len(t.parts))
	turns := make([]float64, len(t.parts))
	for i, p := range t.parts {
		scale := math.Exp(0.25 * r.NormFloat64())
		p.x, p.y = p.x+0.12*r.NormFloat64(), p.y+0.12*r.NormFloat64()
		p.width, p.height = p.width*scale, p.height*scale
		parts[i], turns[i] = p, 0.5*r.NormFloat64()
	}
	for row := range classSide {
		for column := range classSide {
			x, y := float64(column)/classSide, float64(row)/classSide
			along := 0.5 + (x-0.5)*cos + (y-0.5)*sin
			shown := t.ground[0].mix(t.ground[1], along)
			wave := 0.08 * math.Sin(grain[0]*x+grain[1]*y+grain[2]) * math.Sin(grain[1]*x-grain[0]*y)
			for i, p := range parts {
				if p.covers(x, y, turns[i]) {
					shown = p.hue
				}
			}
			noise := wave + 0.02*r.NormFloat64()
			img.SetRGBA(column, row, color.RGBA{level(light*shown.r + noise), level(light*shown.g + noise), level(light*shown.b + noise), 255})
		}
	}
	return img
}

func (h hue) mix(other hue, share float64) hue {
	return hue{h.r + share*(other.r-h.r), h.g + share*(other.g-h.g), h.b + share*(other.b-h.b)}
}

func (p part) covers(x, y, turn float64) bool {
	sin, cos := math.Sincos(turn)
	u, v := ((x-p.x)*cos+(y-p.y)*sin)/p.width, ((y-p.y)*cos-(x-p.x)*sin)/p.height
	reach := 1.0
	if p.corners > 0 { // the distance of a regular polygon's side in this direction
		wedge := 2 * math.Pi / float64(p.corners)
		angle := math.Mod(math.Atan2(v, u)+4*math.Pi, wedge)
		reach = math.Cos(wedge/2) / math.Cos(angle-wedge/2)
	}
	return u*u+v*v <= reach*reach
}

func level(x float64) uint8 { return uint8(255 * min(max(x, 0), 1)) }

// drawClasses draws them, unless they are there already.
func (b *bench) drawClasses() (planting, error) {
	p := planting{folder: filepath.Join(b.work, "classes")}
	p.truth.Samples = classes * ofClass
	if _, err := os.Stat(p.images()); err == nil {
		return p, nil
	}
	for class := range classes {
		r := rand.New(rand.NewPCG(uint64(class), 5))
		t := newThing(r)
		for i := range ofClass {
			var out bytes.Buffer
			if err := png.Encode(&out, t.picture(r)); err != nil {
				return p, err
			}
			if err := write(filepath.Join(p.images(), fmt.Sprintf("class%02d/%02d.png", class, i)), out.Bytes()); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

package demo

import (
	"image"
	"image/color"
	"math"

	"golang.org/x/image/vector"
)

// A tone is a color, its channels from 0 to 1.
type tone struct{ r, g, b float64 }

// hsv returns the tone of a hue in degrees, a saturation and a value from 0 to 1.
func hsv(hue, saturation, value float64) tone {
	channel := func(n float64) float64 {
		k := math.Mod(n+hue/60+12, 6)
		return value * (1 - saturation*max(0, min(k, 4-k, 1)))
	}
	return tone{channel(5), channel(3), channel(1)}
}

func (t tone) times(u tone) tone     { return tone{t.r * u.r, t.g * u.g, t.b * u.b} }
func (t tone) scaled(f float64) tone { return tone{t.r * f, t.g * f, t.b * f} }
func (t tone) mix(u tone, f float64) tone {
	return tone{lerp(t.r, u.r, f), lerp(t.g, u.g, f), lerp(t.b, u.b, f)}
}

func (t tone) rgba() color.RGBA {
	channel := func(v float64) uint8 { return uint8(255*min(max(v, 0), 1) + .5) }
	return color.RGBA{channel(t.r), channel(t.g), channel(t.b), 255}
}

func lerp(a, b, f float64) float64 { return a + (b-a)*f }

// A point of a picture whose height is 1.
type point struct{ x, y float64 }

// A paint gives every point of a shape its tone.
type paint func(x, y float64) tone

func flat(t tone) paint { return func(_, _ float64) tone { return t } }

// fade goes from one tone at height y0 to another at y1.
func fade(top, bottom tone, y0, y1 float64) paint {
	return func(_, y float64) tone { return top.mix(bottom, min(max((y-y0)/(y1-y0), 0), 1)) }
}

// grain makes a paint lighter and darker by noise of the given grain sizes, at most by strength either way.
func (p paint) grain(seed uint64, sizeX, sizeY, strength float64) paint {
	return func(x, y float64) tone {
		return p(x, y).scaled(1 + strength*(2*noise(seed, x/sizeX, y/sizeY)-1))
	}
}

// A canvas draws antialiased shapes. Coordinates are in units of its height.
type canvas struct {
	img    *image.RGBA
	unit   float64 // pixels of a unit
	raster vector.Rasterizer
	mask   image.Alpha
}

func newCanvas(width, height int) *canvas {
	return &canvas{img: image.NewRGBA(image.Rect(0, 0, width, height)), unit: float64(height)}
}

// width of the canvas, whose height is 1.
func (c *canvas) width() float64 { return float64(c.img.Rect.Dx()) / c.unit }

// fill paints the inside of a closed outline, with an opacity from 0 to 1.
func (c *canvas) fill(p paint, opacity float64, outline ...point) {
	low, high := outline[0], outline[0]
	for _, q := range outline {
		low, high = point{min(low.x, q.x), min(low.y, q.y)}, point{max(high.x, q.x), max(high.y, q.y)}
	}
	box := image.Rect(
		int(math.Floor(low.x*c.unit)), int(math.Floor(low.y*c.unit)),
		int(math.Ceil(high.x*c.unit)), int(math.Ceil(high.y*c.unit)))
	if !box.Overlaps(c.img.Rect) {
		return
	}
	at := func(q point) (x, y float32) {
		return float32(q.x*c.unit - float64(box.Min.X)), float32(q.y*c.unit - float64(box.Min.Y))
	}
	c.raster.Reset(box.Dx(), box.Dy())
	c.raster.MoveTo(at(outline[0]))
	for _, q := range outline[1:] {
		c.raster.LineTo(at(q))
	}
	c.raster.ClosePath()

	// The mask covers the shape, which may reach beyond the picture.
	n := box.Dx() * box.Dy()
	if cap(c.mask.Pix) < n {
		c.mask.Pix = make([]uint8, n)
	}
	c.mask = image.Alpha{Pix: c.mask.Pix[:n], Stride: box.Dx(), Rect: image.Rect(0, 0, box.Dx(), box.Dy())}
	clear(c.mask.Pix)
	c.raster.Draw(&c.mask, c.mask.Rect, image.Opaque, image.Point{})

	visible := box.Intersect(c.img.Rect)
	for y := visible.Min.Y; y < visible.Max.Y; y++ {
		for x := visible.Min.X; x < visible.Max.X; x++ {
			if cover := c.mask.Pix[c.mask.PixOffset(x-box.Min.X, y-box.Min.Y)]; cover > 0 {
				c.blend(x, y, p((float64(x)+.5)/c.unit, (float64(y)+.5)/c.unit), opacity*float64(cover)/255)
			}
		}
	}
}

func (c *canvas) blend(x, y int, t tone, opacity float64) {
	pixel := c.img.Pix[c.img.PixOffset(x, y):][:4]
	under := tone{float64(pixel[0]) / 255, float64(pixel[1]) / 255, float64(pixel[2]) / 255}
	over := under.mix(t, opacity).rgba()
	pixel[0], pixel[1], pixel[2], pixel[3] = over.R, over.G, over.B, 255
}

// each replaces every pixel's tone.
func (c *canvas) each(change func(x, y int, t tone) tone) {
	for y := range c.img.Rect.Dy() {
		for x := range c.img.Rect.Dx() {
			p := c.img.RGBAAt(x, y)
			c.img.SetRGBA(x, y, change(x, y, tone{float64(p.R) / 255, float64(p.G) / 255, float64(p.B) / 255}).rgba())
		}
	}
}

// box is a rectangle's outline.
func box(x, y, width, height float64) []point {
	return []point{{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}}
}

// oval is an ellipse's outline.
func oval(x, y, radiusX, radiusY float64) []point {
	const corners = 40
	outline := make([]point, corners)
	for i := range outline {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		outline[i] = point{x + radiusX*cos, y + radiusY*sin}
	}
	return outline
}

// line is the outline of a thin line.
func line(a, b point, width float64) []point {
	length := math.Hypot(b.x-a.x, b.y-a.y)
	dx, dy := -(b.y-a.y)/length*width/2, (b.x-a.x)/length*width/2
	return []point{{a.x + dx, a.y + dy}, {b.x + dx, b.y + dy}, {b.x - dx, b.y - dy}, {a.x - dx, a.y - dy}}
}

// noise is smooth value noise of two octaves, from 0 to 1; its features are about 1 wide.
func noise(seed uint64, x, y float64) float64 {
	return (2*smooth(seed, x, y) + smooth(seed+1, 2*x, 2*y)) / 3
}

func smooth(seed uint64, x, y float64) float64 {
	floorX, floorY := math.Floor(x), math.Floor(y)
	fx, fy := x-floorX, y-floorY
	fx, fy = fx*fx*(3-2*fx), fy*fy*(3-2*fy)
	i, j := int64(floorX), int64(floorY)
	return lerp(
		lerp(hash(seed, i, j), hash(seed, i+1, j), fx),
		lerp(hash(seed, i, j+1), hash(seed, i+1, j+1), fx), fy)
}

// hash is a number from 0 to 1 for a place on a grid: SplitMix64's mixing (Steele, Lea and Flood, 2014,
// doi:10.1145/2660193.2660195).
func hash(seed uint64, i, j int64) float64 {
	h := seed ^ uint64(i)*0x9e3779b97f4a7c15 ^ uint64(j)*0xc2b2ae3d27d4eb4f
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return float64((h^h>>31)>>11) / (1 << 53)
}

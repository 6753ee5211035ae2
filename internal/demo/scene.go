package demo

import (
	"image"
	"math"
	"math/rand/v2"
)

// classes are the labels, each with what draws its object on a painted background.
var classes = []struct {
	label  string
	ground func(*scene)
	object func(s *scene, x, y, size float64)
}{
	{"boat", (*scene).water, (*scene).boat},
	{"car", (*scene).road, (*scene).car},
	{"house", (*scene).meadow, (*scene).house},
	{"tree", (*scene).meadow, (*scene).tree},
}

// drawScene paints a picture of classes[class]: sky, distance, ground, and one to three objects; all of it at random.
func drawScene(class int, r *rand.Rand) *image.RGBA {
	width, height := 96+16*r.IntN(5), 96+16*r.IntN(3)
	s := &scene{canvas: newCanvas(max(width, height), height), r: r}
	s.horizon = s.between(.32, .7)
	s.sky()
	s.distance()
	classes[class].ground(s)
	count := 1 + r.IntN(3)
	size := s.between(.38, .78) / math.Sqrt(float64(count))
	start := s.between(0, 1)
	for i := range count {
		depth := float64(i+1) / float64(count)
		x := s.width() * (.12 + .76*math.Mod(start+float64(i)/float64(count)+s.between(-.08, .08)+1, 1))
		y := lerp(s.horizon+.06, .9, depth*s.between(.55, 1))
		classes[class].object(s, x, y, size*lerp(.65, 1.15, depth)*s.between(.85, 1.15))
	}
	s.foreground()
	film := s.seed()
	s.each(func(x, y int, t tone) tone { return t.scaled(1 + .05*(hash(film, int64(x), int64(y))-.5)) })
	return s.img
}

// A scene is a picture being painted.
type scene struct {
	*canvas
	r       *rand.Rand
	horizon float64
	light   tone // what everything but the sky is lit by
	haze    tone // what the distance fades into
}

func (s *scene) between(low, high float64) float64 { return low + (high-low)*s.r.Float64() }
func (s *scene) seed() uint64                      { return s.r.Uint64() }
func (s *scene) chance(p float64) bool             { return s.r.Float64() < p }

// lit is a tone of a hue within ±spread degrees, as it looks in the scene's light.
func (s *scene) lit(hue, spread, saturation, value float64) tone {
	return hsv(hue+s.between(-spread, spread), saturation*s.between(.8, 1.2), min(1, value*s.between(.8, 1.2))).times(s.light)
}

// varnish is any tone at all, in the scene's light.
func (s *scene) varnish() tone {
	return hsv(s.between(0, 360), s.between(.15, .9), s.between(.3, .98)).times(s.light)
}

// sky paints a time of day and its weather.
func (s *scene) sky() {
	type shade struct{ hue, spread, saturation, value float64 }
	moods := []struct {
		top, bottom shade
		light       tone
	}{
		{shade{212, 18, .62, .85}, shade{195, 30, .25, .95}, tone{1, 1, .96}},
		{shade{200, 25, .4, .95}, shade{60, 40, .2, .98}, tone{1.05, 1, .88}},
		{shade{215, 60, .12, .6}, shade{200, 90, .1, .84}, tone{.8, .82, .86}},
		{shade{160, 30, .3, .45}, shade{75, 30, .35, .75}, tone{.8, .85, .75}}, // before a storm
		{shade{265, 40, .5, .5}, shade{24, 22, .7, .95}, tone{.9, .7, .6}},
		{shade{225, 35, .38, .72}, shade{345, 35, .32, .94}, tone{.88, .78, .84}},
		{shade{240, 35, .65, .22}, shade{230, 70, .5, .45}, tone{.55, .58, .7}},
	}
	mood := moods[s.r.IntN(len(moods))]
	s.light = tone{1, 1, 1}
	top := s.lit(mood.top.hue, mood.top.spread, mood.top.saturation, mood.top.value)
	s.haze = s.lit(mood.bottom.hue, mood.bottom.spread, mood.bottom.saturation, mood.bottom.value)
	s.light = mood.light.scaled(s.between(.88, 1.1))
	s.fill(fade(top, s.haze, 0, s.horizon), 1, box(0, 0, s.width(), 1)...)

	if s.chance(.55) { // sun or moon, with a halo
		x, y, radius := s.between(.1, .9)*s.width(), s.between(.06, .8)*s.horizon, s.between(.03, .09)
		disc := s.haze.mix(hsv(s.between(30, 58), .25, 1), .85)
		for _, ring := range []float64{2.6, 1.9, 1.4} {
			s.fill(flat(disc), .13, oval(x, y, ring*radius, ring*radius)...)
		}
		s.fill(flat(disc), 1, oval(x, y, radius, radius)...)
	}
	white := s.haze.mix(tone{1, 1, 1}, .65)
	gray := white.mix(top, .35)
	for range s.r.IntN(5) { // clouds, each of some puffs
		x, y, size := s.between(0, 1)*s.width(), s.between(.05, .8)*s.horizon, s.between(.05, .15)
		puffs := fade(white, gray, y-size*.5, y+size*.5).grain(s.seed(), size, size*.6, .1)
		for range 4 + s.r.IntN(5) {
			s.fill(puffs, .75, oval(x+s.between(-2, 2)*size, y+s.between(-.3, .3)*size, size*s.between(.5, 1.1), size*s.between(.25, .55))...)
		}
	}
}

// distance paints what stands at the horizon: mountains, hills, woods or a town.
func (s *scene) distance() {
	hues := []float64{95, 130, 30, 220, 265}
	for layer, layers := 0, s.r.IntN(4); layer < layers; layer++ {
		near := float64(layer+1) / float64(layers+1)
		t := s.lit(hues[s.r.IntN(len(hues))], 15, .38, .5).mix(s.haze, .7-.55*near)
		if s.chance(.25) {
			s.town(t, .08+.2*s.r.Float64())
			continue
		}
		seed, height, breadth := s.seed(), s.between(.07, .34)*(1.2-.6*near), s.between(.12, .5)
		jagged := s.between(0, .35)
		ridge := []point{{s.width(), 1}, {0, 1}}
		for i := range 65 {
			x := s.width() * float64(i) / 64
			rise := noise(seed, x/breadth, 0) + jagged*(noise(seed+2, 6*x/breadth, 0)-.5)
			ridge = append(ridge, point{x, s.horizon + .02 - height*rise})
		}
		s.fill(flat(t).grain(s.seed(), s.between(.02, .1), s.between(.02, .06), s.between(.05, .3)), 1, ridge...)
	}
}

// town paints a skyline.
func (s *scene) town(t tone, height float64) {
	for x := -.05; x < s.width(); {
		width, top := s.between(.04, .13), s.horizon-height*s.between(.25, 1)
		s.fill(flat(t.scaled(s.between(.8, 1.15))), 1, box(x, top, width, 1-top)...)
		window := t.mix(hsv(48, .5, 1), s.between(.2, .8))
		for y := top + .02; y < s.horizon-.03; y += .035 {
			for wx := x + .012; wx < x+width-.018; wx += .026 {
				if s.chance(.5) {
					s.fill(flat(window), .9, box(wx, y, .012, .016)...)
				}
			}
		}
		x += width + s.between(0, .05)
	}
}

// meadow paints grass, sand, snow or soil.
func (s *scene) meadow() {
	kinds := []struct{ hue, spread, saturation, value float64 }{
		{100, 22, .55, .5}, {85, 18, .5, .62}, {120, 20, .5, .38}, {42, 9, .4, .82}, {210, 25, .07, .93}, {26, 9, .45, .45}, {52, 10, .6, .7},
	}
	k := kinds[s.r.IntN(len(kinds))]
	near := s.lit(k.hue, k.spread, k.saturation, k.value)
	far := near.mix(s.haze, s.between(.1, .5))
	ground := fade(far, near, s.horizon, 1).grain(s.seed(), s.between(.02, .2), s.between(.01, .05), s.between(.08, .4))
	s.fill(ground, 1, box(0, s.horizon, s.width(), 1-s.horizon)...)
	if s.chance(.35) { // a path from the front to the horizon
		x, width := s.between(.1, .9)*s.width(), s.between(.08, .25)
		bend := x + s.between(-.5, .5)
		path := flat(s.lit(36, 10, .3, .7)).grain(s.seed(), .03, .01, .15)
		s.fill(path, 1, point{x - width, 1}, point{x + width, 1}, point{bend + .02, s.horizon}, point{bend - .02, s.horizon})
	}
	if s.chance(.3) { // furrows
		dark, gap := near.scaled(.72), s.between(.05, .11)
		for y := s.horizon + .03; y < 1; y += gap * (.3 + y - s.horizon) * 2 {
			s.fill(flat(dark), .6, box(0, y, s.width(), gap*.25)...)
		}
	}
}

// water paints a lake or the sea with waves that mirror the sky.
func (s *scene) water() {
	deep := s.lit(200, 50, .55, .5)
	far := deep.mix(s.haze, s.between(.3, .75))
	surface := fade(far, deep, s.horizon, 1).grain(s.seed(), s.between(.06, .3), s.between(.008, .03), s.between(.08, .35))
	s.fill(surface, 1, box(0, s.horizon, s.width(), 1-s.horizon)...)
	crest := s.haze.mix(tone{1, 1, 1}, .3)
	for range s.r.IntN(40) {
		y := s.between(s.horizon, 1)
		near := (y - s.horizon) / (1 - s.horizon)
		s.fill(flat(crest), .45, oval(s.between(0, 1)*s.width(), y, lerp(.01, .07, near), lerp(.002, .008, near))...)
	}
	if s.chance(.3) { // a beach in front
		sand := flat(s.lit(42, 8, .38, .85)).grain(s.seed(), .02, .02, .12)
		a, b := s.between(.82, 1), s.between(.82, 1)
		s.fill(sand, 1, point{0, a}, point{s.width(), b}, point{s.width(), 1}, point{0, 1})
	}
}

// road paints a street along a meadow.
func (s *scene) road() {
	s.meadow()
	top := s.horizon + s.between(.04, .12)
	bottom := s.between(.86, 1.02)
	asphalt := flat(s.lit(s.between(0, 360), 0, .12, s.between(.22, .65))).grain(s.seed(), .02, .01, s.between(.05, .2))
	s.fill(asphalt, 1, box(0, top, s.width(), bottom-top)...)
	mark := s.lit(50, 10, s.between(0, .7), .95)
	dash, gap := s.between(.06, .2), s.between(.03, .14)
	middle := lerp(top, bottom, .55)
	for x := -s.between(0, dash); x < s.width(); x += dash + gap {
		s.fill(flat(mark), .9, box(x, middle, dash, .015)...)
	}
	if s.chance(.5) { // a curb
		s.fill(flat(s.lit(40, 20, .06, .8)), 1, box(0, top-.018, s.width(), .02)...)
	}
}

func (s *scene) boat(x, y, size float64) {
	hull, length, depth := s.varnish(), size*s.between(.8, 1.25), size*s.between(.16, .28)
	way := 1.0
	if s.chance(.5) {
		way = -1
	}
	at := func(dx, dy float64) point { return point{x + way*dx*length, y + dy*size} }
	s.fill(flat(hull.scaled(.35)), .35, oval(x, y+depth, length*.55, depth*.35)...) // its shadow
	s.fill(fade(hull, hull.scaled(.6), y, y+depth), 1,
		at(-.5, 0), at(.58, -.04), at(.4, depth/size), at(-.42, depth/size))
	if s.chance(.6) {
		s.fill(flat(s.varnish()), 1, at(-.49, .02), at(.56, -.02), at(.53, .02), at(-.48, .06))
	}
	if s.chance(.6) { // under sail
		mast, main, jib := s.between(.8, 1.3), s.varnish().mix(tone{1, 1, 1}.times(s.light), .5), s.varnish()
		s.fill(flat(s.lit(28, 8, .5, .35)), 1, line(at(.05, .02), at(.05, -mast), .02*size+.006)...)
		s.fill(fade(main, main.scaled(.8), y-mast*size, y), 1, at(.03, -mast), at(.03, -.1), at(-s.between(.3, .5), -.1))
		if s.chance(.7) {
			s.fill(flat(jib), 1, at(.08, -mast*.9), at(.08, -.1), at(.5, -.08))
		}
		return
	}
	cabin, left, right, top := s.varnish(), -s.between(.1, .4), s.between(.05, .3), -s.between(.16, .38)
	s.fill(flat(cabin), 1, at(left, 0), at(right, 0), at(right-.06, top), at(left, top))
	for dx := left + .05; dx < right-.13; dx += .13 {
		s.fill(flat(s.haze.scaled(.75)), 1, at(dx, top+.05), at(dx+.08, top+.05), at(dx+.08, top*.45), at(dx, top*.45))
	}
	if s.chance(.6) { // a funnel
		s.fill(flat(s.varnish()), 1, at(left+.05, top), at(left+.17, top), at(left+.17, top-.25), at(left+.05, top-.25))
	}
}

func (s *scene) house(x, y, size float64) {
	width, height := size*s.between(.7, 1.25), size*s.between(.5, .95)
	left, top := x-width/2, y-height
	wall := s.varnish().mix(s.lit(35, 12, .3, .9), s.between(.2, .8))
	s.fill(flat(wall.scaled(.3)), .3, oval(x, y, width*.62, .03)...)
	s.fill(fade(wall, wall.scaled(.85), top, y).grain(s.seed(), .03, .03, .08), 1, box(left, top, width, height)...)
	switch s.r.IntN(3) {
	case 0: // bricks
		for row := top; row < y; row += .035 {
			s.fill(flat(wall.scaled(.75)), .8, box(left, row, width, .006)...)
		}
	case 1: // planks
		for plank := left + .03; plank < left+width; plank += .045 {
			s.fill(flat(wall.scaled(.7)), .8, box(plank, top, .007, height)...)
		}
	}
	roof, eave, ridge := s.lit([]float64{8, 20, 215, 350, 140}[s.r.IntN(5)], 12, .5, .5), size*s.between(.04, .12), top-size*s.between(.2, .55)
	if s.chance(.5) { // a chimney, behind the roof
		s.fill(flat(s.lit(12, 8, .5, .5)), 1, box(left+width*s.between(.15, .75), ridge-.02, size*.12, top-ridge)...)
	}
	inset := s.between(0, .35) * width
	s.fill(flat(roof).grain(s.seed(), .05, .012, .25), 1,
		point{left - eave, top}, point{left + width/2 - inset, ridge}, point{left + width/2 + inset, ridge}, point{left + width + eave, top})

	columns, rows := 2+s.r.IntN(3), 1+s.r.IntN(2)
	door := s.r.IntN(columns)
	pane := s.haze.scaled(.6)
	if s.chance(.4) {
		pane = hsv(s.between(38, 54), .55, .98) // someone is at home
	}
	frame := s.lit(40, 20, .08, .95)
	cell, story := width/float64(columns), height/float64(rows)
	wide, high := cell*s.between(.4, .6), story*s.between(.35, .5)
	for row := range rows {
		for column := range columns {
			cx, cy := left+cell*(float64(column)+.5), top+story*(float64(row)+.48)
			if row == rows-1 && column == door {
				s.fill(flat(s.varnish()), 1, box(cx-wide*.45, y-story*.72, wide*.9, story*.72)...)
				continue
			}
			s.fill(flat(frame), 1, box(cx-wide/2-.01, cy-high/2-.01, wide+.02, high+.02)...)
			s.fill(flat(pane), 1, box(cx-wide/2, cy-high/2, wide, high)...)
			s.fill(flat(frame), 1, box(cx-.004, cy-high/2, .008, high)...)
		}
	}
}

func (s *scene) tree(x, y, size float64) {
	height := size * s.between(1, 1.5)
	bark := s.lit(26, 10, .45, .35)
	thick := size * s.between(.05, .1)
	s.fill(flat(bark.scaled(.4)), .35, oval(x, y, size*.4, .03)...)
	lean := s.between(-.08, .08)
	s.fill(flat(bark).grain(s.seed(), .012, .06, .35), 1,
		point{x - thick, y}, point{x + thick, y}, point{x + lean*size + thick*.5, y - height*.7}, point{x + lean*size - thick*.5, y - height*.7})
	hue := []float64{110, 90, 135, 60, 30, 5, 330}[s.r.IntN(7)]
	leaf := s.lit(hue, 14, .6, .5)
	crown := fade(leaf.scaled(1.25), leaf.scaled(.65), y-height, y-height*.25).grain(s.seed(), s.between(.015, .06), s.between(.015, .06), s.between(.2, .5))
	top := x + lean*size
	switch s.r.IntN(3) {
	case 0: // a fir
		tiers, spread := 3+s.r.IntN(4), size*s.between(.26, .45)
		for i := range tiers {
			low, f := lerp(y-height*.2, y-height*.75, float64(i)/float64(tiers)), 1-.7*float64(i)/float64(tiers)
			s.fill(crown, 1, point{top - spread*f, low}, point{top + spread*f, low}, point{top, low - height*.36})
		}
	case 1: // a broad crown of many boughs
		radius := size * s.between(.16, .26)
		for range 9 + s.r.IntN(8) {
			sin, cos := math.Sincos(s.between(0, 2*math.Pi))
			reach := s.between(.2, 1.4) * radius
			s.fill(crown, .95, oval(top+cos*reach*1.2, y-height*.72+sin*reach, radius*s.between(.5, 1), radius*s.between(.45, .85))...)
		}
	default: // a slender one: poplar or cypress
		s.fill(crown, 1, oval(top, y-height*.6, size*s.between(.12, .3), height*.42)...)
	}
	if s.chance(.3) { // fruit or blossom
		fruit := s.varnish()
		for range 6 + s.r.IntN(10) {
			s.fill(flat(fruit), 1, oval(top+s.between(-.24, .24)*size, y-height*s.between(.5, .95), .014, .014)...)
		}
	}
}

func (s *scene) car(x, y, size float64) {
	paintwork, length, height := s.varnish(), size*s.between(.9, 1.35), size*s.between(.2, .3)
	way := 1.0
	if s.chance(.5) {
		way = -1
	}
	at := func(dx, dy float64) point { return point{x + way*dx*length, y - dy*height} }
	s.fill(flat(tone{}), .4, oval(x, y+height*.32, length*.54, height*.16)...)
	front, rear, roof := s.between(.12, .3), -s.between(.18, .45), s.between(1.6, 2.3)
	s.fill(fade(paintwork.scaled(1.1), paintwork.scaled(.75), y-roof*height, y), 1,
		at(rear-.1, .9), at(rear+.03, roof), at(front-.1, roof), at(front+.08, .9))
	glass := s.haze.scaled(s.between(.35, .8))
	middle := (rear + front) / 2
	s.fill(flat(glass), 1, at(rear-.03, 1), at(rear+.06, roof-.18), at(middle-.04, roof-.18), at(middle-.02, 1))
	s.fill(flat(glass), 1, at(middle+.01, 1), at(middle, roof-.18), at(front-.12, roof-.18), at(front+.03, 1))
	s.fill(fade(paintwork, paintwork.scaled(.65), y-height, y+.2*height), 1,
		at(-.5, .15), at(-.48, .85), at(-.3, 1), at(.34, 1), at(.5, .75), at(.52, 0), at(-.5, 0))
	if s.chance(.5) {
		s.fill(flat(s.varnish()), 1, at(-.48, .42), at(.51, .42), at(.51, .56), at(-.48, .56))
	}
	s.fill(flat(hsv(50, .35, 1)), 1, oval(at(.47, .6).x, at(.47, .6).y, size*.03, size*.03)...)
	s.fill(flat(hsv(2, .85, .85)), 1, oval(at(-.47, .6).x, at(-.47, .6).y, size*.025, size*.03)...)
	rim := s.lit(220, 20, .05, s.between(.5, .95))
	for _, dx := range []float64{-.3, .3} {
		wheel := at(dx, -.02)
		radius := height * s.between(.38, .46)
		s.fill(flat(tone{.07, .07, .08}), 1, oval(wheel.x, wheel.y, radius, radius)...)
		s.fill(flat(rim), 1, oval(wheel.x, wheel.y, radius*.5, radius*.5)...)
	}
}

// foreground paints what stands nearest: nothing, a fence, tufts and flowers, or rocks.
func (s *scene) foreground() {
	switch s.r.IntN(5) {
	case 0:
		post, top, gap := s.lit(32, 12, s.between(.05, .5), .7), s.between(.8, .9), s.between(.07, .16)
		for x := s.between(0, gap); x < s.width(); x += gap {
			s.fill(flat(post), 1, box(x, top, .022, 1-top)...)
		}
		for _, y := range []float64{top + .03, top + .09} {
			s.fill(flat(post.scaled(.85)), 1, box(0, y, s.width(), .016)...)
		}
	case 1, 2:
		leaf, petal := s.lit(105, 20, .6, .4), s.varnish()
		blooming := s.chance(.5)
		for range 15 + s.r.IntN(35) {
			x, y, height := s.between(0, 1)*s.width(), s.between(.93, 1.04), s.between(.05, .14)
			tip := point{x + s.between(-.04, .04), y - height}
			s.fill(flat(leaf.scaled(s.between(.7, 1.3))), 1, point{x - .009, y}, point{x + .009, y}, tip)
			if blooming && s.chance(.5) {
				s.fill(flat(petal), 1, oval(tip.x, tip.y, .016, .016)...)
			}
		}
	case 3:
		for range 1 + s.r.IntN(4) {
			rock, x, y, size := s.lit(35, 30, .1, .5), s.between(0, 1)*s.width(), s.between(.9, 1.02), s.between(.04, .14)
			s.fill(fade(rock.scaled(1.25), rock.scaled(.55), y-size, y+size).grain(s.seed(), .025, .025, .25), 1, oval(x, y, size*s.between(1, 1.7), size*.7)...)
		}
	}
}

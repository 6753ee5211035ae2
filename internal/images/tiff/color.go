package tiff

import "image/color"

// A painter makes pixels of samples in memory, as many as there is place for.
type painter func(pix []uint8, samples []uint16)

// painter returns that of the image's kind: see colorModel.
func (p *page) painter() painter {
	step := p.step()
	level := p.levels()
	switch p.colorModel() {
	case color.GrayModel:
		return func(pix []uint8, s []uint16) {
			for i := range pix {
				pix[i] = level[s[i*step]]
			}
		}
	case color.CMYKModel:
		return func(pix []uint8, s []uint16) {
			for i := range pix {
				pix[i] = level[s[i/4*step+i%4]]
			}
		}
	}
	rgb := p.rgb(level)
	alpha := p.alphaPainter()
	return func(pix []uint8, s []uint16) {
		for i, j := 0, 0; i < len(pix); i, j = i+4, j+step {
			pix[i], pix[i+1], pix[i+2] = rgb(s[j : j+step])
			pix[i+3] = 255
		}
		alpha(pix, s)
	}
}

// levels returns the 8-bit value of every color sample there can be.
func (p *page) levels() []uint8 {
	levels := scaleTable(p.depth())
	if p.photometric == photometricMinIsWhite {
		invert(levels)
	}
	return levels
}

// scaleTable returns the 8-bit value of every sample of some bits.
func scaleTable(bits int) []uint8 {
	table := make([]uint8, 1<<bits)
	largest := len(table) - 1
	for v := range table {
		if bits == 16 {
			table[v] = uint8(v >> 8)
			continue
		}
		table[v] = uint8((v*255 + largest/2) / largest)
	}
	return table
}

// rgb returns what makes red, green and blue of a pixel's samples.
func (p *page) rgb(level []uint8) func(s []uint16) (r, g, b uint8) {
	switch p.photometric {
	case photometricRGB:
		return func(s []uint16) (r, g, b uint8) { return level[s[0]], level[s[1]], level[s[2]] }
	case photometricPalette:
		return p.palette()
	case photometricCMYK:
		return func(s []uint16) (r, g, b uint8) {
			return color.CMYKToRGB(level[s[0]], level[s[1]], level[s[2]], level[s[3]])
		}
	case photometricYCbCr:
		convert := p.ycbcr.rgb()
		return func(s []uint16) (r, g, b uint8) { return convert(level[s[0]], level[s[1]], level[s[2]]) }
	case photometricCIELab, photometricICCLab:
		return p.lab()
	}
	return func(s []uint16) (r, g, b uint8) {
		v := level[s[0]]
		return v, v, v
	}
}

// palette returns what looks a sample up in the color map, which has as many as there are.
func (p *page) palette() func(s []uint16) (r, g, b uint8) {
	shift := 0 // of files whose writers took the values for 8-bit ones
	for i := range p.colorMap.len() {
		if p.colorMap.at(i) > 255 {
			shift = 8
		}
	}
	n := p.colorMap.len() / 3
	colors := make([][3]uint8, 1<<p.bits)
	for i := range colors {
		for c := range colors[i] {
			colors[i][c] = uint8(p.colorMap.at(c*n+i) >> shift)
		}
	}
	return func(s []uint16) (r, g, b uint8) {
		c := colors[s[0]]
		return c[0], c[1], c[2]
	}
}

// alphaPainter returns what sets the alpha of pixels that are opaque. Colors that alpha has been multiplied into can't
// be larger than it.
func (p *page) alphaPainter() painter {
	if p.alpha < 0 {
		return func([]uint8, []uint16) {}
	}
	step, at := p.step(), p.alphaAt()
	level := scaleTable(p.depth())
	return func(pix []uint8, s []uint16) {
		for i, j := 0, at; i < len(pix); i, j = i+4, j+step {
			a := level[s[j]]
			pix[i+3] = a
			if p.associated {
				pix[i], pix[i+1], pix[i+2] = min(pix[i], a), min(pix[i+1], a), min(pix[i+2], a)
			}
		}
	}
}

package tiff

import "math"

// A span holds the smallest and the largest finite value of some samples, and what their mean is made of.
type span struct {
	low, high float64
	sum, n    float64
}

var noSpan = span{low: math.Inf(1), high: math.Inf(-1)}

func (s *span) add(v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		s.low, s.high = min(s.low, v), max(s.high, v)
		s.sum, s.n = s.sum+v, s.n+1
	}
}

// spans returns the spans of the color samples and of alpha, which is always from 0 on.
func (p *page) spans() (colors, alphas span, err error) {
	colors, alphas = noSpan, span{}
	number := p.number()
	step, alphaAt := p.step(), p.alphaAt()
	err = p.eachRow(func(r row) {
		p.eachSample(r, func(i int, word uint64) {
			switch at := i % step; {
			case at < p.colors:
				colors.add(number(word))
			case at == alphaAt:
				alphas.add(number(word))
			}
		})
	})
	return colors, alphas, err
}

// scale returns what makes 8 bits of samples without an agreed white; see the package's comment.
func (p *page) scale(s span) func(v float64) uint8 {
	float := p.format == formatFloat
	within := func(high float64) bool { return s.low >= 0 && s.high <= high }
	switch {
	case s.low > s.high: // no finite value
		return func(float64) uint8 { return 0 }
	case float && p.photometric == photometricRGB && s.sum <= s.n && s.sum >= 0:
		return func(v float64) uint8 { return toByte(255 * v) }
	case float && within(1):
		return func(v float64) uint8 { return toByte(255 * s.clamp(v)) }
	case within(255):
		return func(v float64) uint8 { return toByte(s.clamp(v)) }
	case float && within(65535):
		return func(v float64) uint8 { return toByte(s.clamp(v) / 257) }
	case within(65535):
		return func(v float64) uint8 { return uint8(uint16(v) >> 8) }
	case s.low == s.high:
		return func(float64) uint8 { return 0 }
	}
	// Halved, since the difference of two finite numbers may not be finite.
	size := s.high/2 - s.low/2
	return func(v float64) uint8 { return toByte(255 * ((s.clamp(v)/2 - s.low/2) / size)) }
}

// clamp returns the value in the span that is nearest to v, the smallest for NaN.
func (s span) clamp(v float64) float64 {
	if math.IsNaN(v) {
		return s.low
	}
	return max(s.low, min(v, s.high))
}

// toByte rounds a value, and limits it to what a byte holds.
func toByte(v float64) uint8 {
	switch {
	case v >= 255:
		return 255
	case v > 0:
		return uint8(float64(v) + 0.5) // rounded before, on every machine; see ycbcrSpace.rgb
	}
	return 0 // NaN too
}

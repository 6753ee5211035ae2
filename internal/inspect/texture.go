package inspect

const (
	// shading is the share of the local mean that is taken off an image before it is compared, and around how far the
	// pixels reach of which it is. Photos resemble each other by their shading, such as a bright sky over a dark ground,
	// and copies in their texture, too.
	shading = 0.75
	around  = 5
)

// flatten takes most of the shading off a view.
func (m *matcher) flatten(v view) {
	n := v.n
	for c := range channels {
		plane := v.plane(c)
		for y := range n {
			means(m.across[y*n:(y+1)*n], plane[y*n:(y+1)*n], 1, n)
		}
		for x := range n {
			means(m.down[x:], m.across[x:], n, n)
		}
		for i := range plane {
			plane[i] -= shading * m.down[i]
		}
	}
}

// means writes the mean of the values around each of n values, which are so far apart.
func means(dst, src []float32, apart, n int) {
	var sum float32
	for i := range min(around, n) {
		sum += src[i*apart]
	}
	for i := range n {
		if enter := i + around; enter < n {
			sum += src[enter*apart]
		}
		if leave := i - around - 1; leave >= 0 {
			sum -= src[leave*apart]
		}
		dst[i*apart] = sum / float32(min(i+around, n-1)-max(i-around, 0)+1)
	}
}

package atlas

import (
	"context"
	"math"
	"math/bits"
	"slices"
)

// field is the repulsion between all rows, by interpolation on a grid as in FIt-SNE (Linderman, Rachh, Hoskins,
// Steinerberger, Kluger, Fast interpolation-based t-SNE, 2019): the rows' masses are spread over the nodes around them,
// convolved with the kernels of the forces by Fourier transforms, and the forces read off the same nodes. A row takes
// part through the 4×4 nodes around it, with the weights of cubic Lagrange interpolation.
type field struct {
	threads int
	largest int // the side may become

	side    int        // of the grid, a power of two, half of it padding
	spacing float32    // of the nodes, in units of the map
	origin  [2]float32 // the least x and y
	extent  float32    // the larger of width and height

	roots   []complex64
	folded  []frequency   // side: at each place of a transform
	kernel  []spectrum    // (side/2+1)×(side/2+1): at the frequencies of x and y
	nodes   []complex64   // side/2×side, y by x: masses, their transform, forces
	sums    []float64     // side: what the columns add to Σq
	scratch [][]complex64 // for each thread columnsAtOnce×side

	order  []int32 // the rows by the y of their cell
	starts []int32 // side/2+1, in order
}

// frequency is where a transform has its frequency ±k: the kernels hold k, and are odd or even.
type frequency struct {
	k    int32
	sign float32
}

// spectrum is the transform of the kernels at one frequency: of q = 1/(1+r²), which is real, and of the forces x·q² and
// y·q², which are imaginary.
type spectrum struct{ q, x, y float32 }

const (
	columnsAtOnce = 8 // one cache line of complex64

	// A grid has at least smallest² nodes, its padding included, at spacings of at least finest. It grows when they
	// would be further apart than fine: the kernels are about 2 wide.
	smallest     = 64
	finest, fine = 0.05, 0.5
)

func newField(n, threads int) *field {
	return &field{
		threads: threads,
		largest: min(max(1<<bits.Len(uint(math.Sqrt(float64(n)))), 256), 2048),
		scratch: make([][]complex64, threads),
		order:   make([]int32, n),
	}
}

// compute fills the field for the positions y (N×2) and returns Σq over all ordered pairs of rows, by Parseval's
// theorem.
func (f *field) compute(ctx context.Context, y []float32) float64 {
	f.cover(y)
	f.sort(y)
	half := f.side / 2
	parallel(ctx, f.threads, half, 4, func(_, low, high int) {
		for r := low; r < high; r++ {
			f.spread(y, r)
			transform(f.row(r), f.roots)
		}
	})
	parallel(ctx, f.threads, f.side, columnsAtOnce, func(thread, low, _ int) { f.convolve(f.scratch[thread], low) })
	parallel(ctx, f.threads, half, 4, func(_, low, high int) {
		for r := low; r < high; r++ {
			restore(f.row(r), f.roots)
		}
	})
	var sum float64
	for _, s := range f.sums {
		sum += s
	}
	n := float64(len(y) / 2)
	return max(sum-n, n/10) // without the rows themselves; where all are far apart, errors are left
}

func (f *field) row(r int) []complex64 { return f.nodes[r*f.side:][:f.side] }

// cover chooses a grid that holds the positions. The kernels are computed only for another spacing or size.
func (f *field) cover(y []float32) {
	low, high := [2]float32{y[0], y[1]}, [2]float32{y[0], y[1]}
	for i, v := range y {
		low[i%2], high[i%2] = min(low[i%2], v), max(high[i%2], v)
	}
	f.origin = low
	f.extent = max(high[0]-low[0], high[1]-low[1])
	side, spacing := smallest, float32(finest)
	for f.extent > spacing*float32(side/2-5) {
		if spacing > fine && side < f.largest {
			side *= 2
		} else {
			spacing *= 1.1
		}
	}
	if side != f.side {
		f.resize(side)
		f.spacing = 0
	}
	if spacing != f.spacing {
		f.spacing = spacing
		f.transformKernels()
	}
}

func (f *field) resize(side int) {
	half := side / 2
	f.side = side
	f.roots = roots(side)
	f.folded = make([]frequency, side)
	for place := range f.folded {
		k := int32(bits.Reverse32(uint32(place)) >> (32 - bits.TrailingZeros(uint(side))))
		f.folded[place] = frequency{k, 1}
		if k > int32(half) {
			f.folded[place] = frequency{int32(side) - k, -1}
		}
	}
	f.kernel = make([]spectrum, (half+1)*(half+1))
	f.nodes = make([]complex64, half*side)
	f.sums = make([]float64, side)
	for thread := range f.scratch {
		f.scratch[thread] = make([]complex64, columnsAtOnce*side)
	}
	f.starts = make([]int32, half+1)
}

// transformKernels fills kernel. One transform does for q, which is even, and x·q², which is odd; y·q² is x·q² with
// the axes exchanged.
func (f *field) transformKernels() {
	side, half := f.side, f.side/2
	values := make([]complex64, side*side)
	for r := range side {
		row := values[r*side:][:side]
		y := float64(min(r, side-r)) * float64(f.spacing)
		for c := range half {
			x := float64(c) * float64(f.spacing)
			q := 1 / (1 + x*x + y*y)
			row[c] = complex(float32(q+x*q*q), 0)
			row[(side-c)%side] = complex(float32(q-x*q*q), 0)
		}
		transform(row, f.roots)
	}
	column := make([]complex64, side)
	for c, x := range f.folded {
		for r := range side {
			column[r] = values[r*side+c]
		}
		transform(column, f.roots)
		for r, y := range f.folded {
			if x.sign > 0 && y.sign > 0 {
				here, exchanged := &f.kernel[int(x.k)*(half+1)+int(y.k)], &f.kernel[int(y.k)*(half+1)+int(x.k)]
				here.q, here.x, exchanged.y = real(column[r]), imag(column[r]), imag(column[r])
			}
		}
	}
}

// sort orders the rows by the y of their cell, those of one cell by number: so sums have a fixed order.
func (f *field) sort(y []float32) {
	clear(f.starts)
	for i := range f.order {
		cell, _ := f.locate(y[2*i+1], 1)
		f.starts[cell+1]++
	}
	for cell := range f.side / 2 {
		f.starts[cell+1] += f.starts[cell]
	}
	for i := range slices.Backward(f.order) {
		cell, _ := f.locate(y[2*i+1], 1)
		f.starts[cell+1]--
		f.order[f.starts[cell+1]] = int32(i)
	}
	copy(f.starts, f.starts[1:])
	f.starts[f.side/2] = int32(len(f.order))
}

// locate returns the node at or before a coordinate on an axis, and how far after it the coordinate is, in spacings.
func (f *field) locate(v float32, axis int) (int, float32) {
	at := (v-f.origin[axis])/f.spacing + 1
	cell := int(at)
	return cell, at - float32(cell)
}

// lagrange returns the weights of the nodes at −1, 0, 1 and 2 in the cubic interpolation at t, 0 ≤ t < 1.
func lagrange(t float32) [4]float32 {
	left, right := (t+1)*t, (t-1)*(t-2)
	return [4]float32{-t * right * (1. / 6), (t + 1) * right * .5, left * (2 - t) * .5, left * (t - 1) * (1. / 6)}
}

// spread fills the grid's row r with the masses of the rows of the data around it.
func (f *field) spread(y []float32, r int) {
	nodes := f.row(r)
	clear(nodes)
	for cell := max(r-2, 0); cell <= min(r+1, f.side/2-1); cell++ {
		for _, i := range f.order[f.starts[cell]:f.starts[cell+1]] {
			_, t := f.locate(y[2*i+1], 1)
			wy := lagrange(t)[r-cell+1]
			c, t := f.locate(y[2*i], 0)
			at := nodes[c-1:][:4]
			for k, wx := range lagrange(t) {
				at[k] += complex(wy*wx, 0)
			}
		}
	}
}

// convolve multiplies the transforms of columnsAtOnce columns, from c on, with the kernels. The forces along x become
// the real part of the nodes, those along y the imaginary part.
func (f *field) convolve(scratch []complex64, c int) {
	side, half := f.side, f.side/2
	for r := range half {
		for k, v := range f.nodes[r*side+c:][:columnsAtOnce] {
			scratch[k*side+r] = v
		}
	}
	scale := 1 / (float32(side) * float32(side))
	for k := range columnsAtOnce {
		column := scratch[k*side:][:side]
		clear(column[half:])
		transform(column, f.roots)
		x := f.folded[c+k]
		kernel := f.kernel[int(x.k)*(half+1):][:half+1]
		var sum float64
		for r, v := range column {
			y := f.folded[r]
			s := kernel[y.k]
			sum += float64((real(v)*real(v) + imag(v)*imag(v)) * s.q * scale)
			column[r] = times(v, complex(-y.sign*s.y*scale, x.sign*s.x*scale))
		}
		f.sums[c+k] = sum
		restore(column, f.roots)
	}
	for r := range half {
		for k := range columnsAtOnce {
			f.nodes[r*side+c+k] = scratch[k*side+r]
		}
	}
}

// at returns the force at a position, Σ q²·(position − y) over all rows.
func (f *field) at(x, y float32) (fx, fy float32) {
	c, t := f.locate(x, 0)
	r, u := f.locate(y, 1)
	wx, wy := lagrange(t), lagrange(u)
	for j, wy := range wy {
		nodes := f.nodes[(r+j-1)*f.side+c-1:][:4]
		for k, wx := range wx {
			fx += wx * wy * real(nodes[k])
			fy += wx * wy * imag(nodes[k])
		}
	}
	return fx, fy
}

package pca

import (
	"context"
	"fmt"
	"math"
)

// Rows is an N×D matrix that is read in pieces.
type Rows interface {
	Len() int
	Dimensions() int
	// Read copies the rows [from, from+len(dst)/D) into dst.
	Read(from int, dst []float32)
}

// A Model is a fitted reduction from D to K dimensions: y = Components · (x − Mean).
type Model struct {
	// Mean has D values.
	Mean []float64
	// Components is K×D, row by row, of unit length, by falling variance.
	Components []float64
	// Variances are those of the K components in the data of the fit (divisor N − 1).
	Variances []float64
	// TotalVariance is that of all D dimensions.
	TotalVariance float64
	// Dropped is how many of the components asked for were left out because their variance is rounding noise.
	Dropped int
}

// K returns the number of components.
func (m *Model) K() int { return len(m.Variances) }

// Holding returns the model of the first components that hold the share of the total variance, all if they hold less.
func (m *Model) Holding(share float64) *Model {
	held, k := 0.0, 0
	for k < m.K() && held < share*m.TotalVariance {
		held += m.Variances[k]
		k++
	}
	first := *m
	first.Components, first.Variances = m.Components[:k*len(m.Mean)], m.Variances[:k]
	return &first
}

// A SizeError says that there is too little data for the components asked for, or too much for the solver.
type SizeError struct{ message string }

func (e *SizeError) Error() string { return e.message }

// MaxDimensions is the widest matrix that the exact solver takes: its covariance has D² numbers.
const MaxDimensions = 8192

// maxIncremental is the widest matrix that the incremental solver takes: it decomposes batches of D columns.
const maxIncremental = 1 << 16

// Check says whether n rows of d dimensions can be reduced to the given number of components.
func Check(n, d, components int, exact bool) error {
	switch {
	case exact && d > MaxDimensions:
		return &SizeError{fmt.Sprintf("reduction.pca: the layer has %d dimensions and the Exact solver takes at most %d: "+
			"pool the layer (model.pooling), or choose solver Incremental", d, MaxDimensions)}
	case d > maxIncremental:
		return &SizeError{fmt.Sprintf("reduction.pca: the layer has %d dimensions and PCA takes at most %d: pool the layer (model.pooling)", d, maxIncremental)}
	case n < components:
		return &SizeError{fmt.Sprintf("reduction.pca.components: %d components need at least as many samples, and there are %d: set it to %d or less", components, n, max(n, 1))}
	case d < components:
		return &SizeError{fmt.Sprintf("reduction.pca.components: %d components need at least as many dimensions, and the layer has %d: set it to %d or less", components, d, d)}
	}
	return nil
}

// newModel orients the components and drops those that are rounding noise: a variance of at most max(N, D)·ε·λ₁ says
// nothing about the data, but a later scaling by column would give it full weight.
func newModel(n int, mean, components, variances []float64, total float64) *Model {
	d := len(mean)
	m := &Model{Mean: mean, TotalVariance: total}
	noise := math.Inf(1)
	if len(variances) > 0 && variances[0] > 0 {
		noise = float64(max(n, d)) * 0x1p-52 * variances[0]
	}
	for k, variance := range variances {
		if !(variance > noise) {
			m.Dropped = len(variances) - k
			break
		}
		component := components[k*d : (k+1)*d]
		orient(component)
		m.Components = append(m.Components, component...)
		m.Variances = append(m.Variances, variance)
	}
	return m
}

// orient turns a component so that its largest loading is positive.
func orient(component []float64) {
	largest := 0.0
	for _, x := range component {
		if math.Abs(x) > math.Abs(largest) {
			largest = x
		}
	}
	if largest < 0 {
		for i := range component {
			component[i] = -component[i]
		}
	}
}

// transformRows is how many rows are reduced at a time by one thread.
const transformRows = 256

// Transform reduces all rows: the result is N×K, row by row. A row's result depends on that row alone. Progress, if not
// nil, is called with the number of rows done since its last call, from several goroutines.
func (m *Model) Transform(ctx context.Context, rows Rows, threads int, progress func(rows int)) ([]float64, error) {
	out := make([]float64, rows.Len()*m.K())
	return out, m.TransformInto(ctx, out, rows, threads, progress)
}

// TransformInto is Transform with a slice of N×K for the result.
func (m *Model) TransformInto(ctx context.Context, out []float64, rows Rows, threads int, progress func(rows int)) error {
	n, d, k := rows.Len(), rows.Dimensions(), m.K()
	if d != len(m.Mean) {
		return fmt.Errorf("pca: rows of %d dimensions, fitted on %d", d, len(m.Mean))
	}
	if len(out) != n*k {
		return fmt.Errorf("pca: room for %d numbers, and %d rows of %d components", len(out), n, k)
	}
	if k == 0 {
		return nil
	}
	weights := makePanels(d, k)
	for c := range k {
		for i, x := range m.Components[c*d : (c+1)*d] {
			weights.set(i, c, x)
		}
	}
	parallel((n+transformRows-1)/transformRows, threads, func(block int) {
		if ctx.Err() != nil {
			return
		}
		from, to := block*transformRows, min((block+1)*transformRows, n)
		m.transform(rows, from, to, weights, out)
		if progress != nil {
			progress(to - from)
		}
	})
	return ctx.Err()
}

func (m *Model) transform(rows Rows, from, to int, weights panels, out []float64) {
	d, k := len(m.Mean), m.K()
	block := make([]float32, (to-from)*d)
	rows.Read(from, block)
	centered := make([]float64, panelWidth*d) // eight rows of the matrix as one panel
	tile := make([]float64, panelWidth*panelWidth)
	for first := from; first < to; first += panelWidth {
		height := min(panelWidth, to-first)
		for r := range panelWidth {
			for c := range d {
				x := 0.0
				if r < height {
					x = float64(block[(first-from+r)*d+c]) - m.Mean[c]
				}
				centered[c*panelWidth+r] = x
			}
		}
		for p := range weights.count() {
			product(centered, weights.panel(p), d, tile, panelWidth)
			for r := range height {
				at := p * panelWidth
				copy(out[(first+r)*k+at:(first+r)*k+min(at+panelWidth, k)], tile[r*panelWidth:])
			}
		}
	}
}

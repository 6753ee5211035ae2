package neighbors

import (
	"math"
	"math/bits"
)

const (
	panelRows    = 16  // rows of a panel
	tileRows     = 32  // rows of the widest kernel's tile: panels are padded to a multiple of it
	chunkColumns = 256 // columns that a kernel sums before it rounds them into the total

	maxColumns = 1 << 20 // keeps the rounding errors below a tenth and the scaled norms in range
	farNorm    = 0x1p60  // rows beyond it, scaled, are not packed
)

// A space is the float32 copy of the distinct rows in which shortlists are
// found: moved to a center and scaled by a power of two, z = (x − center)·scale,
// then rounded to z̃, in panels of 16 rows stored column by column.
//
// # The score
//
// For a query x and a row y the kernel computes
//
//	score(x, y) ≈ z̃x·z̃y + bias(y),  bias(y) = −½(1 − 2κ)‖z̃y‖²
//
// by at most n = min(D, chunk) + ⌈D/chunk⌉ + 2 roundings on the way of each term,
// fused or not. With u = 2⁻²⁴ and γ = n·u/(1 − n·u) its error is at most
//
//	γ(|bias| + Σ|z̃x·z̃y|) ≤ γ(½‖z̃y‖² + ‖z̃x‖‖z̃y‖) ≤ γ(‖z̃y‖² + ½‖z̃x‖²)
//
// [Higham, Accuracy and Stability of Numerical Algorithms, ch. 3]. Rounding z to
// z̃ moves a row by at most η = u‖z‖ (and a little, see below), so
//
//	‖zx − zy‖² ≥ δ² − 2δ(ηx + ηy) ≥ δ² − 4u(‖z̃x‖² + ‖z̃y‖²)(1 + 4u)
//
// for δ = ‖z̃x − z̃y‖ ≤ ‖z̃x‖ + ‖z̃y‖. What depends on y is added to the score by
// κ = γ + 3u (the third u rounds the bias itself), what depends on x in
// [space.squaredDistance] by λ = ½γ + 3u. So the score of a row is an upper bound:
//
//	‖zx − zy‖² ≥ ‖z̃x‖² − 2(score + λ‖z̃x‖² + floor)
//
// A far outlier inflates only its own bound, never that of others. The n above
// is taken two too large and λ a u, which covers the second-order terms and
// what is computed in float64 here. floor = D·2⁻⁸⁴ covers products and values
// below the range of float32, even where the processor flushes them to zero:
// at most 2⁻¹²⁶ for each operation, and 2δ·2√D·2⁻¹⁵⁰ for δ < 2⁶² from the values.
//
// Rows further than farNorm from the center have bias −∞, so that no kernel
// lists them. They are at least farNorm − ‖z̃x‖ away from the query, which the
// proof compares too.
type space struct {
	columns int
	scale   float64
	panels  []float32 // ⌈rows/tileRows⌉·tileRows/panelRows panels of columns×panelRows
	bias    []float32 // one per packed row, −Inf for far rows and padding
	kappa   float64
	lambda  float64
	floor   float64
}

func newSpace(rows, columns int) *space {
	const u = 0x1p-24
	chunks := (columns + chunkColumns - 1) / chunkColumns
	n := float64(min(columns, chunkColumns)+chunks+2) + 2
	gamma := n * u / (1 - n*u)
	padded := (rows + tileRows - 1) / tileRows * tileRows
	return &space{
		columns: columns,
		panels:  make([]float32, padded*columns),
		bias:    make([]float32, padded),
		kappa:   gamma + 3*u,
		lambda:  gamma/2 + 3*u,
		floor:   float64(columns) * 0x1p-84,
	}
}

// scaleFor returns the power of two that brings norms of rows with values up to
// largest, over the given number of columns, below bound.
func scaleFor(largest float64, columns int, bound float64) float64 {
	_, exponent := math.Frexp(largest)
	_, target := math.Frexp(bound)
	exponent += bits.Len(uint(columns))/2 + 1
	// The scale itself must be a normal number: only float64 matrices that are
	// tiny as a whole feel this limit, and get no shortlist that proves anything.
	return math.Ldexp(1, max(-1000, min(target-1-exponent, 1000)))
}

// pack fills the space with the groups' first rows around the center.
func pack[T Float](sp *space, x Matrix[T], g *groups, center []float64, scale float64, threads int) {
	sp.scale = scale
	d := sp.columns
	parallel(threads, len(sp.bias), tileRows, func(low, high int) {
		for i := low; i < high; i++ {
			panel := sp.panels[i/panelRows*panelRows*d:][:panelRows*d]
			lane := i % panelRows
			if i >= g.count() {
				sp.drop(panel, lane, i)
				continue
			}
			var norm float64
			for k, v := range x.row(g.first(i)) {
				z := float32((float64(v) - center[k]) * scale)
				panel[k*panelRows+lane] = z
				norm += float64(z) * float64(z)
			}
			if !(norm <= farNorm*farNorm) {
				sp.drop(panel, lane, i)
				continue
			}
			sp.bias[i] = float32(-(0.5 - sp.kappa) * norm)
		}
	})
}

func (sp *space) drop(panel []float32, lane, row int) {
	for k := range sp.columns {
		panel[k*panelRows+lane] = 0
	}
	sp.bias[row] = float32(math.Inf(-1))
}

// query writes the packed row to every stride-th place of out and returns ‖z̃‖²,
// NaN for a far row, which makes whatever is to be proven of it false.
func (sp *space) query(row int, out []float32, stride int) float64 {
	panel := sp.panels[row/panelRows*panelRows*sp.columns:]
	lane := row % panelRows
	var norm float64
	for k := range sp.columns {
		z := panel[k*panelRows+lane]
		out[k*stride] = z
		norm += float64(z) * float64(z)
	}
	if math.IsInf(float64(sp.bias[row]), -1) {
		return math.NaN()
	}
	return norm
}

// squaredDistance returns a lower bound on the scaled squared distance between
// a query with squared norm and any row of at most this score.
func (sp *space) squaredDistance(norm float64, score float32) float64 {
	return norm - 2*(float64(score)+sp.lambda*norm+sp.floor)
}

// slack is more than the relative errors of the float64 sums that proofs compare.
func (sp *space) slack() float64 { return float64(sp.columns+8) * 0x1p-50 }

// proves says that all rows of at most this score are further from the query
// than the distance, as [distance] computes it.
func (sp *space) proves(norm float64, score float32, distance float64) bool {
	if distance < math.Sqrt(smallestSum) {
		return false // too small for the relative errors assumed here
	}
	d := distance * sp.scale
	d *= d * (1 + sp.slack())
	return sp.squaredDistance(norm, score) > d
}

// provesFar says the same of the rows beyond farNorm.
func (sp *space) provesFar(norm, distance float64) bool {
	return (farNorm-math.Sqrt(norm))*(1-0x1p-20) > distance*sp.scale*(1+sp.slack())
}

// threshold returns a score that leaves out only rows further than distance.
func (sp *space) threshold(norm, distance float64) float32 {
	if distance < math.Sqrt(smallestSum) {
		return float32(math.Inf(-1))
	}
	d := distance * sp.scale
	d *= d * (1 + sp.slack())
	score := norm/2 - sp.lambda*norm - sp.floor - d/2
	score -= (math.Abs(score) + norm) * 0x1p-22
	if math.IsNaN(score) {
		return float32(math.Inf(-1))
	}
	return float32(score)
}

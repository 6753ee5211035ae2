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

// A space is the float32 copy of the distinct rows in which shortlists are found: moved to a center and scaled by a
// power of two, z = (x − center)·scale, then rounded to z̃, in panels of 16 rows stored column by column.
//
// # The score
//
// For two rows x and y the kernel computes
//
//	score(x, y) ≈ z̃x·z̃y + bias(x) + bias(y),  bias(x) = −(½ − κ)‖z̃x‖²
//
// by at most n = min(D, chunk) + ⌈D/chunk⌉ + 3 roundings on the way of each term, fused or not. With u = 2⁻²⁴ and γ =
// n·u/(1 − n·u) its error is at most
//
//	γ(|bias(x)| + |bias(y)| + Σ|z̃x·z̃y|) ≤ γ(½‖z̃x‖² + ½‖z̃y‖² + ‖z̃x‖‖z̃y‖) ≤ γ(‖z̃x‖² + ‖z̃y‖²)
//
// [Higham, Accuracy and Stability of Numerical Algorithms, ch. 3]. Rounding z to z̃ moves a row by at most η = u‖z‖
// (and a little, see below), so
//
//	‖zx − zy‖² ≥ δ² − 2δ(ηx + ηy) ≥ δ² − 4u(‖z̃x‖² + ‖z̃y‖²)(1 + 4u)
//
// for δ = ‖z̃x − z̃y‖ ≤ ‖z̃x‖ + ‖z̃y‖. A row's part in both, and the rounding of its bias, are added to its bias by κ =
// γ + 3u. So the score bounds the distance:
//
//	‖zx − zy‖² ≥ −2(score + floor)
//
// A far outlier inflates only its own bound, never that of others. The n above is taken two too large, which covers the
// second-order terms and what is computed in float64 here. floor = D·2⁻⁸⁴ covers products and values below the range of
// float32, even where the processor flushes them to zero: at most 2⁻¹²⁶ for each operation, and 2δ·2√D·2⁻¹⁵⁰ for δ <
// 2⁶² from the values.
//
// Rows further than farNorm from the center have bias −∞, so that no kernel lists them or anything for them. They are
// at least farNorm − ‖z̃x‖ away from the query, which the proof compares too.
type space struct {
	columns int
	scale   float64
	panels  []float32 // ⌈rows/tileRows⌉·tileRows/panelRows panels of columns×panelRows
	bias    []float32 // one per packed row, −Inf for far rows and padding
	kappa   float64
	floor   float64
}

func newSpace(rows, columns int) *space {
	const u = 0x1p-24
	chunks := (columns + chunkColumns - 1) / chunkColumns
	n := float64(min(columns, chunkColumns)+chunks+3) + 2
	gamma := n * u / (1 - n*u)
	padded := (rows + tileRows - 1) / tileRows * tileRows
	return &space{
		columns: columns,
		panels:  make([]float32, padded*columns),
		bias:    make([]float32, padded),
		kappa:   gamma + 3*u,
		floor:   float64(columns) * 0x1p-84,
	}
}

// scaleFor returns the power of two that brings norms of rows with values up to largest, over the given number of
// columns, below bound.
func scaleFor(largest float64, columns int, bound float64) float64 {
	_, exponent := math.Frexp(largest)
	_, target := math.Frexp(bound)
	exponent += bits.Len(uint(columns))/2 + 1
	// The scale itself must be a normal number: only float64 matrices that are tiny as a whole feel this limit, and get
	// no shortlist that proves anything.
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

// squaredDistance returns a lower bound on the scaled squared distance of rows with at most this score.
func (sp *space) squaredDistance(score float32) float64 {
	return -2 * (float64(score) + sp.floor)
}

// slack is more than the relative errors of the float64 sums that proofs compare.
func (sp *space) slack() float64 { return float64(sp.columns+8) * 0x1p-50 }

// proves says that all rows of at most this score are further away than the distance, as [distance] computes it.
func (sp *space) proves(score float32, distance float64) bool {
	if distance < math.Sqrt(smallestSum) {
		return false // too small for the relative errors assumed here
	}
	d := distance * sp.scale
	return sp.squaredDistance(score) > d*d*(1+sp.slack())
}

// provesFar says the same of the rows beyond farNorm, for a query with this bias.
func (sp *space) provesFar(bias float32, distance float64) bool {
	norm := math.Sqrt(float64(-bias) / (0.5 - sp.kappa))
	return farNorm-norm*(1+0x1p-20) > distance*sp.scale*(1+sp.slack())
}

// threshold returns a score that leaves out only rows further than distance.
func (sp *space) threshold(distance float64) float32 {
	if distance < math.Sqrt(smallestSum) {
		return float32(math.Inf(-1))
	}
	d := distance * sp.scale
	return float32(-(d*d*(1+sp.slack())/2 + sp.floor) * (1 + 0x1p-22))
}

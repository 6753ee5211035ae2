package embed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// Pixels is a descriptor of our own, for copies without a model: what an image shows where, at 32×32 pixels. It is the
// same for an image and its mirror image, and changes little with recompression, resizing, brightness, contrast and
// small crops. It knows nothing of what things are.
//
// It has three parts, each less its mean and of unit length times the part's weight. A part is of a grid of cells; of
// each two cells that mirroring swaps it has the mean, and the absolute value of half their difference:
//
//   - color: the mean red, green and blue of 8×8 cells;
//   - detail: the same of the luma of 16×16 cells;
//   - edges: in 4×4 cells, how strong the luma's gradients are in each of 8 directions (Dalal and Triggs 2005,
//     doi:10.1109/CVPR.2005.177), a direction and its opposite being one.
//
// `make bench-truth` measures it; sizes and weights were set before that, and not tuned.
const (
	pixelsLayer   = "pixels"
	pixelsVersion = "datasetaudit.io/builtin/Pixels/1"
	pixelsSide    = 32

	colorCells  = 8
	detailCells = 16
	edgeCells   = 4
	directions  = 8
)

var pixelsWeights = struct{ color, detail, edges float32 }{1, 0.5, 1}

// pixelsDimensions is the length of the descriptor.
const pixelsDimensions = 3*colorCells*colorCells + detailCells*detailCells + directions*edgeCells*edgeCells

// openBuiltin prepares a model that is part of this program.
func openBuiltin(name v1alpha1.BuiltinModel) (*Network, error) {
	if name != v1alpha1.BuiltinPixels {
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf("model.builtin: %q is not known", name))
	}
	prepare, err := newPreprocessor(v1alpha1.PreprocessingSpec{
		Preset: v1alpha1.PresetUnitRange, Interpolation: v1alpha1.InterpolationArea,
	}, 3, pixelsSide, pixelsSide, v1alpha1.LayoutNCHW)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(pixelsVersion))
	digest := hex.EncodeToString(sum[:])
	return &Network{
		SHA256: digest, Digest: digest, Builtin: true,
		Layers:   []vectors.Layer{{Name: pixelsLayer, Dimensions: pixelsDimensions}},
		Provider: v1alpha1.ProviderCPU, Device: device(v1alpha1.ProviderCPU),
		batch: cpuBatch, input: onnx.Input{Type: onnx.Float32}, prepare: prepare,
	}, nil
}

// describePixels writes the descriptor of an image of 3×32×32 values from 0 to 1.
func describePixels(image, out []float32) {
	const plane = pixelsSide * pixelsSide
	var luma [plane]float32
	for i := range luma {
		luma[i] = .299*image[i] + .587*image[plane+i] + .114*image[2*plane+i]
	}
	color, rest := out[:3*colorCells*colorCells], out[3*colorCells*colorCells:]
	detail, edges := rest[:detailCells*detailCells], rest[detailCells*detailCells:]
	for c := range 3 {
		part := color[c*colorCells*colorCells : (c+1)*colorCells*colorCells]
		shrink(image[c*plane:(c+1)*plane], part, colorCells)
	}
	center(color)
	for c := range 3 {
		fold(color[c*colorCells*colorCells:(c+1)*colorCells*colorCells], colorCells)
	}
	scale(color, pixelsWeights.color)

	shrink(luma[:], detail, detailCells)
	center(detail)
	fold(detail, detailCells)
	scale(detail, pixelsWeights.detail)

	gradients(&luma, edges)
	scale(edges, pixelsWeights.edges)
}

// shrink writes the means of n×n cells of a plane.
func shrink(plane, cells []float32, n int) {
	side := pixelsSide / n
	clear(cells)
	for y := range pixelsSide {
		for x := range pixelsSide {
			cells[y/side*n+x/side] += plane[y*pixelsSide+x] / float32(side*side)
		}
	}
}

// center subtracts the mean.
func center(x []float32) {
	sum := float32(0)
	for _, v := range x {
		sum += v
	}
	for i := range x {
		x[i] -= sum / float32(len(x))
	}
}

// scale gives x the length; zeros, or what is next to nothing, stay next to nothing.
func scale(x []float32, length float32) {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	// An image of one color has no contrast to scale but noise.
	factor := float32(float64(length) / math.Max(math.Sqrt(sum), 0.02))
	for i := range x {
		x[i] *= factor
	}
}

// fold makes n×n cells the same for mirror images: of two cells that mirroring swaps, the left becomes their mean, and
// the right the absolute value of half their difference.
func fold(cells []float32, n int) {
	for y := range n {
		for x := range n / 2 {
			left, right := cells[y*n+x], cells[y*n+n-1-x]
			cells[y*n+x], cells[y*n+n-1-x] = (left+right)/2, float32(math.Abs(float64(left-right)))/2
		}
	}
}

// gradients writes for each direction the cells of how strong the luma's gradients in it are, the same for mirror
// images.
func gradients(luma *[pixelsSide * pixelsSide]float32, out []float32) {
	const cells, side = edgeCells * edgeCells, pixelsSide / edgeCells
	clear(out)
	at := func(x, y int) float32 {
		x, y = min(max(x, 0), pixelsSide-1), min(max(y, 0), pixelsSide-1)
		return luma[y*pixelsSide+x]
	}
	for y := range pixelsSide {
		for x := range pixelsSide {
			dx, dy := float64(at(x+1, y)-at(x-1, y)), float64(at(x, y+1)-at(x, y-1))
			strength := math.Sqrt(dx*dx + dy*dy)
			if strength == 0 {
				continue
			}
			// Half a turn is all directions; a gradient counts for the two nearest.
			angle := math.Atan2(dy, dx) / math.Pi
			if angle < 0 {
				angle++
			}
			place := angle * directions
			first := int(place)
			part := place - float64(first)
			cell := y/side*edgeCells + x/side
			out[first%directions*cells+cell] += float32(strength * (1 - part))
			out[(first+1)%directions*cells+cell] += float32(strength * part)
		}
	}
	// Mirroring swaps left and right, and a direction with that of minus its angle. As in fold, one of the two becomes
	// the mean, and the other the difference.
	for d := range directions {
		for y := range edgeCells {
			for x := range edgeCells {
				i, other := d*cells+y*edgeCells+x, (directions-d)%directions*cells+y*edgeCells+edgeCells-1-x
				if i < other {
					out[i], out[other] = (out[i]+out[other])/2, float32(math.Abs(float64(out[i]-out[other])))/2
				}
			}
		}
	}
}

package quality

import "iter"

// A Problem is a kind of what makes an image poor for training.
type Problem int

const (
	// Dark is that the brightest parts (99th percentile) are darker than 0.32 of white.
	Dark Problem = iota
	// Bright is that the darkest parts (5th percentile) are brighter than 0.85 of white, so that all is washed out. An
	// overexposed picture that kept some shadows isn't found.
	Bright
	// LowContrast is that the 5th and the 95th percentile of brightness are less than 0.1 of white apart.
	LowContrast
	// Blurred is that edges are softer than after a Gaussian blur of σ = 0.8 cells of the view, which are pixels of images up
	// to 256×256. The softest of 8,600 photos and drawings (1,000 of ImageNet, 7,200 of CIFAR-10) has a sharpness of 50.
	// Finer blur of a larger image isn't found, nor seen by most models, and none under noise, text or a frame that were
	// laid over it later.
	Blurred
	// OddAspect is that the shorter side is less than 0.35 of the longer.
	OddAspect
	// OddSize is that the area is more than 10 times beyond the quartiles of the dataset's, or further than 1.5 times their
	// distance on a logarithmic scale (Tukey's fence) if that is more.
	OddSize
	// NearEmpty is that the entropy of brightness is below 1.5 bits, as of two flat colors, or of one with a few dots.
	NearEmpty
	// Gray is that nearly all pixels are gray.
	Gray
	// Compressed is that the file is a JPEG of a quality below 15, or the pixels show steps at the borders of 8×8 blocks as
	// they do after one, whatever the file. At 32×32 pixels such steps are found in most images after quality 5, and in
	// a quarter after 15; they are not found once an image was cropped off the grid, or resized.
	Compressed
	// Bordered is that bars of one color at opposite ends, with straight edges, take at least a tenth of a side.
	Bordered
	// CorruptTail is that at least a twentieth of the height, at its lower end, is the flat mid-gray that decoders show for
	// what a truncated JPEG lacks.
	CorruptTail

	problems int = iota
)

var names = [problems]string{
	"Dark", "Bright", "LowContrast", "Blurred", "OddAspect", "OddSize", "NearEmpty", "Gray", "Compressed", "Bordered",
	"CorruptTail",
}

// String is the name of the constant.
func (p Problem) String() string { return names[p] }

// Problems returns all kinds, in order.
func Problems() []Problem {
	all := make([]Problem, problems)
	for i := range all {
		all[i] = Problem(i)
	}
	return all
}

// A Set is a set of problems: bit p is problem p.
type Set uint16

// setOf returns the set of some problems.
func setOf(these ...Problem) Set {
	s := Set(0)
	for _, p := range these {
		s |= 1 << p
	}
	return s
}

// Has says whether a problem is in the set.
func (s Set) Has(p Problem) bool { return s>>p&1 == 1 }

// All are the problems of the set, in order.
func (s Set) All() iter.Seq[Problem] {
	return func(yield func(Problem) bool) {
		for _, p := range Problems() {
			if s.Has(p) && !yield(p) {
				return
			}
		}
	}
}

// natures are the problems that a whole dataset may have by its nature: scans are gray, masks are nearly empty, lines
// of text are wide. The others are damage however many images have them.
var natures = setOf(Dark, Bright, LowContrast, Blurred, OddAspect, NearEmpty, Gray)

// fewestTypical is the number of images from which on most of them can make a problem typical.
const fewestTypical = 20

// Sizes are compared by the binary logarithm of the area in 1/16.
const (
	sizeBits   = 4
	sizeLevels = 64 << sizeBits
	tenTimes   = 53 // log₂ 10
)

// A Judge says which problems images have, among the others of their dataset. It is safe for concurrent use.
type Judge struct {
	typical     Set
	first, last int // quartiles of the areas, as sizeOf gives them
}

// NewJudge looks at the measures of all images of a dataset, once and in any order.
func NewJudge(all iter.Seq[Measures]) *Judge {
	var sizes [sizeLevels]int
	var counts [problems]int
	n, j := 0, &Judge{}
	for m := range all {
		if m.empty() {
			continue
		}
		n++
		sizes[m.size()]++
		for p := range natures.All() {
			if j.Score(m, p) < worst {
				counts[p]++
			}
		}
	}
	for p := range natures.All() {
		if n >= fewestTypical && 2*counts[p] > n {
			j.typical |= setOf(p)
		}
	}
	if n == 0 {
		j.last = sizeLevels
		return j
	}
	j.first, j.last = quantile(&sizes, (n+3)/4), quantile(&sizes, (3*n+3)/4)
	return j
}

// quantile is the size of the image of a rank from 1 on.
func quantile(sizes *[sizeLevels]int, rank int) int {
	for size, n := range sizes {
		if rank -= n; rank <= 0 {
			return size
		}
	}
	return sizeLevels - 1
}

// Typical are the problems that more than half of the images have by the nature of their dataset, as all images of a
// gray one are gray. They are a remark about the dataset, and of none of its images.
func (j *Judge) Typical() Set { return j.typical }

// Problems are those that an image has: its score is below 0.5, and they are not typical of the dataset.
func (j *Judge) Problems(m Measures) Set { return j.Shows(m) &^ j.typical }

// Shows are the problems that an image has, whether they are typical or not.
func (j *Judge) Shows(m Measures) Set {
	s := Set(0)
	for _, p := range Problems() {
		if j.Score(m, p) < worst {
			s |= setOf(p)
		}
	}
	return s
}

// worst is the score below which an image has a problem.
const worst = 0.5

// Score says how good an image is in one respect, from 0 to 1. The scores of all problems are scaled so that the
// threshold is at 0.5.
func (j *Judge) Score(m Measures, p Problem) float64 {
	if m.empty() {
		return 1
	}
	switch p {
	case Dark:
		return atLeast(int(m.P99), 82)
	case Bright:
		return atLeast(255-int(m.P5), 38)
	case LowContrast:
		return atLeast(int(m.P95)-int(m.P5), 26)
	case Blurred:
		return atLeast(int(m.Sharpness), 42)
	case OddAspect:
		return atLeast(100*int(min(m.Width, m.Height))/int(max(m.Width, m.Height)), 35)
	case OddSize:
		beyond := max(j.first-m.size(), m.size()-j.last, 0)
		return atMost(beyond, max(tenTimes, (j.last-j.first)*3/2))
	case NearEmpty:
		return atLeast(int(m.Entropy), 48)
	case Gray:
		return atLeast(int(m.Color), 6)
	case Compressed:
		score := atMost(int(m.Blockiness), 80)
		if m.Quality > 0 {
			score = min(score, atLeast(int(m.Quality), 15))
		}
		return score
	case Bordered:
		return atMost(int(m.Border), 25)
	case CorruptTail:
		return atMost(int(m.Tail), 12)
	}
	return 1
}

// atLeast is the score of what should be at least the limit: 0.5 there, and 0 at 0.
func atLeast(x, limit int) float64 { return min(1, float64(x)/float64(2*limit)) }

// atMost is the score of what should be at most the limit: 0.5 there, and 1 at 0.
func atMost(x, limit int) float64 { return max(0, 1-float64(x)/float64(2*limit)) }

// empty are measures of an image without pixels, or of none.
func (m Measures) empty() bool { return m.Width == 0 || m.Height == 0 }

func (m Measures) size() int {
	return int(log2(uint64(m.Width)*uint64(m.Height)) >> (logBits - sizeBits))
}

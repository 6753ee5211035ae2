package labels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// world is samples of some classes around centers so far apart, and their nearest neighbors.
func world(r *rand.Rand, classes, each, d int, apart float64) (labels []int32, near Neighbors) {
	var rows [][]float64
	for c := range classes {
		for range each {
			row := make([]float64, d)
			for k := range row {
				row[k] = r.NormFloat64()
			}
			row[c%d] += apart
			rows, labels = append(rows, row), append(labels, int32(c))
		}
	}
	near = Neighbors{K: 20}
	for i, x := range rows {
		order := make([]int32, 0, len(rows))
		far := make([]float64, len(rows))
		for j, y := range rows {
			if i != j {
				order = append(order, int32(j))
			}
			for k := range x {
				far[j] += (x[k] - y[k]) * (x[k] - y[k])
			}
		}
		slices.SortFunc(order, func(a, b int32) int { return int(1e9 * (far[a] - far[b])) })
		near.Index = append(near.Index, order[:near.K]...)
	}
	return labels, near
}

func samplesOf(labels []int32, classes int) Samples {
	return Samples{Label: labels, Classes: classes, Audited: len(labels), Vector: func(row int) int { return row }, Vectors: len(labels)}
}

// What was planted is found, and little else; the estimate of how many labels are wrong is near the truth.
func TestFind(t *testing.T) {
	for _, classes := range []int{2, 5} {
		r := rand.New(rand.NewPCG(7, uint64(classes)))
		truth, near := world(r, classes, 1500/classes, 6, 5)
		for _, rate := range []float64{0, 0.01, 0.03, 0.1} {
			t.Run(fmt.Sprint(classes, " classes, ", rate), func(t *testing.T) {
				given, planted := slices.Clone(truth), map[int]bool{}
				for len(planted) < int(rate*float64(len(truth))) {
					row := r.IntN(len(truth))
					planted[row], given[row] = true, (truth[row]+1+int32(r.IntN(classes-1)))%int32(classes)
				}
				got := Find(samplesOf(given, classes), near)
				hits := 0
				for _, s := range got.Suspects {
					if planted[s.Row] {
						hits++
						if s.Suggested != truth[s.Row] {
							t.Errorf("row %d of class %d is said to be of %d", s.Row, truth[s.Row], s.Suggested)
						}
					}
				}
				t.Logf("%d suspects, %d of %d planted; expected %.1f", len(got.Suspects), hits, len(planted), got.Expected)
				if wrong, missed := len(got.Suspects)-hits, len(planted)-hits; wrong > 10+len(planted)/10 || missed > 2+len(planted)/10 {
					t.Errorf("%d false suspects, %d missed of %d", wrong, missed, len(planted))
				}
				if off := got.Expected - float64(len(planted)); off > 15+0.3*float64(len(planted)) || off < -5-0.3*float64(len(planted)) {
					t.Errorf("%v labels are said to be wrong, %d are", got.Expected, len(planted))
				}
				for i := 1; i < len(got.Suspects); i++ {
					if got.Suspects[i].Probability > got.Suspects[i-1].Probability {
						t.Fatal("the likeliest don't come first")
					}
				}
			})
		}
	}
}

// Of classes that overlap by nature nobody is suspected.
func TestOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	given, near := world(r, 2, 400, 5, 0.5)
	got := Find(samplesOf(given, 2), near)
	if len(got.Suspects) > 0 || got.Judged > 0 || got.Classes[0].Judged {
		t.Errorf("of classes that overlap, %d samples were judged: %+v", got.Judged, got.Classes)
	}
}

func TestFindNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	given, near := world(r, 2, 30, 3, 9)
	one := make([]int32, len(given))
	for name, got := range map[string]*Result{
		"one class":    Find(samplesOf(one, 1), near),
		"no neighbors": Find(samplesOf(given, 2), Neighbors{}),
		"no rows":      Find(samplesOf(nil, 2), near),
	} {
		if got == nil || got.Judged > 0 || len(got.Suspects) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for i := range given { // few are labeled, and copies of one vector
		if i%30 > 4 {
			given[i] = -1
		}
	}
	s := samplesOf(given, 2)
	s.Vector = func(row int) int { return row / 30 * 30 }
	if got := Find(s, near); got.Judged != 0 || !got.Classes[0].Few {
		t.Errorf("classes of five are judged: %+v", got)
	}
}

// A vector of several rows votes as most of them, and not at all where they are divided, whatever their order.
func TestVotes(t *testing.T) {
	vectors := []int{0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 4}
	for name, test := range map[string]struct{ labels, vote, like []int32 }{
		"first wrong":  {[]int32{1, 0, 0, 2, 2, -1, 3, -1, 4, 5, 6, 5}, []int32{0, 2, 3, 4, 5}, []int32{1, 3, 6, 8, 9}},
		"divided":      {[]int32{1, 1, 0, 2, 3, 4, 4, 5, -1, 6, 7, 8}, []int32{1, -1, 4, -1, -1}, []int32{0, -1, 5, -1, -1}},
		"last in time": {[]int32{0, 1, 1, 2, 2, 7, 4, 4, 3, 8, 6, 6}, []int32{1, 2, 4, 3, 6}, []int32{1, 3, 6, 8, 10}},
	} {
		s := Samples{Label: test.labels, Vector: func(row int) int { return vectors[row] }, Vectors: 5}
		vote, like := s.votes()
		for i, v := range vote {
			if v != test.vote[i] || v >= 0 && like[i] != test.like[i] {
				t.Errorf("%s: vector %d votes %d like row %d, want %d and %d", name, i, v, like[i], test.vote[i], test.like[i])
			}
		}
	}
}

// What a count tells falls with the count, and is a probability.
func TestMixture(t *testing.T) {
	apart, share, wrong := mixture([]float64{4, 1, 0, 2, 5, 40, 148}, []float64{300, 60, 20, 10, 5, 4, 1})
	if apart < 0.95 || share < 0.01 || share > 0.05 {
		t.Errorf("apart %v, share %v", apart, share)
	}
	if !slices.IsSortedFunc(wrong, func(a, b float64) int { return -int(1e9 * (a - b)) }) || wrong[0] > 1 || wrong[6] < 0 {
		t.Errorf("%v", wrong)
	}
	if _, _, none := mixture(make([]float64, 3), []float64{1, 2, 3}); !cmp.Equal(none, make([]float64, 3)) {
		t.Errorf("without samples: %v", none)
	}
}

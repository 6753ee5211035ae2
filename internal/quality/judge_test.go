package quality

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good are the measures of an image without problems.
var good = Measures{
	Width: 400, Height: 300, P5: 20, P95: 200, P99: 240, Entropy: 230, Sharpness: 90, Color: 120, Quality: 90,
}

// with returns the good measures with a change.
func with(change func(*Measures)) Measures {
	m := good
	change(&m)
	return m
}

func judgeOf(n int, m Measures, others ...Measures) *Judge {
	return NewJudge(slices.Values(append(slices.Repeat([]Measures{m}, n), others...)))
}

func TestThresholds(t *testing.T) {
	tests := []struct {
		name      string
		last, bad func(*Measures) // the last that is good, and the first that is bad
		want      Problem
	}{
		{"dark", func(m *Measures) { m.P99 = 82 }, func(m *Measures) { m.P99 = 81 }, Dark},
		{"bright", func(m *Measures) { m.P5, m.P95 = 217, 255 }, func(m *Measures) { m.P5, m.P95 = 218, 255 }, Bright},
		{"contrast", func(m *Measures) { m.P95 = 46 }, func(m *Measures) { m.P95 = 45 }, LowContrast},
		{"blurred", func(m *Measures) { m.Sharpness = 42 }, func(m *Measures) { m.Sharpness = 41 }, Blurred},
		{"wide", func(m *Measures) { m.Width, m.Height = 600, 210 }, func(m *Measures) { m.Width, m.Height = 600, 204 }, OddAspect},
		{"high", func(m *Measures) { m.Width, m.Height = 210, 600 }, func(m *Measures) { m.Width, m.Height = 204, 600 }, OddAspect},
		{"small", func(m *Measures) { m.Width, m.Height = 130, 100 }, func(m *Measures) { m.Width, m.Height = 110, 100 }, OddSize},
		{"large", func(m *Measures) { m.Width, m.Height = 1200, 900 }, func(m *Measures) { m.Width, m.Height = 1300, 1000 }, OddSize},
		{"empty", func(m *Measures) { m.Entropy = 48 }, func(m *Measures) { m.Entropy = 47 }, NearEmpty},
		{"gray", func(m *Measures) { m.Color = 6 }, func(m *Measures) { m.Color = 5 }, Gray},
		{"quality", func(m *Measures) { m.Quality = 15 }, func(m *Measures) { m.Quality = 14 }, Compressed},
		{"quality unknown", func(m *Measures) { m.Quality = 0 }, func(m *Measures) { m.Quality = 1 }, Compressed},
		{"blocks", func(m *Measures) { m.Blockiness = 80 }, func(m *Measures) { m.Blockiness = 81 }, Compressed},
		{"border", func(m *Measures) { m.Border = 25 }, func(m *Measures) { m.Border = 26 }, Bordered},
		{"tail", func(m *Measures) { m.Tail = 12 }, func(m *Measures) { m.Tail = 13 }, CorruptTail},
	}
	judge := judgeOf(100, good)
	for _, test := range tests {
		last, bad := with(test.last), with(test.bad)
		if got := judge.Problems(last); got != 0 {
			t.Errorf("%s: the last good one has %v", test.name, slices.Collect(got.All()))
		}
		if diff := cmp.Diff([]Problem{test.want}, slices.Collect(judge.Problems(bad).All())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if last, bad := judge.Score(last, test.want), judge.Score(bad, test.want); last < .5 || bad >= .5 || bad < 0 || last > 1 {
			t.Errorf("%s: scores are %v and %v", test.name, last, bad)
		}
	}
}

func TestTypical(t *testing.T) {
	gray, tail := with(func(m *Measures) { m.Color = 0 }), with(func(m *Measures) { m.Tail = 90 })
	tests := []struct {
		name  string
		judge *Judge
		image Measures
		want  []Problem
	}{
		{"gray among color", judgeOf(60, good, slices.Repeat([]Measures{gray}, 40)...), gray, []Problem{Gray}},
		{"gray among gray", judgeOf(40, good, slices.Repeat([]Measures{gray}, 60)...), gray, nil},
		{"half of all", judgeOf(50, good, slices.Repeat([]Measures{gray}, 50)...), gray, []Problem{Gray}},
		{"too few to say", judgeOf(19, gray), gray, []Problem{Gray}},
		{"enough to say", judgeOf(20, gray), gray, nil},
		{"damage is never typical", judgeOf(100, tail), tail, []Problem{CorruptTail}},
		{"measures of nothing", judgeOf(30, Measures{}, gray), Measures{}, nil},
		{"measures of nothing don't count", judgeOf(30, Measures{}, gray), gray, []Problem{Gray}},
		{"no images", judgeOf(0, good), good, nil},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, slices.Collect(test.judge.Problems(test.image).All())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestOddSizeOfMixedSizes holds that what is odd depends on how much sizes differ in a dataset.
func TestOddSizeOfMixedSizes(t *testing.T) {
	var mixed []Measures
	for i := range uint32(100) {
		mixed = append(mixed, with(func(m *Measures) { m.Width, m.Height = 20+20*i, 20+20*i }))
	}
	small := with(func(m *Measures) { m.Width, m.Height = 120, 120 })
	if NewJudge(slices.Values(mixed)).Problems(small).Has(OddSize) {
		t.Error("120×120 is odd among 20×20 to 2000×2000")
	}
	if !judgeOf(100, good).Problems(with(func(m *Measures) { m.Width, m.Height = 90, 90 })).Has(OddSize) {
		t.Error("90×90 isn't odd among 400×300")
	}
}

func TestProblems(t *testing.T) {
	var got []string
	for i, p := range Problems() {
		if int(p) != i {
			t.Errorf("%v is %d, at %d", p, p, i)
		}
		got = append(got, p.String())
	}
	want := []string{
		"Dark", "Bright", "LowContrast", "Blurred", "OddAspect", "OddSize", "NearEmpty", "Gray", "Compressed", "Bordered",
		"CorruptTail",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

package report

import (
	"cmp"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/quality"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// poor is what a judge says of the images of a dataset.
type poor struct {
	judge    *quality.Judge
	measured int
	samples  int    // with a problem
	rows     []bool // which they are
	// count and worst are by problem, bySplit and byLabel by problem and name. What is typical of the dataset is counted,
	// too: it may gather.
	count            []int
	worst            [][]blemish
	bySplit, byLabel []map[string]int
}

// A blemish is one problem of one row.
type blemish struct {
	row   int
	score float64
}

// judgeQuality measures all against each other, once; nil where nothing was measured.
func (f *Findings) judgeQuality() *poor {
	if f.Measures == nil || f.poor != nil {
		return f.poor
	}
	samples := f.audited()
	n := len(quality.Problems())
	p := &poor{rows: make([]bool, len(samples)), count: make([]int, n), worst: make([][]blemish, n), bySplit: make([]map[string]int, n), byLabel: make([]map[string]int, n)}
	for i := range n {
		p.bySplit[i], p.byLabel[i] = map[string]int{}, map[string]int{}
	}
	p.judge = quality.NewJudge(func(yield func(quality.Measures) bool) {
		for row := range samples {
			if m, ok := f.Measures(row); ok && !yield(m) {
				return
			}
		}
	})
	for row := range samples {
		m, ok := f.Measures(row)
		if !ok {
			continue
		}
		p.measured++
		problems := p.judge.Problems(m)
		if problems != 0 {
			p.samples++
			p.rows[row] = true
		}
		for problem := range p.judge.Shows(m).All() {
			p.add(problem, samples[row])
			if problems.Has(problem) {
				p.keep(problem, blemish{row, p.judge.Score(m, problem)})
			}
		}
	}
	f.poor = p
	return p
}

func (p *poor) add(problem quality.Problem, s duplicates.Sample) {
	p.count[problem]++
	p.bySplit[problem][s.Split]++
	for _, label := range s.Labels {
		p.byLabel[problem][label]++
	}
}

// keep notes an image among the worst.
func (p *poor) keep(problem quality.Problem, b blemish) {
	p.worst[problem] = append(p.worst[problem], b)
	slices.SortFunc(p.worst[problem], func(a, b blemish) int { return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.row, b.row)) })
	p.worst[problem] = p.worst[problem][:min(len(p.worst[problem]), maxWorst)]
}

// maxWorst bounds the images of a problem that the page shows.
const maxWorst = 24

// blemishes are the problems of all rows, in their order.
func (f *Findings) blemishes() iter.Seq2[quality.Problem, blemish] {
	return func(yield func(quality.Problem, blemish) bool) {
		p := f.judgeQuality()
		for row := range f.audited() {
			m, ok := f.Measures(row)
			if !ok {
				continue
			}
			for problem := range p.judge.Problems(m).All() {
				if !yield(problem, blemish{row, p.judge.Score(m, problem)}) {
					return
				}
			}
		}
	}
}

// writeQuality writes a row for each problem of each image.
func (f *Findings) writeQuality(w io.Writer) error {
	t := newTable(w, "index", "id", "split", "label", "problem", "score")
	samples := f.audited()
	for problem, b := range f.blemishes() {
		s := samples[b.row]
		t.row(number(s.Index), text.Valid(s.ID), text.Valid(s.Split), joined(s.Labels), problem.String(), strconv.FormatFloat(b.score, 'f', 3, 64))
	}
	return t.flush()
}

func (f *Findings) summarizeQuality() *v1alpha1.QualitySummary {
	p := f.judgeQuality()
	if p == nil {
		return nil
	}
	samples := f.audited()
	splits, labels := map[string]int{}, map[string]int{}
	for _, s := range samples {
		splits[s.Split]++
		for _, label := range s.Labels {
			labels[label]++
		}
	}
	out := &v1alpha1.QualitySummary{Samples: int64(p.measured), PoorSamples: int64(p.samples), Problems: []v1alpha1.ProblemSummary{}}
	for _, problem := range quality.Problems() {
		of := v1alpha1.ProblemSummary{Problem: v1alpha1.ImageProblem(problem.String()), Uneven: p.uneven(problem, splits, labels, len(samples))}
		if p.judge.Typical().Has(problem) {
			of.Typical = true
			out.Problems = append(out.Problems, of)
			continue
		}
		of.Samples = int64(p.count[problem])
		if of.Samples > 0 && len(splits) > 1 {
			of.Splits = shares(p.bySplit[problem], splits)
		}
		if of.Samples > 0 && len(labels) > 0 {
			of.Labels = shares(p.byLabel[problem], labels)
		}
		for _, b := range p.worst[problem][:min(len(p.worst[problem]), v1alpha1.MaxWorstSamples)] {
			of.Worst = append(of.Worst, cut(samples[b.row].ID))
		}
		out.Problems = append(out.Problems, of)
	}
	return out
}

// shares are the parts with the most, by name.
func shares(count, of map[string]int) []v1alpha1.ShareSummary {
	var out []v1alpha1.ShareSummary
	for name, n := range count {
		out = append(out, v1alpha1.ShareSummary{Name: cut(name), Samples: int64(n), Share: v1alpha1.NewDecimal(float64(n) / float64(of[name]))})
	}
	slices.SortFunc(out, func(a, b v1alpha1.ShareSummary) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Name, b.Name))
	})
	return out[:min(len(out), v1alpha1.MaxQualityGroups)]
}

// What makes a problem uneven: a share that exceeds that of all other samples by so much, so many times, and by so many
// standard errors that not even the largest of many labels would by chance.
const (
	unevenBy     = 0.05
	unevenTimes  = 2
	unevenErrors = 6
)

// uneven is the label or split that most exceeds what chance would give it, nil if none does by far.
func (p *poor) uneven(problem quality.Problem, splits, labels map[string]int, all int) *v1alpha1.UnevenSummary {
	type gathering struct {
		name            string
		errors          float64
		here, elsewhere float64
		ofLabel         bool
	}
	var found []gathering
	look := func(count, of map[string]int, ofLabel bool) {
		for name, n := range of {
			rest := all - n
			if rest <= 0 {
				continue
			}
			here, elsewhere := float64(count[name])/float64(n), float64(p.count[problem]-count[name])/float64(rest)
			mean := float64(p.count[problem]) / float64(all)
			errors := (here - elsewhere) / math.Sqrt(mean*(1-mean)*(1/float64(n)+1/float64(rest)))
			if here >= elsewhere+unevenBy && here >= unevenTimes*elsewhere && errors >= unevenErrors {
				found = append(found, gathering{name, errors, here, elsewhere, ofLabel})
			}
		}
	}
	look(p.byLabel[problem], labels, true)
	look(p.bySplit[problem], splits, false)
	if len(found) == 0 {
		return nil
	}
	most := slices.MinFunc(found, func(a, b gathering) int {
		return cmp.Or(cmp.Compare(b.errors, a.errors), cmp.Compare(a.name, b.name))
	})
	out := &v1alpha1.UnevenSummary{Share: v1alpha1.NewDecimal(most.here), Elsewhere: v1alpha1.NewDecimal(most.elsewhere)}
	if most.ofLabel {
		out.Label = new(cut(most.name))
	} else {
		out.Split = new(cut(most.name))
	}
	return out
}

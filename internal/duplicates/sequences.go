package duplicates

import (
	"cmp"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// SequenceEvidence is what names say that sets samples together.
type SequenceEvidence string

// The kinds of evidence.
const (
	// ByFolder: samples of one folder, besides those that a split or a label is named by.
	ByFolder SequenceEvidence = "Folder"
	// ByName: samples whose names differ in the number at their end alone.
	ByName SequenceEvidence = "Name"
	// ByOrder: samples whose numbers follow each other.
	ByOrder SequenceEvidence = "Order"
	// ByTime: photos that one camera took soon after each other.
	ByTime SequenceEvidence = "Time"
)

// Sequences are groups that nobody named, such as the frames of a recording, and that lie on both sides of the
// evaluation. They are a suspicion: names suggest them, and the embeddings agree.
//
// The embeddings agree if evaluation samples and others that the names set together are neighbors far more often than
// those of the same label are. The label must be the same, since two cats are nearer to each other than a cat and a
// dog, and names often tell cats from dogs. Only neighbors from one side to the other count: names that begin again in
// each split set strangers together.
type Sequences struct {
	// Evidence is empty where nothing crosses.
	Evidence SequenceEvidence
	// Groups are those that cross.
	Groups Groups
	// Of holds for each row the name of its sequence, empty for most; nil where nothing crosses.
	Of []string
	// Together counts the neighbors on the other side that the names set together. Chance is the number to expect if
	// names said nothing, Compared that of all. By order and time it is the pairs that follow each other that count.
	Together, Compared int
	Chance             float64
}

// What confirms a suspicion. Neighbors of one sample are not independent of each other, so the bar is far above what
// independent ones would need.
const (
	sequenceNeighbors = 10   // of a sample that are asked
	leastLift         = 3    // times as many as chance gives
	leastDeviations   = 6    // standard deviations above it
	leastSequences    = 5    // in a dataset
	oneByChance       = 0.01 // of all sequences, how many may be kept by chance
	mostOfLabel       = 3    // a sequence is at most 1/mostOfLabel of its label: else it is the label by another name
	leastInOrder      = 30   // numbered samples of a label, to say anything of their order
	mostSkipped       = 5    // numbers from one to the next of a sequence: frames may have been left out
	mostPause         = 120  // seconds from one photo to the next of a sequence
	mostSequence      = 500  // samples: more are a class or a source of many recordings
)

// findSequences looks for groups that nobody named. It does not look where the dataset names groups itself, and where
// nothing can cross.
func (r *Result) findSequences(near neighbors.Result) {
	audited := r.Samples[:r.Audited()]
	if near.K == 0 || slices.ContainsFunc(audited, func(s Sample) bool { return s.Group != "" }) {
		return
	}
	evaluated := 0
	for row := range audited {
		if r.held(row) {
			evaluated++
		}
	}
	if evaluated == 0 || evaluated == len(audited) {
		return
	}
	r.Sequences = &Sequences{}
	for _, find := range []func() *Sequences{
		func() *Sequences {
			return r.sequencesByKey(near, ByFolder, func(n sampleName) string { return n.folder })
		},
		func() *Sequences {
			return r.sequencesByKey(near, ByName, func(n sampleName) string { return n.series })
		},
		func() *Sequences { return r.sequencesByOrder(near, r.byNumber()) },
		func() *Sequences { return r.sequencesByOrder(near, r.byTime()) },
	} {
		found := find()
		if found == nil {
			continue
		}
		found.Groups = findGroups(audited, r.evaluation, func(row int) string { return found.Of[row] })
		if found.Groups.CrossingSamples > r.Sequences.Groups.CrossingSamples {
			r.Sequences = found
		}
	}
}

// sampleName is what an ID says besides split and labels.
type sampleName struct {
	// folder is the rest of the folders; empty for none.
	folder string
	// series is that and the name up to the number at its end; empty if there is no number.
	series string
	number int64
}

// nameOf takes an ID such as train/cat/rec07/frame_0012.jpg apart.
func nameOf(s Sample) sampleName {
	dir, base := path.Split(s.ID)
	var folders []string
	for folder := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		isLabel := slices.ContainsFunc(s.Labels, func(label string) bool { return strings.EqualFold(folder, label) })
		if folder != "" && !strings.EqualFold(folder, s.Split) && !isLabel {
			folders = append(folders, folder)
		}
	}
	name := sampleName{folder: strings.Join(folders, "/")}
	stem := strings.TrimSuffix(base, path.Ext(base))
	digits := len(stem)
	for digits > 0 && stem[digits-1] >= '0' && stem[digits-1] <= '9' {
		digits--
	}
	number, err := strconv.ParseInt(stem[digits:], 10, 64)
	if err != nil { // none, or one that counts nothing
		return name
	}
	name.series, name.number = stem[:digits]+"*", number
	if name.folder != "" {
		name.series = name.folder + "/" + name.series
	}
	return name
}

// keys stand for a text of each row, 0 for none. Most datasets have as many names as samples, and their texts would not
// fit beside the vectors.
type keys []uint64

func keyOf(text string) uint64 {
	if text == "" {
		return 0
	}
	return max(1, xxhash.Sum64String(text))
}

// dropSingle makes 0 of the keys that only one row has.
func (k keys) dropSingle() {
	sorted := slices.Sorted(slices.Values(k))
	for row, key := range k {
		if at, _ := slices.BinarySearch(sorted, key); at+1 == len(sorted) || sorted[at+1] != key {
			k[row] = 0
		}
	}
}

// labelOf is what samples must share to be compared.
func labelOf(s Sample) string { return strings.Join(s.Labels, "\x00") }

// distinct are the audited rows without copies of an earlier one.
func (r *Result) distinct() []int {
	audited, _ := slices.BinarySearch(r.copies.firsts, r.Audited())
	return r.copies.firsts[:audited]
}

// across calls visit with each distinct audited row and those of its nearest ones that have its label and lie on the
// other side.
func (r *Result) across(near neighbors.Result, visit func(row, other int)) {
	for i, row := range r.distinct() {
		label, held := labelOf(r.Samples[row]), r.held(row)
		for _, j := range near.Index[i*near.K : i*near.K+min(near.K, sequenceNeighbors)] {
			other := r.copies.firsts[j]
			if s := r.Samples[other]; !s.Baseline && r.held(other) != held && labelOf(s) == label {
				visit(row, other)
			}
		}
	}
}

// asks returns 1 if another distinct row is among the nearest of a row, else 0.
func (r *Result) asks(near neighbors.Result, row, other int) int {
	from := r.copies.group[row] * near.K
	if slices.Contains(near.Index[from:from+min(near.K, sequenceNeighbors)], int32(r.copies.group[other])) {
		return 1
	}
	return 0
}

// A part is the samples of one label and one key. Those of one key under two labels are two parts: names may begin again
// under each label, too.
type part struct {
	label string
	key   uint64
}

func (r *Result) partOf(keys keys, row int) part { return part{labelOf(r.Samples[row]), keys[row]} }

// bySide counts the evaluation samples, then the others.
type bySide [2]int

func (r *Result) side(row int) int {
	if r.held(row) {
		return 0
	}
	return 1
}

// sequencesByKey takes samples of one text for a sequence; nil if the embeddings don't agree.
func (r *Result) sequencesByKey(near neighbors.Result, evidence SequenceEvidence, text func(sampleName) string) *Sequences {
	keys := make(keys, r.Audited())
	for row := range keys {
		keys[row] = keyOf(text(nameOf(r.Samples[row])))
	}
	keys.dropSingle()
	ofLabel, ofPart := map[string]bySide{}, map[part]bySide{}
	for _, row := range r.distinct() {
		side, p := r.side(row), r.partOf(keys, row)
		n := ofLabel[p.label]
		n[side]++
		ofLabel[p.label] = n
		if p.key != 0 {
			n := ofPart[p]
			n[side]++
			ofPart[p] = n
		}
	}
	tallies := map[part]*Sequences{}
	r.across(near, func(row, other int) {
		p := r.partOf(keys, row)
		in, all, there := ofPart[p], ofLabel[p.label], 1-r.side(row)
		size := in[0] + in[1]
		if p.key == 0 || in[0] == 0 || in[1] == 0 || size*mostOfLabel > all[0]+all[1] || size > mostSequence {
			return
		}
		t := tallies[p]
		if t == nil {
			t = &Sequences{}
			tallies[p] = t
		}
		t.Compared++
		t.Chance += float64(in[there]) / float64(all[there])
		if keys[other] == p.key {
			t.Together++
		}
	})
	out := &Sequences{Evidence: evidence}
	kept := map[part]string{}
	for _, row := range r.distinct() { // in an order, so that sums have one
		p := r.partOf(keys, row)
		t := tallies[p]
		if t == nil || kept[p] != "" || float64(t.Together) < leastLift*t.Chance || poissonTail(t.Together, t.Chance) > oneByChance/float64(len(tallies)) {
			continue
		}
		kept[p] = text(nameOf(r.Samples[row]))
		if len(r.Samples[row].Labels) > 0 {
			kept[p] += " (" + strings.Join(r.Samples[row].Labels, ", ") + ")"
		}
		out.Together, out.Compared, out.Chance = out.Together+t.Together, out.Compared+t.Compared, out.Chance+t.Chance
	}
	if len(kept) < leastSequences || !out.confirmed() {
		return nil
	}
	out.Of = make([]string, len(r.Samples))
	for row := range keys {
		out.Of[row] = kept[r.partOf(keys, row)]
	}
	return out
}

// An order says which samples of a series follow each other: those whose numbers are at least leastGap apart, and at
// most mostGap.
type order struct {
	evidence          SequenceEvidence
	series            keys
	numbers           []int64
	leastGap, mostGap int64
}

func (r *Result) byNumber() order {
	o := order{ByOrder, make(keys, r.Audited()), make([]int64, r.Audited()), 1, mostSkipped}
	for row := range o.series {
		name := nameOf(r.Samples[row])
		o.series[row], o.numbers[row] = keyOf(name.series), name.number
	}
	return o
}

func (r *Result) byTime() order {
	o := order{ByTime, make(keys, r.Audited()), make([]int64, r.Audited()), 0, mostPause}
	for row := range o.series {
		if s := r.Samples[row]; s.Taken != 0 {
			o.series[row], o.numbers[row] = max(1, s.Camera), s.Taken
		}
	}
	return o
}

// sequencesByOrder takes samples that follow each other, and that are neighbors, for a sequence; nil if the embeddings
// don't agree.
func (r *Result) sequencesByOrder(near neighbors.Result, o order) *Sequences {
	o.series.dropSingle()
	sides := map[part]bySide{}
	for _, row := range r.distinct() {
		if o.series[row] != 0 {
			p := r.partOf(o.series, row)
			n := sides[p]
			n[r.side(row)]++
			sides[p] = n
		}
	}
	members := map[part][]int{}
	for _, row := range r.distinct() {
		p := r.partOf(o.series, row)
		if n := sides[p]; n[0] > 0 && n[1] > 0 && n[0]+n[1] >= leastInOrder {
			members[p] = append(members[p], row)
		}
	}
	within := map[part]int{} // neighbors of one series across the sides
	r.across(near, func(row, other int) {
		if p := r.partOf(o.series, row); members[p] != nil && o.series[other] == p.key {
			within[p]++
		}
	})
	parts := slices.SortedFunc(maps.Keys(members), func(a, b part) int { // so that sums have one order
		return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.key, b.key))
	})
	out := &Sequences{Evidence: o.evidence}
	for _, p := range parts {
		rows := members[p]
		slices.SortFunc(rows, func(a, b int) int { return cmp.Or(cmp.Compare(o.numbers[a], o.numbers[b]), cmp.Compare(a, b)) })
		follows := func(i int) bool {
			gap := o.numbers[rows[i]] - o.numbers[rows[i-1]]
			return gap >= o.leastGap && gap <= o.mostGap
		}
		together := func(i int) int { // which of the two has the other as a neighbor
			return r.asks(near, rows[i], rows[i-1]) + r.asks(near, rows[i-1], rows[i])
		}
		one := Sequences{}
		chance := float64(within[p]) / (2 * float64(sides[p][0]) * float64(sides[p][1]))
		for i := 1; i < len(rows); i++ {
			if follows(i) && r.held(rows[i]) != r.held(rows[i-1]) {
				one.Compared += 2
				one.Chance += 2 * chance
				one.Together += together(i)
			}
		}
		if !one.confirmed() {
			continue
		}
		out.Compared, out.Together, out.Chance = out.Compared+one.Compared, out.Together+one.Together, out.Chance+one.Chance
		if out.Of == nil {
			out.Of = make([]string, len(r.Samples))
		}
		for i := 1; i < len(rows); i++ {
			if !follows(i) || together(i) == 0 {
				continue
			}
			if out.Of[rows[i-1]] == "" { // its first sample names a sequence
				out.Of[rows[i-1]] = r.Samples[rows[i-1]].ID + "…"
			}
			out.Of[rows[i]] = out.Of[rows[i-1]]
		}
	}
	if out.Of == nil {
		return nil
	}
	for _, row := range r.distinct() {
		for _, same := range r.Copies(row) {
			if !r.Samples[same].Baseline {
				out.Of[same] = out.Of[row]
			}
		}
	}
	return out
}

// confirmed says that the embeddings set together what the names do.
func (s *Sequences) confirmed() bool {
	above := float64(s.Together) - s.Chance
	return float64(s.Together) >= leastLift*s.Chance && above >= leastDeviations*math.Sqrt(max(s.Chance, 1))
}

// poissonTail is the probability of n and more where so many are expected.
func poissonTail(n int, expected float64) float64 {
	below, term := 0.0, math.Exp(-expected)
	for i := range n {
		below += term
		term *= expected / float64(i+1)
	}
	if rest := 1 - below; rest > 1e-9 {
		return rest
	}
	return 2 * term // what follows falls off faster than by halves, since n is beyond what is expected
}

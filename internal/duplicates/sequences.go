package duplicates

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

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
// The embeddings agree if samples that the names set together are neighbors far more often than others of the same
// label. The label must be the same, since two cats are nearer to each other than a cat and a dog, and names often tell
// cats from dogs.
type Sequences struct {
	Evidence SequenceEvidence
	// Groups are those that are confirmed, with what crosses.
	Groups Groups
	// Of holds for each row the name of its sequence, empty for most.
	Of []string
	// Together counts the neighbors of one label that the names set together. Chance is the number to expect if names
	// said nothing, Compared that of all.
	Together, Compared int
	Chance             float64
}

// What confirms a suspicion. Neighbors of one sample are not independent of each other, so the bar is far above what
// independent ones would need.
const (
	sequenceNeighbors = 10  // of a sample that are asked
	leastLift         = 3   // times as many as chance gives
	leastDeviations   = 6   // standard deviations above it
	leastSequences    = 5   // in a dataset
	mostOfLabel       = 3   // a sequence is at most 1/mostOfLabel of its label: else it is the label by another name
	leastInOrder      = 30  // numbered samples of a label, to say anything of their order
	mostSkipped       = 5   // numbers from one to the next of a sequence: frames may have been left out
	mostPause         = 120 // seconds from one photo to the next of a sequence
	mostSequence      = 500 // samples: more are a class or a source of many recordings
)

// findSequences looks for groups that nobody named. It finds none where the dataset names groups itself, and none
// where nothing crosses.
func (r *Result) findSequences(near neighbors.Result) {
	audited := r.Samples[:r.Audited()]
	if near.K == 0 || slices.ContainsFunc(audited, func(s Sample) bool { return s.Group != "" }) {
		return
	}
	evaluated := 0
	for _, s := range audited {
		if slices.Contains(r.evaluation, s.Split) {
			evaluated++
		}
	}
	if evaluated == 0 || evaluated == len(audited) {
		return
	}
	n := len(audited)
	folders, series, cameras := make(keys, n), make(keys, n), make(keys, n)
	numbers, times := make([]int64, n), make([]int64, n)
	for row, s := range audited {
		name := nameOf(s)
		folders[row], series[row], numbers[row] = keyOf(name.folder), keyOf(name.series), name.number
		if s.Taken != 0 {
			cameras[row], times[row] = max(1, s.Camera), s.Taken
		}
	}
	folders.dropSingle()
	series.dropSingle()
	cameras.dropSingle()
	folderOf := func(row int) string { return nameOf(audited[row]).folder }
	seriesOf := func(row int) string { return nameOf(audited[row]).series }
	byOrder := order{ByOrder, series, numbers, 1, mostSkipped, func(row int) string {
		return strings.TrimSuffix(seriesOf(row), "*") + strconv.FormatInt(numbers[row], 10) + "…"
	}}
	byTime := order{ByTime, cameras, times, 0, mostPause, func(row int) string {
		return fmt.Sprintf("%s camera %04x", time.Unix(times[row], 0).UTC().Format(time.DateTime), uint16(cameras[row]))
	}}
	var best *Sequences
	for _, found := range []*Sequences{
		r.sequencesByKey(near, ByFolder, folders, folderOf), r.sequencesByKey(near, ByName, series, seriesOf),
		r.sequencesByOrder(near, byOrder), r.sequencesByOrder(near, byTime),
	} {
		if found == nil {
			continue
		}
		named := slices.Clone(audited)
		for row := range named {
			named[row].Group = found.Of[row]
		}
		found.Groups = FindGroups(named, r.evaluation)
		if len(found.Groups.Crossing) > 0 && (best == nil || found.Groups.CrossingSamples > best.Groups.CrossingSamples) {
			best = found
		}
	}
	r.Sequences = best
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
	name.series, name.number = path.Join(name.folder, stem[:digits])+"*", number
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

// asked calls visit with each distinct audited row and its nearest ones of the same label.
func (r *Result) asked(near neighbors.Result, visit func(row, other int)) {
	for i, row := range r.distinct() {
		label := labelOf(r.Samples[row])
		for _, j := range near.Index[i*near.K : i*near.K+min(near.K, sequenceNeighbors)] {
			if other := r.copies.firsts[j]; !r.Samples[other].Baseline && labelOf(r.Samples[other]) == label {
				visit(row, other)
			}
		}
	}
}

// asks returns 1 if another distinct row is among those that asked visits for a row, else 0.
func (r *Result) asks(near neighbors.Result, row, other int) int {
	from := r.copies.group[row] * near.K
	if slices.Contains(near.Index[from:from+min(near.K, sequenceNeighbors)], int32(r.copies.group[other])) {
		return 1
	}
	return 0
}

// sequencesByKey takes samples of one key for a sequence, which the text names; nil if the embeddings don't agree.
func (r *Result) sequencesByKey(near neighbors.Result, evidence SequenceEvidence, keys keys, text func(row int) string) *Sequences {
	type part struct {
		label string
		key   uint64
	}
	ofLabel, ofPart, ofKey := map[string]int{}, map[part]int{}, map[uint64]int{}
	for _, row := range r.distinct() {
		label := labelOf(r.Samples[row])
		ofLabel[label]++
		if key := keys[row]; key != 0 {
			ofPart[part{label, key}]++
			ofKey[key]++
		}
	}
	type tally struct {
		together int
		chance   float64
	}
	tallies := map[uint64]*tally{}
	out := &Sequences{Evidence: evidence}
	r.asked(near, func(row, other int) {
		k, label := keys[row], labelOf(r.Samples[row])
		inPart, inLabel := ofPart[part{label, k}], ofLabel[label]
		if k == 0 || inPart < 2 || inPart*mostOfLabel > inLabel || ofKey[k] > mostSequence {
			return
		}
		t := tallies[k]
		if t == nil {
			t = &tally{}
			tallies[k] = t
		}
		chance := float64(inPart-1) / float64(inLabel-1)
		t.chance += chance
		out.Chance += chance
		out.Compared++
		if keys[other] == k {
			t.together++
			out.Together++
		}
	})
	if len(tallies) < leastSequences || !out.confirmed() {
		return nil
	}
	out.Of = make([]string, len(r.Samples))
	named := map[uint64]string{}
	for row, key := range keys {
		if t := tallies[key]; t != nil && float64(t.together) >= leastLift*t.chance {
			if named[key] == "" {
				named[key] = text(row)
			}
			out.Of[row] = named[key]
		}
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
	// name calls a sequence by its first row.
	name func(first int) string
}

// sequencesByOrder takes samples that follow each other, and that are neighbors, for a sequence; nil if the embeddings
// don't agree.
func (r *Result) sequencesByOrder(near neighbors.Result, o order) *Sequences {
	series, numbers := o.series, o.numbers
	type family struct {
		label  string
		series uint64
	}
	members := map[family][]int{}
	for _, row := range r.distinct() {
		if series[row] != 0 {
			f := family{labelOf(r.Samples[row]), series[row]}
			members[f] = append(members[f], row)
		}
	}
	within := map[family]int{} // neighbors of one series
	r.asked(near, func(row, other int) {
		if series[row] != 0 && series[row] == series[other] {
			within[family{labelOf(r.Samples[row]), series[row]}]++
		}
	})
	out := &Sequences{Evidence: o.evidence, Of: make([]string, len(r.Samples))}
	families := slices.SortedFunc(maps.Keys(members), func(a, b family) int { // so that sums have one order
		return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.series, b.series))
	})
	for _, f := range families {
		rows := members[f]
		if len(rows) < leastInOrder {
			continue
		}
		slices.SortFunc(rows, func(a, b int) int { return cmp.Or(cmp.Compare(numbers[a], numbers[b]), cmp.Compare(a, b)) })
		n := float64(len(rows))
		one := Sequences{}
		follows := func(i int) bool {
			gap := numbers[rows[i]] - numbers[rows[i-1]]
			return gap >= o.leastGap && gap <= o.mostGap
		}
		together := func(i int) int { // which of the two has the other as a neighbor
			return r.asks(near, rows[i], rows[i-1]) + r.asks(near, rows[i-1], rows[i])
		}
		for i := 1; i < len(rows); i++ {
			if !follows(i) {
				continue
			}
			one.Compared += 2
			one.Chance += 2 * float64(within[f]) / (n * (n - 1))
			one.Together += together(i)
		}
		if !one.confirmed() {
			continue
		}
		out.Compared, out.Together, out.Chance = out.Compared+one.Compared, out.Together+one.Together, out.Chance+one.Chance
		for i := 1; i < len(rows); i++ {
			if !follows(i) || together(i) == 0 {
				continue
			}
			if out.Of[rows[i-1]] == "" {
				out.Of[rows[i-1]] = o.name(rows[i-1])
			}
			out.Of[rows[i]] = out.Of[rows[i-1]]
		}
	}
	if out.Together == 0 {
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

package duplicates

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNameOf(t *testing.T) {
	for id, tc := range map[string]struct {
		split  string
		labels []string
		want   sampleName
	}{
		"train/cat/IMG_0012.jpg":              {"train", []string{"cat"}, sampleName{"", "IMG_*", 12}},
		"Train/rec07/cat/frame_00012.jpg":     {"train", []string{"cat"}, sampleName{"rec07", "rec07/frame_*", 12}},
		"video3_frame_7.png":                  {"", nil, sampleName{"", "video3_frame_*", 7}},
		"0001.jpg":                            {"", nil, sampleName{"", "*", 1}},
		"a/b/c":                               {"", nil, sampleName{"a/b", "", 0}},
		"a/photo.jpg":                         {"", nil, sampleName{"a", "", 0}},
		"12345678901234567890123.jpg":         {"", nil, sampleName{}}, // counts nothing
		"scan.2024.v1.007.dcm.png":            {"", nil, sampleName{}},
		"rec/2024-01-01_000000000000123.jpeg": {"", nil, sampleName{"rec", "rec/2024-01-01_*", 123}},
	} {
		if diff := cmp.Diff(tc.want, nameOf(Sample{ID: id, Split: tc.split, Labels: tc.labels}), cmp.AllowUnexported(sampleName{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

// recordings are scenes, each with samples near to it, that a namer names and a splitter divides.
type recordings struct {
	recordings, frames int
	// near is how near the frames of a recording are, next to the distances between scenes of 1; 0 is not at all.
	near float64
	name func(r *rand.Rand, label, recording, frame, serial int) string
	// test says whether a frame is in the test split.
	test  func(r *rand.Rand, recording int) bool
	label func(recording int) int
	// unlabeled leaves the labels out.
	unlabeled bool
	// taken, if not nil, is when a frame was taken.
	taken func(r *rand.Rand, recording, frame int) int64
}

func normal(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func (s recordings) find(t *testing.T, seed uint64, local bool) *Result {
	t.Helper()
	const dimensions = 16
	r := rand.New(rand.NewPCG(seed, 0))
	classes := map[int][]float64{}
	var samples []Sample
	var reduced []float64
	var embeddings rows
	for recording := range s.recordings {
		label := s.label(recording)
		if classes[label] == nil {
			classes[label] = normal(r, dimensions)
		}
		scene := normal(r, dimensions)
		for frame := range s.frames {
			spread := normal(r, dimensions)
			x := make([]float32, dimensions)
			for c := range x {
				own := scene[c]*s.near + spread[c]*(1-s.near)
				x[c] = float32(2*classes[label][c] + own)
				reduced = append(reduced, float64(x[c]))
			}
			embeddings = append(embeddings, x)
			split := "train"
			if s.test(r, recording) {
				split = "test"
			}
			name := s.name(r, label, recording, frame, len(samples))
			sample := Sample{Index: len(samples), ID: split + "/" + fmt.Sprint("c", label) + "/" + name, Split: split, Labels: []string{fmt.Sprint("c", label)}}
			if s.unlabeled {
				sample.ID, sample.Labels = split+"/"+name, nil
			}
			if s.taken != nil {
				sample.Taken, sample.Camera = s.taken(r, recording, frame), uint64(7+recording%2)
			}
			samples = append(samples, sample)
		}
	}
	o := Options{Neighbors: 50, MaxClusterSize: 50, EvaluationSplits: []string{"test"}, Threads: 1}
	if local {
		o.Local = &Local{Rate: 0.01}
	} else {
		o.Neighbors, o.Strategy = 10, Percentile{99}
	}
	found, err := Find(t.Context(), samples, reduced, dimensions, embeddings, o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSequences(t *testing.T) {
	atRandom := func(r *rand.Rand, _ int) bool { return r.IntN(4) == 0 }
	byGroup := func(_ *rand.Rand, recording int) bool { return recording%4 == 0 }
	fourLabels := func(recording int) int { return recording % 4 }
	byName := func(_ *rand.Rand, _, recording, frame, _ int) string {
		return fmt.Sprintf("rec%02d_%04d.jpg", recording, frame)
	}
	byFolder := func(_ *rand.Rand, _, recording, frame, _ int) string {
		return fmt.Sprintf("patient%02d/%04d.jpg", recording, frame)
	}
	byOrder := func(_ *rand.Rand, _, _, _, serial int) string { return fmt.Sprintf("IMG_%05d.jpg", serial) }
	shuffled := func(r *rand.Rand, _, _, _, _ int) string { return fmt.Sprintf("IMG_%09d.jpg", r.IntN(1e9)) }
	hashed := func(r *rand.Rand, _, _, _, _ int) string { return fmt.Sprintf("%016x.jpg", r.Uint64()) }
	// Each split, or label, numbers its own recordings.
	againInSplit := func(_ *rand.Rand, _, recording, frame, _ int) string {
		return fmt.Sprintf("rec%02d_%04d.jpg", map[bool]int{true: recording / 4, false: recording - recording/4 - 1}[recording%4 == 0], frame)
	}
	foldersAgain := func(_ *rand.Rand, _, recording, frame, _ int) string {
		return fmt.Sprintf("%04d/%06d.jpg", map[bool]int{true: recording / 4, false: recording - recording/4 - 1}[recording%4 == 0], frame)
	}
	againInLabel := func(_ *rand.Rand, _, recording, frame, _ int) string {
		return fmt.Sprintf("ind%02d_%04d.jpg", recording/4, frame)
	}
	orderAgain := func(_ *rand.Rand, _, recording, frame, _ int) string {
		return fmt.Sprintf("IMG_%05d.jpg", 20*map[bool]int{true: recording / 4, false: recording - recording/4 - 1}[recording%4 == 0]+frame)
	}
	inBursts := func(r *rand.Rand, recording, frame int) int64 {
		return 1_400_000_000 + int64(recording)*3600 + int64(frame)*60 + r.Int64N(50)
	}
	anytime := func(r *rand.Rand, _, _ int) int64 { return 1_400_000_000 + r.Int64N(100_000_000) }
	byClass := func(_ *rand.Rand, label, _, _, serial int) string {
		return fmt.Sprintf("class%02d_%05d.jpg", label, serial)
	}
	for name, tc := range map[string]struct {
		set  recordings
		want SequenceEvidence // empty for no suspicion
	}{
		"names":                        {recordings{name: byName, test: atRandom, label: fourLabels, near: 0.7}, ByName},
		"names, no labels":             {recordings{name: byName, test: atRandom, label: fourLabels, near: 0.7, unlabeled: true}, ByName},
		"folders":                      {recordings{name: byFolder, test: atRandom, label: fourLabels, near: 0.7}, ByFolder},
		"order":                        {recordings{name: byOrder, test: atRandom, label: fourLabels, near: 0.7}, ByOrder},
		"times":                        {recordings{name: hashed, test: atRandom, label: fourLabels, near: 0.7, taken: inBursts}, ByTime},
		"times, split by group":        {recordings{name: hashed, test: byGroup, label: fourLabels, near: 0.7, taken: inBursts}, ""},
		"times of nothing":             {recordings{name: hashed, test: atRandom, label: fourLabels, near: 0, taken: inBursts}, ""},
		"times at random":              {recordings{name: hashed, test: atRandom, label: fourLabels, near: 0.7, taken: anytime}, ""},
		"names again in each split":    {recordings{name: againInSplit, test: byGroup, label: fourLabels, near: 0.7}, ""},
		"folders again in each split":  {recordings{name: foldersAgain, test: byGroup, label: fourLabels, near: 0.7}, ""},
		"names again under each label": {recordings{name: againInLabel, test: byGroup, label: fourLabels, near: 0.7}, ""},
		"order again in each split":    {recordings{name: orderAgain, test: byGroup, label: fourLabels, near: 0.7}, ""},
		"order again, no labels":       {recordings{name: orderAgain, test: byGroup, label: fourLabels, near: 0.7, unlabeled: true}, ""},
		"split by group, names":        {recordings{name: byName, test: byGroup, label: fourLabels, near: 0.7}, ""},
		"split by group, folders":      {recordings{name: byFolder, test: byGroup, label: fourLabels, near: 0.7}, ""},
		"names that say nothing":       {recordings{name: byName, test: atRandom, label: fourLabels, near: 0}, ""},
		"folders of nothing":           {recordings{name: byFolder, test: atRandom, label: fourLabels, near: 0}, ""},
		"order of nothing":             {recordings{name: byOrder, test: atRandom, label: fourLabels, near: 0}, ""},
		"shuffled":                     {recordings{name: shuffled, test: atRandom, label: fourLabels, near: 0.7}, ""},
		"hashes":                       {recordings{name: hashed, test: atRandom, label: fourLabels, near: 0.7}, ""},
		"named by class":               {recordings{name: byClass, test: atRandom, label: func(recording int) int { return recording / 3 }, near: 0}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.set.recordings, tc.set.frames = 60, 20
			for seed := range uint64(3) {
				for _, local := range []bool{true, false} {
					r := tc.set.find(t, seed, local)
					if tc.want == "" {
						if r.Sequences == nil || len(r.Sequences.Groups.Crossing) > 0 {
							t.Errorf("seed %d: suspects %+v by %s: %d of %d together, chance %g", seed, r.Sequences.Groups, r.Sequences.Evidence,
								r.Sequences.Together, r.Sequences.Compared, r.Sequences.Chance)
						}
						continue
					}
					s := r.Sequences
					if s == nil || s.Evidence != tc.want || s.Of == nil {
						t.Errorf("seed %d: %+v", seed, s)
						continue
					}
					crossing := 0
					for recording := range 60 {
						sides := map[string]bool{}
						for frame := range 20 {
							sides[r.Samples[20*recording+frame].Split] = true
						}
						if len(sides) == 2 {
							crossing++
						}
					}
					if tc.want == ByOrder || tc.want == ByTime { // a recording may be found in several pieces
						if len(s.Groups.Crossing) < crossing/2 {
							t.Errorf("seed %d: %d of %d cross", seed, len(s.Groups.Crossing), crossing)
						}
					} else if len(s.Groups.Crossing) != crossing {
						t.Errorf("seed %d: %d of %d cross", seed, len(s.Groups.Crossing), crossing)
					}
					for row, sequence := range s.Of { // no sequence holds samples of two recordings
						if sequence != "" && row > 0 && s.Of[row-1] == sequence && row%20 == 0 {
							t.Errorf("seed %d: %s joins two recordings", seed, sequence)
						}
					}
				}
			}
		})
	}
}

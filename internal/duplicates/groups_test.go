package duplicates

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindGroups(t *testing.T) {
	sample := func(split, group string) Sample { return Sample{Split: split, Group: group} }
	for name, tc := range map[string]struct {
		samples []Sample
		want    Groups
	}{
		"none": {[]Sample{sample("train", ""), sample("test", "")}, Groups{Judged: true}},
		"one side": {
			[]Sample{sample("train", "a"), sample("train", "a"), sample("train", "b")},
			Groups{Groups: 2, Samples: 3},
		},
		"split by group": {
			[]Sample{sample("train", "a"), sample("train", "b"), sample("test", "c")},
			Groups{Groups: 3, Samples: 3, Judged: true},
		},
		"crossing": {
			[]Sample{
				sample("train", "b"), sample("test", "b"), sample("extra", "a"), sample("val", "a"), sample("test", "c"), sample("val", "c"),
				sample("train", "d"), sample("test", "d"), sample("test", "d"), sample("test", ""),
			},
			Groups{Groups: 4, Samples: 9, Judged: true, CrossingSamples: 4, Crossing: []CrossingGroup{{"d", 2, 1}, {"a", 1, 1}, {"b", 1, 1}}},
		},
		"of a baseline": {
			[]Sample{sample("test", "a"), {Split: "train", Group: "a", Baseline: true}, sample("train", "b")},
			Groups{Groups: 2, Samples: 2, Judged: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, FindGroups(tc.samples, []string{"test", "val"})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Groups that are on one side as a whole never cross; of those that are divided at random every one is named that has
// samples on both sides.
func TestFindGroupsAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 1))
	for range 200 {
		var byGroup, atRandom []Sample
		held, others := map[string]int{}, map[string]int{}
		for range r.IntN(100) {
			group := fmt.Sprint(r.IntN(20))
			split := []string{"train", "test"}[r.IntN(2)]
			atRandom = append(atRandom, Sample{Split: split, Group: group})
			if split == "test" {
				held[group]++
			} else {
				others[group]++
			}
			byGroup = append(byGroup, Sample{Split: []string{"train", "test"}[len(group)-1], Group: group})
		}
		if got := FindGroups(byGroup, []string{"test"}); len(got.Crossing) > 0 {
			t.Fatalf("split by group, and %v cross", got.Crossing)
		}
		want := map[string]CrossingGroup{}
		for group, n := range held {
			if others[group] > 0 {
				want[group] = CrossingGroup{group, n, others[group]}
			}
		}
		got := map[string]CrossingGroup{}
		for _, g := range FindGroups(atRandom, []string{"test"}).Crossing {
			got[g.Name] = g
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

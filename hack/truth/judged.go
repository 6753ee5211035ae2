package main

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
)

// judged are images in ../shared/data that were looked at, because a method found them where the oracle sees no copies,
// and that show one shot: crops beyond its range, or something changed. Each line is of one shot.
//
//go:embed judged.csv
var judged string

// judgedShots is the number of the line in which an image is.
var judgedShots = sync.OnceValue(func() map[string]int {
	shots := map[string]int{}
	for i, line := range strings.Split(judged, "\n") {
		for name := range strings.SplitSeq(line, ",") {
			shots[name] = i
		}
	}
	return shots
})

// plantedName is how plant calls an edited copy.
var plantedName = regexp.MustCompile(`-[0-9a-f]{8}\.[a-z]+$`)

// judgedCopies tells whether two images, or what they are planted copies of, were judged to show one shot.
func judgedCopies(a, b string) bool {
	shot := func(name string) (int, bool) {
		if at := plantedName.FindStringIndex(name); at != nil {
			name = name[:at[0]] + ".jpg" // all judged images are
		}
		i, is := judgedShots()[name]
		return i, is
	}
	one, judgedOne := shot(a)
	other, judgedOther := shot(b)
	return judgedOne && judgedOther && one == other
}

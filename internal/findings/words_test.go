package findings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	got := []string{
		Thousands(0), Thousands(999), Thousands(1000), Thousands(1234567), Count(1, "pair", "pairs"), Count(2000, "pair", "pairs"),
		Names(nil, "or"), Names([]string{"a"}, "or"), Names([]string{"", "b", "c"}, "or"), Names(strings.Split("abcdefghi", ""), "and"),
		Names([]string{"a\nb\u202e"}, "or"), Significant(0.1613061), Significant(1e-17), Significant(12.25),
	}
	want := []string{
		"0", "999", "1,000", "1,234,567", "1 pair", "2,000 pairs",
		"none named", "a", "the samples without a split, b or c", "a, b, c, d, e, f and 3 more",
		"a\uFFFDb\uFFFD", "0.1613", "0", "12.25",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

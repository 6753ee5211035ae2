package findings

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// Count is a number with the word for one or for many.
func Count(n int64, one, many string) string { return Thousands(n) + " " + Plural(n, one, many) }

// Plural is the word for one or for many.
func Plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Names joins names as a sentence does. It cleans them, cuts each to 64 bytes, and names six at most.
func Names(names []string, conjunction string) string {
	const most, longest = 6, 64
	shown := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		if name == "" {
			name = "the samples without a split"
		}
		shown = append(shown, text.Cut(text.Name(name), longest))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprint(more, " more"))
	}
	switch n := len(shown); n {
	case 0:
		return "none named"
	case 1:
		return shown[0]
	default:
		return strings.Join(shown[:n-1], ", ") + " " + conjunction + " " + shown[n-1]
	}
}

// Thousands writes n with separators.
func Thousands[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Significant writes a measure in four digits. What is below 1e-12 is rounding, at the scale of unit vectors, and
// written as 0.
func Significant(x float64) string {
	if math.Abs(x) < 1e-12 {
		x = 0
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

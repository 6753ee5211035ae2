package dataset

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseScore reads a number, a date or a time (RFC 3339), which becomes seconds; NaN for an empty text.
func parseScore(text string) (float64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return math.NaN(), nil
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return x, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.UnixNano()) / 1e9, nil
		}
	}
	return 0, fmt.Errorf("%.40q is neither a number nor a date (2026-05-01) nor a time (2026-05-01T12:00:00Z)", text)
}

package findings

import (
	"fmt"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// withheld says what verdicts kept from being found.
func withheld(w *v1alpha1.WithheldSummary) string {
	parts := []string{Count(w.Pairs, "pair of copies", "pairs of copies")}
	for _, p := range []struct {
		n         int64
		one, many string
	}{{w.ExactCopies, "exact copy", "exact copies"}, {w.Leaks, "leak", "leaks"}, {w.Conflicts, "label conflict", "label conflicts"}} {
		if p.n > 0 {
			parts = append(parts, Count(p.n, p.one, p.many))
		}
	}
	return fmt.Sprintf("Verdicts of reviewers withhold %s", strings.Join(parts, ", "))
}

func (l *list) withheld(w *v1alpha1.WithheldSummary) {
	if w.Pairs > 0 {
		kind := Note
		if w.Leaks+w.ExactCopies+w.Conflicts > 0 {
			kind = Bad
		}
		text := withheld(w)
		if w.Anonymous > 0 {
			text += fmt.Sprintf("; %s no reviewer", Count(w.Anonymous, "verdict says", "verdicts say"))
		}
		l.say(Careful, kind, "%s", text)
	}
	if w.Overruled > 0 {
		l.say(Careful, Note, "%s judged apart, but %s the same in an evaluation split and outside of it: no verdict makes of that no leak",
			Count(w.Overruled, "pair of samples is", "pairs of samples are"), Plural(w.Overruled, "shows", "show"))
	}
}

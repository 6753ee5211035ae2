package v1alpha1

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseReview(t *testing.T) {
	many := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for name, test := range map[string]struct{ file, fails string }{
		"all kinds": {file: `{"schemaVersion": 1, "audit": "team/photos", "verdicts": [
			{"verdict": "Copies", "members": ["a", "b"]}, {"verdict": "NotCopies", "members": ["a", "c", "d"]}, {"verdict": "Unsure", "members": ["e", "f"]}]}`},
		"none":            {file: `{"schemaVersion": 1, "verdicts": []}`},
		"a field to come": {file: `{"schemaVersion": 1, "verdicts": [{"verdict": "Copies", "members": ["a", "b"], "by": "me"}]}`},
		"not JSON":        {file: `verdicts: []`, fails: "not a review as report.html exports it: "},
		"another file":    {file: `{"samples": []}`, fails: "schemaVersion is 0, and 1 can be read"},
		"from later":      {file: `{"schemaVersion": 2, "verdicts": []}`, fails: "schemaVersion is 2, and 1 can be read"},
		"unknown verdict": {
			file:  `{"schemaVersion": 1, "verdicts": [{"verdict": "Copies", "members": ["a", "b"]}, {"verdict": "copies", "members": ["a", "b"]}]}`,
			fails: `verdicts[1]: "copies" is not one of Copies, NotCopies and Unsure`,
		},
		"one member":       {file: `{"schemaVersion": 1, "verdicts": [{"verdict": "Unsure", "members": ["a"]}]}`, fails: "verdicts[0]: 1 members, must be 2 to 1024"},
		"a member twice":   {file: `{"schemaVersion": 1, "verdicts": [{"verdict": "Unsure", "members": ["a", "b", "a"]}]}`, fails: "verdicts[0]: a member stands there twice"},
		"too many members": {file: `{"schemaVersion": 1, "verdicts": [{"verdict": "Unsure", "members": [` + many(1025, `"a"`) + `]}]}`, fails: "verdicts[0]: 1025 members"},
		"too many": {
			file: `{"schemaVersion": 1, "verdicts": [` + many(MaxVerdicts+1, `{"verdict": "Unsure", "members": ["a", "b"]}`) + `]}`, fails: "100001 verdicts, at most 100000 can be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			review, err := ParseReview([]byte(test.file))
			if test.fails != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.fails) {
					t.Errorf("%v, want %s", err, test.fails)
				}
				return
			}
			if err != nil || len(review.Verdicts) != strings.Count(test.file, "members") {
				t.Errorf("%+v, %v", review, err)
			}
		})
	}
}

// What is read is within its bounds, and is written as it is read.
func FuzzParseReview(f *testing.F) {
	f.Add([]byte(`{"schemaVersion": 1, "audit": "a/b", "verdicts": [{"verdict": "NotCopies", "members": ["a", "<\u2028"]}]}`))
	f.Add([]byte(`{"schemaVersion": 1e0, "verdicts": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		review, err := ParseReview(data)
		if err != nil {
			return
		}
		for _, v := range review.Verdicts {
			if len(v.Members) < 2 || len(v.Members) > MaxVerdictMembers {
				t.Errorf("%d members", len(v.Members))
			}
		}
		written, err := json.Marshal(review)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseReview(written)
		if diff := cmp.Diff(fmt.Sprintf("%+v", review), fmt.Sprintf("%+v", again)); err != nil || diff != "" {
			t.Errorf("%v (-read +read again):\n%s", err, diff)
		}
	})
}

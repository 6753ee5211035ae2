package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// U+202E turns the reading order, U+2028 ends a line, U+200D joins an emoji, U+0085 and U+009B steer a terminal.
const hostile = " a\x1b[31m\u202eb\xff\xfe\n\n\tc  d\u2028\u0085\u009b👩\u200d💻 "

func TestMedia(t *testing.T) {
	for name, c := range map[string]struct {
		rule        func(string) string
		given, want string
	}{
		"a file":                 {text.Valid, hostile, " a\x1b[31m\u202eb�\n\n\tc  d\u2028\u0085\u009b👩\u200d💻 "},
		"a page":                 {text.Visible, hostile, " a�[31m�b�\n\n�c  d���👩\u200d💻 "},
		"a name":                 {text.Name, hostile, " a�[31m�b����c  d���👩\u200d💻 "},
		"a line":                 {text.Line, hostile, "a [31m�b� c  d 👩\u200d💻"},
		"a line of nothing":      {text.Line, "\n \t", ""},
		"a line that is one":     {text.Line, "two  spaces, ü and 世界", "two  spaces, ü and 世界"},
		"an error":               {text.Quoted, hostile, `" a\x1b[31m\u202eb\xff\xfe\n\n\tc  d\u2028\u0085\u009b👩\u200d💻 "`},
		"an error, a plain name": {text.Quoted, "train/Ångström 7.jpg", "train/Ångström 7.jpg"},
		"an error, a quote":      {text.Quoted, `a"b`, `"a\"b"`},
	} {
		if got := c.rule(c.given); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		given       string
		limit       int
		cut, prefix string
	}{
		{"", 0, "", ""}, {"abc", 3, "abc", "abc"}, {"abcd", 3, "…", "abc"}, {"abcdef", 5, "ab…", "abcde"}, {"äöü", 5, "ä…", "äö"}, {"äöü", 4, "…", "äö"},
		{"äöü", 2, "", "ä"}, {"世界", 1, "", ""}, {"世界", 0, "", ""},
	} {
		if cut, prefix := text.Cut(c.given, c.limit), text.Prefix(c.given, c.limit); cut != c.cut || prefix != c.prefix {
			t.Errorf("%q to %d bytes: %q and %q, want %q and %q", c.given, c.limit, cut, prefix, c.cut, c.prefix)
		}
	}
}

// Whatever is given, each rule's result is valid, bounded, steers nothing, and is the same when the rule is applied
// again.
func FuzzMedia(f *testing.F) {
	f.Add(hostile, 10)
	f.Add("\u2066\u2069\u061c\x00", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(limit, 0) % 100
		for name, rule := range map[string]func(string) string{
			"Valid": text.Valid, "Visible": text.Visible, "Name": text.Name, "Line": text.Line,
		} {
			got := rule(s)
			if !utf8.ValidString(got) {
				t.Errorf("%s(%q) = %q is not UTF-8", name, s, got)
			}
			if again := rule(got); again != got {
				t.Errorf("%s of %q = %q", name, got, again)
			}
			if cut := text.Cut(got, limit); len(cut) > limit || !utf8.ValidString(cut) || !strings.HasPrefix(got, strings.TrimSuffix(cut, "…")) {
				t.Errorf("Cut(%q, %d) = %q", got, limit, cut)
			}
			if prefix := text.Prefix(got, limit); len(prefix) > limit || !utf8.ValidString(prefix) || !strings.HasPrefix(got, prefix) {
				t.Errorf("Prefix(%q, %d) = %q", got, limit, prefix)
			}
			if name == "Valid" {
				continue
			}
			for _, r := range got {
				if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) && (r != '\n' || name != "Visible") {
					t.Errorf("%s(%q) = %q lets %U pass", name, s, got, r)
				}
			}
		}
		if got := text.Quoted(s); strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(got) {
			t.Errorf("Quoted(%q) = %q", s, got)
		}
	})
}

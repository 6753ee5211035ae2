// Package text makes the words of others fit for where they are shown: the names of samples and labels, the messages of
// pods and servers. Whoever wrote them may not steer a terminal, turn the reading order of a page or break a line of a
// log.
//
// Each medium has its rule:
//
//	a file that programs read        [Valid]
//	a page, several lines            [Visible]
//	a name in a line or a table      [Name]
//	a message in a condition or log  [Line], and [Cut] to its bound
//	a name in an error               [Quoted]
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Valid is s with each run of bytes that are not UTF-8 replaced by U+FFFD. Nothing else changes, since programs compare
// it.
func Valid(s string) string { return strings.ToValidUTF8(s, string(unicode.ReplacementChar)) }

// Visible is s as valid UTF-8, with each character that steers rather than shows replaced by U+FFFD. Line feeds stay.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && steers(r) {
			return unicode.ReplacementChar
		}
		return r
	}, Valid(s))
}

// Name is [Visible] without line feeds: they, too, are replaced by U+FFFD, so that two names that differ look
// different.
func Name(s string) string {
	return strings.ReplaceAll(Visible(s), "\n", string(unicode.ReplacementChar))
}

// Line is [Visible] as one line: controls count as white space here. White space at the ends goes, and a run of it that
// is more than spaces becomes one space.
func Line(s string) string {
	var line strings.Builder
	spaces, broken := 0, false
	for _, r := range Valid(s) {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			spaces++
			broken = broken || r != ' '
			continue
		}
		if line.Len() > 0 {
			if broken {
				spaces = 1
			}
			line.WriteString(strings.Repeat(" ", spaces))
		}
		spaces, broken = 0, false
		if steers(r) {
			r = unicode.ReplacementChar
		}
		line.WriteRune(r)
	}
	return line.String()
}

// Quoted is s, or s as a Go string where it holds what can't be printed: in an error it must be plain which name is
// meant.
func Quoted(s string) string {
	if quoted := strconv.Quote(s); quoted[1:len(quoted)-1] != s {
		return quoted
	}
	return s
}

// mark ends a text that was cut.
const mark = "…"

// Cut bounds s to limit bytes, at a whole character. The mark … ends what was cut, where there is room for it.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	if limit < len(mark) {
		return ""
	}
	return Prefix(s, limit-len(mark)) + mark
}

// Prefix is the start of s with at most limit bytes, to a whole character.
func Prefix(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// steers says whether r moves a cursor, ends a line or turns the reading order: controls, separators of lines and
// paragraphs, and Unicode's marks of direction (UAX #9). Joiners within words stay: Persian and emoji need them.
func steers(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// Shell is s as one word of a shell's command line.
func Shell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

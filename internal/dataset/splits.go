package dataset

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// One list of names says everywhere what a split is, and which splits are for evaluation: of folders, of files, of
// archives, of tables. Case doesn't count, nor do the years, numbers and words that people append: train2017, Test,
// val_images.

// role is what a split is for.
type role string

const (
	noRole     role = ""
	training   role = "training"
	evaluation role = "evaluation"
	other      role = "other" // neither, such as unlabeled: a split only beside others
)

// roles are the words that make a name that of a split.
var roles = map[string]role{
	"train": training, "training": training, "trn": training, "trainval": training, "trainvalid": training,
	"heldout": evaluation,
	"test":    evaluation, "testing": evaluation, "tst": evaluation,
	"val": evaluation, "valid": evaluation, "validation": evaluation, "validate": evaluation, "minival": evaluation,
	"eval": evaluation, "evaluation": evaluation, "dev": evaluation, "testdev": evaluation, "holdout": evaluation,
	"unlabeled": other, "unlabelled": other, "extra": other,
}

// besides are the words that a split's name may have besides.
var besides = []string{
	"set", "split", "data", "dataset", "images", "image", "img", "imgs", "full", "part", "subset", "challenge", "public", "private", "final", "v", "a", "b",
}

// roleOf returns the role that a name has as a split's, and the words in it that have nothing to do with splits.
func roleOf(name string) (found role, rest string) {
	for _, word := range joined(words(name)) {
		r, ok := roleOfWord(word)
		switch {
		case ok && (found == noRole || found == other):
			found = r
		case ok && r != found && r != other:
			found = evaluation // test of dev, val of train: what is held out
		case !ok && !slices.Contains(besides, word):
			rest += word + " "
		}
	}
	return found, rest
}

// joined makes one word of two that stand for one: train_val is trainval, hold-out holdout.
func joined(words []string) []string {
	out := words[:0:0]
	for _, word := range words {
		if n := len(out); n > 0 {
			if _, known := roles[out[n-1]+word]; known {
				out[n-1] += word
				continue
			}
		}
		out = append(out, word)
	}
	return out
}

// roleOfWord knows a word with another one grown to it, too: trainset, testimg, testA.
func roleOfWord(word string) (role, bool) {
	if r, ok := roles[word]; ok {
		return r, true
	}
	for _, ending := range []string{"set", "sets", "data", "images", "imgs", "img", "folder", "dir", "s", "a", "b"} {
		stem, cut := strings.CutSuffix(word, ending)
		if r := roles[stem]; cut && r != noRole && (len(ending) > 1 || stem == "train" || stem == "test") {
			return r, true
		}
	}
	return noRole, false
}

// words are a name's words in lower case: what stands between other characters than letters, and what begins with a
// capital behind a small letter, as in trainSet.
func words(name string) []string {
	var spaced strings.Builder
	before := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.FieldsFunc(spaced.String(), func(r rune) bool { return !unicode.IsLetter(r) })
}

// isSplitName tells whether a name means a split by itself.
func isSplitName(name string) bool {
	r, rest := roleOf(name)
	return (r == training || r == evaluation) && rest == ""
}

// beside tells whether a name means a split where others are beside it, such as unlabeled.
func beside(name string) bool {
	r, rest := roleOf(name)
	return r == other && rest == ""
}

// areSplits tells whether names that stand side by side are those of splits: all are, or some are but for what they
// have in common, training beside evaluation, such as seg_train, seg_test and seg_pred.
func areSplits(names []string) bool {
	known, plain := false, true
	seen := map[string]map[role]bool{}
	for _, name := range names {
		r, rest := roleOf(name)
		plain = plain && r != noRole && rest == ""
		known = known || isSplitName(name)
		if seen[rest] == nil {
			seen[rest] = map[role]bool{}
		}
		seen[rest][r] = true
		if seen[rest][training] && seen[rest][evaluation] {
			return true
		}
	}
	return known && plain
}

// bothRoles tells whether some names are those of training, and some those of evaluation.
func bothRoles(names []string) bool {
	seen := map[role]bool{}
	for _, name := range names {
		r, _ := roleOf(name)
		seen[r] = true
	}
	return seen[training] && seen[evaluation]
}

// IsEvaluation tells whether a split of this name must not leak into the others: test, val, dev and the like, in any
// case, with what people put before and behind.
func IsEvaluation(split string) bool {
	r, _ := roleOf(split)
	return r == evaluation
}

// splitOf tells a shard's split from its path, as Hugging Face's datasets do: a split's usual name, set apart from
// other words, in the file's name (train-00000-of-00005.parquet), the last one there, or else in the nearest folder
// (train/000.tar). Empty if there is none.
func splitOf(key string) string {
	for ; key != "" && key != "." && key != "/"; key = path.Dir(key) {
		if split := splitIn(path.Base(key)); split != "" {
			return split
		}
	}
	return ""
}

// splitIn is the last word of a name that is a split's.
func splitIn(name string) string {
	for _, word := range slices.Backward(joined(words(name))) {
		if _, ok := roleOfWord(word); ok {
			return word
		}
	}
	return ""
}

// splitOfFile tells a sample's split from the path of its own file: from the nearest folder that is called like a
// split, or else from the file's name.
func splitOfFile(key string) string {
	for folder := path.Dir(key); folder != "." && folder != "/"; folder = path.Dir(folder) {
		if name := path.Base(folder); isSplitName(name) {
			return name
		}
	}
	return splitIn(path.Base(key))
}

// splitsOfFiles gives samples the splits that the paths of their files name (train/a.jpg, test_00.jpg), if every one of
// them does, and training has a part beside evaluation: a lone word may mean anything. It warns if most do.
func splitsOfFiles(entries []entry, file func(e *entry) string) (warnings []string) {
	splits := make([]string, len(entries))
	seen := map[role]bool{}
	without, example := 0, ""
	for i := range entries {
		if entries[i].err != nil {
			continue
		}
		if splits[i] = splitOfFile(file(&entries[i])); splits[i] == "" {
			without, example = without+1, entries[i].ID
		}
		r, _ := roleOf(splits[i])
		seen[r] = true
	}
	if !seen[training] || !seen[evaluation] {
		return nil
	}
	if without > 0 {
		if without > len(entries)/2 {
			return nil
		}
		return []string{fmt.Sprintf("the paths of most samples name a split, and those of %d don't, such as %s: no split is taken from them; say the splits in a Manifest with the columns path and split", without, example)}
	}
	names := interner{}
	for i := range entries {
		entries[i].Split = names.get(splits[i])
	}
	return nil
}

package vectors

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// listPrefix begins the names of the lists of the parts that a run used. A list's name follows from what it says, so runs
// that use the same parts write the same list again, and its time is that of the last of them.
const (
	listPrefix, listSuffix = "used-", ".txt"
	// maxList bounds a list: a name has some 40 bytes.
	maxList = 64 << 20
)

// lists are the names of the parts that are used, by the folder of their recipe.
func (s *Store) lists(used []bool) map[string][]string {
	lists := map[string][]string{}
	for i, p := range s.parts {
		if used[i] {
			recipe, name := path.Split(p.key)
			lists[recipe] = append(lists[recipe], name)
		}
	}
	return lists
}

// leave writes lists beside the parts.
func (s *Store) leave(ctx context.Context, lists map[string][]string) error {
	for recipe, names := range lists {
		slices.Sort(names)
		text := strings.Join(names, "\n") + "\n"
		sum := sha256.Sum256([]byte(text))
		key := fmt.Sprintf("%s%s%x%s", recipe, listPrefix, sum[:12], listSuffix)
		write := func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}
		err := s.write(ctx, key, write)
		if err == nil && s.Remote != nil {
			err = s.Remote.Write(ctx, key, write)
		}
		if err != nil {
			return fmt.Errorf("vector store: %w", err)
		}
	}
	return nil
}

// staleAfter is the age from which a half-written file belongs to no living process: a part is written within seconds.
const staleAfter = time.Hour

// Sweep removes what was written before a time and is in no list that was written since, what killed processes left half
// written, and the parts of versions that kept them by their place in a dataset. It returns how many bytes that frees.
// Objects that no store puts there stay.
func Sweep(ctx context.Context, b Bucket, since time.Time) (freed int64, err error) {
	objects, err := b.List(ctx, "")
	if err != nil {
		return 0, fmt.Errorf("vector store: %w", err)
	}
	recipes := map[string][]Object{}
	for _, o := range objects {
		if recipe, old := isOld(o, since); old {
			recipes[recipe] = append(recipes[recipe], o)
		}
	}
	for recipe, old := range recipes {
		// The lists are looked for once more: a run may have begun since.
		used, err := usedOf(ctx, b, recipe, since)
		for _, o := range old {
			if err == nil && !used[path.Base(o.Key)] {
				if err = b.Delete(ctx, o.Key); err == nil {
					freed += o.Size
				}
			}
		}
		if err != nil {
			return freed, fmt.Errorf("vector store: %w", err)
		}
	}
	return freed, nil
}

// isOld says whether an object is one that a store puts there, and old; and of which recipe it is. One whose time isn't
// known is not old.
func isOld(o Object, since time.Time) (recipe string, old bool) {
	recipe, name := path.Split(o.Key)
	recipe = strings.TrimSuffix(recipe, "/")
	ours := false
	switch {
	case o.Modified.IsZero():
	case strings.HasPrefix(name, asidePrefix) && (recipe == "" || isRecipe(recipe)):
		ours, since = true, time.Now().Add(-staleAfter)
	case recipe == "":
		ours = strings.HasPrefix(name, RunPrefix) || isOfEarlierVersion(name)
	case isRecipe(recipe):
		ours = isPart(name) || isNamed(name, listPrefix, listSuffix)
	}
	return recipe, ours && o.Modified.Before(since)
}

// isOfEarlierVersion knows the parts that were kept by their place in a dataset: part-000000.vec and so on.
func isOfEarlierVersion(name string) bool {
	digits, one := strings.CutPrefix(name, partPrefix)
	digits, two := strings.CutSuffix(digits, partSuffix)
	return one && two && len(digits) == 6 && strings.Trim(digits, "0123456789") == ""
}

// RunPrefix begins the names of what runs leave beside the recipes' folders for their later steps.
const RunPrefix = "dataset-audit-run-"

// usedOf are the names of parts, and of lists, that are in use.
func usedOf(ctx context.Context, b Bucket, recipe string, since time.Time) (map[string]bool, error) {
	used := map[string]bool{}
	if recipe == "" {
		return used, nil
	}
	lists, err := b.List(ctx, recipe+"/"+listPrefix)
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		if l.Modified.Before(since) && !l.Modified.IsZero() || l.Size == 0 {
			continue
		}
		used[path.Base(l.Key)] = true
		text, err := b.Head(ctx, l.Key, maxList)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for name := range strings.Lines(string(text)) {
			used[strings.TrimSpace(name)] = true
		}
	}
	return used, nil
}

// Kept is what a store holds of one recipe.
type Kept struct {
	Recipe string
	Parts  int
	// Bytes of all that is there.
	Bytes int64
	// Used is when a run last used or wrote some of it.
	Used time.Time
}

// List says what a store holds, what was used last first.
func List(ctx context.Context, b Bucket) ([]Kept, error) {
	objects, err := b.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	recipes := map[string]*Kept{}
	for _, o := range objects {
		recipe, _, in := strings.Cut(o.Key, "/")
		if !in || !isRecipe(recipe) {
			continue
		}
		if recipes[recipe] == nil {
			recipes[recipe] = &Kept{Recipe: recipe}
		}
		kept := recipes[recipe]
		kept.Bytes += o.Size
		if isPart(o.Key) {
			kept.Parts++
		}
		if o.Modified.After(kept.Used) {
			kept.Used = o.Modified
		}
	}
	var all []Kept
	for _, kept := range recipes {
		if kept.Parts > 0 {
			all = append(all, *kept)
		}
	}
	slices.SortFunc(all, func(a, b Kept) int {
		if order := b.Used.Compare(a.Used); order != 0 {
			return order
		}
		return strings.Compare(a.Recipe, b.Recipe)
	})
	return all, nil
}

// unusedFor is how long a recipe must not have been used to make room for another: a live run may need it.
const unusedFor = 24 * time.Hour

// makeRoom removes from this machine all of the recipe, other than the store's, that was not used for longest. It says
// whether there was one.
func (s *Store) makeRoom(ctx context.Context) bool {
	all, err := List(ctx, s.local)
	if err != nil {
		return false
	}
	for _, kept := range slices.Backward(all) {
		own := slices.ContainsFunc(s.recipes(), func(recipe Digest) bool { return folderOf(recipe) == kept.Recipe })
		if !own && time.Since(kept.Used) > unusedFor {
			return os.RemoveAll(s.local.path(kept.Recipe)) == nil
		}
	}
	return false
}

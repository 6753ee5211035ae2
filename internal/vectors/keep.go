package vectors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Kept is what a store's folder holds of one recipe.
type Kept struct {
	Recipe string
	Parts  int
	// Bytes of the files.
	Bytes int64
	// Used is when a run last read or wrote some of it.
	Used time.Time
}

// List says what the store in a folder holds, what was used last first. A folder that isn't there holds nothing.
func List(root string) ([]Kept, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	var all []Kept
	for _, entry := range entries {
		kept := Kept{Recipe: entry.Name()}
		paths, err := partsIn(filepath.Join(root, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("vector store: %w", err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				continue // another run removed it
			}
			kept.Parts, kept.Bytes = kept.Parts+1, kept.Bytes+info.Size()
			if info.ModTime().After(kept.Used) {
				kept.Used = info.ModTime()
			}
		}
		if kept.Parts > 0 {
			all = append(all, kept)
		}
	}
	slices.SortFunc(all, func(a, b Kept) int { return b.Used.Compare(a.Used) })
	return all, nil
}

// staleAfter is the age from which a half-written file belongs to no living process: a part is written within seconds.
const staleAfter = time.Hour

// Prune removes the parts in a folder that no run has used since a time, what killed processes left half written, and
// the parts of versions that kept them by their place in a dataset. It returns how many bytes that frees.
func Prune(root string, since time.Time) (freed int64, err error) {
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // another run removed it
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !isOld(path, root, info, since) {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		freed += info.Size()
		return nil
	})
	if err != nil {
		return freed, fmt.Errorf("vector store: %w", err)
	}
	return freed, nil
}

func isOld(path, root string, info fs.FileInfo, since time.Time) bool {
	switch name := info.Name(); {
	case strings.HasPrefix(name, asidePrefix):
		return time.Since(info.ModTime()) >= staleAfter
	case strings.HasPrefix(name, partPrefix) && strings.HasSuffix(name, partSuffix):
		return filepath.Dir(path) == filepath.Clean(root) || info.ModTime().Before(since)
	}
	return false
}

// Expire says that the store's recipe is in use now, and removes what no run has used since a time.
func (s *Store) Expire(ctx context.Context, since time.Time) error {
	if s.remote != nil {
		if err := s.useRemote(ctx, time.Now(), since); err != nil {
			return fmt.Errorf("vector store: %w", err)
		}
	}
	_, err := Prune(s.root, since)
	return err
}

// unusedFor is how long a recipe must not have been used to make room for another: a live run may need it.
const unusedFor = 24 * time.Hour

// makeRoom removes all of the recipe, other than the store's, that was not used for longest. It says whether there was
// one.
func (s *Store) makeRoom() bool {
	all, err := List(s.root)
	if err != nil {
		return false
	}
	for _, kept := range slices.Backward(all) {
		if dir := filepath.Join(s.root, kept.Recipe); dir != s.dir && time.Since(kept.Used) > unusedFor {
			return os.RemoveAll(dir) == nil
		}
	}
	return false
}

// use says that parts are in use now, so that they are not pruned.
func use(paths []string) {
	now := time.Now()
	for _, path := range paths {
		_ = os.Chtimes(path, now, now) // a file of another user lives no longer than its last writer says
	}
}

// escapeGlob makes a path stand for itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

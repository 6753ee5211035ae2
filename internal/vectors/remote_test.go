package vectors

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// remote is object storage that may refuse to take objects whose keys hold a word.
type remote struct {
	Bucket
	refuse string
	opened int
}

var errRefused = errors.New("refused")

func (r *remote) Write(ctx context.Context, key string, write func(io.Writer) error) error {
	if r.refuse != "" && strings.Contains(key, r.refuse) {
		return errRefused
	}
	return r.Bucket.Write(ctx, key, write)
}

func (r *remote) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r.opened++
	return r.Bucket.Open(ctx, key)
}

// machine opens a store with a folder of its own for the places 1, 2 and 3.
func machine(t *testing.T, r *remote, recipe byte) *Store {
	t.Helper()
	return openWith(t, Options{Folder: t.TempDir(), Remote: r, Recipe: Digest{recipe}}, 1, 2, 3)
}

func readOneTwoThree(t *testing.T, s *Store) error {
	t.Helper()
	set, err := s.Read(t.Context())
	if err != nil {
		return err
	}
	defer set.Close()
	if diff := cmp.Diff([]int{1, 2, 3}, numbers(set)); diff != "" {
		t.Error(diff)
	}
	return nil
}

// Machines with folders of their own share what they embed, and a lost folder costs nothing.
func TestRemote(t *testing.T) {
	place := t.TempDir()
	r := &remote{Bucket: OpenFolder(place)}
	one, two := machine(t, r, 1), machine(t, r, 1)
	many := make([]int, 3000) // their header is larger than what is read at first
	for i := range many {
		many[i] = 1
	}
	write(t, one, part(many, many))
	write(t, one, part([]int{2}, []int{2}))
	write(t, two, part([]int{3}, []int{3}))
	if err := readOneTwoThree(t, machine(t, r, 1)); err != nil {
		t.Fatal(err)
	}
	if machine(t, r, 2).Has(digestOf(1)) {
		t.Error("another recipe has its contents")
	}

	// A copy that is damaged is fetched again.
	s := machine(t, r, 1)
	if err := readOneTwoThree(t, s); err != nil {
		t.Fatal(err)
	}
	flip(t, partsOf(t, s.Folder, 1)[1], -5)
	r.opened = 0
	if err := readOneTwoThree(t, s); err != nil || r.opened != 1 {
		t.Errorf("%v, %d parts were fetched", err, r.opened)
	}

	// A part that is damaged there is removed there.
	damaged := partsOf(t, place, 1)[0]
	flip(t, damaged, -5)
	if absent, is := errors.AsType[*AbsentError](readOneTwoThree(t, machine(t, r, 1))); !is || absent.Damaged == "" {
		t.Error("a damaged part is not noticed")
	}
	if _, err := os.Stat(damaged); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the damaged part is still there: %v", err)
	}
}

// A part that didn't get there is not known, neither now nor when the folder is opened again.
func TestRemoteRefuses(t *testing.T) {
	r := &remote{Bucket: OpenFolder(t.TempDir()), refuse: partPrefix}
	s := machine(t, r, 1)
	if err := s.Write(t.Context(), part([]int{1}, []int{1})); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	again := openWith(t, Options{Folder: s.Folder, Remote: r, Recipe: Digest{1}}, 1, 2, 3)
	for _, s := range []*Store{s, again} {
		if s.Knows(0) || s.Has(digestOf(1)) {
			t.Error("what nobody else can read is known")
		}
	}
}

// flip changes a byte of a file, counted from its end if at is negative.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[(at+len(content))%len(content)] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Folders have the rights of what they lie in, so that other users' pods can write there.
func TestRightsOfFolders(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o777|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(root, "claim", ".vectors"))
	for _, dir := range []string{"claim", "claim/.vectors", "claim/.vectors/" + folderOf(s.Recipe)} {
		info, err := os.Stat(filepath.Join(root, dir))
		if err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o777 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

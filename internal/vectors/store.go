package vectors

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// A Store is the parts of one recipe. Its methods may be called concurrently.
type Store struct {
	Recipe Digest
	Layers []Layer

	root, dir string
	remote    Remote // nil for a store that is a local folder alone

	mu    sync.RWMutex
	parts []storedPart
	// samples and contents say where each is in parts.
	samples  map[Place]position
	contents map[Digest]position
}

type storedPart struct {
	name string
	header
}

// A position is a row of a part.
type position struct{ part, row int32 }

// Open opens the store of a recipe in the folder root, making it if need be, and reads what its parts say. A part whose
// header is damaged counts as absent. If remote is not nil, it is where the parts are kept, and the folder holds those
// that were read or written here.
func Open(ctx context.Context, root string, remote Remote, recipe Digest, layers []Layer) (*Store, error) {
	s := &Store{
		Recipe: recipe, Layers: layers, root: root, dir: filepath.Join(root, fmt.Sprintf("%x", recipe[:8])), remote: remote,
		samples: map[Place]position{}, contents: map[Digest]position{},
	}
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	paths, err := partsIn(s.dir)
	if err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	here := map[string]bool{}
	for _, path := range paths {
		h, err := readHeader(path)
		switch {
		case errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist): // another run may have removed it
		case err != nil:
			return nil, fmt.Errorf("vector store: %w", err)
		case s.owns(h):
			here[filepath.Base(path)] = true
			s.add(filepath.Base(path), h)
		}
	}
	if remote != nil {
		if err := s.addRemote(ctx, here); err != nil {
			return nil, fmt.Errorf("vector store: %w", err)
		}
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// partsIn are the files of the parts in a folder, by name.
func partsIn(dir string) ([]string, error) {
	return filepath.Glob(filepath.Join(escapeGlob(dir), partPrefix+"*"+partSuffix))
}

// partPrefix and partSuffix are those of the names of parts.
const partPrefix, partSuffix = "part-", ".vec"

func (s *Store) owns(h header) bool {
	if h.Recipe != s.Recipe || len(h.Layers) != len(s.Layers) {
		return false
	}
	for i, layer := range s.Layers {
		if h.Layers[i] != layer {
			return false
		}
	}
	return true
}

// add makes a part known. Of several things that are said of a place, one that could be read counts.
func (s *Store) add(name string, h header) {
	part := int32(len(s.parts))
	s.parts = append(s.parts, storedPart{name, h})
	for row, content := range h.Contents {
		if _, known := s.contents[content.Digest]; !known {
			s.contents[content.Digest] = position{part, int32(row)}
		}
	}
	for row, sample := range h.Samples {
		before, known := s.samples[sample.Place]
		if !known || s.sample(before).Unreadable != "" {
			s.samples[sample.Place] = position{part, int32(row)}
		}
	}
}

func (s *Store) sample(at position) *Sample   { return &s.parts[at.part].Samples[at.row] }
func (s *Store) content(at position) *Content { return &s.parts[at.part].Contents[at.row] }

// Knows says whether the sample at a place need not be read: it was, and its content is here. What this user was denied
// to read may be allowed by now, without any other sign of it.
func (s *Store) Knows(place Place) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, known := s.samples[place]
	if !known {
		return false
	}
	sample := s.sample(at)
	if sample.Unreadable != "" {
		return !sample.Denied
	}
	_, known = s.contents[sample.Digest]
	return known
}

// Has says whether the store holds a content.
func (s *Store) Has(digest Digest) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, known := s.contents[digest]
	return known
}

// Write publishes a part; it is durable when Write returns. Its name follows from what it holds, so a part that is made
// again takes the place of the first. Where the disk is full, parts of recipes that were not used for longest are removed.
func (s *Store) Write(ctx context.Context, part Part) error {
	sum := sha256.New()
	for _, sample := range part.Samples {
		sum.Write(sample.Place[:])
		sum.Write(sample.Digest[:])
	}
	for _, content := range part.Contents {
		sum.Write(content.Digest[:])
	}
	name := fmt.Sprintf("%s%x%s", partPrefix, sum.Sum(nil)[:12], partSuffix)
	write := func() error {
		return writeAside(s.path(name), func(w io.Writer) error { return encode(w, s.Recipe, s.Layers, part) })
	}
	err := write()
	for errors.Is(err, syscall.ENOSPC) && s.makeRoom() {
		err = write()
	}
	if err == nil && s.remote != nil {
		err = s.upload(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("vector store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(name, header{s.Recipe, s.Layers, part.Samples, part.Contents})
	return nil
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) { // some network file systems can't sync a folder
		err = nil
	}
	return errors.Join(err, dir.Close())
}

package vectors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Layer is one of the matrices of a store.
type Layer struct {
	Name       string `json:"name"`
	Dimensions int    `json:"dimensions"`
}

// A Layout says what the parts of a store hold.
type Layout struct {
	// Fingerprint decides whether a part found on disk is ours.
	Fingerprint Digest
	// Samples is the size of the dataset, PartRows that of a part; the last part may be smaller.
	Samples, PartRows int
	Layers            []Layer
}

// Parts is the number of parts that the dataset needs.
func (l Layout) Parts() int { return (l.Samples + l.PartRows - 1) / l.PartRows }

// Rows returns the samples [from, to) of part p.
func (l Layout) Rows(p int) (from, to int) {
	return p * l.PartRows, min((p+1)*l.PartRows, l.Samples)
}

// A Store is a folder of parts.
type Store struct {
	Layout
	dir string
}

// Create opens the store in dir, making the folder if need be. Parts that are there already stay.
func Create(dir string, layout Layout) (*Store, error) {
	if layout.PartRows <= 0 {
		return nil, fmt.Errorf("vector store: a part of %d rows", layout.PartRows)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	return &Store{Layout: layout, dir: dir}, nil
}

func (s *Store) path(p int) string { return filepath.Join(s.dir, fmt.Sprintf("part-%06d.vec", p)) }

// Records returns what part p knows of its samples, or nil if the store does not hold that part whole: absent, damaged,
// or of another fingerprint.
func (s *Store) Records(p int) ([]Record, error) {
	data, err := mapFile(s.path(p))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	defer unmap(data)
	h, _, err := decode(data)
	if errors.Is(err, errDamaged) || !s.owns(p, h) {
		return nil, nil
	}
	return h.Records, err
}

func (s *Store) owns(p int, h header) bool {
	from, to := s.Rows(p)
	if h.Fingerprint != s.Fingerprint || h.From != from || len(h.Records) != to-from || len(h.Layers) != len(s.Layers) {
		return false
	}
	for i, layer := range s.Layers {
		if h.Layers[i] != layer {
			return false
		}
	}
	return true
}

// Write publishes a part; it is durable when Write returns.
func (s *Store) Write(part Part) error {
	p := part.From / s.PartRows
	if from, to := s.Rows(p); part.From != from || len(part.Records) != to-from {
		return fmt.Errorf("vector store: samples [%d, %d) are not a part", part.From, part.From+len(part.Records))
	}
	if err := writeAside(s.path(p), func(w io.Writer) error { return encode(w, s.Layout, part) }); err != nil {
		return fmt.Errorf("vector store: part %d: %w", p, err)
	}
	return nil
}

// staleAfter is the age from which a half-written file belongs to no living process: a part is written within seconds.
const staleAfter = time.Hour

// Clean removes what killed processes left half written.
func (s *Store) Clean() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("vector store: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !strings.HasPrefix(entry.Name(), ".part-") || time.Since(info.ModTime()) < staleAfter {
			continue // gone already, or somebody's own
		}
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil {
			return fmt.Errorf("vector store: %w", err)
		}
	}
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

// Map maps a file into memory for reading, until release is called.
func Map(path string) (data []byte, release func(), err error) {
	data, err = mapFile(path)
	if err != nil {
		return nil, nil, err
	}
	return data, func() { unmap(data) }, nil
}

// mapFile maps a file into memory for reading, so that the kernel keeps of it what it has room for.
func mapFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, nil
	}
	data, err := mmap(file, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return data, nil
}

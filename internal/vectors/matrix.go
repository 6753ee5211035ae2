package vectors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A Record is what is known of one sample of a dataset.
type Record struct {
	// Digest of the sample's bytes; zero if they could not be read.
	Digest Digest
	// Unreadable says why the sample has no vectors; empty if it has them.
	Unreadable string
	// Pixels, Picture, Taken and Camera are as in Content.
	Pixels  int64
	Picture uint64
	Taken   int64
	Camera  uint64
}

// A Set is the vectors of a whole dataset, opened for reading: every part that is needed is verified and mapped into
// memory.
type Set struct {
	// Records holds one record per sample of the dataset, in its order.
	Records []Record
	// Index holds, for each row of the matrices, the position of its sample in the dataset's order. Unreadable samples
	// have no row.
	Index []int

	layers  []Layer
	parts   [][]byte      // nil for those that are not needed
	vectors [][][]float32 // by part, by layer
	source  []position    // for each row where its vectors are
}

// AbsentError says that samples are not in a store.
type AbsentError struct {
	Samples int
	// Damaged is the file of a part that held some of them, the last of several; empty if they were in none.
	Damaged string
}

func (e *AbsentError) Error() string {
	if e.Damaged != "" {
		return fmt.Sprintf("%d samples were in files that are damaged or gone, such as %s", e.Samples, e.Damaged)
	}
	return fmt.Sprintf("%d samples are not embedded yet", e.Samples)
}

// Read opens the vectors of a dataset of n samples at the given places. If some are not there it fails with an
// *AbsentError. Parts that turn out to be damaged are removed, and are absent from then on.
func (s *Store) Read(ctx context.Context, n int, place func(i int) Place) (*Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := &Set{layers: s.Layers, Records: make([]Record, n), parts: make([][]byte, len(s.parts)), vectors: make([][][]float32, len(s.parts))}
	absent := 0
	used := make([]int, len(s.parts)) // samples whose vectors it has, by part
	said := make([]bool, len(s.parts))
	for i := range n {
		at, known := s.samples[place(i)]
		if !known {
			absent++
			continue
		}
		said[at.part] = true
		record := &set.Records[i]
		sample := s.sample(at)
		if record.Digest, record.Unreadable = sample.Digest, sample.Unreadable; record.Unreadable != "" {
			continue
		}
		if at, known = s.contents[sample.Digest]; !known {
			absent++
			continue
		}
		c := s.content(at)
		record.Unreadable, record.Pixels, record.Picture, record.Taken, record.Camera = c.Unreadable, c.Pixels, c.Picture, c.Taken, c.Camera
		if record.Unreadable == "" {
			set.Index, set.source = append(set.Index, i), append(set.source, at)
		}
		used[at.part]++
	}
	if absent > 0 {
		return nil, &AbsentError{Samples: absent}
	}
	var touched, needed []string
	for part, samples := range used {
		if name := s.parts[part].name; samples > 0 {
			needed = append(needed, name)
		} else if said[part] {
			touched = append(touched, s.path(name))
		}
	}
	if s.remote != nil {
		if err := s.fetch(ctx, needed); err != nil {
			return nil, fmt.Errorf("vector store: %w", err)
		}
	}
	damaged := map[int]bool{}
	lost := &AbsentError{}
	for part, samples := range used {
		if samples == 0 {
			continue
		}
		path := s.path(s.parts[part].name)
		switch err := set.open(part, path); {
		case errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist): // or another run has removed it
			damaged[part] = true
			lost.Samples, lost.Damaged = lost.Samples+samples, path
		case err != nil:
			set.Close()
			return nil, fmt.Errorf("vector store: %w", err)
		default:
			touched = append(touched, path)
		}
	}
	if len(damaged) > 0 {
		set.Close()
		return nil, errors.Join(lost, s.drop(ctx, damaged))
	}
	use(touched)
	return set, nil
}

func (set *Set) open(part int, path string) (err error) {
	if set.parts[part], err = mapFile(path); err == nil {
		_, set.vectors[part], err = decode(set.parts[part])
	}
	return err
}

// Release lets go of what the store knows of its parts, some 300 bytes a sample, when nothing more is read from it.
func (s *Store) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.samples, s.contents = nil, nil, nil
}

// drop removes parts that are damaged, and what only they knew.
func (s *Store) drop(ctx context.Context, damaged map[int]bool) (err error) {
	kept := s.parts
	s.parts, s.samples, s.contents = nil, map[Place]position{}, map[Digest]position{}
	for i, p := range kept {
		if !damaged[i] {
			s.add(p.name, p.header)
			continue
		}
		_ = os.Remove(s.path(p.name)) // else it is written again over what is there
		if s.remote != nil {
			err = errors.Join(err, s.remote.Delete(ctx, s.key(p.name)))
		}
	}
	return err
}

// Close unmaps the parts; the set must not be read any more.
func (set *Set) Close() {
	for _, data := range set.parts {
		unmap(data)
	}
	set.parts, set.vectors = nil, nil
}

// Layers returns the layers, in their order.
func (set *Set) Layers() []Layer { return set.layers }

// Layer returns the matrix of the i-th layer.
func (set *Set) Layer(i int) Matrix { return Matrix{set: set, layer: i} }

// A Matrix is the embeddings of one layer: N×D, a row per readable sample.
type Matrix struct {
	set   *Set
	layer int
}

// Len returns N.
func (m Matrix) Len() int { return len(m.set.source) }

// Dimensions returns D.
func (m Matrix) Dimensions() int { return m.set.layers[m.layer].Dimensions }

// Row returns row i, which stays valid until the set is closed and must not be written to.
func (m Matrix) Row(i int) []float32 {
	at, d := m.set.source[i], m.Dimensions()
	row := int(at.row)
	return m.set.vectors[at.part][m.layer][row*d : (row+1)*d]
}

// Read copies the rows [from, from+len(dst)/D) into dst.
func (m Matrix) Read(from int, dst []float32) {
	d := m.Dimensions()
	for i := 0; i*d < len(dst); i++ {
		copy(dst[i*d:(i+1)*d], m.Row(from+i))
	}
}

// WriteNPY writes the matrix as NumPy's format has it, version 1.0: little-endian float32, row by row.
func (m Matrix) WriteNPY(w io.Writer) error {
	const prefix = "\x93NUMPY\x01\x00"
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", m.Len(), m.Dimensions())
	length := (len(prefix)+2+len(header)+1+alignment-1)/alignment*alignment - len(prefix) - 2
	header = fmt.Sprintf("%-*s\n", length-1, header)
	out := bufio.NewWriterSize(w, 1<<20)
	if _, err := out.WriteString(prefix + string([]byte{byte(length), byte(length >> 8)}) + header); err != nil {
		return err
	}
	for i := range m.Len() {
		if _, err := out.Write(asBytes(m.Row(i))); err != nil {
			return err
		}
	}
	return out.Flush()
}

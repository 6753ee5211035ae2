package vectors

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// A Set is a complete store opened for reading: every part verified and mapped into memory.
type Set struct {
	// Records holds one record per sample of the dataset, in its order.
	Records []Record
	// Index holds, for each row of the matrices, the position of its sample in the dataset's order. Unreadable samples
	// have no row.
	Index []int

	layout  Layout
	parts   [][]byte
	vectors [][][]float32 // by part, by layer
	source  []int         // for each row the position of the sample whose vector it has: its own, or the first copy's
}

// Open reads the whole store. A part that is absent or not whole is an error: the embedding has not finished.
func (s *Store) Open() (*Set, error) {
	set := &Set{layout: s.Layout}
	if err := set.read(s); err != nil {
		set.Close()
		return nil, fmt.Errorf("vector store: %w", err)
	}
	first := make(map[Digest]int, len(set.Records))
	for i := range set.Records {
		record := &set.Records[i]
		if record.Digest == (Digest{}) {
			continue // was not read
		}
		origin, seen := first[record.Digest]
		if record.Copy && !seen {
			set.Close()
			return nil, fmt.Errorf("vector store: %s is a copy of a sample that is not before it: remove the folder %s", record.ID, s.dir)
		}
		if !seen {
			first[record.Digest], origin = i, i
		}
		if record.Copy {
			record.Unreadable, record.Pixels = set.Records[origin].Unreadable, set.Records[origin].Pixels
		}
		if record.Unreadable == "" {
			set.Index = append(set.Index, i)
			set.source = append(set.source, origin)
		}
	}
	return set, nil
}

func (set *Set) read(s *Store) error {
	for p := range s.Parts() {
		data, err := mapFile(s.path(p))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("part %d of %d is missing: its samples are not embedded yet", p, s.Parts())
		}
		if err != nil {
			return err
		}
		set.parts = append(set.parts, data)
		h, vectors, err := decode(data)
		if err != nil {
			return fmt.Errorf("part %d: %w", p, err)
		}
		if !s.owns(p, h) {
			return fmt.Errorf("part %d belongs to another run", p)
		}
		set.vectors = append(set.vectors, vectors)
		set.Records = append(set.Records, h.Records...)
	}
	return nil
}

// Close unmaps the store; the set must not be read any more.
func (set *Set) Close() {
	for _, data := range set.parts {
		unmap(data)
	}
	set.parts, set.vectors = nil, nil
}

// Layers returns the layers, in their order.
func (set *Set) Layers() []Layer { return set.layout.Layers }

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
func (m Matrix) Dimensions() int { return m.set.layout.Layers[m.layer].Dimensions }

// Row returns row i, which stays valid until the set is closed and must not be written to.
func (m Matrix) Row(i int) []float32 {
	position, d := m.set.source[i], m.Dimensions()
	part, row := position/m.set.layout.PartRows, position%m.set.layout.PartRows
	return m.set.vectors[part][m.layer][row*d : (row+1)*d]
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

package vectors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
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
	// measures of the samples in the dataset's order, each of so many bytes. The lock is for parts that are opened at once.
	measures []byte
	measured int
	mu       sync.Mutex
}

// Measures are those of a sample, by its position in the dataset's order; nil if it has none.
func (set *Set) Measures(i int) []byte {
	if set.measures == nil {
		return nil
	}
	m := set.measures[i*set.measured : (i+1)*set.measured]
	if !slices.ContainsFunc(m, func(b byte) bool { return b != 0 }) {
		return nil
	}
	return m
}

// keep takes the measures of a sample. Those of another length are of another kind, and count for nothing.
func (set *Set) keep(i int, measures []byte) {
	if len(measures) == 0 {
		return
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.measures == nil {
		set.measured = len(measures)
		set.measures = make([]byte, len(set.Records)*set.measured)
	}
	if len(measures) == set.measured {
		copy(set.measures[i*set.measured:], measures)
	}
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

// Read opens the vectors of the dataset. If some are not there it fails with an *AbsentError. Parts that turn out to be
// damaged are removed, and are absent from then on.
func (s *Store) Read(ctx context.Context) (*Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := &Set{
		Records: make([]Record, s.N), layers: s.Layers, source: make([]position, s.N),
		parts: make([][]byte, len(s.parts)), vectors: make([][][]float32, len(s.parts)),
	}
	absent := 0
	wanted := make([][]int32, len(s.parts)) // the samples whose contents it has, by part
	used := make([]bool, len(s.parts))
	for i := range s.N {
		sample, asked := s.samples[s.Place(i)]
		if !asked || sample.part < 0 {
			absent++
			continue
		}
		used[sample.part] = true
		record := &set.Records[i]
		if record.Digest, record.Unreadable = sample.digest, sample.unreadable; record.Unreadable != "" {
			continue
		}
		at, known := s.contents[halfOf(sample.digest)]
		if !known {
			absent++
			continue
		}
		set.source[i] = at
		wanted[at.part], used[at.part] = append(wanted[at.part], int32(i)), true
	}
	if absent > 0 {
		return nil, &AbsentError{Samples: absent}
	}
	damaged, err := s.openAll(ctx, set, wanted)
	if err != nil {
		set.Close()
		return nil, fmt.Errorf("vector store: %w", err)
	}
	if lost := s.lostWith(damaged, wanted); lost != nil {
		set.Close()
		return nil, errors.Join(lost, s.drop(ctx, damaged))
	}
	if err := s.leave(ctx, s.lists(used)); err != nil {
		set.Close()
		return nil, err
	}
	rows := 0
	for i, record := range set.Records {
		if record.Unreadable == "" {
			set.Index = append(set.Index, i)
			set.source[rows] = set.source[i]
			rows++
		}
	}
	set.source = set.source[:rows]
	return set, nil
}

// openAll opens the parts that hold wanted samples, and says which are damaged or gone.
func (s *Store) openAll(ctx context.Context, set *Set, wanted [][]int32) (damaged []bool, err error) {
	damaged = make([]bool, len(s.parts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.atOnce())
	for part, samples := range wanted {
		if len(samples) == 0 {
			continue
		}
		group.Go(func() error {
			err := s.open(ctx, set, part, samples)
			if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) { // or another run has removed it
				damaged[part] = true
				return nil
			}
			return err
		})
	}
	return damaged, group.Wait()
}

// open maps a part. Where the copy here is damaged, it is fetched again.
func (s *Store) open(ctx context.Context, set *Set, part int, samples []int32) error {
	p := s.parts[part]
	file := s.local.path(p.key)
	if _, err := os.Stat(file); err == nil {
		if err := set.open(s, part, samples, file); s.Remote == nil || !errors.Is(err, errDamaged) {
			return err
		}
		if err := s.local.Delete(ctx, p.key); err != nil {
			return err
		}
	}
	if s.Remote == nil {
		return fs.ErrNotExist
	}
	if err := s.fetch(ctx, p.key); err != nil {
		return err
	}
	return set.open(s, part, samples, file)
}

// open maps a part's file, and takes from its header what it says of the samples.
func (set *Set) open(s *Store, part int, samples []int32, file string) error {
	data, err := mapFile(file)
	if err != nil {
		return err
	}
	h, vectors, err := decode(data)
	if err == nil && !s.fits(h, s.parts[part].recipe) {
		err = fmt.Errorf("%w: another recipe", errDamaged)
	}
	for _, i := range samples {
		if err != nil {
			break
		}
		record, row := &set.Records[i], int(set.source[i].row)
		if row >= len(h.Contents) || h.Contents[row].Digest != record.Digest {
			err = fmt.Errorf("%w: other contents", errDamaged)
			break
		}
		c := &h.Contents[row]
		record.Unreadable, record.Pixels, record.Picture, record.Taken, record.Camera = c.Unreadable, c.Pixels, c.Picture, c.Taken, c.Camera
		set.keep(int(i), c.Measures)
	}
	if err != nil {
		unmap(data)
		return err
	}
	set.parts[part], set.vectors[part] = data, vectors
	return nil
}

// lostWith says what the damaged parts held, nil if there are none.
func (s *Store) lostWith(damaged []bool, wanted [][]int32) error {
	lost := &AbsentError{}
	for part, is := range damaged {
		if is {
			lost.Samples, lost.Damaged = lost.Samples+len(wanted[part]), s.parts[part].key
		}
	}
	if lost.Damaged == "" {
		return nil
	}
	return lost
}

// drop removes parts that are damaged, and what they knew.
func (s *Store) drop(ctx context.Context, damaged []bool) (err error) {
	for part, is := range damaged {
		if !is {
			continue
		}
		for _, b := range []Bucket{s.local, s.Remote} {
			if b != nil {
				err = errors.Join(err, b.Delete(ctx, s.parts[part].key))
			}
		}
	}
	for place, sample := range s.samples {
		if sample.part >= 0 && damaged[sample.part] {
			s.samples[place] = said{part: -1}
		}
	}
	maps.DeleteFunc(s.contents, func(_ half, at position) bool { return damaged[at.part] })
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

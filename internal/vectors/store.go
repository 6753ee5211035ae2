package vectors

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Options say what a store is opened for.
type Options struct {
	// Folder holds the parts, or, with Remote, copies of those that were read or written here.
	Folder string
	// Remote, if not nil, is where the parts are kept.
	Remote Bucket
	// Recipe is that of the vectors that are written. Before are recipes whose vectors are taken before those of Recipe, in
	// their order: those by which other machines have embedded their share of the samples.
	Recipe Digest
	Before []Digest
	Layers []Layer
	// N samples are asked for, and Place says where each is.
	N     int
	Place func(i int) Place
}

// A Store is what is kept of the vectors of a dataset. Its methods may be called concurrently.
type Store struct {
	Options
	local folder

	mu    sync.RWMutex
	parts []storedPart
	// samples has what is said of each place that is asked for. contents has where each content is that is kept, whether
	// it is asked for or not, by the first half of its digest.
	samples  map[Place]said
	contents map[half]position
}

type half [16]byte

func halfOf(d Digest) half { return half(d[:len(half{})]) }

// said is what a part says of a place, part −1 if none does.
type said struct {
	digest     Digest
	unreadable string
	denied     bool
	part       int32
}

type storedPart struct {
	recipe Digest
	key    string
}

// A position is a row of a part.
type position struct{ part, row int32 }

// localAtOnce and remoteAtOnce are how many parts are read at once: as decoding takes time, and to hide latency.
const localAtOnce, remoteAtOnce = 4, 32

// headersAtOnce are in memory while a store is opened.
const headersAtOnce = 256

// Open opens a store and reads what its parts say. A part whose header is damaged counts as absent.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{Options: o, local: folder{o.Folder}, samples: make(map[Place]said, o.N), contents: map[half]position{}}
	for i := range o.N {
		s.samples[o.Place(i)] = said{part: -1}
	}
	err := makeFolders(s.local.path(folderOf(o.Recipe)))
	for _, recipe := range s.recipes() {
		if err == nil {
			err = s.addAll(ctx, recipe)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("vector store: %w", err)
	}
	return s, nil
}

// recipes are those whose vectors are taken, in the order in which they are.
func (s *Store) recipes() []Digest {
	if slices.Contains(s.Before, s.Recipe) {
		return s.Before
	}
	return append(slices.Clone(s.Before), s.Recipe)
}

// folderOf is the name of a recipe's folder.
func folderOf(recipe Digest) string { return fmt.Sprintf("%x", recipe[:8]) }

// isRecipe tells the folders of recipes from others.
func isRecipe(name string) bool {
	return len(name) == 16 && strings.Trim(name, "0123456789abcdef") == ""
}

// partPrefix and partSuffix are those of the names of parts.
const partPrefix, partSuffix = "part-", ".vec"

func isPart(key string) bool { return isNamed(path.Base(key), partPrefix, partSuffix) }

// isNamed says whether a name is a prefix, 24 hexadecimal digits, and a suffix.
func isNamed(name, prefix, suffix string) bool {
	digits, one := strings.CutPrefix(name, prefix)
	digits, two := strings.CutSuffix(digits, suffix)
	return one && two && len(digits) == 24 && strings.Trim(digits, "0123456789abcdef") == ""
}

// kept is where the parts are kept.
func (s *Store) kept() Bucket {
	if s.Remote != nil {
		return s.Remote
	}
	return s.local
}

// addAll makes the parts of a recipe known.
func (s *Store) addAll(ctx context.Context, recipe Digest) error {
	objects, err := s.kept().List(ctx, folderOf(recipe)+"/"+partPrefix)
	if err != nil {
		return err
	}
	objects = slices.DeleteFunc(objects, func(o Object) bool { return !isPart(o.Key) })
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	// Of several parts that hold one thing, the first by name counts, whoever reads them.
	for batch := range slices.Chunk(objects, headersAtOnce) {
		headers := make([]*header, len(batch))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(s.atOnce())
		for i, o := range batch {
			group.Go(func() error {
				h, err := s.readHeader(ctx, o)
				if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) { // another run may have removed it
					return nil
				}
				if err == nil && s.fits(h, recipe) {
					headers[i] = &h
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, h := range headers {
			if h != nil {
				s.add(storedPart{recipe, batch[i].Key}, h.Samples, h.Contents)
			}
		}
	}
	return nil
}

func (s *Store) atOnce() int {
	if s.Remote != nil {
		return remoteAtOnce
	}
	return localAtOnce
}

// readHeader reads that of a part from its copy here, if there is a whole one, else from where it is kept.
func (s *Store) readHeader(ctx context.Context, o Object) (header, error) {
	if h, err := headerOf(ctx, s.local, o); err == nil || s.Remote == nil {
		return h, err
	}
	return headerOf(ctx, s.Remote, o)
}

func (s *Store) fits(h header, recipe Digest) bool {
	return h.Recipe == recipe && slices.Equal(h.Layers, s.Layers)
}

// add makes a part known. Of several things that are said of a place, one whose content is here counts, and else the
// first.
func (s *Store) add(p storedPart, samples []Sample, contents []Content) {
	part := int32(len(s.parts))
	s.parts = append(s.parts, p)
	for row, content := range contents {
		key := halfOf(content.Digest)
		if _, known := s.contents[key]; !known {
			s.contents[key] = position{part, int32(row)}
		}
	}
	for _, sample := range samples {
		before, asked := s.samples[sample.Place]
		if _, here := s.contents[halfOf(before.digest)]; asked && (before.part < 0 || !here) {
			s.samples[sample.Place] = said{sample.Digest, sample.Unreadable, sample.Denied, part}
		}
	}
}

// Knows says whether sample i need not be read: it was, and its content is here. What this user was denied to read may be
// allowed by now, without any other sign of it.
func (s *Store) Knows(i int) bool {
	place := s.Place(i)
	s.mu.RLock()
	defer s.mu.RUnlock()
	sample, asked := s.samples[place]
	switch {
	case !asked, sample.part < 0:
		return false
	case sample.unreadable != "":
		return !sample.denied
	}
	_, known := s.contents[halfOf(sample.digest)]
	return known
}

// Has says whether the store holds a content.
func (s *Store) Has(digest Digest) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, known := s.contents[halfOf(digest)]
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
	key := fmt.Sprintf("%s/%s%x%s", folderOf(s.Recipe), partPrefix, sum.Sum(nil)[:12], partSuffix)
	err := s.write(ctx, key, func(w io.Writer) error { return encode(w, s.Recipe, s.Layers, part) })
	if err == nil && s.Remote != nil {
		err = s.upload(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("vector store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(storedPart{s.Recipe, key}, part.Samples, part.Contents)
	return nil
}

// write writes a file of this machine, and makes room for it if need be.
func (s *Store) write(ctx context.Context, key string, write func(io.Writer) error) error {
	err := s.local.Write(ctx, key, write)
	for isFull(err) && s.makeRoom(ctx) {
		err = s.local.Write(ctx, key, write)
	}
	return err
}

func (s *Store) upload(ctx context.Context, key string) error {
	file, err := s.local.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // was only read
	return s.Remote.Write(ctx, key, func(w io.Writer) error {
		_, err := io.Copy(w, file)
		return err
	})
}

// fetch brings a part to this machine.
func (s *Store) fetch(ctx context.Context, key string) error {
	return s.write(ctx, key, func(w io.Writer) error {
		body, err := s.Remote.Open(ctx, key)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }() // was only read
		_, err = io.Copy(w, body)
		return err
	})
}

// Hold says that the parts which know of the samples [from, to) are in use, so that they are not swept while a run works.
func (s *Store) Hold(ctx context.Context, from, to int) error {
	s.mu.RLock()
	used := make([]bool, len(s.parts))
	for i := from; i < to; i++ {
		if sample, asked := s.samples[s.Place(i)]; asked && sample.part >= 0 {
			used[sample.part] = true
			if at, known := s.contents[halfOf(sample.digest)]; known {
				used[at.part] = true
			}
		}
	}
	lists := s.lists(used)
	s.mu.RUnlock()
	return s.leave(ctx, lists)
}

// Release lets go of what the store knows of its parts, some 200 bytes a sample, when nothing more is read from it.
func (s *Store) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.samples, s.contents = nil, nil, nil
}

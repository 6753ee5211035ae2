package dataset

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// spans reads samples that are each a run of bytes of a larger object, such as the files of a tar archive. Neighbors
// are read together.
type spans struct {
	bucket *storage.Bucket
	// decode makes a sample of its bytes, which it may keep.
	decode func(e *entry, data []byte) content
}

func (s *spans) read(ctx context.Context, entries []entry) ([]content, error) {
	contents := make([]content, 0, len(entries))
	for len(entries) > 0 {
		if entries[0].size > maxSampleBytes {
			contents = append(contents, tooLarge(&entries[0]))
			entries = entries[1:]
			continue
		}
		together := adjacent(entries)
		first, last := entries[0], entries[together-1]
		data, err := s.bucket.Pin(first.key, first.Version).ReadRange(ctx, first.offset, last.offset+last.size-first.offset)
		if err != nil {
			return nil, err // it would hit all samples of the object
		}
		for i := range together {
			e := &entries[i]
			from := e.offset - first.offset
			contents = append(contents, s.decode(e, data[from:from+e.size:from+e.size]))
		}
		entries = entries[together:]
	}
	return contents, nil
}

func tooLarge(e *entry) content {
	return content{err: fmt.Errorf("%s: %w: %d bytes, at most %d are read", e.key, storage.ErrTooLarge, e.size, int64(maxSampleBytes))}
}

// adjacent is how many of the first entries are read with one request: spans of one object that ascend, with small
// gaps.
func adjacent(entries []entry) int {
	n := 1
	for n < len(entries) {
		previous, next := &entries[n-1], &entries[n]
		gap := next.offset - previous.offset - previous.size
		if next.key != previous.key || gap < 0 || gap > maxGap || next.offset+next.size-entries[0].offset > maxRequest {
			break
		}
		n++
	}
	return n
}

// streams reads spans of objects that must be uncompressed from their beginning. Each object is a lane, and a session
// holds one stream a lane, where the last read ended.
type streams struct {
	spans
	// uncompress opens the object of an entry; nil for one that is compressed as a whole.
	uncompress func(ctx context.Context, e *entry) (io.ReadCloser, error)

	open openLanes[*stream] // of a session
}

// stream is an object that is being uncompressed.
type stream struct {
	io.ReadCloser
	at int64 // uncompressed bytes read
}

func (s *streams) lane(e *entry) string { return e.key }

func (s *streams) session() (sequential, func()) {
	session := &streams{spans: s.spans, uncompress: s.uncompress}
	if session.uncompress == nil {
		session.uncompress = func(ctx context.Context, e *entry) (io.ReadCloser, error) {
			return openCompressed(ctx, s.bucket.Pin(e.key, e.Version), e.key)
		}
	}
	return session, session.open.close
}

func (s *streams) read(ctx context.Context, entries []entry) ([]content, error) {
	lane := s.open.take(entries[0].key, func() *stream { return &stream{} })
	defer s.open.put(lane)
	contents := make([]content, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.size > maxSampleBytes {
			contents[i] = tooLarge(e)
			continue
		}
		data := make([]byte, e.size)
		if err := s.fill(ctx, lane.in, e, data); err != nil {
			return nil, err
		}
		contents[i] = s.decode(e, data)
	}
	return contents, nil
}

// fill reads the span of an entry.
func (s *streams) fill(ctx context.Context, in *stream, e *entry, data []byte) error {
	if in.ReadCloser != nil && in.at > e.offset {
		_ = in.Close() // was only read
		*in = stream{}
	}
	if in.ReadCloser == nil {
		body, err := s.uncompress(ctx, e)
		if err != nil {
			return err
		}
		in.ReadCloser = body
	}
	skipped, err := io.CopyN(io.Discard, in, e.offset-in.at)
	in.at += skipped
	if err == nil {
		var n int
		n, err = io.ReadFull(in, data)
		in.at += int64(n)
	}
	if err != nil {
		return unreadable(e.key, fmt.Errorf("after %d bytes, uncompressed: %w", in.at, err))
	}
	return nil
}

func (in *stream) close() {
	if in.ReadCloser != nil {
		_ = in.Close() // was only read
	}
}

// unreadable makes a mistake in the dataset of an object's content that can't be what it claims, and leaves errors of
// storage.
func unreadable(key string, err error) error {
	if errors.As(err, new(*storage.Error)) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return invalid("%s: cut short: %w", key, err)
	}
	return invalid("%s: %w", key, err)
}

// compressions are the endings of compressed objects.
var compressions = []string{".gz", ".tgz", ".zst", ".tzst", ".bz2"}

// compressed says whether an object is compressed, by its name.
func compressed(key string) bool {
	return slices.Contains(compressions, strings.ToLower(path.Ext(key)))
}

// What compressed objects begin with.
const (
	gzipMagic = "\x1f\x8b\x08"
	zstdMagic = "\x28\xb5\x2f\xfd"
	bzipMagic = "BZh"
)

// maxMagic is how much of an object tells what it is.
const maxMagic = 12

// allCompressed says whether objects are compressed, by what they begin with, whatever their names. All must be, or
// none. What plain recognizes is not.
func allCompressed(ctx context.Context, bucket *storage.Bucket, objects []storage.Object, plain func(magic []byte) bool) (bool, error) {
	packed := make([]bool, len(objects))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, o := range objects {
		group.Go(func() error {
			if o.Err != nil {
				return mistake(o.Err)
			}
			magic, err := bucket.Pin(o.Key, o.Version).ReadRange(groupCtx, 0, min(o.Size, maxMagic))
			if err != nil {
				return mistake(err)
			}
			for _, m := range []string{gzipMagic, zstdMagic, bzipMagic} {
				packed[i] = packed[i] || bytes.HasPrefix(magic, []byte(m)) && !plain(magic)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	for i, o := range objects {
		if packed[i] != packed[0] {
			packedOne, plainOne := o, objects[0]
			if packed[0] {
				packedOne, plainOne = plainOne, packedOne
			}
			return false, invalid("%s is compressed and %s is not: keep one kind", packedOne.Key, plainOne.Key)
		}
	}
	return packed[0], nil
}

// maxWindow bounds the memory of a Zstandard decoder; the format's own tools refuse more too unless told otherwise.
const maxWindow = 128 << 20

// openCompressed reads an object from its beginning, uncompressed.
func openCompressed(ctx context.Context, object storage.Pinned, key string) (io.ReadCloser, error) {
	raw, err := object.OpenRange(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(raw, 1<<18)
	magic, _ := buffered.Peek(4) // reading says what is wrong
	counted := &counter{r: buffered}
	out := &expanding{compressed: counted, close: raw.Close}
	switch {
	case bytes.HasPrefix(magic, []byte(gzipMagic)):
		var in *gzip.Reader
		if in, err = gzip.NewReader(counted); err == nil {
			out.r = in
		}
	case bytes.HasPrefix(magic, []byte(zstdMagic)):
		var in *zstd.Decoder
		if in, err = zstd.NewReader(counted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true)); err == nil {
			out.r = in
			out.close = func() error { in.Close(); return raw.Close() }
		}
	case bytes.HasPrefix(magic, []byte(bzipMagic)):
		out.r = bzip2.NewReader(counted)
	default:
		err = errors.New("it is called like a compressed file, and doesn't begin like one of gzip, Zstandard or bzip2")
	}
	if err != nil {
		_ = raw.Close() // the first error is the one to tell
		return nil, unreadable(key, err)
	}
	return out, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

const (
	// maxExpansion is how many times its size an object may grow. Images are compressed already, and hardly grow at
	// all; vectors and drawings in black and white grow more.
	maxExpansion = 256
	// freeExpansion is what it may grow to in any case.
	freeExpansion = 64 << 20
)

// expanding is the uncompressed content of an object, up to what no honest dataset reaches.
type expanding struct {
	r          io.Reader
	compressed *counter
	n          int64
	close      func() error
}

func (e *expanding) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	if e.n > freeExpansion && e.n/maxExpansion > e.compressed.n {
		return 0, fmt.Errorf("%d bytes grow to more than %d: this looks like a decompression bomb", e.compressed.n, e.n)
	}
	return n, err
}

func (e *expanding) Close() error { return e.close() }

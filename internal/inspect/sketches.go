package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// A file of sketches is a magic, then records that are only ever added: the digest of an image's bytes, its sketch, and
// the CRC-32C of both. A record that a crash left torn ends what counts; what follows is written again.
const (
	magic      = "DASKT002" // with SketchVersion
	recordSize = len(vectors.Digest{}) + len(sketch{}) + 4
)

const (
	// SketchSize is the size of a sketch in bytes: 32×32 pixels, the red ones first, then the green and the blue ones.
	SketchSize = len(sketch{})
	// SketchVersion says how sketches are drawn: those of another version can't be compared with them.
	SketchVersion = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Cache is the file in which the images' sketches stay for later runs. It is opened, and checked, at its first use, and
// stays open until it is closed.
type Cache struct {
	Path string

	opened *sketches
}

func (c *Cache) open() (s *sketches, err error) {
	if c.opened == nil {
		c.opened, err = openSketches(c.Path)
	}
	return c.opened, err
}

// Close lets go of the file, if it is open.
func (c *Cache) Close() {
	if c.opened != nil {
		c.opened.close()
		c.opened = nil
	}
}

// sketches are the images of a dataset at low resolution, by the digest of their bytes.
type sketches struct {
	file *os.File
	at   map[vectors.Digest]int64 // offset of the record
	end  int64                    // of the records
}

// openSketches opens the file of sketches, or begins it.
func openSketches(path string) (_ *sketches, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	s := &sketches{file: file, at: map[vectors.Digest]int64{}}
	if err := s.list(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

func (s *sketches) close() { _ = s.file.Close() } // a sketch that is not stored is made again

// list reads what is there up to the first record that is not whole, and cuts the file there.
func (s *sketches) list() error {
	data, release, err := vectors.Map(s.file.Name())
	if err != nil {
		return err
	}
	defer release()
	if bytes.HasPrefix(data, []byte(magic)) {
		s.end = int64(len(magic))
		for rest := data[len(magic):]; len(rest) >= recordSize; rest = rest[recordSize:] {
			digest, _, whole := parse(rest[:recordSize])
			if !whole {
				break
			}
			s.at[digest] = s.end
			s.end += int64(recordSize)
		}
	}
	if s.end == int64(len(data)) && s.end > 0 {
		return nil
	}
	if err := s.file.Truncate(s.end); err != nil {
		return err
	}
	if s.end == 0 {
		if _, err := s.file.WriteAt([]byte(magic), 0); err != nil {
			return err
		}
		s.end = int64(len(magic))
	}
	return nil
}

func parse(record []byte) (digest vectors.Digest, shown *sketch, whole bool) {
	body, sum := record[:recordSize-4], record[recordSize-4:]
	n := copy(digest[:], body)
	return digest, (*sketch)(body[n:]), crc32.Checksum(body, castagnoli) == binary.LittleEndian.Uint32(sum)
}

// add stores the sketch of an image.
func (s *sketches) add(digest vectors.Digest, shown *sketch) error {
	record := slices.Concat(digest[:], shown[:])
	record = binary.LittleEndian.AppendUint32(record, crc32.Checksum(record, castagnoli))
	if _, err := s.file.WriteAt(record, s.end); err != nil {
		return err
	}
	s.at[digest] = s.end
	s.end += int64(recordSize)
	return nil
}

// get reads the sketch of an image; one that could not be read shows nothing.
func (s *sketches) get(digest vectors.Digest, into *sketch) error {
	at, known := s.at[digest]
	if !known {
		*into = sketch{}
		return nil
	}
	_, err := s.file.ReadAt(into[:], at+int64(len(digest)))
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: cut short while it is read: %w", s.file.Name(), io.ErrUnexpectedEOF)
	}
	return err
}

// fill makes the sketches that are missing of the samples at these indices, ascending, whose digests are given.
func (s *sketches) fill(ctx context.Context, o *Inspector, indices []int, digests map[int]vectors.Digest) error {
	type made struct {
		index int
		shown *sketch
	}
	group, ctx := errgroup.WithContext(ctx)
	read := make(chan dataset.Sample)
	group.Go(func() error {
		defer close(read)
		for sample, err := range o.Read(ctx, indices) {
			if err != nil {
				return err
			}
			if sample.Err != nil {
				continue // gone since it was embedded: it shows nothing
			}
			select {
			case read <- sample:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return ctx.Err()
	})
	done := make(chan made)
	decoders, decoding := errgroup.WithContext(ctx)
	for range max(o.Threads, 1) {
		decoders.Go(func() error {
			for sample := range read {
				shown, err := draw(o.Decoder, sample.Bytes)
				if err != nil {
					continue
				}
				select {
				case done <- made{sample.Index, shown}:
				case <-decoding.Done():
					return decoding.Err()
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(done)
		return decoders.Wait()
	})
	group.Go(func() error {
		for m := range done {
			if err := s.add(digests[m.index], m.shown); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return s.file.Sync()
}

// draw decodes an image and shrinks it, whatever its sides, to a sketch.
func draw(decoder images.Decoder, data []byte) (*sketch, error) {
	planes := make([]float32, channels*pixels)
	err := decoder.With(new(image.RGBA), data, func(shown *image.RGBA) {
		images.Resizer{Width: side, Height: side, Interpolation: images.Area}.Resize(planes, shown)
	})
	if err != nil {
		return nil, err
	}
	s := new(sketch)
	for i, v := range planes {
		s[i] = uint8(min(max(v+0.5, 0), 255))
	}
	return s, nil
}

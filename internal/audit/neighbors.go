package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"strings"
	"unsafe"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/internal/spill"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// Neighbors finds the neighbors of one shard of the rows, and leaves them beside the vectors for the pod that goes on. It
// reduces the vectors itself, which costs little beside the search and always gives the same. Stage Embed must be over.
func (r *Run) Neighbors(ctx context.Context, shard, shards int) error {
	r.exchange = &exchange{input: r.InputSHA256, shard: shard, shards: shards}
	err := func() error {
		e, err := r.embedded(ctx)
		if err != nil {
			return err
		}
		defer e.close()
		_, err = r.findAll(ctx, e, nil)
		return err
	}()
	return classify(ctx, err)
}

// partial says whether only a part of the neighbors is wanted, as in stage Neighbors.
func (r *Run) partial() bool { return r.exchange != nil && r.exchange.shards > 0 }

// errFound ends the work of a shard once its neighbors are found.
var errFound = errors.New("the neighbors of this shard are found")

// An exchange hands neighbors from the pods of stage Neighbors to the one that goes on, by chunks of rows. A chunk is known
// by a digest of the whole matrix and of what is asked, so none is ever taken for another's, whatever became of dataset,
// spec or machine in between.
type exchange struct {
	kept  *kept
	space *spill.Space
	// input is the digest of the manifest: another audit's chunks are its own to remove.
	input string
	// shard of shards is to be found; no shards: what was found is taken, and the rest is found here.
	shard, shards int
	// found is how many chunks were searched here, and taken are the prefixes of those that were taken from others.
	found int
	taken []string
}

const (
	// chunkRows is the least number of rows of a chunk, and mostChunks about how many there are at most.
	chunkRows  = 4096
	mostChunks = 256
)

// A chunk is the rows [from, to).
type chunk struct{ from, to int }

// chunksOf cuts so many rows, always in the same way.
func chunksOf(rows int) []chunk {
	size := chunkRows * max(1, (rows+chunkRows*mostChunks-1)/(chunkRows*mostChunks))
	var all []chunk
	for from := 0; from < rows; from += size {
		all = append(all, chunk{from, min(from+size, rows)})
	}
	return all
}

// prefix begins the keys of the chunks of a search.
func prefix(digest [sha256.Size]byte) string {
	return fmt.Sprintf("%sneighbors-%x-", vectors.RunPrefix, digest[:12])
}

func (c chunk) key(prefix string) string {
	return fmt.Sprintf("%s%010d-%010d.bin", prefix, c.from, c.to)
}

// search finds the neighbors of all rows. In stage Neighbors it ends with errFound.
func (e *exchange) search(ctx context.Context, f finder, x neighbors.Matrix[float64], o neighbors.Options, how ...string) (neighbors.Result, error) {
	prefix := prefix(digestOf(x, o, append(how, e.input)...))
	objects, err := e.kept.List(ctx, prefix)
	if err != nil {
		return neighbors.Result{}, fmt.Errorf("neighbors: %w", err)
	}
	there := map[string]bool{}
	for _, object := range objects {
		there[object.Key] = true
	}
	switch {
	case e.shards > 0:
		return neighbors.Result{}, e.find(ctx, f, o, prefix, there)
	case len(there) == 0: // alone, and so with less work where each pair is looked at once
		return f.All(ctx, o.Progress)
	}
	return e.take(ctx, f, x.N, o, prefix, there)
}

// find finds the chunks of the shard that aren't there, and ends with errFound.
func (e *exchange) find(ctx context.Context, f finder, o neighbors.Options, prefix string, there map[string]bool) error {
	chunks := chunksOf(f.Len())
	chunks = chunks[e.shard*len(chunks)/e.shards : (e.shard+1)*len(chunks)/e.shards]
	for i, c := range chunks {
		if key := c.key(prefix); !there[key] {
			found, err := e.searchChunk(ctx, f, c)
			if err == nil {
				err = e.write(ctx, key, found)
			}
			if err != nil {
				return err
			}
		}
		if o.Progress != nil { // for all shards
			o.Progress(o.To * (i + 1) / len(chunks))
		}
	}
	return errFound
}

// take takes the chunks that are there and whole, and finds the others.
func (e *exchange) take(ctx context.Context, f finder, n int, o neighbors.Options, prefix string, there map[string]bool) (neighbors.Result, error) {
	k := min(o.K, max(n-1, 0))
	e.taken = append(e.taken, prefix)
	whole := neighbors.Result{K: k, Index: spill.Make[int32](e.space, o.To*k), Distance: spill.Make[float64](e.space, o.To*k)}
	done := 0
	for _, c := range chunksOf(f.Len()) {
		rows := f.Rows(c.from, c.to)
		found, err := neighbors.Result{}, error(nil)
		if key := c.key(prefix); there[key] {
			found, err = e.read(ctx, key, len(rows), k, n)
		}
		if err == nil && found.Index == nil {
			found, err = e.searchChunk(ctx, f, c)
		}
		if err != nil {
			return neighbors.Result{}, err
		}
		for i, row := range rows {
			copy(whole.Index[int(row)*k:(int(row)+1)*k], found.Index[i*k:])
			copy(whole.Distance[int(row)*k:(int(row)+1)*k], found.Distance[i*k:])
		}
		if done += len(rows); o.Progress != nil {
			o.Progress(done)
		}
	}
	return whole, nil
}

func (e *exchange) searchChunk(ctx context.Context, f finder, c chunk) (neighbors.Result, error) {
	e.found++
	return f.Search(ctx, c.from, c.to, nil)
}

// digestOf stands for a matrix and what is asked of it, and how.
func digestOf(x neighbors.Matrix[float64], o neighbors.Options, how ...string) [sha256.Size]byte {
	hash := sha256.New()
	hash.Write([]byte(strings.Join(how, " ")))
	for _, n := range []int{x.N, x.D, o.K, o.To} {
		hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	hash.Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x.Data))), 8*len(x.Data))) // every platform is little-endian
	return [sha256.Size]byte(hash.Sum(nil))
}

// A chunk's file is each row's neighbors, then their distances, little-endian, then a CRC-32C of both.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (e *exchange) write(ctx context.Context, key string, found neighbors.Result) error {
	data := make([]byte, 0, 12*len(found.Index)+4)
	data, _ = binary.Append(data, binary.LittleEndian, found.Index)    // numbers always encode
	data, _ = binary.Append(data, binary.LittleEndian, found.Distance) // likewise
	data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	err := e.kept.Write(ctx, key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("neighbors: %w", err)
	}
	return nil
}

// read returns the neighbors of some of n rows, none if they are damaged or gone.
func (e *exchange) read(ctx context.Context, key string, rows, k, n int) (neighbors.Result, error) {
	size := 12 * rows * k
	data, err := e.kept.Head(ctx, key, int64(size)+5)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return neighbors.Result{}, fmt.Errorf("neighbors: %w", err)
	}
	if len(data) != size+4 || crc32.Checksum(data[:size], castagnoli) != binary.LittleEndian.Uint32(data[size:]) {
		return neighbors.Result{}, nil
	}
	found := neighbors.Result{K: k, Index: make([]int32, rows*k), Distance: make([]float64, rows*k)}
	_, _ = binary.Decode(data, binary.LittleEndian, found.Index)                         // it is as long as that
	_, _ = binary.Decode(data[4*len(found.Index):], binary.LittleEndian, found.Distance) // likewise
	for i, at := range found.Index {
		if at < 0 || int(at) >= n || math.IsNaN(found.Distance[i]) { // who wrote that has no part in this
			return neighbors.Result{}, nil
		}
	}
	return found, nil
}

// clear removes what the pods of the audit's runs left, once its results are there.
func (e *exchange) clear(ctx context.Context) (err error) {
	for _, prefix := range e.taken {
		objects, failed := e.kept.List(ctx, prefix)
		err = errors.Join(err, failed)
		for _, object := range objects {
			err = errors.Join(err, e.kept.Delete(ctx, object.Key))
		}
	}
	return err
}

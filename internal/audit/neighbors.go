package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// Neighbors finds the neighbors of one shard of the rows, and leaves them beside the vectors for the pod that goes on. It
// reduces the vectors itself, which costs little beside the search and always gives the same. Stage Embed must be over.
func (r *Run) Neighbors(ctx context.Context, shard, shards int) error {
	err := func() (err error) {
		if r.exchange, err = r.openExchange(ctx, shard, shards); err != nil {
			return err
		}
		defer r.exchange.close()
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

// errFound ends the work of a shard once its neighbors are found.
var errFound = errors.New("the neighbors of this shard are found")

// An exchange hands neighbors from the pods of stage Neighbors to the one that goes on, by chunks of rows. A chunk is known
// by a digest of the whole matrix and of what is asked, so none is ever taken for another's, whatever became of dataset,
// spec or machine in between.
type exchange struct {
	bucket *storage.Bucket
	folder string // the audit's
	// shard of shards is to be found; no shards: what was found is taken, and the rest is found here.
	shard, shards int
}

func (r *Run) openExchange(ctx context.Context, shard, shards int) (*exchange, error) {
	place := r.Vectors
	if place == "" {
		place = r.Work
	}
	bucket, err := storage.Create(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("neighbors: %w", err)
	}
	return &exchange{bucket, "neighbors/" + r.Audit.Name + "/", shard, shards}, nil
}

func (e *exchange) close() { _ = e.bucket.Close() } // what was written is durable already

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

func (e *exchange) key(digest [sha256.Size]byte, c chunk) string {
	return fmt.Sprintf("%s%x/%010d-%010d.bin", e.folder, digest[:12], c.from, c.to)
}

// search is neighbors.Search. In stage Neighbors it ends with errFound.
func (e *exchange) search(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (neighbors.Result, error) {
	digest := digestOf(x, o)
	objects, err := e.bucket.List(ctx, fmt.Sprintf("%s%x/", e.folder, digest[:12]))
	if err != nil {
		return neighbors.Result{}, fmt.Errorf("neighbors: %w", err)
	}
	there := map[string]bool{}
	for _, object := range objects {
		there[object.Key] = true
	}
	switch {
	case e.shards > 0:
		return neighbors.Result{}, e.find(ctx, x, o, digest, there)
	case len(there) == 0: // alone, and so with less work where each pair is looked at once
		return neighbors.Search(ctx, x, o)
	}
	return e.take(ctx, x, o, digest, there)
}

// find finds the chunks of the shard that aren't there, and ends with errFound.
func (e *exchange) find(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options, digest [sha256.Size]byte, there map[string]bool) error {
	chunks := chunksOf(o.To)
	chunks = chunks[e.shard*len(chunks)/e.shards : (e.shard+1)*len(chunks)/e.shards]
	for i, c := range chunks {
		if key := e.key(digest, c); !there[key] {
			found, err := c.search(ctx, x, o)
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
func (e *exchange) take(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options, digest [sha256.Size]byte, there map[string]bool) (neighbors.Result, error) {
	k := min(o.K, max(x.N-1, 0))
	whole := neighbors.Result{K: k, Index: make([]int32, o.To*k), Distance: make([]float64, o.To*k)}
	for _, c := range chunksOf(o.To) {
		found, err := neighbors.Result{}, error(nil)
		if key := e.key(digest, c); there[key] {
			found, err = e.read(ctx, key, c, k)
		}
		if err == nil && found.Index == nil {
			found, err = c.search(ctx, x, o)
		}
		if err != nil {
			return neighbors.Result{}, err
		}
		copy(whole.Index[c.from*k:], found.Index)
		copy(whole.Distance[c.from*k:], found.Distance)
		if o.Progress != nil {
			o.Progress(c.to)
		}
	}
	return whole, nil
}

func (c chunk) search(ctx context.Context, x neighbors.Matrix[float64], o neighbors.Options) (neighbors.Result, error) {
	o.From, o.To, o.Progress = c.from, c.to, nil
	return neighbors.Search(ctx, x, o)
}

// digestOf stands for a matrix and what is asked of it.
func digestOf(x neighbors.Matrix[float64], o neighbors.Options) [sha256.Size]byte {
	hash := sha256.New()
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
	err := e.bucket.Write(ctx, key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("neighbors: %w", err)
	}
	return nil
}

// read returns the neighbors of a chunk, none if they are damaged.
func (e *exchange) read(ctx context.Context, key string, c chunk, k int) (neighbors.Result, error) {
	found := neighbors.Result{}
	size := 12 * (c.to - c.from) * k
	data, err := e.bucket.ReadAll(ctx, key, int64(size)+4)
	if kind := storage.KindOf(err); err != nil && kind != storage.NotFound && !errors.Is(err, storage.ErrTooLarge) {
		return found, fmt.Errorf("neighbors: %w", err)
	}
	if len(data) != size+4 || crc32.Checksum(data[:size], castagnoli) != binary.LittleEndian.Uint32(data[size:]) {
		return found, nil
	}
	found = neighbors.Result{K: k, Index: make([]int32, (c.to-c.from)*k), Distance: make([]float64, (c.to-c.from)*k)}
	if _, err := binary.Decode(data, binary.LittleEndian, found.Index); err != nil {
		return neighbors.Result{}, err
	}
	_, err = binary.Decode(data[4*len(found.Index):], binary.LittleEndian, found.Distance)
	return found, err
}

// clear removes what the pods of the audit's runs left, once its results are there.
func (e *exchange) clear(ctx context.Context) error {
	objects, err := e.bucket.List(ctx, e.folder)
	for _, object := range objects {
		err = errors.Join(err, e.bucket.Delete(ctx, object.Key))
	}
	return err
}

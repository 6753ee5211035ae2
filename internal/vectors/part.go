package vectors

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"
)

// Digest is a SHA-256.
type Digest [32]byte

// MarshalText writes the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error { return unmarshal(d[:], text) }

// A Place is where a sample was read, and in which version: half a SHA-256.
type Place [16]byte

// MarshalText writes the place in hexadecimal.
func (p Place) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, p[:]), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (p *Place) UnmarshalText(text []byte) error { return unmarshal(p[:], text) }

func unmarshal(into, text []byte) error {
	if len(text) != 2*len(into) {
		return fmt.Errorf("a digest has %d hexadecimal digits, not %d", 2*len(into), len(text))
	}
	_, err := hex.Decode(into, text)
	return err
}

// A Layer is one of the matrices of a store.
type Layer struct {
	Name       string `json:"name"`
	Dimensions int    `json:"dimensions"`
}

// A Sample is what was found at a place.
type Sample struct {
	Place Place `json:"place"`
	// Digest of its bytes; zero if they could not be read.
	Digest Digest `json:"digest,omitzero"`
	// Unreadable says why they could not; empty otherwise.
	Unreadable string `json:"unreadable,omitempty"`
	// Denied says that this user may not read it, which may change.
	Denied bool `json:"denied,omitempty"`
}

// A Content is what is known of some bytes beside their vectors.
type Content struct {
	Digest Digest `json:"digest"`
	// Unreadable says why there are no vectors; empty if there are.
	Unreadable string `json:"unreadable,omitempty"`
	// Pixels is the size of an image, 0 for what is none. Picture is a hash of the pixels.
	Pixels  int64  `json:"pixels,omitempty"`
	Picture uint64 `json:"picture,omitempty"`
	// Taken is when a photo was taken, in seconds since 1970 by the camera's clock. Camera tells cameras apart. Both are
	// 0 if unknown.
	Taken  int64  `json:"taken,omitempty"`
	Camera uint64 `json:"camera,omitempty"`
	// Measures are what was measured of an image, in the words of who measured; of all images equally many bytes.
	Measures []byte `json:"measures,omitempty"`
}

// A Part is some samples, and the vectors of those of their contents that were not known before.
type Part struct {
	Samples  []Sample
	Contents []Content
	// Vectors holds, for each layer, at least len(Contents)×D values, row by row. Rows of what is unreadable are zero.
	Vectors [][]float32
}

// The file: magic, length of the header, checksum of the header, header (JSON), zeros up to a multiple of alignment,
// then each layer's rows as little-endian float32, then the checksum of the rows. Checksums are CRC-32C.
const (
	magic      = "DAVEC002"
	prefixSize = len(magic) + 4 + 4
	alignment  = 64
	// maxHeader bounds what a damaged length can make a reader allocate. maxLayers and maxSide bound what a header says, so
	// that no size overflows.
	maxHeader = 128 << 20
	maxLayers = 1 << 10
	maxSide   = 1 << 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	Recipe   Digest    `json:"recipe"`
	Layers   []Layer   `json:"layers"`
	Samples  []Sample  `json:"samples"`
	Contents []Content `json:"contents"`
}

func payloadOffset(headerSize int) int {
	return (prefixSize + headerSize + alignment - 1) / alignment * alignment
}

// size is the length of the file whose header has so many bytes.
func (h header) size(headerSize int) (int, error) {
	size := payloadOffset(headerSize) + 4
	if len(h.Layers) > maxLayers || len(h.Contents) > maxSide {
		return 0, fmt.Errorf("%w: %d layers of %d contents", errDamaged, len(h.Layers), len(h.Contents))
	}
	for _, layer := range h.Layers {
		if layer.Dimensions <= 0 || layer.Dimensions > maxSide {
			return 0, fmt.Errorf("%w: layer %s of %d dimensions", errDamaged, layer.Name, layer.Dimensions)
		}
		size += 4 * layer.Dimensions * len(h.Contents)
	}
	return size, nil
}

// encode writes a part as its file has it.
func encode(w io.Writer, recipe Digest, layers []Layer, p Part) error {
	head, err := json.Marshal(header{recipe, layers, p.Samples, p.Contents})
	if err != nil {
		return fmt.Errorf("encode the header: %w", err)
	}
	out := make([]byte, payloadOffset(len(head)))
	copy(out, magic)
	binary.LittleEndian.PutUint32(out[len(magic):], uint32(len(head)))
	binary.LittleEndian.PutUint32(out[len(magic)+4:], crc32.Checksum(head, castagnoli))
	copy(out[prefixSize:], head)
	if _, err := w.Write(out); err != nil {
		return err
	}
	sum := uint32(0)
	for i, layer := range layers {
		size := layer.Dimensions * len(p.Contents)
		if len(p.Vectors[i]) < size {
			return fmt.Errorf("layer %s: %d values for %d contents of %d dimensions",
				layer.Name, len(p.Vectors[i]), len(p.Contents), layer.Dimensions)
		}
		rows := asBytes(p.Vectors[i][:size])
		sum = crc32.Update(sum, castagnoli, rows)
		if _, err := w.Write(rows); err != nil {
			return err
		}
	}
	_, err = w.Write(binary.LittleEndian.AppendUint32(nil, sum))
	return err
}

var errDamaged = errors.New("damaged")

// decodePrefix reads the length of the header and its checksum.
func decodePrefix(data []byte) (size int, sum uint32, err error) {
	if len(data) < prefixSize || string(data[:len(magic)]) != magic {
		return 0, 0, fmt.Errorf("%w: not a part of a vector store", errDamaged)
	}
	size = int(binary.LittleEndian.Uint32(data[len(magic):]))
	if size > maxHeader {
		return 0, 0, fmt.Errorf("%w: header of %d bytes", errDamaged, size)
	}
	return size, binary.LittleEndian.Uint32(data[len(magic)+4:]), nil
}

func decodeHeader(head []byte, sum uint32) (h header, err error) {
	if crc32.Checksum(head, castagnoli) != sum {
		return h, fmt.Errorf("%w: the header's checksum does not match", errDamaged)
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return h, fmt.Errorf("%w: header: %w", errDamaged, err)
	}
	return h, nil
}

// firstHead is how much of an object is read for its header at first, about a part of 1,000 samples.
const firstHead = 256 << 10

// headerOf reads the header of a part, and holds the part's length against it.
func headerOf(ctx context.Context, b Bucket, o Object) (h header, err error) {
	if o.Size < int64(prefixSize) { // object storage refuses to read a range of nothing
		return h, cutOff(io.ErrUnexpectedEOF)
	}
	head, err := b.Head(ctx, o.Key, firstHead)
	if err != nil {
		return h, err
	}
	size, sum, err := decodePrefix(head)
	if err != nil {
		return h, err
	}
	if int64(size) > o.Size {
		return h, cutOff(io.ErrUnexpectedEOF)
	}
	if whole := prefixSize + size; whole > len(head) {
		if head, err = b.Head(ctx, o.Key, int64(whole)); err != nil {
			return h, err
		}
		if whole > len(head) {
			return h, cutOff(io.ErrUnexpectedEOF)
		}
	}
	if h, err = decodeHeader(head[prefixSize:prefixSize+size], sum); err != nil {
		return h, err
	}
	want, err := h.size(size)
	if err == nil && o.Size != int64(want) {
		err = fmt.Errorf("%w: %d bytes instead of %d", errDamaged, o.Size, want)
	}
	return h, err
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", errDamaged)
	}
	return err
}

// decode reads a whole part. Its vectors are views of data, so data must be aligned to 4 bytes and outlive them.
func decode(data []byte) (header, [][]float32, error) {
	size, sum, err := decodePrefix(data)
	if err == nil && size > len(data)-prefixSize {
		err = cutOff(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return header{}, nil, err
	}
	h, err := decodeHeader(data[prefixSize:prefixSize+size], sum)
	if err != nil {
		return h, nil, err
	}
	if want, err := h.size(size); err != nil || len(data) != want {
		return h, nil, fmt.Errorf("%w: %d bytes instead of %d", errDamaged, len(data), want)
	}
	payload := data[payloadOffset(size) : len(data)-4]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(data[len(data)-4:]) {
		return h, nil, fmt.Errorf("%w: the vectors' checksum does not match", errDamaged)
	}
	vectors := make([][]float32, len(h.Layers))
	for i, layer := range h.Layers {
		size := 4 * layer.Dimensions * len(h.Contents)
		vectors[i], payload = asFloats(payload[:size]), payload[size:]
	}
	return h, vectors, nil
}

// asBytes and asFloats reinterpret memory: every platform that ONNX Runtime runs on is little-endian.

func asBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

func asFloats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

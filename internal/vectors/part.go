package vectors

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"unsafe"
)

// Digest is a SHA-256.
type Digest [32]byte

// MarshalText writes the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) {
		return fmt.Errorf("a digest has %d hexadecimal digits, not %d", 2*len(d), len(text))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// A Record is what a part knows of one sample beside its vectors.
type Record struct {
	ID string `json:"id"`
	// Digest of the sample's bytes; zero if they could not be read.
	Digest Digest `json:"digest"`
	// Unreadable says why the sample has no vectors; empty if it has them.
	Unreadable string `json:"unreadable,omitempty"`
	// Denied says that it is unreadable because this user may not read it, which may change.
	Denied bool `json:"denied,omitempty"`
	// Copy says that an earlier sample had the same bytes: this row was not computed and holds zeros.
	Copy bool `json:"copy,omitempty"`
	// Pixels is the size of an image, 0 for what is none. Picture is a hash of the pixels.
	Pixels  int64  `json:"pixels,omitempty"`
	Picture uint64 `json:"picture,omitempty"`
	// Taken is when a photo was taken, in seconds since 1970 by the camera's clock. Camera tells cameras apart. Both are
	// 0 if unknown.
	Taken  int64  `json:"taken,omitempty"`
	Camera uint64 `json:"camera,omitempty"`
}

// A Part is the samples [From, From+len(Records)) of a dataset with their vectors.
type Part struct {
	From    int
	Records []Record
	// Vectors holds, for each layer, len(Records)×D values, row by row. Rows of unreadable samples and of copies are
	// zero.
	Vectors [][]float32
}

// The file: magic, length of the header, checksum of the header, header (JSON), zeros up to a multiple of alignment,
// then each layer's rows as little-endian float32, then the checksum of the rows. Checksums are CRC-32C.
const (
	magic      = "DAVEC001"
	prefixSize = len(magic) + 4 + 4
	alignment  = 64
	// maxHeader bounds what a damaged length can make a reader allocate.
	maxHeader = 1 << 28
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	Fingerprint Digest   `json:"fingerprint"`
	From        int      `json:"from"`
	Layers      []Layer  `json:"layers"`
	Records     []Record `json:"records"`
}

func payloadOffset(headerSize int) int {
	return (prefixSize + headerSize + alignment - 1) / alignment * alignment
}

// encode writes a part as its file has it.
func encode(w io.Writer, l Layout, p Part) error {
	head, err := json.Marshal(header{Fingerprint: l.Fingerprint, From: p.From, Layers: l.Layers, Records: p.Records})
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
	for i, layer := range l.Layers {
		if len(p.Vectors[i]) != layer.Dimensions*len(p.Records) {
			return fmt.Errorf("layer %s: %d values for %d samples of %d dimensions",
				layer.Name, len(p.Vectors[i]), len(p.Records), layer.Dimensions)
		}
		rows := asBytes(p.Vectors[i])
		sum = crc32.Update(sum, castagnoli, rows)
		if _, err := w.Write(rows); err != nil {
			return err
		}
	}
	_, err = w.Write(binary.LittleEndian.AppendUint32(nil, sum))
	return err
}

var errDamaged = errors.New("damaged")

// decodeHeader reads the header at the start of a part's file, which may be cut off behind it.
func decodeHeader(data []byte) (h header, payload int, err error) {
	if len(data) < prefixSize || string(data[:len(magic)]) != magic {
		return h, 0, fmt.Errorf("%w: not a part of a vector store", errDamaged)
	}
	size := int(binary.LittleEndian.Uint32(data[len(magic):]))
	if size > maxHeader || size > len(data)-prefixSize {
		return h, 0, fmt.Errorf("%w: header of %d bytes in a file of %d", errDamaged, size, len(data))
	}
	head := data[prefixSize : prefixSize+size]
	if crc32.Checksum(head, castagnoli) != binary.LittleEndian.Uint32(data[len(magic)+4:]) {
		return h, 0, fmt.Errorf("%w: the header's checksum does not match", errDamaged)
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return h, 0, fmt.Errorf("%w: header: %w", errDamaged, err)
	}
	return h, payloadOffset(size), nil
}

// decode reads a whole part. Its vectors are views of data, so data must be aligned to 4 bytes and outlive them.
func decode(data []byte) (header, [][]float32, error) {
	h, start, err := decodeHeader(data)
	if err != nil {
		return h, nil, err
	}
	want := start + 4
	for _, layer := range h.Layers {
		if layer.Dimensions <= 0 || len(h.Records) > len(data) || layer.Dimensions > len(data) {
			return h, nil, fmt.Errorf("%w: layer %s of %d dimensions", errDamaged, layer.Name, layer.Dimensions)
		}
		want += 4 * layer.Dimensions * len(h.Records)
	}
	if len(data) != want {
		return h, nil, fmt.Errorf("%w: %d bytes instead of %d", errDamaged, len(data), want)
	}
	payload := data[start : len(data)-4]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(data[len(data)-4:]) {
		return h, nil, fmt.Errorf("%w: the vectors' checksum does not match", errDamaged)
	}
	vectors := make([][]float32, len(h.Layers))
	for i, layer := range h.Layers {
		size := 4 * layer.Dimensions * len(h.Records)
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

// writeAside writes a file so that it appears under its name whole or not at all, also after a loss of power.
func writeAside(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	// Workers of other users may share the folder.
	if err := errors.Join(file.Chmod(0o644), write(file), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

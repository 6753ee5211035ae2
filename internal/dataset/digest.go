package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Digester computes a dataset's content digest from its samples in order: SHA-256 over each one's ID, split, labels and
// digest, every string preceded by its length, so that no two lists of samples give the same bytes. Where the samples
// lie, and what their files' times are, has no part in it.
type Digester struct {
	hash hash.Hash
	buf  []byte
}

// NewDigester returns a Digester that has seen no sample.
func NewDigester() *Digester {
	return newDigester("dataset-audit dataset 1")
}

func newDigester(scheme string) *Digester {
	d := &Digester{hash: sha256.New()}
	d.hash.Write(appendString(nil, scheme))
	return d
}

// Add takes the next sample. The digest of one that could not be read is zero.
func (d *Digester) Add(info Info, digest [sha256.Size]byte) {
	d.buf = append(appendInfo(d.buf[:0], info), digest[:]...)
	d.hash.Write(d.buf)
}

// Sum returns the digest of the samples so far.
func (d *Digester) Sum() [sha256.Size]byte {
	return [sha256.Size]byte(d.hash.Sum(nil))
}

// ListingDigest identifies the content of the chosen samples without reading them, by ID, place, file version and what
// is wrong, in order: a checkpoint that bears another one belongs to other samples. A version is a file's size and
// time, or an object's hash: a change that keeps both size and time goes unseen.
func (d *Dataset) ListingDigest() [sha256.Size]byte {
	listing := newDigester("dataset-audit listing 2")
	for i := range d.entries {
		e := &d.entries[i]
		listing.buf = e.appendPlace(appendString(listing.buf[:0], e.ID))
		listing.hash.Write(listing.buf)
	}
	return listing.Sum()
}

// Place is where sample i lies in the dataset, in bytes: its file, where in that it begins, and the file's version.
func (d *Dataset) Place(i int) []byte { return d.entries[i].appendPlace(nil) }

func (e *entry) appendPlace(b []byte) []byte {
	b = appendString(b, e.key)
	b = binary.AppendVarint(b, int64(e.row))
	b = binary.AppendVarint(b, e.offset)
	b = appendString(b, e.Version)
	if e.err != nil {
		b = appendString(b, e.err.Error())
	}
	return b
}

func appendInfo(b []byte, info Info) []byte {
	b = appendString(b, info.ID)
	b = appendString(b, info.Split)
	b = binary.AppendUvarint(b, uint64(len(info.Labels)))
	for _, l := range info.Labels {
		b = appendString(b, l)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

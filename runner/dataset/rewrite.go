package dataset

import (
	"bytes"
	"errors"
	"io"
)

// FilterManifest copies the manifest of a name, CSV or JSON Lines, from r to w without the records whose sample keep refuses.
// What stays is copied byte for byte, columns that nobody here knows included; a byte order mark is dropped.
func FilterManifest(name string, r io.Reader, w io.Writer, keep func(id string) bool) error {
	in := &recorder{r: WithoutBOM(r)}
	t, err := openTable(name, in, manifestColumns...)
	if err != nil {
		return err
	}
	if _, err := w.Write(in.upTo(t.offset())); err != nil { // a header
		return err
	}
	for {
		c, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		id, _, err := manifestSample(name, c)
		if err != nil {
			return err
		}
		text := in.upTo(t.offset())
		if !keep(id) {
			continue
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
}

// recorder remembers what was read and not yet taken.
type recorder struct {
	r     io.Reader
	kept  bytes.Buffer
	taken int64
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.kept.Write(p[:n])
	return n, err
}

// upTo takes the bytes before an offset. They are valid until the next read.
func (r *recorder) upTo(offset int64) []byte {
	n := offset - r.taken
	r.taken = offset
	return r.kept.Next(int(n))
}

package dataset

import (
	"bytes"
	"errors"
	"io"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// FilterManifest copies the manifest of a name, CSV or JSON Lines, from r to w without the records whose sample keep
// refuses. What stays is copied byte for byte, columns that nobody here knows and rows that can't be read included; a
// byte order mark is dropped. Options, which may be nil, name the columns.
func FilterManifest(name string, options *v1alpha1.ManifestOptions, r io.Reader, w io.Writer, keep func(id string) bool) error {
	in := &recorder{r: WithoutBOM(r)}
	fields := fieldsOf(request{DatasetSpec: v1alpha1.DatasetSpec{Manifest: options}})
	t, err := openTable(name, in, fields.all()...)
	if err != nil {
		return err
	}
	if fields, err = fields.of(name, t); err != nil {
		return err
	}
	if _, err := w.Write(in.upTo(t.offset())); err != nil { // a header
		return err
	}
	for {
		e, err := fields.read(name, t, labelSets{}, interner{})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := in.upTo(t.offset())
		if e.err == nil && !keep(e.ID) {
			continue
		}
		if _, err := w.Write(row); err != nil {
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

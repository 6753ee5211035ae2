package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stores are the object stores by the scheme of their URLs. Each opens a bucket with the options of its URL.
var stores = map[string]func(ctx context.Context, bucket string, o *options) (backend, error){
	"azblob": openAzure,
	"gs":     openGoogle,
	"s3":     openS3,
}

func openRemote(ctx context.Context, u *url.URL) (*Bucket, error) {
	shown := display(u.String())
	invalid := func(err error) error { return &Error{Op: "open", URL: shown, Kind: Invalid, Err: err} }
	open, ok := stores[u.Scheme]
	if !ok {
		known := slices.Sorted(maps.Keys(stores))
		return nil, invalid(fmt.Errorf("the scheme %q is not known: give a folder, file:// or one of %s://", u.Scheme, strings.Join(known, "://, ")))
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, invalid(err)
		}
		prefix += "/"
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid(fmt.Errorf("the options after the question mark: %w", err))
	}
	// What a client says of its options may quote them; none of them is a secret by its documentation.
	store, err := open(ctx, u.Host, &options{values: values})
	if err != nil {
		return nil, invalid(err)
	}
	return &Bucket{url: shown, backend: prefixed{store, prefix}}, nil
}

// options are the words after the question mark of a URL. A store takes those that it knows, then asks for the error:
// that of a value that makes no sense, or of a word that nobody took.
type options struct {
	values url.Values
	err    error
}

func (o *options) text(name string) string {
	value := o.values.Get(name)
	o.values.Del(name)
	return value
}

func (o *options) flag(name string) bool {
	value := o.text(name)
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("the option %s is %q, not true or false", name, value)
	}
	return on
}

func (o *options) done() error {
	if o.err == nil && len(o.values) > 0 {
		return fmt.Errorf("the option %q is not known here", slices.Min(slices.Collect(maps.Keys(o.values))))
	}
	return o.err
}

// prefixed is what lies under one prefix of a store.
type prefixed struct {
	backend
	prefix string
}

func (p prefixed) list(ctx context.Context, prefix string) ([]Object, error) {
	objects, err := p.backend.list(ctx, p.prefix+prefix)
	for i := range objects {
		objects[i].Key = strings.TrimPrefix(objects[i].Key, p.prefix)
	}
	// Some tools leave an empty object so that a console shows a folder.
	return slices.DeleteFunc(objects, func(o Object) bool { return o.Key == "" || strings.HasSuffix(o.Key, "/") }), err
}

func (p prefixed) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Object, error) {
	if length == 0 { // no store has a range of no bytes
		o, err := p.stat(ctx, key)
		return http.NoBody, o, err
	}
	body, o, err := p.backend.open(ctx, p.prefix+key, offset, length)
	o.Key = key
	return body, o, err
}

func (p prefixed) stat(ctx context.Context, key string) (Object, error) {
	o, err := p.backend.stat(ctx, p.prefix+key)
	o.Key = key
	return o, err
}

func (p prefixed) create(ctx context.Context, key string, isNew bool) (pending, error) {
	return p.backend.create(ctx, p.prefix+key, isNew)
}

func (p prefixed) remove(ctx context.Context, key string) error {
	return p.backend.remove(ctx, p.prefix+key)
}

// stateless is the close of a store whose client holds nothing.
type stateless struct{}

func (stateless) close() error { return nil }

// upload is an object that a client reads from a pipe.
type upload struct {
	*io.PipeWriter
	cancel context.CancelFunc
	done   chan struct{} // closed once err stands
	err    error
}

// cleanUp is how long giving up an upload may take, also after its context has ended.
const cleanUp = 30 * time.Second

// errAborted is what a client reads of an upload that is given up, and what keeps it from making an object of it.
var errAborted = errors.New("the upload was given up")

// newUpload starts to send what will be written. The function makes an object of all that it reads once it has read to
// the end, and none if the reader gives an error; where the object had to be new and is not, its error is ErrExists.
func newUpload(ctx context.Context, send func(ctx context.Context, content io.Reader) error) *upload {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	u := &upload{PipeWriter: w, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.err = send(ctx, r)
		if ended := ctx.Err(); u.err != nil && ended != nil && !errors.Is(u.err, ended) { // which some clients don't wrap
			u.err = fmt.Errorf("%w: %w", ended, u.err)
		}
		_ = r.CloseWithError(u.err) // for what is still being written
	}()
	return u
}

func (u *upload) commit() error {
	_ = u.Close() // which never fails
	<-u.done
	u.cancel()
	return u.err
}

func (u *upload) abort() {
	_ = u.CloseWithError(errAborted) // which never fails
	u.cancel()                       // so that nobody waits for what is being sent
	<-u.done
}

// contentType is what a store says of an object to those who open it in a browser.
func contentType(key string) string {
	switch extension := strings.ToLower(path.Ext(key)); extension {
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".md", ".txt":
		return "text/plain; charset=utf-8"
	default:
		if known := mime.TypeByExtension(extension); known != "" {
			return known
		}
		return "application/octet-stream"
	}
}

// byteRange is the header of a read, empty where the whole object is read.
func byteRange(offset, length int64) string {
	switch {
	case length >= 0:
		return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	case offset > 0:
		return fmt.Sprintf("bytes=%d-", offset)
	default:
		return ""
	}
}

// wholeSize is the size of the object of which a response may hold a range, such as bytes 10-14/27; -1 if unknown.
func wholeSize(contentLength int64, contentRange string) int64 {
	if _, whole, ok := strings.Cut(contentRange, "/"); ok {
		if size, err := strconv.ParseInt(whole, 10, 64); err == nil {
			return size
		}
	}
	return contentLength
}

// etag is empty, which stands for any version, where a server gives none. Listings and responses quote it as they like.
func etag[S ~string](tag *S) string {
	if tag == nil {
		return ""
	}
	return strings.Trim(string(*tag), `"`)
}

// statusKind is what the status of a response says where the error has no code that says more. 0 is no response.
func statusKind(status int) Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Unauthorized
	case http.StatusNotFound:
		return NotFound
	case http.StatusRequestedRangeNotSatisfiable:
		return Invalid
	case http.StatusInsufficientStorage:
		return Full
	default:
		return Transient
	}
}

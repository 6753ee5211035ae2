// Package storage opens folders and object stores the same way: a Bucket is a flat set of objects under one root, named
// by slash-separated keys, whether the root is a local folder (a plain path or file://) or a bucket of S3, Google Cloud
// Storage or Azure Blob Storage (s3://, gs://, azblob://), with or without a prefix.
//
// Every error is an *Error that names the root and the key and says what kind of failure it is.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Object is one entry of a listing.
type Object struct {
	// Key is the object's slash-separated name, relative to the bucket's root.
	Key string
	// Size is the content's length in bytes.
	Size int64
	// Version changes when the content changes: an object store's ETag or generation, a file's size and modification
	// time. Inode numbers have no part in it, since network and FUSE file systems hand out new ones with every mount.
	Version string
	// Modified is when it was written, in seconds since 1970; 0 where it was not listed.
	Modified int64
	// Err says why an object that is there cannot be opened, such as a link that is broken or leaves the root; else
	// nil.
	Err error
}

// Bucket is a set of objects under one root. Its methods may be called concurrently.
type Bucket struct {
	url     string // without credentials and options: for messages
	backend backend
}

// backend is what differs between a folder and an object store. Its errors are raw; Bucket wraps them.
type backend interface {
	// list returns the objects whose keys begin with prefix, in any order.
	list(ctx context.Context, prefix string) ([]Object, error)
	// open reads length bytes from offset, or to the end where length is negative, and returns besides what stat would
	// say of the object that is read (its Size -1 if unknown). A range that passes the end is cut short.
	open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Object, error)
	stat(ctx context.Context, key string) (Object, error)
	// create makes or replaces an object; a new one must not be there yet when it is committed, else that is ErrExists.
	create(ctx context.Context, key string, isNew bool) (pending, error)
	remove(ctx context.Context, key string) error
	kind(err error) Kind
	close() error
}

// pending is an object that is being written and that nobody can see before its commit. Exactly one of commit and abort
// is called, once.
type pending interface {
	io.Writer
	commit() error
	abort()
}

// Open opens the bucket at location: the path of a folder, or a URL such as file:///data,
// s3://bucket/prefix?region=eu-west-1, gs://bucket/prefix or azblob://container/prefix. Credentials come from the
// environment, as each provider's own tools take them. An S3 server elsewhere is
// s3://bucket?endpoint=https://host&use_path_style=true&region=any.
//
// A folder must exist; an object store is first asked when it is used.
func Open(ctx context.Context, location string) (*Bucket, error) {
	return open(ctx, location, openLocal)
}

// OpenAt is Open for a location that may name a file: it opens the folder that holds it, and returns the file's key
// there. The key is empty where the location is a folder, or in an object store whatever isn't an object.
func OpenAt(ctx context.Context, location string) (bucket *Bucket, key string, err error) {
	folder, key, err := SplitKey(location)
	if err != nil {
		bucket, err = Open(ctx, location)
		return bucket, "", err
	}
	if _, local := LocalPath(location); !local && path.Ext(key) == "" {
		bucket, err = Open(ctx, location)
		return bucket, "", err
	}
	if bucket, err = Open(ctx, folder); err == nil {
		_, err := bucket.Stat(ctx, key)
		if err != nil && KindOf(err) == Transient {
			var body io.ReadCloser
			if body, err = bucket.Open(ctx, key); err == nil { // whose answer, unlike a HEAD's, says what is wrong
				_ = body.Close() // was only asked for
			}
		}
		if err == nil {
			return bucket, key, nil
		}
		_ = bucket.Close() // was only asked
		if KindOf(err) == Transient {
			return nil, "", err // it may be there
		}
	}
	bucket, err = Open(ctx, location)
	return bucket, "", err
}

// Create is Open for a place to write to: a local folder that does not exist yet is made.
func Create(ctx context.Context, location string) (*Bucket, error) {
	return open(ctx, location, createLocal)
}

func open(ctx context.Context, location string, local func(string) (backend, error)) (*Bucket, error) {
	u, dir, err := parse(location)
	if err != nil {
		return nil, &Error{Op: "open", URL: display(location), Kind: Invalid, Err: err}
	}
	if u != nil {
		return openRemote(ctx, u)
	}
	b, err := local(dir)
	if err != nil {
		return nil, &Error{Op: "open", URL: dir, Kind: localKind(err), Err: err}
	}
	return &Bucket{url: dir, backend: b}, nil
}

// parse returns the URL of an object store, or the path of a local folder with a nil URL.
func parse(location string) (*url.URL, string, error) {
	if location == "" {
		return nil, "", errors.New("the location is empty: give a folder or a URL")
	}
	if !strings.Contains(location, "://") {
		return nil, location, nil
	}
	u, err := url.Parse(location)
	if err != nil {
		// The parser's message quotes the URL with whatever secret it holds: only its reason is passed on.
		if reason, ok := errors.AsType[*url.Error](err); ok {
			err = reason.Err
		}
		return nil, "", fmt.Errorf("not a URL: %w", err)
	}
	if u.User != nil {
		return nil, "", errors.New("the URL holds a user or password: give credentials in the environment")
	}
	if u.Scheme != "file" {
		if u.Host == "" {
			return nil, "", fmt.Errorf("the URL names no bucket: write %s://BUCKET/PREFIX", u.Scheme)
		}
		return u, "", nil
	}
	if u.Host != "" && u.Host != "localhost" {
		return nil, "", fmt.Errorf("the URL names the host %q: write file:///absolute/path", u.Host)
	}
	if u.RawQuery != "" {
		return nil, "", fmt.Errorf("file:// takes no options, got %q", u.RawQuery)
	}
	if u.Path == "" {
		return nil, "", errors.New("the URL names no folder: write file:///absolute/path")
	}
	return nil, u.Path, nil
}

// LocalPath returns the folder or file that a location names on this machine; ok is false for an object store and for
// what is no location at all.
func LocalPath(location string) (file string, ok bool) {
	u, file, err := parse(location)
	return file, err == nil && u == nil
}

// SplitKey splits the location of one object into that of the bucket that holds it and its key there: "a/b.onnx" is
// "b.onnx" in "a", "s3://bucket/a/b.onnx?region=x" is "b.onnx" in "s3://bucket/a?region=x".
func SplitKey(location string) (bucket, key string, err error) {
	u, file, err := parse(location)
	if err != nil {
		return "", "", &Error{Op: "open", URL: display(location), Kind: Invalid, Err: err}
	}
	if u != nil {
		file = u.Path
	}
	dir, key := path.Split(file)
	if key == "" || key == "." || key == ".." {
		return "", "", &Error{Op: "open", URL: display(location), Kind: Invalid, Err: errors.New("names a folder where one file is wanted")}
	}
	if u != nil {
		u.Path, u.RawPath = strings.TrimSuffix(dir, "/"), ""
		return u.String(), key, nil
	}
	return path.Clean(dir), key, nil
}

// String returns the root without credentials and options.
func (b *Bucket) String() string { return b.url }

// Close releases what the bucket holds. Objects that are open stay readable where the root is a folder.
func (b *Bucket) Close() error { return b.fail("close", "", b.backend.close()) }

// List returns every object whose key begins with prefix, in the byte order of the keys, whatever order the storage
// lists them in. A prefix under which there is nothing gives an empty list.
//
// In a folder only regular files are objects. Links that stay inside the root are followed; those that do not, or are
// broken, are listed with an Err.
func (b *Bucket) List(ctx context.Context, prefix string) ([]Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, b.fail("list", prefix, err)
	}
	objects, err := b.backend.list(ctx, prefix)
	if err != nil {
		return nil, b.fail("list", prefix, err)
	}
	slices.SortFunc(objects, func(x, y Object) int { return strings.Compare(x.Key, y.Key) })
	for i := range objects {
		o := &objects[i]
		if o.Err == nil {
			o.Err = checkKey(o.Key)
		}
		o.Err = b.fail("read", o.Key, o.Err)
	}
	return objects, nil
}

// Stat returns what List would say about one object.
func (b *Bucket) Stat(ctx context.Context, key string) (Object, error) {
	if err := check(ctx, key); err != nil {
		return Object{}, b.fail("read", key, err)
	}
	o, err := b.backend.stat(ctx, key)
	return o, b.fail("read", key, err)
}

// Pinned is an object in one version. Reading it fails with ErrChanged once the object has another.
type Pinned struct {
	bucket       *Bucket
	key, version string
}

// Pin returns the object of a key in the version that a listing gave; with an empty one, in whatever version it is
// read.
func (b *Bucket) Pin(key, version string) Pinned { return Pinned{b, key, version} }

// Key returns the object's key.
func (p Pinned) Key() string { return p.key }

// Open reads an object from its beginning.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return b.Pin(key, "").OpenRange(ctx, 0, -1)
}

// OpenRange reads length bytes of an object from offset, or all that follows where length is negative. A range that
// passes the end is cut short.
func (b *Bucket) OpenRange(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return b.Pin(key, "").OpenRange(ctx, offset, length)
}

// ReadAll returns the content of an object of at most limit bytes; a longer one is refused with ErrTooLarge before it
// is read. Transient failures are tried again a few times, since a connection that breaks inside a body is beyond what
// the providers' clients repeat by themselves.
func (b *Bucket) ReadAll(ctx context.Context, key string, limit int64) ([]byte, error) {
	return b.Pin(key, "").ReadAll(ctx, limit)
}

// ReadRange returns exactly length bytes of an object from offset. It is an error if the object ends before. Transient
// failures are tried again as in ReadAll.
func (b *Bucket) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	return b.Pin(key, "").ReadRange(ctx, offset, length)
}

// OpenRange is Bucket.OpenRange.
func (p Pinned) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	body, _, err := p.open(ctx, offset, length)
	return body, err
}

func (p Pinned) open(ctx context.Context, offset, length int64) (io.ReadCloser, int64, error) {
	b := p.bucket
	if err := check(ctx, p.key); err != nil {
		return nil, 0, b.fail("read", p.key, err)
	}
	body, object, err := b.backend.open(ctx, p.key, offset, length)
	if err != nil {
		return nil, 0, b.fail("read", p.key, err)
	}
	if p.version != "" && object.Version != "" && object.Version != p.version {
		_ = body.Close() // nothing of it is used
		return nil, 0, b.fail("read", p.key, ErrChanged)
	}
	return &reader{body: body, bucket: b, key: p.key}, object.Size, nil
}

// reader gives the errors of a body their kind and their names.
type reader struct {
	body   io.ReadCloser
	bucket *Bucket
	key    string
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, r.bucket.fail("read", r.key, err)
}

func (r *reader) Close() error { return r.bucket.fail("read", r.key, r.body.Close()) }

// ReadAll is Bucket.ReadAll.
func (p Pinned) ReadAll(ctx context.Context, limit int64) ([]byte, error) {
	b := p.bucket
	return b.retry(ctx, func() ([]byte, error) {
		body, size, err := p.open(ctx, 0, -1)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		if size > limit {
			return nil, b.fail("read", p.key, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, size, limit))
		}
		if size >= 0 {
			return b.readFull(body, p.key, size)
		}
		data, err := io.ReadAll(io.LimitReader(body, limit+1))
		if err != nil {
			return nil, err
		}
		if int64(len(data)) > limit {
			return nil, b.fail("read", p.key, fmt.Errorf("%w: at most %d bytes are read", ErrTooLarge, limit))
		}
		return data, nil
	})
}

// ReadRange is Bucket.ReadRange.
func (p Pinned) ReadRange(ctx context.Context, offset, length int64) ([]byte, error) {
	b := p.bucket
	if offset < 0 || length < 0 {
		return nil, b.fail("read", p.key, refuse("%d bytes from offset %d: neither may be negative", length, offset))
	}
	return b.retry(ctx, func() ([]byte, error) {
		body, _, err := p.open(ctx, offset, length)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return b.readFull(body, p.key, length)
	})
}

// readFull reads size bytes. Fewer mean that the object was cut after it was opened, or the connection was.
func (b *Bucket) readFull(body io.Reader, key string, size int64) ([]byte, error) {
	data := make([]byte, size)
	n, err := io.ReadFull(body, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, b.fail("read", key, fmt.Errorf("%w: %d bytes of %d", io.ErrUnexpectedEOF, n, size))
	}
	return data, err
}

// patience is how often something is tried that failed in a way that may pass. Pauses double, less up to a half at
// random, so that many readers don't come back together.
type patience struct {
	attempts   int
	firstPause time.Duration
}

// readPatience is beside that of the providers' clients.
var readPatience = patience{4, 100 * time.Millisecond}

// retry repeats a read that failed transiently.
func (b *Bucket) retry(ctx context.Context, read func() ([]byte, error)) (data []byte, err error) {
	mayPass := func(err error) bool { return KindOf(err) == Transient && !errors.Is(err, ErrChanged) }
	err = readPatience.again(ctx, mayPass, func() error {
		data, err = read()
		return err
	})
	return data, err
}

// again repeats what failed and may pass, and returns the last error.
func (p patience) again(ctx context.Context, mayPass func(error) bool, try func() error) error {
	pause := p.firstPause
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || attempt == p.attempts || ctx.Err() != nil || !mayPass(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause - rand.N(pause/2+1)):
		}
		pause *= 2
	}
}

// Delete removes an object. One that isn't there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := check(ctx, key)
	if err == nil {
		err = b.backend.remove(ctx, key)
	}
	if err = b.fail("delete", key, err); KindOf(err) == NotFound {
		return nil
	}
	return err
}

// Write makes or replaces an object with what write puts into its writer. The object appears whole or not at all: if
// write returns an error or the context ends, what was there before stays. In a folder the content is on the disk, not
// only in its cache, when Write returns.
func (b *Bucket) Write(ctx context.Context, key string, write func(io.Writer) error) error {
	return b.write(ctx, key, false, write)
}

// WriteNew is Write for an object that must not be there yet, also not since write began: else it fails with ErrExists
// and leaves that one as it is.
func (b *Bucket) WriteNew(ctx context.Context, key string, write func(io.Writer) error) error {
	return b.write(ctx, key, true, write)
}

func (b *Bucket) write(ctx context.Context, key string, isNew bool, write func(io.Writer) error) error {
	if err := check(ctx, key); err != nil {
		return b.fail("write", key, err)
	}
	p, err := b.backend.create(ctx, key, isNew)
	if err != nil {
		return b.fail("write", key, err)
	}
	done := false
	defer func() {
		if !done { // also when write panics
			p.abort()
		}
	}()
	w := &writer{p: p, bucket: b, key: key}
	if err := write(w); err != nil {
		return err
	}
	if w.err != nil {
		return w.err
	}
	if err := ctx.Err(); err != nil {
		return b.fail("write", key, err)
	}
	done = true
	return b.fail("write", key, p.commit())
}

// ReadFile reads one object at a path or URL, of at most limit bytes.
func ReadFile(ctx context.Context, location string, limit int64) ([]byte, error) {
	folder, key, err := SplitKey(location)
	if err != nil {
		return nil, err
	}
	bucket, err := Open(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bucket.Close() }() // was only read
	return bucket.ReadAll(ctx, key, limit)
}

// WriteAll is Write for content that is already in memory.
func (b *Bucket) WriteAll(ctx context.Context, key string, data []byte) error {
	return b.Write(ctx, key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writer gives the errors of a write their kind and their names, and keeps the first, so that a callback that drops it
// cannot publish what is cut short.
type writer struct {
	p      pending
	bucket *Bucket
	key    string
	err    error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.p.Write(p)
	w.err = w.bucket.fail("write", w.key, err)
	return n, w.err
}

// check comes before whatever is done to an object.
func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return checkKey(key)
}

// checkKey refuses what is not a plain relative path, so that a key means the same object on every storage and cannot
// leave the root.
func checkKey(key string) error {
	if key == "." || !fs.ValidPath(key) {
		return refuse("the name is not a plain relative path in UTF-8")
	}
	return nil
}

package storage

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// local is a folder. Everything goes through an os.Root: no name and no link can lead out of it.
type local struct{ root *os.Root }

func openLocal(dir string) (backend, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, bare(err)
	}
	if !info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, bare(err)
	}
	return &local{root}, nil
}

func createLocal(dir string) (backend, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, bare(err)
	}
	return openLocal(dir)
}

func (l *local) close() error { return l.root.Close() }

// partial begins the names of files that are still being written. A killed process leaves them behind; they are not
// objects.
const partial = ".partial-"

func (l *local) list(ctx context.Context, prefix string) ([]Object, error) {
	dir := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		dir = prefix[:i]
	}
	if !fs.ValidPath(dir) {
		return nil, refuse("the prefix is not a plain relative path in UTF-8")
	}
	w := walk{ctx: ctx, root: l.root, prefix: prefix}
	err := w.dir(dir, nil)
	if dir != "." && len(w.objects) == 0 && localKind(err) == NotFound {
		return nil, nil
	}
	return w.objects, err
}

// walk collects the objects of a folder and of those below it.
type walk struct {
	ctx     context.Context
	root    *os.Root
	prefix  string
	objects []Object
	linked  []fs.FileInfo // the folders that links led to
}

// dir lists one folder; above holds the folders that lead to it, so that a link back to one of them ends there.
func (w *walk) dir(name string, above []fs.FileInfo) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	self, entries, err := w.read(name)
	if err != nil {
		if name == "lost+found" && localKind(err) == Denied {
			return nil // root's own, at the top of every ext4 volume
		}
		return fmt.Errorf("folder %s: %w", text.Quoted(name), bare(err))
	}
	for _, folder := range above {
		if os.SameFile(folder, self) {
			return nil
		}
	}
	above = append(slices.Clip(above), self)

	for _, info := range entries {
		key := path.Join(name, info.Name())
		if !strings.HasPrefix(key, w.prefix) || strings.HasPrefix(info.Name(), partial) {
			continue
		}
		if info.Mode().Type() == fs.ModeSymlink {
			target, err := w.root.Stat(key)
			if err != nil {
				w.objects = append(w.objects, Object{Key: key, Err: link(err)})
				continue
			}
			info = target
			if info.IsDir() {
				same := func(folder fs.FileInfo) bool { return os.SameFile(folder, info) }
				if slices.ContainsFunc(above, same) {
					continue
				}
				// Links between folders multiply: each folder is entered by one link only.
				if slices.ContainsFunc(w.linked, same) {
					w.objects = append(w.objects, Object{Key: key, Err: refuse("a link to a folder that another link has listed already")})
					continue
				}
				w.linked = append(w.linked, info)
			}
		}
		switch info.Mode().Type() {
		case 0:
			w.objects = append(w.objects, Object{Key: key, Size: info.Size(), Version: fileVersion(info), Modified: info.ModTime().Unix()})
		case fs.ModeDir:
			if err := w.dir(key, above); err != nil {
				return err
			}
		}
	}
	return nil
}

// read returns a folder's entries and closes it, so that a deep tree does not hold a file descriptor for every level.
func (w *walk) read(name string) (fs.FileInfo, []fs.FileInfo, error) {
	f, err := w.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	self, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	entries, err := f.Readdir(-1)
	return self, entries, err
}

func (l *local) open(_ context.Context, key string, offset, length int64) (io.ReadCloser, Object, error) {
	f, info, err := l.file(key)
	if err != nil {
		return nil, Object{}, err
	}
	object := Object{Key: key, Size: info.Size(), Version: fileVersion(info)}
	if offset == 0 && length < 0 {
		return f, object, nil
	}
	if length < 0 {
		length = max(info.Size()-offset, 0)
	}
	return &section{io.NewSectionReader(f, offset, length), f}, object, nil
}

// section is a part of a file that closes the file.
type section struct {
	io.Reader
	io.Closer
}

func (l *local) stat(_ context.Context, key string) (Object, error) {
	f, info, err := l.file(key)
	if err != nil {
		return Object{}, err
	}
	defer f.Close()
	return Object{Key: key, Size: info.Size(), Version: fileVersion(info)}, nil
}

// file opens a regular file. O_NONBLOCK is for what is not: opening a pipe would wait for a writer, perhaps forever.
func (l *local) file(key string) (*os.File, fs.FileInfo, error) {
	f, err := l.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, link(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = refuse("not a regular file (%s)", info.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, nil, bare(err)
	}
	return f, info, nil
}

func fileVersion(info fs.FileInfo) string {
	return version(info.Size(), info.ModTime().UnixNano())
}

func version(size, modified int64) string {
	b := strconv.AppendInt(make([]byte, 0, 32), size, 36)
	b = append(b, '-')
	return string(strconv.AppendInt(b, modified, 36))
}

func (l *local) remove(_ context.Context, key string) error {
	if err := l.root.Remove(key); err != nil {
		return err
	}
	return syncDir(l.root, path.Dir(key))
}

// staleAfter is the age from which a file that is being written aside belongs to a killed process.
const staleAfter = 24 * time.Hour

// sweep removes what killed processes left in a folder.
func (l *local) sweep(dir string) {
	entries, err := fs.ReadDir(l.root.FS(), dir)
	if err != nil {
		return // what is left over is in nobody's way
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), partial) {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = l.root.Remove(path.Join(dir, entry.Name())) // likewise
		}
	}
}

func (l *local) create(_ context.Context, key string, isNew bool) (pending, error) {
	l.sweep(path.Dir(key))
	f := &localFile{root: l.root, key: key, isNew: isNew, dirty: []string{path.Dir(key)}}
	if err := f.makeParents(path.Dir(key)); err != nil {
		return nil, link(err)
	}
	f.aside = path.Join(path.Dir(key), partial+rand.Text())
	file, err := l.root.OpenFile(f.aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, link(err)
	}
	f.file = file
	return f, nil
}

// localFile is written aside, in the folder where it will lie, and renamed once its bytes are on the disk.
type localFile struct {
	root  *os.Root
	key   string
	aside string
	isNew bool
	file  *os.File
	dirty []string // folders that get a new entry
}

func (f *localFile) makeParents(dir string) error {
	if dir == "." {
		return nil
	}
	err := f.root.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := f.makeParents(path.Dir(dir)); err != nil {
			return err
		}
		err = f.root.Mkdir(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // if it is not a folder, making the file in it says so
	}
	if err == nil {
		f.dirty = append(f.dirty, path.Dir(dir))
	}
	return err
}

func (f *localFile) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	return n, bare(err)
}

func (f *localFile) commit() error {
	err := f.file.Sync()
	if closed := f.file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = f.publish()
	}
	if err != nil {
		_ = f.root.Remove(f.aside) // the first error is the one to tell
		return bare(err)
	}
	for _, dir := range f.dirty {
		if err := syncDir(f.root, dir); err != nil {
			return bare(err)
		}
	}
	return nil
}

// publish gives the file its name. A rename would replace what has it; a link doesn't. Where files can't be linked, as
// in many mounted buckets, nothing but a look before the rename is left.
func (f *localFile) publish() error {
	if !f.isNew {
		return f.root.Rename(f.aside, f.key)
	}
	err := f.root.Link(f.aside, f.key)
	switch {
	case err == nil:
		_ = f.root.Remove(f.aside) // the file is there; sweep takes what is left
		return nil
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM):
		if _, err := f.root.Lstat(f.key); !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, ErrExists)
		}
		return f.root.Rename(f.aside, f.key)
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	}
	return err
}

// syncDir makes a folder's entries last.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some network file systems cannot sync a folder
		return err
	}
	return nil
}

func (f *localFile) abort() {
	_ = f.file.Close()
	_ = f.root.Remove(f.aside)
}

// bare drops the operation and the path that the os package adds: Error names them already, and better.
func bare(err error) error {
	if inPath, ok := errors.AsType[*fs.PathError](err); ok {
		return inPath.Err
	}
	if inLink, ok := errors.AsType[*os.LinkError](err); ok {
		return inLink.Err
	}
	return err
}

// link explains what os.Root only hints at. Its refusal to leave the root is not an exported error, but the only one of
// its errors on a valid key that does not come from the operating system.
func link(err error) error {
	err = bare(err)
	if errors.As(err, new(syscall.Errno)) || errors.Is(err, fs.ErrClosed) {
		return err
	}
	return refuse("a link leads out of the folder (%v): copy or mount its target inside", err)
}

func (l *local) kind(err error) Kind { return localKind(err) }

func localKind(err error) Kind {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Transient // a context's end, or a file cut while it was read
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return NotFound
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return Denied
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
		return Full
	case syscall.EINVAL, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.ENXIO:
		return Invalid
	default:
		return Transient
	}
}

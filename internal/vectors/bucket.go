package vectors

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Bucket is where a store keeps its parts: object storage, or a folder of this machine, as OpenFolder has it. Keys are
// slash-separated. Its methods may be called concurrently.
type Bucket interface {
	// List returns the objects whose keys begin with prefix.
	List(ctx context.Context, prefix string) ([]Object, error)
	// Head returns the first bytes of an object, at most size.
	Head(ctx context.Context, key string, size int64) ([]byte, error)
	// Open reads an object. Its error and Head's is fs.ErrNotExist for one that isn't there.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Write makes or replaces an object, whole or not at all; it is durable when Write returns.
	Write(ctx context.Context, key string, write func(io.Writer) error) error
	// Delete removes an object; one that isn't there is no error.
	Delete(ctx context.Context, key string) error
}

// An Object is what a listing says.
type Object struct {
	Key string
	// Size in bytes.
	Size int64
	// Modified is when it was written.
	Modified time.Time
}

// folder is a Bucket. It sees what a store puts there, and nothing else that may lie in the folder.
type folder struct{ root string }

// OpenFolder returns a folder of this machine as a Bucket. One that isn't there is empty.
func OpenFolder(root string) Bucket { return folder{root} }

func (f folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

// List looks into the root and the folders of recipes.
func (f folder) List(_ context.Context, prefix string) ([]Object, error) {
	var objects []Object
	if recipe, _, in := strings.Cut(prefix, "/"); in {
		return f.files(recipe, prefix, objects)
	}
	entries, err := os.ReadDir(f.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if entry.IsDir() && isRecipe(entry.Name()) && strings.HasPrefix(entry.Name(), prefix) {
			if objects, err = f.files(entry.Name(), prefix, objects); err != nil {
				return nil, err
			}
		}
	}
	return f.files(".", prefix, objects)
}

// files adds the files of a folder whose keys begin with prefix.
func (f folder) files(dir, prefix string, objects []Object) ([]Object, error) {
	entries, err := os.ReadDir(f.path(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another run may have removed it
		return nil, err
	}
	for _, entry := range entries {
		key := entry.Name()
		if dir != "." {
			key = dir + "/" + key
		}
		if !entry.Type().IsRegular() || !strings.HasPrefix(key, prefix) {
			continue
		}
		if info, err := entry.Info(); err == nil { // likewise
			objects = append(objects, Object{key, info.Size(), info.ModTime()})
		}
	}
	return objects, nil
}

func (f folder) Head(_ context.Context, key string, size int64) ([]byte, error) {
	file, err := os.Open(f.path(key))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // was only read
	return io.ReadAll(io.LimitReader(file, size))
}

func (f folder) Open(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(f.path(key))
}

func (f folder) Delete(_ context.Context, key string) error {
	if err := os.Remove(f.path(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Write writes a file so that it appears under its name whole or not at all, also after a loss of power.
func (f folder) Write(_ context.Context, key string, write func(io.Writer) error) (err error) {
	path := f.path(key)
	if err := makeFolders(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), asidePrefix+"*")
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

// asidePrefix begins the names of files that are being written.
const asidePrefix = ".dataset-audit-"

// makeFolders makes a folder, and those above it, with the rights of the one that they lie in, whatever this user's habits
// are: pods of several users share a claim.
func makeFolders(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := makeFolders(above); err != nil {
		return err
	}
	info, err := os.Stat(above)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) { // another run was faster
			return nil
		}
		return err
	}
	return os.Chmod(dir, info.Mode()&(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky))
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if isUnsupported(err) { // some network file systems can't sync a folder
		err = nil
	}
	return errors.Join(err, dir.Close())
}

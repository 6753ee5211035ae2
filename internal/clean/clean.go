package clean

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// Method is how the files of a cleaned folder come to be.
type Method string

// The methods. Links take no space; hard links need the same file system, and share later changes with the dataset's
// files.
const (
	Copy          Method = "Copy"
	HardLinks     Method = "HardLinks"
	SymbolicLinks Method = "SymbolicLinks"
)

// Result counts what was written: rows of a manifest, or files. Unreadable files of a folder, such as broken links, are
// left out: an audit can't read them either.
type Result struct{ Kept, Removed, Unreadable int }

// Manifest writes the manifest with key in the dataset to a new file or object, without the records of samples that go.
// Options, which may be nil, name its columns.
func Manifest(ctx context.Context, in *storage.Bucket, key string, options *v1alpha1.ManifestOptions, to string, r *Removals) (Result, error) {
	place, name, err := storage.SplitKey(to)
	if err != nil {
		return Result{}, err
	}
	out, err := storage.Create(ctx, place)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = out.Close() }() // what was written is durable already
	// Before the work; WriteNew looks again after it.
	if _, err := out.Stat(ctx, name); err == nil {
		return Result{}, taken(to)
	} else if storage.KindOf(err) != storage.NotFound {
		return Result{}, err
	}
	body, err := in.Open(ctx, key)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = body.Close() }() // was only read
	var result Result
	seen := map[string]bool{}
	err = out.WriteNew(ctx, name, func(w io.Writer) error {
		err := dataset.FilterManifest(key, options, body, w, func(id string) bool {
			if r.gone[id] || r.stays[id] {
				seen[id] = true
			}
			if !r.Keeps(id) {
				result.Removed++
				return false
			}
			result.Kept++
			return true
		})
		if err != nil {
			return err
		}
		return r.fits(func(id string) bool { return seen[id] })
	})
	if errors.Is(err, storage.ErrExists) {
		return Result{}, taken(to)
	}
	return result, err
}

// workers is how many files are copied or linked at a time.
const workers = 8

// Folder writes a new local folder with every file of the dataset except the images that go. It appears under its name
// only once it is complete. Advance is told of files that are done; it is called concurrently.
func Folder(ctx context.Context, in *storage.Bucket, to string, as Method, r *Removals, advance func(files int64)) (Result, error) {
	objects, err := in.List(ctx, "")
	if err != nil {
		return Result{}, err
	}
	there := make(map[string]bool, len(objects))
	for _, o := range objects {
		there[o.Key] = true
	}
	if err := r.fits(func(id string) bool { return there[id] }); err != nil {
		return Result{}, err
	}
	if err := newFolder(in, to, as); err != nil {
		return Result{}, err
	}
	to = filepath.Clean(to)
	partial, err := os.MkdirTemp(filepath.Dir(to), ".partial-"+filepath.Base(to)+"-*")
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = os.RemoveAll(partial) }() // of no use to anyone, and gone if all went well
	if err := os.Chmod(partial, 0o755); err != nil {
		return Result{}, err
	}
	out, err := storage.Open(ctx, partial)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = out.Close() }() // what was written is durable already

	var result Result
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, o := range objects {
		if !r.Keeps(o.Key) {
			result.Removed++
			continue
		}
		if o.Err != nil {
			result.Unreadable++
			advance(1)
			continue
		}
		result.Kept++
		group.Go(func() error {
			defer advance(1)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case as == Copy:
				return copyObject(ctx, in, out, o)
			}
			return link(in, as, partial, o.Key)
		})
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	if err := absent(to); err != nil { // nobody made it meanwhile: a rename would take an empty folder's place
		return Result{}, err
	}
	return result, os.Rename(partial, to)
}

func copyObject(ctx context.Context, in, out *storage.Bucket, o storage.Object) error {
	body, err := in.Pin(o.Key, o.Version).OpenRange(ctx, 0, -1)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // was only read
	return out.Write(ctx, o.Key, func(w io.Writer) error {
		_, err := io.Copy(w, body)
		return err
	})
}

func link(in *storage.Bucket, as Method, folder, key string) error {
	target := filepath.Join(folder, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	source, err := filepath.Abs(filepath.Join(in.String(), filepath.FromSlash(key)))
	if err != nil {
		return err
	}
	if as == SymbolicLinks {
		return os.Symlink(source, target)
	}
	if source, err = filepath.EvalSymlinks(source); err != nil { // the file, not a link to it
		return err
	}
	return os.Link(source, target)
}

// newFolder refuses a place that a cleaned folder can't have.
func newFolder(in *storage.Bucket, to string, as Method) error {
	if _, local := storage.LocalPath(to); !local || strings.Contains(to, "://") {
		return refuse("%s: the cleaned folder is a local one", to)
	}
	if err := absent(to); err != nil {
		return err
	}
	parents := filepath.Dir(filepath.Clean(to))
	if from, local := storage.LocalPath(in.String()); local {
		source, err := resolve(from)
		if err != nil {
			return err
		}
		parent, err := resolve(parents)
		if err != nil {
			return err
		}
		if parent == source || strings.HasPrefix(parent, source+string(filepath.Separator)) {
			return refuse("%s lies in the dataset, which would then hold every sample twice: name a folder beside it", to)
		}
	} else if as != Copy {
		return refuse("%s is in object storage, and links are to files: use %s", in, Copy)
	}
	return os.MkdirAll(parents, 0o755)
}

// resolve is the path of a folder without links, as far as it is there.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		parent, err := resolve(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	return resolved, err
}

func absent(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return taken(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ErrRefused is in the chain of what is refused because of the place or method asked for.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

func taken(path string) error { return refuse("%s is there already: name a new one", path) }

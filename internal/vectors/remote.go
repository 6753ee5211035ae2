package vectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Remote is where the parts of a store are kept beyond the folder of one machine. Keys are slash-separated. Its methods
// may be called concurrently.
type Remote interface {
	// List returns the keys that begin with prefix.
	List(ctx context.Context, prefix string) ([]string, error)
	// Head returns the first bytes of an object, at most size.
	Head(ctx context.Context, key string, size int64) ([]byte, error)
	// Open reads an object. Its error and Head's is fs.ErrNotExist for one that isn't there.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Write makes or replaces an object, whole or not at all.
	Write(ctx context.Context, key string, write func(io.Writer) error) error
	// Delete removes an object; one that isn't there is no error.
	Delete(ctx context.Context, key string) error
}

const (
	// remoteAtOnce is how many objects are read at once, which hides their latency.
	remoteAtOnce = 32
	// firstHead is how much of an object is read for its header at first, about a part of 1,000 samples.
	firstHead = 256 << 10
)

func (s *Store) key(name string) string { return filepath.Base(s.dir) + "/" + name }

// addRemote makes the parts known that are kept elsewhere, by their headers.
func (s *Store) addRemote(ctx context.Context, here map[string]bool) error {
	keys, err := s.remote.List(ctx, s.key(partPrefix))
	if err != nil {
		return err
	}
	headers := make([]*header, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(remoteAtOnce)
	for i, key := range keys {
		name := filepath.Base(key)
		if here[name] || !strings.HasSuffix(name, partSuffix) {
			continue
		}
		group.Go(func() error {
			h, err := s.remoteHeader(ctx, key)
			if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) { // another run may have removed it
				return nil
			}
			if err == nil && s.owns(h) {
				headers[i] = &h
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, h := range headers {
		if h != nil {
			s.add(filepath.Base(keys[i]), *h)
		}
	}
	return nil
}

func (s *Store) remoteHeader(ctx context.Context, key string) (header, error) {
	head, err := s.remote.Head(ctx, key, firstHead)
	if err != nil {
		return header{}, err
	}
	size, sum, err := decodePrefix(head)
	if err != nil {
		return header{}, err
	}
	if whole := prefixSize + size; whole > len(head) {
		if head, err = s.remote.Head(ctx, key, int64(whole)); err != nil {
			return header{}, err
		}
		if whole > len(head) {
			return header{}, cutOff(io.ErrUnexpectedEOF)
		}
	}
	return decodeHeader(head[prefixSize:prefixSize+size], sum)
}

func (s *Store) upload(ctx context.Context, name string) error {
	file, err := os.Open(s.path(name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // was only read
	return s.remote.Write(ctx, s.key(name), func(w io.Writer) error {
		_, err := io.Copy(w, file)
		return err
	})
}

// fetch brings the parts with the given names into the folder, as far as they aren't there.
func (s *Store) fetch(ctx context.Context, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(remoteAtOnce)
	for _, name := range names {
		if _, err := os.Stat(s.path(name)); err == nil {
			continue
		}
		group.Go(func() error {
			body, err := s.remote.Open(ctx, s.key(name))
			if errors.Is(err, fs.ErrNotExist) { // another run has removed it: it is not there when it is mapped, either
				return nil
			}
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }() // was only read
			return writeAside(s.path(name), func(w io.Writer) error {
				_, err := io.Copy(w, body)
				return err
			})
		})
	}
	return group.Wait()
}

// usedName is the object that says when a recipe was last used.
const usedName = "used"

// useRemote says that the recipe is in use now, and removes the recipes that were not since a time.
func (s *Store) useRemote(ctx context.Context, now, since time.Time) error {
	err := s.remote.Write(ctx, s.key(usedName), func(w io.Writer) error {
		_, err := io.WriteString(w, now.UTC().Format(time.RFC3339))
		return err
	})
	if err != nil {
		return err
	}
	keys, err := s.remote.List(ctx, "")
	if err != nil {
		return err
	}
	for _, key := range keys {
		recipe, name, _ := strings.Cut(key, "/")
		if name != usedName || recipe == filepath.Base(s.dir) {
			continue
		}
		text, err := s.remote.Head(ctx, key, 64)
		if errors.Is(err, fs.ErrNotExist) { // likewise
			continue
		}
		if err != nil {
			return err
		}
		used, err := time.Parse(time.RFC3339, string(bytes.TrimSpace(text)))
		if err == nil && used.Before(since) {
			err = s.removeRemote(ctx, recipe, keys)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// removeRemote removes a recipe, what says when it was used last.
func (s *Store) removeRemote(ctx context.Context, recipe string, keys []string) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(remoteAtOnce)
	for _, key := range keys {
		if strings.HasPrefix(key, recipe+"/"+partPrefix) {
			group.Go(func() error { return s.remote.Delete(inner, key) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.remote.Delete(ctx, recipe+"/"+usedName)
}

package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// Kind says what to do about an error.
type Kind int

const (
	// Transient errors are those of networks, servers and disks, and all that is not known better: trying again may
	// help.
	Transient Kind = iota
	// NotFound means that the object, folder or bucket is not there.
	NotFound
	// Denied means that it is there, and these credentials or this user may not have it.
	Denied
	// Unauthorized means that the credentials themselves are refused, for every object alike.
	Unauthorized
	// Full means that no space, or no quota, is left to write to.
	Full
	// Invalid means that the request makes no sense here and never will: a malformed URL, a name that leaves the root,
	// something that is not a regular file, an object above its size limit.
	Invalid
)

func (k Kind) String() string {
	switch k {
	case NotFound:
		return "not found"
	case Denied:
		return "permission denied"
	case Unauthorized:
		return "credentials refused"
	case Full:
		return "no space left"
	case Invalid:
		return "invalid"
	default:
		return "transient"
	}
}

// ErrTooLarge is what an object above the caller's limit gives.
var ErrTooLarge = errors.New("the object is too large")

// ErrChanged is what an object gives that is no longer the one that was listed. Its kind is Transient: a new listing
// helps.
var ErrChanged = errors.New("the object was changed after it was listed: a dataset must not change while it is read")

// ErrExists is what WriteNew gives where there is an object already.
var ErrExists = errors.New("there is an object of this name already")

// Error is what every function of this package fails with. errors.Is finds fs.ErrNotExist and fs.ErrPermission in it by
// its Kind, whatever the storage, and the cause below it, such as syscall.ENOSPC or context.Canceled.
type Error struct {
	// Op is what was tried: open, list, read, write, delete or close.
	Op string
	// URL is the bucket's root without credentials and options.
	URL string
	// Key is the object or the listing's prefix; empty where the bucket itself is meant.
	Key  string
	Kind Kind
	Err  error
}

func (e *Error) Error() string {
	where := display(e.URL)
	if e.Key != "" {
		where = strings.TrimSuffix(where, "/") + "/" + e.Key
	}
	return fmt.Sprintf("%s %s: %v", e.Op, text.Quoted(where), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Is lets the standard library's file errors stand for the kinds.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Kind == NotFound
	case fs.ErrPermission:
		return e.Kind == Denied || e.Kind == Unauthorized
	}
	return false
}

// KindOf returns the kind of the *Error in err's chain, and Transient where there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Transient
}

// fail wraps a backend's error; nil stays nil, and what is wrapped already stays as it is.
func (b *Bucket) fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	kind := Invalid
	switch {
	case errors.Is(err, ErrChanged):
		kind = Transient
	case !errors.As(err, new(*refusal)) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrExists):
		kind = b.backend.kind(err)
	}
	return &Error{Op: op, URL: b.url, Key: key, Kind: kind, Err: err}
}

// refusal is a request that this package itself turns down: its kind is Invalid on every backend.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// display returns a location fit for messages: a URL loses its user, password and options, which may be secrets.
func display(location string) string {
	scheme, rest, ok := strings.Cut(location, "://")
	if !ok {
		return location
	}
	if u, err := url.Parse(location); err == nil {
		return u.Scheme + "://" + u.Host + u.Path
	}
	rest, _, _ = strings.Cut(rest, "?")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest = rest[i+1:]
	}
	return scheme + "://" + rest
}

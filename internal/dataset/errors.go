package dataset

import (
	"errors"
	"fmt"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// InvalidError is a mistake in the dataset or in what was asked of it: trying again changes nothing. Every other error
// of this package is the storage's or the context's.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

var (
	// ErrEmpty is in the chain where no sample is left to audit.
	ErrEmpty = errors.New("the dataset is empty")
	// ErrDuplicateID is in the chain where two samples bear one ID.
	ErrDuplicateID = errors.New("duplicate sample ID")
	// ErrNotFinite is in the chain of a Sample.Err where a vector holds what is not a finite float32.
	ErrNotFinite = errors.New("not a finite number")
)

// invalid makes an InvalidError.
func invalid(format string, args ...any) error {
	return &InvalidError{fmt.Errorf(format, args...)}
}

// ofOneSample tells an object that cannot be had, which costs one sample, from a failure that could hit any of them.
func ofOneSample(err error) bool {
	switch storage.KindOf(err) {
	case storage.NotFound, storage.Denied, storage.Invalid:
		return true
	default:
		return false
	}
}

// mistake makes an InvalidError of a storage error about a file that the dataset cannot do without; others stay.
func mistake(err error) error {
	if err != nil && ofOneSample(err) {
		return &InvalidError{err}
	}
	return err
}

// some joins the first names of a long list and says how many more there are.
func some(names []string) string {
	const most = 20
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

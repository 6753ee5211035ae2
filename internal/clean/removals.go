// Package clean applies an audit's remove.csv: it writes a copy of the dataset without the samples that could go. It
// never changes or deletes anything of the dataset itself.
package clean

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/dataset"
)

// Removals are the samples that a remove.csv gives up for one layer.
type Removals struct {
	// gone are their IDs, stays those of the samples that stay for them in the same dataset.
	gone, stays map[string]bool
}

// Len is the number of samples that go.
func (r *Removals) Len() int { return len(r.gone) }

// Keeps tells whether a sample stays.
func (r *Removals) Keeps(id string) bool { return !r.gone[id] }

// MismatchError says that a remove.csv is malformed, or of another dataset than the one at hand.
type MismatchError struct{ Err error }

func (e *MismatchError) Error() string { return e.Err.Error() }
func (e *MismatchError) Unwrap() error { return e.Err }

func mismatch(format string, args ...any) error { return &MismatchError{fmt.Errorf(format, args...)} }

// ReadRemovals reads the rows of a layer from a remove.csv. The layer may be empty where the file has one only. Every
// error that is not of reading is a *MismatchError.
func ReadRemovals(r io.Reader, layer string) (*Removals, error) {
	table := csv.NewReader(dataset.WithoutBOM(r)) // it may have been edited in a spreadsheet
	table.ReuseRecord = true
	header, err := table.Read()
	if errors.Is(err, io.EOF) {
		return nil, mismatch("it is empty: even where nothing goes, a remove.csv names its columns")
	}
	if err != nil {
		return nil, malformed(err)
	}
	column := map[string]int{}
	for _, name := range []string{"layer", "id", "keeperID", "baseline"} {
		column[name] = slices.Index(header, name)
		if column[name] < 0 {
			return nil, mismatch("line 1: there is no column %s: it is not a remove.csv of this version", name)
		}
	}
	reference := slices.Index(header, "reference") // which older files don't have
	out := &Removals{gone: map[string]bool{}, stays: map[string]bool{}}
	layers := map[string]bool{}
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed(err)
		}
		of := strings.Clone(row[column["layer"]])
		layers[of] = true
		if layer != "" && of != layer {
			continue
		}
		if layer == "" && len(layers) > 1 {
			return nil, mismatch("it is about several layers: choose one of them with --layer, for each layer finds duplicates of its own")
		}
		out.gone[strings.Clone(row[column["id"]])] = true
		elsewhere := strings.EqualFold(row[column["baseline"]], "true") || reference >= 0 && row[reference] != ""
		if !elsewhere { // a baseline's sample, or a reference's, is in another dataset
			out.stays[strings.Clone(row[column["keeperID"]])] = true
		}
	}
	if layer != "" && len(layers) > 0 && !layers[layer] {
		return nil, mismatch("it has no row of layer %q, and rows of: %s", layer, strings.Join(slices.Sorted(maps.Keys(layers)), ", "))
	}
	for id := range out.stays {
		if out.gone[id] {
			return nil, mismatch("sample %q would go and is to stay for another one at once", id)
		}
	}
	return out, nil
}

func malformed(err error) error {
	if _, syntax := errors.AsType[*csv.ParseError](err); syntax {
		return &MismatchError{err}
	}
	return err
}

// fits holds the removals against the dataset: a file of another dataset, or of another version of it, would leave out
// the wrong samples, or the last copy of one.
func (r *Removals) fits(has func(id string) bool) error {
	for _, check := range []struct {
		ids  map[string]bool
		says string
	}{{r.gone, "names"}, {r.stays, "has stay"}} {
		var missing []string
		for id := range check.ids {
			if !has(id) {
				missing = append(missing, id)
			}
		}
		if len(missing) > 0 {
			slices.Sort(missing)
			return mismatch("it %s %d samples that are not in the dataset, the first is %q: it was made for another one, or for another version of it",
				check.says, len(missing), missing[0])
		}
	}
	return nil
}

// Package croissant reads and writes the metadata that many datasets bear: Croissant 1.0, a JSON-LD document
// (http://mlcommons.org/croissant/1.0). It says which files form a dataset and how it is split, and takes up what an audit
// found.
//
// Documents write the same in several ways: with prefixes (cr:FileSet) or whole IRIs, one value or a list of them. Terms are
// known by their last part here, which is the same in all of them.
package croissant

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// MaxBytes bounds a document.
const MaxBytes = 16 << 20

// Metadata is a document.
type Metadata struct {
	data     []byte
	document map[string]any
}

// Parse reads a document, and refuses one that describes no dataset.
func Parse(data []byte) (*Metadata, error) {
	m := &Metadata{data: data}
	if err := json.Unmarshal(data, &m.document); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	if !slices.ContainsFunc(all(m.document, "@type", "type"), isTerm("Dataset")) {
		return nil, errors.New("its @type is not Dataset, of schema.org: name a file of Croissant, often called croissant.json or metadata.json")
	}
	return m, nil
}

// term is the last part of a name or an IRI: FileSet of cr:FileSet and of http://mlcommons.org/croissant/FileSet.
func term(s string) string { return s[strings.LastIndexAny(s, ":/#")+1:] }

func isTerm(want string) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return ok && term(s) == want
	}
}

// all are the values of a property, under whichever of its names, as a list.
func all(object map[string]any, names ...string) (values []any) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(names, key) && !slices.Contains(names, term(key)) {
			continue
		}
		if list, ok := object[key].([]any); ok {
			values = append(values, list...)
		} else if object[key] != nil {
			values = append(values, object[key])
		}
	}
	return values
}

// objects are the values of a property that are objects of a type.
func objects(of map[string]any, property, kind string) (found []map[string]any) {
	for _, value := range all(of, property) {
		if object, ok := value.(map[string]any); ok && slices.ContainsFunc(all(object, "@type", "type"), isTerm(kind)) {
			found = append(found, object)
		}
	}
	return found
}

// texts are the values of a property that are texts.
func texts(of map[string]any, property string) (found []string) {
	for _, value := range all(of, property) {
		if s, ok := value.(string); ok {
			found = append(found, s)
		}
	}
	return found
}

// Format is the format that the files' media types come to; empty where they say nothing, or several things.
func (m *Metadata) Format() v1alpha1.DatasetFormat {
	found := map[v1alpha1.DatasetFormat]bool{}
	for _, kind := range []string{"FileSet", "FileObject"} {
		for _, file := range objects(m.document, "distribution", kind) {
			for _, media := range texts(file, "encodingFormat") {
				if format := formatOf(media); format != "" {
					found[format] = true
				}
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	for format := range found {
		return format
	}
	return ""
}

func formatOf(media string) v1alpha1.DatasetFormat {
	switch media = strings.ToLower(media); {
	case strings.HasPrefix(media, "image/"):
		return v1alpha1.FormatImageFolder
	case media == "application/x-parquet", media == "application/vnd.apache.parquet":
		return v1alpha1.FormatParquet
	}
	return ""
}

// EvaluationSplits are the splits that the document calls test or validation splits; nil where it doesn't say what its
// splits are for.
func (m *Metadata) EvaluationSplits() (names []string) {
	for _, set := range objects(m.document, "recordSet", "RecordSet") {
		if !slices.ContainsFunc(all(set, "dataType"), isTerm("Split")) {
			continue
		}
		for _, value := range all(set, "data") {
			row, ok := value.(map[string]any)
			if name := nameOf(set, row); ok && name != "" && evaluates(row) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// nameOf is a split's name: the row's key, or else what a field called name says.
func nameOf(set, row map[string]any) string {
	for _, key := range all(set, "key") {
		id, _ := key.(string)
		if object, ok := key.(map[string]any); ok {
			id, _ = object["@id"].(string)
		}
		if name, ok := row[id].(string); ok {
			return name
		}
	}
	for _, field := range slices.Sorted(maps.Keys(row)) {
		if name, ok := row[field].(string); ok && strings.HasSuffix(term(field), "name") {
			return name
		}
	}
	return ""
}

// evaluates says whether a row of splits bears the IRI of a test or a validation split.
func evaluates(row map[string]any) bool {
	for _, value := range row {
		if isTerm("TestSplit")(value) || isTerm("ValidationSplit")(value) {
			return true
		}
	}
	return false
}

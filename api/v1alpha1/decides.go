package v1alpha1

import (
	"encoding/json"
	"strings"
)

// Decides is what a field of dataset, model, reduction or duplicates decides. The runner takes from it what vectors are
// kept by and which baselines can be compared, and the operator whether a change of the field starts a run.
type Decides string

const (
	// DecidesInput is of fields that name what is read. What that is, is known by its digest, wherever it lies.
	DecidesInput Decides = "Input"
	// DecidesVectors is of fields that decide the vectors of a sample, besides its bytes and the model's.
	DecidesVectors Decides = "Vectors"
	// DecidesReduction is of fields that decide what becomes of vectors before they are compared.
	DecidesReduction Decides = "Reduction"
	// DecidesFindings is of fields that decide what is found among the vectors, or what is said of it.
	DecidesFindings Decides = "Findings"
	// DecidesAccess is of fields that only open what is read.
	DecidesAccess Decides = "Access"
)

// deciding says what each field decides, with all below it. Absent is what a field is that isn't set.
var deciding = []struct {
	path    string
	decides Decides
	absent  string
}{
	{"dataset.source", DecidesInput, ""},
	{"dataset.format", DecidesInput, ""},
	{"dataset.revision", DecidesInput, ""},
	{"dataset.manifest", DecidesInput, ""},
	{"dataset.webDataset", DecidesInput, ""},
	{"dataset.parquet", DecidesInput, ""},
	{"dataset.tfRecord", DecidesInput, ""},
	{"dataset.cifar", DecidesInput, ""},
	{"dataset.embeddings", DecidesInput, ""},
	{"dataset.splits", DecidesInput, ""},
	{"dataset.labels", DecidesInput, ""},
	{"dataset.maxSamples", DecidesInput, ""},
	{"dataset.evaluationSplits", DecidesFindings, ""},
	{"dataset.maxUnreadable", DecidesFindings, ""},
	{"dataset.ignoreOrientation", DecidesVectors, "false"},
	{"model.builtin", DecidesInput, ""},
	{"model.source", DecidesInput, ""},
	{"model.sha256", DecidesInput, ""},
	{"model.layers", DecidesVectors, "[]"},
	{"model.preprocessing", DecidesVectors, "{}"},
	{"model.pooling", DecidesVectors, "{}"},
	{"reduction.pca", DecidesReduction, "{}"},
	{"duplicates.method", DecidesFindings, ""},
	{"duplicates.inspection", DecidesFindings, ""},
	{"duplicates.search", DecidesFindings, ""},
	{"duplicates.neighbors", DecidesFindings, ""},
	{"duplicates.threshold", DecidesFindings, ""},
	{"duplicates.maxClusterSize", DecidesFindings, ""},
	{"duplicates.removal", DecidesFindings, ""},
	{"duplicates.verdicts", DecidesFindings, ""},
}

// FieldDecides says what the field at a path such as dataset.source.objectStorage.url decides; empty for one that nobody
// has thought of.
func FieldDecides(path string) Decides {
	if strings.HasSuffix(path, ".secretRef.name") {
		return DecidesAccess
	}
	for _, field := range deciding {
		if path == field.path || strings.HasPrefix(path, field.path+".") {
			return field.decides
		}
	}
	return ""
}

// Deciding returns the fields that decide something, as JSON, by their paths.
func (s *DatasetAuditSpec) Deciding(what Decides) (map[string]string, error) {
	encoded, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, field := range deciding {
		if field.decides != what {
			continue
		}
		value := json.RawMessage(encoded)
		for name := range strings.SplitSeq(field.path, ".") {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(value, &fields); err != nil {
				return nil, err
			}
			if value = fields[name]; value == nil {
				value = json.RawMessage("{}")
				if strings.HasSuffix(field.path, "."+name) {
					value = json.RawMessage(field.absent)
				}
			}
		}
		values[field.path] = string(value)
	}
	return values, nil
}

package croissant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

const (
	// Vocabulary is the namespace of what an audit says in a document. docs/results.md has its terms.
	Vocabulary = "https://datasetaudit.io/croissant/v1#"
	// property holds it. It is a whole IRI, so the document's context need not know it.
	property = Vocabulary + "audit"
	// limitations is the property of Croissant's vocabulary for responsible AI that tools show to people.
	limitations = "http://mlcommons.org/croissant/RAI/dataLimitations"
	// signature begins the limitation that is ours.
	signature = "dataset-audit: "
)

// An audit is what a document says of one.
type audit struct {
	Context          map[string]string     `json:"@context"`
	Type             string                `json:"@type"`
	Version          string                `json:"version,omitempty"`
	Run              string                `json:"run,omitempty"`
	DatasetDigest    string                `json:"datasetDigest"`
	Revision         string                `json:"revision,omitempty"`
	Method           string                `json:"method"`
	Model            string                `json:"model,omitempty"`
	ModelSHA256      string                `json:"modelSHA256,omitempty"`
	Layer            string                `json:"layer"`
	Samples          int64                 `json:"samples"`
	DuplicateSamples int64                 `json:"duplicateSamples"`
	RedundantSamples int64                 `json:"redundantSamples"`
	Clusters         int64                 `json:"clusters"`
	EffectiveSize    int64                 `json:"effectiveSize"`
	LeakedSamples    *int64                `json:"leakedSamples,omitempty"`
	LabelConflicts   *int64                `json:"labelConflicts,omitempty"`
	Splits           []split               `json:"splits,omitempty"`
	Compliant        string                `json:"compliant,omitempty"`
	Rules            []v1alpha1.RuleStatus `json:"rules,omitempty"`
}

type split struct {
	Name             string `json:"name"`
	Samples          int64  `json:"samples"`
	DuplicateSamples int64  `json:"duplicateSamples"`
	EffectiveSize    int64  `json:"effectiveSize"`
}

// Annotate returns the document with what an audit found, in the first layer, and with sentences that say it to people. What
// an earlier audit said is replaced; the rest stays as it is, in its order.
func (m *Metadata) Annotate(s *v1alpha1.AuditSummary, method v1alpha1.DuplicatesMethod, sentences []string) ([]byte, error) {
	layer := &s.Layers[0]
	said := audit{
		Context: map[string]string{"@vocab": Vocabulary}, Type: "Audit", Version: s.Versions.Runner, Run: s.Run.ID,
		DatasetDigest: s.Dataset.Digest, Revision: s.Dataset.Revision, Method: string(method), Layer: layer.Layer,
		Samples: layer.Samples, DuplicateSamples: layer.DuplicateSamples, RedundantSamples: layer.RedundantSamples,
		Clusters: layer.Clusters, EffectiveSize: layer.EffectiveSize, LabelConflicts: layer.LabelConflicts,
	}
	if s.Model != nil {
		said.Model, said.ModelSHA256 = s.Model.Name, s.Model.SHA256
	}
	if layer.Leakage != nil {
		said.LeakedSamples = &layer.Leakage.Samples
	}
	for _, g := range layer.Splits {
		said.Splits = append(said.Splits, split{g.Name, g.Samples, g.DuplicateSamples, g.EffectiveSize})
	}
	if s.Policy != nil {
		said.Compliant, said.Rules = string(s.Policy.Compliant), s.Policy.Rules
	}
	fields, err := fieldsOf(m.data)
	if err != nil {
		return nil, err
	}
	var kept []field
	for _, f := range fields {
		if f.name != property && f.name != limitations {
			kept = append(kept, f)
		}
	}
	texts := m.othersLimitations()
	for _, sentence := range sentences {
		texts = append(texts, signature+sentence)
	}
	for _, added := range []struct {
		name  string
		value any
	}{{limitations, texts}, {property, said}} {
		data, err := json.Marshal(added.value)
		if err != nil {
			return nil, err
		}
		kept = append(kept, field{added.name, data})
	}
	return write(kept)
}

// othersLimitations are those that somebody else wrote under the whole IRI.
func (m *Metadata) othersLimitations() []any {
	var others []any
	values, several := m.document[limitations].([]any)
	if single := m.document[limitations]; !several && single != nil {
		values = []any{single}
	}
	for _, value := range values {
		if s, ok := value.(string); !ok || !strings.HasPrefix(s, signature) {
			others = append(others, value)
		}
	}
	return others
}

// A field of the document, as it is written there.
type field struct {
	name  string
	value json.RawMessage
}

// fieldsOf are the fields of an object, in their order.
func fieldsOf(data []byte) (fields []field, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		f := field{name: fmt.Sprint(name)}
		if err := decoder.Decode(&f.value); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func write(fields []field) ([]byte, error) {
	var object, out bytes.Buffer
	object.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			object.WriteByte(',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		object.Write(name)
		object.WriteByte(':')
		object.Write(f.value)
	}
	object.WriteByte('}')
	if err := json.Indent(&out, object.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

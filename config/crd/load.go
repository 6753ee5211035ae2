package crd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// maxManifestBytes bounds a DatasetAudit, as etcd bounds an object.
const maxManifestBytes = 3 << 19

// Load reads one DatasetAudit from YAML or JSON, strictly: unknown and repeated fields are errors, defaults are
// applied, those of the method too, and all rules of the CustomResourceDefinition are checked. A status is ignored, as
// an API server would. Every error names its field and is a v1alpha1.RunError of code ExitInvalidSpec.
func Load(data []byte) (*v1alpha1.DatasetAudit, error) { return LoadEdited(data, nil) }

// LoadEdited is Load for a manifest that edit, if not nil, changes before it is checked.
func LoadEdited(data []byte, edit func(object map[string]any) error) (*v1alpha1.DatasetAudit, error) {
	if len(data) > maxManifestBytes {
		return nil, invalid(fmt.Errorf("the manifest has %d bytes, more than the %d that a Kubernetes object may have", len(data), maxManifestBytes))
	}
	v, err := theValidator()
	if err != nil {
		return nil, err
	}
	if data, err = onlyDocument(data); err != nil {
		return nil, invalid(err)
	}
	object, err := decode(data)
	if err != nil {
		return nil, invalid(err)
	}
	if edit != nil {
		if err := edit(object); err != nil {
			return nil, err
		}
	}
	if err := v.admit(object); err != nil {
		return nil, invalid(err)
	}
	normalized, err := json.Marshal(object)
	if err != nil {
		return nil, invalid(err)
	}
	audit := &v1alpha1.DatasetAudit{}
	if err := json.Unmarshal(normalized, audit); err != nil {
		return nil, invalid(err)
	}
	audit.Spec.SetMethodDefaults()
	return audit, nil
}

// onlyDocument returns the one YAML document that is not empty: kubectl would apply each of several, and nobody would
// notice that the others were not audited.
func onlyDocument(data []byte) ([]byte, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	var only []byte
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return only, nil
		}
		if err != nil {
			return nil, err
		}
		var value any
		if len(bytes.TrimSpace(document)) == 0 || yaml.Unmarshal(document, &value) == nil && value == nil {
			continue // nothing but comments
		}
		if only != nil {
			return nil, errors.New("the manifest holds several documents: an audit is one, in a file of its own")
		}
		only = document
	}
}

func invalid(err error) error {
	return v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf("invalid DatasetAudit: %w", err))
}

// decode reads the one object in data, of our group, version and kind.
func decode(data []byte) (map[string]any, error) {
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(asJSON, &value); err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("the manifest is empty or no mapping of fields")
	}
	if got, want := object["apiVersion"], v1alpha1.GroupVersion.String(); got != want {
		return nil, fmt.Errorf("apiVersion is %v, want %s", describe(got), want)
	}
	if got := object["kind"]; got != v1alpha1.Kind {
		return nil, fmt.Errorf("kind is %v, want %s", describe(got), v1alpha1.Kind)
	}
	return object, nil
}

func describe(value any) string {
	if value == nil {
		return "missing"
	}
	return fmt.Sprintf("%q", fmt.Sprint(value))
}

// admit does to object what an API server does to one that is created: it prunes (here an error), defaults and
// validates.
func (v *validator) admit(object map[string]any) error {
	delete(object, "status")
	meta, _, unknownMeta, err := objectmeta.GetObjectMetaWithOptions(object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return err
	}
	unknown := pruning.PruneWithOptions(object, v.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if unknown = append(unknownMeta, unknown...); len(unknown) > 0 {
		return unknownFields(unknown)
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, v.structural)
	defaulting.Default(object, v.structural)
	return describeAll(v.validate(object, meta))
}

// validate checks object in the order of an API server: rules are evaluated only over values of the right shape.
func (v *validator) validate(object map[string]any, meta *metav1.ObjectMeta) field.ErrorList {
	var errs field.ErrorList
	if meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	if meta.Namespace == "" { // as kubectl would fill it in
		meta = meta.DeepCopy()
		meta.Namespace = metav1.NamespaceDefault
	}
	errs = append(errs, apivalidation.ValidateObjectMeta(meta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	errs = append(errs, validation.ValidateCustomResource(nil, object, v.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, v.structural, object)...)
	if len(errs) > 0 {
		return errs
	}
	errs, _ = v.cel.Validate(context.Background(), nil, v.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return errs
}

func unknownFields(paths []string) error {
	errs := make([]error, len(paths))
	for i, path := range paths {
		errs[i] = fmt.Errorf("%s: unknown field", path)
	}
	return join(errs)
}

// describeAll is nil for no errors. An error over the whole object has no field of its own to name.
func describeAll(list field.ErrorList) error {
	if len(list) == 0 {
		return nil
	}
	errs := make([]error, len(list))
	for i, e := range list {
		if e.Field == "" || e.Field == "<nil>" {
			errs[i] = errors.New(e.ErrorBody())
			continue
		}
		errs[i] = e
	}
	return join(errs)
}

// maxErrors bounds how many errors are told at once.
const maxErrors = 20

// list is several errors on one line.
type list []error

func join(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return list(errs)
}

// Error joins the first errors by semicolons, and counts the others.
func (l list) Error() string {
	told := l[:min(len(l), maxErrors)]
	texts := make([]string, len(told), len(told)+1)
	for i, err := range told {
		texts[i] = err.Error()
	}
	if more := len(l) - len(told); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// Unwrap is the errors.
func (l list) Unwrap() []error { return l }

// Package crd is the CustomResourceDefinition of DatasetAudit, and the reading of a DatasetAudit from YAML by that very
// definition: what an API server would refuse, default or prune, the runner refuses, defaults or reports, without an
// API server.
package crd

import (
	_ "embed"
	"fmt"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

//go:embed bases/datasetaudit.io_datasetaudits.yaml
var manifest []byte

// Definition is the generated CustomResourceDefinition.
func Definition() (*apiextensionsv1.CustomResourceDefinition, error) {
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(manifest, &definition); err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	return &definition, nil
}

// Schema is the definition's structural schema, its defaults pruned. It is shared: read it only.
func Schema() (*schema.Structural, error) {
	v, err := theValidator()
	if err != nil {
		return nil, err
	}
	return v.structural, nil
}

// validator holds what an API server makes of the definition to check its objects.
type validator struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	cel        *cel.Validator
}

// theValidator is built once: compiling the CEL rules takes a moment.
var theValidator = sync.OnceValues(newValidator)

func newValidator() (*validator, error) {
	definition, err := Definition()
	if err != nil {
		return nil, err
	}
	var props apiextensions.JSONSchemaProps
	source := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(source, &props, nil); err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	structural, err := schema.NewStructural(&props)
	if err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	if err := defaulting.PruneDefaults(structural); err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	schemaValidator, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	return &validator{
		structural: structural,
		schema:     schemaValidator,
		cel:        cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

package crd

import (
	"context"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// TestDefinitionIsAdmitted puts the definition through what an API server checks of one that is created: structure,
// defaults, and the estimated cost of every CEL rule.
func TestDefinitionIsAdmitted(t *testing.T) {
	definition, err := Definition()
	if err != nil {
		t.Fatal(err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(definition)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&definition.Spec)
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(definition, &internal, nil); err != nil {
		t.Fatal(err)
	}
	internal.Status.StoredVersions = []string{v1alpha1.GroupVersion.Version}
	for _, err := range crdvalidation.ValidateCustomResourceDefinition(context.Background(), &internal) {
		t.Error(err)
	}
}

func TestDefinitionNames(t *testing.T) {
	definition, err := Definition()
	if err != nil {
		t.Fatal(err)
	}
	names := definition.Spec.Names
	if definition.Spec.Group != v1alpha1.GroupName || names.Kind != v1alpha1.Kind {
		t.Errorf("group and kind are %s %s, want %s %s", definition.Spec.Group, names.Kind, v1alpha1.GroupName, v1alpha1.Kind)
	}
	if len(names.ShortNames) != 1 || names.ShortNames[0] != "da" || len(names.Categories) != 1 || names.Categories[0] != "ml" {
		t.Errorf("short names and categories are %v %v, want [da] [ml]", names.ShortNames, names.Categories)
	}
}

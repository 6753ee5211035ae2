// Package audits makes the audits that tests begin with.
package audits

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// New is a valid audit: of an ImageFolder by MobileNet, each in a claim of its own.
func New(name string) *v1alpha1.DatasetAudit {
	return &v1alpha1.DatasetAudit{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.DatasetAuditSpec{
			Dataset: v1alpha1.DatasetSpec{
				Source: v1alpha1.DatasetSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "data", Path: "cars"}},
				Format: v1alpha1.FormatImageFolder,
			},
			Model: &v1alpha1.ModelSpec{
				Source:        v1alpha1.ModelSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "models", Path: "mobilenet.onnx"}},
				Layers:        []string{"conv_pw_13"},
				Preprocessing: v1alpha1.PreprocessingSpec{Preset: v1alpha1.PresetMobileNet},
			},
		},
	}
}

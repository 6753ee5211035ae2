// Package v1alpha1 is the one language of the project: the manifest a user writes, the input the runner reads and the
// status the controller reports are these types. It also holds what controller and runner must agree on: the summary,
// the progress, the exit codes, and the names of files, ConfigMap keys, labels and annotations.
//
// +kubebuilder:object:generate=true
// +groupName=datasetaudit.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of all types in this package.
const GroupName = "datasetaudit.io"

// Kinds of this package.
const (
	// Kind of the resource that people write.
	Kind = "DatasetAudit"
	// KindRecord of the resource by which runs say what they found.
	KindRecord = "AuditRecord"
	// ResourceRecords is how the API server calls AuditRecords in its paths and roles.
	ResourceRecords = "auditrecords"
)

var (
	// GroupVersion is the group and version of all types in this package.
	GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

	// SchemeBuilder registers the types of this package.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &DatasetAudit{}, &DatasetAuditList{}, &AuditRecord{}, &AuditRecordList{}, &DatasetGate{}, &DatasetGateList{},
		&DatasetAuditPolicy{}, &DatasetAuditPolicyList{}, &DatasetVerdicts{}, &DatasetVerdictsList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// GateController is the controllerName of an AdmissionCheck of Kueue that the operator answers.
	GateController = GroupName + "/compliance"
	// AnnotationAudits names the audits of the datasets that a workload uses, as "audit" or "namespace/audit", separated
	// by commas. It is read from the pod template, the job and Kueue's Workload, from annotations and labels.
	AnnotationAudits = GroupName + "/audits"
	// AnnotationHeld is on a Workload of Kueue that the gate has deactivated and will activate again. It names the
	// AdmissionCheck.
	AnnotationHeld = GroupName + "/held"
	// KindGate of the parameters of an AdmissionCheck.
	KindGate = "DatasetGate"
)

// DatasetGate says which workloads may start: the parameters of an AdmissionCheck of Kueue whose controllerName is
// datasetaudit.io/compliance. A workload starts when each audit of its datasets is compliant.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=ml
// +kubebuilder:printcolumn:name="Max age",type=string,JSONPath=`.spec.maxAge`
// +kubebuilder:printcolumn:name="Unnamed",type=string,JSONPath=`.spec.unnamed`
// +kubebuilder:printcolumn:name="Missing",type=string,JSONPath=`.spec.missing`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DatasetGate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what the gate asks.
	// +optional
	// +kubebuilder:default={}
	Spec DatasetGateSpec `json:"spec,omitempty,omitzero"`
}

// DatasetGateList is a list of DatasetGates.
//
// +kubebuilder:object:root=true
type DatasetGateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatasetGate `json:"items"`
}

// DatasetGateSpec says what a gate asks of a workload's datasets.
type DatasetGateSpec struct {
	// maxAge is how old a result may be, from the end of its run, or since a later one found nothing changed. Older ones
	// hold the workload until a newer one is there. Absent: any age.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`

	// unnamed is what happens to a workload of whose datasets no audit is known: it names none, and no audit's dataset is
	// a claim or an address of storage that it uses. Default: Reject.
	// +optional
	// +kubebuilder:default=Reject
	Unnamed UnnamedAction `json:"unnamed,omitempty"`

	// missing is what happens to a workload whose audit does not exist, failed, or has no result yet and no run. Hold lets
	// it wait until there is one, Reject ends it. Default: Hold.
	// +optional
	// +kubebuilder:default=Hold
	Missing MissingAction `json:"missing,omitempty"`

	// running is what happens while an audit runs again whose last result answers its present spec. Hold waits for the
	// new result, UseLast takes the last one. Default: Hold.
	// +optional
	// +kubebuilder:default=Hold
	Running RunningAction `json:"running,omitempty"`

	// namespaces says whose audits a workload may name: those of its own namespace, or those of any, of whose figures its
	// owner then reads. Default: Own.
	// +optional
	// +kubebuilder:default=Own
	Namespaces GateNamespaces `json:"namespaces,omitempty"`
}

// UnnamedAction is what happens to a workload of whose datasets no audit is known.
//
// +kubebuilder:validation:Enum=Reject;Admit
type UnnamedAction string

const (
	// UnnamedReject ends it.
	UnnamedReject UnnamedAction = "Reject"
	// UnnamedAdmit lets it start.
	UnnamedAdmit UnnamedAction = "Admit"
)

// MissingAction is what happens to a workload whose audit gives no verdict.
//
// +kubebuilder:validation:Enum=Hold;Reject
type MissingAction string

const (
	// MissingHold lets the workload wait.
	MissingHold MissingAction = "Hold"
	// MissingReject ends the workload.
	MissingReject MissingAction = "Reject"
)

// RunningAction is what happens while an audit runs again.
//
// +kubebuilder:validation:Enum=Hold;UseLast
type RunningAction string

const (
	// RunningHold waits for the new result.
	RunningHold RunningAction = "Hold"
	// RunningUseLast takes the last result.
	RunningUseLast RunningAction = "UseLast"
)

// GateNamespaces says whose audits a workload may name.
//
// +kubebuilder:validation:Enum=Own;Any
type GateNamespaces string

const (
	// GateOwn are those of its own namespace.
	GateOwn GateNamespaces = "Own"
	// GateAny are those of any namespace.
	GateAny GateNamespaces = "Any"
)

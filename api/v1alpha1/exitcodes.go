package v1alpha1

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/datasetaudit/dataset-audit/internal/text"
)

// ExitCode is how the runner's process ends. The pod failure policy of its Job reads it. Most follow sysexits.h; none
// is 1, 2, 125–127, 134, 137, 139 or 143, which shells, container runtimes and signals use.
//
// +kubebuilder:validation:Minimum=0
// +kubebuilder:validation:Maximum=255
type ExitCode int32

// The exit codes. Those from ExitInvalidUsage to ExitInvalidSpec mean that this audit can't work: a retry would end the
// same way.
const (
	// ExitOK means that the audit is complete. Duplicates are a finding, no failure.
	ExitOK ExitCode = 0

	// ExitInvalidUsage stands for wrong flags or arguments.
	ExitInvalidUsage ExitCode = 64
	// ExitInvalidDataset means that the dataset can't be read, is empty, holds a duplicate ID, or too many samples are
	// unreadable.
	ExitInvalidDataset ExitCode = 65
	// ExitInvalidModel means that the model is missing, malformed, of another digest, refused by ONNX Runtime, or a
	// layer is missing or ambiguous.
	ExitInvalidModel ExitCode = 66
	// ExitInvalidResult stands for NaN or infinity among the embeddings.
	ExitInvalidResult ExitCode = 67
	// ExitProviderUnavailable means that the execution provider that the spec names isn't there.
	ExitProviderUnavailable ExitCode = 69
	// ExitDigestMismatch means that the manifest, the verdicts or the baseline is not the one whose digest the run was
	// given.
	ExitDigestMismatch ExitCode = 76
	// ExitNotCompliant means that the audit is complete and a rule of severity Fail is violated or could not be
	// evaluated. Only a runner that was started by hand ends so: in a cluster the condition Compliant says it.
	ExitNotCompliant ExitCode = 77
	// ExitInvalidSpec means that the spec is invalid, or does not fit this dataset or model (more components than
	// samples, for example).
	ExitInvalidSpec ExitCode = 78

	// ExitInternal stands for an error that should not happen; a retry may help.
	ExitInternal ExitCode = 70
	// ExitDiskFull stands for no space left on the device.
	ExitDiskFull ExitCode = 73
	// ExitStorage means that reading or writing failed: the network, a permission, a broken disk.
	ExitStorage ExitCode = 74
	// ExitInterrupted stands for SIGTERM or SIGINT; checkpoints are kept, and the next start resumes. A Job does not
	// count it.
	ExitInterrupted ExitCode = 75
)

// Permanent says whether a retry would end the same way.
func (c ExitCode) Permanent() bool {
	switch c {
	case ExitInvalidUsage, ExitInvalidDataset, ExitInvalidModel, ExitInvalidResult, ExitProviderUnavailable, ExitDigestMismatch, ExitNotCompliant, ExitInvalidSpec:
		return true
	default:
		return false
	}
}

// Known says whether the code is one of the runner's own: others come from shells, container runtimes and signals.
func (c ExitCode) Known() bool {
	switch c {
	case ExitOK, ExitInternal, ExitDiskFull, ExitStorage, ExitInterrupted:
		return true
	default:
		return c.Permanent()
	}
}

// PermanentExitCodes are the codes by which a Job fails without a retry, ascending.
func PermanentExitCodes() []int32 {
	return []int32{
		int32(ExitInvalidUsage), int32(ExitInvalidDataset), int32(ExitInvalidModel), int32(ExitInvalidResult),
		int32(ExitProviderUnavailable), int32(ExitDigestMismatch), int32(ExitNotCompliant), int32(ExitInvalidSpec),
	}
}

// Reason is the condition reason that belongs to the code.
func (c ExitCode) Reason() string {
	switch c {
	case ExitOK:
		return ReasonSucceeded
	case ExitInvalidUsage:
		return ReasonInvalidUsage
	case ExitInvalidDataset:
		return ReasonInvalidDataset
	case ExitInvalidModel:
		return ReasonInvalidModel
	case ExitInvalidResult:
		return ReasonInvalidResult
	case ExitProviderUnavailable:
		return ReasonProviderUnavailable
	case ExitDigestMismatch:
		return ReasonDigestMismatch
	case ExitNotCompliant:
		return ReasonViolated
	case ExitInvalidSpec:
		return ReasonInvalidSpec
	case ExitDiskFull:
		return ReasonDiskFull
	case ExitStorage:
		return ReasonStorageFailed
	case ExitInterrupted:
		return ReasonInterrupted
	default:
		return ReasonInternal
	}
}

// RunError is why a run failed: the runner's exit code, a reason for programs and a message for people. It is the
// termination message of a failed pod.
type RunError struct {
	// code is the exit code of the runner. Absent when it is the controller that gave the run up.
	// +optional
	Code ExitCode `json:"code,omitempty"`

	// reason is one word for programs, such as InvalidModel.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason"`

	// message names the field, file, sample or layer, and what to do.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message"`
}

// NewRunError gives err the exit code by which the runner shall end, and the reason that belongs to it. An error that
// is nil stays nil.
func NewRunError(code ExitCode, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{RunError: &RunError{Code: code, Reason: code.Reason(), Message: err.Error()}, cause: err}
}

// Error is the message.
func (e *RunError) Error() string { return e.Message }

// Retryable says whether a retry may help.
func (e *RunError) Retryable() bool { return !e.Code.Permanent() }

// AsRunError finds the RunError in err's chain; any other error is internal. The message is err's own, with all that
// was wrapped around the RunError. It is nil for nil.
func AsRunError(err error) *RunError {
	if err == nil {
		return nil
	}
	var found *RunError
	if !errors.As(err, &found) {
		return &RunError{Code: ExitInternal, Reason: ReasonInternal, Message: err.Error()}
	}
	return &RunError{Code: found.Code, Reason: found.Reason, Message: err.Error()}
}

// codedError is an error within this process that was given its exit code: what leaves the process is the RunError
// alone.
//
// +kubebuilder:object:generate=false
type codedError struct {
	*RunError       //nolint:kubeapilinter // no part of the API
	cause     error //nolint:kubeapilinter // no part of the API
}

// Unwrap lets errors.As find the RunError, and errors.Is what caused it.
func (e *codedError) Unwrap() []error { return []error{e.RunError, e.cause} }

// MaxTerminationMessage is the most bytes of a termination message that Kubernetes keeps.
const MaxTerminationMessage = 4096

// TerminationMessage is what a pod of the runner says at its end: the summary's digest and first figures, or the error.
type TerminationMessage struct {
	// summarySHA256 is the digest of summary.json, in lower-case hexadecimal. A summary of another digest is not
	// believed.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SummarySHA256 string `json:"summarySHA256,omitempty"`

	// clustersSHA256 is the digest of the compressed list of clusters, as it was put into its ConfigMap, in lower-case
	// hexadecimal.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ClustersSHA256 string `json:"clustersSHA256,omitempty"`

	// samples audited.
	// +optional
	Samples int64 `json:"samples,omitempty"`

	// clusters found in the first layer.
	// +optional
	Clusters int64 `json:"clusters,omitempty"`

	// duplicateSamples found in the first layer.
	// +optional
	DuplicateSamples int64 `json:"duplicateSamples,omitempty"`

	// sourcesSHA256 is summary.run.sourcesSHA256 as it would be now, of a pod that only lists.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SourcesSHA256 string `json:"sourcesSHA256,omitempty"`

	// error is why the run failed.
	// +optional
	Error *RunError `json:"error,omitempty"`
}

// Marshal is the message as JSON in at most MaxTerminationMessage bytes; the error's message is cut, at a whole
// character, if it must be.
func (m TerminationMessage) Marshal() ([]byte, error) {
	for limit := MaxTerminationMessage; ; limit /= 2 {
		cut := m
		if m.Error != nil {
			shortened := *m.Error
			shortened.Message = text.Cut(shortened.Message, min(limit, maxErrorMessage))
			cut.Error = &shortened
		}
		data, err := json.Marshal(cut)
		if err != nil {
			return nil, fmt.Errorf("termination message: %w", err)
		}
		if len(data) <= MaxTerminationMessage || limit == 0 {
			return data, nil
		}
	}
}

// maxErrorMessage is the bound of RunError.Message in the CRD.
const maxErrorMessage = 2048

package v1alpha1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var exitCodes = []ExitCode{
	ExitOK, ExitInvalidUsage, ExitInvalidDataset, ExitInvalidModel, ExitInvalidResult, ExitProviderUnavailable, ExitInvalidSpec,
	ExitInternal, ExitDiskFull, ExitStorage, ExitInterrupted,
}

// Shells, container runtimes and signals have codes of their own, by which a Job must not judge the audit.
func TestExitCodes(t *testing.T) {
	taken := []ExitCode{1, 2, 125, 126, 127, 134, 137, 139, 143}
	reasons := map[string]bool{}
	for _, code := range exitCodes {
		if slices.Contains(taken, code) {
			t.Errorf("exit code %d has another meaning elsewhere", code)
		}
		if code.Permanent() != slices.Contains(PermanentExitCodes(), int32(code)) {
			t.Errorf("exit code %d: Permanent and PermanentExitCodes disagree", code)
		}
		if !code.Known() {
			t.Errorf("exit code %d is not known", code)
		}
		if reasons[code.Reason()] {
			t.Errorf("reason %s belongs to two exit codes", code.Reason())
		}
		reasons[code.Reason()] = true
	}
	for _, code := range taken {
		if code.Known() {
			t.Errorf("exit code %d is not the runner's", code)
		}
	}
	if !slices.IsSorted(PermanentExitCodes()) {
		t.Error("PermanentExitCodes are not ascending")
	}
}

func TestRunError(t *testing.T) {
	cause := fmt.Errorf("layer conv: %w", fs.ErrNotExist)
	err := fmt.Errorf("audit: %w", NewRunError(ExitInvalidModel, cause))
	want := &RunError{Code: ExitInvalidModel, Reason: ReasonInvalidModel, Message: "audit: layer conv: file does not exist"}
	if diff := cmp.Diff(want, AsRunError(err)); diff != "" {
		t.Errorf("AsRunError (-want +got):\n%s", diff)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if AsRunError(err).Retryable() {
		t.Error("an invalid model is retried")
	}
	other := AsRunError(fs.ErrClosed)
	if other.Code != ExitInternal || !other.Retryable() {
		t.Errorf("an error without a code is %+v", other)
	}
	if AsRunError(nil) != nil || NewRunError(ExitStorage, nil) != nil {
		t.Error("no error becomes one")
	}
}

func TestTerminationMessageFits(t *testing.T) {
	messages := map[string]string{
		"short":   "layer conv: not found",
		"long":    strings.Repeat("é", 5000),
		"escaped": strings.Repeat("\x01", 5000),
		"markup":  strings.Repeat("<", 5000),
		"invalid": strings.Repeat("\xff", 5000),
	}
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			data, err := TerminationMessage{Error: &RunError{Code: ExitInvalidModel, Reason: ReasonInvalidModel, Message: message}}.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			var got TerminationMessage
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if len(data) > MaxTerminationMessage || len(got.Error.Message) > maxErrorMessage || !utf8.ValidString(got.Error.Message) {
				t.Errorf("%d bytes, message of %d bytes", len(data), len(got.Error.Message))
			}
			if len(message) <= maxErrorMessage && got.Error.Message != message {
				t.Errorf("message became %q", got.Error.Message)
			}
			if len(message) > maxErrorMessage && len(got.Error.Message) < 200 {
				t.Errorf("only %d bytes of the message are left", len(got.Error.Message))
			}
		})
	}
}

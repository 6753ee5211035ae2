package publish

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// The message is written in place: the file stays the same, and what it held before goes.
func TestTerminate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(path, []byte(strings.Repeat("before", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path) // as the kubelet has it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // was only read
	for name, want := range map[string]v1alpha1.TerminationMessage{
		"empty":   {},
		"success": {SummarySHA256: strings.Repeat("a", 64), Samples: 3, Clusters: 1, DuplicateSamples: 2},
		"failure": {Error: &v1alpha1.RunError{Code: v1alpha1.ExitStorage, Reason: v1alpha1.ReasonStorageFailed, Message: "what to do"}},
	} {
		if err := Terminate(path, want); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		var got v1alpha1.TerminationMessage
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the message differs (-want +got):\n%s", name, diff)
		}
	}
	if err := Terminate(filepath.Join(path, "below"), v1alpha1.TerminationMessage{}); err == nil {
		t.Error("a file that can't be there was written")
	}
}

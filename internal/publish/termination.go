package publish

import (
	"fmt"
	"os"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Terminate writes a termination message. It writes in place, unlike all else: the file is a mount of the pod, which
// can't be replaced.
func Terminate(file string, message v1alpha1.TerminationMessage) error {
	data, err := message.Marshal()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("termination message: %w", err)
	}
	return nil
}

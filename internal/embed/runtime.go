package embed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// LibraryVariable is the environment variable that names ONNX Runtime's shared library.
const LibraryVariable = "ONNXRUNTIME_LIB"

const libraryName = "libonnxruntime.so.1"

// ErrNoRuntime says that ONNX Runtime's shared library isn't on this machine.
var ErrNoRuntime = errors.New("ONNX Runtime's shared library is missing")

var load = sync.OnceValue(func() error {
	path, err := findLibrary()
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitProviderUnavailable, err)
	}
	ort.SetSharedLibraryPath(path)
	// Errors are returned; printing them too would show Auto's search for a GPU as a failure.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitProviderUnavailable, fmt.Errorf("load ONNX Runtime from %s: %w", path, err))
	}
	return nil
})

// RuntimeVersion loads ONNX Runtime, once in a process, and returns its version.
func RuntimeVersion() (string, error) {
	if err := load(); err != nil {
		return "", err
	}
	return ort.GetVersion(), nil
}

// findLibrary looks where the variable says; else beside the program, where the images and hack/onnxruntime.sh put it,
// and in the system's folders.
func findLibrary() (string, error) {
	if path := os.Getenv(LibraryVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %s: %w", ErrNoRuntime, LibraryVariable, err)
		}
		return path, nil
	}
	var places []string
	if program, err := os.Executable(); err == nil {
		places = append(places, filepath.Dir(program))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "dataset-audit", "onnxruntime-*"))
	}
	places = append(places, "/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
	for _, place := range places {
		// Glob fails only for a malformed pattern; of several versions the last by name is taken.
		if found, _ := filepath.Glob(filepath.Join(place, libraryName)); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%w: no %s in %v; run hack/onnxruntime.sh to fetch it, or set %s to its path",
		ErrNoRuntime, libraryName, places, LibraryVariable)
}

// Runtime is the version of the ONNX Runtime that runs the network, empty for a builtin model.
func (n *Network) Runtime() string {
	if n.Builtin {
		return ""
	}
	return ort.GetVersion() // is loaded: there is a network
}

// Package needs skips the tests whose machine lacks what they need, and says how to get it.
package needs

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Runtime skips a test without ONNX Runtime's library. One that is named and can't be loaded fails the test.
func Runtime(t testing.TB) {
	t.Helper()
	if os.Getenv("ONNXRUNTIME_LIB") == "" {
		t.Skip("ONNXRUNTIME_LIB is not set: hack/onnxruntime.sh prints the path of ONNX Runtime's library, make test sets it")
	}
}

// ControlPlane skips a test without etcd and kube-apiserver.
func ControlPlane(t testing.TB) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no control plane: hack/cluster/control-plane.sh prints its folder, make test sets it")
	}
}

// Shared is a path in the real data, which lies beside the checkout and not in it. Without it the test is skipped.
func Shared(t testing.TB, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "..", "..", "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the real data is not beside the checkout: %v", err)
	}
	return path
}

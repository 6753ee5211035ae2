//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The files of a release are what SHA256SUMS says, the cluster accepts install.yaml, and the runner's archive is all that
// an audit needs.
func TestRelease(t *testing.T) {
	t.Parallel()
	in := func(folder, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + os.Getenv("KUBECONFIG")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	in(releaseFolder, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	// The chart's objects are there under the same names, so their owner is taken; --dry-run keeps it theirs.
	in(releaseFolder, "kubectl", "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "install.yaml")

	archives, err := filepath.Glob(filepath.Join(releaseFolder, "dataset-audit-runner-linux-*.tar.gz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives of the runner: %v, %v", archives, err)
	}
	demo, err := filepath.Abs("../../dist/e2e/demo")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	in(folder, "tar", "-xzf", archives[0])
	if out := in(folder, "./runner", "version"); !strings.Contains(out, chartVersion) {
		t.Errorf("the runner is %s, the release %s", out, chartVersion)
	}
	in(folder, "./runner", "audit", filepath.Join(demo, "images"), "--model", filepath.Join(demo, "model.onnx"), "--out", filepath.Join(folder, "out"))
	if _, err := os.Stat(filepath.Join(folder, "out", "summary.json")); err != nil {
		t.Error(err)
	}
}

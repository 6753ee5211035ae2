//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// The sample that needs nothing: what the runner draws and finds is the same here and there.
func TestNothingPrepared(t *testing.T) {
	l := newLab(t)
	l.kubectl("apply", "--filename", "../../config/samples/demo.yaml")
	got := l.ready("demo")
	leakage := got.Status.Result.Summary.Layers[0].Leakage
	if leakage == nil || leakage.Samples != 17 {
		t.Errorf("leakage %+v, planted are 17", leakage)
	}
	l.is("demo", v1alpha1.ConditionCompliant, "False/RulesViolated")
}

// tryInstallYAML installs the operator by the release's one file in a cluster that knows no audits, and removes it again.
func tryInstallYAML() error {
	file := filepath.Join(releaseFolder, "install.yaml")
	for _, args := range [][]string{
		{"apply", "--server-side", "--filename", file},
		{"rollout", "status", "deployment/dataset-audit-manager", "--namespace", systemNamespace, "--timeout=2m"},
		{"delete", "--wait", "--filename", file},
	} {
		if _, err := run(nil, "kubectl", args...); err != nil {
			return err
		}
	}
	return nil
}

// The files of a release are what SHA256SUMS says, and the runner's archive is all that
// an audit needs.
func TestRelease(t *testing.T) {
	t.Parallel()
	in := func(folder, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	in(releaseFolder, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
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

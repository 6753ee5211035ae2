//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// What a data person does with kubectl dataset-audit.
func TestPlugin(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	audit := cars("cars")
	audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: "few", Expression: "layer.clusters < 5", Severity: v1alpha1.SeverityFail}}
	l.apply(audit)

	wait := exec.Command("kubectl", "dataset-audit", "wait", "cars", "--compliant", "--namespace", l.namespace)
	out, err := wait.CombinedOutput()
	t.Logf("kubectl dataset-audit wait cars --compliant\n%s", out)
	if wait.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "layer.clusters = 12") {
		t.Errorf("waiting for compliance ends with %v, want code 2 and the figure", err)
	}
	listed := l.plugin("list", "-A")
	t.Logf("kubectl dataset-audit list -A\n%s", listed)
	described := l.plugin("describe", "cars")
	t.Logf("kubectl dataset-audit describe cars\n%s", described)
	for _, want := range []string{"few", "Violated", "12 clusters hold 32 of 1,000 samples", "Chance:"} {
		if !strings.Contains(described, want) {
			t.Errorf("the description has no %q", want)
		}
	}
	if lines := strings.Count(l.plugin("clusters", "cars"), "\n"); lines != 12 {
		t.Errorf("%d clusters are printed", lines)
	}
	first, err := l.get("cars")
	l.must(err)
	l.plugin("run", "cars", "--wait")
	if again, err := l.get("cars"); err != nil || again.Status.Result.RunID == first.Status.Result.RunID {
		t.Errorf("run --wait returns before another result is there: %v", err)
	}

	audit.Spec.Duplicates = v1alpha1.DuplicatesSpec{Method: v1alpha1.MethodReference}
	l.apply(audit)
	l.plugin("wait", "cars")
	described = l.plugin("describe", "cars")
	t.Logf("kubectl dataset-audit describe cars, by method Reference\n%s", described)
	for _, want := range []string{"Slope", "37 clusters hold 111 of 1,000 samples"} {
		if !strings.Contains(described, want) {
			t.Errorf("the description has no %q", want)
		}
	}
}

// plugin is kubectl dataset-audit. Flags come after the command: kubectl looks for plugins first.
func (l *lab) plugin(command string, args ...string) string {
	l.Helper()
	out, err := run(nil, "kubectl", append([]string{"dataset-audit", command, "--namespace", l.namespace}, args...)...)
	l.must(err)
	return out
}

// What the manager and a run's pods may do.
func TestPermissions(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	manager := "system:serviceaccount:" + systemNamespace + ":" + release + "-manager"
	runner := "system:serviceaccount:" + l.namespace + ":cars-runner"
	can := func(who string, args ...string) bool {
		out, err := run(nil, "kubectl", append([]string{"auth", "can-i", "--namespace", l.namespace, "--as", who}, args...)...)
		answer, _, _ := strings.Cut(strings.TrimSpace(out), " ") // a reason may follow
		if answer != "yes" && answer != "no" {
			t.Errorf("kubectl auth can-i says %q: %v", out, err)
		}
		return answer == "yes"
	}
	l.apply(slowCars("cars"))
	l.running("cars")
	audit, err := l.get("cars")
	l.must(err)
	result := "configmap/cars-" + audit.Status.Run.ID + v1alpha1.ResultSuffix
	if can(manager, "get", "secrets") || can(manager, "create", "pods") || can(runner, "get", "secrets") || can(runner, "patch", "configmaps") {
		t.Error("somebody may do too much")
	}
	if !can(manager, "create", "jobs.batch") {
		t.Error("the manager may not create Jobs")
	}
	if !can(runner, "patch", result) {
		t.Errorf("the runner may not patch %s", result)
	}
	for _, who := range []string{manager, runner} {
		out, err := run(nil, "kubectl", "auth", "can-i", "--list", "--namespace", l.namespace, "--as", who)
		l.must(err)
		t.Logf("kubectl auth can-i --list --as %s\n%s", who, out)
	}
	l.ready("cars")
	l.eventually("the permission goes with the run", func() error {
		if can(runner, "patch", result) {
			return fmt.Errorf("the runner may still patch %s", result)
		}
		return nil
	})
}

// The metrics are for namespaces that say so, and for nobody else.
func TestNetworkPolicy(t *testing.T) {
	if clusterScript == "" {
		t.Skip("the cluster is somebody else's: whether it enforces network policies is not known")
	}
	l := newLab(t)
	l.claim("none", nil)
	l.helper("prober", "/pod", []string{"wait"}, "none")
	dial := func() error {
		_, err := run(nil, "kubectl", "--namespace", l.namespace, "exec", "prober", "--", "/pod", "dial", release+"-metrics."+systemNamespace+".svc.cluster.local:8443")
		return err
	}
	l.eventually("a stranger is kept out", func() error {
		if dial() == nil {
			return errors.New("it gets in")
		}
		return nil
	})
	_, err := run(nil, "kubectl", "label", "namespace", l.namespace, "metrics=enabled")
	l.must(err)
	l.eventually("a namespace of metrics gets in", dial)
	_, err = run(nil, "kubectl", "label", "namespace", l.namespace, "metrics-")
	l.must(err)
	l.eventually("it is kept out again", func() error {
		if dial() == nil {
			return errors.New("it gets in")
		}
		return nil
	})
}

// Another release, for other namespaces, leaves the definitions with the first.
func TestSecondRelease(t *testing.T) {
	l := newLab(t)
	args := append([]string{"install", "second"}, chartArgs...)
	args = append(args, "--namespace", l.namespace, "--set", "namespaces={"+l.namespace+"}", "--set", "replicaCount=0")
	out, err := run(nil, "helm", args...)
	l.must(err)
	t.Log(out)
	if !strings.Contains(out, "not this release's: they were left as they are") {
		t.Error("the notes do not say whose the definitions are")
	}
	_, err = run(nil, "helm", "uninstall", "second", "--namespace", l.namespace)
	l.must(err)
	if owner := l.kubectl("get", "crd", "auditrecords.datasetaudit.io", "-o", `jsonpath={.metadata.annotations.meta\.helm\.sh/release-name}`); owner != release {
		t.Errorf("the definition belongs to release %q", owner)
	}
}

// uninstall removes the chart, and says what of ours is left but the definition of audits.
func uninstall() error {
	if _, err := run(nil, "helm", "uninstall", release, "--namespace", systemNamespace, "--wait"); err != nil {
		return err
	}
	const kinds = "all,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies,poddisruptionbudgets,secrets,persistentvolumeclaims"
	for _, selector := range []string{"app.kubernetes.io/instance=" + release, v1alpha1.LabelAuditUID} {
		deadline := time.Now().Add(time.Minute) // pods end some time after what they belong to
		for {
			out, err := run(nil, "kubectl", "get", kinds, "-A", "--selector", selector, "--output", "name")
			if err != nil {
				return err
			}
			left := strings.TrimSpace(out)
			if left == "" {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("there is still %s", left)
			}
			time.Sleep(time.Second)
		}
	}
	// What leader election made goes with the namespace.
	if _, err := run(nil, "kubectl", "delete", "namespace", systemNamespace, "--timeout=60s"); err != nil {
		return err
	}
	if _, err := run(nil, "kubectl", "get", "crd", "datasetaudits.datasetaudit.io"); err != nil {
		return fmt.Errorf("the definition of audits must outlive the chart: %w", err)
	}
	fmt.Fprintln(os.Stderr, "helm uninstall leaves the definition of audits, and of everything else only the Lease in its namespace")
	return nil
}

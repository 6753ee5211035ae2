package controllers

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// These tests install config/default and run the manager's own program, with the permissions that are installed.

const systemNamespace = "dataset-audit-system"

// kustomized is what a folder of config/ comes to.
func (l *lab) kustomized(folder string) []*unstructured.Unstructured {
	l.Helper()
	cmd := exec.Command("go", "tool", "-modfile="+filepath.Join("..", "hack", "tools", "kustomize", "go.mod"), "kustomize", "build", filepath.Join("..", "config", folder))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		l.Fatalf("kustomize build config/%s: %v\n%s", folder, err, stderr.String())
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(out), 1<<16)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			l.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// applyAll does what kubectl apply --server-side does.
func (l *lab) applyAll(objects []*unstructured.Unstructured) {
	l.Helper()
	for _, object := range objects {
		data, err := object.MarshalJSON()
		l.must(err)
		if err := l.admin.Patch(l.ctx, object.DeepCopy(), client.RawPatch(types.ApplyPatchType, data), client.FieldOwner("kubectl"), client.ForceOwnership); err != nil {
			l.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// Every sample is accepted, as kubectl apply --server-side would send it, and none of them is a mistake that only the
// operator finds.
func TestSamples(t *testing.T) {
	l := newLab(t)
	l.start()
	l.must(l.admin.Create(l.ctx, &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "nvidia"}, Handler: "nvidia"})) // as on GPU nodes
	samples := l.kustomized("samples")
	for _, sample := range samples {
		sample.SetNamespace(l.namespace)
	}
	l.applyAll(samples)
	for _, sample := range samples {
		l.is(sample.GetName(), v1alpha1.ConditionReconciling, "True/Starting")
	}
	if len(samples) < 5 {
		t.Errorf("there are %d samples", len(samples))
	}
	l.applyAll(samples) // again, as GitOps does all the time
	if got := l.get("cars"); got.Generation != 1 || got.Status.Run.Attempt != 1 {
		t.Errorf("generation %d, attempt %d", got.Generation, got.Status.Run.Attempt)
	}
}

// manager is the program with the installed account's permissions.
type manager struct {
	*exec.Cmd
	metrics string
	done    chan error
}

func (l *lab) buildManager() string {
	l.Helper()
	program := filepath.Join(l.TempDir(), "manager")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		l.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func (l *lab) installed() (kubeconfig string) {
	l.Helper()
	l.applyAll(l.kustomized("default"))
	user, err := l.env.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + systemNamespace + ":dataset-audit-manager",
		Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}, nil)
	l.must(err)
	data, err := user.KubeConfig()
	l.must(err)
	kubeconfig = filepath.Join(l.TempDir(), "kubeconfig")
	l.must(os.WriteFile(kubeconfig, data, 0o600))
	return kubeconfig
}

func (l *lab) startManager(program, kubeconfig string) *manager {
	l.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	l.must(err)
	m := &manager{metrics: listener.Addr().String(), done: make(chan error, 1)}
	l.must(listener.Close())
	m.Cmd = exec.Command(program, "--kubeconfig="+kubeconfig, "--leader-elect", "--leader-election-namespace="+systemNamespace,
		"--namespaces="+l.namespace, "--metrics-bind-address="+m.metrics, "--health-probe-bind-address=0", "--runner-image=runner")
	stderr, err := m.StderrPipe()
	l.must(err)
	l.must(m.Start())
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if os.Getenv("TEST_LOG") != "" {
				fmt.Fprintln(os.Stderr, lines.Text())
			}
		}
		m.done <- m.Wait()
	}()
	l.Cleanup(func() { _ = m.Process.Kill() })
	return m
}

// holder is who holds the operator's Lease.
func (l *lab) holder() string {
	lease := &coordinationv1.Lease{}
	if err := l.admin.Get(l.ctx, client.ObjectKey{Namespace: systemNamespace, Name: "dataset-audit.datasetaudit.io"}, lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// TestFailover kills the leader in mid-run: the other replica finishes it. Then it looks at the metrics and at an
// orderly end.
func TestFailover(t *testing.T) {
	l := newLab(t)
	kubeconfig, program := l.installed(), l.buildManager()
	first := l.startManager(program, kubeconfig)
	l.eventually("the first replica leads", func() error { return unless(l.holder() != "", "no leader") })
	leader := l.holder()
	l.eventually("the leader tells that it leads", func() error {
		events := &corev1.EventList{}
		if err := l.admin.List(l.ctx, events, client.InNamespace(systemNamespace), client.MatchingFields{"reason": "LeaderElection"}); err != nil {
			return err
		}
		return unless(len(events.Items) > 0, "no event of reason LeaderElection")
	})
	second := l.startManager(program, kubeconfig)

	l.apply(audits.New("cars"))
	pod := l.pod()
	l.runs(pod)
	l.is("cars", v1alpha1.ConditionReady, "Unknown/Running")
	l.must(first.Process.Kill())
	if err := <-first.done; err == nil {
		t.Error("a killed manager ends well")
	}
	l.succeeds(pod)
	if got := l.ready("cars"); got.Status.Run.Attempt != 1 || len(l.jobs()) != 1 {
		t.Errorf("run %+v, %d Jobs", got.Status.Run, len(l.jobs()))
	}
	if l.holder() == leader {
		t.Error("the dead replica still leads")
	}
	l.checkMetrics(second)

	l.must(second.Process.Signal(syscall.SIGTERM))
	if err := <-second.done; err != nil {
		t.Errorf("the manager ends with %v", err)
	}
	if holder := l.holder(); holder != "" {
		t.Errorf("the Lease is still held by %s", holder)
	}
}

func unless(ok bool, problem string) error {
	if ok {
		return nil
	}
	return errors.New(problem)
}

// Over TLS, for none but whom the API server lets.
func (l *lab) checkMetrics(m *manager) {
	l.Helper()
	httpClient := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // self-signed
	scrape := func(token string) (int, string) {
		request, err := http.NewRequestWithContext(l.ctx, http.MethodGet, "https://"+m.metrics+"/metrics", nil)
		l.must(err)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := httpClient.Do(request)
		l.must(err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		l.must(err)
		return response.StatusCode, string(body)
	}
	if code, _ := scrape(""); code != http.StatusUnauthorized {
		l.Errorf("a stranger gets %d", code)
	}
	nobody := l.token("nobody")
	if code, _ := scrape(nobody); code != http.StatusForbidden {
		l.Errorf("an account without the role gets %d", code)
	}
	token := l.token("prometheus")
	l.must(l.admin.Create(l.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "prometheus-" + l.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "dataset-audit-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: l.namespace, Name: "prometheus"}},
	}))
	l.eventually("the metrics", func() error {
		code, body := scrape(token)
		if code != http.StatusOK {
			return fmt.Errorf("code %d", code) // a refusal is remembered for a moment
		}
		for _, want := range []string{
			`datasetaudit_runs_total{outcome="Succeeded",reason=""} 1`,
			`datasetaudit_audits{reason="Succeeded"} 1`,
			`datasetaudit_duplicate_ratio{layer="conv_pw_13",name="cars",namespace="` + l.namespace + `"} 0.111`,
			`datasetaudit_leaked_samples{layer="conv_pw_13",name="cars",namespace="` + l.namespace + `"} 3`,
			`datasetaudit_clusters{`, `datasetaudit_last_success_timestamp_seconds{`,
			`controller_runtime_reconcile_panics_total{controller="datasetaudit"} 0`,
		} {
			if !strings.Contains(body, want) {
				return fmt.Errorf("no %s", want)
			}
		}
		return nil
	})
	// What speaks of an audit goes with it.
	l.must(l.admin.Delete(l.ctx, l.named("cars")))
	l.eventually("the audit's metrics vanish", func() error {
		_, body := scrape(token)
		return unless(!strings.Contains(body, `name="cars"`), "they are there")
	})
}

// token is that of a new service account.
func (l *lab) token(name string) string {
	l.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name}}
	l.must(l.admin.Create(l.ctx, account))
	return l.tokenOf(account)
}

func (l *lab) tokenOf(account *corev1.ServiceAccount) string {
	l.Helper()
	request := &authenticationv1.TokenRequest{}
	l.must(l.admin.SubResource("token").Create(l.ctx, account, request))
	return request.Status.Token
}

package controllers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
	"github.com/datasetaudit/dataset-audit/test/needs"
	"github.com/datasetaudit/dataset-audit/test/roles"
)

// The suite runs against a real etcd, kube-apiserver and kube-controller-manager: Jobs make pods, retry and fail by
// their pod failure policy, owners take their children with them, and quotas count. What is missing is nodes: the tests
// are the kubelet.

// controlPlane is the real control plane, started by the first test that needs it.
type controlPlane struct {
	env    *envtest.Environment
	admin  client.WithWatch
	scheme *runtime.Scheme
	// manager is the identity of the operator: it may do what config/rbac/role.yaml says, and nothing else.
	manager *rest.Config
	// kubeconfig of an administrator, as a file.
	kubeconfig string
	stop       func()
}

var startControlPlane = sync.OnceValues(newControlPlane)

// wasStarted lets TestMain stop only what runs.
var wasStarted bool

func TestMain(m *testing.M) {
	code := m.Run()
	if wasStarted {
		if cp, err := startControlPlane(); err == nil {
			cp.stop()
		}
	}
	os.Exit(code)
}

func newControlPlane() (_ *controlPlane, err error) {
	wasStarted = true
	if os.Getenv("TEST_LOG") != "" {
		ctrl.SetLogger(zap.New(zap.UseDevMode(true), zap.WriteTo(os.Stderr)))
	} else {
		ctrl.SetLogger(zap.New(zap.WriteTo(&strings.Builder{})))
	}
	cp := &controlPlane{scheme: runtime.NewScheme(), env: &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(cp.scheme); err != nil {
			return nil, err
		}
	}
	config, err := cp.env.Start()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = cp.env.Stop()
		}
	}()
	config.QPS, config.Burst = 1000, 1000
	if cp.admin, err = client.NewWithWatch(config, client.Options{Scheme: cp.scheme}); err != nil {
		return nil, err
	}
	if cp.manager, err = roles.Manager(cp.env, cp.admin, filepath.Join("..", "config", "rbac", "role.yaml")); err != nil {
		return nil, err
	}
	return cp, cp.startControllers()
}

// startControllers runs kube-controller-manager with what the tests need of it.
func (cp *controlPlane) startControllers() error {
	admin, err := cp.env.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := admin.KubeConfig()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "dataset-audit-suite")
	if err != nil {
		return err
	}
	cp.kubeconfig = filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(cp.kubeconfig, kubeconfig, 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(folder, "kube-controller-manager.log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"),
		"--kubeconfig="+cp.kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--controllers=job-controller,garbage-collector-controller,resourcequota-controller,namespace-controller",
		"--kube-api-qps=500", "--kube-api-burst=500", "--concurrent-gc-syncs=10")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("kube-controller-manager: %w (make control-plane builds it)", err)
	}
	cp.stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = cp.env.Stop()
		_ = os.RemoveAll(folder)
	}
	return nil
}

// lab is a namespace of a test's own, its operator and its watcher.
type lab struct {
	testing.TB
	*controlPlane
	ctx       context.Context
	namespace string
	clock     *shiftedClock
	options   Options
	platform  bool // the operator heeds DatasetAuditPolicies
	evidence  *evidence.Key
	seen      *watcher
}

// newLab makes a namespace for a test. The operator is started by start.
func newLab(t *testing.T) *lab {
	t.Helper()
	needs.ControlPlane(t)
	t.Parallel() // a test mostly waits for controllers
	return openLab(t)
}

func openLab(t testing.TB) *lab {
	t.Helper()
	cp, err := startControlPlane()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{TB: t, controlPlane: cp, ctx: t.Context(), clock: &shiftedClock{}, options: Options{
		RunnerImage: "registry.example/runner@sha256:cpu", RunnerCUDAImage: "registry.example/runner@sha256:cuda",
	}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "lab-"}}
	l.must(cp.admin.Create(l.ctx, namespace))
	l.namespace = namespace.Name
	l.seen = watch(l)
	t.Cleanup(func() { _ = cp.admin.Delete(context.Background(), namespace) })
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// start runs an operator on the lab's namespace until stop is called or the test ends.
func (l *lab) start(change ...func(*rest.Config)) (stop func()) {
	l.Helper()
	config := rest.CopyConfig(l.manager)
	for _, f := range change {
		f(config)
	}
	ctx, cancel := context.WithCancel(l.ctx)
	mgr := l.newManager(config)
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stopped := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.Errorf("manager: %v", err)
		}
	})
	l.Cleanup(stopped)
	return stopped
}

func (l *lab) newManager(restConfig *rest.Config) ctrl.Manager {
	l.Helper()
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:     l.scheme,
		Cache:      CacheOptions([]string{l.namespace}),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true), RecoverPanic: new(false)},
	})
	l.must(err)
	reconciler := &Reconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("dataset-audit"),
		Clock: l.clock, Options: l.options, MaxConcurrent: 4, Platform: l.platform, Evidence: l.evidence, Version: "v9",
	}
	l.must(reconciler.SetupWithManager(l.ctx, mgr))
	return mgr
}

// shiftedClock is the real clock, put forward.
type shiftedClock struct {
	clock.RealClock
	mu    sync.Mutex
	shift time.Duration
}

func (c *shiftedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *shiftedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// forward moves the lab's clock, and lets the operator look at the audit: it would only wake by the real one.
func (l *lab) forward(name string, d time.Duration) {
	l.Helper()
	l.clock.mu.Lock()
	l.clock.shift += d
	l.clock.mu.Unlock()
	l.poke(name)
}

// poke lets the operator look at an audit, by a change that means nothing.
func (l *lab) poke(name string) {
	l.Helper()
	l.must(l.admin.Patch(l.ctx, l.named(name), client.RawPatch("application/merge-patch+json",
		fmt.Appendf(nil, `{"metadata":{"annotations":{"test/poke":"%d"}}}`, time.Now().UnixNano()))))
}

func (l *lab) named(name string) *v1alpha1.DatasetAudit {
	return &v1alpha1.DatasetAudit{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name}}
}

// patience is how long a test waits for what must come. It ends a broken test; no test passes by it.
const patience = 60 * time.Second

// eventually waits until get has nothing to complain of.
func (l *lab) eventually(what string, get func() error) {
	l.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := get()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// get reads an audit.
func (l *lab) get(name string) *v1alpha1.DatasetAudit {
	l.Helper()
	audit := l.named(name)
	l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(audit), audit))
	return audit
}

// until waits until an audit fulfills ok, and returns it.
func (l *lab) until(name, what string, ok func(*v1alpha1.DatasetAudit) bool) *v1alpha1.DatasetAudit {
	l.Helper()
	audit := l.named(name)
	l.eventually(what, func() error {
		if err := l.admin.Get(l.ctx, client.ObjectKeyFromObject(audit), audit); err != nil {
			return err
		}
		if !ok(audit) {
			return fmt.Errorf("not yet: %s", describe(audit))
		}
		return nil
	})
	return audit
}

func describe(audit *v1alpha1.DatasetAudit) string {
	data, _ := yaml.Marshal(audit.Status)
	return "generation " + fmt.Sprint(audit.Generation) + "\n" + string(data)
}

// update changes an audit's spec or metadata as a user does.
func (l *lab) update(name string, change func(*v1alpha1.DatasetAudit)) {
	l.Helper()
	audit := l.get(name)
	before := audit.DeepCopy()
	change(audit)
	l.must(l.admin.Patch(l.ctx, audit, client.MergeFrom(before)))
}

// jobs are the Jobs of the namespace.
func (l *lab) jobs() []batchv1.Job {
	l.Helper()
	list := &batchv1.JobList{}
	l.must(l.admin.List(l.ctx, list, client.InNamespace(l.namespace)))
	return list.Items
}

// apply creates an audit in the lab's namespace.
func (l *lab) apply(audit *v1alpha1.DatasetAudit) {
	l.Helper()
	audit.Namespace = l.namespace
	l.must(l.admin.Create(l.ctx, audit))
}

//go:build e2e

// Package e2e holds the operator against a real cluster: kubelets, containers, volumes and networks. test/e2e/run.sh
// prepares all that its tests need; they install the chart and do what users do.
package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

const (
	release         = "dataset-audit"
	systemNamespace = "dataset-audit-system"
	// data are the real images and the real model, which the project doesn't ship.
	data = "../../../shared/data"
)

var (
	// chart is that of the release, whose values name its images, as OCI artifact in the registry.
	chart        = os.Getenv("E2E_CHART")
	chartVersion = os.Getenv("E2E_VERSION")
	// releaseFolder holds the files of the release.
	releaseFolder = os.Getenv("E2E_RELEASE")
	runnerImage   = os.Getenv("E2E_RUNNER_IMAGE")
	podImage      = os.Getenv("E2E_POD_IMAGE")
	// clusterScript runs the cluster on this machine; empty where it is somebody else's.
	clusterScript = os.Getenv("E2E_CLUSTER")

	admin client.WithWatch
)

func TestMain(m *testing.M) {
	if chart == "" || runnerImage == "" || podImage == "" {
		fmt.Fprintln(os.Stderr, "run these tests by test/e2e/run.sh, which builds the images that they need")
		os.Exit(2)
	}
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	if os.Getenv("KEEP") == "" {
		if err := uninstall(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func setUp() error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, kueue.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	if admin, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	_, absent := run(nil, "helm", "status", release, "--namespace", systemNamespace)
	if absent == nil && clusterScript == "" {
		return fmt.Errorf("the release %s is installed already, in a cluster that is not the tests' own: uninstall it first", release)
	}
	if _, noCRD := run(nil, "kubectl", "get", "crd", "datasetaudits.datasetaudit.io"); absent != nil && noCRD != nil && clusterScript != "" {
		if err := tryInstallYAML(); err != nil {
			return err
		}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace, Labels: restricted}}
	if err := admin.Create(context.Background(), namespace); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	return install()
}

// restricted lets no pod into a namespace that could do more than it must.
var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// install installs the release's chart as its users do, or upgrades it.
func install(values ...string) error {
	args := append([]string{"upgrade", "--install", release}, chartArgs...)
	args = append(args, "--namespace", systemNamespace, "--wait", "--timeout", "2m")
	for _, value := range values {
		args = append(args, "--set", value)
	}
	_, err := run(nil, "helm", args...)
	return err
}

// chartArgs name the chart to helm.
var chartArgs = append([]string{chart, "--version", chartVersion}, map[string][]string{
	"": nil, "http": {"--plain-http"}, "tls": {"--insecure-skip-tls-verify"},
}[os.Getenv("REGISTRY_INSECURE")]...)

// run is a command whose words are part of its error.
func run(stdin io.Reader, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// lab is a namespace of a test's own.
type lab struct {
	*testing.T
	ctx       context.Context
	namespace string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel() // a test mostly waits
	return openLab(t)
}

func openLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, ctx: t.Context()}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-", Labels: restricted}}
	l.must(admin.Create(l.ctx, namespace))
	l.namespace = namespace.Name
	t.Cleanup(func() {
		if t.Failed() {
			l.dump()
		}
		_ = admin.Delete(context.Background(), namespace)
	})
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// kubectl does what a user does in the lab's namespace.
func (l *lab) kubectl(args ...string) string {
	l.Helper()
	out, err := run(nil, "kubectl", append([]string{"--namespace", l.namespace}, args...)...)
	l.must(err)
	return out
}

// dump says what there is, for whom the test has failed.
func (l *lab) dump() {
	for _, args := range [][]string{
		{"get", "datasetaudits", "-o", "yaml"}, {"get", "pods", "-o", "wide"}, {"describe", "pods"}, {"get", "events", "--sort-by=.lastTimestamp"},
	} {
		out, err := run(nil, "kubectl", append([]string{"--namespace", l.namespace}, args...)...)
		l.Logf("kubectl %s\n%s%v", strings.Join(args, " "), out, err)
	}
	out, _ := run(nil, "kubectl", "--namespace", systemNamespace, "logs", "--selector=app.kubernetes.io/name=dataset-audit", "--tail=60")
	l.Logf("the manager says:\n%s", out)
}

// A test waits for what must come while anything moves: for as long as patience without a change of what get says, and
// for as long as the limit in all. So a slow machine fails no test, and what stands still does.
const (
	patience = 3 * time.Minute
	limit    = 10 * time.Minute
)

func (l *lab) eventually(what string, get func() error) {
	l.Helper()
	begin := time.Now()
	moved, last := begin, ""
	for {
		err := get()
		if err == nil {
			return
		}
		now := time.Now()
		if said := err.Error(); said != last {
			moved, last = now, said
		}
		if now.Sub(moved) > patience || now.Sub(begin) > limit {
			l.Fatalf("%s, waited for %s, and nothing moved for %s: %v", what, now.Sub(begin).Round(time.Second), now.Sub(moved).Round(time.Second), err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// apply is kubectl apply of an audit.
func (l *lab) apply(audit *v1alpha1.DatasetAudit) {
	l.Helper()
	manifest, err := json.Marshal(audit)
	l.must(err)
	_, err = run(bytes.NewReader(manifest), "kubectl", "--namespace", l.namespace, "apply", "--server-side", "-f", "-")
	l.must(err)
}

func (l *lab) get(name string) (*v1alpha1.DatasetAudit, error) {
	audit := &v1alpha1.DatasetAudit{}
	return audit, admin.Get(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: name}, audit)
}

// until waits until an audit fulfills ok.
func (l *lab) until(name, what string, ok func(*v1alpha1.DatasetAudit) bool) *v1alpha1.DatasetAudit {
	l.Helper()
	var audit *v1alpha1.DatasetAudit
	l.eventually(what, func() error {
		var err error
		if audit, err = l.get(name); err != nil {
			return err
		}
		if !ok(audit) {
			ready := meta.FindStatusCondition(audit.Status.Conditions, v1alpha1.ConditionReady)
			run, err := json.Marshal(audit.Status.Run) // with what its pointers point to
			return errors.Join(fmt.Errorf("not yet: %+v, run %s", ready, run), err)
		}
		return nil
	})
	return audit
}

// is waits for a condition's status and reason.
func (l *lab) is(name, condition, want string) *v1alpha1.DatasetAudit {
	l.Helper()
	return l.until(name, condition+" becomes "+want, func(a *v1alpha1.DatasetAudit) bool {
		c := meta.FindStatusCondition(a.Status.Conditions, condition)
		return c != nil && c.ObservedGeneration == a.Generation && string(c.Status)+"/"+c.Reason == want
	})
}

func (l *lab) ready(name string) *v1alpha1.DatasetAudit {
	l.Helper()
	return l.is(name, v1alpha1.ConditionReady, "True/Succeeded")
}

func message(audit *v1alpha1.DatasetAudit, condition string) string {
	if c := meta.FindStatusCondition(audit.Status.Conditions, condition); c != nil {
		return c.Message
	}
	return ""
}

// pods are the audit's.
func (l *lab) pods(audit string) []corev1.Pod {
	l.Helper()
	list := &corev1.PodList{}
	l.must(admin.List(l.ctx, list, client.InNamespace(l.namespace), client.MatchingLabels{v1alpha1.LabelAudit: audit}))
	return list.Items
}

// running waits for a pod of the audit that works.
func (l *lab) running(audit string, but ...string) *corev1.Pod {
	l.Helper()
	var found *corev1.Pod
	l.eventually("a pod of "+audit+" works", func() error {
		for _, pod := range l.pods(audit) {
			old := false
			for _, name := range but {
				old = old || pod.Name == name
			}
			if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && !old {
				found = &pod
				return nil
			}
		}
		return errors.New("none does")
	})
	return found
}

// claim makes a claim and fills it with files of this machine: a map from paths in it to files or folders here.
func (l *lab) claim(name string, files map[string]string) {
	l.Helper()
	l.must(admin.Create(l.ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}))
	pod := l.helper("load-"+name, "/pod", []string{"wait"}, name)
	l.fill(pod, "/data", files)
	l.must(admin.Delete(l.ctx, pod, client.GracePeriodSeconds(1)))
}

// helper runs the tests' own image with a claim at /data, and waits until it runs.
func (l *lab) helper(name, command string, args []string, claim string, env ...corev1.EnvVar) *corev1.Pod {
	l.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), FSGroup: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "main", Image: podImage, Command: []string{command}, Args: args, Env: env,
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
				VolumeMounts:    []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
			}}},
		},
	}
	l.must(admin.Create(l.ctx, pod))
	l.eventually("pod "+name+" runs", func() error {
		if err := admin.Get(l.ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return nil
	})
	return pod
}

// fill puts files of this machine into a folder of a pod.
func (l *lab) fill(pod *corev1.Pod, folder string, files map[string]string) {
	l.Helper()
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeTar(writer, files)) }()
	_, err := run(reader, "kubectl", "--namespace", l.namespace, "exec", "-i", pod.Name, "--", "/pod", "untar", folder)
	l.must(err)
}

func writeTar(out io.Writer, files map[string]string) error {
	archive := tar.NewWriter(out)
	for to, from := range files {
		err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			inside, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := archive.WriteHeader(&tar.Header{Name: filepath.Join(to, inside), Mode: 0o644, Size: int64(len(content))}); err != nil {
				return err
			}
			_, err = archive.Write(content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return archive.Close()
}

// fetch brings a folder of a pod into one of this machine.
func (l *lab) fetch(pod *corev1.Pod, folder string) string {
	l.Helper()
	out, err := run(nil, "kubectl", "--namespace", l.namespace, "exec", pod.Name, "--", "/pod", "tar", folder)
	l.must(err)
	to := l.TempDir()
	_, err = run(strings.NewReader(out), "tar", "-x", "-C", to)
	l.must(err)
	return to
}

// local audits on this machine, as the runner's users do, and returns the folder of the results.
func (l *lab) local(audit *v1alpha1.DatasetAudit, dataset, model string) string {
	l.Helper()
	folder := l.TempDir()
	manifest, err := json.Marshal(audit)
	l.must(err)
	l.must(os.WriteFile(filepath.Join(folder, "audit.json"), manifest, 0o600))
	out := filepath.Join(folder, "out")
	_, err = run(nil, "runner", "audit", "-f", filepath.Join(folder, "audit.json"), "--dataset", dataset, "--model", model, "--out", out)
	l.must(err)
	return out
}

package controllers

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// TestRealRunner runs the runner's own program with the pod's own command line, input and token: what one side writes,
// the other reads, and the role suffices.
func TestRealRunner(t *testing.T) {
	l := newLab(t)
	l.start()
	program := filepath.Join(t.TempDir(), "runner")
	if out, err := exec.Command("go", "build", "-o", program, "../runner").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	volume := t.TempDir()
	writeEmbeddings(t, filepath.Join(volume, "vectors", "embeddings.npy"), 200, 16)

	audit := audits.New("vectors")
	audit.Spec.Model = nil
	audit.Spec.Dataset = v1alpha1.DatasetSpec{
		Format: v1alpha1.FormatEmbeddings,
		Source: v1alpha1.DatasetSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "data", Path: "vectors"}},
	}
	audit.Spec.Reduction.PCA.Components = new(int32(8))
	l.apply(audit)
	pod := l.pod()
	l.runs(pod)
	code, said := l.runContainer(program, pod, volume)
	l.exits(pod, code, "Completed", said)
	got := l.ready("vectors")
	if got.Status.Result.Samples != 200 || got.Status.Result.Summary.Layers[0].ExactCopies != 5 {
		t.Errorf("result is %+v", got.Status.Result)
	}
	if got.Status.Result.Summary.Run.ID != got.Status.Run.ID {
		t.Errorf("the summary is that of run %q", got.Status.Result.Summary.Run.ID)
	}
	clusters := &corev1.ConfigMap{}
	l.must(l.admin.Get(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: got.Status.Result.ClustersConfigMap}, clusters))
	if len(clusters.BinaryData[v1alpha1.FileClustersGzip]) == 0 {
		t.Error("there are no clusters in their ConfigMap")
	}

	record := &v1alpha1.AuditRecord{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: argument(pod, "--record")}}
	if err := l.admin.Get(l.ctx, client.ObjectKeyFromObject(record), record); err == nil && record.Result.SummarySHA256 != got.Status.Result.SummarySHA256 {
		t.Errorf("the record says %+v", record.Result)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(clusters.BinaryData[v1alpha1.FileClustersGzip])); got.Status.Result.ClustersSHA256 != want {
		t.Errorf("the digest of the clusters is %s, want %s", got.Status.Result.ClustersSHA256, want)
	}

	// A mistake of the user's, in the runner's own words.
	l.update("vectors", func(a *v1alpha1.DatasetAudit) { a.Spec.Reduction.PCA.Components = new(int32(17)) })
	pod = l.pod()
	l.runs(pod)
	code, said = l.runContainer(program, pod, volume)
	l.exits(pod, code, "Error", said)
	l.stalls("vectors", v1alpha1.ReasonInvalidSpec, "components")

	// A tenant who may write ConfigMaps puts another manifest in the place of the run's, with its labels and owner, by
	// which little is found.
	l.update("vectors", func(a *v1alpha1.DatasetAudit) { a.Spec.Reduction.PCA.Components = new(int32(7)) })
	pod = l.pod()
	l.runs(pod)
	l.is("vectors", v1alpha1.ConditionReady, "Unknown/Running")
	input := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: baseName("vectors", runOfPod(pod)) + v1alpha1.InputSuffix}}
	l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(input), input))
	forged := input.DeepCopy()
	forged.ResourceVersion, forged.UID = "", ""
	forged.Data[v1alpha1.KeyAudit] = strings.Replace(forged.Data[v1alpha1.KeyAudit], "    format: Embeddings", "    format: Embeddings\n    maxSamples: 107", 1)
	l.eventually("the forgery takes the place", func() error {
		if err := l.admin.Delete(l.ctx, input); client.IgnoreNotFound(err) != nil {
			return err
		}
		return l.admin.Create(l.ctx, forged.DeepCopy())
	})
	code, said = l.runContainer(program, pod, volume)
	l.exits(pod, code, "Error", said)
	got = l.stalls("vectors", v1alpha1.ReasonDigestMismatch, "this run was given one with ", "someone replaced it")
	t.Logf("Stalled says: %s", messageOf(got, v1alpha1.ConditionStalled))
}

// runContainer does with the runner's container what a kubelet and a container runtime do.
func (l *lab) runContainer(program string, pod *corev1.Pod, volume string) (v1alpha1.ExitCode, string) {
	l.Helper()
	root := l.TempDir()
	input := &corev1.ConfigMap{}
	for _, v := range pod.Spec.Volumes {
		if v.ConfigMap != nil {
			l.must(l.admin.Get(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: v.ConfigMap.Name}, input))
		}
	}
	if input.Immutable == nil || !*input.Immutable {
		l.Error("the input is not immutable")
	}
	l.must(os.MkdirAll(filepath.Join(root, "etc/dataset-audit"), 0o755))
	l.must(os.MkdirAll(filepath.Join(root, "dev"), 0o755))
	l.must(os.WriteFile(filepath.Join(root, "etc/dataset-audit/audit.yaml"), []byte(input.Data[v1alpha1.KeyAudit]), 0o600))
	l.must(os.Symlink(volume, filepath.Join(root, "dataset")))

	args := []string{}
	for _, arg := range pod.Spec.Containers[0].Args {
		flag, value, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(value, "/") {
			arg = flag + "=" + filepath.Join(root, value)
		}
		args = append(args, arg)
	}
	cmd := exec.Command(program, append(args, "--kubeconfig="+l.podKubeconfig(root, pod))...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	l.Logf("the runner says:\n%s", output.String())
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		l.must(err)
	}
	said, err := os.ReadFile(filepath.Join(root, "dev/termination-log"))
	l.must(err)
	return v1alpha1.ExitCode(code), string(said)
}

// podKubeconfig reaches the API server as the pod does: with the token of its account.
func (l *lab) podKubeconfig(folder string, pod *corev1.Pod) string {
	l.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	text := fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, l.manager.Host, base64.StdEncoding.EncodeToString(l.manager.CAData), l.tokenOf(account))
	file := filepath.Join(folder, "kubeconfig")
	l.must(os.WriteFile(file, []byte(text), 0o600))
	return file
}

// writeEmbeddings writes an n×d matrix whose last five rows repeat its first.
func writeEmbeddings(t *testing.T, file string, n, d int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, n*d)
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	copy(values[(n-5)*d:], values[:5*d])
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", n, d)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	var out bytes.Buffer
	out.WriteString("\x93NUMPY\x01\x00")
	_ = binary.Write(&out, binary.LittleEndian, uint16(len(header)))
	out.WriteString(header)
	_ = binary.Write(&out, binary.LittleEndian, values)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

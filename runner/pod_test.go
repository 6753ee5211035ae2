package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// fakeCluster holds two ConfigMaps and a record, and takes patches, as an API server does from a runner. Package
// publish tests the rest.
type fakeCluster struct {
	hang chan struct{} // if not nil, patches of the summary get no answer, but a token here

	mu       sync.Mutex
	maps     map[string]*podConfigMap
	patched  []string // paths, in order
	progress []v1alpha1.Progress
}

type podConfigMap struct {
	Data       map[string]*string
	BinaryData map[string][]byte
	Result     *v1alpha1.TerminationMessage
}

func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	patch, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if c.hang != nil && bytes.Contains(patch, []byte(v1alpha1.FileSummary)) {
		c.hang <- struct{}{}
		<-r.Context().Done()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	stored := c.maps[r.URL.Path]
	if r.Method != http.MethodPatch || stored == nil {
		http.Error(w, "a Role allows patch on two ConfigMaps and a record", http.StatusForbidden)
		return
	}
	if err := json.Unmarshal(patch, stored); err != nil { // merges the maps; a null stays as nil
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.patched = append(c.patched, r.URL.Path)
	if text := stored.Data[v1alpha1.FileProgress]; text != nil {
		var p v1alpha1.Progress
		if err := json.Unmarshal([]byte(*text), &p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.progress = append(c.progress, p)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"apiVersion":"v1","kind":"ConfigMap"}`)
}

// podFixture is a dataset of embeddings with copies, a cluster, and the arguments of a runner in a pod.
type podFixture struct {
	*fakeCluster
	fixture
	result, clusters, record string // paths
}

func newPodFixture(t *testing.T, cluster *fakeCluster) podFixture {
	t.Helper()
	f := podFixture{
		fakeCluster: cluster, fixture: fixture{t.TempDir()},
		result: "/api/v1/namespaces/vision/configmaps/noise-result", clusters: "/api/v1/namespaces/vision/configmaps/noise-clusters",
		record: "/apis/datasetaudit.io/v1alpha1/namespaces/vision/auditrecords/noise-record",
	}
	f.maps = map[string]*podConfigMap{f.result: {}, f.clusters: {}, f.record: {}}
	server := httptest.NewServer(f.fakeCluster)
	t.Cleanup(server.Close)
	f.write(t, "kubeconfig", fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: s, user: u}}],
	  clusters: [{name: s, cluster: {server: %q}}], users: [{name: u}]}`, server.URL))
	f.write(t, "audit.yaml", []byte(`{apiVersion: datasetaudit.io/v1alpha1, kind: DatasetAudit, metadata: {name: noise, namespace: vision}, spec: {
	  dataset: {source: {persistentVolumeClaim: {claimName: c}}, format: Embeddings},
	  reduction: {pca: {components: 8}}, duplicates: {threshold: {strategy: Percentile, percentile: "99"}}}}`))
	random := rand.New(rand.NewPCG(5, 5))
	data := npy("(200, 16)", 0)
	for i := range 200 {
		row := make([]float32, 16)
		for j := range row {
			row[j] = random.Float32()
		}
		if i%20 == 7 { // a copy of the row before
			data = append(data, data[len(data)-64:]...)
			continue
		}
		for _, x := range row {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
	}
	f.write(t, "dataset/embeddings.npy", data)
	f.write(t, "termination-log", nil) // as the kubelet mounts it
	return f
}

func (f podFixture) args(more ...string) []string {
	return append([]string{
		"audit", "-f", f.path("audit.yaml"), "--dataset", f.path("dataset"), "--out", f.path("out"), "--work", f.path("work"),
		"--run", "run-1", "--result-configmap", "noise-result", "--kubeconfig", f.path("kubeconfig"), "--termination-message", f.path("termination-log"),
	}, more...)
}

func (f podFixture) lastWords(t *testing.T) v1alpha1.TerminationMessage {
	t.Helper()
	var said v1alpha1.TerminationMessage
	if err := json.Unmarshal(f.read(t, "termination-log"), &said); err != nil {
		t.Fatal(err)
	}
	return said
}

func TestPod(t *testing.T) {
	f := newPodFixture(t, &fakeCluster{})
	code, stdout, stderr := run(t, f.args("--clusters-configmap", "noise-clusters", "--record", "noise-record")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"Publish 2/2", "Read 200"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log lacks %q: %s", want, stderr)
		}
	}
	if !strings.Contains(stdout, "LAYER") {
		t.Errorf("no table: %s", stdout)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	stored := f.maps[f.result].Data
	if stored[v1alpha1.FileProgress] != nil || stored[v1alpha1.FileSummary] == nil {
		t.Fatalf("the result's ConfigMap has %v", stored)
	}
	text := *stored[v1alpha1.FileSummary]
	if diff := cmp.Diff(string(f.read(t, "out/"+v1alpha1.FileSummary)), text); diff != "" {
		t.Errorf("the summary is not the file (-want +got):\n%s", diff)
	}
	var summary v1alpha1.AuditSummary
	if err := json.Unmarshal([]byte(text), &summary); err != nil {
		t.Fatal(err)
	}
	if summary.Run.ID != "run-1" || summary.Run.Audit != "vision/noise" || summary.Layers[0].Clusters == 0 {
		t.Errorf("the summary is of %+v, with %d clusters", summary.Run, summary.Layers[0].Clusters)
	}
	want := v1alpha1.TerminationMessage{
		SummarySHA256:  fmt.Sprintf("%x", sha256.Sum256([]byte(text))),
		ClustersSHA256: fmt.Sprintf("%x", sha256.Sum256(f.maps[f.clusters].BinaryData[v1alpha1.FileClustersGzip])),
		Samples:        200, Clusters: summary.Layers[0].Clusters, DuplicateSamples: summary.Layers[0].DuplicateSamples,
	}
	if diff := cmp.Diff(want, f.lastWords(t)); diff != "" {
		t.Errorf("the termination message differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&want, f.maps[f.record].Result); diff != "" {
		t.Errorf("the record differs (-want +got):\n%s", diff)
	}

	z, err := gzip.NewReader(bytes.NewReader(f.maps[f.clusters].BinaryData[v1alpha1.FileClustersGzip]))
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(f.read(t, "out/"+v1alpha1.FileClusters)), string(clusters)); diff != "" {
		t.Errorf("the clusters are not the file (-want +got):\n%s", diff)
	}
	if len(f.maps[f.clusters].Data) != 0 {
		t.Errorf("the clusters' ConfigMap has %v", f.maps[f.clusters].Data)
	}

	// On a busy machine progress may still be told between clusters and summary.
	last := f.patched[max(0, len(f.patched)-2):]
	if at := slices.Index(f.patched, f.clusters); at < 0 || at > len(f.patched)-3 || !slices.Equal(last, []string{f.result, f.record}) || len(f.progress) == 0 {
		t.Errorf("not progress, clusters, summary, record in this order: %v", f.patched)
	}
	for _, p := range f.progress {
		if p.Message != p.String() || p.StartedAt.IsZero() || p.UpdatedAt.IsZero() {
			t.Errorf("progress: %+v", p)
		}
	}
}

// Only the first shard says how it gets on: the others need no API server. Each ends with an empty message.
func TestPodOfOneShard(t *testing.T) {
	for shard, kubeconfig := range map[string]string{"0/2": "kubeconfig", "1/2": "there-is-none"} {
		f := newPodFixture(t, &fakeCluster{})
		args := f.args("--stage", "Embed", "--shard", shard, "--kubeconfig", f.path(kubeconfig))
		if code, _, stderr := run(t, args...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if diff := cmp.Diff(v1alpha1.TerminationMessage{}, f.lastWords(t)); diff != "" {
			t.Errorf("shard %s: the termination message differs (-want +got):\n%s", shard, diff)
		}
	}
}

// However a run ends, the termination message is what was printed, with the code of the process.
func TestPodFails(t *testing.T) {
	tests := map[string]struct {
		args []string // of more than the fixture's
		code v1alpha1.ExitCode
		want string
	}{
		"unknown field":        {[]string{"-f", "typo.yaml"}, v1alpha1.ExitInvalidSpec, "spec.dataset.formt"},
		"no manifest":          {[]string{"-f", "none.yaml"}, v1alpha1.ExitInvalidUsage, "none.yaml"},
		"no namespace":         {[]string{"-f", "nowhere.yaml"}, v1alpha1.ExitInvalidUsage, "metadata.namespace"},
		"no dataset":           {[]string{"--dataset", "none"}, v1alpha1.ExitInvalidDataset, "none"},
		"no kubeconfig":        {[]string{"--kubeconfig", "none"}, v1alpha1.ExitInvalidUsage, "--kubeconfig none"},
		"not in a pod":         {[]string{"--kubeconfig", ""}, v1alpha1.ExitInvalidUsage, "not a pod of a cluster"},
		"clusters alone":       {[]string{"--result-configmap", "", "--clusters-configmap", "c"}, v1alpha1.ExitInvalidUsage, "--result-configmap"},
		"a long ID":            {[]string{"--run", strings.Repeat("x", 65)}, v1alpha1.ExitInvalidUsage, "--run: 65 bytes"},
		"bad shard":            {[]string{"--stage", "Embed", "--shard", "2/2"}, v1alpha1.ExitInvalidUsage, "--shard"},
		"unknown stage":        {[]string{"--stage", "Embd"}, v1alpha1.ExitInvalidUsage, "Embd"},
		"an argument too many": {[]string{"more"}, v1alpha1.ExitInvalidUsage, "--help"},
		"an unknown flag":      {[]string{"--more"}, v1alpha1.ExitInvalidUsage, "--more"},
	}
	f := newPodFixture(t, &fakeCluster{})
	manifest := string(f.read(t, "audit.yaml"))
	f.write(t, "typo.yaml", []byte(strings.Replace(manifest, "format", "formt", 1)))
	f.write(t, "nowhere.yaml", []byte(strings.Replace(manifest, ", namespace: vision", "", 1)))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Chdir(f.dir)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := run(t, f.args(test.args...)...)
			said := f.lastWords(t)
			if said.Error == nil {
				t.Fatalf("exit %d: no error in %+v", code, said)
			}
			want := v1alpha1.TerminationMessage{Error: &v1alpha1.RunError{Code: test.code, Reason: test.code.Reason(), Message: said.Error.Message}}
			if diff := cmp.Diff(want, said); diff != "" || code != int(test.code) {
				t.Errorf("exit %d, the termination message differs (-want +got):\n%s", code, diff)
			}
			if !strings.Contains(said.Error.Message, test.want) || !strings.Contains(stderr, "Error: "+said.Error.Message+"\n") {
				t.Errorf("the message lacks %q, or is not what was printed: %s\n%s", test.want, said.Error.Message, stderr)
			}
		})
	}
}

// A message that can't be written doesn't change how the run ends.
func TestPodWithoutTerminationLog(t *testing.T) {
	f := newPodFixture(t, &fakeCluster{})
	code, _, stderr := run(t, f.args("--termination-message", f.path("none/termination-log"))...)
	if code != 0 || !strings.Contains(stderr, "--termination-message: ") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.maps[f.result].Data[v1alpha1.FileSummary] == nil {
		t.Error("no summary was published")
	}
}

// SIGTERM while the API server leaves the summary without an answer: the run ends at once, and the next one goes on.
func TestPodTerminated(t *testing.T) {
	f := newPodFixture(t, &fakeCluster{hang: make(chan struct{}, 1)})
	cmd := runner(t.Context(), f.args()...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its code is looked at below
		close(ended)
	}()
	select {
	case <-f.hang:
	case <-ended:
		t.Fatalf("the run ended before it published: %s", &stderr)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != int(v1alpha1.ExitInterrupted) {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	said := f.lastWords(t)
	if said.Error == nil || said.Error.Code != v1alpha1.ExitInterrupted || said.Error.Reason != v1alpha1.ReasonInterrupted || said.SummarySHA256 != "" {
		t.Errorf("the termination message is %+v", said)
	}
	checkpoints, err := filepath.Glob(f.path("work/embeddings/*/part-*.vec"))
	if err != nil || len(checkpoints) == 0 {
		t.Errorf("checkpoints %v, error %v", checkpoints, err)
	}
}

// Without the flags of a pod nothing is published, and no API server is looked for.
func TestNoPod(t *testing.T) {
	f := newPodFixture(t, &fakeCluster{})
	code, _, stderr := run(t, "audit", "-f", f.path("audit.yaml"), "--dataset", f.path("dataset"), "--out", f.path("out"))
	if code != 0 || strings.Contains(stderr, "Publish") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.progress) != 0 || len(f.read(t, "termination-log")) != 0 {
		t.Error("something was published")
	}
	entries, err := os.ReadDir(f.path("out"))
	if err != nil || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == v1alpha1.FileSummary }) {
		t.Errorf("no summary: %v", err)
	}
}

package publish

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// always is one fault for every request; first, for the first n.
func always(f fault) func(int) fault { return func(int) fault { return f } }

func first(n int, f fault) func(int) fault {
	return func(i int) fault {
		if i < n {
			return f
		}
		return fault{}
	}
}

func status(code int) fault { return fault{status: code} }

func TestWriteIsTriedAgain(t *testing.T) {
	refused := fault{err: syscall.ECONNREFUSED}
	tests := map[string]struct {
		faults    func(int) fault
		namespace string
		cancel    time.Duration // when the run is interrupted

		tries    [2]int // least, most
		took     [2]time.Duration
		code     v1alpha1.ExitCode
		messages []string
	}{
		"at once":                 {faults: always(fault{}), tries: [2]int{1, 1}},
		"500, 500":                {faults: first(2, status(500)), tries: [2]int{3, 3}, took: [2]time.Duration{3 * time.Second, 5 * time.Second}},
		"409":                     {faults: first(1, status(409)), tries: [2]int{2, 2}, took: [2]time.Duration{time.Second, 2 * time.Second}},
		"429 with Retry-After":    {faults: first(1, fault{status: 429, retryAfter: "40"}), tries: [2]int{2, 2}, took: [2]time.Duration{40 * time.Second, 40 * time.Second}},
		"429 a minute and more":   {faults: first(20, status(429)), tries: [2]int{21, 21}, took: [2]time.Duration{5 * time.Minute, 9 * time.Minute}},
		"connection refused":      {faults: first(3, refused), tries: [2]int{4, 4}, took: [2]time.Duration{7 * time.Second, 11 * time.Second}},
		"no answer":               {faults: first(2, fault{hang: true}), tries: [2]int{3, 3}, took: [2]time.Duration{63 * time.Second, 65 * time.Second}},
		"403 until the Role acts": {faults: first(4, status(403)), tries: [2]int{5, 5}, took: [2]time.Duration{15 * time.Second, 23 * time.Second}},
		"403 before and after an outage": { // the minute of the second begins with it
			faults: func(n int) fault {
				switch {
				case n < 2, 12 <= n && n < 14:
					return status(403)
				case n < 12:
					return refused
				}
				return fault{}
			},
			tries: [2]int{15, 15}, took: [2]time.Duration{2 * time.Minute, 8 * time.Minute},
		},

		"always 403": {
			faults: always(status(403)), tries: [2]int{5, 7}, took: [2]time.Duration{30 * time.Second, time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "said the server", "a Role that allows patch"},
		},
		"always 401": {
			faults: always(status(401)), tries: [2]int{5, 7}, took: [2]time.Duration{30 * time.Second, time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "token"},
		},
		"no ConfigMap": {
			namespace: "elsewhere", faults: always(status(404)), tries: [2]int{5, 7}, took: [2]time.Duration{30 * time.Second, time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap elsewhere/result: ", "was it deleted?"},
		},
		"always 413": {
			faults: always(status(413)), tries: [2]int{5, 7}, took: [2]time.Duration{30 * time.Second, time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "content"},
		},
		"always 422": {
			faults: always(status(422)), tries: [2]int{5, 7}, took: [2]time.Duration{30 * time.Second, time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "admission policy"},
		},
		"always 503": {
			faults: always(status(503)), tries: [2]int{20, 40}, took: [2]time.Duration{9*time.Minute + 30*time.Second, 10 * time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "API server's log"},
		},
		"connection always refused": {
			faults: always(refused), tries: [2]int{20, 40}, took: [2]time.Duration{9*time.Minute + 30*time.Second, 10 * time.Minute},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "connection refused", "network policies"},
		},
		"never an answer": {
			faults: always(fault{hang: true}), tries: [2]int{10, 20}, took: [2]time.Duration{9 * time.Minute, 10*time.Minute + writeTimeout},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: ", "network policies"},
		},
		"Retry-After beyond all patience": {
			faults: always(fault{status: 429, retryAfter: "3600"}), tries: [2]int{1, 1},
			code: v1alpha1.ExitStorage, messages: []string{"ConfigMap vision/result: "},
		},
		"interrupted between tries": {
			faults: always(status(500)), cancel: 20 * time.Second, tries: [2]int{4, 5}, took: [2]time.Duration{20 * time.Second, 20 * time.Second},
			code: v1alpha1.ExitInterrupted, messages: []string{"interrupted while publishing", "goes on from the last checkpoint"},
		},
		"interrupted within a try": {
			faults: always(fault{hang: true}), cancel: 20 * time.Second, tries: [2]int{1, 1}, took: [2]time.Duration{20 * time.Second, 20 * time.Second},
			code: v1alpha1.ExitInterrupted, messages: []string{"interrupted while publishing"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPIServer("result")
				server.fault = test.faults
				m := connected(t, server)
				if test.namespace != "" {
					m.Namespace = test.namespace
				}
				ctx := t.Context()
				if test.cancel != 0 {
					interrupted, cancel := context.WithCancel(ctx)
					defer cancel()
					time.AfterFunc(test.cancel, cancel)
					ctx = interrupted
				}
				began := time.Now()
				err := m.WriteSummary(ctx, []byte("{}\n"))
				if took := time.Since(began); took < test.took[0] || took > test.took[1] {
					t.Errorf("took %v, want %v", took, test.took)
				}
				if tries := len(server.requests); tries < test.tries[0] || tries > test.tries[1] {
					t.Errorf("%d tries, want %v", tries, test.tries)
				}
				if test.code == v1alpha1.ExitOK {
					want := configMap{Data: map[string]string{v1alpha1.FileSummary: "{}\n"}, BinaryData: map[string][]byte{}}
					if diff := cmp.Diff(want, server.maps["vision/result"]); err != nil || diff != "" {
						t.Errorf("error %v, the ConfigMap differs (-want +got):\n%s", err, diff)
					}
					return
				}
				checkError(t, err, test.code, test.messages...)
			})
		})
	}
}

// checkError wants an error that ends the runner with code, and that says all of messages.
func checkError(t *testing.T, err error, code v1alpha1.ExitCode, messages ...string) {
	t.Helper()
	var coded *v1alpha1.RunError
	if !errors.As(err, &coded) {
		t.Fatalf("error %v is no RunError", err)
	}
	if coded.Code != code {
		t.Errorf("exit code %d, want %d: %v", coded.Code, code, err)
	}
	for _, message := range messages {
		if !strings.Contains(err.Error(), message) {
			t.Errorf("the error lacks %q: %v", message, err)
		}
	}
}

// Over a real connection, with a kubeconfig.
func TestConnect(t *testing.T) {
	fake := newAPIServer("result")
	var header http.Header
	var query string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, query = r.Header, r.URL.RawQuery
		fake.ServeHTTP(w, r)
	}))
	defer server.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	text := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: s, user: u}}],
	  clusters: [{name: s, cluster: {server: "` + server.URL + `", certificate-authority-data: ` + base64.StdEncoding.EncodeToString(authority) + `}}], users: [{name: u, user: {token: secret}}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &ConfigMaps{Namespace: "vision", Result: "result"}
	if err := m.Connect(kubeconfig); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteSummary(t.Context(), []byte("summary")); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"query": query, "user agent": header.Get("User-Agent"), "authorization": header.Get("Authorization")}
	want := map[string]string{"query": "fieldManager=dataset-audit-runner", "user agent": "dataset-audit-runner", "authorization": "Bearer secret"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the request differs (-want +got):\n%s", diff)
	}
	if got := fake.maps["vision/result"].Data[v1alpha1.FileSummary]; got != "summary" {
		t.Errorf("the ConfigMap has %q", got)
	}
}

func TestConnectFails(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	missing := filepath.Join(t.TempDir(), "kubeconfig")
	for name, test := range map[string]struct{ kubeconfig, message string }{
		"outside of a cluster": {"", "name a file with --kubeconfig"},
		"no kubeconfig":        {missing, "--kubeconfig " + missing},
	} {
		t.Run(name, func(t *testing.T) {
			m := &ConfigMaps{Namespace: "vision", Result: "result"}
			checkError(t, m.Connect(test.kubeconfig), v1alpha1.ExitInvalidUsage, "ConfigMap vision/result: ", test.message)
		})
	}
}

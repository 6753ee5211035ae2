package publish

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// apiServer answers as the API server does to the runner, whose Role allows it to patch what is there, and nothing
// else. It is an http.Handler for a real server, and an http.RoundTripper for tests in a bubble of time, where a
// network would stop the clock.
type apiServer struct {
	// fault is what goes wrong with the request of that number, from 0.
	fault func(n int) fault

	mu       sync.Mutex
	maps     map[string]configMap // by namespace/name
	requests []request
}

type configMap struct {
	Data       map[string]string `json:"data,omitempty"`
	BinaryData map[string][]byte `json:"binaryData,omitempty"`
}

// request is one that arrived, and when.
type request struct {
	At   time.Duration
	Body string
}

// fault is one of: an error status, no connection, no answer. The zero fault is none.
type fault struct {
	status     int
	retryAfter string
	err        error
	hang       bool
}

func newAPIServer(names ...string) *apiServer {
	s := &apiServer{maps: map[string]configMap{}, fault: func(int) fault { return fault{} }}
	for _, name := range names {
		s.maps["vision/"+name] = configMap{}
	}
	return s
}

func (s *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	if err := s.serve(recorder, r); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.serve(w, r); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.requests = append(s.requests, request{time.Since(bubbleStart), string(body)})
	f := s.fault(len(s.requests) - 1)
	s.mu.Unlock()
	if f.hang {
		<-r.Context().Done()
		return r.Context().Err()
	}
	if f.err != nil {
		return f.err
	}
	if f.retryAfter != "" {
		w.Header().Set("Retry-After", f.retryAfter)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := path.Base(path.Dir(path.Dir(r.URL.Path))) + "/" + path.Base(r.URL.Path)
	stored, found := s.maps[name]
	status := http.StatusOK
	switch {
	case r.Method != http.MethodPatch, r.URL.Path != "/api/v1/namespaces/vision/configmaps/"+path.Base(name) && r.URL.Path != "/apis/datasetaudit.io/v1alpha1/namespaces/vision/auditrecords/"+path.Base(name):
		status = http.StatusForbidden
	case r.Header.Get("Content-Type") != "application/merge-patch+json":
		status = http.StatusUnsupportedMediaType
	case !found:
		status = http.StatusNotFound
	}
	status = cmp.Or(f.status, status)
	if status == http.StatusTooManyRequests { // priority and fairness answers in plain text
		http.Error(w, "Too many requests, please try again later.", status)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusOK {
		return json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
			Code: int32(status), Message: "said the server",
		})
	}
	merged, err := merge(stored, body)
	if err != nil {
		return err
	}
	s.maps[name] = merged
	return json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": merged.Data, "binaryData": merged.BinaryData})
}

// merge applies a merge patch: a null removes a key, all else is replaced.
func merge(m configMap, patch []byte) (configMap, error) {
	var change struct {
		Data       map[string]*string
		BinaryData map[string][]byte
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return m, err
	}
	out := configMap{Data: map[string]string{}, BinaryData: map[string][]byte{}}
	maps.Copy(out.Data, m.Data)
	maps.Copy(out.BinaryData, m.BinaryData)
	for key, text := range change.Data {
		delete(out.Data, key)
		if text != nil {
			out.Data[key] = *text
		}
	}
	maps.Copy(out.BinaryData, change.BinaryData)
	return out, nil
}

// bubbleStart is when time begins in every bubble of testing/synctest.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// connected are the ConfigMaps "result" and "clusters" on s.
func connected(t *testing.T, s *apiServer) *ConfigMaps {
	t.Helper()
	m := &ConfigMaps{Namespace: "vision", Result: "result", Clusters: "clusters"}
	if err := m.connect(&rest.Config{Host: "http://api", Transport: s}); err != nil {
		t.Fatal(err)
	}
	return m
}

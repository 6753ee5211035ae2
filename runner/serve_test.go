package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestServe(t *testing.T) {
	f := newFixture(t)
	out := t.TempDir()
	if _, err := newServer(out); err == nil || !strings.Contains(err.Error(), "--out of an audit") {
		t.Errorf("a folder without a page: %v", err)
	}
	if code, _, stderr := run(t, "audit", f.path("images"), "--out", out); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s, err := newServer(out)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.serve(ctx, listener) }()
	root := "http://" + listener.Addr().String()
	ask := func(method, path, body string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, root+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	marks := s.path + v1alpha1.DefaultVerdictsKey
	const review = `{"schemaVersion": 1, "audit": "images", "verdicts": [{"verdict": "NotCopies", "members": ["a", "b"]}]}`
	for _, test := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/", "", 403, "whole address"},
		{"GET", "/" + strings.Repeat("A", len(s.path)-2) + "/", "", 403, ""},
		{"PUT", "/" + v1alpha1.DefaultVerdictsKey, review, 403, ""},
		{"GET", s.path, "", 200, `<meta name="verdicts" content="` + marks + `">`},
		{"GET", s.path, "", 200, "connect-src &#39;self&#39;"},
		{"GET", s.path + "../" + v1alpha1.FileSummary, "", 404, ""},
		{"GET", s.path + v1alpha1.FileSummary, "", 404, ""},
		{"POST", s.path, "", 404, ""},
		{"GET", marks, "", 204, ""},
		{"PUT", marks, "no JSON", 400, ""},
		{"PUT", marks, `{"schemaVersion": 1, "verdicts": [{"verdict": "Maybe", "members": ["a", "b"]}]}`, 400, "Maybe"},
		{"GET", marks, "", 204, ""},
		{"PUT", marks, review, 200, ""},
		{"GET", marks, "", 200, review},
	} {
		if code, text := ask(test.method, test.path, test.body); code != test.code || !strings.Contains(text, test.want) {
			t.Errorf("%s %s: %d, want %d with %q: %.200s", test.method, test.path, code, test.code, test.want, text)
		}
	}
	stored, err := os.ReadFile(filepath.Join(out, v1alpha1.DefaultVerdictsKey))
	if err != nil || string(stored) != review {
		t.Errorf("%s, %v", stored, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

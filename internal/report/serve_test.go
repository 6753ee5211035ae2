package report

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// TestBrowserServed: marks on a page that is served are kept where it is told, and are there in another browser.
func TestBrowserServed(t *testing.T) {
	b := startBrowser(t)
	f, _ := sixty(t)
	page, err := os.ReadFile(strings.TrimPrefix(published(t, f), "file://"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var kept []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodPut:
			kept, _ = io.ReadAll(r.Body) // what is lacking will be missed below
		case r.URL.Path == "/marks" && kept == nil:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/marks":
			_, _ = w.Write(kept)
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := Connected(w, bytes.NewReader(page), "/marks"); err != nil {
				t.Error(err)
			}
		default:
			w.WriteHeader(http.StatusNoContent) // the browser's own wishes, such as an icon
		}
	}))
	defer server.Close()
	p := b.open(t, server.URL, look{})
	p.sees("document.querySelector('.marked').textContent.startsWith('0 of 60')")
	p.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("2")) // not copies
	p.sees("document.querySelector('.marked').textContent.startsWith('1 of 60')")
	p.sees("window.answered || fetch('/marks').then((answer) => { window.answered = answer.status === 200; }) && false")

	mu.Lock()
	review, err := v1alpha1.ParseReview(kept)
	mu.Unlock()
	if err != nil || len(review.Verdicts) != 1 || review.Verdicts[0].Verdict != v1alpha1.VerdictNotCopies {
		t.Fatalf("%+v, %v", review, err)
	}
	p.act("localStorage.clear()")
	again := b.open(t, server.URL, look{})
	again.sees("document.querySelector('.marked').textContent.startsWith('1 of 60')")
}

func TestConnectedRefusesOtherFiles(t *testing.T) {
	for _, other := range []string{"", "<html></html>", strings.Repeat("x", 2*headBytes)} {
		if err := Connected(io.Discard, strings.NewReader(other), "/marks"); err == nil {
			t.Errorf("%.20q is served", other)
		}
	}
}

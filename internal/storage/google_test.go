package storage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// googleServer answers as the JSON API of Google Cloud Storage does, for one bucket in memory, with pages of two
// objects. It checks what the documentation demands of a client.
type googleServer struct {
	t        *testing.T
	mu       sync.Mutex
	objects  map[string]googleStored
	sessions map[string]*googleSession
	writes   int64
	// before, if set, may answer a request first.
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
	// atMost is how many bytes of a chunk are stored at once.
	atMost int
}

type googleStored struct {
	content     []byte
	generation  int64
	contentType string
}

type googleSession struct {
	name, contentType string
	isNew             bool
	content           []byte
}

// openFakeGoogle opens a bucket, or a prefix of one, on such a server.
func openFakeGoogle(t *testing.T, path string) (*Bucket, *googleServer) {
	t.Helper()
	s := &googleServer{t: t, objects: map[string]googleStored{}, sessions: map[string]*googleSession{}, atMost: 1 << 30}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	before := googlePatience
	googlePatience.firstPause = time.Millisecond
	t.Cleanup(func() { googlePatience = before })
	t.Setenv("STORAGE_EMULATOR_HOST", server.Listener.Addr().String())
	return mustOpen(t, "gs://bucket"+path), s
}

func (s *googleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil && s.before(w, r) {
		return
	}
	const objects, uploads = "/storage/v1/b/bucket/o", "/upload/storage/v1/b/bucket/o"
	path := r.URL.EscapedPath()
	switch name, _ := url.PathUnescape(strings.TrimPrefix(path, objects+"/")); {
	case path == uploads && r.Method == http.MethodPost:
		s.begin(w, r)
	case path == uploads && r.Method == http.MethodPut:
		s.store(w, r)
	case path == uploads && r.Method == http.MethodDelete:
		delete(s.sessions, r.URL.Query().Get("upload_id"))
		w.WriteHeader(499)
	case path == objects:
		s.list(w, r)
	case strings.HasPrefix(path, objects+"/"):
		s.object(w, r, name)
	default:
		googleRefuses(w, http.StatusNotFound, "notFound", "The specified bucket does not exist.")
	}
}

func googleRefuses(w http.ResponseWriter, status int, reason, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error": {"code": %d, "message": %q, "errors": [{"reason": %q, "message": %q}]}}`, status, message, reason, message)
}

func (s *googleServer) describe(name string) map[string]string {
	o := s.objects[name]
	return map[string]string{"name": name, "size": strconv.Itoa(len(o.content)), "generation": strconv.FormatInt(o.generation, 10), "updated": time.Now().UTC().Format(time.RFC3339Nano)}
}

func (s *googleServer) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var items []map[string]string
	next := ""
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(name, query.Get("prefix")) || name < query.Get("pageToken") {
			continue
		}
		if len(items) == 2 {
			next = name
			break
		}
		items = append(items, s.describe(name))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items, "nextPageToken": next})
}

func (s *googleServer) object(w http.ResponseWriter, r *http.Request, name string) {
	o, ok := s.objects[name]
	switch {
	case !ok:
		googleRefuses(w, http.StatusNotFound, "notFound", "No such object: bucket/"+name)
	case r.Method == http.MethodDelete:
		delete(s.objects, name)
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Query().Get("alt") != "media":
		_ = json.NewEncoder(w).Encode(s.describe(name))
	default:
		w.Header().Set("X-Goog-Generation", strconv.FormatInt(o.generation, 10))
		w.Header().Set("Content-Type", o.contentType)
		http.ServeContent(w, r, "", zeroTime, bytes.NewReader(o.content))
	}
}

func (s *googleServer) begin(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("uploadType") != "resumable" {
		s.t.Errorf("an upload of the type %q", query.Get("uploadType"))
	}
	isNew := query.Get("ifGenerationMatch") == "0"
	if _, there := s.objects[query.Get("name")]; isNew && there {
		googleRefuses(w, http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
		return
	}
	id := strconv.Itoa(len(s.sessions))
	s.sessions[id] = &googleSession{name: query.Get("name"), contentType: r.Header.Get("X-Upload-Content-Type"), isNew: isNew}
	w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"?upload_id="+id)
}

func (s *googleServer) store(w http.ResponseWriter, r *http.Request) {
	session := s.sessions[r.URL.Query().Get("upload_id")]
	if session == nil {
		googleRefuses(w, http.StatusNotFound, "notFound", "no such upload")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	part, total, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	if part != "*" {
		var from, to int
		if _, err := fmt.Sscanf(part, "%d-%d", &from, &to); err != nil || to-from+1 != len(body) {
			s.t.Errorf("%q of %d bytes", r.Header.Get("Content-Range"), len(body))
		}
		if total == "*" && len(body)%(256<<10) != 0 {
			s.t.Errorf("a chunk of %d bytes that is not the last", len(body))
		}
		if from > len(session.content) {
			s.t.Errorf("a chunk from %d where %d bytes are stored", from, len(session.content))
		}
		unknown := body[min(len(body), len(session.content)-from):]
		session.content = append(session.content, unknown[:min(len(unknown), s.atMost)]...)
	}
	if total != strconv.Itoa(len(session.content)) {
		if len(session.content) > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(session.content)-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	if _, there := s.objects[session.name]; session.isNew && there {
		googleRefuses(w, http.StatusPreconditionFailed, "conditionNotMet", "it came between")
		return
	}
	s.writes++
	s.objects[session.name] = googleStored{session.content, s.writes, session.contentType}
	_ = json.NewEncoder(w).Encode(s.describe(session.name))
}

func TestGoogleUploads(t *testing.T) {
	for name, size := range map[string]int{
		"empty": 0, "small": 5, "a chunk": googleChunk, "more than one": googleChunk + 3, "two": 2 * googleChunk,
	} {
		t.Run(name, func(t *testing.T) {
			b, server := openFakeGoogle(t, "/some prefix")
			failures := 0
			server.before = func(w http.ResponseWriter, r *http.Request) bool {
				if failures++; failures%2 == 1 {
					googleRefuses(w, http.StatusServiceUnavailable, "backendError", "try again")
					return true
				}
				return false
			}
			server.atMost = googleChunk - (256 << 10) // so that a whole chunk takes two
			want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			if err := b.WriteAll(t.Context(), "a/ü b%20c?#.html", want); err != nil {
				t.Fatal(err)
			}
			got, err := b.ReadAll(t.Context(), "a/ü b%20c?#.html", int64(size))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d, %v", len(got), size, err)
			}
			if o := server.objects["some prefix/a/ü b%20c?#.html"]; o.contentType != "text/html; charset=utf-8" {
				t.Errorf("stored as %q", o.contentType)
			}
		})
	}
}

// What is given up in the middle leaves no object, and its session is closed.
func TestGoogleUploadGivenUp(t *testing.T) {
	b, server := openFakeGoogle(t, "")
	failed := errors.New("failed")
	err := b.Write(t.Context(), "x", func(w io.Writer) error {
		_, err := w.Write(make([]byte, googleChunk+1))
		return cmp.Or(err, failed)
	})
	if !errors.Is(err, failed) || len(server.objects) != 0 || len(server.sessions) != 0 {
		t.Errorf("%v; objects %v, sessions %v", err, server.objects, server.sessions)
	}
}

func TestKindsOfGoogleErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		reason string
		want   Kind
	}{
		"no object":      {404, "notFound", NotFound},
		"forbidden":      {403, "forbidden", Denied},
		"no credentials": {401, "required", Unauthorized},
		"slow down":      {403, "userRateLimitExceeded", Transient},
		"too many":       {429, "rateLimitExceeded", Transient},
		"invalid":        {400, "invalid", Invalid},
		"away":           {503, "backendError", Transient},
	} {
		t.Run(name, func(t *testing.T) {
			b, server := openFakeGoogle(t, "/data")
			requests := 0
			server.before = func(w http.ResponseWriter, _ *http.Request) bool {
				requests++
				googleRefuses(w, tc.status, tc.reason, "said the server")
				return true
			}
			_, err := b.List(t.Context(), "")
			if KindOf(err) != tc.want || !strings.Contains(err.Error(), "list gs://bucket/data") || !strings.Contains(err.Error(), "said the server") {
				t.Errorf("%v (%v), want %v", err, KindOf(err), tc.want)
			}
			if again := requests > 1; again != (tc.want == Transient) {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

// The address of an upload's session is a credential.
func TestGoogleErrorsHideTheSession(t *testing.T) {
	b, server := openFakeGoogle(t, "")
	server.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		panic(http.ErrAbortHandler) // the connection breaks
	}
	err := b.WriteAll(t.Context(), "x", []byte("x"))
	if err == nil || KindOf(err) != Transient || strings.Contains(err.Error(), "upload_id") {
		t.Errorf("%v (%v)", err, KindOf(err))
	}
}

// A stream goes on where a connection broke, with the same generation, and a page of a listing is asked for again.
func TestGoogleReadsThatBreak(t *testing.T) {
	b, server := openFakeGoogle(t, "")
	want := bytes.Repeat([]byte("0123456789"), 1000)
	if err := b.WriteAll(t.Context(), "x", want); err != nil {
		t.Fatal(err)
	}
	breaks, ranges := 2, []string{}
	server.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("alt") != "media" {
			return false
		}
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("accepts %q: what is stored packed would be unpacked", r.Header.Get("Accept-Encoding"))
		}
		ranges = append(ranges, r.Header.Get("Range")+" "+r.URL.Query().Get("generation"))
		if breaks == 0 {
			return false
		}
		breaks--
		from := 0
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("X-Goog-Generation", "1")
		w.Header().Set("Content-Length", strconv.Itoa(len(want)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(want)-1, len(want)))
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(want[from : from+1000])
		return true // and hangs up
	}
	body, err := b.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if diff := gocmp.Diff([]string{" ", "bytes=1000- 1", "bytes=2000- 1"}, ranges); diff != "" {
		t.Error(diff)
	}

	broken := 1
	server.before = func(w http.ResponseWriter, _ *http.Request) bool {
		if broken--; broken < 0 {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"items": [`)
		return true
	}
	if objects, err := b.List(t.Context(), ""); err != nil || len(objects) != 1 {
		t.Errorf("a listing that breaks: %v, %v", objects, err)
	}
}

// A server that answers a part with the whole is not believed.
func TestGoogleWithoutRanges(t *testing.T) {
	b, server := openFakeGoogle(t, "")
	if err := b.WriteAll(t.Context(), "x", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	server.before = func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	}
	if got, err := b.ReadRange(t.Context(), "x", 5, 3); err == nil || !strings.Contains(err.Error(), "no parts") {
		t.Errorf("%q, %v", got, err)
	}
}

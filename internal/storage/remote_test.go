package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/test/s3server"
)

// fakeS3 opens a bucket of the real S3 client on a server that answers as handler does.
func fakeS3(t *testing.T, handler http.HandlerFunc) *Bucket {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return mustOpen(t, "s3://bucket/data?region=eu-west-1&use_path_style=true&endpoint="+server.URL)
}

// refusing answers every request with one error of S3.
func refusing(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said the server</Message></Error>", code)
	}
}

func TestKindsOfS3Errors(t *testing.T) {
	for code, tc := range map[string]struct {
		status int
		want   Kind
	}{
		"NoSuchKey":             {404, NotFound},
		"NoSuchBucket":          {404, NotFound},
		"AccessDenied":          {403, Denied},
		"InvalidObjectState":    {403, Denied},
		"InvalidAccessKeyId":    {403, Unauthorized},
		"SignatureDoesNotMatch": {403, Unauthorized},
		"ExpiredToken":          {401, Unauthorized},
		"InvalidRange":          {416, Invalid},
	} {
		t.Run(code, func(t *testing.T) {
			b := fakeS3(t, refusing(tc.status, code))
			_, list := b.List(t.Context(), "")
			_, read := b.ReadAll(t.Context(), "a/b.jpg", 10)
			wrote := b.WriteAll(t.Context(), "a/b.jpg", []byte("x"))
			for op, err := range map[string]error{"list": list, "read": read, "write": wrote} {
				if KindOf(err) != tc.want || err == nil {
					t.Errorf("%s: %v (%v), want %v", op, err, KindOf(err), tc.want)
					continue
				}
				if !strings.HasPrefix(err.Error(), op+" s3://bucket/data") || !strings.Contains(err.Error(), code) {
					t.Errorf("%s: %q names neither bucket nor cause", op, err)
				}
			}
			if denied := tc.want == Denied || tc.want == Unauthorized; errors.Is(read, fs.ErrPermission) != denied {
				t.Errorf("errors.Is(%v, fs.ErrPermission) is %v", read, !denied)
			}
		})
	}
}

// A server that is away for a while is no reason to take a file for a folder.
func TestOpenAtOfAServerThatIsAway(t *testing.T) {
	fakeS3(t, nil) // for the credentials
	server := httptest.NewServer(refusing(500, "InternalError"))
	defer server.Close()
	at := "s3://bucket/data/images.csv?region=eu-west-1&use_path_style=true&endpoint=" + server.URL
	if _, _, err := OpenAt(t.Context(), at); err == nil || KindOf(err) != Transient {
		t.Errorf("away: %v", err)
	}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			refusing(500, "InternalError")(w, r)
			return
		}
		_, _ = io.WriteString(w, "path\n")
	})
	if _, key, err := OpenAt(t.Context(), at); err != nil || key != "images.csv" {
		t.Errorf("there: %q, %v", key, err)
	}
	server.Config.Handler = refusing(404, "NoSuchKey")
	if _, key, err := OpenAt(t.Context(), at); err != nil || key != "" {
		t.Errorf("a folder: %q, %v", key, err)
	}
}

func TestReadsThatBreakAreTriedAgain(t *testing.T) {
	var requests atomic.Int64
	b := fakeS3(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/bucket/data/a/b c.jpg" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Length", "10")
		w.Header().Set("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
		if requests.Add(1) == 1 {
			_, _ = io.WriteString(w, "01234") // and hangs up
			return
		}
		_, _ = io.WriteString(w, "0123456789")
	})
	got, err := b.ReadAll(t.Context(), "a/b c.jpg", 10)
	if err != nil || string(got) != "0123456789" || requests.Load() != 2 {
		t.Errorf("got %q, %v after %d requests", got, err, requests.Load())
	}

	body, err := b.Open(t.Context(), "a/b c.jpg")
	if err != nil {
		t.Fatal(err)
	}
	requests.Store(0)
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if body, err = b.Open(t.Context(), "a/b c.jpg"); err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadAll(body); KindOf(err) != Transient || err == nil || !strings.Contains(err.Error(), "s3://bucket/data/a/b c.jpg") {
		t.Errorf("a stream that breaks: %v", err)
	}
}

func TestListOfAnObjectStore(t *testing.T) {
	b := fakeS3(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("prefix"); got != "data/tr" {
			t.Errorf("prefix %q", got)
		}
		w.Header().Set("Content-Type", "application/xml")
		entry := func(key, etag string) string {
			return "<Contents><Key>" + key + "</Key><Size>5</Size><ETag>" + etag + "</ETag><LastModified>2026-11-02T10:00:00Z</LastModified></Contents>"
		}
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated>`+
			entry("data/train/", `"d41d8cd98f00b204e9800998ecf8427e"`)+ // a folder's marker
			entry("data/train/b.jpg", `"0cc175b9c0f1b6a831c399e269772661-2"`)+ // uploaded in parts
			entry("data/train//c.jpg", `"0cc175b9c0f1b6a831c399e269772661"`)+
			entry("data/train/a.jpg", `"0cc175b9c0f1b6a831c399e269772661"`)+
			`</ListBucketResult>`)
	})
	got, err := b.List(t.Context(), "tr")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"train//c.jpg", "train/a.jpg", "train/b.jpg"}, keys(got)); diff != "" {
		t.Fatal(diff)
	}
	if got[0].Err == nil || got[1].Err != nil || got[2].Err != nil {
		t.Errorf("only a name that is not a plain path has an error: %v", got)
	}
	if got[1].Version != "0cc175b9c0f1b6a831c399e269772661" || got[2].Version == "" || got[2].Version == got[1].Version {
		t.Errorf("versions %q and %q", got[1].Version, got[2].Version)
	}
}

// Many readers at once must not open a connection for every object. S3 says with each read which version it is of.
func TestPinnedObject(t *testing.T) {
	tag, requests := "one", 0
	b := fakeS3(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("ETag", `"`+tag+`"`)
		w.Header().Set("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
		_, _ = io.WriteString(w, "x")
	})
	if got, err := b.Pin("a", "one").ReadAll(t.Context(), 1); err != nil || string(got) != "x" {
		t.Errorf("read %q, %v", got, err)
	}
	tag, requests = "two", 0
	if _, err := b.Pin("a", "one").ReadAll(t.Context(), 1); !errors.Is(err, ErrChanged) || requests != 1 {
		t.Errorf("after it changed: %v, %d requests", err, requests)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	const readers, rounds = 50, 10
	var connections atomic.Int64
	var together sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		together.Done()
		together.Wait() // all readers of a round are here at once
		w.Header().Set("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
		_, _ = io.WriteString(w, "x")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	b := mustOpen(t, "s3://bucket?region=eu-west-1&use_path_style=true&endpoint="+server.URL)
	for range rounds {
		together.Add(readers)
		var round sync.WaitGroup
		for range readers {
			round.Go(func() {
				if _, err := b.ReadAll(t.Context(), "x", 1); err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
	}
	if n := connections.Load(); n > 2*readers {
		t.Errorf("%d connections for %d reads, %d at once", n, readers*rounds, readers)
	}
}

func TestS3Server(t *testing.T) {
	options := s3server.Start(t, "bucket", "other")
	b := mustOpen(t, "s3://bucket/some prefix"+options)
	for _, key := range []string{"b", "a-b", "a/ü b%20c?#.jpg", "a/b"} {
		write(t, b, key, "content of "+key)
	}
	objects, err := b.List(t.Context(), "")
	if diff := cmp.Diff([]string{"a-b", "a/b", "a/ü b%20c?#.jpg", "b"}, keys(objects)); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	for _, o := range objects {
		got, err := b.ReadAll(t.Context(), o.Key, o.Size)
		if err != nil || string(got) != "content of "+o.Key || o.Version == "" {
			t.Errorf("%s: %q, %v", o.Key, got, err)
		}
		o.Modified = 0
		if stat, err := b.Stat(t.Context(), o.Key); stat != o || err != nil {
			t.Errorf("Stat says %+v, %v; List %+v", stat, err, o)
		}
	}

	writesNew(t, mustOpen(t, "s3://bucket/elsewhere"+options))

	failed := errors.New("failed")
	large := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB: more than one part
	for _, end := range []error{failed, nil} {
		err := b.Write(t.Context(), "large", func(w io.Writer) error {
			if _, err := io.WriteString(w, large); err != nil {
				return err
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Errorf("got %v, want %v", err, end)
		}
		o, err := b.Stat(t.Context(), "large")
		if end != nil && KindOf(err) != NotFound || end == nil && (err != nil || o.Size != int64(len(large))) {
			t.Errorf("after a write that ended with %v: %+v, %v", end, o, err)
		}
	}
	if got, err := b.ReadRange(t.Context(), "large", 1<<20+3, 5); err != nil || string(got) != "34567" {
		t.Errorf("a range: %q, %v", got, err)
	}

	if objects, err := mustOpen(t, "s3://other"+options).List(t.Context(), ""); err != nil || len(objects) != 0 {
		t.Errorf("an empty bucket: %v, %v", keys(objects), err)
	}
	if _, err := mustOpen(t, "s3://nowhere"+options).List(t.Context(), ""); KindOf(err) != NotFound {
		t.Errorf("a bucket that is not there: %v (%v)", err, KindOf(err))
	}
	if _, err := b.ReadAll(t.Context(), "nothing", 1); KindOf(err) != NotFound {
		t.Errorf("an object that is not there: %v (%v)", err, KindOf(err))
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if _, err := mustOpen(t, "s3://bucket"+options).List(t.Context(), ""); KindOf(err) != Unauthorized {
		t.Errorf("a wrong key: %v (%v)", err, KindOf(err))
	}
}

// The options of a URL are those that the documentation names, and a mistake is told before any request.
func TestOptionsOfS3(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	for options, want := range map[string]string{
		"":                 "",
		"region=us-east-1": "",
		"endpoint=http://minio.example:9000&use_path_style=true":                                 "",
		"s3ForcePathStyle=true&disable_https=true&awssdk=v2":                                     "",
		"anonymous=true&accelerate=true&dualstack=true":                                          "",
		"fips=false&rate_limiter_capacity=100&profile=":                                          "",
		"ssetype=aes256&kmskeyid=key":                                                            "",
		"request_checksum_calculation=when_required&response_checksum_validation=when_supported": "",

		"endpoint=minio:9000":                 "endpoint",
		"use_path_style=perhaps":              "use_path_style",
		"ssetype=rot13":                       "ssetype",
		"role=me":                             "ARN",
		"rate_limiter_capacity=-1":            "rate_limiter_capacity",
		"request_checksum_calculation=always": "when_supported or when_required",
		"regoin=eu-west-1":                    `"regoin" is not known`,
		"region=%zz":                          "options after the question mark",
	} {
		_, err := Open(t.Context(), "s3://bucket/data?"+options)
		if want == "" && err != nil || want != "" && (err == nil || KindOf(err) != Invalid || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", options, err, want)
		}
	}
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	for options, want := range map[string]string{
		"": "", "anonymous=true": "", "access_id=-": "", "private_key_path=key.json&universe_domain=example.com": "",
		"grpc=true": "leave them out", "grpc=false": "", "region=x": `"region" is not known`,
	} {
		_, err := Open(t.Context(), "gs://bucket/data?"+options)
		if want == "" && err != nil || want != "" && (err == nil || KindOf(err) != Invalid || !strings.Contains(err.Error(), want)) {
			t.Errorf("gs %q: %v, want %q", options, err, want)
		}
	}
}

// Giving up an upload doesn't wait for what is being sent.
func TestAbortIsQuick(t *testing.T) {
	stuck := make(chan struct{})
	b := fakeS3(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/xml")
			fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
			return
		}
		if r.Method == http.MethodPut {
			select {
			case <-stuck:
			case <-r.Context().Done():
			}
		}
	})
	t.Cleanup(func() { close(stuck) })
	failed := errors.New("failed")
	begin := time.Now()
	err := b.Write(t.Context(), "x", func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 20<<20)); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) || time.Since(begin) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

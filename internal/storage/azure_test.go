package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
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
)

// azureServer answers as Azure Blob Storage does, for one container in memory, with pages of two objects.
type azureServer struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string]azureStored
	blocks  map[string][]byte
	writes  int
	// refuse, if set, is the answer to every request.
	refuse func(w http.ResponseWriter)
}

type azureStored struct {
	content     []byte
	tag         string
	contentType string
}

func openFakeAzure(t *testing.T, path string) (*Bucket, *azureServer) {
	t.Helper()
	s := &azureServer{t: t, objects: map[string]azureStored{}, blocks: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Setenv("AZURE_STORAGE_ACCOUNT", "account")
	t.Setenv("AZURE_STORAGE_KEY", base64.StdEncoding.EncodeToString([]byte("secret")))
	return mustOpen(t, "azblob://container"+path+"?protocol=http&localemu=true&domain="+server.Listener.Addr().String()), s
}

func azureRefuses(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said the server</Message></Error>", code)
}

func (s *azureServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "SharedKey account:") {
		s.t.Errorf("%s %s is not signed", r.Method, r.URL)
	}
	if s.refuse != nil {
		s.refuse(w)
		return
	}
	const at = "/account/container"
	query := r.URL.Query()
	name, _ := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), at+"/"))
	switch {
	case query.Get("comp") == "list" && r.URL.Path == at:
		s.list(w, query)
	case r.Method == http.MethodPut:
		s.put(w, r, name)
	default:
		s.object(w, r, name)
	}
}

func (s *azureServer) list(w http.ResponseWriter, query url.Values) {
	type blob struct {
		Name string
		Size int    `xml:"Properties>Content-Length"`
		Tag  string `xml:"Properties>Etag"`
		Time string `xml:"Properties>Last-Modified"`
	}
	page := struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Blobs   []blob   `xml:"Blobs>Blob"`
		Next    string   `xml:"NextMarker"`
	}{}
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(name, query.Get("prefix")) || name < query.Get("marker") {
			continue
		}
		if len(page.Blobs) == 2 {
			page.Next = name
			break
		}
		o := s.objects[name]
		page.Blobs = append(page.Blobs, blob{name, len(o.content), o.tag, time.Now().UTC().Format(http.TimeFormat)})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(page)
}

func (s *azureServer) object(w http.ResponseWriter, r *http.Request, name string) {
	o, ok := s.objects[name]
	if !ok {
		azureRefuses(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	if r.Method == http.MethodDelete {
		delete(s.objects, name)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if part := r.Header.Get("X-Ms-Range"); part != "" {
		r.Header.Set("Range", part)
	}
	w.Header().Set("Etag", `"`+o.tag+`"`)
	w.Header().Set("Content-Type", o.contentType)
	http.ServeContent(w, r, "", zeroTime, bytes.NewReader(o.content))
}

func (s *azureServer) put(w http.ResponseWriter, r *http.Request, name string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	query := r.URL.Query()
	if query.Get("comp") == "block" {
		s.blocks[name+" "+query.Get("blockid")] = body
		w.WriteHeader(http.StatusCreated)
		return
	}
	if _, there := s.objects[name]; there && r.Header.Get("If-None-Match") == "*" {
		azureRefuses(w, http.StatusConflict, "BlobAlreadyExists")
		return
	}
	if query.Get("comp") == "blocklist" {
		var list struct{ Latest []string }
		if err := xml.Unmarshal(body, &list); err != nil {
			s.t.Error(err)
		}
		body = nil
		for _, id := range list.Latest {
			body = append(body, s.blocks[name+" "+id]...)
		}
	}
	s.writes++
	s.objects[name] = azureStored{body, "0x" + strconv.Itoa(s.writes), r.Header.Get("X-Ms-Blob-Content-Type")}
	w.WriteHeader(http.StatusCreated)
}

// zeroTime keeps an answer free of a time.
var zeroTime time.Time

func TestAzureUploads(t *testing.T) {
	for _, size := range []int{0, 5, azureBlock, azureBlock + 3, 2 * azureBlock} {
		b, server := openFakeAzure(t, "/some prefix")
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		if err := b.WriteAll(t.Context(), "a/ü b%20c?#.csv", want); err != nil {
			t.Fatal(err)
		}
		got, err := b.ReadAll(t.Context(), "a/ü b%20c?#.csv", int64(size))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, %v", len(got), size, err)
		}
		if o := server.objects["some prefix/a/ü b%20c?#.csv"]; o.contentType != "text/csv; charset=utf-8" {
			t.Errorf("stored as %q", o.contentType)
		}
	}
}

func TestKindsOfAzureErrors(t *testing.T) {
	for code, tc := range map[string]struct {
		status int
		want   Kind
	}{
		"BlobNotFound":                    {404, NotFound},
		"ContainerNotFound":               {404, NotFound},
		"AuthenticationFailed":            {403, Unauthorized},
		"AuthorizationPermissionMismatch": {403, Denied},
		"BlobArchived":                    {409, Denied},
		"InvalidRange":                    {416, Invalid},
	} {
		b, server := openFakeAzure(t, "/data")
		server.refuse = func(w http.ResponseWriter) { azureRefuses(w, tc.status, code) }
		_, err := b.ReadAll(t.Context(), "x", 10)
		if KindOf(err) != tc.want || err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%v (%v), want %v", err, KindOf(err), tc.want)
		}
	}
}

func TestAzureAccounts(t *testing.T) {
	for name, tc := range map[string]struct {
		environment map[string]string
		options     string
		want, error string
	}{
		"environment":        {environment: map[string]string{"AZURE_STORAGE_ACCOUNT": "a"}, want: "https://a.blob.core.windows.net/c"},
		"option":             {options: "?storage_account=b", environment: map[string]string{"AZURE_STORAGE_ACCOUNT": "a"}, want: "https://b.blob.core.windows.net/c"},
		"domain":             {options: "?storage_account=b&domain=blob.core.chinacloudapi.cn", want: "https://b.blob.core.chinacloudapi.cn/c"},
		"cdn":                {options: "?storage_account=b&cdn=true", environment: map[string]string{"AZURE_STORAGE_DOMAIN": "cdn.example"}, want: "https://cdn.example/c"},
		"emulator":           {options: "?storage_account=b&protocol=http", environment: map[string]string{"AZURE_STORAGE_DOMAIN": "localhost:10000"}, want: "http://localhost:10000/b/c"},
		"domain, with a key": {options: "?domain=other.example", environment: map[string]string{"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "c2VjcmV0"}, want: "https://a.other.example/c"},
		"identity elsewhere": {options: "?storage_account=b&domain=evil.example", error: "no URL sends tokens elsewhere"},
		"connection string": {
			environment: map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=d;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"},
			want:        "https://d.blob.core.windows.net/c",
		},
		"token":           {environment: map[string]string{"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_SAS_TOKEN": "?sig=x"}, want: "https://a.blob.core.windows.net/c?sig=x"},
		"token elsewhere": {environment: map[string]string{"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_SAS_TOKEN": "sig=x"}, options: "?domain=evil.example", error: "no URL sends the token elsewhere"},
		"no account":      {error: "AZURE_STORAGE_ACCOUNT"},
		"protocol":        {options: "?storage_account=b&protocol=ftp", error: "not http or https"},
		"no flag":         {options: "?storage_account=b&cdn=perhaps", error: "not true or false"},
		"unknown":         {options: "?storage_account=b&region=x", error: `"region" is not known`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"ACCOUNT", "KEY", "SAS_TOKEN", "CONNECTION_STRING", "DOMAIN", "PROTOCOL", "IS_CDN", "IS_LOCAL_EMULATOR"} {
				t.Setenv("AZURE_STORAGE_"+variable, tc.environment["AZURE_STORAGE_"+variable])
			}
			b, err := Open(t.Context(), "azblob://c/data"+tc.options)
			if tc.error != "" {
				if err == nil || KindOf(err) != Invalid || !strings.Contains(err.Error(), tc.error) {
					t.Errorf("%v (%v)", err, KindOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := b.backend.(prefixed).backend.(*azureContainer).client.URL(); got != tc.want {
				t.Errorf("opened %s, want %s", got, tc.want)
			}
		})
	}
}
